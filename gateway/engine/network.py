"""The way to the network: aiohttp.

aiohttp carries several times what httpx2's own pool does at high concurrency (``benchmarks/README.md``), and what
became of a request can be told exactly: nothing is repeated by itself. A write gets a connection of its own: on one
that was kept, a server that had just closed it cannot be told from one that did the work and left.
"""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO

import aiohttp
from yarl import URL

from gateway.contract.upstream import Reply
from gateway.engine.http import NotSent, Timeouts, Unanswered, read_whole

_CONNECTIONS = 128
_KEPT_SECONDS = 15.0
_WRITTEN_AT_ONCE = 1 << 20
"""Bytes of a body; a longer one is written in pieces, so that nobody else waits for it."""
_LONGEST_LINE = 64 * 1024
_ADDED_BY_NOBODY = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add by itself: a request carries what it is given."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def network(origin: str) -> "NetworkTransport":
    """The network: TLS verified; no proxy from the environment, redirect, cookie or retry."""
    del origin
    return NetworkTransport()


class NetworkTransport:
    """At most so many connections for reads, which are kept, and as many for writes, which are not."""

    def __init__(self, connections: int = _CONNECTIONS) -> None:
        self._reads = _Pool(connections, kept=True)
        self._writes = _Pool(connections, kept=False)

    @property
    def in_use(self) -> int:
        """How many connections a request holds now."""
        return self._reads.in_use + self._writes.in_use

    async def carry(
        self, method: str, origin: str, target: str, headers: Mapping[str, str], body: bytes, patience: Timeouts
    ) -> Reply:
        """Send one request, once, and read its answer whole. Raises ``NotSent`` or ``Unanswered``."""
        pool = self._reads if method in _READS else self._writes
        try:
            url = URL(origin + target, encoded=True)
        except ValueError as error:
            raise NotSent("the address cannot be written") from error
        await pool.take(patience.pool)
        try:
            return await _exchanged(pool.session(), method, url, headers, body, patience)
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise _told(error) from error
        finally:
            pool.give_back()

    async def aclose(self) -> None:
        """Let go of every connection."""
        await self._reads.close()
        await self._writes.close()


async def _exchanged(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    headers: Mapping[str, str],
    body: bytes,
    patience: Timeouts,
) -> Reply:
    response = await session.request(
        method,
        url,
        headers=headers,
        data=BytesIO(body) if len(body) > _WRITTEN_AT_ONCE else body or None,
        timeout=_timeout(patience.connect),
        allow_redirects=False,
    )
    try:
        said = _headers_of(response)
        whole = await read_whole(response.content.iter_any(), said.get("content-encoding", ""))
    finally:
        # The connection is kept where the body was read to its end, and closed where it was not.
        response.release()
    return Reply(response.status, said, whole)


def _headers_of(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Names in lower case; what is said more than once is joined by commas (RFC 9110 §5.3)."""
    found: dict[str, str] = {}
    for raw_name, raw_text in response.raw_headers:
        name, text = raw_name.decode("latin-1").lower(), _text_of(raw_text)
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def _text_of(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@lru_cache(64)
def _timeout(connect: float) -> aiohttp.ClientTimeout:
    # An answer has no timeout of its own here, because the caller bounds it: aiohttp would set its alarm anew for
    # every piece that comes.
    return aiohttp.ClientTimeout(connect=connect, sock_connect=connect)


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
        """Wait for a place. Raises ``NotSent``."""
        if self._free.locked():
            try:
                async with asyncio.timeout(seconds):
                    await self._free.acquire()
            except TimeoutError as error:
                raise NotSent(f"all {self._places} connections are in use") from error
        else:
            await self._free.acquire()
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


def _told(error: Exception) -> NotSent | Unanswered:
    """What a failure says of the request. What is not surely "no connection" is not called so."""
    if isinstance(error, (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError, aiohttp.InvalidURL)):
        return NotSent(type(error).__name__)
    return Unanswered(type(error).__name__)
