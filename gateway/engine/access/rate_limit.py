"""How often an API key may ask: the generic cell rate algorithm (ITU-T I.371), counted in requests of a minute.

Each request puts off the moment at which all of a minute's are there again. So a key may spend a minute's requests at
once, gets them back one by one, and nothing starts anew at the full minute.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from cachetools import TTLCache

from gateway.contract.clock import Clock

WINDOW: Final = 60
"""Seconds in which a key may ask as often as its limit says."""
_MICROSECONDS: Final = 1_000_000


class Allowance(NamedTuple):
    """What is left to a key after one request of its: requests, and seconds.

    ``reset`` is when all of ``limit`` may be asked again; ``wait`` when one may, and 0 where this one was allowed.
    """

    limit: int
    remaining: int
    reset: int
    wait: int


class Debt(NamedTuple):
    """What one request found: whether it was allowed, and the microseconds until all is there again."""

    allowed: bool
    microseconds: int


class RateLimiter(Protocol):
    """Counts requests of keys."""

    async def take(self, key_id: str) -> Allowance:
        """Count one request of a key, unless there are too many: that is not counted."""

    async def close(self) -> None:
        """Let go of what it counts with."""


class Rate:
    """So many requests a minute, in whole microseconds: sums of them are exact.

    ``interval`` is what one request costs, ``burst`` what a key may owe.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.interval = -(-WINDOW * _MICROSECONDS // limit)
        self.burst = limit * self.interval

    def spend(self, owed: int) -> Debt:
        """One request more of a key that owes that."""
        after = owed + self.interval
        return Debt(True, after) if after <= self.burst else Debt(False, owed)

    def allowance(self, debt: Debt) -> Allowance:
        """What a debt leaves."""
        wait = 0 if debt.allowed else debt.microseconds + self.interval - self.burst
        left = (self.burst - debt.microseconds) // self.interval
        return Allowance(self.limit, max(0, left), _seconds(debt.microseconds), _seconds(wait))


class LocalRateLimiter:
    """Counts in this process alone. Of very many keys those that asked longest ago are forgotten: they owe nothing."""

    def __init__(self, limit: int, clock: Clock, *, size: int = 10_000) -> None:
        self._rate = Rate(limit)
        self._now: Callable[[], int] = lambda: int(clock.monotonic() * _MICROSECONDS)
        self._whole_at: TTLCache[str, int] = TTLCache(size, WINDOW + 1, clock.monotonic)

    async def take(self, key_id: str) -> Allowance:
        """Count one request of a key, unless there are too many: that is not counted."""
        now = self._now()
        debt = self._rate.spend(max(0, self._whole_at.get(key_id, now) - now))
        if debt.allowed:
            self._whole_at[key_id] = now + debt.microseconds
        return self._rate.allowance(debt)

    async def close(self) -> None:
        """Memory needs nothing."""


def _seconds(microseconds: int) -> int:
    return -(-microseconds // _MICROSECONDS)
