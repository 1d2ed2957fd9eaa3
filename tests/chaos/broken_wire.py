"""Answers that are broken as HTTP, not as JSON, from a raw socket: each is whole and right, or none at all.

The worst of them is an answer with more behind it than it said: on a connection that is kept, the rest must never pass
for the answer to somebody else's question.
"""

import asyncio
import gzip
import math
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from random import Random

from gateway.engine.clock import SystemClock
from gateway.engine.network.http import NotSent, Timeouts, Unanswered, Wire
from gateway.engine.network.sockets import network
from tests.engine.sockets import RawServer, Talk, serving

OK = b"HTTP/1.1 200 OK\r\n"
KIND = b"content-type: application/json\r\n"
PATIENCE = Timeouts(connect=10.0, pool=10.0)
WITHIN = 1.0
"""Seconds for all of an answer, also for one that never ends. Too short for a busy machine, it leaves questions
unanswered, which proves nothing and breaks nothing.
"""
AT_ONCE = 64
METHODS = ("GET", "GET", "POST")
SHAPES = (
    "whole",
    "whole, in pieces",
    "chunked",
    "compressed",
    "longer than it says",
    "shorter than it says",
    "two lengths",
    "a length that is no number",
    "a negative length",
    "a chunk without end",
    "a chunk whose size is no number",
    "no head",
    "a web page without a head",
    "another protocol",
    "a status that is no number",
    "a header without a colon",
    "an endless header",
    "said to be compressed",
    "compressed and cut off",
    "compressed without end",
    "closed at once",
    "reset half-way",
    "informational without end",
)


@dataclass
class Seen:
    """What came of it. ``wrong`` holds answers that are not the whole and right one."""

    asked: int = 0
    seconds: float = 0.0
    shapes: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, more: "Seen") -> None:
        """Those of another server."""
        self.asked += more.asked
        self.seconds += more.seconds
        self.shapes += more.shapes
        self.answered += more.answered
        self.wrong += more.wrong


def _body(number: int) -> bytes:
    return b'{"question":%d,"total":"%d.10","note":"%s"}' % (number, number, b"x" * (number % 50))


def said(shape: str, number: int, dice: Random) -> bytes:
    """The bytes on the wire; the right body of that question is in there somewhere, where there is one."""
    body = _body(number)
    length = b"content-length: %d\r\n" % len(body)
    stranger = OK + KIND + b"content-length: 16\r\n\r\n" + b'{"question":"x"}'
    cut = dice.randrange(1, len(body))
    packed = gzip.compress(body, mtime=0)
    gzipped = OK + b"content-encoding: gzip\r\nconnection: close\r\n\r\n"
    lines = {
        "whole": OK + KIND + length + b"\r\n" + body,
        "whole, in pieces": OK + KIND + length + b"\r\n" + body,
        "chunked": OK + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        "compressed": OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed,
        "longer than it says": OK + length + b"\r\n" + body + stranger,
        "shorter than it says": OK + length + b"\r\n" + body[:cut],
        "two lengths": OK + length + b"content-length: %d\r\n\r\n" % cut + body,
        "a length that is no number": OK + b"content-length: many\r\n\r\n" + body,
        "a negative length": OK + b"content-length: -5\r\n\r\n" + body,
        "a chunk without end": OK + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b" % (len(body) + 9, body),
        "a chunk whose size is no number": OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n%b\r\n0\r\n\r\n" % body,
        "no head": body,
        "a web page without a head": b"<html>" + body + b"</html>",
        "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n" + body,
        "a status that is no number": b"HTTP/1.1 OK fine\r\n" + length + b"\r\n" + body,
        "a header without a colon": OK + b"nonsense\r\n" + length + b"\r\n" + body,
        "an endless header": OK + b"x: " + b"y" * 200_000,
        "said to be compressed": OK + b"content-encoding: gzip\r\n" + length + b"\r\n" + body,
        "compressed and cut off": gzipped + packed[: len(packed) // 2],
        "compressed without end": gzipped + _bomb(),
        "closed at once": b"",
        "reset half-way": OK + length + b"\r\n" + body[:cut],
        "informational without end": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 200,
    }
    return lines[shape]


@cache
def _bomb() -> bytes:
    """64 MB of spaces, in 64 KB."""
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(b" " * 2**20) for _ in range(64)) + packer.flush()


async def exchanged(count: int, seed: int, until: float = math.inf) -> Seen:
    """So many questions, or as many as are begun before a monotonic time, on connections that are kept where the
    answers allow it.
    """
    _bomb()  # takes a while, in which nobody is to wait
    dice = Random(seed)
    seen = Seen()
    began = time.monotonic()

    async def script(talk: Talk) -> None:
        while True:
            request = await talk.hear()
            shape, number = request.split(b" ", 2)[1].decode().strip("/").replace("%20", " ").rsplit("/", 1)
            told = said(shape, int(number), Random(int(number)))
            if shape == "whole, in pieces":
                for at in range(0, len(told), 7):
                    await talk.say(told[at : at + 7])
                continue
            await talk.say(told)
            if shape == "reset half-way":
                await talk.reset()
            if b"connection: close" in told or shape in ("closed at once", "reset half-way", "shorter than it says"):
                return

    async with serving(script) as server:
        wire = Wire(SystemClock(), network)
        turns = asyncio.Semaphore(AT_ONCE)
        asked = [(number, dice.choice(SHAPES), dice.choice(METHODS)) for number in range(count)]

        async def in_turn(number: int, shape: str, method: str) -> None:
            async with turns:
                if time.monotonic() >= until:
                    return
                seen.asked += 1
                seen.shapes[shape] += 1
                await _one(wire, server, shape, number, method, seen)

        try:
            await asyncio.gather(*(in_turn(*one) for one in asked))
        finally:
            await wire.close()
    seen.seconds = time.monotonic() - began
    return seen


async def _one(wire: Wire, server: RawServer, shape: str, number: int, method: str, seen: Seen) -> None:
    target = f"/{shape.replace(' ', '%20')}/{number}"
    try:
        reply = await wire.send(method, server.origin, target, {}, b"", within=WITHIN, timeouts=PATIENCE)
    except (NotSent, Unanswered) as error:
        seen.answered[type(error).__name__] += 1
        return
    seen.answered["answered"] += 1
    if (reply.status, reply.body) != (200, _body(number)):
        seen.wrong.append(f"{method} {number} {shape}: {reply.status} {reply.body[:80]!r}")
