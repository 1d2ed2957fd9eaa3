"""Requests of API keys as all nodes count them together, in Valkey or Redis."""

import asyncio
from typing import Any, Final

from gateway.contract.clock import Clock
from gateway.engine.access.rate_limit import Allowance, Debt, LocalRateLimiter, Rate
from gateway.store.valkey import FAILURES, pooled

_WAIT: Final = 0.5
"""Seconds that a request waits for the server at most."""
_PAUSE: Final = 1.0
"""Seconds for which a server that failed is not asked."""
_CONNECTIONS: Final = 16

_TAKE = """
local told = redis.call('TIME')
local now = told[1] * 1000000 + told[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local owed = math.max(0, tonumber(redis.call('GET', KEYS[1]) or 0) - now)
if owed + interval > burst then return {0, owed} end
owed = owed + interval
redis.call('SET', KEYS[1], string.format('%.0f', now + owed), 'PX', math.ceil(owed / 1000))
return {1, owed}
"""
"""``Rate.spend`` by the server's clock: no two clocks are compared."""


class SharedRateLimiter:
    """Counts with all nodes that reach one server. While it is away, slow or full each counts by itself: a limit is
    there to spread load, and no reason to refuse what could be answered.
    """

    def __init__(self, url: str, limit: int, clock: Clock) -> None:
        self._rate = Rate(limit)
        self._clock = clock
        self._alone = LocalRateLimiter(limit, clock)
        self._resumes_at = float("-inf")
        self._redis = pooled(url, _CONNECTIONS, _WAIT)

    async def take(self, key_id: str) -> Allowance:
        """Count one request of a key, unless there are too many: that is not counted."""
        if self._clock.monotonic() < self._resumes_at:
            return await self._alone.take(key_id)
        try:
            async with asyncio.timeout(_WAIT):
                answer: Any = await self._redis.eval(
                    _TAKE, 1, f"{{polder}}:rate:{key_id}", str(self._rate.interval), str(self._rate.burst)
                )
        except FAILURES:
            self._resumes_at = self._clock.monotonic() + _PAUSE
            return await self._alone.take(key_id)
        allowed, owed = answer
        return self._rate.allowance(Debt(bool(allowed), int(owed)))

    async def close(self) -> None:
        """Let go of the connections."""
        try:
            async with asyncio.timeout(_WAIT):
                await self._redis.aclose(close_connection_pool=True)
        except FAILURES:
            pass  # the server has gone already
