"""What every emulator is: a provider in memory, an ASGI application, and faults on request.

An emulator stands where the vendor's own API would: under an in-process transport in the tests, on a loopback port for
``polder emulate`` and ``polder demo``. What the vendor's documents leave open is a *switch* (a keyword of the
emulator's constructor), so that an adapter can be proved indifferent to it.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.contract.clock import Clock

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it reached the emulator. ``path`` is as sent on the wire, percent-encoding and all."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


FaultKind = Literal["status", "html", "empty", "truncated", "scalar", "lost", "slow"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way for an answer to go wrong.

    - ``status``: ``status``, ``headers`` and ``body`` are answered and the work is not done.
    - ``html``, ``empty``, ``truncated``, ``scalar``: the work is done, but the answer is a web page, nothing, half a
      JSON text, or the bare JSON value ``42``; under ``status``.
    - ``lost``: the work is done and the connection breaks before the answer is whole, so its fate is unknown.
    - ``slow``: answered ``seconds`` late.
    """

    kind: FaultKind
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0


@dataclass(slots=True)
class _Armed:
    fault: Fault
    times: int
    when: Callable[[ReceivedRequest], bool]


def _always(request: ReceivedRequest) -> bool:
    del request
    return True


class Emulator(ABC):
    """A provider in memory. Subclasses bring the application and the books; this brings the journal and the faults."""

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self.journal: list[ReceivedRequest] = []
        self.extra_headers: Mapping[str, str] = {}
        """Headers that every answer has besides: what a vendor may tell, though no document says so."""
        self._faults: list[_Armed] = []

    @property
    @abstractmethod
    def app(self) -> ASGIApp:
        """The provider's API, without faults."""

    @abstractmethod
    def populate(self) -> None:
        """Fill the books with lifelike, always equal, data: what the demo shows."""

    @abstractmethod
    def credentials(self) -> Mapping[str, Any]:
        """Credentials that work here, as ``POST /v1/connections`` takes them."""

    def operator_settings(self) -> Mapping[str, str]:
        """What the operator must configure for this provider beside its address, by setting name."""
        return {}

    @abstractmethod
    def books(self) -> Mapping[str, Sequence[Record]]:
        """The live records by unified resource name (``contacts``, ``invoices``, …), in the provider's own words.

        The oracle of the tests: what is in here was really booked.
        """

    @abstractmethod
    def expire_tokens(self) -> None:
        """Make every access token given out so far worthless, as time would."""

    @abstractmethod
    def is_token_request(self, request: ReceivedRequest) -> bool:
        """Whether that request asked for a token (a log-in, an exchange, a refresh)."""

    def fail(self, fault: Fault, *, times: int = 1, when: Callable[[ReceivedRequest], bool] = _always) -> None:
        """Let the next ``times`` requests for which ``when`` holds go wrong."""
        self._faults.append(_Armed(fault, times, when))

    def heal(self) -> None:
        """Forget every fault that has not struck yet."""
        self._faults.clear()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, as the provider would or as a fault has it."""
        if scope["type"] != "http":
            return
        body = await _read(receive)
        request = ReceivedRequest(
            method=scope["method"],
            path=(scope.get("raw_path") or scope["path"].encode()).decode("ascii", "replace"),
            query=scope.get("query_string", b"").decode("ascii", "replace"),
            headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
        )
        self.journal.append(request)
        fault = self._strike(request)
        adding = _adding(self.extra_headers, send) if self.extra_headers else send
        if fault is None:
            await self.app(scope, _replay(body), adding)
        else:
            await self._go_wrong(fault, scope, body, adding)

    def _strike(self, request: ReceivedRequest) -> Fault | None:
        for armed in self._faults:
            if armed.times > 0 and armed.when(request):
                armed.times -= 1
                return armed.fault
        return None

    async def _go_wrong(self, fault: Fault, scope: Message, body: bytes, send: Send) -> None:
        if fault.kind == "status":
            await _answer(send, fault.status, fault.headers, fault.body)
            return
        if fault.kind == "slow":
            await self.clock.sleep(fault.seconds)
            await self.app(scope, _replay(body), send)
            return
        swallowed = bytearray()
        await self.app(scope, _replay(body), _swallow(swallowed))
        if fault.kind == "html":
            page = b"<!doctype html><title>Oops</title><h1>Something went wrong</h1>"
            await _answer(send, fault.status, {"content-type": "text/html; charset=utf-8"}, page)
        elif fault.kind == "empty":
            await _answer(send, fault.status, {"content-type": "application/json"}, b"")
        elif fault.kind == "scalar":
            await _answer(send, fault.status, {"content-type": "application/json"}, b"42")
        elif fault.kind == "truncated":
            half = bytes(swallowed[: max(1, len(swallowed) // 2)])
            await _answer(send, fault.status, {"content-type": "application/json"}, half)
        else:
            await _break_off(send, fault.status)


async def _read(receive: Receive) -> bytes:
    chunks = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        chunks += message.get("body", b"")
        if not message.get("more_body"):
            break
    return bytes(chunks)


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _adding(headers: Mapping[str, str], send: Send) -> Send:
    lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *lines]}
        await send(message)

    return adding


def _swallow(into: bytearray) -> Send:
    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            into.extend(message.get("body", b""))

    return send


async def _answer(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
    lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def _break_off(send: Send, status: int) -> None:
    """Promise a body, give one byte of it, and drop the connection: a server closes the socket on the exception."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
    raise ConnectionResetError("the emulator broke the connection, as it was asked to")
