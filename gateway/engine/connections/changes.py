"""Changes of a connection, each at a moment of its own: by that it is told from all others."""

from dataclasses import replace
from datetime import timedelta

from gateway.contract.clock import Clock
from gateway.engine.storage import Changing, StoredConnection


def dated(changing: Changing, clock: Clock) -> Changing:
    """That change at its moment: now, or right after the last one."""

    def changed(current: StoredConnection) -> StoredConnection:
        moment = max(clock.now(), current.updated_at + timedelta(microseconds=1))
        return replace(changing(current), updated_at=moment)

    return changed


def dated_if_other(changing: Changing, clock: Clock) -> Changing:
    """The same, where it makes anything otherwise: what is said again is no change."""

    def changed(current: StoredConnection) -> StoredConnection:
        other = changing(current)
        return current if other == current else dated(lambda _: other, clock)(current)

    return changed
