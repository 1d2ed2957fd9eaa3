"""An ``Upstream`` for tests of one adapter: straight to its emulator, with no engine between.

It logs in, presents the token, logs in once more after a 401, and knows neither pace nor retries.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx2

from gateway.contract.adapter import Adapter
from gateway.contract.auth import AccessToken, Grant, KeyExchange, StaticToken
from gateway.contract.clock import Clock
from gateway.contract.errors import FieldError, Problem
from gateway.contract.exact import dumps
from gateway.contract.plan import Plan
from gateway.contract.secret import Secret
from gateway.contract.upstream import Facts, Reply, Request

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")


@dataclass
class Link:
    """One connection of an adapter to its emulator behind ``client``. ``requests`` are all that went out."""

    adapter: Adapter
    client: httpx2.AsyncClient
    clock: Clock
    credentials: Mapping[str, str]
    facts: Facts
    token: AccessToken | None = None
    known: dict[str, Any] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def up(self, *, drop: bool = False, creation_key: UUID | None = None) -> "DirectUpstream":
        """The way out for one request of ours."""
        return DirectUpstream(self, drop, creation_key or uuid4())

    async def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        self.requests.append(request)
        content = request.body if request.json is None else dumps(request.json)
        said = {**request.headers, **headers}
        if request.json is not None:
            said["content-type"] = "application/json"
        answer = await self.client.request(request.method, request.target, content=content, headers=said)
        lowered = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status_code, lowered, answer.content)

    async def log_in(self) -> AccessToken:
        kind = self.adapter.credential(self.credentials["type"])
        assert kind is not None
        if isinstance(kind.scheme, StaticToken):
            return AccessToken(Secret(self.credentials[kind.scheme.field]))
        assert isinstance(kind.scheme, KeyExchange)
        fields = {name: Secret(value) for name, value in self.credentials.items() if name != "type"}
        grant = Grant(fields=fields, operator={}, company_id=self.facts.company_id, now=self.clock.now())
        return kind.scheme.read(await self.send(kind.scheme.request(grant), {}), grant)


@dataclass
class DirectUpstream:
    """See ``gateway.contract.upstream.Upstream``."""

    link: Link
    drop: bool
    creation_key: UUID
    warnings: list[tuple[str, str | None]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    plan: Plan = field(default_factory=Plan)

    @property
    def facts(self) -> Facts:
        return self.link.facts

    @property
    def now(self) -> datetime:
        return self.link.clock.now()

    @property
    def today(self) -> date:
        return self.now.date()

    async def call(self, request: Request) -> Reply:
        kind = self.link.adapter.credential(self.link.credentials["type"])
        assert kind is not None
        for attempt in (1, 2):
            if self.link.token is None:
                self.link.token = await self.link.log_in()
            reply = await self.link.send(request, {kind.header: kind.prefix + self.link.token.value.reveal()})
            problem = self.link.adapter.read_error(reply)
            if problem is None:
                return reply
            if problem.code != "connection_needs_reauth" or attempt == 2:
                raise problem
            self.link.token = None
        raise AssertionError("the second attempt returns or raises")

    async def data(self, request: Request) -> Any:
        return self.link.adapter.read_envelope(await self.call(request))

    async def gather(self, first: Awaitable[T1], second: Awaitable[T2]) -> tuple[T1, T2]:
        one, two = asyncio.ensure_future(first), asyncio.ensure_future(second)
        await _all([one, two])
        return one.result(), two.result()

    async def each(self, waits: Sequence[Awaitable[T]]) -> list[T]:
        return await _all([asyncio.ensure_future(wait) for wait in waits])

    async def known(self, name: str, load: Callable[[], Awaitable[T]], *, fresh: bool = False) -> T:
        if fresh or self.link.known.get(name) is None:
            self.link.known[name] = await load()
        value: T = self.link.known[name]
        return value

    def note(self, name: str, value: str) -> None:
        self.notes[name] = value

    async def id_changed(self, id: str) -> None:
        self.ids.append(id)

    def unsupported(self, pointer: str, *, en: str, nl: str, same_amount: bool = False) -> None:
        if not self.drop:
            raise Problem("field_unsupported", en, errors=[FieldError(pointer, "field_unsupported", en)])
        self.warn("field_dropped", pointer, en=en, nl=nl)

    def warn(self, code: str, pointer: str | None = None, *, en: str, nl: str) -> None:
        assert en != nl
        self.warnings.append((code, pointer))


async def _all(tasks: Sequence[asyncio.Future[Any]]) -> list[Any]:
    """Wait for all, whatever becomes of them; then the first failure is told."""
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
    return [task.result() for task in tasks]
