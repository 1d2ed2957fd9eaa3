"""A window onto a list, whatever way the system behind it pages.

The engine asks every list for a ``Window``; a strategy turns it into the provider's own pages and the answers back into
one ``Page``. ``fetch`` is the adapter's own call for one of the provider's pages.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """``size`` items from the ``offset``-th on, counted from 0. The engine guarantees offset ≥ 0 and 1 ≤ size ≤ 200."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The items of a window. ``more`` must be exact or, where it cannot be, True; ``total`` is null where unknown."""

    items: Sequence[T]
    more: bool
    total: int | None = None


def cut(items: Sequence[T], window: Window) -> Page[T]:
    """The window of a list that the provider gives whole."""
    end = window.offset + window.size
    return Page(items[window.offset : end], more=end < len(items), total=len(items))


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """One of the provider's own pages: its items and how many there are in all, where it says so."""

    items: Sequence[T]
    total: int | None = None


@dataclass(frozen=True, slots=True)
class PageNumber(Generic[T]):
    """Pages counted from 1, of at most ``cap`` items.

    A window that starts on a page boundary and fits a page costs one call; any other costs the pages that cover it.
    An answer longer than asked is cut, and one whose page lies beyond ``total`` counts as empty, because some systems
    answer the last page again.
    """

    fetch: Callable[[int, int], Awaitable[Slice[T]]]
    """``fetch(page, size)``."""
    cap: int = 100

    async def read(self, window: Window) -> Page[T]:
        """The window, in as few calls as its alignment allows."""
        size = min(window.size, self.cap)
        page, skip = divmod(window.offset, size)
        wanted = window.offset + window.size
        items: list[T] = []
        total: int | None = None
        position = page * size
        while position < wanted:
            answer = await self.fetch(position // size + 1, size)
            total = answer.total
            found = [] if total is not None and position >= total else list(answer.items[:size])
            items += found
            position += size
            if len(found) < size or (total is not None and position >= total):
                break
        items = items[skip : skip + window.size]
        if total is not None:
            return Page(items, more=window.offset + len(items) < total, total=total)
        return Page(items, more=len(items) == window.size)

    async def whole(self) -> list[T]:
        """Everything, page after page. What is not full is the last page, whatever total is told."""
        items: list[T] = []
        page, more = 0, True
        while more:
            page += 1
            answer = await self.fetch(page, self.cap)
            items += answer.items
            more = len(answer.items) >= self.cap and (answer.total is None or page * self.cap < answer.total)
        return items


@dataclass(frozen=True, slots=True)
class SkipTop(Generic[T]):
    """``$skip``/``$top`` with no total: one item more than wanted is asked for, so that ``more`` is exact."""

    fetch: Callable[[int, int], Awaitable[Sequence[T]]]
    """``fetch(skip, top)``."""
    cap: int = 500

    async def read(self, window: Window) -> Page[T]:
        """The window, in calls of at most ``cap`` items."""
        items: list[T] = []
        while len(items) <= window.size:
            top = min(self.cap, window.size + 1 - len(items))
            answer = await self.fetch(window.offset + len(items), top)
            items += answer[:top]
            if len(answer) < top:
                break
        return Page(items[: window.size], more=len(items) > window.size)


@dataclass(frozen=True, slots=True)
class Chain(Generic[T]):
    """Several lists read as one, the first before the second.

    Every source must give totals. A window that the first sources fill asks nothing of the later ones; then ``total``
    is null and ``more`` True, because nobody looked.
    """

    sources: Sequence[Callable[[Window], Awaitable[Page[T]]]] = field(default_factory=tuple)

    async def read(self, window: Window) -> Page[T]:
        """The window over all sources together."""
        items: list[T] = []
        before = 0
        for number, source in enumerate(self.sources):
            wanted = window.size - len(items)
            if wanted == 0:
                return Page(items, more=True)
            offset = max(0, window.offset - before)
            page = await source(Window(offset, wanted))
            if page.total is None:
                raise TypeError("a source of a chain must give its total")
            items += page.items
            before += page.total
            if page.more and len(items) == window.size:
                last = number == len(self.sources) - 1
                return Page(items, more=True, total=before if last else None)
        return Page(items, more=False, total=before)
