"""What was answered lately.

An entry's key holds the *generation* of its connection (``engine/generations.py``). A write ends the generation, so
that everything stored before it, and every read that began before it, is looked for by nobody. Slow-changing facts (VAT
codes and the like) have a generation of their own, which only a raw write or a change of the connection ends.
"""

from dataclasses import dataclass, replace

from cachetools import LRUCache

from gateway.engine.reads.conversation import Conversation

MAX_BYTES = 64 * 1024 * 1024
"""What answers may take in all."""
_OVERHEAD = 1_400
"""Bytes an entry costs beside its body and its conversation: key, ETag, headers, its place (as tracemalloc counts)."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class CachedAnswer:
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

    def renewed(self, now: float, fresh_for: float, stale_for: float) -> "CachedAnswer":
        """The same, as of now."""
        until = now + fresh_for
        same = self.body, self.etag, self.next_cursor, self.headers
        return CachedAnswer(*same, now, until, until + stale_for, self.conversation)

    def with_conversation_of(self, before: "CachedAnswer | None") -> "CachedAnswer":
        """The same, and how it came about, where it is what was answered before too."""
        is_same = before is not None and before.etag == self.etag
        return replace(self, conversation=before.conversation) if before is not None and is_same else self

    def age(self, now: float) -> int:
        """Whole seconds since it was stored."""
        return int(now - self.stored_at)

    def ttl(self, now: float) -> int:
        """Whole seconds for which it is still fresh."""
        return int(self.fresh_until - now)


def _size(entry: CachedAnswer) -> int:
    conversation = 0 if entry.conversation is None else entry.conversation.size
    return len(entry.body) + conversation + _OVERHEAD


class AnswerCache:
    """Answers by key, bounded in bytes, the least recently used forgotten first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._entries: LRUCache[tuple[str, ...], CachedAnswer] = LRUCache(max_bytes, getsizeof=_size)

    def get(self, key: tuple[str, ...], now: float) -> CachedAnswer | None:
        """The entry, fresh or not at that moment (monotonic); None where there is none or it is beyond use."""
        entry = self.last(key)
        if entry is None or (now >= entry.fresh_until and now >= entry.stale_until):
            return None
        return entry

    def last(self, key: tuple[str, ...]) -> CachedAnswer | None:
        """The entry, be it beyond use: what it was made of may be heard again."""
        entry: CachedAnswer | None = self._entries.get(key)
        return entry

    def put(self, key: tuple[str, ...], entry: CachedAnswer) -> None:
        """Keep an entry, unless it alone would not fit."""
        if _size(entry) <= self._entries.maxsize:
            self._entries[key] = entry
