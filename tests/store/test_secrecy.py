"""What a thief of the SQLite file, or somebody who writes in it, gets: nothing."""

import asyncio
import traceback
from collections.abc import Callable

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.storage import LinkRow
from gateway.store.seal import CannotOpen, KeyRing, generate_key
from gateway.store.sql import SqlStorage
from tests.store.filling import CONNECTIONS, cells_of, fill
from tests.store.making import NOON, bytes_on_disk, connection, later, look, path_of, refused, secrets, token

pytestmark = pytest.mark.anyio

CANARY = "canary-3kTMd8zXbWq1"


@pytest.fixture
async def filled(opened: Callable[[str], SqlStorage], sqlite_url: str) -> SqlStorage:
    storage = opened(sqlite_url)
    for each in (connection(), connection("con_2")):
        await storage.connections.add(each, secrets(one=CANARY, two="another"))
        for number in range(3):
            received = token(f"{CANARY}-{each.id}-{number}", refresh=CANARY, expires_at=later(1))
            await storage.tokens.append(each, received, NOON)
    await storage.links.put("con_1", "contacts", [LinkRow("1", "external_ref", "trace-of-con-1", unique=True)])
    return storage


def sealed_cells(url: str, connection_id: str) -> list[bytes]:
    credentials = look(url, "SELECT sealed FROM credentials WHERE connection_id = ?", [connection_id])
    tokens = look(url, "SELECT sealed_value FROM tokens WHERE connection_id = ?", [connection_id])
    refresh = look(url, "SELECT sealed_refresh_token FROM tokens WHERE connection_id = ?", [connection_id])
    return [cell for (cell,) in credentials + tokens + refresh]


async def test_no_secret_is_in_the_file_or_its_log(filled: SqlStorage, sqlite_url: str) -> None:
    found = bytes_on_disk(sqlite_url)
    assert b"trace-of-con-1" in found, "the search itself must find what is there"
    assert CANARY.encode() not in found
    await filled.close()
    assert CANARY.encode() not in bytes_on_disk(sqlite_url)


async def test_nothing_of_a_destroyed_connection_is_left_in_any_file(filled: SqlStorage, sqlite_url: str) -> None:
    cells = sealed_cells(sqlite_url, "con_1")
    assert len(cells) == 8
    assert all(cell in bytes_on_disk(sqlite_url) for cell in cells)
    await filled.connections.destroy(connection())
    found = bytes_on_disk(sqlite_url)
    assert not any(cell in found for cell in cells)
    assert b"trace-of-con-1" not in found
    assert b"con_1" not in found
    assert all(cell in found for cell in sealed_cells(sqlite_url, "con_2"))


async def test_replaced_credentials_are_gone_from_the_file(filled: SqlStorage, sqlite_url: str) -> None:
    cells = sealed_cells(sqlite_url, "con_1")
    await filled.connections.replace_credentials(connection(), lambda now: now, secrets(one="new"))
    await filled.close()
    assert not any(cell in bytes_on_disk(sqlite_url) for cell in cells)


async def test_what_a_reader_keeps_in_the_log_is_gone_at_the_next_check(
    opened: Callable[[str], SqlStorage], sqlite_url: str
) -> None:
    impatient = opened(f"{sqlite_url}?timeout=0.05")
    await impatient.connections.add(connection(), secrets(one=CANARY))
    cells = sealed_cells(sqlite_url, "con_1")
    other = opened(sqlite_url)
    async with other._database.reading() as transaction:
        await transaction.exec_driver_sql("SELECT * FROM connections")
        await impatient.connections.destroy(connection())
        assert cells[0] in bytes_on_disk(sqlite_url), "a reader of the old state must keep it, or this proves nothing"
    await impatient.check()
    assert not any(cell in bytes_on_disk(sqlite_url) for cell in cells)


