"""A database that cannot be used is ``storage_unavailable``, said without a statement or a path."""

import asyncio
import os
import re
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, select, text

from gateway.contract.errors import Problem
from gateway.store import database, migrate, open_storage, pending, tables
from gateway.store.database import LIMITS, Database, postgres_engine
from gateway.store.seal import KeyRing
from gateway.store.sql import SqlStorage
from tests.services import administering
from tests.store.making import NOON, connection, look, path_of, token

pytestmark = pytest.mark.anyio

NOBODY = 65534


def assert_discreet(problem: Problem) -> None:
    assert problem.code == "storage_unavailable"
    assert not re.search(r"SELECT|UPDATE|BEGIN|INSERT|PRAGMA|tmp|polder\.db", problem.detail)


@contextmanager
def unprivileged() -> Iterator[None]:
    """As a user whom the modes of files bind; root they do not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_database_that_works_passes_its_check(storage: SqlStorage) -> None:
    await storage.check()
    await storage.check()


async def test_the_check_writes(opened: Callable[[str], SqlStorage], sqlite_url: str) -> None:
    storage = opened(sqlite_url)
    await storage.check()
    await storage.check()
    assert look(sqlite_url, "SELECT writes FROM probe") == [(2,)]


async def test_a_directory_that_is_read_only(opened: Callable[[str], SqlStorage], sqlite_url: str) -> None:
    # Not under the test's own folder, whose parents only this user may enter.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "polder.db")
        file.write_bytes(path_of(sqlite_url).read_bytes())
        file.chmod(0o444)
        Path(folder).chmod(0o555)
        storage = opened(f"sqlite:///{file}")
        with unprivileged():
            with pytest.raises(Problem) as caught:
                await storage.check()
            await storage.close()
        Path(folder).chmod(0o755)
    assert_discreet(caught.value)


async def test_a_file_that_is_no_database(opened: Callable[[str], SqlStorage], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'polder.db'}"
    path_of(url).write_bytes(b"this is no database at all. " * 200)
    storage = opened(url)
    for attempt in (
        storage.check(),
        storage.connections.find("con_1"),
        storage.connections.add(connection(), None),
        storage.tokens.append(connection(), token(), NOON),
        storage.keys.all(None),
        storage.links.of("con_1"),
    ):
        with pytest.raises(Problem, match="SQLITE_NOTADB") as caught:
            await attempt
        assert_discreet(caught.value)
    for use in (migrate, pending):
        with pytest.raises(Problem, match="SQLITE_NOTADB"):
            use(url)


async def test_a_folder_that_is_not_there(opened: Callable[[str], SqlStorage], tmp_path: Path) -> None:
    storage = opened(f"sqlite:///{tmp_path}/missing/polder.db")
    with pytest.raises(Problem) as caught:
        await storage.check()
    assert_discreet(caught.value)


async def test_a_database_without_tables(opened: Callable[[str], SqlStorage], tmp_path: Path) -> None:
    storage = opened(f"sqlite:///{tmp_path}/polder.db")
    with pytest.raises(Problem) as caught:
        await storage.check()
    assert_discreet(caught.value)


async def test_a_writer_that_never_ends_is_waited_for_and_then_reported(
    opened: Callable[[str], SqlStorage], sqlite_url: str
) -> None:
    storage = opened(f"{sqlite_url}?timeout=0.05")
    await storage.connections.add(connection(), None)
    with closing(sqlite3.connect(path_of(sqlite_url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Problem, match="SQLITE_BUSY") as caught:
            await storage.tokens.append(connection(), token(), NOON)
        assert_discreet(caught.value)
        assert await storage.connections.find("con_1") == connection(), "readers are not held up"
        other.execute("ROLLBACK")
    assert (await storage.tokens.append(connection(), token(), NOON)).seq == 1


async def test_nobody_waits_for_those_who_wait_for_a_writer_that_never_ends(
    opened: Callable[[str], SqlStorage], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One behind the other each would wait for as long as one does: twenty writes, for minutes."""
    monkeypatch.setattr(database, "_POOL_TIMEOUT_S", 0.05)
    storage = opened(f"{sqlite_url}?timeout=0.2")
    with closing(sqlite3.connect(path_of(sqlite_url), isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        began = asyncio.get_running_loop().time()
        told = await asyncio.gather(*(storage.check() for _ in range(20)), return_exceptions=True)
        assert asyncio.get_running_loop().time() - began < 2
    assert [getattr(problem, "code", problem) for problem in told] == ["storage_unavailable"] * 20
    await storage.check()


async def test_a_row_that_a_lost_node_has_locked_is_waited_for_and_then_reported(
    opened: Callable[[str], SqlStorage], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where as many wait as there are sessions, another connection's books are reached."""
    monkeypatch.setitem(LIMITS, "lock_timeout", "500ms")
    storage = opened(postgres_url)
    for id in ("con_1", "con_2"):
        await storage.connections.add(connection(id), None)
    with holding(postgres_url, "con_1"):
        waiting = [asyncio.ensure_future(storage.tokens.append(connection(), token(), NOON)) for _ in range(20)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            assert await storage.connections.find("con_2") == connection("con_2")
            found = await asyncio.gather(*waiting, return_exceptions=True)
    for problem in found:
        assert isinstance(problem, Problem)
        assert_discreet(problem)
    assert (await storage.tokens.append(connection(), token(), NOON)).seq == 1


async def test_who_hangs_in_a_transaction_lets_go_of_what_it_has_locked(
    opened: Callable[[str], SqlStorage], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "idle_in_transaction_session_timeout", "300ms")
    hangs, lives = opened(postgres_url), opened(postgres_url)
    await lives.connections.add(connection(), None)
    row = select(tables.connections.c.id).with_for_update()

    async def hang() -> None:
        async with hangs._database.writing() as transaction:
            await transaction.execute(row)
            async with asyncio.timeout(3):
                assert (await lives.tokens.append(connection(), token(), NOON)).seq == 1
            await transaction.execute(row)

    with pytest.raises(Problem) as caught:
        await hang()
    assert_discreet(caught.value)


async def test_a_statement_that_never_ends_is_reported(
    opened: Callable[[str], SqlStorage], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "statement_timeout", "200ms")
    with pytest.raises(Problem, match="57014") as caught:
        await opened(postgres_url)._database.rows(text("SELECT pg_sleep(10)"))
    assert_discreet(caught.value)


@pytest.mark.parametrize(
    ("asked", "kept"), [({}, 1), ({"prepare_threshold": "none"}, 0), ({"prepare_threshold": "99"}, 0)]
)
async def test_an_address_says_that_no_statement_may_be_kept_by_a_session(
    postgres_url: str, asked: dict[str, str], kept: int
) -> None:
    """Behind a pooler the next transaction may be of another session, which knows nothing of it."""
    address = make_url(postgres_url).update_query_dict(asked)
    database = Database(address.render_as_string(hide_password=False))
    async with database.reading() as session:
        for _ in range(20):
            found = await session.scalar(text("SELECT count(*) FROM pg_prepared_statements WHERE NOT from_sql"))
    assert found == kept
    await database.close()


async def test_a_server_that_may_be_written_to_again_is(opened: Callable[[str], SqlStorage], postgres_url: str) -> None:
    storage, name = opened(postgres_url), make_url(postgres_url).database
    only_reads = f"ALTER DATABASE {name} SET default_transaction_read_only"
    with administering(postgres_url) as server:
        server.execute(text(f"{only_reads} = on"))
        for _ in range(2):
            with pytest.raises(Problem, match="25006") as raised:
                await storage.check()
            assert_discreet(raised.value)
        server.execute(text(f"{only_reads} = off"))
    await storage.check()


async def test_no_session_waits_without_an_end(opened: Callable[[str], SqlStorage], postgres_url: str) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    asked = text(f"SELECT name, setting FROM pg_settings WHERE name IN {names}")
    further = postgres_engine(postgres_url, 1)
    try:
        async with further.connect() as session:
            sessions = [(await session.execute(asked)).all(), await opened(postgres_url)._database.rows(asked)]
    finally:
        await further.dispose()
    for found in sessions:
        assert {name for name, setting in found if int(setting) > 0} == set(names)


@contextmanager
def holding(url: str, id: str) -> Iterator[None]:
    """Somebody whose host is gone has locked the row of a connection, and the server has not noticed."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as session:
            session.execute(select(tables.connections.c.id).where(tables.connections.c.id == id).with_for_update())
            yield
            session.rollback()
    finally:
        engine.dispose()


async def test_sqlite_keeps_its_word_through_a_power_cut_and_a_search_of_the_file(
    opened: Callable[[str], SqlStorage], sqlite_url: str
) -> None:
    async with opened(sqlite_url)._database.reading() as transaction:
        asked = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        told = [(await transaction.exec_driver_sql(f"PRAGMA {name}")).scalar_one() for name in asked]
    assert told == ["wal", 2, 1, 1, 5000]


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql://root:hunter2@host/db", "mysql"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///polder.db?timeout=soon", "no number of seconds"),
        ("postgresql://polder@host/db?prepare_threshold=never", "neither a number nor none"),
        ("hunter2", "no URL"),
        ("", "no URL"),
    ],
)
def test_an_address_that_is_of_no_use(ring: KeyRing, url: str, complaint: str) -> None:
    for use in (lambda: open_storage(url, ring), lambda: migrate(url), lambda: pending(url)):
        with pytest.raises(ValueError, match=complaint) as caught:
            use()
        assert "hunter2" not in str(caught.value)


def test_postgresql_without_its_driver_says_what_to_install(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    url = "postgresql://polder:hunter2@localhost/polder"
    for use in (lambda: open_storage(url, ring), lambda: migrate(url), lambda: pending(url)):
        with pytest.raises(ValueError, match=r"polder\[postgres\]"):
            use()


async def test_a_server_that_is_not_there(opened: Callable[[str], SqlStorage]) -> None:
    pytest.importorskip("psycopg", reason="the driver of PostgreSQL is an extra that is not installed here")
    url = "postgresql://polder:hunter2@127.0.0.1:1/polder"
    with pytest.raises(Problem) as caught:
        await opened(url).check()
    assert_discreet(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value)).replace(url, "")
    with pytest.raises(Problem, match="storage_unavailable"):
        migrate(url)


async def test_both_spellings_of_a_sqlite_address_name_one_file(
    opened: Callable[[str], SqlStorage], sqlite_url: str
) -> None:
    await opened(sqlite_url).connections.add(connection(), None)
    other = opened(sqlite_url.replace("sqlite:", "sqlite+aiosqlite:"))
    assert await other.connections.find("con_1") == connection()
