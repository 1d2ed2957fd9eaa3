"""A connection's pair is renewed again and again, whatever fails: the store, the wire, the provider, or one of us."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from gateway.contract.errors import Problem
from gateway.engine.observe import TokenOutcome, Transition
from gateway.engine.storage import Intent, StoredConnection, StoredToken
from gateway.engine.tokens.refusals import HELD_AT_MOST
from gateway.engine.waiting import measured
from tests.engine.journal import Died, Disk, Steps
from tests.engine.rotating import LIFETIME, PROVIDER, Life, RotatingProvider, Timeline, pair, refusal
from tests.engine.staging import Unobserved, said
from tests.house import START
from tests.model.issuers import Mode

HEALING = (Mode.STATIC, Mode.ON_USE, Mode.GRACE)


class Watched(Unobserved):
    """Writes down what is counted."""

    def __init__(self) -> None:
        self.outcomes: list[TokenOutcome] = []
        self.transitions: list[Transition] = []

    def token(self, provider: str, outcome: TokenOutcome, seconds: float) -> None:
        self.outcomes.append(outcome)

    def transition(self, provider: str, to: Transition) -> None:
        self.transitions.append(to)


def a_life(mode: Mode = Mode.ON_USE, **parts: Any) -> tuple[Life, StoredConnection, Watched]:
    """A process whose connection's token has just expired."""
    watched = Watched()
    life = Life(RotatingProvider(mode), observer=watched, **parts)
    made = life.begin()
    life.clock.advance(LIFETIME)
    return life, made, watched


async def problem_of(work: Awaitable[Any]) -> Problem:
    with pytest.raises(Problem) as raised:
        await work
    return raised.value


# One request, whoever asks


@pytest.mark.parametrize("mode", Mode)
async def test_two_hundred_calls_at_once_cause_one_request(mode: Mode) -> None:
    life, made, _ = a_life(mode)
    tokens = await asyncio.gather(*(life.tokens.current(made, PROVIDER) for _ in range(200)))
    assert len({token.value for token in tokens}) == 1
    assert life.refreshes() == ["r0"]


@pytest.mark.parametrize("mode", Mode)
async def test_four_processes_with_fifty_calls_each_cause_one_request(mode: Mode) -> None:
    first, made, _ = a_life(mode)
    others = [Life(first.books, first.disk, first.clock, owner=owner) for owner in ("two", "three", "four")]
    calls = [life.tokens.current(made, PROVIDER) for life in (first, *others) for _ in range(50)]
    tokens = await asyncio.gather(*calls)
    assert len({token.value for token in tokens}) == 1
    assert (first.refreshes(), first.books.most_in_flight) == (["r0"], 1)


async def test_the_intent_of_another_who_may_live_is_waited_for() -> None:
    """The lock may have been lost by one who was cut off, whose request is under way: nobody asks before its end."""
    life, made, _ = a_life(disk=Disk(living={"cut off"}))
    deadline = life.clock.now() + timedelta(seconds=35)
    life.disk.of(made).intent = Intent("cut off", life.clock.now(), deadline)
    await life.tokens.current(made, PROVIDER)
    assert life.clock.now() >= deadline
    assert life.refreshes() == ["r0"]


async def test_a_clock_that_was_set_back_lets_nobody_wait_for_what_was_written_down_by_it() -> None:
    life, made, _ = a_life(disk=Disk(living={"cut off"}))
    kept, began, ahead = life.disk.of(made), life.clock.monotonic(), life.clock.now() + timedelta(days=30)
    kept.refused_at = kept.suspect_since = ahead
    kept.intent = Intent("cut off", life.clock.now(), ahead)
    await life.tokens.current(made, PROVIDER)
    assert (life.refreshes(), round(life.clock.monotonic() - began)) == (["r0"], 65)


async def test_who_waits_for_anothers_intent_takes_what_comes_of_it() -> None:
    clock = Timeline()
    life, made, _ = a_life(disk=Disk(living={"slow"}), clock=clock)
    kept = life.disk.of(made)
    kept.intent = Intent("slow", clock.now(), clock.now() + timedelta(seconds=35))
    waiting = asyncio.ensure_future(life.tokens.current(made, PROVIDER))
    for _ in range(50):
        await asyncio.sleep(0)
    kept.rows.append(StoredToken(2, pair(made.id, 1, 1, lifetime=2 * LIFETIME), clock.now()))
    kept.intent = None
    await clock.pass_until(waiting)
    assert (await waiting).value.reveal() == "con_1/a1"
    assert life.refreshes() == []


