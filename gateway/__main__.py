"""``python -m gateway``: the same as ``polder``."""

from gateway.cli import main

main()
