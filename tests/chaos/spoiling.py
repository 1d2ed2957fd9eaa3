"""A system some of whose answers to writes never arrive, and some of whose requests."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Literal, get_args

from gateway.contract.emulator import Emulator, Fault, Message, Receive, Seen, Send
from gateway.contract.exact import dumps

Shape = Literal["no reply", "reset", "502", "truncated", "late", "lost"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
LATEST = 1.0
"""Seconds after which a late request is carried out at the latest."""


class Spoiled:
    """An emulator some of whose answers to writes never arrive, and some of whose requests."""

    def __init__(self, emulator: Emulator, random: Random) -> None:
        self.emulator = emulator
        self.shapes: Counter[str] = Counter()
        self.share = 0.0
        self._random = random
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        shape = self._shape(scope)
        if shape is None:
            await self.emulator(scope, receive, send)
            return
        self.shapes[shape] += 1
        body = await _whole(receive)
        if shape == "late":
            task = asyncio.create_task(self._carried_out_late(scope, body))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        elif shape in ("no reply", "reset"):
            await self.emulator(scope, _replay(body), _nowhere)
        elif shape in ("502", "truncated"):
            fault = Fault("html", status=502) if shape == "502" else Fault("truncated", status=201)
            self.emulator.fail(fault, when=_this(scope))
            await self.emulator(scope, _replay(body), send)
            return
        if shape in ("no reply", "late"):
            await _until_gone(receive)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4096")]})
        raise ConnectionResetError("the connection breaks, as it was asked to")

    def _shape(self, scope: Message) -> Shape | None:
        if scope["method"] in ("GET", "HEAD") or self._random.random() >= self.share:
            return None
        path = scope["path"]
        if any(word in path for word in ("token", "session", "login")):
            return None
        return self._random.choice(SHAPES)

    async def _carried_out_late(self, scope: Message, body: bytes) -> None:
        await asyncio.sleep(self._random.uniform(0, LATEST))
        await self.emulator(scope, _replay(body), _nowhere)

    async def settle(self) -> None:
        """Wait for what is late."""
        await asyncio.gather(*self._late, return_exceptions=True)

    def made(self, resource: str, marks: Sequence[str]) -> Counter[str]:
        """How many records in the books bear each mark."""
        found: Counter[str] = Counter()
        for row in self.emulator.books()[resource]:
            text = dumps(row).decode()
            found.update(mark for mark in marks if mark in text)
        return found


def _this(scope: Message) -> Any:
    path, method = scope["path"], scope["method"]

    def when(seen: Seen) -> bool:
        return (seen.method, seen.path) == (method, path)

    return when


async def _whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _nowhere(message: Message) -> None:
    del message


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
