"""Connections as they were looked up lately: believed for a few seconds, and no longer than their generation lasts.

A look-up takes as long as answering does, most of it whatever is looked up. So one that must be made is made for others
too: for those that were asked for since they were looked up, and would have to be looked up again before long.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cachetools import LRUCache

from gateway.contract.clock import Clock
from gateway.engine.generations import Generations
from gateway.engine.single_flight import shared
from gateway.engine.storage import Storage, StoredConnection

KNOWN_FOR = 5.0
"""Seconds for which a connection is believed where nobody tells of a change."""
SOON = KNOWN_FOR / 2
"""Seconds from when one is believed no longer, in which it is looked up along with another."""
TOGETHER = 100
"""Connections that are looked up at once at most."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A connection as it was looked up: in which generation of it, and until when (monotonic) that is believed."""

    connection: StoredConnection
    generation: int
    until: float


_Found = Mapping[str, Lookup]


@dataclass(slots=True)
class _Known:
    lookup: Lookup
    wanted: bool = False
    """Whether it was asked for since it was looked up."""


class Lookups:
    """What is known of connections, and looked up where it is not."""

    def __init__(self, storage: Storage, generations: Generations, clock: Clock) -> None:
        self._storage = storage
        self._generations = generations
        self._clock = clock
        self._known: LRUCache[str, _Known] = LRUCache(10_000)
        self._oldest_first: dict[str, _Known] = {}
        """What was looked up and is not due yet."""
        self._under_way: dict[str, tuple[int, asyncio.Task[_Found]]] = {}
        """What is being looked up, and which generation of it."""

    async def of(self, id: str) -> Lookup | None:
        """The connection of that id; None where there is none. Raises ``storage_unavailable``."""
        generation, now = self._generations.of(id, "connection"), self._clock.monotonic()
        known: _Known | None = self._known.get(id)
        if known is not None and known.lookup.generation == generation and now < known.lookup.until:
            known.wanted = True
            return known.lookup
        read, task = self._under_way.get(id, (generation, None))
        if task is None or read != generation:
            task = self._look_up([id, *self._due(id, now)], now)
        return (await shared(task)).get(id)

    def _due(self, id: str, now: float) -> Sequence[str]:
        """The others that will have to be looked up before long, as far as they are asked for."""
        due: list[str] = []
        lapsing: list[str] = []
        for other, known in self._oldest_first.items():
            if known.lookup.until > now + SOON or len(due) == TOGETHER - 1:
                break
            lapsing.append(other)
            if known.wanted and other != id and other not in self._under_way:
                due.append(other)
        for other in lapsing:
            del self._oldest_first[other]
        return due

    def _look_up(self, ids: Sequence[str], now: float) -> asyncio.Task[_Found]:
        # Whatever is read after the generation was taken is at least as new.
        generations = {id: self._generations.of(id, "connection") for id in ids}
        task = asyncio.ensure_future(self._found(generations, now + KNOWN_FOR))
        for id, generation in generations.items():
            self._under_way[id] = generation, task
        task.add_done_callback(self._ended)
        return task

    async def _found(self, generations: Mapping[str, int], until: float) -> _Found:
        connections = await self._storage.connections.those(list(generations))
        found = {one.id: Lookup(one, generations[one.id], until) for one in connections}
        for id, lookup in found.items():
            self._known[id] = known = _Known(lookup)
            self._oldest_first.pop(id, None)
            self._oldest_first[id] = known
        return found

    def _ended(self, task: asyncio.Task[_Found]) -> None:
        self._under_way = {id: looked for id, looked in self._under_way.items() if looked[1] is not task}
        if not task.cancelled():
            task.exception()  # every asker may have left: then nobody else would look at it
