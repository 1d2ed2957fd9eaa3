"""``./dev chaos <subject> [options]``: every module here that has a ``main`` is a subject."""

import importlib
import sys

SUBJECTS = ("tokens", "writes")


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
