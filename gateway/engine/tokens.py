"""Access tokens: where they come from, and how many ask for one at a time.

One flight per connection: however many calls find a token expired, one asks for a new one. A token is kept durably
before its first use, so that no crash loses one that the provider may count on. The flight runs on its own: a caller
who leaves cancels nothing.

A provider that refuses the credentials is not asked again for a minute, whoever calls: some lock an account out after a
few wrong log-ins. After that one call tries again, so a provider's passing confusion heals by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from cachetools import LRUCache, TTLCache

from gateway.contract.auth import AccessToken, CredentialKind, Grant, KeyExchange, StaticToken
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem, UpstreamFault
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply, Request
from gateway.engine.cache import Flights
from gateway.engine.http import WRITING, NotSent, Unanswered, Wire
from gateway.engine.observe import Observer, TokenOutcome
from gateway.engine.providers import Provider
from gateway.engine.upstream import encode
from gateway.engine.storage import Storage, StoredConnection, StoredToken

MARGIN = timedelta(minutes=5)
TOKEN_WAIT = 30.0
"""Seconds a token endpoint may take: longer than any other call, because an answer lost here costs the most."""
REFUSAL_KEPT = 60.0


@dataclass(frozen=True, slots=True)
class _Refused:
    detail: str
    upstream: UpstreamFault | None

    def problem(self) -> Problem:
        return Problem("connection_needs_reauth", self.detail, upstream=self.upstream, outcome="not_sent")


class Tokens:
    """Gives every connection the token to call with."""

    def __init__(self, storage: Storage, wire: Wire, clock: Clock, observer: Observer) -> None:
        self._storage = storage
        self._wire = wire
        self._clock = clock
        self._observer = observer
        self._known: LRUCache[str, StoredToken] = LRUCache(10_000)
        self._refused: TTLCache[str, _Refused] = TTLCache(10_000, ttl=REFUSAL_KEPT, timer=clock.monotonic)
        self._flights: Flights[AccessToken] = Flights()

    async def current(self, connection: StoredConnection, provider: Provider) -> AccessToken:
        """A token that should work now. Raises ``Problem`` where none can be had."""
        known: StoredToken | None = self._known.get(connection.id)
        if known is not None and self._is_fresh(known):
            return known.token
        return await self._flights.share((connection.id,), lambda: self._obtain(connection, provider, None))

    async def replace(
        self, connection: StoredConnection, provider: Provider, rejected: AccessToken
    ) -> AccessToken:
        """Another token than the one the provider just rejected. Raises ``Problem`` where there is none."""
        known: StoredToken | None = self._known.get(connection.id)
        if known is not None and known.token.value != rejected.value and self._is_fresh(known):
            return known.token
        return await self._flights.share((connection.id,), lambda: self._obtain(connection, provider, rejected))

    def forget(self, connection_id: str) -> None:
        """The connection's credentials changed or are gone."""
        self._known.pop(connection_id, None)
        self._refused.pop(connection_id, None)

    async def settle(self) -> None:
        """Wait for every flight under way: nothing that may have reached a provider is dropped."""
        await self._flights.settle()

    async def probe(self, provider: Provider, kind: CredentialKind, grant: Grant) -> AccessToken:
        """A token made from credentials that are not stored yet. Raises ``Problem``."""
        return await self._make(provider, kind, grant)

    def _is_fresh(self, stored: StoredToken) -> bool:
        expires_at = stored.token.expires_at
        if expires_at is None:
            return True
        lifetime = expires_at - stored.received_at
        return expires_at - min(MARGIN, lifetime / 10) > self._clock.now()

    async def _obtain(
        self, connection: StoredConnection, provider: Provider, rejected: AccessToken | None
    ) -> AccessToken:
        refused: _Refused | None = self._refused.get(connection.id)
        if refused is not None:
            raise refused.problem()
        kind = provider.kind_of(connection)
        if isinstance(kind.scheme, StaticToken):
            return await self._static(connection, kind.scheme, rejected)
        kept = await self._storage.tokens.newest(connection)
        if kept is not None and self._is_fresh(kept) and (rejected is None or kept.token.value != rejected.value):
            self._known[connection.id] = kept
            return kept.token
        fields = await self._storage.connections.credentials(connection)
        try:
            token = await self._make(provider, kind, self.grant(provider, fields, connection.company_id))
        except Problem as problem:
            raise self._remember(connection, problem) from problem
        self._known[connection.id] = await self._storage.tokens.append(connection, token, self._clock.now())
        return token

    async def _static(
        self, connection: StoredConnection, scheme: StaticToken, rejected: AccessToken | None
    ) -> AccessToken:
        fields = await self._storage.connections.credentials(connection)
        token = AccessToken(fields[scheme.field])
        if rejected is not None and rejected.value == token.value:
            raise self._remember(connection, Problem("credentials_rejected", "The token is refused."))
        self._known[connection.id] = StoredToken(0, token, self._clock.now())
        return token

    def _remember(self, connection: StoredConnection, problem: Problem) -> Problem:
        if problem.code != "credentials_rejected":
            return problem
        refused = _Refused(
            "The accounting system refuses the connection's credentials. Its owner must give new ones.", problem.upstream
        )
        self._refused[connection.id] = refused
        return refused.problem()

    def grant(self, provider: Provider, fields: Mapping[str, Secret], company_id: str | None) -> Grant:
        """What a token request may be made from."""
        return Grant(fields=fields, operator=provider.operator, company_id=company_id, now=self._clock.now())

    async def _make(self, provider: Provider, kind: CredentialKind, grant: Grant) -> AccessToken:
        scheme = kind.scheme
        if isinstance(scheme, StaticToken):
            return AccessToken(grant.fields[scheme.field])
        if isinstance(scheme, KeyExchange):
            return await self._exchange(provider, scheme, grant)
        raise Problem("provider_misconfigured", "This kind of credentials cannot be used here yet.")

    async def _exchange(self, provider: Provider, scheme: KeyExchange, grant: Grant) -> AccessToken:
        started = self._clock.monotonic()
        outcome: TokenOutcome = "unknown"
        try:
            reply = await self._send(provider, scheme.request(grant))
            token = scheme.read(reply, grant)
            outcome = "ok"
        except Problem as problem:
            outcome = _outcome_of(problem)
            raise
        finally:
            self._observer.token(provider.name, outcome, self._clock.monotonic() - started)
        return token

    async def _send(self, provider: Provider, request: Request) -> Reply:
        headers, body = encode(request)
        try:
            return await self._wire.send(
                request.method, provider.origins[request.origin], request.target, headers, body,
                within=TOKEN_WAIT, timeouts=WRITING,
            )
        except NotSent as error:
            raise Problem("upstream_unavailable", f"{provider.adapter.title} cannot be reached.", outcome="not_sent") from error
        except Unanswered as error:
            raise Problem("upstream_timeout", f"{provider.adapter.title} gave no token in time.", outcome="not_sent") from error


def _outcome_of(problem: Problem) -> TokenOutcome:
    if problem.code == "credentials_rejected":
        return "rejected"
    if problem.code == "provider_misconfigured":
        return "config_error"
    return "transient" if problem.kind.fix == "wait" else "unknown"
