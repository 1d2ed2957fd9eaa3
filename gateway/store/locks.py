"""One at a time, of all processes: locks that whoever holds them lets go of by dying, and that no clock can take away.

On one host that is a lock of the kernel's on a file (``flock``); on PostgreSQL an advisory lock of a transaction, which
the server releases with the session, and which works through a pooler that hands out a session per transaction. A lock
with a time to live was rejected: it can end under a holder who is merely slow.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contract.errors import Problem
from gateway.store.database import LIMITS, errors_as_problems, limited, postgres_engine

_FILES = 4096
"""Names that fall on the same file wait for each other: so many files that the few in flight at a time hardly meet."""
_FILE_POLL_S = 0.01
_SESSIONS = 8
"""Locks held on the server at a time by one process; who waits for one holds none."""
_SESSION_POLL_S = 0.05
# Longer than any holder takes. Set for each transaction: behind a pooler its session may have been somebody else's.
_HOLDING = text(limited({**LIMITS, "idle_in_transaction_session_timeout": "60s"}, of_transaction=True))


class Locks(Protocol):
    """Locks by name."""

    def hold(self, name: str, within: float) -> AbstractAsyncContextManager[None]:
        """Hold one, waiting that many seconds at most. Raises ``storage_unavailable``."""

    async def close(self) -> None:
        """Let go of what they need."""


class FileLocks:
    """Locks among the processes of one host, on files of a folder that is made at need."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def hold(self, name: str, within: float) -> AsyncIterator[None]:
        """Hold one: only a dead or finished process lets go of it."""
        descriptor = self._opened(_number(name) % _FILES)
        try:
            try:
                async with asyncio.timeout(within):
                    while not locked(descriptor):
                        await asyncio.sleep(_FILE_POLL_S)
            except TimeoutError:
                raise _busy() from None
            yield
        finally:
            os.close(descriptor)

    def _opened(self, number: int) -> int:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._folder / f"{number:03x}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Problem("storage_unavailable", f"Polder's lock files cannot be used ({error.strerror}).") from error

    async def close(self) -> None:
        """Nothing is open between two holds."""


class SessionLocks:
    """Locks among all who use one PostgreSQL database, on sessions of their own."""

    def __init__(self, database_url: str) -> None:
        self._engine = postgres_engine(database_url, _SESSIONS)

    @asynccontextmanager
    async def hold(self, name: str, within: float) -> AsyncIterator[None]:
        """Hold one. It may be lost by one who lives: a session ends where its holder is cut off from the server."""
        try:
            async with asyncio.timeout(within):
                connection = await self._taken(_number(name))
        except TimeoutError:
            raise _busy() from None
        try:
            yield
        finally:
            await _let_go(connection)

    async def _taken(self, number: int) -> AsyncConnection:
        while True:
            connection = self._engine.connect()
            taken = False
            try:
                with errors_as_problems():
                    await connection.start()
                    await connection.execute(_HOLDING)
                    answer = await connection.scalar(
                        text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": number}
                    )
                taken = bool(answer)
            finally:
                if not taken:
                    await _let_go(connection)
            if taken:
                return connection
            await asyncio.sleep(_SESSION_POLL_S)

    async def close(self) -> None:
        """Close every session."""
        await self._engine.dispose()


def locked(descriptor: int) -> bool:
    """Lock an open file, unless another holds it; whether that was done."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _let_go(connection: AsyncConnection) -> None:
    """End the transaction, and the lock with it. A session that is dead has let go already."""
    with suppress(SQLAlchemyError):
        await asyncio.shield(connection.close())


def _number(name: str) -> int:
    """A number for a name, of 64 bits with a sign, as PostgreSQL takes them."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8, person=b"polder-lock").digest(), "big", signed=True)


def _busy() -> Problem:
    return Problem("storage_unavailable", "Another process is asking for this connection's token.", retry_after=5)
