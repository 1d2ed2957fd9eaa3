"""Answers by generation, bounded in bytes; equal work once; slow-changing facts."""

import asyncio
import random
import tracemalloc
from functools import partial

import pytest

from gateway.contract.errors import Outcome, Problem
from gateway.contract.exact import dumps, items
from gateway.contract.models import VatCode
from gateway.contract.money import NumberText
from gateway.engine.generations import Slots, in_memory
from gateway.engine.outbound.facts import KnownFacts, size_of
from gateway.engine.reads.cache import AnswerCache, CachedAnswer
from gateway.engine.reads.freshness import answer_of, etag_matches, hit, read_directives
from gateway.engine.single_flight import SingleFlight
from tests.house import ManualClock


def kept(body: bytes = b"x", *, at: float = 0.0, fresh: float = 30.0, stale: float = 0.0) -> CachedAnswer:
    return CachedAnswer(body, '"e"', None, (("Content-Type", "application/json"),), at, at + fresh, at + fresh + stale)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cache() -> AnswerCache:
    return AnswerCache()


def test_an_entry_is_given_while_it_may_serve(cache: AnswerCache) -> None:
    cache.put(("k",), kept(fresh=30, stale=60))
    for now, there in ((0, True), (29, True), (89, True), (90, False)):
        assert (cache.get(("k",), now) is not None) is there
    assert cache.get(("other",), 0) is None


def test_the_bytes_are_bounded_and_the_longest_unused_go_first() -> None:
    cache = AnswerCache(max_bytes=15_000)
    for number in range(5):
        cache.put((str(number),), kept(b"x" * 1_400))
    assert cache.get(("0",), 0) is not None
    cache.put(("5",), kept(b"x" * 1_400))
    assert [number for number in range(6) if cache.get((str(number),), 0) is not None] == [0, 2, 3, 4, 5]


def test_an_entry_that_alone_would_not_fit_is_not_kept_and_pushes_nothing_out() -> None:
    cache = AnswerCache(max_bytes=10_000)
    cache.put(("small",), kept())
    cache.put(("large",), kept(b"x" * 10_000))
    assert cache.get(("large",), 0) is None
    assert cache.get(("small",), 0) is not None


def test_many_small_entries_are_bounded_too() -> None:
    cache = AnswerCache(max_bytes=28_000)
    for number in range(1_000):
        cache.put((str(number),), kept(b""))
    assert sum(cache.get((str(number),), 0) is not None for number in range(1_000)) == 20


@pytest.fixture
def generations() -> Slots:
    return in_memory(random.Random(7))


# Single flight


async def test_equal_work_is_done_once() -> None:
    flights: SingleFlight[int] = SingleFlight()
    done: list[int] = []

    async def work() -> int:
        await asyncio.sleep(0.001)
        done.append(1)
        return len(done)

    assert await asyncio.gather(*(flights.share(("k",), work) for _ in range(20))) == [1] * 20
    assert await flights.share(("k",), work) == 2
    assert list(await asyncio.gather(flights.share(("a",), work), flights.share(("b",), work))) == [3, 4]


async def test_a_failure_is_told_to_all_and_not_remembered() -> None:
    flights: SingleFlight[int] = SingleFlight()
    done: list[int] = []

    async def work() -> int:
        done.append(1)
        await asyncio.sleep(0)
        if len(done) == 1:
            raise ValueError("first")
        return len(done)

    found = await asyncio.gather(*(flights.share(("k",), work) for _ in range(3)), return_exceptions=True)
    assert [str(one) for one in found] == ["first"] * 3
    assert await flights.share(("k",), work) == 2


