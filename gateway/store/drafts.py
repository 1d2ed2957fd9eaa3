"""Files that appear under their name when they are whole: a draft until then, gone with the block that writes it.

Whoever writes one has it locked, and the system lets go of that when he dies: what nobody has locked is nobody's.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.store.locks import locked

_MARK, _SUFFIX = ".polder-", ".draft"
NAMED = f"*{_MARK}*{_SUFFIX}"
"""What no file is called but a draft of ours, also in a folder that others use."""


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """A new file beside the target, its owner's alone, to be given that name. Raises ``OSError``."""
    descriptor, draft = _made(target)
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)
        os.close(descriptor)


def clear_away(folder: Path, named: str = NAMED) -> None:
    """Remove the drafts of a folder whose writers are dead. What cannot be removed stays."""
    for draft in folder.glob(named):
        with suppress(OSError):
            descriptor = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if locked(descriptor):
                    draft.unlink()
            finally:
                os.close(descriptor)


def _made(target: Path) -> tuple[int, Path]:
    while True:
        descriptor, name = tempfile.mkstemp(_SUFFIX, f"{target.name}{_MARK}", target.parent)
        try:
            is_ours = locked(descriptor)
        except OSError:
            is_ours = True  # a file system that locks nothing: nobody clears away there either
        if is_ours and os.fstat(descriptor).st_nlink > 0:
            return descriptor, Path(name)
        os.close(descriptor)  # who clears away came before the lock
