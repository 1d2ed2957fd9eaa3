"""The steps by which a connection gets a new token, such that no crash, lost answer or second process loses one.

lock → read the journal again → keep an intent → ask → keep the token, which ends the intent → let go of the lock; only
then is the token used. Each step is durable before the next begins, so whoever comes after a crash knows what may have
happened. An answer that was lost is asked for again with the same refresh token: a provider that revokes the old one
only when the new one is used, or some time after, gives another pair, and with any other nothing is lost by trying.
A provider's "no" is believed once it was said again after a pause. Only then are older refresh tokens tried: asking
with one that is spent looks like a theft to some providers, who would end the new one for it.

``tests/model`` proves the protocol, step by step, for every way in which providers rotate their tokens.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from cachetools import LRUCache

from gateway.contract.auth import AccessToken, Grant, KeyExchange, OAuth2
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.observe import Observer, TokenOutcome
from gateway.engine.providers import Provider
from gateway.engine.storage import Intent, Journal, Storage, StoredConnection, StoredToken
from gateway.engine.tokens.endpoints import ANSWER, Endpoints, outcome_of
from gateway.engine.tokens.patience import Patience
from gateway.engine.tokens.refusals import Refusals

FLIGHT = 45.0
"""Seconds for all requests of one turn under the lock."""
IN_ALL = 180.0
"""Seconds a flight may take with every turn and every wait."""
GRACE = 5.0
"""Seconds beyond an answer's time until an intent is overdue: its owner has given up by then, wherever it is."""
LEAST = 1.0
"""Seconds below which a request is not worth beginning."""
WAITS = (0.5, 2.0, 5.0)
"""Seconds between requests whose fate is unknown."""
PAUSE = 30.0
"""Seconds until a refusal is asked for again: as long as a request of a moment ago may still be under way."""
GLANCE = 1.0
"""Seconds between looks at another's intent."""
KEEPING = (0.05, 0.2, 0.5, 1.0)
"""Seconds between attempts to keep a token that was received."""

T = TypeVar("T")
Ask = Callable[[float], Awaitable[AccessToken]]
Enough = Callable[[Journal], StoredToken | None]
"""The token of a journal that will do, so that none need be asked for."""


class Renewals:
    """What the renewals of all connections share. ``owner`` names this process among all that ever ran."""

    def __init__(
        self,
        storage: Storage,
        endpoints: Endpoints,
        refusals: Refusals,
        patience: Patience,
        clock: Clock,
        observer: Observer,
        owner: str,
    ) -> None:
        self.storage = storage
        self.endpoints = endpoints
        self.refusals = refusals
        self.patience = patience
        self.clock = clock
        self.observer = observer
        self.owner = owner
        self.unkept: LRUCache[str, tuple[AccessToken, datetime, int]] = LRUCache(10_000)
        """Tokens that neither the database nor the disk would take: the next flight tries again."""

    async def renewed(self, connection: StoredConnection, provider: Provider, enough: Enough) -> StoredToken:
        """A token that is enough, kept. Raises ``Problem``."""
        return await _Renewal(self, connection, provider, enough).token()


