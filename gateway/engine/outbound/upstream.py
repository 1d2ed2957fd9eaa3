"""The way out: one connection's ``Upstream``, with token, pace, retries, deadline and outcome taken care of."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID

from gateway.contract.auth import AccessToken, CredentialKind
from gateway.contract.clock import Clock
from gateway.contract.errors import FieldError, Outcome, Problem
from gateway.contract.plan import Plan, Warned
from gateway.contract.secret import Secret
from gateway.contract.upstream import Facts, Reply, Request
from gateway.engine.clock import dutch_date
from gateway.engine.network.http import NotSent, Unanswered, Unwritable, Wire, encode
from gateway.engine.network.redaction import abridged, without_secrets
from gateway.engine.observe import HeldBack, Observer, Strain, UpstreamOutcome
from gateway.engine.outbound.facts import KnownFacts
from gateway.engine.outbound.resilience.breaker import Breaker
from gateway.engine.outbound.resilience.budget import RetryBudget
from gateway.engine.outbound.resilience.bulkhead import Bulkhead, Full, Place
from gateway.engine.outbound.resilience.latency import Latency
from gateway.engine.outbound.resilience.pace import Pace
from gateway.engine.providers import Provider
from gateway.engine.waiting import waiting

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")

ATTEMPTS = 3
"""How often a read is tried in all; a write is repeated only where it surely was not sent."""
UNWELL = frozenset({502, 503, 504})
"""Answers by which a system says that it is unwell as a whole, and that another try may do better."""
CROWDED = "Too much is under way for this connection; nothing was sent."
ANSWER_TIME = 0.2
"""Seconds of the caller's time that are kept to answer in."""
READING, WRITING = 10.0, 30.0
"""Seconds that one call may take."""
REPLACEMENTS = 2
"""How often a rejected token is replaced: what another process kept meanwhile may be dead as well by now."""
SHORT_WAIT = 1.0
"""Seconds of ``Retry-After`` that are waited out rather than passed on."""
_NEVER_DROPPED = frozenset(
    {"currency", "exchange_rate", "prices_include_tax", "price_includes_tax", "document_type", "direction", "amount"}
    | {"discount_percent"}
)
"""Fields without which an amount would mean something else; a contact has no amounts."""
_FATES: tuple[Outcome, ...] = ("not_sent", "rejected", "unknown", "applied")
"""What may be known of a write, the surest last."""
_NOTHING_DONE = frozenset({"connection_needs_reauth", "provider_misconfigured", "upstream_rate_limited"})
"""Refusals at the door: the request was not looked at, so it may be sent again."""


class ProviderState:
    """How it goes with one provider: how much may be asked again, how long an answer takes, and which origins fail."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.budget = RetryBudget(clock)
        self.latency = Latency()
        self.breakers: defaultdict[str, Breaker] = defaultdict(lambda: Breaker(clock, rng))
        """By origin."""


class SharedOutbound:
    """What every connection's way out shares."""

    def __init__(self, wire: Wire, clock: Clock, observer: Observer, facts: KnownFacts, rng: random.Random) -> None:
        self.wire = wire
        self.clock = clock
        self.observer = observer
        self.facts = facts
        self.pace = Pace(clock)
        self.bulkhead = Bulkhead()
        self.random = rng
        self.states: defaultdict[str, ProviderState] = defaultdict(lambda: ProviderState(clock, rng))
        """By the provider's name."""

    def strain(self, provider: str) -> Strain:
        """How calling a provider goes."""
        states = self.states[provider]
        return Strain(
            breaker=max((breaker.state for breaker in states.breakers.values()), default=0),
            budget=states.budget.share,
            inside=self.bulkhead.inside(provider),
            waiting=self.bulkhead.waiting(provider),
        )


