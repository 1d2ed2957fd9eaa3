"""What is left to a key is told truly, and no key asks more often than it may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.access.rate_limit import WINDOW, LocalRateLimiter
from tests.house import ManualClock

pytestmark = pytest.mark.anyio

LIMITS = st.sampled_from([1, 2, 3, 7, 59, 61, 600, 100_000])


async def spend(limiter: LocalRateLimiter, most: int, key: str = "a") -> int:
    """How many requests in a row are allowed."""
    for count in range(most):
        if (await limiter.take(key)).wait:
            return count
    return most


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 59, 61, 600, 7919])
async def test_a_minutes_requests_may_be_asked_at_once_and_no_more(limit: int) -> None:
    clock = ManualClock()
    limiter = LocalRateLimiter(limit, clock)
    assert await spend(limiter, 2 * limit) == limit
    refused = await limiter.take("a")
    assert (refused.limit, refused.remaining) == (limit, 0)
    clock.advance(refused.reset)
    assert await spend(limiter, 2 * limit) == limit


@given(limit=LIMITS, pauses=st.lists(st.floats(0, 40), max_size=60))
async def test_what_is_told_is_so(limit: int, pauses: list[float]) -> None:
    clock = ManualClock()
    limiter = LocalRateLimiter(limit, clock)
    for pause in pauses:
        clock.advance(pause)
        told = await limiter.take("a")
        assert 0 <= told.remaining < limit
        assert 0 <= told.reset <= WINDOW + 1
        if told.wait:
            assert told.remaining == 0
            clock.advance(told.wait)
            assert not (await limiter.take("a")).wait
    last = await limiter.take("a")
    if last.remaining < 1000:
        assert await spend(limiter, limit + 1) == last.remaining


@given(limit=LIMITS, pauses=st.lists(st.floats(0, 3), max_size=100))
async def test_no_key_asks_more_often_than_it_may(limit: int, pauses: list[float]) -> None:
    clock = ManualClock()
    limiter = LocalRateLimiter(limit, clock)
    allowed = 0
    for pause in pauses:
        clock.advance(pause)
        allowed += (await limiter.take("a")).wait == 0
    assert allowed <= limit + clock.monotonic() * limit / WINDOW


async def test_what_was_refused_does_not_count() -> None:
    clock = ManualClock()
    limiter = LocalRateLimiter(60, clock)
    assert await spend(limiter, 100) == 60
    assert await spend(limiter, 100) == 0
    clock.advance(1)
    assert await spend(limiter, 100) == 1


async def test_each_key_has_its_own() -> None:
    limiter = LocalRateLimiter(2, ManualClock())
    assert await spend(limiter, 5, "a") == 2
    assert await spend(limiter, 5, "b") == 2


async def test_no_more_keys_are_remembered_than_may_be() -> None:
    limiter = LocalRateLimiter(1, ManualClock(), size=2)
    assert [await spend(limiter, 2, key) for key in "abc"] == [1, 1, 1]
    assert (await limiter.take("c")).wait
    assert not (await limiter.take("a")).wait
