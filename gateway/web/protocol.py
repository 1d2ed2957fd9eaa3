"""uvicorn's HTTP/1.1, which can also write an answer at once (``replies.AT_ONCE``).

uvicorn writes an answer's head and its body apart: two calls of the operating system, each of which wakes the reader.
And it looks at every header of every answer, where ours were looked at when they were made. Both together were a
quarter of the time of an answer from memory (benchmarks/README.md).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.web.replies import AT_ONCE, WriteAtOnce


class Protocol(HttpToolsProtocol):
    """One connection of a caller."""

    _answering: RequestResponseCycle
    """The request that is answered: those that were sent ahead wait for their turn."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn names the kind that there is
        self._extensions: dict[str, WriteAtOnce] = {AT_ONCE: self._write_at_once}

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        self._extensions.clear()  # by which it refers to itself

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        cycle.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # uvicorn names its own only
        super()._start_asgi_task(cycle, app)

    def _write_at_once(self, status: int, head: bytes, body: bytes) -> bool:
        """What uvicorn does for both messages of an answer: where the connection stays, and its reader keeps up."""
        cycle = self._answering
        if cycle.response_started or cycle.disconnected or cycle.flow.write_paused or not cycle.keep_alive:
            return False
        ours = b"".join([b"%b: %b\r\n" % pair for pair in cycle.default_headers])
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join((STATUS_LINE[status], ours, head, b"\r\n", body)))
        cycle.message_event.set()
        cycle.on_response()
        return True
