"""``polder backup`` and ``polder restore``: the embedded database, and apart from it the keys that open it.

And the lock that tells both, and whoever else must know, that a gateway runs.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from gateway.settings import KEY_FILE, Misconfigured, Settings
from gateway.store.copies import CannotCopy, copy_in, copy_out
from gateway.store.database import sqlite_file

STAMP = "last-backup"
"""A file in the home whose modification time is that of the last backup."""
_LOCK = "serving"


class InUse(Misconfigured):
    """The home is somebody's: a gateway runs on it, or a backup is being restored to it."""


def back_up(settings: Settings, target: Path, keys: Path | None, now: datetime) -> None:
    """Copy the database to ``target``, while the gateway runs, and the encryption keys to ``keys`` if that is given.

    Neither file may be there. Raises ``Misconfigured`` or ``CannotCopy``.
    """
    database = _embedded(settings)
    with contextlib.ExitStack() as undo:
        if keys is not None:
            _write_keys(settings, keys)
            undo.callback(keys.unlink)
        copy_out(database, target)
        undo.pop_all()
    stamp = settings.home / STAMP
    stamp.unlink(missing_ok=True)  # it may be another user's, whose time is not ours to set
    stamp.touch(mode=0o600)
    os.utime(stamp, (now.timestamp(), now.timestamp()))


def restore(settings: Settings, source: Path, keys: Path | None) -> None:
    """Put a backup's database, and its keys if they are given, where there are none and no gateway runs.

    Raises ``Misconfigured``, ``CannotCopy`` or ``InUse``.
    """
    database = _embedded(settings)
    with unserved(settings, "stop it first"), contextlib.ExitStack() as undo:
        if keys is not None:
            # The keys first: a gateway that finds a database and no keys would make itself others.
            own = settings.home / KEY_FILE
            _write_private(own, _read_keys(keys))
            undo.callback(own.unlink)
        copy_in(source, database)
        undo.pop_all()


@contextlib.contextmanager
def serving_from(settings: Settings) -> Iterator[None]:
    """A gateway runs on this home while the block runs, perhaps beside others. Raises ``InUse``.

    The system itself takes note of it, so a process that dies leaves nothing behind.
    """
    settings.make_home()
    with _locked(settings, f"A backup is being restored to {settings.home}.", exclusive=False):
        yield


@contextlib.contextmanager
def unserved(settings: Settings, remedy: str) -> Iterator[None]:
    """No gateway runs on this home while the block runs. Raises ``InUse``, with what is to be done about it."""
    settings.make_home()
    with _locked(settings, f"A gateway runs on {settings.home}: {remedy}.", exclusive=True):
        yield


def last_backup(home: Path) -> float | None:
    """When the last backup of this home was made, in seconds since 1970; None where none was."""
    try:
        return (home / STAMP).stat().st_mtime
    except OSError:
        return None


def _embedded(settings: Settings) -> Path:
    try:
        database = sqlite_file(settings.database)
    except ValueError as error:
        raise Misconfigured(f"POLDER_DATABASE_URL: {error}") from error
    if database is None:
        raise Misconfigured("The database is PostgreSQL's: back it up with its own tools, such as pg_dump.")
    return database


def _write_keys(settings: Settings, keys: Path) -> None:
    own = settings.home / KEY_FILE
    if settings.encryption_keys is not None or not own.exists():
        raise CannotCopy(f"The encryption keys are not in {own}: back them up where they are configured.")
    _write_private(keys, _read_keys(own))


def _read_keys(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise CannotCopy(f"{path} cannot be read ({error.strerror}).") from error


def _write_private(path: Path, text: str) -> None:
    """Write a file that is not there yet, whole or not at all, readable by its owner only."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CannotCopy(f"{path} is there, and nothing is overwritten.") from None
    except OSError as error:
        raise CannotCopy(f"{path} cannot be written ({error.strerror}).") from error
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()  # it would stand in the way when there is room again
        raise CannotCopy(f"{path} cannot be written ({error.strerror}).") from error


@contextlib.contextmanager
def _locked(settings: Settings, taken: str, *, exclusive: bool) -> Iterator[None]:
    """The home's lock is held while the block runs. Raises ``InUse``, saying that it is ``taken``."""
    if sys.platform == "win32":
        yield  # there is no flock there; not to restore under a running gateway is the user's to mind
        return
    import fcntl  # noqa: PLC0415 - not everywhere

    descriptor = os.open(settings.home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(taken) from None
        yield
    finally:
        os.close(descriptor)
