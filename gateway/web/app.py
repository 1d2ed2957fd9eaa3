"""The HTTP edge, one ASGI callable read from top to bottom: route, caller, ids, query, body, engine, answer, log line.

There is no stack of middlewares: each would cost more than all that happens here.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.operations import OPERATIONS, Operation
from gateway.engine.access.audit import OWNER, Origin, on_behalf_of
from gateway.engine.access.rate_limit import RateLimiter
from gateway.engine.call import Address, Answer, Call, Caller, Network, Standing
from gateway.engine.reads.cache import CachedAnswer
from gateway.engine.tracing import UNTRACED, RequestSpan, Tracer
from gateway.engine.waiting import measured, waiting
from gateway.web import pages, problems
from gateway.web.addresses import address_of
from gateway.web.bodies import (
    Disconnected,
    headers_of,
    is_addressed,
    query_of,
    read_body,
    require_json,
    require_short,
    require_unpacked,
)
from gateway.web.health import Health
from gateway.web.logs import Log
from gateway.web.metrics import UNMATCHED, Metrics
from gateway.web.problems import EdgeProblem
from gateway.web.replay import Question, Replays, question_of
from gateway.web.replies import OURS, Reply, encoded, limited, replied, reply, send_reply
from gateway.web.request_log import RequestEntry, RequestLog, outcome_of
from gateway.web.routes import Page, Route, Routes, parameters_of

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_IDS_AT_ONCE = 64
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_PROBES = frozenset(path.encode() for path in pages.QUIET)

_CUT_OFF = "Polder had to stop before this was done. Ask again; of a write, look first what became of it."
_INTERNAL = "Something went wrong that should not have. Tell the operator of this Polder the request_id."


class Engine(Protocol):
    """What answers a call."""

    async def perform(self, call: Call) -> Answer:
        """The answer. Raises ``Problem``."""

    def recall(self, standing: Standing, now: float) -> CachedAnswer | None:
        """What is kept of an answer, if all that it stands on still holds."""


class CallerDirectory(Protocol):
    """What knows whose a key is."""

    async def resolve(self, text: str) -> Caller:
        """The caller. Raises ``unauthenticated``."""

    def known(self, fingerprint: bytes, now: float) -> Caller | None:
        """The caller whose key has this fingerprint, if that is known without looking anything up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one request: sizes in bytes, times in seconds."""

    deadline: float = 30.0
    body: int = 1_000_000
    raw_body: int = 25_000_000
    body_timeout: float = 20.0
    """For all of a body, as long as that leaves time for an answer."""


class Application:
    """The ASGI callable. ``drain`` is called when the process is about to stop.

    ``random`` makes request ids; ``public_url`` has no slash at its end. Where it does not ``serve``, it answers probes
    and ``further_pages``, and nothing else: these are pages by path template, beside the documentation and the probes,
    that ask for no key. ``proxies`` are the networks whose ``X-Forwarded-For`` is believed. Without a ``rate_limiter``
    keys have no limit.
    """

    def __init__(
        self,
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
        rate_limiter: RateLimiter | None = None,
        proxies: Sequence[Network] = (),
        further_pages: Mapping[str, Page] | None = None,
        serves: bool = True,
    ) -> None:
        self._engine = engine
        self._callers = callers
        self._clock = clock
        self._request_ids = request_ids(random)
        self._metrics = metrics
        self._request_log = RequestLog(metrics, log, clock)
        self._tracer = tracer
        self._health = health
        shown = pages.all_pages(health, public_url) if serves else pages.probes(health)
        self._routes = Routes(OPERATIONS if serves else (), {**shown, **(further_pages or {})})
        self._public_url = public_url
        self._docs = f"{public_url}/docs/problems"
        self._limits = limits or Limits()
        self._rate_limiter = rate_limiter
        self._proxies = proxies
        self._replays = Replays(engine, callers, public_url, proxies)
        self._draining = False

    def drain(self) -> None:
        """From now on ``/readyz`` says no, while requests are still answered."""
        self._health.drain()
        self._draining = True

    def close(self) -> None:
        """The event loop is about to end: nothing that is to be told may wait for it."""
        self._request_log.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; a websocket is closed."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = RequestEntry(scope["method"], self._clock.monotonic())
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        if raw_path in _PROBES:  # a scrape would count itself
            await self._served(entry, raw_path, scope, receive, send)
            return
        self._metrics.in_flight += 1
        try:
            if self._tracer is UNTRACED:
                await self._served(entry, raw_path, scope, receive, send)
            else:
                await self._traced(entry, raw_path, scope, receive, send)
        finally:
            self._metrics.in_flight -= 1

    async def _traced(self, entry: RequestEntry, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        with self._tracer.request(entry.method, scope["headers"]) as span:
            try:
                entry.trace_id = span.trace_id
                await self._served(entry, raw_path, scope, receive, send)
            finally:
                _trace(span, entry)

    async def _served(self, entry: RequestEntry, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            question = question_of(scope, raw_path)
            response = self._replayed(entry, question, scope)
            if response is None:
                response = await self._reply(entry, raw_path, scope, receive)
            elif self._rate_limiter is not None:
                response = await self._if_allowed(entry, response, raw_path)
            if question is not None and entry.standing is not None:
                self._replays.remember(question, entry.route, entry.standing)
            if entry.allowance is not None:
                response = limited(response, entry.allowance)
            entry.status = response.status
            entry.sent = len(response.body)
            await send_reply(scope, send, response, entry.request_id)
        except Disconnected:
            pass
        finally:
            self._request_log.ended(entry)

    def _replayed(self, entry: RequestEntry, question: Question | None, scope: Scope) -> Reply | None:
        """The reply to a question that the cache answered lately, if it still stands."""
        replayed = None if question is None else self._replays.answer(question, scope, entry.started)
        if question is None or replayed is None:
            return None
        entry.request_id = next(self._request_ids)
        _name(entry, question.header(b"x-request-id"), question.header(b"traceparent"))
        entry.route = replayed.route
        entry.operation = replayed.standing.operation
        entry.key_id = replayed.standing.caller.key_id
        return replayed.reply

    async def _if_allowed(self, entry: RequestEntry, response: Reply, raw_path: bytes) -> Reply:
        try:
            await self._count(entry)
        except Problem as problem:
            return self._problem(entry, problem, raw_path)
        return response

    async def _count(self, entry: RequestEntry) -> None:
        """Count a request of its key's. Raises ``rate_limited``."""
        if self._rate_limiter is None or entry.key_id is None:
            return
        entry.allowance = await self._rate_limiter.take(entry.key_id)
        if entry.allowance.wait:
            detail = f"This API key may make {entry.allowance.limit} requests a minute."
            raise Problem("rate_limited", detail, retry_after=entry.allowance.wait)

    async def _reply(self, entry: RequestEntry, raw_path: bytes, scope: Scope, receive: Receive) -> Reply:
        """The answer of a route, or the problem it ended in."""
        try:
            entry.request_id = next(self._request_ids)
            headers = headers_of(scope["headers"])
            _name(entry, headers.get("x-request-id"), headers.get("traceparent"))
            if not is_addressed(scope.get("http_version"), headers.get("host")):
                raise EdgeProblem(
                    "invalid_host", "A request has one Host header, with a host and perhaps a port in it."
                )
            require_short(raw_path, scope["query_string"])
            matched = self._routes.match(raw_path)
            if matched is None:
                raise Problem("not_found", "There is nothing at this address.")
            route, found = matched
            entry.route = route.template
            if entry.method == "OPTIONS":
                return reply(204, [(b"allow", route.allow.encode())], b"")
            method = "GET" if entry.method == "HEAD" else entry.method
            if method not in route.methods:
                raise _wrong_method(route)
            address = address_of(scope, headers.get("x-forwarded-for"), self._proxies)
            if route.page is not None:
                with on_behalf_of(Origin(OWNER, entry.request_id, _text_of(address))):
                    return await _show(route.page, scope, receive, parameters_of(found))
            operation = route.operations[method]
            entry.operation = operation
            entry.named = "idempotency-key" in headers
            entry.watch = measured(self._clock.monotonic)
            caller = await self._callers.resolve(_key_of(headers))
            entry.key_id = caller.key_id
            if not caller.may_call_from(address):
                raise Problem("forbidden", "The API key may not be used from this address.")
            await self._count(entry)
            with on_behalf_of(Origin(caller.key_id, entry.request_id, _text_of(address))):
                return await self._operate(
                    entry, operation, caller, raw_path, found, headers, scope["query_string"], receive
                )
        except Disconnected:
            raise
        except (Problem, EdgeProblem) as problem:
            return self._problem(entry, problem, raw_path)
        except asyncio.CancelledError:
            if not self._draining:
                raise
            # The server calls off what is not done when it must stop; whoever still waits is told.
            return self._problem(entry, _unfinished(entry, _CUT_OFF), raw_path)
        except Exception as error:
            entry.error = error
            return self._problem(entry, _unfinished(entry, _INTERNAL), raw_path)

    async def _operate(
        self,
        entry: RequestEntry,
        operation: Operation,
        caller: Caller,
        raw_path: bytes,
        found: Mapping[str, bytes],
        headers: dict[str, str],
        query_string: bytes,
        receive: Receive,
    ) -> Reply:
        path = parameters_of(found)
        query = query_of(query_string)
        body = b""
        deadline = entry.started + self._limits.deadline
        if entry.method not in _WITHOUT_BODY:
            is_raw = operation.shape == "theirs"
            limit = self._limits.raw_body if is_raw else self._limits.body
            timeout = min(self._limits.body_timeout, max(0.0, deadline - self._clock.monotonic()))
            with waiting():
                body = await read_body(receive, headers, limit=limit, timeout=timeout)
            entry.received = len(body)
            if body:
                require_unpacked(headers.get("content-encoding"))
            if body and not is_raw:
                require_json(headers.get("content-type"))
        answer = await self._engine.perform(
            Call(
                operation=operation,
                caller=caller,
                path=path,
                query=query,
                headers=headers,
                body=body,
                request_id=entry.request_id,
                deadline=deadline,
            )
        )
        entry.replayed = any(name.lower() == "idempotency-replayed" for name in answer.headers)
        entry.standing = answer.standing
        try:
            return replied(answer, operation, self._public_url, raw_path, query)
        except Exception as error:
            entry.error = error
            raise _unwritable(error, answer, operation) from None

    def _problem(self, entry: RequestEntry, problem: Problem | EdgeProblem, raw_path: bytes) -> Reply:
        entry.code = problem.code
        if problem.outcome is None and entry.operation is not None and entry.operation.is_write:
            problem.outcome = "not_sent"  # it came no further than here: the engine always says
        entry.outcome = problem.outcome
        if problem.code == "upstream_malformed" and problem.__cause__ is not None:
            entry.error = problem.__cause__
        rendered = problems.render(problem, docs=self._docs, raw_path=raw_path, request_id=entry.request_id)
        return reply(rendered.status, encoded(rendered.headers, problems.MEDIA_TYPE), rendered.body)


