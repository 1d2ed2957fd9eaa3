"""The way to the network: HTTP/1.1 on asyncio's own transports.

What becomes of a write is told from here on, so nothing is repeated here, and who carries a request knows what was
handed to the network: before its first byte is, it is ``NotSent``, and after that ``Unanswered``. A write gets a
connection of its own: on one that was kept, a server that had just closed it cannot be told from one that did the work
and left.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohappyeyeballs import start_connection

from gateway.contract.upstream import Reply
from gateway.engine.network.http import NotSent, Timeouts
from gateway.engine.network.http1 import Connection

_CONNECTIONS = 128
_IDLE_SECONDS = 15.0
_NEXT_ADDRESS = 0.25
"""Seconds after which a host's next address is tried beside the one before (RFC 8305 §5)."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_TLS = ssl.create_default_context()
"""Whom the system trusts to vouch for names. It takes long to read, so it is read before anybody waits for a call."""
_TLS.set_alpn_protocols(["http/1.1"])


def network(origin: str) -> "NetworkTransport":
    """The network: TLS verified; no proxy from the environment, redirect, cookie or retry."""
    del origin
    return NetworkTransport()


class NetworkTransport:
    """At most so many connections for reads, which are kept, and as many for writes, which are not."""

    def __init__(self, connections: int = _CONNECTIONS) -> None:
        self._reads = _Places(connections)
        self._writes = _Places(connections)
        self._pool = _Pool()

    @property
    def in_use(self) -> int:
        """How many connections a request holds now."""
        return self._reads.in_use + self._writes.in_use

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
        """Send one request, once, and read its answer whole. Raises ``NotSent`` or ``Unanswered``."""
        loop = asyncio.get_running_loop()
        over = loop.time() + within
        is_read = method in _READS
        address = _address_of(origin)
        head = _head_of(method, target, address, headers, len(body), is_read=is_read)
        places = self._reads if is_read else self._writes
        await places.take(timeouts.pool)
        try:
            connection = self._pool.take(origin) if is_read else None
            if connection is None:
                connection = await _connected(address, min(timeouts.connect, over - loop.time()))
            try:
                return await connection.exchange(head, body, over, to_head=method == "HEAD")
            finally:
                if is_read:
                    self._pool.put(origin, connection)
                else:
                    connection.close()
        finally:
            places.release()

    async def aclose(self) -> None:
        """Let go of every connection."""
        self._pool.close()


class _Address(NamedTuple):
    """Where an origin is, and how it is named in a request."""

    host: str
    port: int
    is_secure: bool
    name: str


@lru_cache(256)
def _address_of(origin: str) -> _Address:
    """Raises ``NotSent`` for what is no origin."""
    try:
        parts = urlsplit(origin)
        usual = _PORTS[parts.scheme]
        port = parts.port or usual
        host = _ascii(parts.hostname or "")
    except (KeyError, ValueError) as error:
        raise NotSent("the address cannot be written") from error
    shown = f"[{host}]" if ":" in host else host
    return _Address(host, port, parts.scheme == "https", shown if port == usual else f"{shown}:{port}")


def _ascii(host: str) -> str:
    """A host's name as DNS has it (RFC 5890). Raises ``ValueError``."""
    return host if host.isascii() else host.encode("idna").decode()


def _head_of(
    method: str, target: str, address: _Address, headers: Mapping[str, str], size: int, *, is_read: bool
) -> bytes:
    """A request up to its body of so many bytes. A write says that too where there are none (RFC 9110 §8.6)."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {address.name}", *(f"{name}: {headers[name]}" for name in headers)]
    if size or not is_read:
        lines.append(f"Content-Length: {size}")
    if not is_read:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _connected(address: _Address, seconds: float) -> Connection:
    """A new connection. Raises ``NotSent``."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            reached = await start_connection(found, happy_eyeballs_delay=_NEXT_ADDRESS, interleave=1)
            try:
                secured, name = (_TLS, address.host) if address.is_secure else (None, None)
                _, connection = await loop.create_connection(
                    Connection, sock=reached, ssl=secured, server_hostname=name
                )
            except BaseException:
                reached.close()
                raise
    except (OSError, UnicodeError) as error:  # also of TLS, of time, and of a name that DNS cannot have
        raise NotSent(type(error).__name__) from error
    return connection


class _Places:
    """Places for requests in flight."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._free = asyncio.Semaphore(places)
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

    def release(self) -> None:
        """Let the next one in."""
        self.in_use -= 1
        self._free.release()


class _Pool:
    """Connections that are free, by origin, each with the moment since when; the last one put there is taken first."""

    def __init__(self) -> None:
        self._free: dict[str, list[tuple[float, Connection]]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    def take(self, origin: str) -> Connection | None:
        """One that is still open; None where there is none."""
        free = self._free.get(origin)
        while free:
            _, connection = free.pop()
            if connection.is_open:
                return connection
        return None

    def put(self, origin: str, connection: Connection) -> None:
        """Keep one for a while, if it is good for another request."""
        if not connection.is_open:
            return
        if self._is_closed:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        self._free.setdefault(origin, []).append((loop.time(), connection))
        if self._sweep is None:
            self._sweep = loop.call_later(_IDLE_SECONDS, self._swept)

    def _swept(self) -> None:
        """Close those that nobody took for long, and come again as long as there are others."""
        loop = asyncio.get_running_loop()
        long_ago = loop.time() - _IDLE_SECONDS
        for origin, free in list(self._free.items()):
            for since, connection in free:
                if since <= long_ago:
                    connection.close()
            self._free[origin] = [one for one in free if one[1].is_open]
            if not self._free[origin]:
                del self._free[origin]
        self._sweep = loop.call_later(_IDLE_SECONDS, self._swept) if self._free else None

    def close(self) -> None:
        """Close all of them, and those that come back later."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for free in self._free.values():
            for _, connection in free:
                connection.close()
        self._free.clear()
