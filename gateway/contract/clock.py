"""Time, as something one is given. Nobody asks the operating system but ``gateway.engine.clock``."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time of day, a stopwatch that never runs backwards, and a wait."""

    def now(self) -> datetime:
        """The time of day: aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds since some fixed instant; differences only."""

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