async def test_who_is_dead_is_not_waited_for() -> None:
    life, made, _ = a_life()
    before = life.clock.monotonic()
    life.disk.of(made).intent = Intent("dead", life.clock.now(), life.clock.now() + timedelta(seconds=35))
    await life.tokens.current(made, PROVIDER)
    assert life.clock.monotonic() == before


# Taken for dead, and alive


async def cut_off(mode: Mode, then: list[str]) -> tuple[Life, Life, StoredConnection, asyncio.Future[Any]]:
    """One whose request is under way, another who has taken it for dead and renewed the pair, and the first's flight.

    The first's answer comes when ``hold`` is set; ``then`` is what comes of its request.
    """
    first, made, _ = a_life(mode)
    first.books.hold, first.books.then = asyncio.Event(), [*then]
    asking = asyncio.ensure_future(first.tokens.current(made, PROVIDER))
    while not first.books.asked:
        await asyncio.sleep(0)
    held, first.books.hold = first.books.hold, None
    first.disk.of(made).locked = False
    second = Life(first.books, first.disk, first.clock, owner="two")
    await second.call(made)
    held.set()
    return first, second, made, asking


@pytest.mark.parametrize("mode", HEALING)
async def test_the_token_of_one_who_was_taken_for_dead_is_kept_and_ends_nobody_elses_intent(mode: Mode) -> None:
    first, second, made, asking = await cut_off(mode, [])
    others = Intent("two", first.clock.now(), first.clock.now() + timedelta(seconds=35))
    first.disk.of(made).intent = others
    await asking
    assert first.disk.of(made).intent == others
    first.disk.of(made).intent = None
    for life in (second, first, second):
        first.clock.advance(LIFETIME)
        await life.call(made)
    assert first.disk.of(made).status == "active"


@pytest.mark.parametrize("mode", Mode)
async def test_one_who_was_taken_for_dead_asks_with_no_token_that_another_spent(mode: Mode) -> None:
    """Its answer is lost, and it would ask again with the same refresh token: of that, others know more by now."""
    first, second, made, asking = await cut_off(mode, ["unheard"])
    await asking
    assert first.refreshes() == ["r0", "r0"], "one of the first's, one of the second's"
    for life in (first, second):
        first.clock.advance(LIFETIME)
        await life.call(made)
    assert first.disk.of(made).status == "active"


async def test_who_was_cut_off_after_its_intent_looks_again_before_it_asks() -> None:
    life, made, _ = a_life()
    intend = life.storage.tokens.intend

    async def overtaken(*arguments: Any) -> bool:
        kept = await intend(*arguments)
        life.process.cuts += 1
        if life.process.cuts == 1:
            await Life(life.books, life.disk, life.clock, owner="two").tokens.current(made, PROVIDER)
        return kept

    life.storage.tokens.intend = overtaken  # type: ignore[method-assign, assignment]  # the moment at which it happens
    life.disk.of(made).locked = False
    flight = asyncio.ensure_future(life.tokens.current(made, PROVIDER))
    while not life.process.cuts:
        await asyncio.sleep(0)
        life.disk.of(made).locked = False
    assert (await flight).value.reveal() == "con_1/a1"
    assert life.refreshes() == ["r0"]


async def test_who_cannot_vouch_for_itself_asks_for_nothing() -> None:
    life, made, _ = a_life()
    life.process.is_cut_off = True
    assert (await problem_of(life.call(made))).code == "storage_unavailable"
    assert (life.refreshes(), life.disk.of(made).intent) == ([], None)
    life.process.is_cut_off = False
    await life.call(made)


# Answers that are lost


@pytest.mark.parametrize("fate", ["lost", "unheard"])
@pytest.mark.parametrize("mode", HEALING)
async def test_a_request_of_unknown_fate_is_repeated_with_the_same_token(mode: Mode, fate: str) -> None:
    life, made, watched = a_life(mode)
    life.books.then = [fate, fate]
    await life.call(made)
    assert life.refreshes() == ["r0", "r0", "r0"]
    assert watched.outcomes == ["transient", "transient", "ok"]
    assert life.clock.monotonic() == LIFETIME + 0.5 + 2.0


