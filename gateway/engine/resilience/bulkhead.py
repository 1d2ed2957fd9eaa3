"""How much may be under way: places per connection, per provider and in all, each with a bounded queue.

A call takes its connection's place first, so that a connection never has more in the provider's queue than it has
places itself: queues are first come, first served, and none of them can be filled by one connection.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

QUEUE_PER_PLACE = 64
"""How many wait for each place of a connection: one request of ours may fan out into hundreds of theirs."""
PROCESS = 512
"""Calls under way in one process, whatever they are for; as many again may wait."""

K = TypeVar("K")


class Full(Exception):
    """The queue is full: it is better to hear so at once than to wait for a place that comes too late."""


class Lane:
    """So many at once, so many waiting, first come first served."""

    def __init__(self, places: int, queue: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._queue = queue
        self.inside = 0
        self.waiting = 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody is in it or waits for it."""
        return self.inside == 0 and self.waiting == 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one place. Raises ``Full``."""
        if self._places.locked() and self.waiting >= self._queue:
            raise Full
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
            self._places.release()


class Bulkhead:
    """The lanes of one process."""

    def __init__(self, process: int = PROCESS) -> None:
        self._connections: dict[str, Lane] = {}
        self._providers: dict[str, Lane] = {}
        self._process = Lane(process, process)

    @asynccontextmanager
    async def place(self, connection: tuple[str, int], provider: tuple[str, int]) -> AsyncIterator[None]:
        """One place of a connection, its provider and the process; each is a name and how many places it has.

        Raises ``Full`` where any of the queues is.
        """
        (id, own), (name, shared) = connection, provider
        lane = _lane(self._connections, id, lambda: Lane(own, own * QUEUE_PER_PLACE))
        try:
            wide = _lane(self._providers, name, lambda: Lane(shared, PROCESS))
            async with lane.place(), wide.place(), self._process.place():
                yield
        finally:
            if lane.is_idle:
                self._connections.pop(id, None)

    def inside(self, provider: str) -> int:
        """How many calls to a provider are under way."""
        lane = self._providers.get(provider)
        return 0 if lane is None else lane.inside

    def waiting(self, provider: str) -> int:
        """How many calls wait for one of a provider's places."""
        lane = self._providers.get(provider)
        return 0 if lane is None else lane.waiting


def _lane(lanes: dict[K, Lane], key: K, make: Callable[[], Lane]) -> Lane:
    found = lanes.get(key)
    if found is None:
        found = lanes[key] = make()
    return found
