"""A connection that speaks HTTP/1.1 (RFC 9112): a request is written, and its answer read by llhttp.

llhttp (httptools, which uvicorn reads requests with) is strict: what says its length twice, or in two ways, is no
answer. What it leaves to its user is done here: a head has a bound, a body ends as it was said to, and a connection on
which anything else was said is not used again.
"""

import asyncio
from typing import cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.contract.upstream import Reply
from gateway.engine.network.http import ANSWER_LIMIT, Body, NotSent, Unanswered, too_late

_LONGEST_HEAD = 64 * 1024
_LONGEST = 2 * ANSWER_LIMIT
"""Bytes that may come for one answer, with all that stands around the pieces of its body."""


class Connection(asyncio.Protocol):
    """One connection. It carries one request at a time; llhttp calls what begins with ``on_``."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._answered: asyncio.Future[Reply] | None = None
        self._headers: dict[str, str] = {}
        self._body: Body | None = None
        self._received = 0
        self._is_bodiless = False
        self._has_ended = False

    @property
    def is_open(self) -> bool:
        """Whether a request can be written to it."""
        return self._transport is not None and not self._has_ended and not self._transport.is_closing()

    async def exchange(self, head: bytes, body: bytes, over: float, *, to_head: bool = False) -> Reply:
        """Write a request, and read its answer. Who fails, or is called off, leaves the connection closed.

        Raises ``NotSent`` where it was closed before, and ``Unanswered``: also where the answer is not there by the
        time of ``over``, in seconds as the event loop counts them.
        """
        if self._transport is None or not self.is_open:
            raise NotSent("the connection closed before anything was sent")
        self._answered = self._loop.create_future()
        self._headers, self._body, self._received, self._is_bodiless = {}, None, 0, to_head
        self._transport.write(head)
        if body:
            self._transport.write(body)
        # A timer, not asyncio.timeout(): that looks for the task it may have to call off, and takes half as long again.
        alarm = self._loop.call_at(over, self._late)
        try:
            return await self._answered
        except BaseException:
            self.close()  # an answer may still be on its way
            raise
        finally:
            alarm.cancel()
            self._answered = self._body = None

    def close(self) -> None:
        """Close it at once, whatever was not written yet."""
        if self._transport is not None:
            self._transport.abort()

    # --- what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not say that it is one

    def data_received(self, data: bytes) -> None:
        """A part of an answer, or what nobody asked for."""
        if self._awaited is None:
            self.close()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as error:
            fault = error.__context__
            self._fail(fault if isinstance(fault, Unanswered) else Unanswered(type(fault).__name__))
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(Unanswered(type(error).__name__))
        if self._received > (_LONGEST_HEAD if self._body is None else _LONGEST):
            self._fail(Unanswered("the answer has no end"))

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone: that ends a body that has no other end."""
        self._has_ended = True
        has_end = "content-length" in self._headers or "transfer-encoding" in self._headers
        if error is not None or self._body is None or has_end:
            self._fail(Unanswered("the answer broke off" if error is None else type(error).__name__))
            return
        try:
            self._end()
        except Unanswered as fault:
            self._fail(fault)

    # --- what llhttp tells

    def on_message_begin(self) -> None:
        """An answer begins: one more than was asked for ends the connection."""
        if self._awaited is None:
            self.close()

    def on_header(self, name: bytes, text: bytes) -> None:
        """What is said more than once is joined by commas (RFC 9110 §5.3); what follows a body is left alone."""
        if self._body is None:
            key, value = name.decode("latin-1").lower(), _text_of(text)
            self._headers[key] = f"{self._headers[key]}, {value}" if key in self._headers else value

    def on_headers_complete(self) -> None:
        """The head is over. After an interim one (RFC 9110 §15.2) another comes."""
        if self._parser.get_status_code() < 200:
            self._headers = {}
        else:
            self._body = Body(self._headers.get("content-encoding", ""))
            if self._is_bodiless:
                self._end()
                self.close()  # llhttp waits for the body that is not sent

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self._body is not None:
            self._body.feed(piece)

    def on_message_complete(self) -> None:
        """The answer ends as it was said to."""
        if self._body is not None:
            self._end()
            if not self._parser.should_keep_alive():
                self.close()

    # --- how it ends

    @property
    def _awaited(self) -> asyncio.Future[Reply] | None:
        """What waits for the answer; None where nobody does, or it is there."""
        return None if self._answered is None or self._answered.done() else self._answered

    def _end(self) -> None:
        if (awaited := self._awaited) is not None and self._body is not None:
            awaited.set_result(Reply(self._parser.get_status_code(), self._headers, self._body.whole()))

    def _late(self) -> None:
        self._fail(too_late())

    def _fail(self, fault: Unanswered) -> None:
        """No answer, unless it was there already."""
        if (awaited := self._awaited) is not None:
            awaited.set_exception(fault)
        self.close()


def _text_of(raw: bytes) -> str:
    """A field's value, without the white space around it (RFC 9110 §5.5), of which llhttp leaves what is behind."""
    stripped = raw.strip(b" \t")
    try:
        return stripped.decode()
    except UnicodeDecodeError:
        return stripped.decode("latin-1")
