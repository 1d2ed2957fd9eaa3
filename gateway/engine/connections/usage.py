"""Which connections are used, and how that goes: counted in memory, for the last hour, in this process.

Metrics never tell of one connection; this does, to those whose connections they are.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cachetools import LRUCache

from gateway.contract.clock import Clock
from gateway.contract.models import ConnectionUse, Health
from gateway.engine.call import Caller
from gateway.engine.storage import Storage, StoredConnection

SLOT = 600.0
SLOTS = 6
KNOWN = 10_000
"""Connections that are counted at most in one slot; the least recently used is forgotten first."""
SHOWN = 100


@dataclass(slots=True)
class Use:
    """What one connection of a tenant did, and when it last did."""

    tenant: str
    calls: int = 0
    failures: int = 0
    last: datetime | None = None


class Usage:
    """Counts in slots of ten minutes; an hour of them is kept."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._slots: deque[tuple[int, LRUCache[str, Use]]] = deque(maxlen=SLOTS)

    def note(self, connection: StoredConnection, *, failed: bool) -> None:
        """One request of this connection went to its accounting system."""
        slot = int(self._clock.monotonic() // SLOT)
        if not self._slots or self._slots[-1][0] != slot:
            self._slots.append((slot, LRUCache(KNOWN)))
        uses = self._slots[-1][1]
        use: Use | None = uses.get(connection.id)
        if use is None:
            use = uses[connection.id] = Use(connection.tenant)
        use.calls += 1
        use.failures += failed
        use.last = self._clock.now()

    async def busiest(self, caller: Caller, health_of: Callable[[str], Health]) -> Sequence[ConnectionUse]:
        """The caller's connections that were used most, the most used first, a hundred at most."""
        counted = [(id, use) for id, use in self._sums(caller.tenant).items() if caller.reaches(id)]
        counted.sort(key=lambda one: (-one[1].calls, one[0]))
        shown = counted[:SHOWN]
        connections = await self._storage.connections.those([id for id, _ in shown])
        by_id = {connection.id: connection for connection in connections}
        return [await self._use_of(by_id[id], use, health_of(id)) for id, use in shown if id in by_id]

    def _sums(self, tenant: str) -> dict[str, Use]:
        oldest = int(self._clock.monotonic() // SLOT) - SLOTS
        found: dict[str, Use] = {}
        for slot, uses in self._slots:
            for id, use in uses.items() if slot > oldest else ():
                if use.tenant == tenant:
                    total = found.setdefault(id, Use(tenant))
                    total.calls += use.calls
                    total.failures += use.failures
                    total.last = use.last
        return found

    async def _use_of(self, connection: StoredConnection, use: Use, health: Health) -> ConnectionUse:
        newest = await self._storage.tokens.newest(connection)
        return ConnectionUse(
            connection_id=connection.id,
            provider=connection.provider,
            name=connection.name,
            status=connection.effective_status,
            calls=use.calls,
            failures=use.failures,
            last_call_at=use.last,
            token_received_at=None if newest is None else newest.received_at,
            token_expires_at=None if newest is None else newest.token.expires_at,
            health=health,
        )
