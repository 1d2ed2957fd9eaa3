"""How long a system takes these days, and whether a call that is begun late is worth beginning."""

LATEST_COUNTS = 0.1
"""The weight of one more answer in what is usual."""
PATIENT = 1.5
"""How many times as long as usual a call may take that is begun late."""


class Usual:
    """One provider's usual time for an answer, the latest weighing most; nothing is known before the first."""

    def __init__(self) -> None:
        self._seconds: float | None = None

    def took(self, seconds: float) -> None:
        """A call was answered after so long."""
        before = seconds if self._seconds is None else self._seconds
        self._seconds = before + LATEST_COUNTS * (seconds - before)

    def until_turn(self, before: int, places: int) -> float:
        """Seconds until a place is free for who has so many before him; 0 where nobody waits, or nothing is known."""
        return (self._seconds or 0.0) * before / places

    @property
    def needed(self) -> float:
        """Seconds to have left for a call; 0 where nothing is known."""
        return PATIENT * (self._seconds or 0.0)
