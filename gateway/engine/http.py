"""The seam to the HTTP client: the only module that names it, and the one that says what became of a request.

The client is httpx2, the maintained continuation of httpx with the same API; where only httpx is there, that serves.
Its transports are used without its ``Client``: that adds cookies, redirects and cost, and we want none of them.

Every failure is one of two kinds, because a write may be repeated after one and never after the other:

- ``NotSent``: the provider surely did not get the whole request (no connection, no free slot, not writable).
- ``Unanswered``: it may have; the answer was late, broken off, or no HTTP at all.
"""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

try:
    import httpx2 as httpx
except ImportError:  # pragma: no cover - only where httpx2 is not installed
    import httpx  # type: ignore[import-not-found,no-redef,unused-ignore]  # the same API under its old name

from gateway.contract.clock import Clock
from gateway.contract.upstream import Reply
from gateway.engine.waiting import waiting

Transport = httpx.AsyncBaseTransport

ANSWER_LIMIT = 25 * 1024 * 1024
"""Bytes of an answer we are willing to hold."""


class NotSent(Exception):
    """The provider surely did not get the request."""


class Unanswered(Exception):
    """The provider may have got the request; ``late`` where it was merely too slow."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection, for a free slot, for the request to be written and for (more of) an answer."""

    connect: float = 3.0
    pool: float = 1.0
    write: float = 30.0
    read: float = 10.0

    def within(self, seconds: float) -> dict[str, float]:
        """These, none longer than what is left."""
        bound = max(0.001, seconds)
        return {
            "connect": min(self.connect, bound),
            "pool": min(self.pool, bound),
            "write": min(self.write, bound),
            "read": min(self.read, bound),
        }


READING = Timeouts()
WRITING = Timeouts(read=30.0)


class Unpacking:
    """What takes the compression off an answer. None is asked for, and some servers pack all the same.

    httpx's own decoders take an answer that was cut off for a whole one, and unpack without bound.
    """

    _WINDOWS: ClassVar[Mapping[str, int]] = {"gzip": 31, "x-gzip": 31, "deflate": 15}

    def __init__(self, encoding: str) -> None:
        """Raises ``Unanswered`` for what cannot be unpacked."""
        name = encoding.strip().lower()
        plain = name in ("", "identity")
        if not plain and name not in self._WINDOWS:
            raise Unanswered("the answer is packed in a way that nobody asked for")
        self._rest = None if plain else zlib.decompressobj(self._WINDOWS[name])

    def feed(self, chunk: bytes, most: int) -> bytes:
        """What a piece holds; no more than so many bytes of it. Raises ``zlib.error``."""
        return chunk if self._rest is None else self._rest.decompress(chunk, most)

    def finish(self) -> None:
        """Nothing more comes. Raises ``zlib.error`` where something should have."""
        if self._rest is not None and (not self._rest.eof or self._rest.unused_data):
            raise zlib.error("the end is missing, or something stands behind it")


TransportFor = Callable[[str], Transport]
"""The transport to use for an origin."""


@cache
def _parsed(origin: str) -> httpx.URL:
    """An origin, read once: there are as many as the operator configured."""
    return httpx.URL(origin)


class Wire:
    """Sends requests to origins and gives replies whole."""

    def __init__(self, clock: Clock, transport_for: TransportFor) -> None:
        self._clock = clock
        self._transport_for = transport_for
        self._transports: dict[str, Transport] = {}

    async def send(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        within: float,
        timeouts: Timeouts = READING,
    ) -> Reply:
        """Send one request and read its answer. ``within`` is what is left of the caller's time, in seconds.

        Raises ``NotSent`` or ``Unanswered``.
        """
        try:
            request = self._request(method, origin, target, headers, body, timeouts.within(within))
        except (httpx.InvalidURL, ValueError) as error:
            raise NotSent("the request cannot be written") from error
        started = self._clock.monotonic()
        try:
            with waiting():
                async with asyncio.timeout(max(0.001, within)):
                    reply = await self._exchange(self._transport(origin), request)
        except TimeoutError as error:
            raise Unanswered("no answer in time", late=True) from error
        if self._clock.monotonic() - started > within:
            raise Unanswered("no answer in time", late=True)
        return reply

    def _request(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeouts: dict[str, float],
    ) -> httpx.Request:
        base = _parsed(origin)
        path = target.encode("ascii")
        url = httpx.URL(scheme=base.scheme, host=base.host, port=base.port, raw_path=path)
        return httpx.Request(method, url, headers=dict(headers), content=body, extensions={"timeout": timeouts})

    async def _exchange(self, transport: Transport, request: httpx.Request) -> Reply:
        try:
            response = await transport.handle_async_request(request)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.UnsupportedProtocol,
            httpx.LocalProtocolError,
        ) as error:
            raise NotSent(type(error).__name__) from error
        except (httpx.WriteError, httpx.WriteTimeout) as error:
            raise Unanswered(type(error).__name__) from error
        except httpx.ReadTimeout as error:
            raise Unanswered("no answer in time", late=True) from error
        except (httpx.TransportError, OSError) as error:
            raise Unanswered(type(error).__name__) from error
        try:
            return await self._read(response)
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response) -> Reply:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        body = bytearray()
        unpacking = Unpacking(response.headers.get("content-encoding", ""))
        try:
            async for chunk in response.stream:
                body += unpacking.feed(chunk, ANSWER_LIMIT + 1 - len(body))
                if len(body) > ANSWER_LIMIT:
                    raise Unanswered("the answer is too large")
            unpacking.finish()
        except httpx.ReadTimeout as error:
            raise Unanswered("the answer stopped half-way", late=True) from error
        except zlib.error as error:
            raise Unanswered("the answer is not packed as it says") from error
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise Unanswered(f"the answer broke off ({type(error).__name__})") from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, headers, bytes(body))

    def _transport(self, origin: str) -> Transport:
        transport = self._transports.get(origin)
        if transport is None:
            transport = self._transports[origin] = self._transport_for(origin)
        return transport

    async def close(self) -> None:
        """Let go of every connection."""
        for transport in self._transports.values():
            await transport.aclose()
        self._transports.clear()
