"""The seam to the network: what an exchange is, and what became of a request.

Every failure is one of two kinds, because a write may be repeated after one and never after the other:

- ``NotSent``: the provider surely did not get the whole request (no connection, no free slot, not writable).
- ``Unanswered``: it may have; the answer was late, broken off, or no HTTP at all.

``sockets`` carries requests over the network. Any transport of httpx2 (or httpx, which has the same API) can take its
place, such as one that calls an ASGI application: its errors are told as one of the two kinds here.
"""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar, Protocol
from urllib.parse import urlencode

try:
    import httpx2 as httpx
except ImportError:  # pragma: no cover - only where httpx2 is not installed
    import httpx  # type: ignore[import-not-found,no-redef,unused-ignore]  # the same API under its old name

from gateway.contract.clock import Clock
from gateway.contract.exact import dumps
from gateway.contract.upstream import Reply, Request
from gateway.engine.tracing import UNTRACED, Tracer
from gateway.engine.waiting import waiting

ANSWER_LIMIT = 25 * 1024 * 1024
"""Bytes of an answer we are willing to hold."""


class NotSent(Exception):
    """The provider surely did not get the request."""


class Unwritable(NotSent):
    """The request cannot be written down; ``header`` names the one that is to blame, where one is.

    So it says nothing of how the provider does, and the same request fares no better a second time.
    """

    def __init__(self, reason: str, header: str | None = None) -> None:
        super().__init__(reason)
        self.header = header


class Unanswered(Exception):
    """The provider may have got the request; ``late`` where it was merely too slow."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


def too_late() -> Unanswered:
    """The time in all is over."""
    return Unanswered("no answer in time", late=True)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection and for a free slot: who waits in vain knows that nothing was sent."""

    connect: float = 3.0
    pool: float = 1.0

    def within(self, seconds: float) -> "Timeouts":
        """These, none longer than what is left."""
        if seconds >= self.connect and seconds >= self.pool:
            return self  # nearly always; a carrier keeps what it makes of the same ones
        bound = max(0.001, seconds)
        return Timeouts(min(self.connect, bound), min(self.pool, bound))


USUAL = Timeouts()


