"""Budgets, breakers and bulkheads: their promises hold whatever happens, in whatever order."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.adapter import Pace
from gateway.contract.auth import AccessToken
from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.contract.upstream import Request
from gateway.engine.outbound.resilience import breaker as breaking
from gateway.engine.outbound.resilience import budget as budgeting
from gateway.engine.outbound.resilience.breaker import Breaker
from gateway.engine.outbound.resilience.budget import RetryBudget
from gateway.engine.outbound.resilience.bulkhead import Bulkhead, Full, Lane, Place
from gateway.engine.outbound.upstream import Outbound, TokenSource
from tests.engine.staging import STATIC, Books, Stage, said
from tests.house import ManualClock

READ = Request("GET", "/contacts")
WRITE = Request("POST", "/contacts", json={"name": "x"})


# The budget


@given(st.lists(st.one_of(st.just("success"), st.just("retry"), st.floats(0, 5)), max_size=200))
def test_retries_are_a_share_of_what_succeeds_and_a_floor(events: list[Any]) -> None:
    clock = ManualClock()
    budget = RetryBudget(clock)
    successes = spent = 0.0
    for event in events:
        if event == "success":
            budget.succeeded()
            successes += 1
        elif event == "retry":
            spent += budget.spend()
        else:
            clock.advance(event)
    earned = budgeting.ROOM + budgeting.SHARE * successes + budgeting.FLOOR * clock.monotonic()
    assert spent <= earned + 1e-6
    assert 0 <= budget.left <= budgeting.ROOM


def test_a_quiet_connection_has_its_second_try_again_after_a_second() -> None:
    clock = ManualClock()
    budget = RetryBudget(clock)
    while budget.spend():
        pass
    assert not budget.spend()
    clock.advance(1)
    assert budget.spend()


# The breaker


def breaker(clock: ManualClock) -> Breaker:
    return Breaker(clock, random.Random(7))


def test_five_failures_to_connect_open_it() -> None:
    one = breaker(ManualClock())
    for _ in range(4):
        one.failed(unreachable=True)
    assert one.wait() == 0
    one.failed(unreachable=True)
    assert one.wait() > 0


def test_half_of_twenty_open_it_and_fewer_do_not() -> None:
    one = breaker(ManualClock())
    for number in range(19):
        one.succeeded() if number % 2 else one.failed(unreachable=False)
    assert one.wait() == 0
    one.failed(unreachable=False)
    assert one.wait() > 0


def test_failures_of_long_ago_are_forgotten() -> None:
    clock = ManualClock()
    one = breaker(clock)
    for _ in range(19):
        one.failed(unreachable=False)
    clock.advance(breaking.WINDOW + 0.1)
    one.failed(unreachable=False)
    assert one.wait() == 0


def test_one_at_a_time_tries_it_and_a_success_closes_it() -> None:
    clock = ManualClock()
    one = breaker(clock)
    for _ in range(5):
        one.failed(unreachable=True)
    clock.advance(one.wait())
    assert one.wait() == 0
    one.admit()
    assert one.wait() > 0, "a second one must not try too"
    one.succeeded()
    assert (one.wait(), one.is_open) == (0, False)


def test_who_tried_and_left_lets_another_try() -> None:
    clock = ManualClock()
    one = breaker(clock)
    for _ in range(5):
        one.failed(unreachable=True)
    clock.advance(one.wait())
    one.admit()
    one.left()
    assert one.wait() == 0


def test_it_stays_open_twice_as_long_each_time_up_to_a_minute() -> None:
    clock = ManualClock()
    one = breaker(clock)
    for _ in range(5):
        one.failed(unreachable=True)
    for expected in (5, 10, 20, 40, 60, 60):
        wait = one.wait()
        assert expected * 0.8 <= wait <= expected * 1.2
        clock.advance(wait)
        one.admit()
        one.failed(unreachable=True)


@given(st.lists(st.sampled_from(["ok", "failed", "refused", "wait"]), max_size=300), st.integers(0, 99))
def test_an_open_breaker_lets_nobody_through_before_its_time(events: list[str], seed: int) -> None:
    clock = ManualClock()
    one = Breaker(clock, random.Random(seed))
    probing = False
    for event in events:
        if event == "wait":
            clock.advance(1)
            continue
        if one.wait() > 0:
            assert one.is_open
            continue
        assert not probing
        probing = one.is_open
        one.admit()
        if event == "failed":
            one.failed(unreachable=False)
        else:  # a refusal is an answer
            one.succeeded()
            assert not one.is_open
        probing = False


# The bulkhead


@asynccontextmanager
async def held(place: Place) -> AsyncIterator[None]:
    await place.take()
    try:
        yield
    finally:
        place.release()


async def test_a_full_queue_says_so_at_once() -> None:
    lane = Lane(1, 2)
    await lane.enter()
    waiting = [asyncio.ensure_future(_pass(lane)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Full):
        await lane.enter()
    lane.leave()
    await asyncio.gather(*waiting)
    assert lane.is_idle


async def _pass(lane: Lane) -> None:
    await lane.enter()
    await asyncio.sleep(0)
    lane.leave()


async def test_who_is_called_off_in_the_moment_of_its_turn_passes_it_on() -> None:
    lane = Lane(1, 3)
    await lane.enter()
    first, second, third = (asyncio.ensure_future(lane.enter()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    lane.leave()  # to the first, who is called off before it can run
    first.cancel()
    await asyncio.wait({first, second, third})
    assert (first.cancelled(), second.cancelled(), third.cancelled()) == (True, True, False)
    assert (lane.inside, lane.waiting) == (1, 0)


_EVENTS = st.lists(st.sampled_from(["enter", "leave", "call off", "turn"]), max_size=60)


@given(st.integers(1, 3), _EVENTS, st.integers(0, 99))
def test_a_lane_loses_no_place_and_lets_in_by_order(size: int, events: list[str], seed: int) -> None:
    asyncio.run(_crowded(Lane(size, 100), size, events, random.Random(seed)))


async def _crowded(lane: Lane, size: int, events: list[str], dice: random.Random) -> None:
    inside: list[int] = []
    let_in: list[int] = []
    done = [asyncio.Event() for _ in events]

    async def call(number: int) -> None:
        await lane.enter()
        let_in.append(number)
        inside.append(number)
        try:
            await done[number].wait()
        finally:
            inside.remove(number)
            lane.leave()

    calls: list[asyncio.Task[None]] = []
    for event in [*events, *["turn"] * 3]:
        if event == "enter":
            calls.append(asyncio.ensure_future(call(len(calls))))
        elif event == "leave" and inside:
            done[dice.choice(inside)].set()
        elif event == "call off" and calls:
            dice.choice(calls).cancel()
        elif event == "turn":
            await asyncio.sleep(0)
        assert len(inside) <= lane.inside <= size
    assert lane.inside == size or not lane.waiting
    for one in done:
        one.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*calls, return_exceptions=True)
    assert lane.is_idle
    assert let_in == sorted(let_in)
    assert len(let_in) + sum(one.cancelled() for one in calls) >= len(calls)


async def test_one_connection_cannot_keep_another_waiting() -> None:
    """Whoever comes after a hundred calls of another connection waits for a provider's place behind four of them."""
    bulkhead = Bulkhead()
    order: list[str] = []

    async def call(connection: str) -> None:
        async with held(bulkhead.place((connection, 4), ("books", 4))):
            order.append(connection)
            await asyncio.sleep(0)

    many = [asyncio.ensure_future(call("greedy")) for _ in range(100)]
    await asyncio.sleep(0)
    one = asyncio.ensure_future(call("modest"))
    await asyncio.gather(*many, one)
    assert order.index("modest") <= 2 * 4


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.booleans()), max_size=60))
def test_nobody_is_ever_inside_beyond_the_places(calls: list[tuple[str, str, bool]]) -> None:
    async def scenario() -> None:
        bulkhead = Bulkhead(process=5)
        inside: list[str] = []

        async def call(connection: str, provider: str) -> None:
            async with held(bulkhead.place((connection + provider, 2), (provider, 3))):
                inside.append(provider)
                assert len(inside) <= 5
                try:
                    assert inside.count(provider) <= 3
                    await asyncio.sleep(0)
                finally:
                    inside.remove(provider)

        tasks = [(asyncio.ensure_future(call(connection, provider)), off) for connection, provider, off in calls]
        await asyncio.sleep(0)
        for task, off in tasks:
            if off:
                task.cancel()
        results = await asyncio.gather(*(task for task, _ in tasks), return_exceptions=True)
        assert all(isinstance(one, Full | asyncio.CancelledError | None) for one in results)
        assert (bulkhead.inside("x"), bulkhead.inside("y")) == (0, 0)

    asyncio.run(scenario())


