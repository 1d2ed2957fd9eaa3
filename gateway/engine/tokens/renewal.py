"""The steps by which a connection gets a new token, such that no crash, lost answer or second process loses one.

lock → read the journal again → keep an intent → ask → keep the token, which ends the intent → let go of the lock; only
then is the token used. Each step is durable before the next begins, so whoever comes after a crash knows what may have
happened. Another process's intent is waited for until its deadline, unless that process is provably dead. It may still
be alive, where it was cut off from the database for so long that the proof is wrong: so an intent is only kept in place
of what is known, and only who still is who kept it asks. An answer that was lost is asked for again with the same
refresh token: a provider that revokes the old one only when the new one is used, or some time after, gives another
pair, and with any other nothing is lost by trying. A provider's "no" is believed once it was said again after a pause.
Only then are older refresh tokens tried: asking with one that is spent looks like a theft to some providers, who would
end the new one for it.

``tests/model`` proves the protocol, step by step, for every way in which providers rotate their tokens.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from cachetools import LRUCache

from gateway.contract.auth import AccessToken, Grant, KeyExchange, OAuth2
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.observe import Observer, TokenOutcome
from gateway.engine.owner import Owner
from gateway.engine.providers import Provider
from gateway.engine.stop_signal import StopSignal
from gateway.engine.storage import Intent, Journal, Storage, StoredConnection, StoredToken
from gateway.engine.tokens.endpoints import ANSWER, Endpoints, outcome_of
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
POLL = 0.5
"""Seconds between looks at another's intent."""
KEEPING = (0.05, 0.2, 0.5, 1.0)
"""Seconds between attempts to keep a token that was received."""
_OVERTAKEN = {
    "conflict": "The connection's credentials were just replaced, or are gone: try again.",
    "not_found": "The connection was just deleted.",
}

T = TypeVar("T")
TokenRequest = Callable[[float], Awaitable[AccessToken]]
Enough = Callable[[Journal], StoredToken | None]
"""The token of a journal that will do, so that none need be asked for."""


