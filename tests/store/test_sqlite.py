"""SQLite's driver: one trip to its thread for each statement, and nothing left behind by who was called off."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from aiosqlite.core import Connection as Driver
from sqlalchemy import text

from gateway.contract.errors import Problem
from gateway.engine.storage import LinkRow
from gateway.store.database import Database
from gateway.store.sql import SqlStorage
from gateway.store.sqlite import Connection, opened
from tests.house import House
from tests.store.making import connection, path_of

pytestmark = pytest.mark.anyio

PATIENCE = 10.0


@pytest.fixture
async def storage(opened: Callable[[str], SqlStorage], sqlite_url: str) -> SqlStorage:
    storage = opened(sqlite_url)
    await storage.connections.add(connection(), None)
    return storage


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    database = Database(sqlite_url)
    yield database
    await database.close()


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was asked of any connection's thread."""
    seen: list[Any] = []
    execute = Driver._execute

    async def counted(self: Driver, fn: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(fn)
        return await execute(self, fn, *args, **kwargs)  # type: ignore[no-untyped-call]  # it has no annotations

    monkeypatch.setattr(Driver, "_execute", counted)
    return seen


@pytest.fixture
def other(sqlite_url: str) -> Iterator[sqlite3.Connection]:
    """Another process's connection."""
    with closing(sqlite3.connect(path_of(sqlite_url), timeout=0, isolation_level=None)) as found:
        yield found


async def test_a_look_takes_one_trip_and_a_write_one_for_each_statement(storage: SqlStorage, trips: list[Any]) -> None:
    await storage.links.of("con_1")
    trips.clear()
    await storage.links.of("con_1")
    assert len(trips) == 1
    trips.clear()
    async with storage._database.writing() as transaction:
        assert await transaction.scalar(text("SELECT 1")) == 1
        assert await transaction.scalar(text("SELECT 2")) == 2
    assert len(trips) == 4, "begin, twice select, commit"


async def test_what_a_statement_finds_and_how_much_it_changed_is_told(database: Database) -> None:
    async with database.writing() as transaction:
        await transaction.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)"))
        rows = [{"id": id, "name": name} for id, name in ((1, "a"), (2, "b"), (3, "b"))]
        made = await transaction.execute(text("INSERT INTO things VALUES (:id, :name)"), rows)
        assert made.rowcount == 3
        assert (await transaction.execute(text("UPDATE things SET name = 'c' WHERE name = 'b'"))).rowcount == 2
        gone = await transaction.execute(text("DELETE FROM things WHERE name = 'c' RETURNING id"))
        assert [row.id for row in gone] == [2, 3]
    found = await database.rows(text("SELECT name AS called FROM things"))
    assert [row.called for row in found] == ["a"]
    assert await database.row(text("SELECT 1 WHERE 0")) is None
    with pytest.raises(Exception, match="SQLITE_ERROR"):
        await database.rows(text("SELECT nothing FROM nowhere"))
    assert await database.row(text("SELECT 7")) == (7,), "the session can be used again"


async def test_who_is_called_off_while_it_waits_for_its_turn_leaves_no_transaction(
    storage: SqlStorage, other: sqlite3.Connection
) -> None:
    """Its thread begins the transaction when nobody waits for it any more."""
    other.execute("BEGIN IMMEDIATE")
    write = asyncio.ensure_future(storage.links.put("con_1", "contacts", [LinkRow("1", "note", "a", unique=False)]))
    await asyncio.sleep(0.1)
    write.cancel()
    await asyncio.gather(write, return_exceptions=True)
    other.execute("COMMIT")
    await asyncio.wait_for(_writable(other), PATIENCE)
    await storage.links.put("con_1", "contacts", [LinkRow("1", "note", "b", unique=False)])
    assert await storage.links.of("con_1") == {"contacts": [LinkRow("1", "note", "b", unique=False)]}
    await asyncio.wait_for(_writable(other), PATIENCE)


async def _writable(other: sqlite3.Connection) -> None:
    while True:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            await asyncio.sleep(0.01)
            continue
        other.execute("COMMIT")
        return


@pytest.mark.parametrize("steps", [1, 2, 5])
async def test_who_is_called_off_while_it_opens_leaves_nothing_open(
    steps: int, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[sqlite3.Connection] = []
    connect, called_off = sqlite3.connect, threading.Event()

    def noted(path: str) -> sqlite3.Connection:
        assert called_off.wait(PATIENCE)
        made.append(connect(path, check_same_thread=False))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    opening = asyncio.ensure_future(opened(str(path_of(sqlite_url))))
    for _ in range(steps):
        await asyncio.sleep(0)
    opening.cancel()
    called_off.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].execute("SELECT 1")


async def test_a_commit_that_fails_leaves_nothing_locked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(self: Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as outage:
        outage.setattr(Connection, "commit", failing)
        with pytest.raises(Problem, match="storage_unavailable"):
            await house.polder.storage.check()
    with closing(sqlite3.connect(house.home / "polder.db", timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.rollback()
    await house.polder.storage.check()
