"""`/readyz` answers within a probe's patience, however long the storage takes, and knows what it answered late."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from gateway.app import Polder, build
from gateway.settings import Settings
from gateway.web.health import CHECK_WITHIN, LOOK_WITHIN, STRANGERS, Health
from gateway.web.metrics import Metrics
from tests.house import ENCRYPTION_KEY, ManualClock
from tests.operations.scrape import scraped
from tests.web.edge import CheckedStorage

pytestmark = pytest.mark.anyio


@pytest.fixture
async def polder(tmp_path: Path) -> AsyncIterator[Polder]:
    settings = Settings(home=tmp_path, env="test", encryption_keys=SecretStr(ENCRYPTION_KEY))
    opened = await build(settings, clock=ManualClock(), adapters={}, environment={})
    try:
        await opened.start()
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def probe(polder: Polder) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(polder.asgi), base_url="http://polder.test") as client:
        yield client


@pytest.fixture
def locked(polder: Polder, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else holds the file, until he commits."""
    with closing(sqlite3.connect(tmp_path / "polder.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def test_a_locked_file_is_told_before_a_probe_gives_up(
    polder: Polder, probe: httpx2.AsyncClient, locked: sqlite3.Connection
) -> None:
    began = time.monotonic()
    answers = await asyncio.gather(*(probe.get("/readyz") for _ in range(10)))
    assert time.monotonic() - began < CHECK_WITHIN + LOOK_WITHIN
    assert {(one.status_code, one.json()["code"]) for one in answers} == {(503, "storage_unavailable")}
    assert scraped(polder.metrics)["polder_storage_up"] == 0
    locked.commit()
    began = time.monotonic()
    assert (await probe.get("/readyz")).status_code == 200
    assert time.monotonic() - began < 1
    assert scraped(polder.metrics)["polder_storage_up"] == 1


class SlowStorage(CheckedStorage):
    """Answers when it is let, and cannot be called off."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def check(self) -> None:
        await super().check()
        await self.let.wait()

    async def strangers(self) -> bool:
        await self.let.wait()
        return True


async def test_a_storage_that_answers_late_is_asked_once_and_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.health.CHECK_WITHIN", 0.1)
    storage, clock = SlowStorage(), ManualClock()
    health = Health(storage, clock, Metrics("1"))  # type: ignore[arg-type]  # as much of one as is looked at
    for _ in range(2):
        asked = asyncio.gather(*(health.check() for _ in range(5)), return_exceptions=True)
        assert {str(one) for one in await asked} == {"storage_unavailable: The storage did not answer in 0.1 seconds."}
    assert storage.checks == 1
    storage.let.set()
    await health.close()
    await health.check()
    assert storage.checks == 1


async def test_a_warning_that_comes_late_is_told_to_the_next_who_asks() -> None:
    storage = SlowStorage()
    health = Health(storage, ManualClock(), Metrics("1"), storage.strangers)  # type: ignore[arg-type]  # as above
    assert await health.warning() is None
    storage.let.set()
    await health.close()
    assert await health.warning() == STRANGERS
