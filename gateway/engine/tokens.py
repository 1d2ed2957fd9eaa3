"""Access tokens: where they come from, and how many ask for one at a time.

One flight per connection: however many calls find a token expired, one asks for a new one. A token is kept durably
before its first use, so that no crash loses one that the provider may count on. The flight runs on its own: a caller
who leaves cancels nothing.

A provider that refuses the credentials is not asked again for a minute, whoever calls: some lock an account out after a
few wrong log-ins. After that one call tries again, so a provider's passing confusion heals by itself.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from cachetools import LRUCache, TTLCache

from gateway.contract.auth import AccessToken, CredentialKind, Grant, KeyExchange, OAuth2, StaticToken
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem, UpstreamFault
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply, Request
from gateway.engine.cache import Flights
from gateway.engine.http import WRITING, NotSent, Unanswered, Wire
from gateway.engine.oauth import read_token, refresh_request, revocation_request
from gateway.engine.observe import Observer, TokenOutcome
from gateway.engine.providers import Provider
from gateway.engine.storage import Storage, StoredConnection, StoredToken
from gateway.engine.upstream import encode

MARGIN = timedelta(minutes=5)
TOKEN_WAIT = 30.0
"""Seconds a token endpoint may take: longer than any other call, because an answer lost here costs the most."""
REFRESH_WAITS = (0.5, 2.0)
"""Seconds between attempts to refresh whose fate is unknown."""
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
        self._epochs: dict[str, int] = {}
        self._flights: Flights[AccessToken] = Flights()

    async def current(self, connection: StoredConnection, provider: Provider) -> AccessToken:
        """A token that should work now. Raises ``Problem`` where none can be had."""
        self._refuse_refused(connection)
        known: StoredToken | None = self._known.get(connection.id)
        if known is not None and self._is_fresh(known):
            return known.token
        return await self._flights.share((connection.id,), lambda: self._obtain(connection, provider, None))

    async def replace(self, connection: StoredConnection, provider: Provider, rejected: AccessToken) -> AccessToken:
        """Another token than the one the provider just rejected. Raises ``Problem`` where there is none."""
        known: StoredToken | None = self._known.get(connection.id)
        if known is not None and known.token.value != rejected.value and self._is_fresh(known):
            return known.token
        found = rejected
        for _ in range(2):
            # A flight that was under way already may bring the very token that was rejected: then the next one counts.
            found = await self._flights.share((connection.id,), lambda: self._obtain(connection, provider, rejected))
            if found.value != rejected.value:
                break
        return found

    def forget(self, connection_id: str) -> None:
        """The connection's credentials changed or are gone: what was obtained with the old ones is kept no more."""
        self._epochs[connection_id] = self._epochs.get(connection_id, 0) + 1
        self._known.pop(connection_id, None)
        self._refused.pop(connection_id, None)

    async def settle(self) -> None:
        """Wait for every flight under way: nothing that may have reached a provider is dropped."""
        await self._flights.settle()

    def _is_fresh(self, stored: StoredToken) -> bool:
        expires_at = stored.token.expires_at
        if expires_at is None:
            return True
        lifetime = expires_at - stored.received_at
        return expires_at - min(MARGIN, lifetime / 10) > self._clock.now()

    async def _obtain(
        self, connection: StoredConnection, provider: Provider, rejected: AccessToken | None
    ) -> AccessToken:
        self._refuse_refused(connection)
        epoch = self._epochs.get(connection.id, 0)
        kind = provider.kind_of(connection)
        if isinstance(kind.scheme, StaticToken):
            return await self._static(connection, kind.scheme, rejected)
        kept = await self._storage.tokens.newest(connection)
        if kept is not None and self._is_fresh(kept) and (rejected is None or kept.token.value != rejected.value):
            self._known[connection.id] = kept
            return kept.token
        try:
            token = await self._renewed(connection, provider, kind, kept)
        except Problem as problem:
            raise self._remember(connection, problem) from problem
        if isinstance(token, StoredToken):
            self._known[connection.id] = token
            return token.token
        # Whoever asked with credentials that were replaced meanwhile is served, but nobody after them.
        return token if epoch != self._epochs.get(connection.id, 0) else await self.adopt(connection, token)

    def _refuse_refused(self, connection: StoredConnection) -> None:
        refused: _Refused | None = self._refused.get(connection.id)
        if refused is not None:
            raise refused.problem()

    async def adopt(self, connection: StoredConnection, token: AccessToken) -> AccessToken:
        """Keep a token that was received, durably, before anyone may use it."""
        self._known[connection.id] = await self._storage.tokens.append(connection, token, self._clock.now())
        self._refused.pop(connection.id, None)
        return token

    async def _renewed(
        self, connection: StoredConnection, provider: Provider, kind: CredentialKind, kept: StoredToken | None
    ) -> AccessToken | StoredToken:
        """A token that was received now, or one that somebody else kept meanwhile."""
        if isinstance(kind.scheme, OAuth2):
            return await self._refreshed(connection, provider, kind.scheme, kept)
        fields = await self._storage.connections.credentials(connection)
        return await self.make(provider, kind, self.grant(provider, fields, connection.company_id))

    async def _refreshed(
        self, connection: StoredConnection, provider: Provider, scheme: OAuth2, kept: StoredToken | None
    ) -> AccessToken | StoredToken:
        """A new pair for the newest refresh token.

        Where the reply is lost the same refresh token is tried again: a provider that revokes the old one only when the
        new one is used, or shortly after, then gives another pair, and with any other nothing is lost by trying.
        """
        if kept is None or kept.token.refresh_token is None:
            raise Problem("credentials_rejected", "There is no refresh token.")
        request = refresh_request(
            scheme, provider.setting("client_id"), provider.setting("client_secret"), kept.token.refresh_token
        )
        for wait in (*REFRESH_WAITS, None):
            try:
                return await self.ask(provider, request, lambda reply: self._read(reply, provider, kept.token))
            except Problem as problem:
                settled = problem.kind.fix != "wait" and problem.code != "upstream_malformed"
                if settled or wait is None:
                    return await self._overtaken(connection, kept, problem)
                await self._clock.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _overtaken(self, connection: StoredConnection, kept: StoredToken, problem: Problem) -> StoredToken:
        """A refused refresh token may only mean that another node was faster: then its token is in the journal."""
        newest = await self._storage.tokens.newest(connection)
        if newest is not None and newest.seq != kept.seq and self._is_fresh(newest):
            return newest
        raise problem

    def _read(self, reply: Reply, provider: Provider, before: AccessToken | None) -> AccessToken:
        return read_token(reply, self._clock.now(), provider.name, before)

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
            "The accounting system refuses the connection's credentials. Its owner must give new ones.",
            problem.upstream,
        )
        self._refused[connection.id] = refused
        self._known.pop(connection.id, None)
        return refused.problem()

    def grant(self, provider: Provider, fields: Mapping[str, Secret], company_id: str | None) -> Grant:
        """What a token request may be made from."""
        return Grant(fields=fields, operator=provider.operator, company_id=company_id, now=self._clock.now())

    async def make(self, provider: Provider, kind: CredentialKind, grant: Grant) -> AccessToken:
        """A token made from credentials, stored ones or some on trial. Raises ``Problem``."""
        scheme = kind.scheme
        if isinstance(scheme, StaticToken):
            return AccessToken(grant.fields[scheme.field])
        if isinstance(scheme, KeyExchange):
            return await self.ask(provider, scheme.request(grant), lambda reply: scheme.read(reply, grant))
        raise TypeError("an OAuth token comes from its owner's authorization, not from stored credentials")

    async def ask(self, provider: Provider, request: Request, read: Callable[[Reply], AccessToken]) -> AccessToken:
        """Ask a token endpoint, and read its reply. Raises ``Problem``."""
        started = self._clock.monotonic()
        outcome: TokenOutcome = "unknown"
        try:
            token = read(await self._send(provider, request))
            outcome = "ok"
        except Problem as problem:
            outcome = _outcome_of(problem)
            raise
        finally:
            self._observer.token(provider.name, outcome, self._clock.monotonic() - started)
        return token

    async def revoke(self, connection: StoredConnection, provider: Provider) -> None:
        """End the connection's token at the provider, as far as that is possible; a failure stops nothing."""
        kind = provider.adapter.credential(connection.credential_type or "")
        newest = await self._storage.tokens.newest(connection)
        if kind is None or newest is None or not isinstance(kind.scheme, OAuth2):
            return
        with contextlib.suppress(Problem):
            client_id, client_secret = provider.setting("client_id"), provider.setting("client_secret")
            request = revocation_request(kind.scheme, client_id, client_secret, newest.token)
            if request is not None:
                await self._send(provider, request)

    async def _send(self, provider: Provider, request: Request) -> Reply:
        headers, body = encode(request)
        try:
            return await self._wire.send(
                request.method,
                provider.origins[request.origin],
                request.target,
                headers,
                body,
                within=TOKEN_WAIT,
                timeouts=WRITING,
            )
        except NotSent as error:
            raise Problem(
                "upstream_unavailable", f"{provider.adapter.title} cannot be reached.", outcome="not_sent"
            ) from error
        except Unanswered as error:
            raise Problem(
                "upstream_timeout", f"{provider.adapter.title} gave no token in time.", outcome="not_sent"
            ) from error


def _outcome_of(problem: Problem) -> TokenOutcome:
    if problem.code == "credentials_rejected":
        return "rejected"
    if problem.code == "provider_misconfigured":
        return "config_error"
    return "transient" if problem.kind.fix == "wait" else "unknown"