async def test_a_reader_who_stays_holds_up_neither_writers_nor_a_check(
    opened: Callable[[str], SqlStorage], sqlite_url: str
) -> None:
    """Such as a copy that is made of a large database: the log waits for him, and nobody else does."""
    storage, other = opened(sqlite_url), opened(sqlite_url)
    for each in (connection(), connection("con_2")):
        await storage.connections.add(each, None)
    async with other._database.reading() as transaction:
        await transaction.exec_driver_sql("SELECT * FROM connections")
        async with asyncio.timeout(3):
            await storage.connections.destroy(connection())
            for _ in range(2):
                await asyncio.gather(storage.check(), storage.connections.change(connection("con_2"), lambda now: now))
        assert b"con_1" in bytes_on_disk(sqlite_url), "a reader of the old state must keep it, or this proves nothing"
    await storage.check()
    assert b"con_1" not in bytes_on_disk(sqlite_url)


async def test_only_the_owner_may_read_the_file_and_its_log(filled: SqlStorage, sqlite_url: str) -> None:
    file = path_of(sqlite_url)
    modes = {each.name: oct(each.stat().st_mode & 0o077) for each in file.parent.glob("polder.db*")}
    assert modes == {"polder.db": "0o0", "polder.db-wal": "0o0", "polder.db-shm": "0o0"}