class _Renewal:
    """One flight."""

    def __init__(self, shared: Renewals, connection: StoredConnection, provider: Provider, enough: Enough) -> None:
        self._shared = shared
        self._connection = connection
        self._provider = provider
        self._enough = enough
        self._tokens = shared.storage.tokens
        self._clock = shared.clock
        self._scheme = provider.kind_of(connection).scheme

    async def token(self) -> StoredToken:
        ends = self._clock.monotonic() + IN_ALL
        while self._clock.monotonic() < ends:
            async with self._tokens.lock(self._connection.id, FLIGHT) as alone:
                journal = await self._journal()
                found = self._enough(journal)
                if found is not None:
                    return found
                wait = self._wait(journal, alone=alone)
                if wait <= 0:
                    renewed = await self._renew(journal, alone=alone)
                    if renewed is not None:
                        return renewed
                    wait = PAUSE
            await self._shared.patience.rest(wait)
        raise self._late()

    def _late(self) -> Problem:
        return Problem("upstream_unavailable", f"{self._provider.adapter.title} gave no token in time.", retry_after=5)

    async def _journal(self) -> Journal:
        unkept = self._shared.unkept.get(self._connection.id)
        if unkept is not None:
            try:
                await self._tokens.append(self._connection, *unkept)
            except Problem as problem:
                if problem.code == "storage_unavailable":
                    raise
            del self._shared.unkept[self._connection.id]
        return await self._tokens.journal(self._connection)

    def _wait(self, journal: Journal, *, alone: bool) -> float:
        """Seconds until it is this process's turn; 0 for now."""
        now, intent = self._clock.now(), journal.intent
        if intent is not None and not alone and intent.owner != self._shared.owner and intent.deadline > now:
            return min(GLANCE, (intent.deadline - now).total_seconds())
        if isinstance(self._scheme, OAuth2) and journal.refused_at is not None:
            return (journal.refused_at + timedelta(seconds=PAUSE) - now).total_seconds()
        return 0.0

    # --- asking

    async def _renew(self, journal: Journal, *, alone: bool) -> StoredToken | None:
        """A token for whatever the provider takes; None where it refused the newest for the first time."""
        ends = self._clock.monotonic() + FLIGHT
        rows = _refreshable(journal)
        refusal = Problem("credentials_rejected", "There is nothing to ask with.")
        for seq, ask in await self._asks(rows if journal.refused_at is not None else rows[:1]):
            try:
                token = await self._asked(ask, journal, ends, alone=alone)
            except _Refused as refused:
                refusal = refused.problem
                if seq is not None:
                    await self._tokens.reject(self._connection, seq)
                continue
            return token if isinstance(token, StoredToken) else await self._keep(token, journal.version)
        await self._refused(journal, refusal)
        return None

    async def _asks(self, rows: Sequence[StoredToken]) -> Sequence[tuple[int | None, Ask]]:
        """What to ask with, the most promising first: these refresh tokens, or the credentials themselves."""
        scheme, provider, endpoints = self._scheme, self._provider, self._shared.endpoints
        if isinstance(scheme, OAuth2):
            return [(row.seq, _bound(endpoints.refresh, provider, scheme, row.token)) for row in rows]
        assert isinstance(scheme, KeyExchange)
        fields = await self._shared.storage.connections.credentials(self._connection)
        return [(None, _bound(endpoints.exchange, provider, scheme, self._grant(fields)))]

    def _grant(self, fields: Mapping[str, Secret]) -> Grant:
        return self._shared.endpoints.grant(self._provider, fields, self._connection.company_id)

    async def _asked(self, ask: Ask, journal: Journal, ends: float, *, alone: bool) -> AccessToken | StoredToken:
        """A token received now, or one that another process was faster to get. Raises ``_Refused`` or ``Problem``."""
        for wait in (*WAITS, None):
            within = min(ANSWER, ends - self._clock.monotonic())
            if within < LEAST:
                raise self._late()
            await self._intend(alone=alone)
            started = self._clock.monotonic()
            outcome: TokenOutcome = "unknown"
            try:
                token = await ask(within)
                outcome = "ok"
                return token
            except Problem as problem:
                outcome = outcome_of(problem)
                if outcome == "rejected":
                    newer = await self._overtaken(journal)
                    if newer is None:
                        raise _Refused(problem) from problem
                    outcome = "lost_race"
                    return newer
                patience = max(wait or 0.0, problem.retry_after or 0.0)
                if wait is None or _is_settled(problem) or self._clock.monotonic() + patience + LEAST >= ends:
                    await self._leave(known=_is_settled(problem))
                    raise
            finally:
                self._shared.observer.token(self._provider.name, outcome, self._clock.monotonic() - started)
            await self._rest(patience)
        raise AssertionError("the last attempt returns or raises")

    async def _intend(self, *, alone: bool) -> None:
        """Say durably that a request is about to leave: without that, none does. It proves that the store takes writes.

        Raises ``upstream_unavailable`` where another's may be under way.
        """
        self._shared.patience.refuse_if_over()
        now = self._clock.now()
        intent = Intent(self._shared.owner, now, now + timedelta(seconds=ANSWER + GRACE))
        if not await self._tokens.intend(self._connection, intent, alone=alone):
            raise Problem("upstream_unavailable", "Another Polder is asking for this token.", retry_after=5)

    async def _rest(self, seconds: float) -> None:
        try:
            await self._shared.patience.rest(seconds)
        except Problem:
            await self._leave(known=False)
            raise

    async def _leave(self, *, known: bool) -> None:
        """Nothing is under way any more. What became of the last request is known, or left to the sweeper."""
        with suppress(Problem):  # the intent is overdue by itself in a while
            await self._tokens.end_intent(self._connection, None if known else self._clock.now())

    async def _overtaken(self, journal: Journal) -> StoredToken | None:
        """A refused refresh token may only mean that another process was faster: then its token is in the journal."""
        newest = await self._tokens.newest(self._connection)
        return newest if newest is not None and newest.seq > (journal.tokens[0].seq if journal.tokens else 0) else None

    async def _refused(self, journal: Journal, refusal: Problem) -> None:
        """Everything was refused. Raises the verdict, unless this is the first time: then it is asked once more.

        Credentials that never opened anything are not given that chance: they are new, and wrong.
        """
        proven = any(row.state != "unused" for row in journal.tokens)
        final = not isinstance(self._scheme, OAuth2) or not proven or journal.refused_at is not None
        try:
            verdict = await self._shared.refusals.judge(
                self._connection, self._provider, journal.version, refusal, final=final
            )
        except Problem as problem:
            raise _told(problem) from problem
        if verdict is not None:
            raise verdict

    # --- keeping

    async def _keep(self, token: AccessToken, version: int) -> StoredToken:
        """Keep a token that was received: in the database, or failing that on the disk, or in memory.

        Raises ``storage_unavailable`` where it is not in the database: then it is not used either, for a crash could
        lose it after its use had cost the old one its life.
        """
        received_at = self._clock.now()
        try:
            return await insisted(
                self._clock, lambda: self._tokens.append(self._connection, token, received_at, version)
            )
        except Problem as problem:
            if problem.code != "storage_unavailable":
                raise _told(problem) from problem
            try:
                await self._tokens.spool(self._connection, token, received_at, version)
            except Problem:
                self._shared.unkept[self._connection.id] = token, received_at, version
            raise


class _Refused(Exception):
    """The provider takes it no more."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


async def insisted(clock: Clock, write: Callable[[], Awaitable[T]]) -> T:
    """Write what may not be lost, five times if need be. Raises ``storage_unavailable``, and what else it raises."""
    for wait in KEEPING:
        try:
            return await write()
        except Problem as problem:
            if problem.code != "storage_unavailable":
                raise
        await clock.sleep(wait)
    return await write()


def _bound(ask: Callable[..., Awaitable[AccessToken]], *given: object) -> Ask:
    return lambda within: ask(*given, within)


def _refreshable(journal: Journal) -> Sequence[StoredToken]:
    return [row for row in journal.tokens if row.token.refresh_token is not None]


def _is_settled(problem: Problem) -> bool:
    """Whether asking again now cannot help: the fault is ours, and no token was given."""
    return problem.kind.fix != "wait" and problem.code != "upstream_malformed"


def _told(problem: Problem) -> Problem:
    """What whoever waits is told where the credentials were replaced, or the connection deleted, meanwhile."""
    if problem.code != "conflict":
        return problem
    return Problem("upstream_unavailable", "The connection's credentials were just replaced: try again.", retry_after=1)
