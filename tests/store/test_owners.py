"""A process that died is known to be dead, soon; one that lives never is, however slow it is."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.contract.errors import Problem
from gateway.engine.owner import Owner
from gateway.store import open_owner
from gateway.store.owners import (
    LOOK_WAIT,
    LOOKS_EVERY,
    SEEN_AFTER,
    SURE_FOR,
    UNSEEN,
    UNSURE_FOR,
    FileOwner,
    SessionOwner,
)
from tests.services import administering
from tests.store.making import path_of, refused

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds for a machine that does much besides; less than an intent lasts."""
Arrive = Callable[[], Owner]


@pytest.fixture
async def arrive(url: str) -> AsyncIterator[Arrive]:
    """Owners in this process, which end with the test."""
    async with AsyncExitStack() as stack:

        def come() -> Owner:
            found = open_owner(url)
            stack.push_async_callback(found.close)
            return found

        yield come


LIVES = """
import asyncio, sys
from gateway.store import open_owner

async def main():
    owner = open_owner(sys.argv[1])
    await owner.vouch()
    print(owner.name, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await owner.close()

asyncio.run(main())
"""


@contextmanager
def another(url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that vouches for itself, and its name."""
    process = subprocess.Popen(
        [sys.executable, "-c", LIVES, url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


async def found_gone(owner: Owner, name: str) -> bool:
    """Whether the death of a process is found out."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        await owner.vouch()
        if owner.is_gone(name):
            return True
        await asyncio.sleep(0.05)
    return False


async def stays_alive(owner: Owner, name: str, seconds: float = UNSEEN + 1) -> bool:
    """Whether a process is not taken for dead, however long one looks."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await owner.vouch()
        if owner.is_gone(name):
            return False
        await asyncio.sleep(0.05)
    return True


async def test_the_death_of_a_process_is_found_out_and_before_that_it_lives(arrive: Arrive, url: str) -> None:
    owner = arrive()
    with another(url) as (process, name):
        assert await stays_alive(owner, name)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert await found_gone(owner, name)
        assert await found_gone(arrive(), name), "who comes later finds it out too"


async def test_a_process_that_sleeps_is_not_dead(arrive: Arrive, url: str) -> None:
    owner = arrive()
    with another(url) as (process, name):
        process.send_signal(signal.SIGSTOP)
        assert await stays_alive(owner, name)
        process.send_signal(signal.SIGCONT)


async def test_who_leaves_in_good_order_is_gone(arrive: Arrive, url: str) -> None:
    owner = arrive()
    with another(url) as (process, name):
        process.communicate("\n", timeout=PATIENCE)
        assert process.returncode == 0
        assert await found_gone(owner, name)


async def test_nobody_takes_itself_for_dead_nor_knows_of_strange_names(arrive: Arrive) -> None:
    owner = arrive()
    await owner.vouch()
    await asyncio.sleep(UNSEEN + 0.5)
    await owner.vouch()
    for name in (owner.name, "", "one", "/etc/passwd", "../owners", "host/1 2 0123456789abcdef", "0123456789abcdef"):
        assert not owner.is_gone(name)


async def test_who_came_since_the_last_look_is_not_dead(arrive: Arrive) -> None:
    owner = arrive()
    await owner.vouch()
    await asyncio.sleep(UNSEEN + 0.5)
    for _ in range(5):
        late = arrive()
        await late.vouch()
        assert not owner.is_gone(late.name)
        assert await stays_alive(owner, late.name, 1)


async def test_two_of_one_process_are_two(arrive: Arrive) -> None:
    owners = [arrive() for _ in range(3)]
    for owner in owners:
        await owner.vouch()
    assert len({owner.name for owner in owners}) == 3
    for owner in owners:
        for other in owners:
            assert await stays_alive(owner, other.name, 0.2)


# Files


async def test_the_files_of_the_dead_are_cleared_away(sqlite_url: str) -> None:
    with another(sqlite_url) as (process, name):
        process.kill()
        process.wait()
        folder = path_of(sqlite_url).parent / "owners"
        assert [file.name for file in folder.iterdir()] == [name]
        owner = FileOwner(folder)
        await owner.vouch()
        assert [file.name for file in folder.iterdir()] == [owner.name]
        await owner.close()
        assert list(folder.iterdir()) == []


async def test_a_disk_that_takes_no_lock_file_is_told(home: Path) -> None:
    home.mkdir()
    (home / "owners").write_text("a file where a folder should be")
    with refused("storage_unavailable"):
        await FileOwner(home / "owners").vouch()


# Sessions


@pytest.fixture
async def sessions(postgres_url: str) -> AsyncIterator[tuple[SessionOwner, SessionOwner]]:
    one, two = SessionOwner(postgres_url), SessionOwner(postgres_url)
    try:
        yield one, two
    finally:
        await one.close()
        await two.close()


def cut_off_all(server: str) -> None:
    """End every session that does nothing but show that its process lives."""
    with administering(server) as connection:
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objsubid = 2"))


async def test_who_is_cut_off_comes_back_under_another_number_and_is_never_taken_for_dead(
    postgres_server: str, sessions: tuple[SessionOwner, SessionOwner]
) -> None:
    one, two = sessions
    tenure = await one.vouch()
    await two.vouch()
    await asyncio.to_thread(cut_off_all, postgres_server)
    until = time.monotonic() + PATIENCE
    while (now := await vouched(one)) in (None, tenure):
        assert time.monotonic() < until
        assert not two.is_gone(one.name)
        await asyncio.sleep(0.02)
    assert now == tenure + 1
    await comes_back(two)
    assert await stays_alive(two, one.name)
    assert await vouched(one) == now


async def vouched(owner: SessionOwner) -> int | None:
    with suppress(Problem):
        return await owner.vouch()
    return None


async def comes_back(owner: SessionOwner) -> None:
    until = time.monotonic() + PATIENCE
    while await vouched(owner) is None:
        assert time.monotonic() < until


async def test_who_was_away_so_long_that_it_was_taken_for_dead_vouches_for_nothing_before_it_was_seen(
    sessions: tuple[SessionOwner, SessionOwner], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = sessions
    await one.vouch()
    with monkeypatch.context() as patch:
        patch.setattr(one, "_held", unreachable)
        await asyncio.sleep(LOOKS_EVERY * 2)
        assert await found_gone(two, one.name)
    while await vouched(one) is None:
        await asyncio.sleep(0.01)
    await two.vouch()
    assert not two.is_gone(one.name)
    assert await stays_alive(two, one.name)


async def unreachable() -> frozenset[int]:
    raise OSError("no route")


async def test_who_was_cut_off_itself_proves_nothing_of_others_for_a_while(
    postgres_server: str, postgres_url: str, sessions: tuple[SessionOwner, SessionOwner]
) -> None:
    """As when the server was started again, and everybody is about to come back."""
    one, late = sessions
    await one.vouch()
    with another(postgres_url) as (process, name):
        assert await stays_alive(one, name, 1)
        process.kill()
        process.wait()
        await asyncio.to_thread(cut_off_all, postgres_server)
        await comes_back(one)
        assert await stays_alive(one, name)
        one._lost_at -= UNSURE_FOR
        assert await found_gone(one, name)
        assert await found_gone(late, name)


async def test_who_cannot_reach_the_server_vouches_for_nothing() -> None:
    owner = SessionOwner("postgresql://127.0.0.1:1/nothing")
    with refused("storage_unavailable"):
        await owner.vouch()
    assert not owner.is_gone("host.1.0123456789abcdef")
    await owner.close()


async def test_a_session_that_lost_its_lock_but_not_its_life_takes_it_again(
    sessions: tuple[SessionOwner, SessionOwner],
) -> None:
    """As behind a pooler, which gives out another session for the next statement."""
    one, two = sessions
    tenure = await one.vouch()
    assert one._session is not None
    await one._session.execute(text("SELECT pg_advisory_unlock_all()"))
    await asyncio.sleep(SURE_FOR)
    assert await one.vouch() == tenure + 1
    assert await stays_alive(two, one.name)


def test_whoever_vouches_for_itself_has_time_to_be_seen_again() -> None:
    assert max(SURE_FOR, LOOK_WAIT) < UNSEEN
    assert SURE_FOR + LOOKS_EVERY <= SEEN_AFTER
