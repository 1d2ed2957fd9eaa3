"""uvicorn's HTTP/1.1, which can also write an answer at once (``replies.AT_ONCE``).

uvicorn writes an answer's head and its body apart: two calls of the operating system, each of which wakes the reader.
And it looks at every header of every answer, where ours were looked at when they were made. Both together were a
quarter of the time of an answer from memory (benchmarks/README.md).

A connection that ends while its caller still sends is closed in stages (RFC 9112 §9.6): closed at once, it would be
reset, and the reset may take the answer from the caller before it was read.

llhttp (httptools) collects a header until it is whole, however long it is, and copies it anew for each of its pieces.
What is to be a head, or comes behind a body, has a bound here.

Nor does it read the body of who offers another protocol, as Java's HTTP client and curl do with HTTP/2 before they are
told that there is none: a write would be taken for one without a body. That is read as if nothing had been offered.
"""

import asyncio
import sys
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.web.replies import AT_ONCE, WriteAtOnce

HEAD_TIMEOUT = 10.0
"""Seconds for a head to be whole, from its first piece on or, of a new connection, from its beginning: whoever says
nothing, or too little, holds no place for ever. uvicorn itself bounds only the time between two requests."""
LONGEST_HEAD = 64 * 1024
"""Bytes after which a head that is not whole is not waited for: above what the application takes of any."""
LONGEST_FRAMES = 1024 * 1024
"""Bytes that may come for a body without any of it: the sizes of pieces, trailers."""
LINGER = 32 * 1024 * 1024
"""Bytes that may still come after the last answer of a connection; they are thrown away. As many as a file may have,
and more: many a client reads nothing before it has sent all of a file that is too large."""


class Protocol(HttpToolsProtocol):
    """One connection of a caller."""

    _answering: RequestResponseCycle
    """The request that is answered: those that were sent ahead wait for their turn."""
    _part: object = None
    """The head or the body that was not whole when something came last."""
    _waited = 0
    """Bytes that came of it since then, or since some of the body came."""
    _came = b""
    """What the parser is fed."""
    _rest = b""
    """What it is to be fed anew."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn names the kind that there is
        self._be_patient()
        self._extensions: dict[str, WriteAtOnce] = {AT_ONCE: self._write_at_once}

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        self._head_timeout.cancel()
        self._extensions.clear()  # by which it refers to itself

    def data_received(self, data: bytes) -> None:
        """Something of a request."""
        self._came = data
        HttpToolsProtocol.data_received(self, data)  # super() takes as long again as all that is done here
        while self._rest:
            self._came, self._rest = self._rest, b""
            HttpToolsProtocol.data_received(self, self._came)
        cycle = self.cycle
        if cycle is None or cycle.more_body or cycle.scope is not self.scope:
            self._still_waits(len(data), for_head=self._waits_for_head())

    def on_headers_complete(self) -> None:
        """A head is whole."""
        if not self._is_offered_another():
            HttpToolsProtocol.on_headers_complete(self)

    def on_message_complete(self) -> None:
        """A request is whole."""
        if not self._is_offered_another():
            HttpToolsProtocol.on_message_complete(self)

    def _is_offered_another(self) -> bool:
        """Whether this request offers a protocol that nobody here speaks. CONNECT is no offer, and refused."""
        return self.parser.should_upgrade() and not self._should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _unsupported_upgrade_warning(self) -> None:
        """The offer is not heeded (RFC 9110 §7.8): the same request comes again without it, and what is behind it."""
        stopped = sys.exception()  # httptools' HttpParserUpgrade: it says how much of what came was read
        if stopped is None or not self._is_offered_another():
            return
        lines = [b"%b: %b\r\n" % pair for pair in self.headers if pair[0] != b"upgrade"]
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        self._rest = b"".join([first, *lines, b"\r\n", self._came[stopped.args[0] :]])
        self.parser = type(self.parser)(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def _waits_for_head(self) -> bool:
        return self.cycle is None or self.cycle.scope is not self.scope

    def _be_patient(self) -> None:
        self._head_timeout = self.loop.call_later(HEAD_TIMEOUT, self._head_timed_out)

    def _head_timed_out(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # Whoever sends ahead is owed an answer, and is not listened to meanwhile: the rest may be there long since.
            self._be_patient()
        elif self._waits_for_head():
            self.transport.close()

    def _still_waits(self, size: int, *, for_head: bool) -> None:
        """So many bytes came, and the request is not whole: what has no end is not listened to."""
        part: object = self.scope if for_head else self.cycle
        if part is not self._part:  # of the bytes it began with, nobody knows how many are its own
            if for_head and self.cycle is not None:  # of the first, the time runs since the connection was made
                self._head_timeout.cancel()
                self._be_patient()
            self._part, self._waited = part, 0
            return
        self._waited += size
        if self.transport.is_closing():
            return
        if for_head and self._waited > LONGEST_HEAD and self.scope is not None:
            self._refuse_head()
        elif self._waited > LONGEST_FRAMES:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._waited = 0
        super().on_body(body)

    def _refuse_head(self) -> None:
        """Have the application answer as it answers whoever sends too many headers, and listen no more."""
        self.flow.pause_reading()
        members = {
            "method": "GET",
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "headers": [(b"", bytes(self._waited))],
        }
        self.scope = {**self.scope, **members}  # type: ignore[typeddict-item]  # what uvicorn adds when a head is whole
        waits = self.cycle is not None and not self.cycle.response_complete
        self.cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        if waits:
            self.pipeline.appendleft((self.cycle, self.app))
        else:
            self._start_asgi_task(self.cycle, self.app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        cycle.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # uvicorn names its own only
        super()._start_asgi_task(cycle, app)

    def _write_at_once(self, status: int, head: bytes, body: bytes, last: bool) -> bool:
        """What uvicorn does for both messages of an answer, where its reader keeps up."""
        cycle = self._answering
        if cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
            return False
        ours = b"".join([b"%b: %b\r\n" % pair for pair in cycle.default_headers])
        end = b"\r\n" if last or cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join((STATUS_LINE[status], ours, head, end, body)))
        cycle.message_event.set()
        if last or not cycle.keep_alive:
            self._end(cycle)
        cycle.on_response()
        return True

    def _end(self, cycle: RequestResponseCycle) -> None:
        """No other request of this connection is looked at, though it was sent already."""
        self.pipeline.clear()
        if cycle.more_body:
            Lingering(self, self.transport)
        else:
            self.transport.close()


class Lingering(asyncio.Protocol):
    """A connection from its last answer on: nothing more is said, and what comes is thrown away.

    Its caller closes it; if not, it ends like one on which nothing is asked any more.
    """

    def __init__(self, former: Protocol, transport: asyncio.Transport) -> None:
        self._former = former
        self._transport = transport
        self._left = LINGER
        transport.set_protocol(self)
        with suppress(OSError):  # who has just reset it hears no end
            transport.write_eof()

    def data_received(self, data: bytes) -> None:
        """More of a request that was answered."""
        self._left -= len(data)
        if self._left < 0:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone: the server counts it no more."""
        self._former.connection_lost(exc)
