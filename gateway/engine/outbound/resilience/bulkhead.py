"""How much may be under way: places per connection, per provider and in all, each with a bounded queue.

A call takes its connection's place first, so that a connection never has more in the provider's queue than it has
places itself: queues are first come, first served, and none of them can be filled by one connection.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

QUEUE_PER_PLACE = 64
"""How many wait for each place of a connection: one request of ours may fan out into hundreds of theirs."""
PROCESS = 512
"""Calls under way in one process, whatever they are for; as many again may wait."""


class Full(Exception):
    """The queue is full: it is better to hear so at once than to wait for a place that comes too late."""


class Lane:
    """So many at once, so many waiting, first come first served.

    Nearly everybody finds a place free, and is to wait for nothing then: a semaphore of asyncio's is awaited even so.
    """

    def __init__(self, places: int, queue: int) -> None:
        self._size = places
        self._queue = queue
        self._line: deque[asyncio.Future[None]] = deque()
        self.inside = 0

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    @property
    def is_idle(self) -> bool:
        """Whether nobody is in it or waits for it."""
        return self.inside == 0 and not self._line

    @property
    def is_free(self) -> bool:
        """Whether who enters now need not wait."""
        return self.inside < self._size  # for a place that becomes free is handed on

    @property
    def rounds(self) -> float:
        """How many times over its places must become free until it is the turn of who enters now."""
        return 0.0 if self.is_free else (self.waiting + 1) / self._size

    async def enter(self) -> None:
        """Take a place, at once where it is free. Raises ``Full``."""
        if self.is_free:
            self.inside += 1
            return
        if self.waiting >= self._queue:
            raise Full
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):  # who left meanwhile may have passed it over
                    self._line.remove(turn)
            else:
                self.leave()  # it came in the same moment, and is for the next
            raise

    def leave(self) -> None:
        """Give the place to the next, who is inside from now on."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.inside -= 1


class Place:
    """A place in several lanes, to be taken once: in all of them or in none."""

    __slots__ = ("_gone", "_lanes")

    def __init__(self, lanes: Sequence[Lane], gone: Callable[[], None]) -> None:
        self._lanes = lanes
        self._gone = gone

    @property
    def rounds(self) -> float:
        """How many calls after another must end until it can be had, going by the most crowded of its lanes."""
        return max(lane.rounds for lane in self._lanes)

    def take_now(self) -> bool:
        """Have it if nobody need be waited for; whether that was so."""
        for lane in self._lanes:
            if not lane.is_free:
                return False
        for lane in self._lanes:
            lane.inside += 1
        return True

    async def take(self) -> None:
        """Have it. Raises ``Full`` where any of the queues is."""
        entered = 0
        try:
            for lane in self._lanes:
                await lane.enter()
                entered += 1
        except BaseException:
            self._leave(entered)
            raise

    def release(self) -> None:
        """Let others have it."""
        self._leave(len(self._lanes))

    def _leave(self, entered: int) -> None:
        for lane in reversed(self._lanes[:entered]):
            lane.leave()
        self._gone()


class Bulkhead:
    """The lanes of one process."""

    def __init__(self, process: int = PROCESS) -> None:
        self._connections: dict[str, Lane] = {}
        self._providers: dict[str, Lane] = {}
        self._process = Lane(process, process)

    def place(self, connection: tuple[str, int], provider: tuple[str, int]) -> Place:
        """One place of a connection, its provider and the process; each is a name and how many places it has.

        It is to be taken, or asked for in vain, before anything else is waited for: an idle lane is let go of.
        """
        (id, own), (name, shared) = connection, provider
        lane = self._connections.get(id)
        if lane is None:
            lane = self._connections[id] = Lane(own, own * QUEUE_PER_PLACE)
        wide = self._providers.get(name)
        if wide is None:
            wide = self._providers[name] = Lane(shared, PROCESS)
        return Place((lane, wide, self._process), lambda: self._let_go(id, lane))

    def _let_go(self, id: str, lane: Lane) -> None:
        if lane.is_idle and self._connections.get(id) is lane:
            del self._connections[id]

    def inside(self, provider: str) -> int:
        """How many calls to a provider are under way."""
        lane = self._providers.get(provider)
        return 0 if lane is None else lane.inside

    def waiting(self, provider: str) -> int:
        """How many calls wait for one of a provider's places."""
        lane = self._providers.get(provider)
        return 0 if lane is None else lane.waiting
