"""How much may be repeated: retries are a share of what succeeds, so that they cannot bury a system that is down."""

from gateway.contract.clock import Clock

SHARE = 0.1
"""Retries earned by each call that succeeded."""
FLOOR = 3.0
"""Retries earned each second whatever happens, so that a quiet connection is not denied its second try."""
ROOM = 10.0
"""Retries that can be saved up."""


class RetryBudget:
    """One provider's budget, a token bucket (Google SRE, "Handling overload": at most a tenth more calls)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._saved = ROOM
        self._counted_at = clock.monotonic()

    @property
    def left(self) -> float:
        """Retries that are saved up now."""
        now = self._clock.monotonic()
        self._saved = min(ROOM, self._saved + FLOOR * (now - self._counted_at))
        self._counted_at = now
        return self._saved

    @property
    def share(self) -> float:
        """The same, as a share of what can be saved up."""
        return self.left / ROOM

    def succeeded(self) -> None:
        """A call was answered well."""
        self._saved = min(ROOM, self.left + SHARE)

    def spend(self) -> bool:
        """Take one retry; False where there is none left, and nothing may be repeated."""
        if self.left < 1:
            return False
        self._saved -= 1
        return True
