"""Connections as they were looked up lately: believed for a few seconds, and no longer than their generation lasts."""

from dataclasses import dataclass

from cachetools import LRUCache

from gateway.contract.clock import Clock
from gateway.engine.generations import Generations
from gateway.engine.storage import Storage, StoredConnection

KNOWN_FOR = 5.0
"""Seconds for which a connection is believed where nobody tells of a change."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A connection as it was looked up: in which generation of it, and until when (monotonic) that is believed."""

    connection: StoredConnection
    generation: int
    until: float


class Sightings:
    """What is known of connections, and looked up where it is not."""

    def __init__(self, storage: Storage, generations: Generations, clock: Clock, size: int = 10_000) -> None:
        self._storage = storage
        self._generations = generations
        self._clock = clock
        self._known: LRUCache[str, Sighting] = LRUCache(size)

    async def of(self, id: str) -> Sighting | None:
        """The connection of that id; None where there is none. Raises ``storage_unavailable``."""
        # Whatever is read after the generation was taken is at least as new.
        generation, now = self._generations.of(id, "connection"), self._clock.monotonic()
        known: Sighting | None = self._known.get(id)
        if known is not None and known.generation == generation and now < known.until:
            return known
        found = await self._storage.connections.find(id)
        if found is None:
            return None
        sighting = self._known[id] = Sighting(found, generation, now + KNOWN_FOR)
        return sighting