async def test_what_one_asker_says_of_a_problem_is_not_told_to_the_others() -> None:
    flights: SingleFlight[int] = SingleFlight()

    async def work() -> int:
        await asyncio.sleep(0)
        raise Problem("upstream_timeout", "Late.", retry_after=5, extra={"a": 1})

    async def asked(outcome: Outcome, key: str) -> Problem:
        with pytest.raises(Problem) as raised:
            await flights.share(("k",), work)
        raised.value.headers = {**raised.value.headers, "Idempotency-Key": key}
        return raised.value.as_outcome(outcome)

    heard = await asyncio.gather(asked("applied", "k-1"), asked("not_sent", "k-2"), asked("unknown", "k-3"))
    assert [one.outcome for one in heard] == ["applied", "not_sent", "unknown"]
    assert [one.headers["Idempotency-Key"] for one in heard] == ["k-1", "k-2", "k-3"]
    assert {(one.code, one.detail, one.retry_after, one.extra["a"]) for one in heard} == {
        ("upstream_timeout", "Late.", 5, 1)
    }


async def test_who_leaves_does_not_disturb_the_others() -> None:
    flights: SingleFlight[str] = SingleFlight()
    go = asyncio.Event()

    async def work() -> str:
        await go.wait()
        return "done"

    tasks = [asyncio.ensure_future(flights.share(("k",), work)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*tasks[1:]) == ["done", "done"]
    assert tasks[0].cancelled()


async def test_settling_waits_for_all_and_hears_failures_nobody_else_does() -> None:
    flights: SingleFlight[str] = SingleFlight()

    async def work() -> str:
        await asyncio.sleep(0.001)
        raise ValueError("unheard")

    task = asyncio.ensure_future(flights.share(("k",), work))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await flights.settle()
    assert not flights._tasks


# Known facts


async def test_a_fact_loaded_before_the_connection_changed_is_not_believed_after(
    clock: ManualClock, generations: Slots
) -> None:
    facts = KnownFacts(clock, generations)
    go = asyncio.Event()

    async def slowly() -> str:
        await go.wait()
        return "old"

    async def quickly() -> str:
        return "new"

    loading = asyncio.ensure_future(facts.get("a", "vat", slowly, fresh=False))
    await asyncio.sleep(0)
    await generations.end("a", "facts")
    go.set()
    assert await loading == "old"
    assert await facts.get("a", "vat", quickly, fresh=False) == "new"


async def test_a_write_of_records_leaves_settled_facts_alone(clock: ManualClock, generations: Slots) -> None:
    facts = KnownFacts(clock, generations)
    loads: list[int] = []

    async def load() -> int:
        loads.append(1)
        return len(loads)

    await facts.get("a", "vat", load, fresh=False)
    await generations.end("a", "answers", "links")
    assert await facts.get("a", "vat", load, fresh=False) == 1


async def test_facts_have_a_bound_in_bytes_however_many_connections_are_asked(
    clock: ManualClock, generations: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.outbound.facts.MAX_FACT_BYTES", 10_000)
    facts = KnownFacts(clock, generations)

    async def load(size: int) -> bytes:
        return bytes(size)

    for number, size in enumerate((3_000, 3_000, 3_000, 50_000)):
        await facts.get(f"con_{number}", "vat", partial(load, size), fresh=False)
        kept = [facts.stamp(f"con_{one}", "vat") is not None for one in range(4)]
    assert kept == [False, False, False, True], "one that is larger than there is room for is kept by itself"
    for number in range(3):
        await facts.get(f"con_{number}", "vat", partial(load, 3_000), fresh=False)
    assert [facts.stamp(f"con_{one}", "vat") is not None for one in range(4)] == [False, True, True, False]


def test_a_fact_counts_for_what_it_takes() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        codes = {code.id: code for code in (vat_code(number) for number in range(500))}
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.8 * taken < size_of(codes) < 1.5 * taken
    text = dumps([{"id": number} for number in range(500)])
    assert len(text) * 0.9 < size_of(items(text)) < len(text) + 500 * 8 + 100, "its parts are the text itself"


def vat_code(number: int) -> VatCode:
    return VatCode(
        id=f"code {number}",
        name=f"Hoog tarief {number}",
        rate=NumberText(str(number)),
        treatment="domestic_high",
        category="S",
        direction="sale",
        country=f"{number}",
    )


async def test_a_fact_that_could_not_be_loaded_is_asked_for_again(clock: ManualClock, generations: Slots) -> None:
    facts = KnownFacts(clock, generations)

    async def failing() -> str:
        raise ValueError("no")

    async def working() -> str:
        return "yes"

    with pytest.raises(ValueError, match="no"):
        await facts.get("a", "vat", failing, fresh=False)
    assert await facts.get("a", "vat", working, fresh=False) == "yes"


# Freshness


@pytest.mark.parametrize(
    ("said", "age", "fresh", "accepted"),
    [
        (None, 29, True, True),
        (None, 31, False, False),
        ("no-cache", 0, True, False),
        ("No-Store", 0, True, False),
        ("max-age=0", 0, True, False),
        ("max-age=10", 9, True, True),
        ("max-age=10", 11, True, False),
        ("MAX-AGE=10 , private", 9, True, True),
        ("max-age=999999999", 31, False, False),
        ("max-age=99999999999999999999", 5, True, True),
        ("max-age=soon", 5, True, True),
        ("max-age=-1", 5, True, True),
        ("only-if-cached, min-fresh=5", 5, True, True),
        ("max-age=60, no-cache", 0, True, False),
        ("max-age=5, max-age=60", 30, True, False),
        ("max-age=60, max-age=5", 30, True, True),
        (",,,", 5, True, True),
    ],
)
def test_what_a_caller_accepts_of_what_is_kept(said: str | None, age: float, fresh: bool, accepted: bool) -> None:
    headers = {} if said is None else {"cache-control": said}
    assert read_directives(headers).accept(age, fresh=fresh) is accepted


@pytest.mark.parametrize(
    ("said", "known"),
    [
        (None, False),
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", "abc" ,"y"', True),
        ("*", True),
        ('"ab"', False),
        ("abc", False),
        ("", False),
    ],
)
def test_whether_a_caller_has_the_body_already(said: str | None, known: bool) -> None:
    assert etag_matches(said, '"abc"') is known


def test_an_answer_tells_its_age() -> None:
    entry = CachedAnswer(b"x", '"e"', None, (("Content-Type", "text/plain"), ("X-More", "1")), 10.0, 50.0, 50.0)
    answer = answer_of(entry, hit(entry, 42.9), 42.9, unchanged=False)
    assert (answer.status, answer.body, answer.media_type) == (200, b"x", "text/plain")
    assert dict(answer.headers) == {
        "ETag": '"e"',
        "Age": "32",
        "Cache-Control": "private, no-cache",
        "Cache-Status": "polder; hit; ttl=7",
        "X-More": "1",
    }


def test_an_answer_that_is_known_has_the_same_headers_and_no_body() -> None:
    entry = kept()
    whole, known = (answer_of(kept(), hit(entry, 0.0), 0.0, unchanged=known) for known in (False, True))
    assert (known.status, known.body, known.media_type, known.headers) == (304, b"", None, whole.headers)


async def test_a_fact_in_doubt_is_believed_for_as_long_as_a_breaker_rests(
    clock: ManualClock, generations: Slots
) -> None:
    facts = KnownFacts(clock, generations)
    loaded = 0

    async def load() -> int:
        nonlocal loaded
        loaded += 1
        return loaded

    for passed, value in ((0, 1), (200, 1)):
        clock.advance(passed)
        assert await facts.get("c1", "vat", load, fresh=False) == value
    for passed, value in ((0, 1), (3, 1), (3, 2)):  # to doubt it again does not keep it
        facts.doubt("c1", ["vat", "never asked for"])
        clock.advance(passed)
        assert await facts.get("c1", "vat", load, fresh=False) == value
