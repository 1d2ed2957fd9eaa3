"""Windows onto lists, whatever the system's own pages are like: held against the plain list."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.contract.paging import Chain, Page, PageNumber, SkipTop, Slice, Window, cut

QUICK = settings(max_examples=80)

T = TypeVar("T")
Read = Callable[[Window], Awaitable[Page[int]]]


def done(work: Awaitable[T]) -> T:
    """The result of work that waits for nothing."""
    try:
        next(iter(work.__await__()))
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waited for something")


def run(work: Awaitable[Page[int]]) -> Page[int]:
    return done(work)


LISTS = st.integers(0, 60).map(lambda count: list(range(count)))
WINDOWS = st.builds(Window, st.integers(0, 70), st.integers(1, 40))
CAPS = st.integers(1, 25)


class Numbered:
    """A system with numbered pages. It may show its total, answer the last page again, or more than was asked."""

    def __init__(self, items: Sequence[int], *, totals: bool, repeats: bool = False, surplus: int = 0) -> None:
        self.items = items
        self.totals = totals
        self.repeats = repeats
        self.surplus = surplus
        self.calls: list[tuple[int, int]] = []

    async def fetch(self, page: int, size: int) -> Slice[int]:
        assert page >= 1
        assert size >= 1
        self.calls.append((page, size))
        if self.repeats:
            page = min(page, max(1, -(-len(self.items) // size)))
        start = (page - 1) * size
        return Slice(self.items[start : start + size + self.surplus], len(self.items) if self.totals else None)


@given(LISTS, WINDOWS, CAPS, st.booleans(), st.integers(0, 3))
@example(list(range(10)), Window(10, 5), 5, True, 0)
@QUICK
def test_numbered_pages_with_totals_give_the_window_exactly(
    items: list[int], window: Window, cap: int, repeats: bool, surplus: int
) -> None:
    system = Numbered(items, totals=True, repeats=repeats, surplus=surplus)
    assert run(PageNumber(system.fetch, cap).read(window)) == cut(items, window)
    assert all(size <= cap for _, size in system.calls)
    assert len(system.calls) == len(set(system.calls))


@given(LISTS, WINDOWS, CAPS, st.integers(0, 3))
@QUICK
def test_numbered_pages_without_totals_give_the_items_and_never_hide_more(
    items: list[int], window: Window, cap: int, surplus: int
) -> None:
    page = run(PageNumber(Numbered(items, totals=False, surplus=surplus).fetch, cap).read(window))
    right = cut(items, window)
    assert list(page.items) == list(right.items)
    assert page.total is None
    assert page.more or not right.more


def test_an_aligned_window_costs_one_call() -> None:
    system = Numbered(range(100), totals=True)
    run(PageNumber(system.fetch, 50).read(Window(20, 10)))
    assert system.calls == [(3, 10)]


def test_a_window_wider_than_a_page_costs_the_pages_that_cover_it() -> None:
    system = Numbered(range(1000), totals=True)
    run(PageNumber(system.fetch, 100).read(Window(200, 200)))
    assert system.calls == [(3, 100), (4, 100)]


class Skipped:
    """A system with ``$skip`` and ``$top``, which may answer more than was asked."""

    def __init__(self, items: Sequence[int], surplus: int = 0) -> None:
        self.items = items
        self.surplus = surplus
        self.calls: list[tuple[int, int]] = []

    async def fetch(self, skip: int, top: int) -> Sequence[int]:
        assert top >= 1
        self.calls.append((skip, top))
        return self.items[skip : skip + top + self.surplus]


@given(LISTS, WINDOWS, CAPS, st.integers(0, 3))
@QUICK
def test_skip_and_top_give_the_window_and_know_whether_there_is_more(
    items: list[int], window: Window, cap: int, surplus: int
) -> None:
    system = Skipped(items, surplus)
    page = run(SkipTop(system.fetch, cap).read(window))
    right = cut(items, window)
    assert (list(page.items), page.more, page.total) == (list(right.items), right.more, None)
    assert all(top <= cap for _, top in system.calls)


def test_skip_and_top_ask_one_more_in_one_call() -> None:
    system = Skipped(range(500))
    run(SkipTop(system.fetch).read(Window(100, 50)))
    assert system.calls == [(100, 51)]


def source_of(items: Sequence[int], asked: list[Window]) -> Read:
    async def read(window: Window) -> Page[int]:
        assert window.offset >= 0
        assert window.size >= 1
        asked.append(window)
        return cut(items, window)

    return read


def chain_of(lists: Sequence[Sequence[int]]) -> tuple[Chain[int], list[list[Window]]]:
    asked: list[list[Window]] = [[] for _ in lists]
    return Chain([source_of(items, heard) for items, heard in zip(lists, asked, strict=True)]), asked


def numbered_lists(lengths: list[int]) -> list[list[int]]:
    return [[100 * number + item for item in range(length)] for number, length in enumerate(lengths)]


LENGTHS = st.lists(st.integers(0, 12), max_size=4)


@given(LENGTHS.map(numbered_lists), st.builds(Window, st.integers(0, 50), st.integers(1, 30)))
@example([[1, 2], [3]], Window(0, 2))
@example([[1, 2], []], Window(0, 2))
@QUICK
def test_a_chain_reads_lists_as_one(lists: list[list[int]], window: Window) -> None:
    chain, asked = chain_of(lists)
    page = run(chain.read(window))
    right = cut([item for items in lists for item in items], window)
    assert list(page.items) == list(right.items)
    assert page.more or not right.more
    assert page.total in (None, right.total)
    assert all(len(heard) <= 1 for heard in asked)


def test_a_chain_asks_nothing_of_a_list_it_does_not_need() -> None:
    chain, asked = chain_of([list(range(10)), list(range(10))])
    page = run(chain.read(Window(0, 10)))
    assert (page.more, page.total) == (True, None)
    assert asked == [[Window(0, 10)], []]


@given(LISTS, CAPS, st.booleans(), st.booleans())
@QUICK
def test_everything_is_read_in_as_many_calls_as_there_are_pages(
    items: list[int], cap: int, totals: bool, repeats: bool
) -> None:
    system = Numbered(items, totals=totals, repeats=repeats and totals)
    assert done(PageNumber(system.fetch, cap).whole()) == items
    assert len(system.calls) <= len(items) // cap + 1


def test_a_total_that_cannot_be_ends_with_the_pages() -> None:
    calls: list[int] = []

    async def lying(page: int, size: int) -> Slice[int]:
        calls.append(page)
        return Slice(range(size if page == 1 else 0), 10**18)

    assert done(PageNumber(lying, 5).whole()) == [0, 1, 2, 3, 4]
    assert calls == [1, 2]


def test_a_source_without_a_total_cannot_be_chained() -> None:
    async def silent(window: Window) -> Page[int]:
        return Page([1], more=False)

    with pytest.raises(TypeError, match="total"):
        run(Chain([silent]).read(Window(0, 5)))


def walk(read: Read, size: int) -> list[int]:
    """Every item, window by window, as the engine walks: the next window begins where this one was to end."""
    found: list[int] = []
    for number in range(200):
        page = run(read(Window(number * size, size)))
        found += page.items
        if not page.more:
            return found
    raise AssertionError("the walk never ends")


@given(LISTS, st.integers(1, 25), CAPS, st.booleans(), st.booleans())
@QUICK
def test_a_walk_meets_every_item_once(items: list[int], size: int, cap: int, totals: bool, repeats: bool) -> None:
    system = Numbered(items, totals=totals, repeats=repeats and totals)
    assert walk(PageNumber(system.fetch, cap).read, size) == items
    assert walk(SkipTop(Skipped(items).fetch, cap).read, size) == items


@given(LENGTHS.map(numbered_lists), st.integers(1, 9), CAPS)
@QUICK
def test_a_walk_over_a_chain_of_numbered_pages_meets_every_item_once(
    lists: list[list[int]], size: int, cap: int
) -> None:
    chain = Chain([PageNumber(Numbered(items, totals=True).fetch, cap).read for items in lists])
    assert walk(chain.read, size) == [item for items in lists for item in items]