class Renewals:
    """What the renewals of all connections share. ``owner`` is this process."""

    def __init__(
        self,
        storage: Storage,
        endpoints: Endpoints,
        refusals: Refusals,
        stopping: StopSignal,
        clock: Clock,
        observer: Observer,
        owner: Owner,
    ) -> None:
        self.storage = storage
        self.endpoints = endpoints
        self.refusals = refusals
        self.stopping = stopping
        self.clock = clock
        self.observer = observer
        self.owner = owner
        self.unkept: LRUCache[str, tuple[AccessToken, datetime, int]] = LRUCache(10_000)
        """Tokens that neither the database nor the disk would take: the next flight tries again."""

    async def renewed(self, connection: StoredConnection, provider: Provider, enough: Enough) -> StoredToken:
        """A token that is enough, kept. Raises ``Problem``."""
        with overtaken_as_unavailable():
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
        self._owner = shared.owner.name
        self._seen: dict[datetime, float] = {}

    async def token(self) -> StoredToken:
        ends = self._clock.monotonic() + IN_ALL
        while self._clock.monotonic() < ends:
            try:
                return await self._turn()
            except _Retry as retry:
                wait = retry.after
            await self._shared.stopping.sleep(wait)
        raise self._late()

    async def _turn(self) -> StoredToken:
        """One turn under the lock. Raises ``_Retry`` where another is needed, or it is another process's."""
        async with self._tokens.lock(self._connection.id, FLIGHT):
            journal = await self._journal()
            found = self._enough(journal)
            if found is not None:
                return found
            wait = self._wait(journal)
            if wait > 0:
                raise _Retry(wait)
            return await self._renew(journal)

    def _late(self) -> Problem:
        return Problem("upstream_unavailable", f"{self._provider.adapter.title} gave no token in time.", retry_after=5)

    async def _journal(self) -> Journal:
        unkept = self._shared.unkept.get(self._connection.id)
        if unkept is not None:
            try:
                await self._tokens.append(self._connection, *unkept, owner=self._owner)
            except Problem as problem:
                if problem.code == "storage_unavailable":
                    raise
            del self._shared.unkept[self._connection.id]
        journal = await self._tokens.journal(self._connection)
        if journal.version != self._connection.credentials_version:
            raise _replaced()
        return journal

    def _wait(self, journal: Journal) -> float:
        """Seconds until it is this process's turn; 0 for now."""
        intent = journal.intent
        if intent is not None and self._is_anothers(intent):
            left = self._left(intent.deadline, ANSWER + GRACE)
            if left > 0:
                return min(POLL, left)
        if isinstance(self._scheme, OAuth2) and journal.refused_at is not None:
            return self._left(journal.refused_at + timedelta(seconds=PAUSE), PAUSE)
        return 0.0

    def _left(self, until: datetime, at_most: float) -> float:
        """Seconds until a moment that somebody wrote down so long before it, ``at_most``.

        Where a clock was set back since, it may be years ahead: nobody waits longer than that once he has seen it.
        """
        seen = self._seen.setdefault(until, self._clock.monotonic())
        return min((until - self._clock.now()).total_seconds(), seen + at_most - self._clock.monotonic())

    def _is_anothers(self, intent: Intent) -> bool:
        """Whether it is of another process that may live."""
        return intent.owner != self._owner and not self._shared.owner.is_gone(intent.owner)

    # --- asking

    async def _renew(self, journal: Journal) -> StoredToken:
        """A token for whatever the provider takes. Raises ``_Retry`` where it refused the newest for the first time."""
        ends = self._clock.monotonic() + FLIGHT
        rows = _refreshable(journal)
        if self._connection.status == "pending" and isinstance(self._scheme, OAuth2) and not journal.tokens:
            # Nobody refused anything: to mark it would end the link that its owner was sent.
            raise Problem(
                "connection_pending", "The connection has no credentials yet: its owner has still to give them."
            )
        refusal = Problem("credentials_rejected", "There is nothing to ask with.")
        for seq, request in await self._candidates(rows if journal.refused_at is not None else rows[:1]):
            try:
                token = await self._requested(request, journal, ends)
            except _Refused as refused:
                refusal, journal = refused.problem, refused.known
                if seq is not None:
                    await self._tokens.reject(self._connection, seq)
                continue
            return token if isinstance(token, StoredToken) else await self._keep(token, journal.version)
        await self._refused(journal, refusal)
        raise _Retry(PAUSE)

    async def _candidates(self, rows: Sequence[StoredToken]) -> Sequence[tuple[int | None, TokenRequest]]:
        """What to ask with, the most promising first: these refresh tokens, or the credentials themselves."""
        scheme, provider, endpoints = self._scheme, self._provider, self._shared.endpoints
        if isinstance(scheme, OAuth2):
            return [(row.seq, _bound(endpoints.refresh, provider, scheme, row.token)) for row in rows]
        assert isinstance(scheme, KeyExchange)
        fields = await stored_fields(self._shared.storage, self._connection)
        return [(None, _bound(endpoints.exchange, provider, scheme, self._grant(fields)))]

    def _grant(self, fields: Mapping[str, Secret]) -> Grant:
        return self._shared.endpoints.grant(self._provider, fields, self._connection.company_id)

    async def _requested(self, request: TokenRequest, known: Journal, ends: float) -> AccessToken | StoredToken:
        """A token received now, or one that another process was faster to get.

        Raises ``_Refused``, ``_Retry`` or ``Problem``.
        """
        for wait in (*WAITS, None):
            within = min(ANSWER, ends - self._clock.monotonic())
            if within < LEAST:
                raise self._late()
            known = await self._intend(known)
            started = self._clock.monotonic()
            outcome: TokenOutcome = "unknown"
            try:
                token = await request(within)
                outcome = "ok"
                return token
            except Problem as problem:
                outcome = outcome_of(problem)
                if outcome == "rejected":
                    newer = await self._overtaken(known)
                    if newer is None:
                        raise _Refused(problem, known) from problem
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

    async def _intend(self, known: Journal) -> Journal:
        """Say durably that a request is about to leave: without that, none does. It proves that the store takes writes.

        Gives what is known from then on. Raises ``_Retry`` where another process acted since the journal was read, and
        ``storage_unavailable`` where others could take this one for dead.
        """
        owner = self._shared.owner
        self._shared.stopping.refuse_if_set()
        tenure = await owner.vouch()
        now = self._clock.now()
        intent = Intent(owner.name, now, now + timedelta(seconds=ANSWER + GRACE))
        if not await self._tokens.intend(self._connection, intent, known):
            raise _Retry(POLL)
        try:
            is_ours = await owner.vouch() == tenure
        except Problem:
            await self._leave(known=True)
            raise
        if not is_ours:
            # Cut off for a moment: somebody may have taken the intent over, have finished, and have used the token.
            await self._leave(known=True)
            raise _Retry(POLL)
        return replace(known, intent=intent)

    async def _rest(self, seconds: float) -> None:
        try:
            await self._shared.stopping.sleep(seconds)
        except Problem:
            await self._leave(known=False)
            raise

    async def _leave(self, *, known: bool) -> None:
        """Nothing is under way any more. What became of the last request is known, or left to the sweeper."""
        with suppress(Problem):  # the intent is overdue by itself in a while
            at = None if known else self._clock.now()
            await self._tokens.end_intent(self._connection, self._owner, at)

    async def _overtaken(self, known: Journal) -> StoredToken | None:
        """A refused refresh token may only mean that another process was faster: then its token is in the journal, or
        about to be (``_Retry``).
        """
        found = await self._tokens.journal(self._connection)
        newest = found.tokens[0] if found.tokens else None
        if newest is not None and newest.seq > (known.tokens[0].seq if known.tokens else 0):
            await self._leave(known=True)
            return newest
        if found.intent is not None and self._is_anothers(found.intent):
            raise _Retry(POLL)
        return None

    async def _refused(self, journal: Journal, refusal: Problem) -> None:
        """Everything was refused. Raises the verdict, unless this is the first time: then it is asked once more.

        Credentials that never opened anything are not given that chance: they are new, and wrong.
        """
        proven = any(row.state != "unused" for row in journal.tokens)
        final = not isinstance(self._scheme, OAuth2) or not proven or journal.refused_at is not None
        verdict = await self._shared.refusals.judge(
            self._connection, self._provider, refusal, final=final, version=journal.version, owner=self._owner
        )
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
                self._clock,
                lambda: self._tokens.append(self._connection, token, received_at, version, owner=self._owner),
            )
        except Problem as problem:
            if problem.code == "not_found" and isinstance(self._scheme, OAuth2):
                # Whoever deleted the connection could end only the pair before this one.
                await self._shared.endpoints.revoke(self._provider, self._scheme, token)
            if problem.code != "storage_unavailable":
                raise
            try:
                await self._tokens.spool(self._connection, token, received_at, version, owner=self._owner)
            except Problem:
                self._shared.unkept[self._connection.id] = token, received_at, version
            raise


