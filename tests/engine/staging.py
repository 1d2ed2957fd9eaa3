"""A stage for one room of the engine at a time: a system that is a function, and stores that live in memory."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2

from gateway.contract.adapter import Adapter, Origin, Pace, Raw, Resource
from gateway.contract.auth import AccessToken, CredentialField, CredentialKind, Grant, KeyExchange, OAuth2, StaticToken
from gateway.contract.errors import Problem
from gateway.contract.exact import dumps
from gateway.contract.secret import Secret
from gateway.contract.upstream import Facts, Reply, Request
from gateway.engine.generations import in_memory
from gateway.engine.network.http import Wire
from gateway.engine.observe import (
    CacheResult,
    HeldBack,
    Observer,
    TokenOutcome,
    Transition,
    UpstreamOutcome,
    WriteResult,
)
from gateway.engine.outbound.calls import SharedOutbound
from gateway.engine.outbound.facts import KnownFacts
from gateway.engine.outbound.upstream import Outbound, TokenSource
from gateway.engine.providers import Provider
from gateway.engine.storage import LinkRow, LinkState, StoredConnection
from tests.house import START, ManualClock

ORIGIN = "http://books.test"
Handle = Callable[[httpx2.Request], Awaitable[httpx2.Response]]
CODES = {401: "connection_needs_reauth", 404: "not_found", 409: "conflict", 429: "upstream_rate_limited"}


class Unobserved:
    """An observer that does not look."""

    def upstream(self, provider: str, operation: str, outcome: UpstreamOutcome, seconds: float) -> None:
        """Nothing."""

    def token(self, provider: str, outcome: TokenOutcome, seconds: float) -> None:
        """Nothing."""

    def transition(self, provider: str, to: Transition) -> None:
        """Nothing."""

    def cache(self, resource: str, result: CacheResult) -> None:
        """Nothing."""

    def reconciled(self, operation: str, result: WriteResult) -> None:
        """Nothing."""

    def held_back(self, provider: str, reason: HeldBack) -> None:
        """Nothing."""


class Books(httpx2.AsyncBaseTransport):
    """A system: every request is written down, then handled; the answers of ``then`` come first, one each."""

    def __init__(self, handle: Handle | None = None) -> None:
        self.heard: list[httpx2.Request] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._handle = handle
        self._then: list[httpx2.Response | Exception] = []

    def then(self, *answers: httpx2.Response | Exception) -> None:
        """What comes of the next requests."""
        self._then += answers

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.heard.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self._then:
                answer = self._then.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return answer
            return await self._handle(request) if self._handle is not None else said({"ok": True})
        finally:
            self.in_flight -= 1


def said(value: object, status: int = 200, **headers: str) -> httpx2.Response:
    """A JSON answer."""
    written = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return httpx2.Response(status, headers=written, content=dumps(value))


def read_error(reply: Reply) -> Problem | None:
    if reply.status < 400:
        return None
    code = CODES.get(reply.status, "upstream_unavailable" if reply.status >= 500 else "upstream_rejected")
    return Problem(code, f"Books says {reply.status}.", retry_after=reply.retry_after)


async def no_companies(up: object) -> Sequence[Any]:
    return []


def prefix(facts: Facts) -> str:
    return f"/api/{facts.company_id}/"


def login(grant: Grant) -> Request:
    return Request("POST", "/login", form={"password": grant.fields["password"].reveal()})


def read_login(reply: Reply, grant: Grant) -> AccessToken:
    problem = read_error(reply)
    if problem is not None:
        raise Problem("credentials_rejected", "Wrong password.") if reply.status in (400, 401) else problem
    said = reply.json()
    expires_in = said.get("expires_in")
    expires_at = None if expires_in is None else grant.now + timedelta(seconds=expires_in)
    return AccessToken(Secret(said["token"]), expires_at)


STATIC = CredentialKind("token", "Token", StaticToken("token"), (CredentialField("token", "Token"),))
OAUTH = CredentialKind("oauth", "OAuth", OAuth2("/authorize", "/token"))
LOGIN = CredentialKind("login", "Log-in", KeyExchange(login, read_login), (CredentialField("password", "Password"),))


def adapter(resources: Mapping[str, Resource[Any, Any]] | None = None, pace: Pace = Pace()) -> Adapter:  # noqa: B008  # frozen
    """An accounting system with three ways in, whose answers have no envelope."""
    return Adapter(
        name="books",
        title="Books",
        documentation="https://books.test/docs",
        origins={"api": Origin("api_url", ORIGIN)},
        credentials=(STATIC, LOGIN, OAUTH),
        resources=resources or {},
        companies=no_companies,
        read_error=read_error,
        read_envelope=lambda reply: reply.json(),
        raw=Raw(prefix, refused=("oauth", "settings/keys")),
        pace=pace,
    )


def provider(pace: Pace = Pace()) -> Provider:  # noqa: B008  # frozen
    return Provider(adapter(pace=pace), {"api": ORIGIN}, {"client_id": Secret("us"), "client_secret": Secret("ours")})


def connection(id: str = "con_1", type: str = "login") -> StoredConnection:
    return StoredConnection(
        id=id,
        tenant="acme",
        provider="books",
        name="Books",
        status="active",
        created_at=START,
        updated_at=START,
        company_id="c1",
        credential_type=type,
    )


class Tokens:
    """Where a way out gets its tokens in these tests: they are numbered, and replaced ones are written down."""

    def __init__(self) -> None:
        self.number = 1
        self.rejected: list[str] = []

    @property
    def source(self) -> TokenSource:
        return TokenSource(self.current, self.replace)

    async def current(self) -> AccessToken:
        return AccessToken(Secret(f"token-{self.number}"))

    async def replace(self, rejected: AccessToken) -> AccessToken:
        self.rejected.append(rejected.value.reveal())
        self.number += 1
        return await self.current()


@dataclass
class Stage:
    """One connection's way out to a system that is a function, with time at hand."""

    books: Books
    clock: ManualClock = field(default_factory=ManualClock)
    pace: Pace = field(default_factory=Pace)
    tokens: Tokens = field(default_factory=Tokens)
    observer: Observer = field(default_factory=Unobserved)

    def __post_init__(self) -> None:
        wire = Wire(self.clock, lambda origin: self.books)
        facts = KnownFacts(self.clock, in_memory(random.Random(7)))
        self.way = SharedOutbound(wire, self.clock, self.observer, facts, random.Random(7))
        self.provider = provider(self.pace)

    def outbound(self, connection_id: str = "con_1", *, seconds: float = 30.0, drop: bool = False) -> Outbound:
        return Outbound(
            self.way,
            self.provider,
            STATIC,
            Facts(connection_id, "c1", "token", {}),
            self.tokens.source,
            operation="contacts.list",
            deadline=self.clock.monotonic() + seconds,
            drop_unsupported=drop,
        )


