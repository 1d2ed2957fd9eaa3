"""A system some of whose answers to writes never arrive, and some of whose requests."""

import asyncio
import hashlib
from collections import Counter
from random import Random
from typing import Literal, get_args

from gateway.contract.emulator import Emulator, Message, Receive, Send

Shape = Literal["no reply", "reset", "502", "truncated", "late", "lost"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
LATEST = 2.0
"""Seconds after which a late request is carried out at the latest."""
PAUSE = 0.02
"""Seconds that a write takes at most before it is done, and again before its answer leaves: room for a kill."""


class Spoiled:
    """An emulator that answers some writes so that nobody can know at once whether they were done.

    ``doubted`` are the writes that were so, each counted once however often it was sent: those whose answer was
    spoiled, and those in the emulator's hands when the gateway that had sent them was killed (``struck``).
    """

    def __init__(self, emulator: Emulator, random: Random) -> None:
        self.emulator = emulator
        self.shapes: Counter[str] = Counter()
        self.doubted: set[bytes] = set()
        self.writes: Counter[bytes] = Counter()
        self.share = 0.0
        self._random = random
        self._late: set[asyncio.Task[None]] = set()
        self._inside: Counter[bytes] = Counter()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] in ("GET", "HEAD") or any(word in scope["path"] for word in ("token", "session", "login")):
            await self.emulator(scope, receive, send)
            return
        body = await _whole(receive)
        write = hashlib.sha256(f"{scope['method']} {scope['path']}\n".encode() + body).digest()
        self.writes[write] += 1
        shape = self._random.choice(SHAPES) if self._random.random() < self.share else None
        if shape is not None:
            self.shapes[shape] += 1
            self.doubted.add(write)
        self._inside[write] += 1
        try:
            await self._write(shape, scope, body, receive, send)
        finally:
            self._inside -= Counter([write])

    @property
    def has_write_in_hand(self) -> bool:
        """Whether at this instant a write is being carried out whose answer would arrive."""
        return bool(self._inside.keys() - self.doubted)

    def struck(self) -> None:
        """The gateway that sent what is in hand was killed at this instant."""
        self.shapes["killed"] += len(self._inside.keys() - self.doubted)
        self.doubted |= self._inside.keys()

    async def _write(self, shape: Shape | None, scope: Message, body: bytes, receive: Receive, send: Send) -> None:
        if shape is None:
            await self._pause()
            await self.emulator(scope, _replay(body), self._slowly(send))
            return
        if shape == "late":
            task = asyncio.create_task(self._carried_out_late(scope, body))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        answer = bytearray()
        if shape in ("no reply", "reset", "502", "truncated"):
            await self.emulator(scope, _replay(body), _kept(answer))
        if shape == "502":
            await _answer(send, 502, b"text/html", b"<!doctype html><title>502 Bad Gateway</title>")
        elif shape == "truncated":
            await _answer(send, 201, b"application/json", bytes(answer[: max(1, len(answer) // 2)]))
        elif shape in ("no reply", "late"):
            await _until_gone(receive)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4096")]})
            raise ConnectionResetError("the connection breaks, as it was asked to")

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.uniform(0, PAUSE))

    def _slowly(self, send: Send) -> Send:
        async def slowly(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._pause()
            await send(message)

        return slowly

    async def _carried_out_late(self, scope: Message, body: bytes) -> None:
        await asyncio.sleep(self._random.uniform(0, LATEST))
        await self.emulator(scope, _replay(body), _kept(bytearray()))

    async def settle(self) -> None:
        """Wait for what is late."""
        await asyncio.gather(*self._late, return_exceptions=True)


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


def _kept(answer: bytearray) -> Send:
    async def keep(message: Message) -> None:
        answer.extend(message.get("body", b""))

    return keep


async def _answer(send: Send, status: int, media_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", media_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