BeforeWrite = Callable[[Request, Mapping[str, str], UUID], Awaitable[None]]
"""Told of the first write of a request before it leaves: the request, what was noted beside it, its creation key."""


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where a way out gets its token, from the broker or from credentials on trial; and who is told that it worked."""

    current: Callable[[], Awaitable[AccessToken]]
    replace: Callable[[AccessToken], Awaitable[AccessToken]]
    worked: Callable[[AccessToken], None] = lambda _: None


class Outbound:
    """The ``Upstream`` of one request of ours: see ``gateway.contract.upstream.Upstream`` for what each call means."""

    def __init__(
        self,
        shared: SharedOutbound,
        provider: Provider,
        kind: CredentialKind,
        facts: Facts,
        tokens: TokenSource,
        *,
        operation: str,
        deadline: float,
        drop_unsupported: bool = False,
        before_write: BeforeWrite | None = None,
    ) -> None:
        self._shared = shared
        self._state = shared.states[provider.name]
        self._provider = provider
        self._kind = kind
        self._facts = facts
        self._tokens = tokens
        self._operation = operation
        self._deadline = deadline
        self._drop_unsupported = drop_unsupported
        self._before_write = before_write
        self._announced: asyncio.Future[None] | None = None
        self._notes: dict[str, str] = {}
        self._facts_used: set[str] = set()
        self._read = 0
        self._secrets_sent: set[Secret] = set()
        self._now = shared.clock.now()
        self.warnings: list[Warned] = []
        self.plan = Plan()
        self.follow: Callable[[str], Awaitable[None]] | None = None
        """Keeps what the system calls the record that is written from now on; None where none is."""
        self.fate: Outcome = "not_sent"
        """What became of the writes of this request so far."""

    @property
    def facts(self) -> Facts:
        """The connection."""
        return self._facts

    @property
    def now(self) -> datetime:
        """The time this request came in."""
        return self._now

    @cached_property
    def creation_key(self) -> UUID:
        """The key that a create was given; else one that nobody else has."""
        return UUID(int=self._shared.random.getrandbits(128), version=4)

    @cached_property
    def today(self) -> date:
        """The date in the Netherlands."""
        return dutch_date(self._now)

    def unsupported(self, pointer: str, *, en: str, nl: str, same_amount: bool = False) -> None:
        """Refuse what the system cannot hold, or warn that it is dropped."""
        of_amount = not self._operation.startswith("contacts.") and pointer.rpartition("/")[2] in _NEVER_DROPPED
        if (of_amount and not same_amount) or not self._drop_unsupported:
            raise Problem("field_unsupported", en, errors=[FieldError(pointer, "field_unsupported", en)])
        self.warn("field_dropped", pointer, en=en, nl=nl)

    def note(self, name: str, value: str) -> None:
        """Remember something beside the write that comes next."""
        self._notes[name] = value

    async def id_changed(self, id: str) -> None:
        """Keep the new id of the record that is written."""
        if self.follow is not None:
            await self.follow(id)

    def warn(self, code: str, pointer: str | None = None, *, en: str, nl: str) -> None:
        """Tell the caller something with the answer."""
        self.warnings.append(Warned(code, pointer, {"en": en, "nl": nl}))

    async def known(self, name: str, load: Callable[[], Awaitable[T]], *, fresh: bool = False) -> T:
        """A slow-changing fact of this connection."""
        self._facts_used.add(name)
        return await self._shared.facts.get(self._facts.connection_id, name, load, fresh=fresh, read=lambda: self._read)

    def doubt_facts(self) -> None:
        """This request ended in nonsense: what it took for known may be it, and is asked for anew before long."""
        self._shared.facts.doubt(self._facts.connection_id, self._facts_used)

    async def gather(self, first: Awaitable[T1], second: Awaitable[T2]) -> tuple[T1, T2]:
        """Wait for both at once."""
        both: Sequence[Awaitable[Any]] = [first, second]
        one, two = await self.each(both)
        return one, two

    async def each(self, waits: Sequence[Awaitable[T]]) -> list[T]:
        """Wait for all at once; when one fails the others are called off. The pace bounds how many are in flight."""
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            await called_off(tasks)
            raise
        finally:
            del tasks  # see single_flight.shared

    async def data(self, request: Request) -> Any:
        """Send it, and take the envelope off."""
        reply = await self._accepted(request)
        try:
            data = self._provider.adapter.read_envelope(reply)
        except Problem:
            self._became(request, "unknown")
            raise
        self._became(request, "applied")
        return data

    async def call(self, request: Request) -> Reply:
        """Send it, and give the reply if it is a success."""
        reply = await self._accepted(request)
        self._became(request, "applied")
        return reply

    async def _accepted(self, request: Request) -> Reply:
        reply = await self.exchange(request)
        problem = self._refusal(reply)
        if problem is None:
            return reply
        if reply.status < 400:  # one that passes for a success was left as it came
            told = abridged(without_secrets(reply, self._secrets_sent))
            problem = self._provider.adapter.read_error(told) or problem
        if problem.code == "upstream_unavailable" and problem.retry_after is None:
            problem.retry_after = reply.retry_after
        if problem.code not in _NOTHING_DONE:
            self._became(request, "rejected" if problem.kind.status < 500 else "unknown")
        try:
            raise problem
        finally:
            del problem  # see single_flight.shared

    def _became(self, request: Request, fate: Outcome) -> None:
        """What is known of the writes of this request only ever grows."""
        if request.is_write and _FATES.index(fate) > _FATES.index(self.fate):
            self.fate = fate

    async def exchange(self, request: Request) -> Reply:
        """Send it, and give the reply whatever it says. A rejected token is replaced; nothing was done then."""
        token = await self._tokens.current()
        reply = await self._patiently(request, token)
        rejected = self._rejects_token(reply)
        for _ in range(REPLACEMENTS):
            if not rejected:
                break
            token = await self._tokens.replace(token)
            reply = await self._patiently(request, token)
            rejected = self._rejects_token(reply)
        if reply.status < 500 and reply.status != 401 and not rejected:
            self._tokens.worked(token)
        quota_left = reply.quota_left
        if quota_left is not None:
            self._shared.pace.note_quota(self._facts.connection_id, quota_left)
        if reply.status == 429:
            problem = self._refusal(reply)
            wait = problem.retry_after if problem is not None else reply.retry_after
            self._shared.pace.close(self._facts.connection_id, wait or 1)
        return reply

    def _rejects_token(self, reply: Reply) -> bool:
        problem = self._refusal(reply)
        return problem is not None and problem.code == "connection_needs_reauth"

    def _refusal(self, reply: Reply) -> Problem | None:
        return self._provider.adapter.read_error(reply if reply.status < 400 else abridged(reply))

    async def _patiently(self, request: Request, token: AccessToken) -> Reply:
        """Try a read up to three times, and wait out a short ``Retry-After``."""
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                reply = await self._once(request, token)
            except asyncio.CancelledError:
                self._became(request, "unknown")
                raise
            except Unwritable as error:
                raise self._unwritable(error) from error
            except NotSent as error:
                if last or not await self._rest(attempt):
                    raise self._unreachable() from error
                continue
            except Unanswered as error:
                if request.is_write:
                    self._became(request, "unknown")
                    raise self._unknown(error) from error
                if error.late or last or not await self._rest(attempt):
                    raise self._unanswered(error) from error
                continue
            if last or not await self._worth_repeating(request, reply, attempt):
                return reply
        raise AssertionError("the loop always returns or raises")

    async def _worth_repeating(self, request: Request, reply: Reply, attempt: int) -> bool:
        if reply.status == 429:
            wait = reply.retry_after
            return wait is not None and wait <= SHORT_WAIT and await self._sleep(wait)
        if reply.status in UNWELL and not request.is_write and (least := reply.retry_after or 0) <= SHORT_WAIT:
            return await self._rest(attempt, least)
        return False

    async def _once(self, request: Request, token: AccessToken) -> Reply:
        """One try, in its place; what comes of it is counted for whoever comes next."""
        came = self._shared.clock.monotonic()
        pace = self._provider.adapter.pace
        place = self._shared.bulkhead.place(
            (self._facts.connection_id, pace.per_connection), (self._provider.name, pace.per_provider)
        )
        if not place.take_now():
            await self._queued(place)
        try:
            self._not_in_vain(came)
            breaker = self._state.breakers[request.origin]
            await self._admitted(breaker)
            breaker.admit()
            try:
                await self._announce(request)
            except BaseException:
                breaker.left()
                raise
            return await self._counted(request, token, breaker)
        finally:
            place.give_back()

    async def _counted(self, request: Request, token: AccessToken, breaker: Breaker) -> Reply:
        started = self._shared.clock.monotonic()
        outcome: UpstreamOutcome = "cancelled"
        try:
            reply = await self._send(request, token)
            self._read += len(reply.body)
            outcome = _outcome_of(reply.status)
        except Unwritable:
            raise  # nobody was called: nothing was learned of the system
        except NotSent:
            outcome = "connect"
            raise
        except Unanswered as error:
            outcome = "timeout" if error.late else "invalid"
            raise
        finally:
            if outcome == "cancelled":
                breaker.left()
            elif outcome in ("connect", "timeout", "invalid") or (outcome == "5xx" and reply.status in UNWELL):
                breaker.failed(unreachable=outcome == "connect")
            else:
                breaker.succeeded()
                self._state.latency.took(self._shared.clock.monotonic() - started)
                self._state.budget.succeeded()
            self._shared.observer.upstream(
                self._provider.name, self._operation, outcome, self._shared.clock.monotonic() - started
            )
        return reply

    async def _announce(self, request: Request) -> None:
        """Before the first write leaves, have written down what to look for; all writes wait for that."""
        if not request.is_write or self._before_write is None:
            return
        if self._announced is None:
            told = self._before_write(request, dict(self._notes), self.creation_key)
            self._announced = asyncio.ensure_future(told)
        await asyncio.shield(self._announced)

    async def _queued(self, place: Place) -> None:
        """Wait for a place among the calls under way, as long as there is time; not at all where none comes in time."""
        left, needed = self.left(), self._needed()
        turn = self._state.latency.until_turn(place.rounds)
        late = turn + (needed if needed <= left else 0.0) - left
        if late > 0:
            raise self._held_back("queue", late, CROWDED)
        try:
            with waiting():
                async with asyncio.timeout(max(0.0, self.left())):
                    await place.take()
        except Full as error:
            raise self._held_back("queue", 1.0, CROWDED) from error
        except TimeoutError as error:
            raise Problem("upstream_timeout", CROWDED) from error

    def _not_in_vain(self, came: float) -> None:
        """Leave the place to others where the queue left too little time: else only who is late already is called."""
        if self.left() < self._needed() <= self._deadline - came:
            raise self._held_back("queue", 1.0, CROWDED)

    def _needed(self) -> float:
        """Seconds to have left for a call, where there ever were so many."""
        return ANSWER_TIME + self._state.latency.needed

    def _held_back(self, reason: HeldBack, wait: float, detail: str) -> Problem:
        """Nothing is sent, and the caller hears when to come back."""
        self._shared.observer.held_back(self._provider.name, reason)
        return Problem("upstream_unavailable", detail, retry_after=int(wait) + 1)

    async def _send(self, request: Request, token: AccessToken) -> Reply:
        headers, body = encode(request)
        headers[self._kind.header.lower()] = self._kind.prefix + token.value.reveal()
        operators = {name: self._provider.setting(one) for name, one in self._kind.operator_headers.items()}
        headers |= {name.lower(): secret.reveal() for name, secret in operators.items()}
        self._secrets_sent |= {token.value, *operators.values()}
        reply = await self._shared.wire.send(
            request.method,
            self._provider.origins[request.origin],
            request.target,
            headers,
            body,
            within=min(self.left() - ANSWER_TIME, WRITING if request.is_write else READING),
        )
        return reply if reply.status < 400 else without_secrets(reply, self._secrets_sent)

    async def _admitted(self, breaker: Breaker) -> None:
        """Nobody calls while the provider asked to wait: a short wait is waited out, a longer one passed on.

        Nor while it fails: then its breaker is open.
        """
        wait = self._shared.pace.wait(self._facts.connection_id)
        if wait > 0 and (wait > SHORT_WAIT or not await self._sleep(wait)):
            raise Problem(
                "upstream_rate_limited",
                f"{self._provider.adapter.title} asked to wait; nothing was sent.",
                retry_after=int(wait) + 1,
            )
        if self.left() <= 0:
            raise Problem("upstream_timeout", "The time for this request ran out before anything was sent.")
        shut = breaker.wait()
        if shut > 0:
            title = self._provider.adapter.title
            raise self._held_back("breaker", shut, f"{title} fails at the moment; nothing was sent.")

    async def _rest(self, attempt: int, least: float = 0) -> bool:
        """Wait a little before the next try, as far as the time and the provider's budget of retries allow."""
        if not self._state.budget.spend():
            self._shared.observer.held_back(self._provider.name, "budget")
            return False
        return await self._sleep(least + self._shared.random.uniform(0, 0.1 * 2**attempt))

    async def _sleep(self, seconds: float) -> bool:
        if seconds >= self.left():
            return False
        with waiting():
            await self._shared.clock.sleep(seconds)
        return True

    def left(self) -> float:
        """Seconds of the time that this request may take."""
        return self._deadline - self._shared.clock.monotonic()

    def _unreachable(self) -> Problem:
        return Problem("upstream_unavailable", f"{self._provider.adapter.title} cannot be reached.")

    def _unwritable(self, error: Unwritable) -> Problem:
        """Whose doing it is: the owner's token, a setting of the operator's, or what the caller asked for."""
        title = self._provider.adapter.title
        if error.header == self._kind.header.lower():
            detail = f"The token for {title} cannot stand in a request. Its owner must give another."
            return Problem("connection_needs_reauth", detail, outcome="not_sent")
        if error.header in {name.lower() for name in self._kind.operator_headers}:
            return Problem("provider_misconfigured", f"Polder's {error.header} for {title} cannot stand in a request.")
        return Problem("validation_failed", f"This cannot be asked of {title}: {error}.")

    def _unanswered(self, error: Unanswered) -> Problem:
        title = self._provider.adapter.title
        if error.late:
            return Problem("upstream_timeout", f"{title} did not answer in time.")
        return Problem("upstream_unavailable", f"{title} broke off its answer.")

    def _unknown(self, error: Unanswered) -> Problem:
        title = self._provider.adapter.title
        detail = f"{title} may or may not have done this: {error}. Look before you repeat it."
        return Problem("upstream_timeout", detail, outcome="unknown")


async def called_off(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Call them off, and wait until none is under way."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _outcome_of(status: int) -> UpstreamOutcome:
    if status == 429:
        return "429"
    if status >= 500:
        return "5xx"
    return "4xx" if status >= 400 else "ok"
