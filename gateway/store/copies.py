"""Whole copies of the embedded database, made while it is in use, and put back where there is none.

A copy is one SQLite file, readable by its owner only. What is secret in it stays sealed: without the encryption keys it
opens for nobody.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from gateway.store.drafts import clear_away, drafted

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""What a file system says that gives no file two names: that of a memory stick, or of many a network drive."""
_OURS = "connections"
"""A table that every database of Polder has."""


class CannotCopy(Exception):
    """The copy was not made, or not put back; the message says why and what to do. Nothing was changed."""


def copy_out(database: Path, target: Path) -> None:
    """Copy the database, as it is at one moment, to a file that is not there yet; writers are not held up.

    Raises ``CannotCopy``.
    """
    if not database.exists():
        raise CannotCopy(f"There is no database at {database}.")
    _copy(database, target)


def copy_in(source: Path, database: Path) -> None:
    """Make a copy the database, where there is none. Raises ``CannotCopy``."""
    if not source.is_file():
        raise CannotCopy(f"There is no file {source}.")
    for beside in (database, *(database.with_name(f"{database.name}{end}") for end in ("-wal", "-shm", "-journal"))):
        if beside.exists():
            raise CannotCopy(f"{beside} is there, and nothing is overwritten: move it away first.")
    try:
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCopy(f"{database.parent} cannot be made ({error.strerror}).") from error
    _copy(source, database)


def _copy(source: Path, target: Path) -> None:
    """The copy appears under its name when it is whole and durable, or not at all."""
    with _draft_of(target) as draft:
        try:
            with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True)) as here:
                _prove(here, source)
                with closing(sqlite3.connect(draft)) as there:
                    here.backup(there)
                    # Without its log the one file is the whole of it; Polder turns the log on again.
                    there.execute("PRAGMA journal_mode=DELETE")
                    _prove(there, source)
        except sqlite3.Error as error:
            raise CannotCopy(f"{source} cannot be copied ({error.sqlite_errorname}).") from error
        _sync(draft)
        try:
            _name(draft, target)
        except FileExistsError:
            raise CannotCopy(f"{target} is there, and nothing is overwritten.") from None
        except OSError as error:
            raise CannotCopy(f"{target} cannot be written ({error.strerror}).") from error
        _sync(target.parent)


@contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """A draft, once those are gone that earlier copies left here because they were killed: each has the file's size."""
    clear_away(target.parent)
    with ExitStack() as drafting:
        try:
            draft = drafting.enter_context(drafted(target))
        except OSError as error:
            raise CannotCopy(f"{target} cannot be written ({error.strerror}).") from error
        yield draft


def _name(draft: Path, target: Path) -> None:
    """Let a file appear under a name that nobody has. Raises ``OSError``."""
    try:
        os.link(draft, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # The name is taken first, so that nothing is overwritten, and then the file that has it.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        draft.replace(target)


def _prove(connection: sqlite3.Connection, source: Path) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {_OURS, "alembic_version"} <= tables:
        raise CannotCopy(f"{source} is no database of Polder.")
    found = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        raise CannotCopy(f"{source} is damaged: {found[0]}.")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
