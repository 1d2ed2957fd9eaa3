"""Not calling a system that asked to wait, and knowing how much it still takes."""

from cachetools import LRUCache

from gateway.contract.clock import Clock


class Pace:
    """Who may call now: nobody while their provider asks them to wait. And how much more, where it says so."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quotas_left: LRUCache[str, int] = LRUCache(10_000)
        self._closed_until: LRUCache[str, float] = LRUCache(10_000)

    def close(self, connection_id: str, seconds: float) -> None:
        """The provider asked this connection to wait."""
        until = self._clock.monotonic() + seconds
        self._closed_until[connection_id] = max(until, self._closed_until.get(connection_id, 0.0))

    def note_quota(self, connection_id: str, left: int) -> None:
        """The provider said how many calls of this connection it will still take."""
        self._quotas_left[connection_id] = left

    def quota_left(self, connection_id: str) -> int | None:
        """How many that were when it last said so; None where it never did."""
        found: int | None = self._quotas_left.get(connection_id)
        return found

    def wait(self, connection_id: str) -> float:
        """Seconds until the connection may call; 0 for now."""
        until = self._closed_until.get(connection_id, 0.0)
        return max(0.0, until - self._clock.monotonic())
