"""One at a time, of all processes, and the dead hold nothing."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.store import open_storage
from gateway.store.locks import _number
from gateway.store.seal import KeyRing
from gateway.store.sql import SqlStorage
from tests.store.making import path_of, refused

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


async def test_who_holds_a_lock_is_alone_with_it(opened: Callable[[str], SqlStorage], url: str) -> None:
    storages = [opened(url), opened(url)]
    inside = most = entered = 0

    async def enter(storage: SqlStorage) -> None:
        nonlocal inside, most, entered
        async with storage.tokens.lock("con_1", 30):
            inside += 1
            entered += 1
            most = max(most, inside)
            await asyncio.sleep(0.005)
            inside -= 1

    await asyncio.gather(*(enter(storages[number % 2]) for number in range(12)))
    assert (most, entered) == (1, 12)


@pytest.mark.parametrize("linked", [False, True], ids=["home", "link"])
async def test_who_opens_a_file_from_another_home_is_kept_out_all_the_same(
    ring: KeyRing, sqlite_url: str, tmp_path: Path, linked: bool
) -> None:
    """As a command that is run from elsewhere: it would take a token's request that is under way for a dead one's."""
    their_url = sqlite_url
    if linked:  # SQLite follows it, and its log is beside the file itself
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "books.db").symlink_to(path_of(sqlite_url))
        their_url = f"sqlite:///{tmp_path}/there/books.db"
    here, there = open_storage(sqlite_url, ring, tmp_path / "here"), open_storage(their_url, ring, tmp_path / "there")
    async with here.tokens.lock("con_1", 5):
        with refused("storage_unavailable"):
            async with there.tokens.lock("con_1", 0.1):
                raise AssertionError("two hold one lock")
    for storage in (here, there):
        await storage.close()


async def test_other_connections_are_not_waited_for(opened: Callable[[str], SqlStorage], url: str) -> None:
    storages = [opened(url), opened(url)]
    async with storages[0].tokens.lock("con_1", 5), storages[1].tokens.lock("con_2", 5):
        pass


async def test_a_lock_that_is_not_let_go_of_is_waited_for_so_long_and_no_longer(
    opened: Callable[[str], SqlStorage], url: str
) -> None:
    storages = [opened(url), opened(url)]
    async with storages[0].tokens.lock("con_1", 5):
        with refused("storage_unavailable"):
            async with storages[1].tokens.lock("con_1", 0.2):
                raise AssertionError("two hold one lock")
    async with storages[1].tokens.lock("con_1", 5):
        pass


async def test_a_lock_is_let_go_of_where_its_block_fails(storage: SqlStorage) -> None:
    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            async with storage.tokens.lock("con_1", 5):
                raise ZeroDivisionError


async def test_more_wait_than_there_are_sessions(opened: Callable[[str], SqlStorage], url: str) -> None:
    """Who waits holds nothing: forty that want one lock do not keep others from theirs."""
    storage, other = opened(url), opened(url)

    async def enter(name: str) -> None:
        async with storage.tokens.lock(name, 30):
            await asyncio.sleep(0)

    async with other.tokens.lock("con_1", 5):
        waiting = [asyncio.ensure_future(enter("con_1")) for _ in range(40)]
        await asyncio.sleep(0.1)
        await asyncio.wait_for(enter("con_2"), 10)
        assert not any(one.done() for one in waiting)
    await asyncio.wait_for(asyncio.gather(*waiting), 30)


HOLDS = """
import asyncio, os, sys
from pathlib import Path
from gateway.store import open_storage
from gateway.store.seal import KeyRing

async def main():
    ring = KeyRing.parse(os.environ["KEYS"], environment="test")
    storage = open_storage(sys.argv[1], ring, Path(sys.argv[2]))
    async with storage.tokens.lock("con_1", 5):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_the_dead_let_go(opened: Callable[[str], SqlStorage], url: str, keys: str, home: Path) -> None:
    storage = opened(url)
    environment = {**os.environ, "KEYS": keys, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLDS, url, str(home)]
    holder = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == "held\n"
        with refused("storage_unavailable"):
            async with storage.tokens.lock("con_1", 0.1):
                raise AssertionError("two hold one lock")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    async with storage.tokens.lock("con_1", 10):
        pass


def test_names_are_spread_over_all_numbers() -> None:
    numbers = {_number(f"con_{number}") for number in range(10_000)}
    assert len(numbers) == 10_000
    assert all(-(2**63) <= number < 2**63 for number in numbers)
    assert min(numbers) < 0 < max(numbers)
