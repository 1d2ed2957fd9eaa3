"""The way out: what is repeated and what never is, who may call when, and what became of a write."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from gateway.contract.adapter import Pace
from gateway.contract.errors import Problem
from gateway.contract.upstream import Reply, Request
from gateway.engine.network import redaction
from gateway.engine.network.http import encode
from gateway.engine.network.redaction import abridged
from gateway.engine.outbound.resilience import pace as pacing
from tests.engine.staging import Books, Stage, said
from tests.house import ManualClock

READ = Request("GET", "/contacts")
WRITE = Request("POST", "/contacts", json={"name": "x"})
NOT_SENT = httpx2.ConnectError("refused")
BROKEN = httpx2.ReadError("reset")
LATE = httpx2.ReadTimeout("slow")


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def stage(books: Books) -> Stage:
    return Stage(books)


async def problem_of(work: Awaitable[Any]) -> Problem:
    with pytest.raises(Problem) as raised:
        await work
    return raised.value


# What is sent


async def test_a_call_carries_the_token_and_the_body(stage: Stage, books: Books) -> None:
    assert await stage.outbound().data(WRITE) == {"ok": True}
    (request,) = books.heard
    assert (request.method, str(request.url)) == ("POST", "http://books.test/contacts")
    assert request.headers["authorization"] == "Bearer token-1"
    assert (request.headers["content-type"], request.content) == ("application/json", b'{"name":"x"}')


def test_a_body_is_json_or_a_form_or_bytes() -> None:
    assert encode(Request("POST", "/", json=[]))[1] == b"[]"
    headers, body = encode(Request("POST", "/", form={"a": "b c&d"}))
    assert (headers["content-type"], body) == ("application/x-www-form-urlencoded", b"a=b+c%26d")
    assert encode(Request("POST", "/", body=b"\x00"))[1] == b"\x00"
    assert encode(Request("GET", "/"))[1] == b""


# Repeating


@pytest.mark.parametrize(
    "faults",
    [[NOT_SENT], [NOT_SENT, NOT_SENT], [BROKEN], [BROKEN, NOT_SENT], [said({}, 503)], [said({}, 502), said({}, 504)]],
    ids=["refused", "refused twice", "broken", "broken and refused", "503", "502 and 504"],
)
async def test_a_read_is_tried_again(stage: Stage, books: Books, faults: list[Any]) -> None:
    books.then(*faults)
    assert await stage.outbound().data(READ) == {"ok": True}
    assert len(books.heard) == len(faults) + 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [(NOT_SENT, "upstream_unavailable"), (BROKEN, "upstream_unavailable"), (said({}, 503), "upstream_unavailable")],
    ids=["refused", "broken", "503"],
)
async def test_a_read_is_tried_three_times_in_all(stage: Stage, books: Books, fault: Any, code: str) -> None:
    books.then(*[fault] * 5)
    problem = await problem_of(stage.outbound().call(READ))
    assert (problem.code, len(books.heard)) == (code, 3)


async def test_a_system_that_is_unwell_is_not_asked_before_the_time_it_names(stage: Stage, books: Books) -> None:
    books.then(said({}, 503, retry_after="120"))
    problem = await problem_of(stage.outbound().call(READ))
    assert (problem.code, problem.retry_after, len(books.heard)) == ("upstream_unavailable", 120, 1)
    began = stage.clock.monotonic()
    books.then(said({}, 503, retry_after="1"))
    assert await stage.outbound().data(READ) == {"ok": True}
    assert stage.clock.monotonic() - began >= 1


async def test_a_late_read_is_not_tried_again(stage: Stage, books: Books) -> None:
    books.then(LATE)
    problem = await problem_of(stage.outbound().call(READ))
    assert (problem.code, len(books.heard)) == ("upstream_timeout", 1)


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
async def test_a_reply_that_says_no_is_not_asked_again(stage: Stage, books: Books, status: int) -> None:
    books.then(said({}, status))
    await problem_of(stage.outbound().call(READ))
    assert len(books.heard) == 1


@pytest.mark.parametrize("status", [422, 429])
async def test_a_long_refusal_is_read_once(
    stage: Stage, books: Books, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(reply: Reply) -> Reply:
        read.append(reply.status)
        return abridged(reply)

    monkeypatch.setattr(redaction, "abridged", counted)
    books.then(said({"errors": ["no"] * 5_000}, status))
    await problem_of(stage.outbound().call(READ))
    assert read == [status]


async def test_a_write_that_surely_was_not_sent_is_tried_again(stage: Stage, books: Books) -> None:
    books.then(NOT_SENT, NOT_SENT)
    up = stage.outbound()
    assert await up.data(WRITE) == {"ok": True}
    assert (len(books.heard), up.fate) == (3, "applied")


@pytest.mark.parametrize("fault", [BROKEN, LATE, httpx2.WriteError("x"), httpx2.RemoteProtocolError("x")])
async def test_a_write_that_may_have_arrived_is_never_repeated(stage: Stage, books: Books, fault: Exception) -> None:
    books.then(fault)
    up = stage.outbound()
    problem = await problem_of(up.call(WRITE))
    assert (problem.code, problem.outcome, up.fate) == ("upstream_timeout", "unknown", "unknown")
    assert len(books.heard) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_write_answered_with_a_failure_is_never_repeated(stage: Stage, books: Books, status: int) -> None:
    books.then(said({}, status))
    up = stage.outbound()
    await problem_of(up.call(WRITE))
    assert (len(books.heard), up.fate) == (1, "unknown")


# What became of a write


@pytest.mark.parametrize(
    ("answers", "fate"),
    [
        ([said({})], "applied"),
        ([said({}, 422)], "rejected"),
        ([said({}, 404)], "rejected"),
        ([said({}, 429, retry_after="60")], "not_sent"),
        ([said({}, 401)] * 3, "not_sent"),
        ([said({}, 500)], "unknown"),
        ([httpx2.Response(200, content=b"<html>")], "unknown"),
        ([NOT_SENT] * 3, "not_sent"),
        ([BROKEN], "unknown"),
    ],
    ids=["ok", "422", "404", "429", "401 thrice", "500", "no JSON", "refused", "broken"],
)
async def test_what_became_of_a_write_is_known(stage: Stage, books: Books, answers: list[Any], fate: str) -> None:
    books.then(*answers)
    up = stage.outbound()
    await asyncio.gather(up.data(WRITE), return_exceptions=True)
    assert up.fate == fate


async def test_reads_settle_nothing_about_a_write(stage: Stage, books: Books) -> None:
    books.then(said({}), said({}, 500), said({}), BROKEN, BROKEN, BROKEN)
    up = stage.outbound()
    await up.data(READ)
    await asyncio.gather(up.data(READ), return_exceptions=True)
    before = up.fate
    await up.data(WRITE)
    await asyncio.gather(up.data(READ), return_exceptions=True)
    assert (before, up.fate) == ("not_sent", "applied")


async def test_what_was_done_stays_done_when_a_later_write_is_refused(stage: Stage, books: Books) -> None:
    books.then(said({}), said({}, 422))
    up = stage.outbound()
    await up.data(WRITE)
    await problem_of(up.data(WRITE))
    assert up.fate == "applied"


async def test_a_doubt_stays_a_doubt_when_a_later_write_is_refused(stage: Stage, books: Books) -> None:
    books.then(BROKEN, said({}, 422))
    up = stage.outbound()
    await problem_of(up.data(WRITE))
    await problem_of(up.data(WRITE))
    assert up.fate == "unknown"


async def test_a_write_called_off_under_way_is_in_doubt() -> None:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(60)
        return said({})

    books = Books(handle)
    up = Stage(books).outbound()
    task = asyncio.ensure_future(up.data(WRITE))
    while not books.heard:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert up.fate == "unknown"


async def test_of_several_writes_the_worst_doubt_counts() -> None:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/wrong":
            return said({}, 422)
        await asyncio.sleep(60)
        return said({})

    up = Stage(Books(handle)).outbound()
    await problem_of(up.each([up.data(WRITE), up.data(Request("POST", "/wrong"))]))
    assert up.fate == "unknown"


async def test_a_write_that_was_sent_is_not_told_as_nothing_sent_when_its_readback_is_held_back(
    stage: Stage, books: Books
) -> None:
    books.then(said({}), said({}, 429, retry_after="60"))
    up = stage.outbound()
    await up.data(WRITE)
    await problem_of(up.data(READ))
    problem = await problem_of(up.data(READ))
    assert (up.fate, problem.detail) == ("applied", "Books asked to wait; no more was sent.")


# Tokens


async def test_a_rejected_token_is_replaced_once(stage: Stage, books: Books) -> None:
    books.then(said({}, 401))
    up = stage.outbound()
    assert await up.data(WRITE) == {"ok": True}
    assert [one.headers["authorization"] for one in books.heard] == ["Bearer token-1", "Bearer token-2"]
    assert (stage.tokens.rejected, up.fate) == (["token-1"], "applied")


async def test_a_token_that_another_process_kept_may_be_dead_too(stage: Stage, books: Books) -> None:
    books.then(said({}, 401), said({}, 401))
    assert await stage.outbound().data(READ) == {"ok": True}
    assert (len(books.heard), stage.tokens.rejected) == (3, ["token-1", "token-2"])


async def test_a_third_rejection_is_told(stage: Stage, books: Books) -> None:
    books.then(said({}, 401), said({}, 401), said({}, 401))
    problem = await problem_of(stage.outbound().data(READ))
    assert (problem.code, len(books.heard)) == ("connection_needs_reauth", 3)


async def test_a_refusal_that_is_not_about_the_token_replaces_none(stage: Stage, books: Books) -> None:
    books.then(said({}, 403))
    await problem_of(stage.outbound().data(READ))
    assert (len(books.heard), stage.tokens.rejected) == (1, [])


# Waiting as asked


async def test_a_short_wait_is_waited_out(stage: Stage, books: Books) -> None:
    books.then(said({}, 429, retry_after="1"))
    assert await stage.outbound().data(WRITE) == {"ok": True}
    assert len(books.heard) == 2
    assert stage.clock.monotonic() >= 1


@pytest.mark.parametrize("wait", ["2", "60", "3600"])
async def test_a_long_wait_is_passed_on_and_nobody_calls_meanwhile(stage: Stage, books: Books, wait: str) -> None:
    books.then(said({}, 429, retry_after=wait))
    problem = await problem_of(stage.outbound().data(READ))
    assert (problem.code, problem.retry_after) == ("upstream_rate_limited", int(wait))
    stage.clock.advance(int(wait) - 1.5)
    problem = await problem_of(stage.outbound().data(WRITE))
    assert (problem.code, "nothing was sent" in problem.detail) == ("upstream_rate_limited", True)
    assert problem.retry_after is not None
    assert 1 < problem.retry_after <= 3
    assert len(books.heard) == 1
    stage.clock.advance(1.5)
    await stage.outbound().data(READ)
    assert len(books.heard) == 2


async def test_one_connections_wait_is_not_anothers(stage: Stage, books: Books) -> None:
    books.then(said({}, 429, retry_after="60"))
    await problem_of(stage.outbound("con_1").data(READ))
    assert await stage.outbound("con_2").data(READ) == {"ok": True}


async def test_a_wait_of_unknown_length_is_a_second_at_least(stage: Stage, books: Books) -> None:
    books.then(said({}, 429))
    await problem_of(stage.outbound().data(READ))
    assert len(books.heard) == 1
    await stage.outbound().data(READ)
    assert stage.clock.monotonic() >= 1


def test_a_shorter_wait_does_not_shorten_a_longer_one() -> None:
    clock = ManualClock()
    pace = pacing.Pace(clock)
    pace.close("con", 60)
    pace.close("con", 2)
    clock.advance(10)
    assert pace.wait("con") == 50


async def test_who_waits_for_a_slot_hears_of_the_wait_too() -> None:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        return said({}, 429, retry_after="60")

    books = Books(handle)
    stage = Stage(books, pace=Pace(per_connection=2))
    found = await asyncio.gather(*(stage.outbound().data(READ) for _ in range(8)), return_exceptions=True)
    assert {one.code for one in found if isinstance(one, Problem)} == {"upstream_rate_limited"}
    assert len(books.heard) <= 2


async def test_a_wait_that_a_raw_call_was_told_holds_for_all(stage: Stage, books: Books) -> None:
    books.then(said({}, 429, retry_after="60"))
    assert (await stage.outbound().exchange(READ)).status == 429
    await problem_of(stage.outbound().data(READ))
    assert len(books.heard) == 1


# Slots and deadlines


def slow(seconds: float) -> Callable[[httpx2.Request], Awaitable[httpx2.Response]]:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(seconds)
        return said({"ok": True})

    return handle


async def test_a_connection_has_so_many_calls_in_flight_and_no_more() -> None:
    books = Books(slow(0.005))
    stage = Stage(books, pace=Pace(per_connection=3, per_provider=5))
    up = stage.outbound()
    await up.each([up.data(READ) for _ in range(12)])
    assert (books.most_in_flight, len(books.heard)) == (3, 12)


async def test_a_provider_has_so_many_calls_in_flight_over_all_connections() -> None:
    books = Books(slow(0.005))
    stage = Stage(books, pace=Pace(per_connection=3, per_provider=5))
    await asyncio.gather(*(stage.outbound(f"con_{number}").data(READ) for number in range(20)))
    assert books.most_in_flight == 5


async def test_who_leaves_gives_the_slot_back() -> None:
    books = Books(slow(30))
    stage = Stage(books, pace=Pace(per_connection=2, per_provider=3))
    for _ in range(5):
        tasks = [asyncio.ensure_future(stage.outbound().data(READ)) for _ in range(6)]
        await asyncio.sleep(0.002)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    books._handle = slow(0)
    assert stage.way.bulkhead.inside("books") == 0
    books.most_in_flight = 0
    await asyncio.wait_for(asyncio.gather(*(stage.outbound().data(READ) for _ in range(6))), 1)
    assert books.most_in_flight == 2


async def test_who_waits_for_a_slot_beyond_the_deadline_sends_nothing() -> None:
    books = Books(slow(30))
    stage = Stage(books, pace=Pace(per_connection=1))
    first = asyncio.ensure_future(stage.outbound().data(READ))
    await asyncio.sleep(0.002)
    up = stage.outbound(seconds=0.02)
    problem = await problem_of(up.data(WRITE))
    assert (problem.code, up.fate, len(books.heard)) == ("upstream_timeout", "not_sent", 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_when_the_time_is_over_nothing_is_sent(stage: Stage, books: Books) -> None:
    up = stage.outbound(seconds=5)
    stage.clock.advance(5)
    problem = await problem_of(up.data(WRITE))
    assert (problem.code, up.fate, books.heard) == ("upstream_timeout", "not_sent", [])


async def test_no_rest_is_taken_beyond_the_deadline(stage: Stage, books: Books) -> None:
    books.then(said({}, 429, retry_after="1"))
    await problem_of(stage.outbound(seconds=0.5).data(READ))
    assert (len(books.heard), stage.clock.monotonic()) == (1, 0)


# Several at once


async def test_results_come_in_the_order_they_were_asked(stage: Stage) -> None:
    async def after(seconds: float, value: int) -> int:
        await asyncio.sleep(seconds)
        return value

    up = stage.outbound()
    assert await up.each([after(0.004, 1), after(0, 2), after(0.002, 3)]) == [1, 2, 3]
    assert await up.gather(after(0.002, 1), after(0, 2)) == (1, 2)
    assert await up.each([]) == []


async def test_one_failure_calls_the_others_off_and_is_told_itself(stage: Stage) -> None:
    failure = Problem("conflict", "No.")
    left: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            left.append("left")

    async def failing() -> None:
        await asyncio.sleep(0.001)
        raise failure

    up = stage.outbound()
    assert await problem_of(up.each([endless(), failing(), endless()])) is failure
    assert await problem_of(up.gather(endless(), failing())) is failure
    assert left == ["left"] * 3


async def test_of_two_failures_one_is_told_and_none_is_left_unheard(stage: Stage) -> None:
    async def failing(code: str) -> None:
        raise Problem(code, "x")

    up = stage.outbound()
    problem = await problem_of(up.gather(failing("conflict"), failing("not_found")))
    assert problem.code == "conflict"


async def test_who_is_called_off_calls_off_what_was_begun(stage: Stage) -> None:
    left: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            left.append("left")

    up = stage.outbound()
    task = asyncio.ensure_future(up.each([endless(), endless()]))
    await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left == ["left", "left"]


# Telling


async def test_what_cannot_be_held_is_refused_or_dropped_with_a_warning(stage: Stage) -> None:
    with pytest.raises(Problem) as raised:
        stage.outbound().unsupported("/unit", en="No place.", nl="Geen plaats.")
    assert (raised.value.code, raised.value.errors[0].pointer) == ("field_unsupported", "/unit")
    up = stage.outbound(drop=True)
    up.unsupported("/unit", en="No place.", nl="Geen plaats.")
    assert [one.json for one in up.warnings] == [{"code": "field_dropped", "detail": "No place.", "pointer": "/unit"}]


async def test_now_is_when_the_request_came_in_and_today_is_dutch(stage: Stage) -> None:
    stage.clock.advance(14 * 3600 + 1800)  # 23:30 UTC, half past midnight in the Netherlands
    up = stage.outbound()
    stage.clock.advance(3600)
    assert up.now.isoformat() == "2026-03-02T23:30:00+00:00"
    assert up.today.isoformat() == "2026-03-03"


async def test_a_known_fact_is_loaded_once_for_a_while(stage: Stage) -> None:
    loads: list[int] = []

    async def load() -> int:
        loads.append(1)
        return len(loads)

    assert [await stage.outbound().known("vat", load) for _ in range(3)] == [1, 1, 1]
    assert await stage.outbound("con_2").known("vat", load) == 2
    assert await stage.outbound().known("vat", load, fresh=True) == 3
    assert await stage.outbound().known("vat", load) == 3
    stage.clock.advance(301)
    assert await stage.outbound().known("vat", load) == 4
