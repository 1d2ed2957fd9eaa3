"""Not calling a system that fails: the callers hear it at once, and the system gets the quiet it needs."""

import random
from collections import deque

from gateway.contract.clock import Clock

WINDOW = 10.0
"""Seconds over which failures are weighed."""
ENOUGH = 20
"""Calls in the window below which no share of failures means anything."""
SHARE = 0.5
UNREACHABLE = 5
"""Failures to connect, one after another, that need no window."""
SHORTEST, LONGEST = 5.0, 60.0
"""Seconds it stays open: twice as long each time that a probe fails."""
JITTER = 0.2


class Breaker:
    """One origin's breaker. Closed it lets all through, open none, and half-open one at a time to try.

    A failure is a sign that the system as a whole is unwell: no connection, no answer, 502, 503 or 504. A refusal (4xx)
    is none, nor is a 500: that is often about one request, and one caller's poison must not close the door on all.
    """

    def __init__(self, clock: Clock, dice: random.Random) -> None:
        self._clock = clock
        self._dice = dice
        self._calls: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self._unreachable = 0
        self._open_for = 0.0
        self._open_until = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether calls are held back, or tried one by one."""
        return self._open_for > 0

    @property
    def state(self) -> int:
        """0 closed, 1 half-open (a call tries, or the next one may), 2 open."""
        if not self.is_open:
            return 0
        return 1 if self._probing or self._clock.monotonic() >= self._open_until else 2

    def wait(self) -> float:
        """Seconds until a call may be tried; 0 for now. Whoever gets 0 calls ``admit`` before anything else."""
        if not self.is_open:
            return 0.0
        left = self._open_until - self._clock.monotonic()
        return max(0.0, left) if left > 0 or not self._probing else 1.0

    def admit(self) -> None:
        """A call begins; where it is open, it is the probe."""
        self._probing = self.is_open

    def succeeded(self) -> None:
        """A call was answered, be it with a refusal."""
        self._unreachable = 0
        if self.is_open:
            self._open_for, self._probing = 0.0, False
            self._calls.clear()
            self._failures = 0
        self._count(failed=False)

    def failed(self, *, unreachable: bool) -> None:
        """A call failed; ``unreachable`` where there was not even a connection."""
        self._count(failed=True)
        self._unreachable = self._unreachable + 1 if unreachable else 0
        if self._probing or (not self.is_open and self._is_enough()):
            self._open()

    def left(self) -> None:
        """Whoever called went away before it ended: nothing was learned."""
        self._probing = False

    def _count(self, *, failed: bool) -> None:
        now = self._clock.monotonic()
        self._calls.append((now, failed))
        self._failures += failed
        while self._calls and self._calls[0][0] <= now - WINDOW:
            self._failures -= self._calls.popleft()[1]

    def _is_enough(self) -> bool:
        many = len(self._calls) >= ENOUGH and self._failures >= SHARE * len(self._calls)
        return many or self._unreachable >= UNREACHABLE

    def _open(self) -> None:
        self._probing = False
        self._open_for = min(LONGEST, 2 * self._open_for or SHORTEST)
        jittered = self._open_for * self._dice.uniform(1 - JITTER, 1 + JITTER)
        self._open_until = self._clock.monotonic() + jittered