async def test_who_waits_for_a_token_waits_for_the_provider() -> None:
    life, made, _ = a_life()
    life.books.then = ["lost"]
    watch = measured(life.clock.monotonic)
    await life.tokens.current(made, PROVIDER)
    assert life.refreshes() == ["r0", "r0"]
    assert watch.seconds == 0.5


async def test_who_is_served_while_a_token_is_replaced_behind_waits_for_nothing() -> None:
    life = Life(RotatingProvider(Mode.ON_USE))
    made = life.begin()
    await life.tokens.current(made, PROVIDER)
    life.clock.advance(LIFETIME - 120)
    life.books.then = ["lost"]
    watch = measured(life.clock.monotonic)
    await life.tokens.current(made, PROVIDER)
    await life.tokens.settle()
    assert life.refreshes() == ["r0", "r0"]
    assert watch.seconds == 0


@pytest.mark.parametrize("answer", [said({}, 503), said("nonsense"), said({"access_token": 7})])
async def test_an_answer_that_is_none_is_of_unknown_fate(answer: Any) -> None:
    life, made, _ = a_life()
    life.books.then = [answer]
    await life.call(made)
    assert life.refreshes() == ["r0", "r0"]


async def test_trouble_that_lasts_leaves_an_intent_for_whoever_comes_next() -> None:
    life, made, watched = a_life()
    life.books.then = ["lost"] * 4
    assert (await problem_of(life.call(made))).kind.retryable
    assert watched.outcomes == ["transient"] * 4
    intent = life.disk.of(made).intent
    assert intent is not None
    assert intent.deadline <= life.clock.now()
    await life.call(made)
    assert life.disk.of(made).intent is None


async def test_a_pair_is_used_before_it_is_renewed_again() -> None:
    """A provider that revokes the old pair on the first use of the new one never sees the old one again."""
    life, made, _ = a_life(Mode.ON_USE)
    for number in range(1, 6):
        assert await life.call(made) == f"a{number}"
        assert [row.seq for row in life.disk.of(made).rows] == [number + 1], "what is spent is forgotten"
        life.clock.advance(LIFETIME)
    assert life.refreshes() == ["r0", "r1", "r2", "r3", "r4"]


# A store that fails


async def test_without_a_durable_intent_nothing_is_sent() -> None:
    life, made, _ = a_life()
    life.disk.full = {"intend": 1}
    assert (await problem_of(life.call(made))).code == "storage_unavailable"
    assert life.refreshes() == []
    await life.call(made)


async def test_a_token_that_cannot_be_kept_at_once_is_kept_a_little_later() -> None:
    life, made, _ = a_life(Mode.AT_ONCE)
    life.disk.full = {"append": 4}
    assert await life.call(made) == "a1"
    assert life.refreshes() == ["r0"]


@pytest.mark.parametrize("full", [{"append": 5}, {"append": 5, "spool": 1}], ids=["spooled", "in-memory"])
async def test_a_token_that_the_store_does_not_take_is_kept_elsewhere_and_used_once_it_does(full: Any) -> None:
    life, made, _ = a_life(Mode.AT_ONCE)
    life.disk.full = full
    assert (await problem_of(life.call(made))).code == "storage_unavailable"
    assert await life.call(made) == "a1"
    assert life.refreshes() == ["r0"], "the token that was received is not asked for again"
    assert life.disk.spooled == []


async def test_a_spooled_token_outlives_its_process() -> None:
    life, made, _ = a_life(Mode.AT_ONCE)
    life.disk.full = {"append": 5}
    await problem_of(life.call(made))
    following = Life(life.books, life.disk, life.clock, owner="two")
    assert await following.call(made) == "a1"
    assert life.refreshes() == ["r0"]


# Refusals


async def test_a_refusal_is_no_refusal_where_another_process_was_faster() -> None:
    life, made, watched = a_life(Mode.AT_ONCE)
    life.books.hold = asyncio.Event()
    asking = asyncio.ensure_future(life.tokens.current(made, PROVIDER))
    while not life.books.asked:
        await asyncio.sleep(0)
    # The lock was lost, and another process has renewed the pair meanwhile.
    life.books.refresh(made.id, 0)
    newer = StoredToken(2, pair(made.id, 1, 1, lifetime=2 * LIFETIME), START)
    life.disk.of(made).rows.append(newer)
    life.books.hold.set()
    assert await asking == newer.token
    assert watched.outcomes == ["lost_race"]
    assert life.disk.of(made).status == "active"


