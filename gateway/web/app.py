"""The HTTP edge, one ASGI callable read from top to bottom: route, caller, ids, query, body, engine, answer, log line.

There is no stack of middlewares: each would cost more than all that happens here.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from gateway.contract.clock import Clock
from gateway.contract.errors import Outcome, Problem
from gateway.contract.operations import OPERATIONS, Operation
from gateway.engine.audit import OWNER, Origin, asked_by
from gateway.engine.call import Address, Answer, Call, Caller, Network
from gateway.engine.observe import AttemptResult
from gateway.engine.tracing import UNTRACED, RequestSpan, Tracer
from gateway.engine.waiting import Waiting, measured
from gateway.web import pages, problems
from gateway.web.addresses import address_of
from gateway.web.bodies import Disconnected, headers_of, query_of, read_body, require_json
from gateway.web.health import Health
from gateway.web.logs import Level, Log, broken
from gateway.web.metrics import UNMATCHED, Metrics
from gateway.web.problems import EdgeProblem
from gateway.web.routes import Page, Route, Routes, ids_of

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_BODILESS = frozenset({204, 304})
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"vary", b"authorization"))
_OURS = frozenset({b"content-length", *(name for name, _ in _ALWAYS)})
"""Headers that are set for every answer alike."""
_CLIENT_LEFT = 499
"""How a request that nobody waits for any more is counted; nothing is sent."""

_PROBES = frozenset(path.encode() for path in pages.QUIET)

_INTERNAL = "Something went wrong that should not have. Tell the operator of this Polder the request_id."

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]
Headers = list[tuple[bytes, bytes]]


class Engine(Protocol):
    """What answers a call."""

    async def perform(self, call: Call) -> Answer:
        """The answer. Raises ``Problem``."""


class CallerDirectory(Protocol):
    """What knows whose a key is."""

    async def resolve(self, text: str) -> Caller:
        """The caller. Raises ``unauthenticated``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one request: sizes in bytes, times in seconds."""

    deadline: float = 30.0
    body: int = 1_000_000
    raw_body: int = 25_000_000
    body_patience: float = 10.0


@dataclass(slots=True)
class _Seen:
    """One request, as its log line tells it."""

    method: str
    started: float
    route: str = UNMATCHED
    operation: Operation | None = None
    key_id: str | None = None
    watch: Waiting | None = None
    named: bool = False
    replayed: bool = False
    outcome: Outcome | None = None
    received: int = 0
    sent: int = 0
    trace_id: str | None = None
    request_id: str = ""
    status: int = _CLIENT_LEFT
    code: str | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Headers
    body: bytes


@asynccontextmanager
async def _nothing_to_start(app: object) -> AsyncIterator[None]:
    del app
    yield


class Application:
    """The ASGI callable. ``drain`` is called when the process is about to stop."""

    def __init__(
        self,
        engine: Engine,
        callers: CallerDirectory,
        *,
        clock: Clock,
        random: Random,
        metrics: Metrics,
        log: Log,
        tracer: Tracer,
        health: Health,
        operations: Sequence[Operation],
        page_table: Mapping[str, Page],
        public_url: str,
        limits: Limits,
        proxies: Sequence[Network],
        lifespan: Lifespan,
    ) -> None:
        self._engine = engine
        self._callers = callers
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._log = log
        self._tracer = tracer
        self._health = health
        self._routes = Routes(operations, page_table)
        self._public_url = public_url
        self._docs = f"{public_url}/docs/problems"
        self._limits = limits
        self._proxies = proxies
        self._lifespan = Router(lifespan=lifespan)

    def drain(self) -> None:
        """From now on ``/readyz`` says no, while requests are still answered."""
        self._health.drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event of a kind we know: a request, or the server's start and stop."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = _Seen(scope["method"], self._clock.monotonic())
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        tracer = UNTRACED if raw_path in _PROBES else self._tracer
        self._metrics.in_flight.inc()
        with tracer.request(seen.method, scope["headers"]) as span:
            try:
                seen.trace_id = span.trace_id
                reply = await self._reply(seen, raw_path, scope, receive)
                seen.status = reply.status
                seen.sent = len(reply.body)
                seen.replayed = any(name == b"idempotency-replayed" for name, _ in reply.headers)
                await _send(send, reply, seen)
            except Disconnected:
                pass
            finally:
                self._metrics.in_flight.dec()
                self._tell(seen)
                _trace(span, seen)

    async def _reply(self, seen: _Seen, raw_path: bytes, scope: Scope, receive: Receive) -> _Reply:
        """The answer of a route, or the problem it ended in."""
        try:
            headers = self._read_headers(seen, scope)
            matched = self._routes.match(raw_path)
            if matched is None:
                raise Problem("not_found", "There is nothing at this address.")
            route, found = matched
            seen.route = route.template
            if seen.method == "OPTIONS":
                return _Reply(204, [(b"allow", route.allow.encode())], b"")
            method = "GET" if seen.method == "HEAD" else seen.method
            if method not in route.methods:
                raise _wrong_method(route)
            address = address_of(scope, headers, self._proxies)
            if route.page is not None:
                with asked_by(Origin(OWNER, seen.request_id, _told(address))):
                    return await _show(route.page, scope, receive, ids_of(found))
            operation = route.operations[method]
            seen.operation = operation
            seen.named = "idempotency-key" in headers
            seen.watch = measured(self._clock.monotonic)
            caller = await self._callers.resolve(_key_of(headers))
            seen.key_id = caller.key_id
            if not caller.may_call_from(address):
                raise Problem("forbidden", "The API key may not be used from this address.")
            with asked_by(Origin(caller.key_id, seen.request_id, _told(address))):
                return await self._operate(
                    seen, operation, caller, raw_path, found, headers, scope["query_string"], receive
                )
        except Disconnected:
            raise
        except (Problem, EdgeProblem) as problem:
            return self._problem(seen, problem, raw_path)
        except Exception as error:
            seen.error = error
            return self._problem(seen, Problem("internal_error", _INTERNAL), raw_path)

    async def _operate(
        self,
        seen: _Seen,
        operation: Operation,
        caller: Caller,
        raw_path: bytes,
        found: Mapping[str, bytes],
        headers: dict[str, str],
        query_string: bytes,
        receive: Receive,
    ) -> _Reply:
        path = ids_of(found)
        query = query_of(query_string)
        body = b""
        if seen.method not in _WITHOUT_BODY:
            theirs = operation.shape == "theirs"
            limit = self._limits.raw_body if theirs else self._limits.body
            body = await read_body(receive, headers, limit=limit, patience=self._limits.body_patience)
            seen.received = len(body)
            if body and not theirs:
                require_json(headers.get("content-type"))
        answer = await self._engine.perform(
            Call(
                operation=operation,
                caller=caller,
                path=path,
                query=query,
                headers=headers,
                body=body,
                request_id=seen.request_id,
                deadline=seen.started + self._limits.deadline,
            )
        )
        extra = _defaults(answer, operation)
        if answer.next_cursor is not None:
            pairs = [*(pair for pair in query if pair[0] != "cursor"), ("cursor", answer.next_cursor)]
            address = f"{self._public_url}{raw_path.decode('ascii')}?{urlencode(pairs)}"
            extra.append((b"link", f'<{address}>; rel="next"'.encode("ascii")))
        return _Reply(answer.status, _encoded(answer.headers, answer.media_type) + extra, answer.body)

    def _read_headers(self, seen: _Seen, scope: Scope) -> dict[str, str]:
        seen.request_id = f"req_{self._random.getrandbits(96):024x}"
        headers = headers_of(scope["headers"])
        given = headers.get("x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            seen.request_id = given
        trace = headers.get("traceparent")
        if seen.trace_id is None and trace is not None and (match := _TRACEPARENT.fullmatch(trace)):
            seen.trace_id = match[1]
        return headers

    def _problem(self, seen: _Seen, problem: Problem | EdgeProblem, raw_path: bytes) -> _Reply:
        seen.code = problem.code
        if isinstance(problem, Problem):
            seen.outcome = problem.outcome
        if problem.code == "upstream_malformed" and problem.__cause__ is not None:
            seen.error = problem.__cause__
        told = problems.render(problem, docs=self._docs, raw_path=raw_path, request_id=seen.request_id)
        return _Reply(told.status, _encoded(told.headers, problems.MEDIA_TYPE), told.body)

    def _tell(self, seen: _Seen) -> None:
        """Count the request and write its line; probes and scrapes that went well are not worth one."""
        seconds = self._clock.monotonic() - seen.started
        self._metrics.answered(seen.route, seen.method, seen.status, seconds)
        if seen.operation is not None and seen.watch is not None:
            self._count(seen, seen.operation, seconds - seen.watch.seconds)
        if seen.route in pages.QUIET and seen.status < 400:
            return
        level: Level = "info" if seen.status < 500 else "warning" if seen.error is None else "error"
        fields: dict[str, Any] = {
            "method": seen.method if seen.method.isascii() and len(seen.method) <= 20 else "OTHER",
            "route": seen.route,
            "status": seen.status,
            "ms": round(seconds * 1000, 2),
            "request_id": seen.request_id,
            "trace_id": seen.trace_id,
            "operation": None if seen.operation is None else seen.operation.name,
            "key_id": seen.key_id,
            "code": seen.code,
        }
        if seen.error is not None:
            fields |= broken(seen.error)
        self._log.write(level, "request", fields)

    def _count(self, seen: _Seen, operation: Operation, overhead: float) -> None:
        self._metrics.spent(operation.resource, overhead)
        self._metrics.carried(seen.received, seen.sent)
        if seen.code is not None:
            self._metrics.problem(seen.code)
        if not operation.is_write or seen.status == _CLIENT_LEFT:
            return
        if seen.named:
            self._metrics.attempted(_attempt_of(seen))
        if not seen.replayed:
            self._metrics.wrote(seen.outcome or _outcome_of(seen.status))


def _trace(span: RequestSpan, seen: _Seen) -> None:
    span.ended(
        route=None if seen.route == UNMATCHED else seen.route,
        status=seen.status,
        operation=None if seen.operation is None else seen.operation.name,
        code=seen.code,
    )


def _attempt_of(seen: _Seen) -> AttemptResult:
    if seen.code == "idempotency_in_progress":
        return "in_progress"
    if seen.code == "idempotency_mismatch":
        return "mismatch"
    return "replayed" if seen.replayed else "new"


def _outcome_of(status: int) -> Outcome:
    """What became of a write that no problem tells of: a raw one may be refused in the system's own words."""
    return "applied" if status < 400 else "rejected"


