"""Takes up what was left behind: requests of unknown fate, spooled tokens, connections that nobody used for a week."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from cachetools import TTLCache

from gateway.contract.auth import AccessToken
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.observe import stumbled
from gateway.engine.owner import Owner
from gateway.engine.providers import Providers
from gateway.engine.storage import Intent, Journal, Storage, StoredConnection, StoredToken
from gateway.engine.tokens.broker import Tokens, newest_if
from gateway.engine.tokens.renewal import Enough

EVERY = 15.0
"""Seconds between rounds."""
RECOVERY = 20.0
"""Seconds a start waits for what the last process left behind; what takes longer goes on beside the first requests."""
IDLE = timedelta(days=7)
"""Refresh tokens that nobody uses expire: after 60 days at some providers."""
SUSPECT_AGAIN = timedelta(minutes=5)
"""Time between two questions about a connection that is refused, but not given up."""
LOOK = 0.5
"""Seconds until a start looks again at what is still open."""
AT_ONCE = 20
LOOKED_AT = 200
TRIED = 60.0
"""Seconds until a connection has its next turn."""
TOLD_WITHIN = 3.0
"""Seconds after which it shows that a process is gone of which that was first asked."""


_Find = Callable[[datetime, int, str], Awaitable[Sequence[StoredConnection]]]


class Sweeper:
    """Goes round in the background; each round is bounded, and so is what it asks of a provider."""

    def __init__(self, tokens: Tokens, storage: Storage, providers: Providers, clock: Clock, owner: Owner) -> None:
        self._tokens = tokens
        self._storage = storage
        self._providers = providers
        self._clock = clock
        self._owner = owner
        self._suspects, self._idle = _Walk(), _Walk()
        self._tried: TTLCache[str, bool] = TTLCache(10_000, ttl=TRIED, timer=clock.monotonic)

    async def recover(self) -> None:
        """Before the first request: read the spool, and settle what a process that died had begun.

        Raises ``storage_unavailable``.
        """
        await self._storage.tokens.unspool()
        ends = self._clock.monotonic() + RECOVERY
        flights: dict[str, asyncio.Task[AccessToken]] = {}
        while (left := ends - self._clock.monotonic()) > 0:
            found = [connection for connection, _ in await self._storage.tokens.unsettled(LOOKED_AT)]
            # A refusal is an answer: what was open is settled, and a start waits for no second question.
            awaited = {flights[one.id] for one in found if one.id in flights and not flights[one.id].done()}
            begun = self._begin(found, _settled, AT_ONCE - len(awaited))
            flights |= begun
            awaited |= set(begun.values())
            if not awaited:
                break
            await asyncio.wait(awaited, timeout=min(left, LOOK))

    async def watch(self, *, own_only: bool = False) -> None:
        """Go round until the process is about to stop. Whatever fails is tried again in the next round.

        With ``own_only`` what belongs to all is left to others: what this process has spooled, nobody else may reach.
        """
        while not await self._tokens.stopping.wait(EVERY):
            try:
                await (self._storage.tokens.unspool() if own_only else self.round())
            except (Problem, OSError):
                pass  # a storage that is away is told by those who need it
            except Exception as error:
                stumbled(error)

    async def round(self) -> None:
        """One round. Raises ``storage_unavailable``."""
        tokens, now = self._storage.tokens, self._clock.now()
        await tokens.unspool()
        await self._take_up(await self._left(), _settled, EVERY)
        await self._take_up(await self._suspects.on(tokens.suspects, now - SUSPECT_AGAIN), _trusted, EVERY)
        used_since = newest_if(lambda row: row.received_at >= now - IDLE)
        await self._take_up(await self._idle.on(tokens.idle, now - IDLE), used_since, EVERY)

    async def _left(self) -> Sequence[StoredConnection]:
        """Connections whose intent is of a process that gave up, or is gone."""
        found = await self._storage.tokens.unsettled(LOOKED_AT)
        if not all(self._is_left(intent) for _, intent in found):
            await self._tokens.stopping.wait(TOLD_WITHIN)
            found = await self._storage.tokens.unsettled(LOOKED_AT)
        return [connection for connection, intent in found if self._is_left(intent)]

    def _is_left(self, intent: Intent) -> bool:
        return intent.deadline <= self._clock.now() or self._owner.is_gone(intent.owner)

    async def _take_up(self, connections: Sequence[StoredConnection], enough: Enough, within: float) -> None:
        """Begin a flight for each, as many as may be begun at once, and wait for them so long."""
        if flights := self._begin(connections, enough, AT_ONCE):
            await asyncio.wait(flights.values(), timeout=within)

    def _begin(
        self, connections: Sequence[StoredConnection], enough: Enough, at_most: int
    ) -> dict[str, asyncio.Task[AccessToken]]:
        """A flight for each that had no turn lately, by their connections' ids."""
        turn = [one for one in connections if one.id not in self._tried][:at_most]
        begun = ((one.id, self._begun(one, enough)) for one in turn)
        return {id: flight for id, flight in begun if flight is not None}

    def _begun(self, connection: StoredConnection, enough: Enough) -> asyncio.Task[AccessToken] | None:
        self._tried[connection.id] = True
        try:
            provider = self._providers.of(connection)
            provider.kind_of(connection)
        except Problem:
            return None  # its adapter is gone, or its credentials
        return self._tokens.renew(connection, provider, enough)


class _Walk:
    """Through connections, some each round: whoever cannot be helped, for months perhaps, holds up nobody behind."""

    def __init__(self) -> None:
        self._passed = ""

    async def on(self, find: _Find, before: datetime) -> Sequence[StoredConnection]:
        """The next of those that there are, and after the last the first again."""
        found = await find(before, AT_ONCE, self._passed)
        self._passed = found[-1].id if len(found) == AT_ONCE else ""
        return found


def _settled(journal: Journal) -> StoredToken | None:
    """Another process was faster, and nothing is open any more."""
    return journal.tokens[0] if journal.tokens and journal.intent is None else None


def _trusted(journal: Journal) -> StoredToken | None:
    """The provider takes its credentials again."""
    return journal.tokens[0] if journal.tokens and journal.refused_at is None else None