@pytest.mark.parametrize("mode", Mode)
async def test_one_wrong_refusal_costs_a_pause_and_nothing_else(mode: Mode) -> None:
    life, made, watched = a_life(mode)
    life.books.then = [refusal()]
    await life.call(made)
    assert life.refreshes() == ["r0", "r0"]
    assert life.clock.monotonic() == LIFETIME + 30
    assert watched.transitions == ["suspect"]
    assert life.disk.of(made).status == "active"


async def test_a_lost_pair_needs_its_owner_once_the_provider_said_so_twice() -> None:
    life, made, watched = a_life(Mode.AT_ONCE)
    life.books.then = ["lost"]
    problem = await problem_of(life.call(made))
    assert (problem.code, problem.kind.fix) == ("connection_needs_reauth", "owner")
    assert life.refreshes() == ["r0", "r0", "r0"]
    assert watched.transitions == ["suspect", "suspect", "needs_reauth"]
    kept = life.disk.of(made)
    assert (kept.status, kept.intent, [row.state for row in kept.rows]) == ("needs_reauth", None, ["rejected"])


async def test_older_tokens_are_tried_before_a_connection_is_given_up() -> None:
    life, made, _ = a_life(Mode.ON_USE)
    kept = life.disk.of(made)
    # A provider whose memory was restored from a backup knows the last pair no more, but the one before it.
    kept.rows.append(StoredToken(2, pair(made.id, 7, 7), START))
    await life.call(made)
    assert life.refreshes() == ["r7", "r7", "r0"]
    assert kept.status == "active"


async def test_a_pair_that_never_worked_is_refused_at_once() -> None:
    life, made, _ = a_life(Mode.AT_ONCE)
    life.disk.put(made, StoredToken(1, pair(made.id, 9, 9), START))
    assert (await problem_of(life.call(made))).code == "connection_needs_reauth"
    assert life.clock.monotonic() == LIFETIME
    assert life.refreshes() == ["r9"]


async def test_a_process_that_died_in_the_pause_is_taken_over_from() -> None:
    life, made, _ = a_life(Mode.ON_USE, steps=Steps(dies_after=6))
    life.books.then = [refusal()]
    with pytest.raises(Died):
        await life.call(made)
    assert life.steps.names[-1] == "suspect"
    following = Life(life.books, life.disk, life.clock, owner="two")
    await following.call(made)
    assert life.clock.monotonic() == LIFETIME + 30, "whoever comes next waits out the same pause"
    assert life.disk.of(made).refused_at is None


async def test_the_old_access_token_serves_to_its_end_although_its_pair_was_refused() -> None:
    life, made, _ = a_life(Mode.AT_ONCE)
    life.clock.advance(-600)
    life.books.always = refusal
    for _ in range(3):
        assert await life.call(made) == "a0"
    assert life.disk.of(made).status == "needs_reauth"
    life.clock.advance(600)
    assert (await problem_of(life.call(made))).code == "connection_needs_reauth"


async def test_who_is_trusted_again_is_active_again() -> None:
    life, made, _ = a_life(Mode.ON_USE)
    life.books.always = refusal
    await problem_of(life.call(made))
    life.books.always = None
    life.clock.advance(61)
    await life.call(made)
    kept = life.disk.of(made)
    assert (kept.status, kept.suspect_since) == ("active", None)


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client", "invalid_request"])
async def test_what_is_the_operators_fault_touches_no_connection(error: str) -> None:
    life, made, watched = a_life()
    life.books.always = lambda: refusal(error, 401)
    problem = await problem_of(life.call(made))
    assert (problem.code, problem.kind.fix) == ("provider_misconfigured", "operator")
    kept = life.disk.of(made)
    assert (kept.status, kept.suspect_since, kept.intent) == ("active", None, None)
    assert watched.outcomes == ["config_error"]
    life.books.always = None
    await life.call(made)


# Many at once


