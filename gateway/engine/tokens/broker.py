"""What gives every connection the token to call with.

One flight per connection: however many calls find a token expired, one asks for a new one. The flight runs on its own,
so that a caller who leaves cancels nothing. While the old token is still good, nobody waits for the new one.
"""

import asyncio
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import LRUCache, TTLCache

from gateway.contract.auth import AccessToken, OAuth2, StaticToken
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.network.http import Wire
from gateway.engine.observe import Observer
from gateway.engine.owner import Owner
from gateway.engine.providers import Provider
from gateway.engine.single_flight import SingleFlight
from gateway.engine.stop_signal import StopSignal
from gateway.engine.storage import Changing, Journal, Storage, StoredConnection, StoredToken
from gateway.engine.tokens.endpoints import Endpoints
from gateway.engine.tokens.lifetimes import fresh_until, is_fresh, is_valid, valid_until
from gateway.engine.tokens.refusals import Refusals
from gateway.engine.tokens.renewal import Enough, Renewals, insisted, overtaken_as_unavailable, stored_fields
from gateway.engine.waiting import unmeasured

CALLER_WAIT = 10.0
"""Seconds a caller waits for a flight; it goes on without him."""
DRAIN_WAIT = 35.0
"""Seconds a stopping process waits for its flights: longer than an answer may take."""
REST = 30.0
"""Seconds between attempts to replace a token that is still good."""


_GIVEN = "given_token"
"""Under which name it is kept, among the credentials, which token an OAuth connection was given."""


@dataclass(slots=True)
class _Known:
    """A token at hand: which credentials it is of, and the moments (monotonic) that say how good it is."""

    stored: StoredToken
    version: int
    fresh_until: float
    valid_until: float
    unused: bool


