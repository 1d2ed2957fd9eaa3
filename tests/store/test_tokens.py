"""The journal of tokens: the newest counts, and one that was kept is never lost."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.engine.storage import StoredToken
from gateway.store.sql import SqlStorage
from tests.store.making import NOON, connection, later, look, token

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def kept(storage: SqlStorage) -> SqlStorage:
    await storage.connections.add(connection(), None)
    return storage


async def test_there_is_none_before_the_first(kept: SqlStorage) -> None:
    assert await kept.tokens.newest(connection()) is None


async def test_a_token_comes_back_as_it_was_received(kept: SqlStorage) -> None:
    received = token("a", expires_at=later(120), refresh="r")
    stored = await kept.tokens.append(connection(), received, NOON)
    assert stored == StoredToken(1, received, NOON)
    assert await kept.tokens.newest(connection()) == stored


async def test_the_newest_counts_even_if_it_was_received_earlier(kept: SqlStorage) -> None:
    await kept.tokens.append(connection(), token("first", refresh="r"), later(5))
    second = await kept.tokens.append(connection(), token("second"), NOON)
    assert await kept.tokens.newest(connection()) == second
    assert second.seq == 2


async def test_only_the_last_four_are_kept_of_each_connection(
    opened: Callable[[str], SqlStorage], sqlite_url: str
) -> None:
    storage = opened(sqlite_url)
    for each in (connection(), connection("con_2")):
        await storage.connections.add(each, None)
    await storage.tokens.append(connection("con_2"), token(), NOON)
    for number in range(7):
        await storage.tokens.append(connection(), token(str(number)), NOON)
    rows = look(sqlite_url, "SELECT connection_id, seq FROM tokens ORDER BY connection_id, seq")
    assert rows == [("con_1", 4), ("con_1", 5), ("con_1", 6), ("con_1", 7), ("con_2", 1)]


async def test_two_processes_appending_at_once_never_share_a_seq(opened: Callable[[str], SqlStorage], url: str) -> None:
    storages = [opened(url), opened(url)]
    await storages[0].connections.add(connection(), None)
    stored = await asyncio.gather(
        *(storages[n % 2].tokens.append(connection(), token(str(n)), NOON) for n in range(20))
    )
    assert sorted(each.seq for each in stored) == list(range(1, 21))
    newest = await storages[1].tokens.newest(connection())
    assert newest == max(stored, key=lambda each: each.seq)


DIES_AFTER_APPENDING = """
import asyncio, os, sys
from gateway.store import open_storage
from gateway.store.seal import KeyRing
from tests.store.making import NOON, connection, token

async def main():
    storage = open_storage(sys.argv[1], KeyRing.parse(os.environ["KEYS"], environment="test"))
    await storage.tokens.append(connection(), token("bought"), NOON)
    os._exit(9)

asyncio.run(main())
"""


async def test_a_token_survives_the_process_that_kept_it(kept: SqlStorage, url: str, keys: str) -> None:
    environment = {**os.environ, "KEYS": keys, "PYTHONPATH": str(ROOT)}
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", DIES_AFTER_APPENDING, url], env=environment, check=False
    )
    assert died.returncode == 9
    assert await kept.tokens.newest(connection()) == StoredToken(1, token("bought"), NOON)
