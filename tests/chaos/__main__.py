"""``./dev chaos <subject> [options]``: each subject is the ``main`` of the module of its name."""

import importlib
import sys

SUBJECTS = ("tokens", "writes", "nodes")


def main() -> int:
    """Run one subject; its exit status."""
    subject, *arguments = sys.argv[1:] or ["help"]
    if subject not in SUBJECTS:
        print(f"usage: ./dev chaos {{{','.join(SUBJECTS)}}} [--help]", file=sys.stderr)
        return 2
    status: int = importlib.import_module(f"tests.chaos.{subject}").main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