def create_app(
    engine: Engine,
    callers: CallerDirectory,
    health: Health,
    *,
    clock: Clock,
    random: Random,
    metrics: Metrics,
    log: Log,
    public_url: str,
    tracer: Tracer = UNTRACED,
    limits: Limits | None = None,
    proxies: Sequence[Network] = (),
    lifespan: Lifespan = _nothing_to_start,
    further_pages: Mapping[str, Page] | None = None,
    serves: bool = True,
) -> Application:
    """Put the edge together. ``random`` makes request ids; ``public_url`` has no slash at its end.

    Where it does not ``serve``, it answers probes and ``further_pages``, and nothing else.

    ``further_pages`` are pages by path template, beside the documentation and the probes; they ask for no key.
    ``proxies`` are the networks whose ``X-Forwarded-For`` is believed.
    """
    return Application(
        engine,
        callers,
        clock=clock,
        random=random,
        metrics=metrics,
        log=log,
        tracer=tracer,
        health=health,
        operations=OPERATIONS if serves else (),
        page_table={
            **(pages.all_pages(health, public_url) if serves else pages.probes(health)),
            **(further_pages or {}),
        },
        public_url=public_url,
        limits=limits or Limits(),
        proxies=proxies,
        lifespan=lifespan,
    )


def _told(address: Address | None) -> str | None:
    return None if address is None else str(address)