# All of it on the way out


async def test_a_system_that_is_down_is_not_asked_ten_per_cent_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The breaker apart, which would hold back nearly everything: the budget alone sees to it."""
    monkeypatch.setattr(Breaker, "wait", lambda self: 0.0)

    async def down(request: httpx2.Request) -> httpx2.Response:
        return said({}, 503)

    books = Books(down)
    stage = Stage(books)
    asked = 1_000
    for _ in range(asked):
        with pytest.raises(Problem):
            await stage.outbound().data(READ)
    assert len(books.heard) <= 1.1 * asked


async def test_a_system_that_is_down_is_left_alone_and_tried_again() -> None:
    state = {"down": True}

    async def handle(request: httpx2.Request) -> httpx2.Response:
        return said({}, 503) if state["down"] else said({"ok": True})

    books = Books(handle)
    stage = Stage(books)
    problems = []
    for _ in range(200):
        with pytest.raises(Problem) as raised:
            await stage.outbound().data(WRITE)
        problems.append(raised.value)
    assert len(books.heard) <= 25
    assert (problems[-1].code, problems[-1].kind.status) == ("upstream_unavailable", 503)
    assert 0 < (problems[-1].retry_after or 0) <= 7
    state["down"] = False
    stage.clock.advance(7)
    assert await stage.outbound().data(READ) == {"ok": True}
    assert await stage.outbound().data(READ) == {"ok": True}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500])
async def test_refusals_never_open_the_breaker(status: int) -> None:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        return said({}, status)

    books = Books(handle)
    stage = Stage(books)
    for number in range(60):
        with pytest.raises(Problem):
            await stage.outbound(f"con_{number}").data(WRITE)
    assert not stage.way.states["books"].breakers["api"].is_open


async def _unwritable() -> AccessToken:
    return AccessToken(Secret("t\u00f3ken"))


async def _as_given(rejected: AccessToken) -> AccessToken:
    return rejected


def of_an_unwritable_token(stage: Stage) -> tuple[Outbound, Request]:
    up = stage.outbound()
    up._tokens = TokenSource(_unwritable, _as_given)
    return up, READ


def of_an_unwritable_setting(stage: Stage) -> tuple[Outbound, Request]:
    up = stage.outbound()
    up._calls._kind = replace(STATIC, operator_headers={"X-Subscription": "subscription_key"})
    up._calls._provider = replace(stage.provider, operator={"subscription_key": Secret("sl\u00e9utel")})
    return up, READ


def of_an_unwritable_header(stage: Stage) -> tuple[Outbound, Request]:
    return stage.outbound(), replace(READ, headers={"accept": "a\x01b"})


@pytest.mark.parametrize(
    ("unwritable", "code"),
    [
        (of_an_unwritable_token, "connection_needs_reauth"),
        (of_an_unwritable_setting, "provider_misconfigured"),
        (of_an_unwritable_header, "validation_failed"),
    ],
)
async def test_what_cannot_be_written_says_nothing_of_the_system(unwritable: Any, code: str) -> None:
    stage = Stage(Books())
    for _ in range(2 * breaking.ENOUGH):
        up, request = unwritable(stage)
        with pytest.raises(Problem) as raised:
            await up.data(request)
        assert (raised.value.code, up.fate) == (code, "not_sent")
    strain = stage.way.strain("books")
    assert (strain.breaker, strain.budget, strain.inside) == (0, 1.0, 0)
    assert await stage.outbound().data(READ) == {"ok": True}
    assert len(stage.books.heard) == 1


async def test_a_system_that_hangs_leaves_the_others_alone() -> None:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(60)
        return said({})

    stage = Stage(Books(handle), pace=Pace(per_connection=4, per_provider=64))
    hanging = [asyncio.ensure_future(stage.outbound(f"con_{number}").data(READ)) for number in range(200)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert stage.way.bulkhead.inside("books") == 64
    stage.books._handle = None
    stage.provider = replace(stage.provider, adapter=replace(stage.provider.adapter, name="other"))
    answers = await asyncio.gather(*(stage.outbound("con_other").data(READ) for _ in range(40)))
    assert answers == [{"ok": True}] * 40
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    assert stage.way.bulkhead.inside("books") == 0


async def test_whom_the_queue_leaves_too_little_time_is_not_sent_in_vain() -> None:
    """One place, calls of a second each, and ten times as many of them as there is time for."""

    async def handle(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)  # everybody is in the queue before the first one is done
        stage.clock.advance(1.0)
        return said({})

    stage = Stage(Books(handle), pace=Pace(per_connection=1))
    stage.way.states["books"].latency.took(1.0)
    ups = [stage.outbound(seconds=10.5) for _ in range(60)]
    results = await asyncio.gather(*(up.data(READ) for up in ups), return_exceptions=True)
    answered = [one for one in results if not isinstance(one, BaseException)]
    refused = [one for one in results if isinstance(one, Problem)]
    assert 8 <= len(answered) == len(stage.books.heard)
    assert {(one.code, one.kind.status) for one in refused} == {("upstream_unavailable", 503)}
    assert len(answered) + len(refused) == 60


async def test_who_cannot_get_a_turn_in_time_hears_so_at_once() -> None:
    """Ten seconds, calls of a second, one place: whose turn comes too late for a call is told now, and not then."""

    async def handle(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(60)
        return said({})

    stage = Stage(Books(handle), pace=Pace(per_connection=1))
    stage.way.states["books"].latency.took(1.0)
    tasks = [asyncio.ensure_future(stage.outbound(seconds=10.0).data(READ)) for _ in range(60)]
    for _ in range(5):
        await asyncio.sleep(0)
    told = [task.exception() for task in tasks if task.done()]
    assert len(told) == 60 - 1 - 7, "one is called, and seven have a second and a half left when it is their turn"
    assert {one.code for one in told if isinstance(one, Problem)} == {"upstream_unavailable"}
    assert stage.clock.monotonic() == 0
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_slow_system_is_called_however_little_time_there_is() -> None:
    stage = Stage(Books())
    stage.way.states["books"].latency.took(100.0)
    assert await stage.outbound(seconds=5.0).data(READ) == {"ok": True}


async def test_what_cannot_wait_any_more_is_told_when_to_come_back() -> None:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(60)
        return said({})

    stage = Stage(Books(handle), pace=Pace(per_connection=1))
    tasks = [asyncio.ensure_future(stage.outbound().data(WRITE)) for _ in range(66)]
    for _ in range(5):
        await asyncio.sleep(0)
    refused = [task.exception() for task in tasks if task.done()]
    assert len(refused) == 1
    (problem,) = refused
    assert isinstance(problem, Problem)
    assert (problem.code, problem.retry_after) == ("upstream_unavailable", 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
