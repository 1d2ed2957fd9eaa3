"""The one place that asks the operating system for the time."""

import asyncio
import time
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

DUTCH = ZoneInfo("Europe/Amsterdam")


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """The time of day: aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some fixed instant."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        await asyncio.sleep(seconds)


def dutch_date(now: datetime) -> date:
    """The date that Dutch books are on at a moment."""
    return now.astimezone(DUTCH).date()
