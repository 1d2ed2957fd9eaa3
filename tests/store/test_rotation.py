"""Rotation of the encryption keys: all comes under the new one, whatever interrupts it, and whoever is at work."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.store import KeyRing
from gateway.store.rotation import Rotated
from gateway.store.seal import generate_key
from gateway.store.sql import SqlStorage
from tests.store import rotating
from tests.store.filling import CONNECTIONS, fill, make_old, prove_filled
from tests.store.making import NOON, bytes_on_disk, connection, look, path_of, secrets, token

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
NEW = generate_key()


def ring_of(*keys: str) -> KeyRing:
    return KeyRing.parse(",".join(keys), environment="test")


def id_of(key: str) -> str:
    return key.partition(":")[0]


@pytest.fixture
async def filled(storage: SqlStorage) -> SqlStorage:
    await fill(storage)
    return storage


async def test_everything_comes_under_the_new_key_and_the_old_one_may_go(
    filled: SqlStorage, opened: Callable[..., SqlStorage], url: str, keys: str
) -> None:
    before = (await filled.rotation.in_use())[id_of(keys)]
    rotated = await opened(url, ring_of(NEW, keys)).rotation.run()
    # Two keys, two writes that have no connection (what was sent, what was answered), and the head of the audit log.
    assert rotated == Rotated(wrapped=len(CONNECTIONS), sealed=7)
    new_only = opened(url, ring_of(NEW))
    assert await new_only.rotation.in_use() == {id_of(NEW): before}
    await prove_filled(new_only)


async def test_what_is_there_to_do_is_done_once(
    filled: SqlStorage, opened: Callable[..., SqlStorage], url: str, keys: str
) -> None:
    both = opened(url, ring_of(NEW, keys))
    assert await both.rotation.run() != Rotated()
    for _ in range(2):
        assert await both.rotation.run() == Rotated()


async def test_a_rotation_without_anything_to_do_writes_nothing(
    opened: Callable[..., SqlStorage], sqlite_url: str
) -> None:
    storage = opened(sqlite_url)
    await fill(storage)
    file, log = path_of(sqlite_url), Path(f"{path_of(sqlite_url)}-wal")
    before = file.read_bytes(), log.read_bytes()
    assert await storage.rotation.run() == Rotated()
    assert (file.read_bytes(), log.read_bytes()) == before


async def test_what_was_sealed_before_there_were_data_keys_opens_and_is_sealed_anew(
    filled: SqlStorage, opened: Callable[..., SqlStorage], url: str, keys: str
) -> None:
    old = await make_old(filled, ring_of(keys))
    for each in CONNECTIONS:
        assert await filled.connections.credentials(each) == secrets(one=f"one of {each.id}", two="two")
    rotated = await opened(url, ring_of(NEW, keys)).rotation.run()
    assert (rotated.wrapped, rotated.unopened) == (len(CONNECTIONS), 0)
    assert rotated.sealed == old + 7
    await prove_filled(opened(url, ring_of(NEW)))


async def test_under_the_same_key_only_what_is_old_is_sealed_anew(filled: SqlStorage, keys: str) -> None:
    old = await make_old(filled, ring_of(keys))
    assert await filled.rotation.run() == Rotated(sealed=old)
    await prove_filled(filled)


async def test_what_a_lost_key_sealed_is_told_and_left_alone(
    filled: SqlStorage, opened: Callable[..., SqlStorage], url: str, keys: str
) -> None:
    stranger = opened(url, ring_of(NEW))
    await stranger.connections.add(connection("con_new"), secrets(one="of the new ring"))
    assert await stranger.rotation.run() == Rotated(unopened=len(CONNECTIONS) + 7)
    in_use = await stranger.rotation.in_use()
    assert in_use == {id_of(NEW): 1, id_of(keys): len(CONNECTIONS) + 7}
    await prove_filled(filled)


async def test_progress_is_told_in_connections(
    storage: SqlStorage, opened: Callable[..., SqlStorage], url: str, keys: str
) -> None:
    for number in range(45):
        await storage.connections.add(connection(f"con_{number:02}"), None)
    told: list[tuple[int, int]] = []
    await opened(url, ring_of(NEW, keys)).rotation.run(lambda done, of: told.append((done, of)))
    assert told == [(20, 45), (40, 45), (45, 45)]


async def test_the_old_wrapping_is_in_no_file_any_more(
    opened: Callable[..., SqlStorage], sqlite_url: str, keys: str
) -> None:
    storage = opened(sqlite_url)
    await fill(storage)
    old = [cell for (cell,) in look(sqlite_url, "SELECT sealed_key FROM connections")]
    await opened(sqlite_url, ring_of(NEW, keys)).rotation.run()
    assert not any(cell in bytes_on_disk(sqlite_url) for cell in old)


# Killed, again and again, while others are at work

KILLS = 20


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process of ``tests.store.rotating``; where the test fails, it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.store.rotating", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def rotate_and_kill(rotator: subprocess.Popen[str], keys: str, after: int) -> str:
    """Begin a rotation and kill it after that many of its transactions; how it ended."""
    tell(rotator, keys)
    child = int(said(rotator))
    heard = 0
    while not (line := said(rotator)).startswith("ended"):
        assert " of " in line
        heard += 1
        if heard == after:
            # The child waits to be reaped, at the least: it is never another's process.
            os.kill(child, signal.SIGKILL)
    return line


async def test_killed_again_and_again_while_others_read_and_write_it_loses_nothing(
    storage: SqlStorage, opened: Callable[..., SqlStorage], url: str, keys: str
) -> None:
    for number in range(rotating.CONNECTIONS):
        await storage.connections.add(connection(rotating.name_of(number)), None)
        await rotating.write(storage, number)
    chosen = random.Random(20)
    old_first, new_first = f"{keys},{NEW}", f"{NEW},{keys}"
    ends = []
    with running("traffic", url, old_first) as traffic, running("rotate", url) as rotator:
        assert said(traffic) == "begun"
        for number in range(KILLS):
            # Back and forth, or soon there would be nothing left to rotate.
            order = new_first if number % 4 < 2 else old_first
            ends.append(rotate_and_kill(rotator, order, chosen.randint(1, 2)))
        rotator.communicate(timeout=120)
        done, _ = traffic.communicate(timeout=120)
        assert (traffic.returncode, rotator.returncode) == (0, 0)
    reads, writes = map(int, done.split())
    assert ends.count("ended -9") > KILLS // 2
    assert reads > KILLS
    assert writes > 0
    await opened(url, ring_of(NEW, keys)).rotation.run()
    new_only = opened(url, ring_of(NEW))
    assert set(await new_only.rotation.in_use()) == {id_of(NEW)}
    for number in range(rotating.CONNECTIONS):
        await rotating.prove_readable(new_only, number)


async def test_a_data_key_is_never_changed_by_who_saves_an_older_copy(
    storage: SqlStorage, opened: Callable[..., SqlStorage], url: str, keys: str
) -> None:
    await storage.connections.add(connection(), secrets(one="canary"))
    stale = await storage.connections.find("con_1")
    assert stale is not None
    await opened(url, ring_of(NEW, keys)).rotation.run()
    await storage.connections.change(stale, lambda _: stale)
    await storage.tokens.append(stale, token("after the rotation"), NOON)
    new_only = opened(url, ring_of(NEW))
    assert await new_only.connections.credentials(stale) == secrets(one="canary")
    newest = await new_only.tokens.newest(stale)
    assert newest is not None
    assert newest.token == token("after the rotation")
    assert (await new_only.connections.find("con_1")) == stale