def encode(request: Request) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request as they go on the wire."""
    headers = {"accept": "application/json", "user-agent": "Polder", **request.headers}
    if request.json is not None:
        headers.setdefault("content-type", "application/json")
        return headers, dumps(request.json)
    if request.form is not None:
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
        return headers, urlencode(request.form).encode()
    return headers, request.body or b""


class Carrier(Protocol):
    """Carries requests to one origin."""

    async def carry(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeouts: Timeouts,
        within: float,
    ) -> Reply:
        """Send one request, once, and read its answer whole; header names become lower case.

        It takes ``within`` seconds in all, at most. Raises ``NotSent`` or ``Unanswered``.
        """

    async def aclose(self) -> None:
        """Let go of every connection."""


TransportFor = Callable[[str], Carrier | httpx.AsyncBaseTransport]
"""What to use for an origin."""


class Wire:
    """Sends requests to origins and gives replies whole."""

    def __init__(self, clock: Clock, transport_for: TransportFor, tracer: Tracer = UNTRACED) -> None:
        self._clock = clock
        self._tracer = tracer
        self._transport_for = transport_for
        self._carriers: dict[str, Carrier] = {}

    async def send(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        within: float,
        timeouts: Timeouts = USUAL,
    ) -> Reply:
        """Send one request and read its answer, in ``within`` seconds: what is left of the caller's time, or less.

        Raises ``NotSent`` or ``Unanswered``.
        """
        with self._tracer.call(method, origin) as span:
            try:
                sent = {**headers, **span.headers} if span.headers else headers
                reply = await self._answer(method, origin, target, sent, body, within, timeouts)
            except (NotSent, Unanswered) as error:
                late = isinstance(error, Unanswered) and error.late
                span.failed("timeout" if late else type(error).__name__)
                raise
            span.ended(reply.status)
            return reply

    async def _answer(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        within: float,
        timeouts: Timeouts,
    ) -> Reply:
        _refuse_unwritable(target, headers)
        started = self._clock.monotonic()
        with waiting():
            reply = await self._carrier(origin).carry(
                method, origin, target, headers, body, timeouts.within(within), max(0.001, within)
            )
        if self._clock.monotonic() - started > within:
            raise too_late()
        return reply

    def _carrier(self, origin: str) -> Carrier:
        carrier = self._carriers.get(origin)
        if carrier is None:
            given = self._transport_for(origin)
            carrier = Mounted(given) if isinstance(given, httpx.AsyncBaseTransport) else given
            self._carriers[origin] = carrier
        return carrier

    async def close(self) -> None:
        """Let go of every connection."""
        for carrier in self._carriers.values():
            await carrier.aclose()
        self._carriers.clear()


def _refuse_unwritable(target: str, headers: Mapping[str, str]) -> None:
    """Raise ``Unwritable`` for what would break out of its line, or is no ASCII."""
    if not is_writable(target) or " " in target or "#" in target:
        raise Unwritable("the address cannot be written")
    for name, text in headers.items():
        if not is_writable(text):
            raise Unwritable(f"the header {name} cannot be written", name)


def is_writable(text: str) -> bool:
    """Whether a text can stand in a request line or a header."""
    return text.isascii() and (text.isprintable() or text.replace("\t", " ").isprintable())


class Body:
    """A body as it comes in, piece by piece; compression is taken off, for some servers pack what nobody asked them to.

    httpx's own decoders take an answer that was cut off for a whole one, and unpack without bound.
    """

    _WINDOWS: ClassVar[Mapping[str, int]] = {"gzip": 31, "x-gzip": 31, "deflate": 15}

    def __init__(self, encoding: str) -> None:
        """Raises ``Unanswered`` for what cannot be unpacked."""
        name = encoding.strip().lower()
        plain = name in ("", "identity")
        if not plain and name not in self._WINDOWS:
            raise Unanswered("the answer is packed in a way that nobody asked for")
        self._packed = None if plain else zlib.decompressobj(self._WINDOWS[name])
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> None:
        """One more piece. Raises ``Unanswered`` where it becomes too large, or is not packed as it was said to be."""
        if self._packed is not None:
            piece = self._unpacked(self._packed, piece)
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > ANSWER_LIMIT:
            raise Unanswered("the answer is too large")

    def whole(self) -> bytes:
        """All of it, when nothing more comes. Raises ``Unanswered`` where the end of what was packed is missing."""
        if self._packed is not None and (not self._packed.eof or self._packed.unused_data):
            raise Unanswered("the answer is not packed as it says")
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _unpacked(self, packed: "zlib._Decompress", piece: bytes) -> bytes:
        try:
            return packed.decompress(piece, ANSWER_LIMIT + 1 - self._size)
        except zlib.error as error:
            raise Unanswered("the answer is not packed as it says") from error


class Mounted:
    """A transport of httpx as a carrier."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def carry(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeouts: Timeouts,
        within: float,
    ) -> Reply:
        """Send one request, and read its answer whole. What takes too long is called off."""
        try:
            async with asyncio.timeout(within):
                return await self._carried(method, origin, target, headers, body, timeouts)
        except TimeoutError as error:
            raise too_late() from error

    async def _carried(
        self, method: str, origin: str, target: str, headers: Mapping[str, str], body: bytes, timeouts: Timeouts
    ) -> Reply:
        try:
            base = httpx.URL(origin)
            url = httpx.URL(scheme=base.scheme, host=base.host, port=base.port, raw_path=target.encode("ascii"))
            extensions = {"timeout": {**asdict(timeouts), "read": None, "write": None}}
            request = httpx.Request(method, url, headers=dict(headers), content=body, extensions=extensions)
        except (httpx.InvalidURL, ValueError) as error:
            raise Unwritable("the request cannot be written") from error
        try:
            response = await self._transport.handle_async_request(request)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.UnsupportedProtocol,
            httpx.LocalProtocolError,
        ) as error:
            raise NotSent(type(error).__name__) from error
        except httpx.ReadTimeout as error:
            raise too_late() from error
        except (httpx.TransportError, OSError) as error:
            raise Unanswered(type(error).__name__) from error
        received = {name.lower(): text for name, text in response.headers.items()}
        try:
            return Reply(response.status_code, received, await self._body_of(response))
        finally:
            await response.aclose()

    async def _body_of(self, response: httpx.Response) -> bytes:
        if response.is_stream_consumed:
            return response.content
        try:
            body = Body(response.headers.get("content-encoding", ""))
            async for piece in response.aiter_raw():
                body.feed(piece)
            return body.whole()
        except httpx.ReadTimeout as error:
            raise Unanswered("the answer stopped half-way", late=True) from error
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise Unanswered(f"the answer broke off ({type(error).__name__})") from error

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()
