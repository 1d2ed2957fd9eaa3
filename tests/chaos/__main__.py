"""``./dev chaos <subject> [options]``: each subject is the ``main`` of a module."""

import importlib
import signal
import sys

SUBJECTS = {
    "tokens": "tests.chaos.tokens",
    "writes": "tests.chaos.writes",
    "nodes": "tests.chaos.nodes",
    "interleavings": "tests.simulation.run",
}


def main() -> int:
    """Run one subject; its exit status."""
    subject, *arguments = sys.argv[1:] or ["help"]
    if subject not in SUBJECTS:
        print(f"usage: ./dev chaos {{{','.join(SUBJECTS)}}} [--help]", file=sys.stderr)
        return 2
    # Both end what was started before this process ends; a shell has its background jobs ignore the first.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    status: int = importlib.import_module(SUBJECTS[subject]).main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
