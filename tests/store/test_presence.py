"""Gateways on one PostgreSQL database that cannot tell each other of their writes notice each other."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from gateway.app import Polder, build
from gateway.settings import Settings
from gateway.store import open_generations, open_presence
from gateway.store.presence import Presence
from gateway.web.health import LOOKED_FOR, STRANGERS
from tests.house import ENCRYPTION_KEY, ManualClock

pytestmark = pytest.mark.anyio

PATIENCE = 500
"""Hundredths of a second for the server to notice that a session ended."""
Arrive = Callable[[Path], Presence]


@pytest.fixture
async def arrive(postgres_url: str) -> AsyncIterator[Arrive]:
    """Gateways with a home each; their sessions end with the test."""
    async with AsyncExitStack() as stack:

        def come(home: Path) -> Presence:
            home.mkdir(exist_ok=True)
            generations = open_generations(postgres_url, "", home, ManualClock(), random.Random(1))
            stack.push_async_callback(generations.close)
            found = open_presence(postgres_url, "", home)
            assert found is not None
            stack.push_async_callback(found.close)
            return found

        yield come


async def test_gateways_of_two_homes_are_strangers_until_one_leaves(arrive: Arrive, tmp_path: Path) -> None:
    first, second = arrive(tmp_path / "one"), arrive(tmp_path / "two")
    assert not await first.strangers()
    assert await second.strangers()
    assert await first.strangers()
    await second.close()
    for _ in range(PATIENCE):
        if not await first.strangers():
            break
        await asyncio.sleep(0.01)
    assert not await first.strangers()


async def test_workers_of_one_home_are_none(arrive: Arrive, tmp_path: Path) -> None:
    first, second = arrive(tmp_path / "one"), arrive(tmp_path / "one")
    assert not await first.strangers()
    assert not await second.strangers()


def test_where_all_are_told_nobody_looks(tmp_path: Path) -> None:
    assert open_presence("postgresql://127.0.0.1:1/x", "redis://127.0.0.1:1", tmp_path) is None
    assert open_presence(f"sqlite:///{tmp_path / 'polder.db'}", "", tmp_path) is None


@asynccontextmanager
async def started(home: Path, postgres_url: str, clock: ManualClock) -> AsyncIterator[Polder]:
    settings = Settings(
        home=home, env="test", database_url=postgres_url, encryption_keys=SecretStr(ENCRYPTION_KEY), redis_url=""
    )
    polder = await build(settings, clock=clock, adapters={}, environment={})
    try:
        await polder.start()
        yield polder
    finally:
        await polder.close()


async def said(polder: Polder) -> dict[str, str]:
    transport = httpx2.ASGITransport(polder.asgi)
    async with httpx2.AsyncClient(transport=transport, base_url="http://polder.test") as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 200
        told: dict[str, str] = answer.json()
        return told


async def test_a_second_node_says_so_at_its_start_and_both_on_readyz(
    postgres_url: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    clock = ManualClock()
    async with started(tmp_path / "one", postgres_url, clock) as first:
        assert await said(first) == {"status": "ok"}
        assert b"POLDER_REDIS_URL" not in capsysbinary.readouterr().err
        async with started(tmp_path / "two", postgres_url, clock) as second:
            assert STRANGERS.encode() in capsysbinary.readouterr().err
            assert await said(second) == {"status": "ok", "warning": STRANGERS}
            clock.advance(LOOKED_FOR + 1)
            assert await said(first) == {"status": "ok", "warning": STRANGERS}
        for _ in range(PATIENCE):
            clock.advance(LOOKED_FOR + 1)
            if await said(first) == {"status": "ok"}:
                break
            await asyncio.sleep(0.01)
        assert await said(first) == {"status": "ok"}
