"""SQLite's driver, with one trip to its thread for each statement.

A connection of aiosqlite's has a thread. SQLAlchemy goes there four times for a statement: for a cursor, to execute,
for the rows and to close. Each time the event loop and the thread wait for each other, longer than SQLite takes.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import aiosqlite

_CHUNK = 64
"""Rows that an iterator of aiosqlite's would fetch at a time; nobody iterates here."""
_Execute = Callable[[sqlite3.Connection, str, Any], sqlite3.Cursor]
_Done = tuple[Sequence[Any], Any, int, int | None]
"""Rows, description, count and the last row's id, as PEP 249 has them."""


class Cursor:
    """A cursor as SQLAlchemy's dialect uses it. What a statement finds is there, whole, when it was executed."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> Self:
        """Execute a statement, and fetch what it finds."""
        return await self._done(sqlite3.Connection.execute, sql, parameters)

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Execute a statement for each of these."""
        return await self._done(sqlite3.Connection.executemany, sql, parameters)

    async def _done(self, execute: _Execute, sql: str, parameters: Any) -> Self:
        done = await self._connection.executed(execute, sql, parameters)
        self._rows, self.description, self.rowcount, self.lastrowid = done
        return self

    async def fetchall(self) -> Sequence[Any]:
        """The rows that were found."""
        return self._rows

    async def close(self) -> None:
        """Nothing is open any more."""


class Connection(aiosqlite.Connection):
    """A connection of aiosqlite's, whose cursors take one trip."""

    def cursor(self) -> Cursor:  # type: ignore[override]  # only SQLAlchemy's dialect asks, which enters it at once
        """A cursor, at no trip."""
        return Cursor(self)

    async def rollback(self) -> None:
        """Undo the transaction. SQLAlchemy asks for it after every session; where there is none, it takes no trip.

        Where somebody was called off, his may be about to begin in the thread: SQLAlchemy closes his connection.
        """
        if self.in_transaction:
            await super().rollback()

    async def executed(self, execute: _Execute, sql: str, parameters: Any) -> _Done:
        """What a statement comes to."""
        done: _Done = await self._execute(  # type: ignore[no-untyped-call]  # it has no annotations
            _executed, self._conn, execute, sql, parameters
        )
        return done


def _executed(connection: sqlite3.Connection, execute: _Execute, sql: str, parameters: Any) -> _Done:
    cursor = execute(connection, sql, parameters)
    try:
        rows = cursor.fetchall()
        return rows, cursor.description, cursor.rowcount, cursor.lastrowid
    finally:
        cursor.close()


async def opened(path: str, **options: Any) -> Connection:
    """A connection, or else its error and no thread: the driver tells the thread to stop, but does not wait for it.

    Such a thread would report to an event loop that is closed by then (aiosqlite issue 241, pull request 389).
    """
    connection = Connection(lambda: sqlite3.connect(path, **options), _CHUNK)
    connection._thread.daemon = True  # as SQLAlchemy has it where it connects by itself
    opening = asyncio.ensure_future(connection)
    try:
        await asyncio.shield(opening)
    except sqlite3.Error:
        await asyncio.to_thread(connection._thread.join)
        raise
    except asyncio.CancelledError:
        # The driver closes what somebody heard of, and who is called off hears of nothing: it stays to hear.
        await asyncio.wait([opening])
        if opening.exception() is None:
            await connection.close()
        raise
    return connection
