"""The way out: one connection's ``Upstream``, with token, pace, retries, deadline and outcome taken care of."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID

from gateway.contract.auth import AccessToken, CredentialKind
from gateway.contract.errors import FieldError, Outcome, Problem
from gateway.contract.plan import Plan, Warned
from gateway.contract.upstream import Facts, Reply, Request
from gateway.engine.clock import dutch_date
from gateway.engine.network.redaction import Abridged, abridged, without_secrets
from gateway.engine.outbound.calls import Calls, SharedOutbound
from gateway.engine.providers import Provider

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")

REPLACEMENTS = 2
"""How often a rejected token is replaced: what another process kept meanwhile may be dead as well by now."""
_NEVER_DROPPED = frozenset(
    {"currency", "exchange_rate", "prices_include_tax", "price_includes_tax", "document_type", "direction", "amount"}
    | {"discount_percent"}
)
"""Fields without which an amount would mean something else; a contact has no amounts."""
_NOTHING_DONE = frozenset({"connection_needs_reauth", "provider_misconfigured", "upstream_rate_limited"})
"""Refusals at the door: the request was not looked at, so it may be sent again."""


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
        self._provider = provider
        self._facts = facts
        self._tokens = tokens
        self._operation = operation
        self._drop_unsupported = drop_unsupported
        self._before_write = before_write
        self._announced: asyncio.Future[None] | None = None
        self._notes: dict[str, str] = {}
        self._facts_used: set[str] = set()
        self._calls = Calls(
            shared,
            provider,
            kind,
            facts.connection_id,
            operation=operation,
            deadline=deadline,
        )
        self._abridged = Abridged()
        self._now = shared.clock.now()
        self.warnings: list[Warned] = []
        self.plan = Plan()
        self.follow: Callable[[str], Awaitable[None]] | None = None
        """Keeps what the system calls the record that is written from now on; None where none is."""

    @property
    def fate(self) -> Outcome:
        """What became of the writes of this request so far."""
        return self._calls.fate

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

    def left(self) -> float:
        """Seconds of the time that this request may take."""
        return self._calls.left()

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
        return await self._shared.facts.get(self._facts.connection_id, name, load, fresh=fresh)

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
            self._calls.became(request, "unknown")
            raise
        self._calls.became(request, "applied")
        return data

    async def call(self, request: Request) -> Reply:
        """Send it, and give the reply if it is a success."""
        reply = await self._accepted(request)
        self._calls.became(request, "applied")
        return reply

    async def _accepted(self, request: Request) -> Reply:
        reply = await self.exchange(request)
        problem = self._refusal(reply)
        if problem is None:
            return reply
        if reply.status < 400:  # one that passes for a success was left as it came
            redacted = abridged(without_secrets(reply, self._calls.secrets_sent))
            problem = self._provider.adapter.read_error(redacted) or problem
        if problem.code == "upstream_unavailable" and problem.retry_after is None:
            problem.retry_after = reply.retry_after
        if problem.code not in _NOTHING_DONE:
            self._calls.became(request, "rejected" if problem.kind.status < 500 else "unknown")
        try:
            raise problem
        finally:
            del problem  # see single_flight.shared

    async def exchange(self, request: Request) -> Reply:
        """Send it, and give the reply whatever it says. A rejected token is replaced; nothing was done then."""
        token = await self._tokens.current()
        reply = await self._calls.send(request, token, self._announce)
        rejected = self._rejects_token(reply)
        for _ in range(REPLACEMENTS):
            if not rejected:
                break
            token = await self._tokens.replace(token)
            reply = await self._calls.send(request, token, self._announce)
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
        return self._provider.adapter.read_error(reply if reply.status < 400 else self._abridged.of(reply))

    async def _announce(self, request: Request) -> None:
        """Before the first write leaves, have written down what to look for; all writes wait for that."""
        if not request.is_write or self._before_write is None:
            return
        if self._announced is None:
            announcement = self._before_write(request, dict(self._notes), self.creation_key)
            self._announced = asyncio.ensure_future(announcement)
        await asyncio.shield(self._announced)


async def called_off(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Call them off, and wait until none is under way."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