async def storm(answer: Any, *, connections: int) -> tuple[Life, Watched, list[Problem]]:
    """All connections of a provider want a token at the same time, and all hear the same; what each was told."""
    clock, watched = Timeline(), Watched()
    life = Life(RotatingProvider(Mode.ON_USE), clock=clock, observer=watched)
    made = [life.begin(f"con_{number}") for number in range(connections)]
    clock.advance(LIFETIME)
    life.books.always = answer
    calls = asyncio.gather(*(life.tokens.current(one, PROVIDER) for one in made), return_exceptions=True)
    await clock.pass_until(calls)
    return life, watched, [one for one in await calls if isinstance(one, Problem)]


async def test_where_all_are_refused_none_is_marked() -> None:
    life, watched, problems = await storm(refusal, connections=300)
    assert {problem.code for problem in problems} == {"upstream_unavailable"}
    assert all(problem.retry_after == 60 for problem in problems)
    assert len(problems) == 300
    assert {kept.status for kept in life.disk.kept.values()} == {"active"}
    assert watched.transitions.count("held") == 300
    assert "needs_reauth" not in watched.transitions


async def test_where_our_own_credentials_are_refused_none_is_marked() -> None:
    life, watched, problems = await storm(lambda: refusal("invalid_client", 401), connections=300)
    assert {problem.code for problem in problems} == {"provider_misconfigured"}
    assert {kept.status for kept in life.disk.kept.values()} == {"active"}
    assert watched.transitions == []


async def test_a_few_are_marked_one_by_one() -> None:
    life, _, problems = await storm(refusal, connections=5)
    assert {problem.code for problem in problems} == {"connection_needs_reauth"}
    assert {kept.status for kept in life.disk.kept.values()} == {"needs_reauth"}


async def test_who_was_held_works_again_when_the_provider_does() -> None:
    life, _, _ = await storm(refusal, connections=30)
    life.books.always = None
    life.clock.advance(61)
    for kept_id in list(life.disk.kept):
        await life.call(life.begin(kept_id))
    assert {kept.suspect_since for kept in life.disk.kept.values()} == {None}


async def test_who_is_refused_for_a_whole_day_is_marked_even_in_a_mass() -> None:
    life, watched, _ = await storm(refusal, connections=30)
    life.clock.advance(HELD_AT_MOST.total_seconds())
    for kept in life.disk.kept.values():
        kept.refused_at = life.clock.now() - timedelta(minutes=1)
    made = life.tokens.current(_again("con_0"), PROVIDER)
    assert (await problem_of(made)).code == "connection_needs_reauth"
    assert watched.transitions[-1] == "needs_reauth"


def _again(id: str) -> StoredConnection:
    return Life(RotatingProvider(Mode.ON_USE)).begin(id)


# For a long time


@pytest.mark.parametrize("mode", [Mode.ON_USE, Mode.AT_ONCE])
async def test_ten_thousand_rotations_leave_no_error_and_four_rows_at_most(mode: Mode) -> None:
    life, made, watched = a_life(mode)
    for number in range(10_000):
        assert await life.call(made) == f"a{number + 1}"
        assert len(life.disk.of(made).rows) <= 4
        life.clock.advance(LIFETIME)
    assert set(watched.outcomes) == {"ok"}
    assert len(life.books.asked) == 10_000


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mode", HEALING)
async def test_no_sequence_of_crashes_and_lost_answers_loses_a_connection(mode: Mode, seed: int) -> None:
    """Three hundred processes, one after another, most of which die somewhere, on a wire that loses things."""
    random = Random(seed)
    life, made, _ = a_life(mode)
    deaths, told = 0, set()
    for number in range(300):
        life.books.then = random.choices(["lost", "unheard", "heard"], k=8)
        dies_after = random.choice([None, *range(1, 14)])
        life = Life(life.books, life.disk, life.clock, Steps(dies_after), owner=f"process-{number}")
        try:
            await life.call(made)
        except Died:
            deaths += 1
        except Problem as problem:
            told.add(problem.kind.retryable)
        life.clock.advance(random.choice([0, 0, LIFETIME]))
    assert deaths > 50
    assert told <= {True}, "where nothing came through, the next one may try again"
    assert life.disk.of(made).status == "active"
    life.books.then = []
    await Life(life.books, life.disk, life.clock, owner="last").call(made)