async def _show(page: Page, scope: Scope, receive: Receive, path: Mapping[str, str]) -> _Reply:
    response = await page.show(Request({**scope, "path_params": path}, receive))
    headers = [(name, value) for name, value in response.raw_headers if name not in _OURS]
    return _Reply(response.status_code, headers, bytes(response.body))


def _wrong_method(route: Route) -> Problem:
    return Problem("operation_unsupported", f"This address answers {route.allow} only.", headers={"Allow": route.allow})


def _key_of(headers: Mapping[str, str]) -> str:
    scheme, _, text = headers.get("authorization", "").partition(" ")
    key = text.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()
    if not key:
        raise Problem("unauthenticated", "Send an API key: `Authorization: Bearer polder_live_…`.")
    return key


def _defaults(answer: Answer, operation: Operation) -> Headers:
    """How an answer may be kept where the engine does not say: never by a shared cache, and a write's not at all."""
    if any(name.lower() == "cache-control" for name in answer.headers):
        return []
    return [(b"cache-control", b"no-store" if operation.is_write else b"private, no-cache")]


def _encoded(headers: Mapping[str, str], media_type: str | None) -> Headers:
    """Headers as bytes. One that could break out of its line comes from a system's answer: ``upstream_malformed``."""
    encoded: Headers = []
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise Problem("upstream_malformed", f"The value of the header {name} cannot be passed on.")
        encoded.append((name.lower().encode("ascii"), value.encode("ascii")))
    if media_type is not None:
        encoded.append((b"content-type", media_type.encode("ascii")))
    return encoded


async def _send(send: Send, reply: _Reply, seen: _Seen) -> None:
    headers = [*reply.headers, *_ALWAYS, (b"x-request-id", seen.request_id.encode("ascii"))]
    if reply.status not in _BODILESS:
        headers.append((b"content-length", str(len(reply.body)).encode("ascii")))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    bodiless = seen.method == "HEAD" or reply.status in _BODILESS
    await send({"type": "http.response.body", "body": b"" if bodiless else reply.body})