def _unfinished(entry: RequestEntry, detail: str) -> Problem:
    """It ended where nobody can tell how far it had come."""
    is_write = entry.operation is not None and entry.operation.is_write
    return Problem("internal_error", detail, outcome="unknown" if is_write else None)


def _unwritable(error: Exception, answer: Answer, operation: Operation) -> Problem:
    """An answer cannot be passed on; what the engine made of a write is told all the same."""
    problem = error if isinstance(error, Problem) else Problem("internal_error", _INTERNAL)
    if operation.is_write:
        problem.as_outcome(outcome_of(answer.status))
        key = {name: text for name, text in answer.headers.items() if name == "Idempotency-Key"}
        problem.headers = {**problem.headers, **key}
    return problem


def _trace(span: RequestSpan, entry: RequestEntry) -> None:
    span.ended(
        route=None if entry.route == UNMATCHED else entry.route,
        status=entry.status,
        operation=None if entry.operation is None else entry.operation.name,
        code=entry.code,
    )


def _name(entry: RequestEntry, request_id: str | None, traceparent: str | None) -> None:
    """Note what the caller calls the request, and the trace it belongs to."""
    if request_id is not None and _REQUEST_ID.fullmatch(request_id):
        entry.request_id = request_id
    if entry.trace_id is None and traceparent is not None and (match := _TRACEPARENT.fullmatch(traceparent)):
        entry.trace_id = match[1]


def request_ids(random: Random) -> Iterator[str]:
    """Ids for requests, without end. Dice are rolled for many at once: each roll is a call of the operating system."""
    while True:
        digits = f"{random.getrandbits(96 * _IDS_AT_ONCE):0{24 * _IDS_AT_ONCE}x}"
        for start in range(0, len(digits), 24):
            yield f"req_{digits[start : start + 24]}"


def _text_of(address: Address | None) -> str | None:
    return None if address is None else str(address)


async def _show(page: Page, scope: Scope, receive: Receive, path: Mapping[str, str]) -> Reply:
    response = await page.show(Request({**scope, "path_params": path}, receive))
    headers = [(name, value) for name, value in response.raw_headers if name not in OURS]
    return reply(response.status_code, headers, bytes(response.body))


def _wrong_method(route: Route) -> Problem:
    return Problem("operation_unsupported", f"This address answers {route.allow} only.", headers={"Allow": route.allow})


def _key_of(headers: Mapping[str, str]) -> str:
    scheme, _, text = headers.get("authorization", "").partition(" ")
    key = text.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()
    if not key:
        raise Problem("unauthenticated", "Send an API key: `Authorization: Bearer polder_live_…`.")
    return key
