"""What the store's metrics say, on SQLite and on PostgreSQL: how long it takes, who waits, what was in vain."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, text

from gateway.contract.errors import Problem
from gateway.store import tables
from gateway.store.database import Database
from gateway.store.timing import Measuring
from gateway.web.metrics import Metrics
from tests.house import House, ManualClock
from tests.operations.scrape import scraped

pytestmark = pytest.mark.anyio

TOOK = "polder_db_operation_duration_seconds"
IN_USE, LIMIT, ERRORS = "polder_db_pool_in_use", "polder_db_pool_limit", "polder_db_errors_total"


class Measured:
    """A database whose metrics a test can look at."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics("1.2.3")
        self.database = Database(url, Measuring(self.metrics, self.clock.monotonic))

    def counted(self) -> dict[str, float]:
        found = scraped(self.metrics)
        return {kind: found[f'{TOOK}_count{{op="{kind}"}}'] for kind in ("read", "write", "commit")}

    def told(self, name: str) -> float:
        return scraped(self.metrics)[name]


@pytest.fixture
async def measured(url: str) -> AsyncIterator[Measured]:
    one = Measured(url)
    yield one
    await one.database.close()


PROBE = tables.probe


async def test_statements_and_commits_are_told_by_kind(measured: Measured) -> None:
    assert measured.counted() == {"read": 0, "write": 0, "commit": 0}
    async with measured.database.writing() as transaction:
        await transaction.execute(PROBE.update().values(writes=PROBE.c.writes + 1))
        await transaction.execute(PROBE.update().values(writes=PROBE.c.writes + 1))
    assert measured.counted() == {"read": 0, "write": 2, "commit": 1}
    async with measured.database.reading() as transaction:
        assert await transaction.scalar(select(PROBE.c.writes)) == 2
    assert measured.counted() == {"read": 1, "write": 2, "commit": 1}


async def test_what_is_undone_is_not_committed(measured: Measured) -> None:
    async def regret() -> None:
        async with measured.database.writing() as transaction:
            await transaction.execute(PROBE.update().values(writes=PROBE.c.writes + 1))
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        await regret()
    assert measured.counted() == {"read": 0, "write": 1, "commit": 0}
    async with measured.database.reading() as transaction:
        assert await transaction.scalar(select(PROBE.c.writes)) == 0
    assert measured.told(ERRORS) == 0


async def test_sessions_in_use_are_told_until_they_are_given_back(measured: Measured) -> None:
    async with measured.database.reading(), measured.database.reading():
        assert measured.told(IN_USE) == 2
    assert measured.told(IN_USE) == 0
    assert measured.told(LIMIT) == 15


async def test_who_finds_every_session_taken_waits_and_is_told_of(measured: Measured) -> None:
    ready, release = asyncio.Semaphore(0), asyncio.Event()

    async def read() -> None:
        async with measured.database.reading():
            ready.release()
            await release.wait()

    readers = [asyncio.create_task(read()) for _ in range(16)]
    for _ in range(15):
        await ready.acquire()
    assert measured.told(IN_USE) == 15
    assert measured.told("polder_db_pool_wait_seconds_sum") == 0
    measured.clock.advance(3)
    release.set()
    await asyncio.gather(*readers)
    assert measured.told("polder_db_pool_wait_seconds_sum") == 3
    assert measured.told("polder_db_pool_wait_seconds_count") == 16
    assert measured.told(IN_USE) == 0


async def test_what_is_asked_in_vain_is_counted(measured: Measured) -> None:
    with pytest.raises(Problem):
        async with measured.database.reading() as transaction:
            await transaction.execute(text("SELECT nothing FROM nowhere"))
    assert measured.told(ERRORS) == 1


async def test_a_gateway_measures_its_store(house: House) -> None:
    await house.client.get("/readyz")
    found = scraped(house.polder.metrics)
    assert found[f'{TOOK}_count{{op="commit"}}'] > 0
    assert found[IN_USE] == 0
    assert found[LIMIT] == 15