@dataclass(eq=False)
class _Refused(Exception):
    """The provider takes it no more; what is known of the journal by then."""

    problem: Problem
    known: Journal


@dataclass(eq=False)
class _Retry(Exception):
    """Begin again by reading the journal, after so many seconds."""

    after: float


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


def _bound(method: Callable[..., Awaitable[AccessToken]], *arguments: object) -> TokenRequest:
    return lambda within: method(*arguments, within)


def _refreshable(journal: Journal) -> Sequence[StoredToken]:
    return [row for row in journal.tokens if row.token.refresh_token is not None]


def _is_settled(problem: Problem) -> bool:
    """Whether asking again now cannot help: the fault is ours, and no token was given."""
    return problem.kind.fix != "wait" and problem.code != "upstream_malformed"


async def stored_fields(storage: Storage, connection: StoredConnection) -> Mapping[str, Secret]:
    """A connection's credentials, as it was read with. Raises ``conflict`` where it has others by now, or is gone."""
    fields = await storage.connections.credentials(connection)
    if not fields:
        raise _replaced()
    return fields


def _replaced() -> Problem:
    return Problem("conflict", "The connection's credentials were replaced meanwhile.")


@contextmanager
def overtaken_as_unavailable() -> Iterator[None]:
    """Where the credentials were replaced, or the connection deleted, meanwhile, whoever waits is told to ask again.

    Not that something is not found: he would take that for the record that he asked for.
    """
    try:
        yield
    except Problem as problem:
        if problem.code not in _OVERTAKEN:
            raise
        raise Problem("upstream_unavailable", _OVERTAKEN[problem.code], retry_after=1) from problem
