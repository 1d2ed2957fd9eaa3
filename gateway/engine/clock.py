"""The one place that asks the operating system for the time."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from zoneinfo import ZoneInfo

DUTCH = ZoneInfo("Europe/Amsterdam")


_elapsed: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
"""Counts the time a machine sleeps too, where that can be had: what ran out meanwhile, ran out."""


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """The time of day: aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some fixed instant."""
        return _elapsed()

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        await asyncio.sleep(seconds)


def dutch_date(now: datetime) -> date:
    """The date that Dutch books are on at a moment."""
    return now.astimezone(DUTCH).date()
