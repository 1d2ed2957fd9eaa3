"""Calls to an accounting system for one request of ours: each in its turn, in its time, and repeated with care."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable

from gateway.contract.auth import AccessToken, CredentialKind
from gateway.contract.clock import Clock
from gateway.contract.errors import Outcome, Problem
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply, Request
from gateway.engine.network.http import NotSent, Unanswered, Unwritable, Wire, encode
from gateway.engine.network.redaction import without_secrets
from gateway.engine.observe import HeldBack, Observer, Strain, UpstreamOutcome
from gateway.engine.outbound.facts import KnownFacts
from gateway.engine.outbound.resilience.breaker import Breaker
from gateway.engine.outbound.resilience.budget import RetryBudget
from gateway.engine.outbound.resilience.bulkhead import Bulkhead, Full, Place
from gateway.engine.outbound.resilience.latency import Latency
from gateway.engine.outbound.resilience.pace import Pace
from gateway.engine.providers import Provider
from gateway.engine.waiting import waiting

ATTEMPTS = 3
"""How often a read is tried in all; a write is repeated only where it surely was not sent."""
UNWELL = frozenset({502, 503, 504})
"""Answers by which a system says that it is unwell as a whole, and that another try may do better."""
CROWDED = "Too much is under way for this connection"
ANSWER_TIME = 0.2
"""Seconds of the caller's time that are kept to answer in."""
READING, WRITING = 10.0, 30.0
"""Seconds that one call may take."""
SHORT_WAIT = 1.0
"""Seconds of ``Retry-After`` that are waited out rather than passed on."""
_FATES: tuple[Outcome, ...] = ("not_sent", "rejected", "unknown", "applied")
"""What may be known of a write, the surest last."""


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
        state = self.states[provider]
        return Strain(
            breaker=max((breaker.state for breaker in state.breakers.values()), default=0),
            budget=state.budget.share,
            inside=self.bulkhead.inside(provider),
            waiting=self.bulkhead.waiting(provider),
        )


Announce = Callable[[Request], Awaitable[None]]
"""Has written down what is about to be sent."""


class Calls:
    """What one request of ours asks of its system, on one connection. Raises ``Problem``."""

    def __init__(
        self,
        shared: SharedOutbound,
        provider: Provider,
        kind: CredentialKind,
        connection_id: str,
        *,
        operation: str,
        deadline: float,
    ) -> None:
        self._shared = shared
        self._state = shared.states[provider.name]
        self._provider = provider
        self._kind = kind
        self._connection_id = connection_id
        self._operation = operation
        self._deadline = deadline
        self.secrets_sent: set[Secret] = set()
        self.fate: Outcome = "not_sent"
        """What became of the writes of this request so far."""

    def became(self, request: Request, fate: Outcome) -> None:
        """What is known of the writes of this request only ever grows."""
        if request.is_write and _FATES.index(fate) > _FATES.index(self.fate):
            self.fate = fate

    async def send(self, request: Request, token: AccessToken, announce: Announce) -> Reply:
        """Try a read up to three times, and wait out a short ``Retry-After``. A write is announced before it leaves."""
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                reply = await self._once(request, token, announce)
            except asyncio.CancelledError:
                self.became(request, "unknown")
                raise
            except Unwritable as error:
                raise self._unwritable(error) from error
            except NotSent as error:
                if last or not await self._rest(attempt):
                    raise self._unreachable() from error
                continue
            except Unanswered as error:
                if request.is_write:
                    self.became(request, "unknown")
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

    async def _once(self, request: Request, token: AccessToken, announce: Announce) -> Reply:
        """One try, in its place; what comes of it is counted for whoever comes next."""
        came = self._shared.clock.monotonic()
        pace = self._provider.adapter.pace
        place = self._shared.bulkhead.place(
            (self._connection_id, pace.per_connection), (self._provider.name, pace.per_provider)
        )
        if not place.take_now():
            await self._queued(place)
        try:
            self._not_in_vain(came)
            breaker = self._state.breakers[request.origin]
            await self._admitted(breaker)
            breaker.admit()
            try:
                await announce(request)
            except BaseException:
                breaker.left()
                raise
            return await self._counted(request, token, breaker)
        finally:
            place.release()

    async def _counted(self, request: Request, token: AccessToken, breaker: Breaker) -> Reply:
        started = self._shared.clock.monotonic()
        outcome: UpstreamOutcome = "cancelled"
        try:
            reply = await self._exchanged(request, token)
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
            raise Problem("upstream_timeout", self._not_sent(CROWDED)) from error

    def _not_in_vain(self, came: float) -> None:
        """Leave the place to others where the queue left too little time: else only who is late already is called."""
        if self.left() < self._needed() <= self._deadline - came:
            raise self._held_back("queue", 1.0, CROWDED)

    def _needed(self) -> float:
        """Seconds to have left for a call, where there ever were so many."""
        return ANSWER_TIME + self._state.latency.needed

    def _held_back(self, reason: HeldBack, wait: float, why: str) -> Problem:
        """Nothing is sent, and the caller hears when to come back."""
        self._shared.observer.held_back(self._provider.name, reason)
        return Problem("upstream_unavailable", self._not_sent(why), retry_after=int(wait) + 1)

    def _not_sent(self, why: str) -> str:
        """Why nothing was sent: of a write that has begun, why no more was."""
        return f"{why}; {'nothing' if self.fate == 'not_sent' else 'no more'} was sent."

    async def _exchanged(self, request: Request, token: AccessToken) -> Reply:
        headers, body = encode(request)
        headers[self._kind.header.lower()] = self._kind.prefix + token.value.reveal()
        self.secrets_sent.add(token.value)
        for name, setting in self._kind.operator_headers.items():
            secret = self._provider.setting(setting)
            headers[name.lower()] = secret.reveal()
            self.secrets_sent.add(secret)
        reply = await self._shared.wire.send(
            request.method,
            self._provider.origins[request.origin],
            request.target,
            headers,
            body,
            within=min(self.left() - ANSWER_TIME, WRITING if request.is_write else READING),
        )
        return reply if reply.status < 400 else without_secrets(reply, self.secrets_sent)

    async def _admitted(self, breaker: Breaker) -> None:
        """Nobody calls while the provider asked to wait: a short wait is waited out, a longer one passed on.

        Nor while it fails: then its breaker is open.
        """
        wait = self._shared.pace.wait(self._connection_id)
        if wait > 0 and (wait > SHORT_WAIT or not await self._sleep(wait)):
            detail = self._not_sent(f"{self._provider.adapter.title} asked to wait")
            raise Problem("upstream_rate_limited", detail, retry_after=int(wait) + 1)
        if self.left() <= 0:
            raise Problem("upstream_timeout", self._not_sent("The time for this request ran out"))
        shut = breaker.wait()
        if shut > 0:
            raise self._held_back("breaker", shut, f"{self._provider.adapter.title} fails at the moment")

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


def _outcome_of(status: int) -> UpstreamOutcome:
    if status == 429:
        return "429"
    if status >= 500:
        return "5xx"
    return "4xx" if status >= 400 else "ok"
