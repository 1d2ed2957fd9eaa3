"""The accounting systems' side of the benchmark: a socket server that says recorded replies at next to no cost.

``python -m benchmarks.stub RECORDED`` prints its port. Under ``/fresh`` nothing is read: whether replies change is told
by a request to ``/=fresh`` or ``/=same``, which is answered with the number of requests since the last such one.
"""

import asyncio
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from benchmarks.conversation import MARK, Said
from gateway.serve import run

_MARK = MARK.encode()
_DIGITS = 8


class Replies:
    """What is said to whom; in a reply that holds the mark, its number is another one each time while ``fresh``."""

    def __init__(self, recorded: Mapping[str, Said]) -> None:
        self._whole: dict[bytes, bytes] = {}
        self._split: dict[bytes, tuple[bytes, ...]] = {}
        for name, (status, headers, body) in recorded.items():
            whole = _written(status, headers, body)
            self._whole[name.encode()] = whole
            if _MARK in whole:
                self._split[name.encode()] = tuple(whole.split(_MARK))
        self.fresh = False
        self.count = 0

    def answer(self, name: bytes) -> bytes:
        """The reply to ``METHOD target``."""
        if name.startswith(b"GET /="):
            self.fresh = name.endswith(b"fresh")
            told, self.count = self.count, 0
            return _written(200, {}, str(told).encode())
        self.count += 1
        if self.fresh and (parts := self._split.get(name)) is not None:
            return (b"BENCH-%0*d" % (_DIGITS, self.count)).join(parts)
        return self._whole.get(name) or _written(404, {}, b"not recorded: " + name)


def _written(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} Recorded", *(f"{name}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


class _Conversation(asyncio.Protocol):
    """One keep-alive connection. It reads just enough of HTTP to know where a request ends."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's does not say that it is one

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        assert self._transport is not None
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = 0
            if (at := head.find(b"\r\ncontent-length:")) >= 0:
                length = int(head[at + 17 :].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            name = self._buffer[: self._buffer.index(b" HTTP/")]
            self._buffer = self._buffer[end + 4 + length :]
            self._transport.write(self._replies.answer(name))


async def _serve(recorded: Path) -> None:
    replies = Replies(pickle.loads(recorded.read_bytes()))  # written by the command that starts this
    server = await asyncio.get_running_loop().create_server(lambda: _Conversation(replies), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    run(_serve(Path(sys.argv[1])))
