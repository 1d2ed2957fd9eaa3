"""What was answered lately, and who is asking the same at this moment.

An entry's key holds the *generation* of its connection (``engine/generations.py``). A write ends the generation, so
that everything stored before it, and every read that began before it, is looked for by nobody. Slow-changing facts (VAT
codes and the like) have a generation of their own, which only a raw write or a change of the connection ends.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from cachetools import LRUCache, TLRUCache

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.conversation import Conversation
from gateway.engine.generations import Generations
from gateway.engine.waiting import waiting

T = TypeVar("T")

MAX_BYTES = 64 * 1024 * 1024
"""What answers may take in all."""
_OVERHEAD = 1_400
"""Bytes an entry costs beside its body and its conversation: key, ETag, headers, its place (as tracemalloc counts)."""
BELIEVED = 300.0
"""Seconds for which a slow-changing fact is believed."""
DOUBTED = 5.0
"""Seconds for which one is believed that came with nonsense: as long as a breaker first stays open."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Kept:
    """A body as it went out, its ETag, and until when (monotonic) it is fresh and may serve when stale."""

    body: bytes
    etag: str
    next_cursor: str | None
    headers: tuple[tuple[str, str], ...]
    stored_at: float
    fresh_until: float
    stale_until: float
    conversation: Conversation | None = None
    """How it came about, where the same words would bring it about again."""

    def renewed(self, now: float, fresh_for: float, stale_for: float) -> "Kept":
        """The same, as of now."""
        until = now + fresh_for
        same = self.body, self.etag, self.next_cursor, self.headers
        return Kept(*same, now, until, until + stale_for, self.conversation)

    def with_conversation_of(self, before: "Kept | None") -> "Kept":
        """The same, and how it came about, where it is what was answered before too."""
        is_same = before is not None and before.etag == self.etag
        return replace(self, conversation=before.conversation) if before is not None and is_same else self

    def age(self, now: float) -> int:
        """Whole seconds since it was stored."""
        return int(now - self.stored_at)

    def left(self, now: float) -> int:
        """Whole seconds for which it is still fresh."""
        return int(self.fresh_until - now)


def _size(entry: Kept) -> int:
    said = 0 if entry.conversation is None else entry.conversation.size
    return len(entry.body) + said + _OVERHEAD


class AnswerCache:
    """Answers by key, bounded in bytes, the least recently used forgotten first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._entries: LRUCache[tuple[str, ...], Kept] = LRUCache(max_bytes, getsizeof=_size)

    def get(self, key: tuple[str, ...], now: float) -> Kept | None:
        """The entry, fresh or not at that moment (monotonic); None where there is none or it is beyond use."""
        entry = self.last(key)
        if entry is None or (now >= entry.fresh_until and now >= entry.stale_until):
            return None
        return entry

    def last(self, key: tuple[str, ...]) -> Kept | None:
        """The entry, be it beyond use: what it was made of may be heard again."""
        entry: Kept | None = self._entries.get(key)
        return entry

    def put(self, key: tuple[str, ...], entry: Kept) -> None:
        """Keep an entry, unless it alone would not fit."""
        if _size(entry) <= self._entries.maxsize:
            self._entries[key] = entry


class Flights(Generic[T]):
    """Equal work under way is done once: the first asker starts it, the others wait for the same result.

    The work runs in a task of its own, so that an asker who leaves cancels nothing for the others.
    """

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, ...], asyncio.Task[T]] = {}

    async def share(self, key: tuple[str, ...], work: Callable[[], Awaitable[T]]) -> T:
        """The result of ``work``, or of the same work already under way. Each asker gets a ``Problem`` of his own."""
        if key not in self._tasks:
            return await shared(self.begin(key, work))
        with waiting():
            return await shared(self.begin(key, work))

    def begin(self, key: tuple[str, ...], work: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """Have ``work`` done, unless the same is under way; nobody need wait for it."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(_run(work))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        return task

    def _land(self, key: tuple[str, ...], task: asyncio.Task[T]) -> None:
        self._tasks.pop(key, None)
        if not task.cancelled():
            task.exception()  # every asker may have left: then nobody else would look at it

    async def settle(self, within: float | None = None) -> None:
        """Wait until nothing is under way, or so many seconds; what takes longer is not called off."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=within)


async def shared(task: asyncio.Task[T]) -> T:
    """The result of a task that others wait for too: who leaves calls nothing off for them, and each hears a
    ``Problem`` of his own, of which he may say what is true of himself only.
    """
    try:
        return await asyncio.shield(task)
    except Problem as problem:
        told = problem.again()
    finally:
        del task  # it holds its error, and the error this frame: garbage, which is looked for seldom
    try:
        raise told  # not above, where it would hold the other, and that one's frames
    finally:
        del told


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


MAX_FACT_BYTES = 96 * 1024 * 1024
"""What was read for the facts that are kept: about what they take."""
_OVERHEAD_OF_A_FACT = 1_000


@dataclass(frozen=True, slots=True)
class _Fact:
    number: int
    value: Any
    size: int
    believed_for: float = BELIEVED


def _size_of_fact(fact: _Fact) -> int:
    return min(fact.size + _OVERHEAD_OF_A_FACT, MAX_FACT_BYTES)


def _believed_until(key: tuple[str, ...], fact: _Fact, now: float) -> float:
    del key
    return now + fact.believed_for


class KnownFacts:
    """Slow-changing facts of connections that adapters translate with, for five minutes; bounded in bytes.

    A large administration's are a quarter of a megabyte, and thousands of administrations may be asked in five minutes.
    """

    def __init__(self, clock: Clock, generations: Generations) -> None:
        self._generations = generations
        self._facts: TLRUCache[tuple[str, ...], _Fact] = TLRUCache(
            MAX_FACT_BYTES, _believed_until, timer=clock.monotonic, getsizeof=_size_of_fact
        )
        self._loaded = 0
        self._flights: Flights[Any] = Flights()

    async def get(
        self,
        connection_id: str,
        name: str,
        load: Callable[[], Awaitable[T]],
        *,
        fresh: bool,
        read: Callable[[], int] = lambda: 0,
    ) -> T:
        """The fact, loaded if it is not known, or if ``fresh``. ``read`` tells how many bytes were read so far."""
        key = self._key(connection_id, name)
        known: _Fact | None = None if fresh else self._facts.get(key)
        if known is not None:
            found: T = known.value
            return found

        async def weighed() -> tuple[T, int]:
            before = read()
            return await load(), read() - before

        loaded: tuple[T, int] = await self._flights.share(key, weighed)
        value, size = loaded
        if value is None:
            self._facts.pop(key, None)
        else:
            self._loaded += 1
            self._facts[key] = _Fact(self._loaded, value, size)
        return value

    def doubt(self, connection_id: str, names: Iterable[str]) -> None:
        """An answer that made no sense stood on these: one of them may be the nonsense."""
        for name in names:
            key = self._key(connection_id, name)
            known: _Fact | None = self._facts.get(key)
            if known is not None and known.believed_for == BELIEVED:
                self._facts[key] = replace(known, believed_for=DOUBTED)

    def stamp(self, connection_id: str, name: str) -> int | None:
        """The number of the loading that the fact came with, which no other has; null where it must be loaded."""
        known: _Fact | None = self._facts.get(self._key(connection_id, name))
        return None if known is None else known.number

    def _key(self, connection_id: str, name: str) -> tuple[str, ...]:
        return connection_id, str(self._generations.of(connection_id, "facts")), name