class Tokens:
    """Gives every connection its token. ``owner`` is this process."""

    def __init__(self, storage: Storage, wire: Wire, clock: Clock, observer: Observer, owner: Owner) -> None:
        self.endpoints = Endpoints(wire, clock, observer)
        self._storage = storage
        self._clock = clock
        self._known: LRUCache[str, _Known] = LRUCache(10_000)
        self._resting: TTLCache[str, bool] = TTLCache(10_000, ttl=REST, timer=clock.monotonic)
        self._refusals = Refusals(storage, clock, observer)
        self.stopping = StopSignal(clock)
        self._renewals = Renewals(storage, self.endpoints, self._refusals, self.stopping, clock, observer, owner)
        self._flights: SingleFlight[AccessToken] = SingleFlight()
        self._marks: set[asyncio.Task[None]] = set()

    async def current(self, connection: StoredConnection, provider: Provider) -> AccessToken:
        """A token that should work now. Raises ``Problem`` where none can be had."""
        known = self._at_hand(connection)
        if known is not None:
            now = self._clock.monotonic()
            if now < known.fresh_until:
                return known.stored.token
            if now < known.valid_until:
                self._replace_behind(connection, provider)
                return known.stored.token
        return await self._awaited(connection, provider, None)

    async def replace(self, connection: StoredConnection, provider: Provider, rejected: AccessToken) -> AccessToken:
        """Another token than the one the provider just rejected. Raises ``Problem`` where there is none."""
        known = self._at_hand(connection)
        another = known is not None and known.stored.token.value != rejected.value
        if known is not None and another and self._clock.monotonic() < known.valid_until:
            return known.stored.token
        self._known.pop(connection.id, None)
        found = rejected
        for _ in range(2):
            # A flight that was under way already may bring the very token that was rejected: then the next one counts.
            found = await self._awaited(connection, provider, rejected)
            if found.value != rejected.value:
                break
        return found

    def worked(self, connection: StoredConnection, token: AccessToken) -> None:
        """A token opened something: what it was made from is spent. Kept in the background, once per token."""
        known = self._at_hand(connection)
        if known is None or known.stored.token.value != token.value:
            return
        self._refusals.worked(connection.id)
        if not known.unused:
            return
        known.unused = False
        mark = asyncio.ensure_future(self._mark_used(connection, known.stored.seq))
        self._marks.add(mark)
        mark.add_done_callback(self._marks.discard)

    async def _mark_used(self, connection: StoredConnection, seq: int) -> None:
        try:
            await self._storage.tokens.use(connection, seq)
        except Problem:
            return  # without the mark an older token may be tried in vain one day

    async def adopt(self, connection: StoredConnection, token: AccessToken, changing: Changing) -> StoredConnection:
        """Keep a token from its owner's hand, durably, in place of all credentials there were, with that change."""
        received_at, mark = self._clock.now(), {_GIVEN: _mark_of(token)}
        replaced = self._storage.connections.replace_credentials
        changed, kept = await insisted(self._clock, lambda: replaced(connection, changing, mark, token, received_at))
        self.forget(connection.id)
        if kept is not None:
            self._publish(changed, kept)
        return changed

    async def has(self, connection: StoredConnection, token: AccessToken) -> bool:
        """Whether this very token was adopted last: then the connection has it, or what it was traded for since."""
        return (await self._storage.connections.credentials(connection)).get(_GIVEN) == _mark_of(token)

    def forget(self, connection_id: str) -> None:
        """The connection's credentials changed or are gone: what was obtained with the old ones is kept no more."""
        self._known.pop(connection_id, None)
        self._resting.pop(connection_id, None)

    async def revoke(self, connection: StoredConnection, provider: Provider) -> None:
        """End the connection's token at the provider, as far as that is possible; a failure stops nothing."""
        kind = provider.adapter.credential(connection.credential_type or "")
        newest = await self._storage.tokens.newest(connection)
        if kind is not None and newest is not None and isinstance(kind.scheme, OAuth2):
            await self.endpoints.revoke(provider, kind.scheme, newest.token)

    def drain(self) -> None:
        """The process is about to stop: from now on no request for a token begins."""
        self.stopping.set()

    async def settle(self) -> None:
        """Wait for every flight under way: nothing that may have reached a provider is dropped."""
        await self._flights.settle(DRAIN_WAIT)
        if self._marks:
            await asyncio.wait(list(self._marks), timeout=DRAIN_WAIT)

    def renew(self, connection: StoredConnection, provider: Provider, enough: Enough) -> asyncio.Task[AccessToken]:
        """A flight that nobody waits for, unless one is under way. Its task fails with a ``Problem``."""
        return self._flights.begin(_flight_of(connection), lambda: self._behind(connection, provider, enough))

    async def _behind(self, connection: StoredConnection, provider: Provider, enough: Enough) -> AccessToken:
        unmeasured()
        self._refusals.heed(connection)
        return await self._renewed(connection, provider, None, enough)

    def _replace_behind(self, connection: StoredConnection, provider: Provider) -> None:
        """Get a fresh token while the old one serves; where that fails, not at once again."""
        if connection.id in self._resting or self.stopping.is_set:
            return
        self._resting[connection.id] = True
        self.renew(connection, provider, newest_if(lambda row: is_fresh(row, connection.id, self._clock.now())))

    async def _awaited(
        self, connection: StoredConnection, provider: Provider, rejected: AccessToken | None
    ) -> AccessToken:
        try:
            async with asyncio.timeout(CALLER_WAIT):
                return await self._flights.share(
                    _flight_of(connection), lambda: self._obtained(connection, provider, rejected)
                )
        except TimeoutError:
            detail = f"{provider.adapter.title} is being asked for a new token, and takes long."
            raise Problem("upstream_unavailable", detail, retry_after=5) from None

    async def _obtained(
        self, connection: StoredConnection, provider: Provider, rejected: AccessToken | None
    ) -> AccessToken:
        self._refusals.heed(connection)
        scheme = provider.kind_of(connection).scheme
        if isinstance(scheme, StaticToken):
            return await self._static(connection, provider, scheme, rejected)

        def serves(row: StoredToken) -> bool:
            return is_valid(row, self._clock.now()) and (rejected is None or row.token.value != rejected.value)

        newest = await self._storage.tokens.newest(connection)
        if newest is not None and serves(newest):
            return self._published(connection, newest)
        if rejected is not None and (newest is None or newest.state != "used"):  # it may have worked elsewhere
            self._refusals.refuse_endless(connection.id)
        return await self._renewed(connection, provider, rejected, newest_if(serves))

    async def _renewed(
        self, connection: StoredConnection, provider: Provider, rejected: AccessToken | None, enough: Enough
    ) -> AccessToken:
        stored = await self._renewals.renewed(connection, provider, enough)
        if rejected is not None:
            self._refusals.replaced(connection.id)
        return self._published(connection, stored)

    async def _static(
        self, connection: StoredConnection, provider: Provider, scheme: StaticToken, rejected: AccessToken | None
    ) -> AccessToken:
        """The credential itself. Rejected, there is no other."""
        with overtaken_as_unavailable():
            fields = await stored_fields(self._storage, connection)
            token = AccessToken(fields[scheme.field])
            if rejected is not None and rejected.value == token.value:
                refusal = Problem("credentials_rejected", "The token is refused.")
                version = connection.credentials_version
                raise await self._refusals.judge(connection, provider, refusal, final=True, version=version) or refusal
        return self._published(connection, StoredToken(0, token, self._clock.now(), "used"))

    def _at_hand(self, connection: StoredConnection) -> _Known | None:
        """The last token of these very credentials: another process may have replaced those it knew."""
        known: _Known | None = self._known.get(connection.id)
        return None if known is None or known.version != connection.credentials_version else known

    def _published(self, connection: StoredConnection, stored: StoredToken) -> AccessToken:
        """Let all who call with the same credentials have it."""
        self._publish(connection, stored)
        return stored.token

    def _publish(self, connection: StoredConnection, stored: StoredToken) -> None:
        self._resting.pop(connection.id, None)
        now, monotonic = self._clock.now(), self._clock.monotonic()
        fresh, valid = fresh_until(stored, connection.id), valid_until(stored)
        self._known[connection.id] = _Known(
            stored,
            connection.credentials_version,
            math.inf if fresh is None else monotonic + (fresh - now).total_seconds(),
            math.inf if valid is None else monotonic + (valid - now).total_seconds(),
            unused=stored.state == "unused" and stored.token.refresh_token is not None,
        )


def _mark_of(token: AccessToken) -> Secret:
    """What tells a token from any other, and opens nothing."""
    secrets = (token.value, token.refresh_token or Secret(""))
    return Secret(hashlib.sha256("\0".join(one.reveal() for one in secrets).encode()).hexdigest())


def _flight_of(connection: StoredConnection) -> tuple[str, str]:
    """Who waits for a token waits for one of the credentials that he knows of."""
    return connection.id, str(connection.credentials_version)


def newest_if(serves: Callable[[StoredToken], bool]) -> Enough:
    """The newest token is enough where it serves."""

    def enough(journal: Journal) -> StoredToken | None:
        newest = journal.tokens[0] if journal.tokens else None
        return newest if newest is not None and serves(newest) else None

    return enough
