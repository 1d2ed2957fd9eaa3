"""The way to the network: aiohttp behind httpx's transport interface.

aiohttp carries several times what httpx2's own pool does at high concurrency (``benchmarks/README.md``), and what
became of a request can be told as exactly: nothing is repeated by itself, and every failure is raised as the one of
httpx's errors that ``gateway.engine.http`` reads it from. A write gets a connection of its own: on one that was kept, a
server that had just closed it cannot be told from one that did the work and left.
"""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO

import aiohttp
from multidict import CIMultiDict
from yarl import URL

try:
    import httpx2 as httpx
except ImportError:  # pragma: no cover - only where httpx2 is not installed
    import httpx  # type: ignore[import-not-found,no-redef,unused-ignore]  # the same API under its old name

_CONNECTIONS = 128
_KEPT_SECONDS = 15.0
_WRITTEN_AT_ONCE = 1 << 20
"""Bytes of a body; a longer one is written in pieces, so that nobody else waits for it."""
_LONGEST_LINE = 64 * 1024
_ADDED_BY_NOBODY = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add by itself: a request carries what it is given."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def network(origin: str) -> httpx.AsyncBaseTransport:
    """A transport to the network: TLS verified; no proxy from the environment, redirect, cookie or retry."""
    del origin
    return NetworkTransport()


class NetworkTransport(httpx.AsyncBaseTransport):
    """At most so many connections for reads, which are kept, and as many for writes, which are not."""

    def __init__(self, connections: int = _CONNECTIONS) -> None:
        self._reads = _Pool(connections, kept=True)
        self._writes = _Pool(connections, kept=False)

    @property
    def in_use(self) -> int:
        """How many connections a request holds now."""
        return self._reads.in_use + self._writes.in_use

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, and answer as soon as the head of the response is there."""
        pool = self._reads if request.method in _READS else self._writes
        headers = _headers_of(request)
        patience = request.extensions["timeout"]
        await pool.take(patience["pool"])
        try:
            response = await pool.session().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=headers,
                data=_body_of(request),
                timeout=aiohttp.ClientTimeout(
                    connect=patience["connect"], sock_connect=patience["connect"], sock_read=patience["read"]
                ),
                allow_redirects=False,
            )
        except BaseException as error:
            pool.give_back()
            if isinstance(error, (aiohttp.ClientError, ValueError)):
                raise _as_httpx(error) from error
            raise
        return httpx.Response(response.status, headers=list(response.raw_headers), stream=_Body(response, pool))

    async def aclose(self) -> None:
        """Let go of every connection."""
        await self._reads.close()
        await self._writes.close()


class _Pool:
    """Places for requests in flight, and the session they share.

    The waiting is done here, because aiohttp counts it as a part of connecting.
    """

    def __init__(self, places: int, *, kept: bool) -> None:
        self._places = places
        self._free = asyncio.Semaphore(places)
        self._kept = kept
        self._made: aiohttp.ClientSession | None = None
        self.in_use = 0

    async def take(self, seconds: float) -> None:
        """Wait for a place. Raises ``PoolTimeout``."""
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout(f"all {self._places} connections are in use") from error
        self.in_use += 1

    def give_back(self) -> None:
        """Let the next one in."""
        self.in_use -= 1
        self._free.release()

    def session(self) -> aiohttp.ClientSession:
        """aiohttp's session: made at the first request, because it belongs to the event loop it is made in."""
        if self._made is None:
            self._made = _session(self._kept)
        return self._made

    async def close(self) -> None:
        """Close every connection."""
        if self._made is not None:
            await self._made.close()
            self._made = None


def _session(kept: bool) -> aiohttp.ClientSession:
    connector = (
        aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS)
        if kept
        else aiohttp.TCPConnector(limit=0, force_close=True)
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_ADDED_BY_NOBODY,
        auto_decompress=False,
        trust_env=False,
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_LINE,
    )
    # It has no public name, and else a PUT or DELETE whose connection broke would be sent again (RFC 9112 §9.3.1 lets
    # a client do so, Polder's certainty about writes does not). ``tests/engine/test_http.py`` sees whether it works.
    session._retry_connection = False
    return session


class _Body(httpx.AsyncByteStream):
    """What follows the head, as it comes."""

    def __init__(self, response: aiohttp.ClientResponse, pool: _Pool) -> None:
        self._response = response
        self._pool: _Pool | None = pool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, ValueError) as error:
            raise _as_httpx(error) from error

    async def aclose(self) -> None:
        """Keep the connection where the body was read to its end; close it where it was not."""
        pool, self._pool = self._pool, None
        if pool is not None:
            self._response.release()
            pool.give_back()


def _body_of(request: httpx.Request) -> bytes | BytesIO | None:
    body: bytes = request.content
    return BytesIO(body) if len(body) > _WRITTEN_AT_ONCE else body or None


def _headers_of(request: httpx.Request) -> CIMultiDict[str]:
    """The request's headers. Raises ``LocalProtocolError`` for one that would break out of its line."""
    headers: CIMultiDict[str] = CIMultiDict()
    for name, text in request.headers.raw:
        if b"\r" in text or b"\n" in text or b"\0" in text:
            raise httpx.LocalProtocolError(f"the header {name.decode('ascii', 'replace')} cannot be written")
        headers.add(name.decode("ascii"), text.decode("latin-1"))
    return headers


def _as_httpx(error: Exception) -> httpx.TransportError:
    """The error of httpx that means the same. What is not surely "no connection" is not called so."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return httpx.ConnectTimeout(str(error))
    if isinstance(error, aiohttp.ClientConnectorError):
        return httpx.ConnectError(str(error))
    if isinstance(error, aiohttp.InvalidURL):
        return httpx.UnsupportedProtocol(str(error))
    if isinstance(error, aiohttp.SocketTimeoutError):
        return httpx.ReadTimeout(str(error))
    return httpx.ReadError(type(error).__name__)
