"""Answers that nodes give each other, in Valkey or Redis.

They are customers' books: sealed with AES-256-GCM, under names that tell nothing of the question. Name and key are
derived from the question, the version of Polder and the primary encryption key, so an answer opens for its question
only, and no key seals so much that random nonces could meet (NIST SP 800-38D, 8.3). Nodes of another version, or with
another primary key, do not find each other's.

The server also holds what nodes tell each other of writes by (``nodes.py``), so it is never filled with answers: a
process gives it a bounded number of bytes, and none while three quarters of its memory are used.
"""

import asyncio
import hashlib
import heapq
import hmac
import secrets
from contextlib import suppress
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.contract.clock import Clock
from gateway.engine.generations import Mark
from gateway.engine.reads.second_level import Question, SharedAnswer
from gateway.store.valkey import FAILURES, pooled

_WAIT: Final = 0.1
"""Seconds that a read waits for the server at most: it can ask the system."""
_PAUSE: Final = 1.0
"""Seconds for which a server that failed is not asked, and after which a full one is looked at again."""
_CONNECTIONS: Final = 16
_AT_ONCE: Final = 32
"""Answers on their way to the server; one more is not given."""
_FULL: Final = 0.75
"""The share of the server's memory above which it is given nothing."""
_LARGEST: Final = 1_000_000
"""Bytes of an answer that is worth giving: more may not come over the network while a read waits."""
_OVERHEAD: Final = 600
"""Bytes an answer takes beside its body: name, ETag, headers, and what the server keeps of it."""
_NONCE: Final = 12


class _Stored(msgspec.Struct, array_like=True):
    """An answer as it lies on the server, sealed."""

    epoch: str
    place: int
    body: bytes
    etag: str
    next_cursor: str | None
    headers: tuple[tuple[str, str], ...]
    fresh_for: float
    stale_for: float
    made_at: float
    """The time of day, by the clock of who gave it: who keeps it aside and puts it back later makes it no younger."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


class ValkeyAnswers:
    """The second level of the cache on a server. ``limit`` is how many bytes of it this process may fill."""

    def __init__(self, url: str, key: bytes, version: str, limit: int, clock: Clock) -> None:
        self._redis = pooled(url, _CONNECTIONS, _WAIT)
        self._key = key
        self._version = version
        self._clock = clock
        self._room = _Room(limit)
        self._reads_from = self._writes_from = self._looked_at = float("-inf")
        self._under_way: set[asyncio.Task[None]] = set()

    async def get(self, question: Question) -> SharedAnswer | None:
        """What a node was answered, if it is fresh and opens."""
        if self._clock.monotonic() < self._reads_from:
            return None
        name, cipher = self._place_of(question)
        try:
            async with asyncio.timeout(_WAIT):
                sealed, left = await self._both(name)
        except FAILURES:
            self._reads_from = self._clock.monotonic() + _PAUSE
            return None
        return None if sealed is None or left <= 0 else self._opened(sealed, left / 1000, cipher)

    async def _both(self, name: str) -> tuple[bytes | None, int]:
        """What lies there, and for how many milliseconds more."""
        async with self._redis.pipeline(transaction=True) as both:
            both.get(name)
            both.pttl(name)
            sealed, left = await both.execute()
            return sealed, left

    def put(self, question: Question, answer: SharedAnswer) -> None:
        """Give others an answer, unless it is very large, the server away or full, or too much on its way there."""
        now = self._clock.monotonic()
        is_away = now < max(self._reads_from, self._writes_from)
        if is_away or len(self._under_way) >= _AT_ONCE or len(answer.body) > _LARGEST:
            return
        until = now + answer.fresh_for - answer.age
        if self._room.take(len(answer.body) + _OVERHEAD, until, now):
            task = asyncio.ensure_future(self._store(question, answer, until))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Let go of the connections, and of what is on its way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        with suppress(*FAILURES):
            async with asyncio.timeout(_WAIT):
                await self._redis.aclose(close_connection_pool=True)

    async def _store(self, question: Question, answer: SharedAnswer, until: float) -> None:
        name, cipher = self._place_of(question)
        sealed = self._sealed(answer, cipher)
        try:
            async with asyncio.timeout(_PAUSE):
                await self._look()
                now = self._clock.monotonic()
                if now >= self._writes_from and (left := int((until - now) * 1000)) > 0:
                    await self._redis.set(name, sealed, px=left)
        except FAILURES:
            self._writes_from = self._clock.monotonic() + _PAUSE

    async def _look(self) -> None:
        """Once in a while, see whether there is room: all that nodes do there needs some."""
        now = self._clock.monotonic()
        if now < self._looked_at + _PAUSE:
            return
        self._looked_at = now
        memory: Any = await self._redis.info("memory")
        if memory["used_memory"] > _FULL * (memory.get("maxmemory") or float("inf")):
            self._writes_from = now + _PAUSE

    def _place_of(self, question: Question) -> tuple[str, AESGCM]:
        """Where an answer lies, and what seals it."""
        encoded = _encoder.encode((self._version, *question))
        name = hmac.digest(self._key, b"name" + encoded, hashlib.sha256).hex()
        return f"{{polder}}:answer:{name}", AESGCM(hmac.digest(self._key, b"seal" + encoded, hashlib.sha256))

    def _sealed(self, answer: SharedAnswer, cipher: AESGCM) -> bytes:
        mark, nonce = answer.mark, secrets.token_bytes(_NONCE)
        members = answer.body, answer.etag, answer.next_cursor, answer.headers
        stored = _Stored(
            mark.epoch, mark.place, *members, answer.fresh_for, answer.stale_for, self._time() - answer.age
        )
        return nonce + cipher.encrypt(nonce, _encoder.encode(stored), None)

    def _opened(self, sealed: bytes, left: float, cipher: AESGCM) -> SharedAnswer | None:
        """None for what nobody of ours wrote."""
        try:
            stored = _decoder.decode(cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], None))
        except (InvalidTag, ValueError):
            return None
        members = stored.body, stored.etag, stored.next_cursor, stored.headers
        # Clocks that differ cost hits: it is as old as the server says, or as the clocks do where that is more.
        age = max(0.0, stored.fresh_for - left, self._time() - stored.made_at)
        return SharedAnswer(Mark(stored.epoch, stored.place), *members, stored.fresh_for, stored.stale_for, age)

    def _time(self) -> float:
        return self._clock.now().timestamp()


class _Room:
    """How many bytes of a server a process fills: each counts until what it is of is gone by itself."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._taken: list[tuple[float, int]] = []

    def take(self, size: int, until: float, now: float) -> bool:
        """Whether there is room, which is taken then until that moment."""
        while self._taken and self._taken[0][0] <= now:
            self._left += heapq.heappop(self._taken)[1]
        if size > self._left:
            return False
        self._left -= size
        heapq.heappush(self._taken, (until, size))
        return True
