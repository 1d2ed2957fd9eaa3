"""How long a system takes these days, and whether a call that is begun late is worth beginning."""

LATEST_COUNTS = 0.1
"""The weight of one more answer in what is usual."""
PATIENT = 1.5
"""How many times as long as usual a call may take that is begun late."""
UNSTEADY = 1.1
"""How many times as long as usual the calls are reckoned to take that somebody waits for: who is refused at once can do
something else, who is refused when it is his turn has waited in vain.
"""


class Latency:
    """One provider's usual time for an answer, the latest weighing most; nothing is known before the first."""

    def __init__(self) -> None:
        self._seconds: float | None = None

    def took(self, seconds: float) -> None:
        """A call was answered after so long."""
        before = seconds if self._seconds is None else self._seconds
        self._seconds = before + LATEST_COUNTS * (seconds - before)

    def until_turn(self, rounds: float) -> float:
        """Seconds to reckon with until so many calls after another have ended; 0 where nothing is known."""
        return UNSTEADY * rounds * (self._seconds or 0.0)

    @property
    def needed(self) -> float:
        """Seconds to have left for a call; 0 where nothing is known."""
        return PATIENT * (self._seconds or 0.0)
