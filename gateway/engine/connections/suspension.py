"""An operator suspends a connection and resumes it: no caller uses it in between, and nothing of it is lost."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from gateway.contract.clock import Clock
from gateway.engine.access.audit import Auditor
from gateway.engine.connections.changes import dated_if_other
from gateway.engine.generations import Generations
from gateway.engine.storage import Storage, StoredConnection


class Suspension(NamedTuple):
    """A connection as it was found, and as it is now."""

    before: StoredConnection
    now: StoredConnection


async def suspend(storage: Storage, generations: Generations, clock: Clock, id: str) -> Suspension | None:
    """Suspend a connection, unless it is; None where there is none of that id.

    When this returns, every gateway that shares these generations refuses to use it; any other does within seconds.
    What had begun before is brought to its end.
    """
    return await _set(storage, generations, clock, id, "connections.suspend", lambda since: since or clock.now())


async def resume(storage: Storage, generations: Generations, clock: Clock, id: str) -> Suspension | None:
    """Let a connection be used again, as far as its credentials are good; None where there is none of that id."""
    return await _set(storage, generations, clock, id, "connections.resume", lambda _: None)


async def _set(
    storage: Storage,
    generations: Generations,
    clock: Clock,
    id: str,
    action: str,
    since: Callable[[datetime | None], datetime | None],
) -> Suspension | None:
    found = await storage.connections.find(id)
    if found is None:
        return None
    before = found

    def changing(current: StoredConnection) -> StoredConnection:
        nonlocal before
        before = current
        return replace(current, suspended_at=since(current.suspended_at))

    async with Auditor(storage.audit, clock).recording(action, found.tenant, id):
        now = await storage.connections.change(found, dated_if_other(changing, clock))
        # Also where nothing was changed: whoever changed it may have died before the others were told.
        await generations.end(id, "connection")
    return Suspension(before, now)
