"""Counting many times a second: in plain numbers here, handed to the metrics library when somebody looks.

prometheus_client takes a lock for every step, walks a histogram's buckets in Python, and among several processes writes
to a mapped file each time: what one request counts costs more than answering it from memory. A tally takes a tenth of
that, and is folded in before a scrape, a few times a second for the scrapes of other workers, and at the end.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

from prometheus_client import Counter, Histogram


class Tally(Protocol):
    """Something that was counted and not handed over yet."""

    def fold(self) -> None:
        """Hand over what was counted since the last time."""


class Folding(Histogram):
    """A histogram that takes up observations that were counted elsewhere."""

    def fold(self, counts: Sequence[int], total: float) -> None:
        """So many more observations in each bucket, the endless one last; ``total`` is their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)

    @property
    def bounds(self) -> Sequence[float]:
        """The upper bounds of its buckets."""
        return self._upper_bounds


class Spread:
    """Observations of one histogram, by bucket."""

    __slots__ = ("_bounds", "_counts", "_histogram", "_total")

    def __init__(self, histogram: Folding) -> None:
        self._histogram = histogram
        self._bounds = histogram.bounds
        self._counts = [0] * len(self._bounds)
        self._total = 0.0

    def observe(self, amount: float) -> None:
        """One more."""
        self._counts[bisect_left(self._bounds, amount)] += 1
        self._total += amount

    def fold(self) -> None:
        """Hand over what was counted since the last time."""
        if any(self._counts):
            self._histogram.fold(self._counts, self._total)
            self._counts = [0] * len(self._bounds)
            self._total = 0.0


class Count:
    """Steps of one counter."""

    __slots__ = ("_counter", "_steps")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._steps = 0

    def step(self) -> None:
        """One more."""
        self._steps += 1

    def fold(self) -> None:
        """Hand over what was counted since the last time."""
        if self._steps:
            self._counter.inc(self._steps)
            self._steps = 0
