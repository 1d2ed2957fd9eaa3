"""How the last calls of every connection went, as this process saw it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from cachetools import TTLCache

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.models import Health
from gateway.contract.models.connections import HealthState

DEGRADED_FOR = timedelta(minutes=5)
"""How long after a call that went well a failure is one of some, and the connection no more than degraded."""


class _Record(NamedTuple):
    """How the last calls of a connection went."""

    state: HealthState = "ok"
    reason: str | None = None
    since: datetime | None = None
    last_success_at: datetime | None = None


_UNSEEN = _Record()


class ConnectionHealth:
    """The health of connections. ``quota_left`` tells what their systems still allow."""

    def __init__(self, clock: Clock, quota_left: Callable[[str], int | None]) -> None:
        self._clock = clock
        self._quota_left = quota_left
        self._known: TTLCache[str, _Record] = TTLCache(10_000, ttl=24 * 3600, timer=clock.monotonic)

    def note(self, connection_id: str, problem: Problem | None) -> None:
        """Remember how a call went."""
        now = self._clock.now()
        before = self._of(connection_id)
        if problem is None or problem.kind.fix == "caller":
            record = _Record("ok", None, before.since if before.state == "ok" else now, now)
        else:
            state = _ailing(problem, before.last_success_at is not None and now - before.last_success_at < DEGRADED_FOR)
            since = before.since if before.state == state else now
            record = _Record(state, problem.code, since, before.last_success_at)
        self._known[connection_id] = record

    def health(self, connection_id: str) -> Health:
        """What that says of it."""
        return Health(**self._of(connection_id)._asdict(), quota_left=self._quota_left(connection_id))

    def forget(self, connection_id: str) -> None:
        """The connection is gone."""
        self._known.pop(connection_id, None)

    def _of(self, connection_id: str) -> _Record:
        try:  # get() looks twice
            known: _Record = self._known[connection_id]
        except KeyError:
            return _UNSEEN
        return known


def _ailing(problem: Problem, works: bool) -> HealthState:
    """What a failure says of its connection, which lately did what was asked, or not. Without access nothing works."""
    if problem.code == "upstream_rate_limited":
        return "rate_limited"
    return "degraded" if works and problem.code != "connection_needs_reauth" else "failing"