MOVES = {
    "to another field": "UPDATE credentials SET sealed = (SELECT sealed FROM credentials"
    " WHERE connection_id = 'con_1' AND field = 'two') WHERE connection_id = 'con_1' AND field = 'one'",
    "to another connection": "UPDATE credentials SET sealed = (SELECT sealed FROM credentials"
    " WHERE connection_id = 'con_2' AND field = 'one') WHERE connection_id = 'con_1' AND field = 'one'",
    "from a token to the credentials": "UPDATE credentials SET sealed = (SELECT sealed_value FROM tokens"
    " WHERE connection_id = 'con_1' AND seq = 3) WHERE connection_id = 'con_1' AND field = 'one'",
}
TOKEN_MOVES = {
    "from an older token": "UPDATE tokens SET sealed_value = (SELECT sealed_value FROM tokens"
    " WHERE connection_id = 'con_1' AND seq = 1) WHERE connection_id = 'con_1' AND seq = 3",
    "from the refresh token": "UPDATE tokens SET sealed_value = sealed_refresh_token WHERE connection_id = 'con_1'",
    "from another connection": "UPDATE tokens SET sealed_refresh_token = (SELECT sealed_refresh_token FROM tokens"
    " WHERE connection_id = 'con_2' AND seq = 3) WHERE connection_id = 'con_1' AND seq = 3",
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
async def test_a_credential_moved_to_another_place_does_not_open(
    filled: SqlStorage, sqlite_url: str, move: str
) -> None:
    look(sqlite_url, move)
    with refused("storage_unavailable") as caught:
        await filled.connections.credentials(connection())
    assert isinstance(caught.value.__cause__, CannotOpen)


@pytest.mark.parametrize("move", TOKEN_MOVES.values(), ids=TOKEN_MOVES)
async def test_a_token_moved_to_another_place_does_not_open(filled: SqlStorage, sqlite_url: str, move: str) -> None:
    look(sqlite_url, move)
    with refused("storage_unavailable") as caught:
        await filled.tokens.newest(connection())
    assert isinstance(caught.value.__cause__, CannotOpen)


async def test_a_connection_given_to_another_tenant_does_not_bring_its_secrets(
    filled: SqlStorage, sqlite_url: str
) -> None:
    look(sqlite_url, "UPDATE connections SET tenant = 'thief' WHERE id = 'con_1'")
    stolen = await filled.connections.find("con_1")
    assert stolen is not None
    assert stolen.tenant == "thief"
    with refused("storage_unavailable"):
        await filled.connections.credentials(stolen)
    with refused("storage_unavailable"):
        await filled.tokens.newest(stolen)


async def test_a_copy_in_another_environment_does_not_open(
    filled: SqlStorage, opened: Callable[..., SqlStorage], sqlite_url: str, keys: str
) -> None:
    staging = opened(sqlite_url, KeyRing.parse(keys, environment="staging"))
    with refused("storage_unavailable"):
        await staging.connections.credentials(connection())


async def test_another_ring_opens_nothing_and_says_which_key_is_missing(
    filled: SqlStorage, opened: Callable[..., SqlStorage], sqlite_url: str, keys: str
) -> None:
    stranger = opened(sqlite_url, KeyRing.parse(generate_key(), environment="test"))
    found = await stranger.connections.find("con_1")
    assert found is not None
    assert found.data_key is None
    with refused("storage_unavailable"):
        await stranger.connections.credentials(found)
    with refused("storage_unavailable"):
        await stranger.connections.replace_credentials(found, lambda now: now, secrets(one="new"))
    in_use = dict(await stranger.rotation.in_use())
    assert in_use.pop(keys.partition(":")[0]) > 0
    assert set(in_use.values()) == {0}


async def test_nothing_sealed_of_a_destroyed_connection_is_left_wherever_it_was(
    opened: Callable[[str], SqlStorage], sqlite_url: str, ring: KeyRing
) -> None:
    storage = opened(sqlite_url)
    await fill(storage)
    doomed = CONNECTIONS[0]
    cells = {cell.sealed for cell in await cells_of(storage, ring)}
    of_it = cells - {cell.sealed for cell in await cells_of(storage, ring) if doomed.id not in cell.place}
    assert len(of_it) == 10, (
        "its data key, two credentials, two pairs of tokens, what was sent, an answer and a verifier"
    )
    assert all(cell in bytes_on_disk(sqlite_url) for cell in cells)
    await storage.connections.destroy(doomed)
    found = bytes_on_disk(sqlite_url)
    assert not any(cell in found for cell in of_it)
    assert all(cell in found for cell in cells - of_it)
    assert doomed.id.encode() not in found


async def test_a_connection_is_destroyed_though_its_traces_cannot_be_swept_up_at_once(
    opened: Callable[[str], SqlStorage], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To say that it failed would be to say that it is there; the next check sweeps."""
    storage = opened(sqlite_url)
    await storage.connections.add(connection("con_doomed"), None)
    engine, bare = storage._database._engine, AsyncEngine.execution_options

    def busy(self: AsyncEngine, **options: object) -> AsyncEngine:
        if self is engine:
            raise PoolTimeout
        return bare(self, **options)

    with monkeypatch.context() as crowded:
        crowded.setattr(AsyncEngine, "execution_options", busy)
        await storage.connections.destroy(connection("con_doomed"))
    assert await storage.connections.find("con_doomed") is None
    assert b"con_doomed" in bytes_on_disk(sqlite_url)
    await storage.check()
    assert b"con_doomed" not in bytes_on_disk(sqlite_url)


async def test_an_old_copy_does_not_open_once_the_data_key_is_destroyed(filled: SqlStorage, sqlite_url: str) -> None:
    whole = "SELECT connection_id, field, sealed FROM credentials WHERE connection_id = 'con_1'"
    (sealed_key,) = look(sqlite_url, "SELECT sealed_key FROM connections WHERE id = 'con_1'")[0]
    copies = look(sqlite_url, whole)
    await filled.connections.destroy(connection())
    assert sealed_key not in bytes_on_disk(sqlite_url)
    # The same id, tenant, ring and rows, and still not the key.
    again = connection(data_key=Secret("00" * 32))
    await filled.connections.add(again, None)
    for copy in copies:
        look(sqlite_url, "INSERT INTO credentials VALUES (?, ?, ?)", copy)
    assert look(sqlite_url, whole) == copies
    with refused("storage_unavailable"):
        await filled.connections.credentials(again)
    look(sqlite_url, "UPDATE connections SET sealed_key = ? WHERE id = 'con_1'", [sealed_key])
    whoever_kept_the_key = await filled.connections.find("con_1")
    assert whoever_kept_the_key is not None
    assert await filled.connections.credentials(whoever_kept_the_key) == secrets(one=CANARY, two="another"), (
        "with its key the copy must open, or this proves nothing"
    )


async def test_an_error_of_the_database_quotes_no_value(filled: SqlStorage, sqlite_url: str) -> None:
    name = "name" + CANARY  # not spelled out: a traceback quotes the lines of this test
    with pytest.raises(Problem) as conflict:
        await filled.connections.add(connection(name=name), secrets(one=CANARY))
    look(sqlite_url, "DROP TABLE probe")
    look(sqlite_url, "DROP TABLE connections")
    with pytest.raises(Problem) as broken:
        await filled.connections.add(connection("con_3", name=name), secrets(one=CANARY))
    for caught in (conflict, broken):
        told = "".join(traceback.format_exception(caught.value))
        assert CANARY not in told