class MemoryLinks:
    """Links in memory with the rule of the real ones: a unique value belongs to one record of a resource."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[LinkRow]] = {}
        self.fails = False

    def _refuse_if_down(self) -> None:
        if self.fails:
            raise Problem("storage_unavailable", "The disk is full.")

    def _is_so(self, connection_id: str, resource: str, state: LinkState) -> bool:
        known = {(one.record_id, one.field): one.value for one in self.rows.get((connection_id, resource), [])}
        return known.get((state.record_id, state.field)) == state.value

    async def of(self, connection_id: str) -> Mapping[str, Sequence[LinkRow]]:
        found = {resource: list(rows) for (owner, resource), rows in self.rows.items() if owner == connection_id}
        await asyncio.sleep(0)
        self._refuse_if_down()
        return found

    async def put(
        self, connection_id: str, resource: str, rows: Sequence[LinkRow], *, only_if: LinkState | None = None
    ) -> None:
        await asyncio.sleep(0)
        self._refuse_if_down()
        if only_if is not None and not self._is_so(connection_id, resource, only_if):
            raise Problem("conflict", "Changed.")
        named = {(row.record_id, row.field) for row in rows}
        kept = [one for one in self.rows.get((connection_id, resource), []) if (one.record_id, one.field) not in named]
        taken = {(one.field, one.value) for one in kept if one.unique}
        if any(row.unique and (row.field, row.value) in taken for row in rows):
            raise Problem("conflict", "Taken.")
        self.rows[connection_id, resource] = [*kept, *rows]

    async def rename(self, connection_id: str, resource: str, old_id: str, new_id: str) -> None:
        await asyncio.sleep(0)
        self._refuse_if_down()
        mine = self.rows.get((connection_id, resource), [])
        moved = {one.field for one in mine if one.record_id == old_id}
        self.rows[connection_id, resource] = [
            one._replace(record_id=new_id) if one.record_id == old_id else one
            for one in mine
            if one.record_id != new_id or one.field not in moved
        ]

    async def remove_if(self, connection_id: str, resource: str, state: LinkState) -> bool:
        await asyncio.sleep(0)
        self._refuse_if_down()
        if not self._is_so(connection_id, resource, state):
            return False
        mine = self.rows.get((connection_id, resource), [])
        self.rows[connection_id, resource] = [one for one in mine if one.record_id != state.record_id]
        return True

    async def remove(self, connection_id: str, resource: str, record_id: str, field: str | None = None) -> None:
        await asyncio.sleep(0)
        self._refuse_if_down()
        self.rows[connection_id, resource] = [
            one
            for one in self.rows.get((connection_id, resource), [])
            if one.record_id != record_id or field not in (None, one.field)
        ]
