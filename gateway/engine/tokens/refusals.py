"""What refused credentials mean: a connection that needs its owner, or a provider that is having a bad day.

A provider that refuses credentials is not asked again for a minute, whoever calls: some lock an account out after a few
wrong log-ins. Where many connections of one provider are refused within ten minutes, none is marked: a wrong client
secret, a restored backup or an incident looks like that, and costs nobody an authorization.
"""

from datetime import timedelta

from cachetools import TTLCache

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.observe import Observer
from gateway.engine.providers import Provider
from gateway.engine.storage import Storage, StoredConnection, Suspicion

BELIEVED = 60.0
"""Seconds a refusal is believed."""
WINDOW = timedelta(minutes=10)
FEW, SHARE = 5, 50
"""As many connections (or one in so many, where that is more) may be refused within the window before it is a mass."""
IN_A_ROW = 3
"""Tokens of which none opened anything may follow each other within a minute: one may end as soon as it was given, by a
revocation or a life of seconds, and the next works. A system that refuses every token is asked for no more than these.
"""
HELD_AT_MOST = timedelta(hours=24)
"""Whom the provider has refused for so long, mass or not, is marked."""


class Refusals:
    """Remembers refusals, and passes the verdict on a connection."""

    def __init__(self, storage: Storage, clock: Clock, observer: Observer) -> None:
        self._storage = storage
        self._clock = clock
        self._observer = observer
        self._known: TTLCache[tuple[str, int], Problem] = TTLCache(10_000, ttl=BELIEVED, timer=clock.monotonic)
        self._in_vain: TTLCache[str, int] = TTLCache(10_000, ttl=BELIEVED, timer=clock.monotonic)

    def heed(self, connection: StoredConnection) -> None:
        """Raises again what was told of the connection's credentials within the last minute."""
        known: Problem | None = self._known.get(_credentials_of(connection))
        if known is not None:
            raise known.copy()

    def replaced(self, connection_id: str) -> None:
        """A rejected token was replaced."""
        self._in_vain[connection_id] = self._in_vain.get(connection_id, 0) + 1

    def worked(self, connection_id: str) -> None:
        """The newest token opened something: where it is rejected later, that is a new matter."""
        if connection_id in self._in_vain:
            del self._in_vain[connection_id]

    def refuse_endless(self, connection_id: str) -> None:
        """Raises where several replacements of the last minute never worked: another would fare no better."""
        if self._in_vain.get(connection_id, 0) >= IN_A_ROW:
            raise Problem(
                "connection_needs_reauth", "The accounting system refuses even tokens that it has just given."
            )

    async def judge(
        self,
        connection: StoredConnection,
        provider: Provider,
        refusal: Problem,
        *,
        final: bool,
        version: int,
        owner: str | None = None,
    ) -> Problem | None:
        """Everything there was to ask with has been refused: what to tell whoever waits.

        None where this is not ``final``: it will be asked again. Otherwise the connection is marked, unless too many of
        its provider's are refused. ``owner`` is whose intent it ends, where there was one. Raises ``conflict`` where
        its credentials were replaced since that ``version``.
        """
        now = self._clock.now()
        suspicion = await self._storage.tokens.suspect(
            connection, now, since=now - WINDOW, version=version, owner=owner
        )
        self._observer.transition(provider.name, "suspect")
        if not final:
            return None
        verdict = await self._verdict(connection, provider, suspicion, refusal, version)
        self._known[_credentials_of(connection)] = verdict
        return verdict

    async def _verdict(
        self, connection: StoredConnection, provider: Provider, suspicion: Suspicion, refusal: Problem, version: int
    ) -> Problem:
        if self._is_mass(suspicion):
            self._observer.transition(provider.name, "held")
            return Problem(
                "upstream_unavailable",
                f"{provider.adapter.title} refuses many connections at once; none of them is given up.",
                upstream=refusal.upstream,
                retry_after=int(BELIEVED),
            )
        now = self._clock.now()
        if not await self._storage.connections.amend(connection.id, now, status="needs_reauth", version=version):
            raise Problem("conflict", "The connection's credentials were replaced meanwhile.")
        self._observer.transition(provider.name, "needs_reauth")
        return Problem(
            "connection_needs_reauth",
            "The accounting system refuses the connection's credentials. Its owner must give new ones.",
            upstream=refusal.upstream,
        )

    def _is_mass(self, suspicion: Suspicion) -> bool:
        long_ago = self._clock.now() - suspicion.since >= HELD_AT_MOST
        return suspicion.suspects > max(FEW, suspicion.connections // SHARE) and not long_ago


def _credentials_of(connection: StoredConnection) -> tuple[str, int]:
    return connection.id, connection.credentials_version
