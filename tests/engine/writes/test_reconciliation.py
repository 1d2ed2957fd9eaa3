"""Finding out what became of a write: when Polder looks, who looks, what it concludes, and what a death leaves."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from gateway.contract.emulator import Fault, ReceivedRequest
from gateway.contract.errors import Outcome, Problem
from gateway.contract.upstream import Request
from gateway.engine.call import Answer
from gateway.engine.storage import Attempt
from gateway.engine.writes.evidence import Evidence, open_answer, open_problem
from gateway.engine.writes.idempotency import KeyedWrite, Run
from gateway.engine.writes.reconciliation import CHECKS, FORGET_EVERY, KEPT_FOR, ZOMBIE, Finding, Reconciliation
from gateway.store.attempts import SqlAttempts
from tests.engine.shelf import Aisle
from tests.engine.staging import Unobserved
from tests.house import House, ManualClock, open_house

PROVIDER = "memory"
DRAFT = {"company_name": "Kaasboer De Graaf B.V.", "email": "info@kaasboer.example"}
APPLIED = Finding("applied", Answer(201, b'{"id":"c9"}'))
ABSENT = Finding("absent")


class Eyes:
    """A inspector that sees what it is told to; nothing (a problem) where it is told so."""

    def __init__(self, *findings: Finding | None) -> None:
        self.findings = list(findings)
        self.looks = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.let_go_of: list[str] = []

    async def look(self, attempt: Attempt, deadline: float) -> Finding:
        del attempt, deadline
        self.looks += 1
        await self.gate.wait()
        finding = self.findings.pop(0) if len(self.findings) > 1 else self.findings[0]
        if finding is None:
            raise Problem("upstream_unavailable", "Down.")
        return finding

    async def let_go(self, attempt: Attempt) -> None:
        self.let_go_of.append(attempt.key)


class Watch:
    """A reconciler with eyes of ours, over the real store."""

    def __init__(self, house: House, connection: str, eyes: Eyes) -> None:
        self.attempts = house.polder.storage.attempts
        self.clock: ManualClock = house.clock
        self.eyes = eyes
        self.connection = connection
        self.reconciliation = Reconciliation(self.attempts, self.clock, Unobserved(), eyes)

    async def doubt(self, key: str = "k-1", problem: Problem | None = None) -> Attempt:
        """A write that was sent and got no answer."""
        sending = await self.attempt("sending", key)
        doubted = self.reconciliation.doubted(sending, problem)
        assert await self.attempts.replace(sending, doubted)
        return doubted

    async def attempt(self, state: str, key: str = "k-1") -> Attempt:
        now = self.clock.now()
        one = Attempt(
            id=key.encode(),
            tenant="acme",
            connection_id=self.connection,
            operation="contacts.create",
            key=key,
            fingerprint=b"f",
            run="r-1",
            state="sending" if state == "sending" else "claimed",
            created_at=now,
            sent_at=now,
            next_check_at=now + timedelta(seconds=40),
        )
        assert await self.attempts.claim(one, forget_before=now - timedelta(days=3)) is None
        return one

    async def now(self, key: str = "k-1") -> Attempt:
        found = await self.attempts.find(key.encode())
        assert found is not None
        return found


@pytest.fixture
async def watch(house: House) -> Watch:
    return Watch(house, await house.connect(PROVIDER), Eyes(ABSENT))


# The schedule


async def test_a_clock_that_was_ahead_puts_no_look_off_for_days(watch: Watch) -> None:
    attempt = await watch.doubt()
    ahead = replace(attempt, next_check_at=watch.clock.now() + timedelta(days=30))
    assert await watch.attempts.replace(attempt, ahead)
    claimed = await watch.attempt("claimed", "k-2")
    assert await watch.attempts.replace(claimed, replace(claimed, next_check_at=ahead.next_check_at))
    assert await watch.reconciliation.sweep() == 1, "what was not sent may be somebody's whose clock is ahead still"
    assert watch.eyes.looks == 1
    assert (await watch.now()).next_check_at == watch.clock.now() + timedelta(seconds=CHECKS[1])


async def test_it_looks_on_schedule_and_gives_up_when_nothing_can_be_on_its_way(watch: Watch) -> None:
    attempt = await watch.doubt()
    began, looked = watch.clock.monotonic(), []
    while (attempt := await watch.now()).state == "unknown":
        assert attempt.next_check_at is not None
        watch.clock.advance((attempt.next_check_at - watch.clock.now()).total_seconds() - 0.01)
        assert await watch.reconciliation.sweep() == 0, "it looks when it says it does, and not before"
        watch.clock.advance(0.01)
        assert await watch.reconciliation.sweep() == 1
        looked.append(round(watch.clock.monotonic() - began, 2))
    assert looked == [0.5, 2.5, 7.5, 22.5, 52.5, 112.5, 232.5, 300.0]
    assert (attempt.state, attempt.checks, attempt.next_check_at) == ("not_executed", len(CHECKS) + 1, None)
    assert watch.eyes.let_go_of == ["k-1"]


async def test_an_answer_is_forgotten_in_time_though_nobody_writes_any_more(watch: Watch) -> None:
    """It is somebody's data, and a gateway may stand idle."""
    for key in ("k-1", "k-2"):
        await watch.attempts.replace(attempt := await watch.attempt("claimed", key), replace(attempt, state="applied"))
        watch.clock.advance(60)
    await watch.reconciliation.sweep()
    watch.clock.advance(KEPT_FOR.total_seconds() - 100)
    await watch.reconciliation.sweep()
    assert [await watch.attempts.find(key) is None for key in (b"k-1", b"k-2")] == [True, False]
    watch.clock.advance(FORGET_EVERY)
    await watch.reconciliation.sweep()
    assert await watch.attempts.find(b"k-2") is None


async def test_a_clock_that_leaps_ahead_for_a_moment_forgets_nothing(watch: Watch) -> None:
    """A repeat of what is forgotten is carried out again."""
    await watch.attempts.replace(attempt := await watch.attempt("claimed"), replace(attempt, state="applied"))
    watch.clock.advance(FORGET_EVERY)
    watch.clock.leap(KEPT_FOR.total_seconds() + 3600)
    await watch.reconciliation.sweep()
    assert await watch.attempts.claim(attempt, forget_before=watch.reconciliation.retention.since()) is not None
    watch.clock.leap(-KEPT_FOR.total_seconds() - 3600)
    watch.clock.advance(FORGET_EVERY)
    await watch.reconciliation.sweep()
    assert await watch.attempts.find(b"k-1") is not None
    watch.clock.advance(KEPT_FOR.total_seconds())
    await watch.reconciliation.sweep()
    assert await watch.attempts.find(b"k-1") is None


async def test_a_clock_that_was_behind_at_the_start_catches_up(watch: Watch) -> None:
    watch.clock.leap(KEPT_FOR.total_seconds())
    watch.clock.advance(KEPT_FOR.total_seconds())
    assert watch.reconciliation.retention.since() == watch.clock.now() - KEPT_FOR


async def test_the_schedule_survives_a_restart(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        first = Watch(house, await house.connect(PROVIDER), Eyes(None))
        await first.doubt()
        first.clock.advance(0.5)
        await first.reconciliation.sweep()
        due = (await first.now()).next_check_at
        second = Watch(house, first.connection, Eyes(APPLIED))
        assert due is not None
        second.clock.advance((due - second.clock.now()).total_seconds())
        assert await second.reconciliation.sweep() == 1
        assert (await second.now()).state == "applied"


async def test_a_system_that_cannot_be_seen_proves_nothing(watch: Watch) -> None:
    watch.eyes.findings = [None]
    await watch.doubt()
    watch.clock.advance(ZOMBIE.total_seconds() + 1)
    await watch.reconciliation.sweep()
    attempt = await watch.now()
    assert attempt.state == "unknown"
    assert attempt.next_check_at is not None
    assert attempt.next_check_at > watch.clock.now()


async def test_an_adapter_that_trips_ends_no_schedule(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    async def trip(attempt: Attempt, deadline: float) -> Finding:
        raise RuntimeError("a bug")

    monkeypatch.setattr(watch.eyes, "look", trip)
    await watch.doubt()
    watch.clock.advance(0.5)
    assert await watch.reconciliation.sweep() == 1
    assert (await watch.now()).state == "unknown"


async def test_one_looks_at_a_time(watch: Watch) -> None:
    attempt = await watch.doubt()
    watch.eyes.gate.clear()
    first = asyncio.ensure_future(watch.reconciliation.look(attempt, 60))
    while not watch.eyes.looks:
        await asyncio.sleep(0.001)
    assert await watch.reconciliation.look(attempt, 60) is None
    assert await watch.reconciliation.sweep() == 0
    watch.eyes.gate.set()
    assert (await first) is not None
    assert watch.eyes.looks == 1


@pytest.mark.parametrize(("finding", "state"), [(APPLIED, "applied"), (ABSENT, "not_executed")])
async def test_an_end_that_was_seen_outlasts_a_look_that_began_meanwhile(
    watch: Watch, finding: Finding, state: str
) -> None:
    """Another node took over because this one was slow: what it saw is true, whoever looks next."""
    attempt = await watch.doubt()
    watch.clock.advance(ZOMBIE.total_seconds())
    watch.eyes.findings = [finding]
    watch.eyes.gate.clear()
    slow = asyncio.ensure_future(watch.reconciliation.look(attempt, watch.clock.monotonic() + 20))
    while not watch.eyes.looks:
        await asyncio.sleep(0.001)
    blinded = Eyes(None)
    blinded.gate.clear()
    other = Reconciliation(watch.attempts, watch.clock, Unobserved(), blinded)
    hasty = asyncio.ensure_future(other.look(await watch.now(), watch.clock.monotonic() + 1))
    while not blinded.looks:
        await asyncio.sleep(0.001)
    watch.eyes.gate.set()
    seen = await slow
    assert seen is not None
    assert seen.state == (await watch.now()).state == state
    blinded.gate.set()
    told = await hasty
    assert told is not None
    assert told.state == state, "who saw nothing tells what the other saw"


async def test_what_is_carried_out_again_is_not_overwritten_by_a_look_for_the_first(watch: Watch) -> None:
    attempt = await watch.doubt()
    watch.eyes.findings = [APPLIED]
    watch.eyes.gate.clear()
    slow = asyncio.ensure_future(watch.reconciliation.look(attempt, watch.clock.monotonic() + 20))
    while not watch.eyes.looks:
        await asyncio.sleep(0.001)
    now = await watch.now()
    assert await watch.attempts.replace(now, replace(now, run="r-2", state="claimed"))
    watch.eyes.gate.set()
    assert await slow is None
    assert (await watch.now()).state == "claimed"


async def test_a_look_in_this_process_is_left_to_end(watch: Watch) -> None:
    attempt = await watch.doubt()
    watch.eyes.findings = [APPLIED]
    watch.eyes.gate.clear()
    first = asyncio.ensure_future(watch.reconciliation.look(attempt, watch.clock.monotonic() + 20))
    while not watch.eyes.looks:
        await asyncio.sleep(0.001)
    assert await watch.reconciliation.look(await watch.now(), watch.clock.monotonic() + 1) is None
    watch.eyes.gate.set()
    assert (await first) is not None
    assert watch.eyes.looks == 1


async def test_a_look_that_began_too_early_proves_nothing(watch: Watch) -> None:
    """What is not there when a look begins may be there when it ends, as long as it can still be on its way."""
    attempt = await watch.doubt()
    watch.clock.advance(ZOMBIE.total_seconds() - 1)
    watch.eyes.gate.clear()
    look = asyncio.ensure_future(watch.reconciliation.look(attempt, watch.clock.monotonic() + 20))
    while not watch.eyes.looks:
        await asyncio.sleep(0.001)
    watch.clock.advance(2)
    watch.eyes.gate.set()
    seen = await look
    assert seen is not None
    assert seen.state == "unknown"


# What it concludes


async def test_one_trace_is_told_as_the_first_answer_would_have_been(watch: Watch) -> None:
    watch.eyes.findings = [APPLIED]
    attempt = await watch.reconciliation.look(await watch.doubt(), 60)
    assert attempt is not None
    assert (attempt.state, attempt.status, attempt.record_id) == ("applied", 201, "c9")
    assert attempt.answer is not None
    assert open_answer(attempt.answer, {}).body == b'{"id":"c9"}'


@pytest.mark.parametrize(
    "finding", [Finding("ambiguous", candidates=("c1", "c2")), Finding("blind")], ids=["two", "none"]
)
async def test_what_nobody_can_tell_is_left_to_a_person_with_what_was_seen(watch: Watch, finding: Finding) -> None:
    watch.eyes.findings = [finding]
    attempt = await watch.reconciliation.look(await watch.doubt(), 60)
    assert attempt is not None
    assert (attempt.state, attempt.next_check_at) == ("manual", None)
    assert attempt.answer is not None
    problem = open_problem(attempt.answer, {})
    assert (problem.outcome, problem.extra["candidates"]) == ("unknown", list(finding.candidates))


async def test_what_the_system_said_was_done_is_never_called_undone(watch: Watch) -> None:
    watch.eyes.findings = [ABSENT]
    attempt = await watch.doubt(problem=Problem("upstream_malformed", "No record.", outcome="applied"))
    watch.clock.advance(ZOMBIE.total_seconds())
    looked = await watch.reconciliation.look(attempt, watch.clock.monotonic() + 60)
    assert looked is not None
    assert looked.state == "applied"


@pytest.mark.parametrize("outcome", ["applied", "unknown"])
async def test_what_is_surely_not_there_holds_no_reference(watch: Watch, outcome: Outcome) -> None:
    """Not before nothing can be on its way, though, nor show late."""
    watch.eyes.findings = [ABSENT]
    attempt = await watch.doubt(problem=Problem("upstream_unavailable", "Down.", outcome=outcome))
    looked = await watch.reconciliation.look(attempt, watch.clock.monotonic() + 60)
    assert looked is not None
    assert (looked.state, watch.eyes.let_go_of) == ("unknown", [])
    watch.clock.advance(ZOMBIE.total_seconds())
    await watch.reconciliation.look(looked, watch.clock.monotonic() + 60)
    assert watch.eyes.let_go_of == ["k-1"]


# Deaths


async def test_an_owner_who_died_before_sending_leaves_the_key_free(house: House) -> None:
    connection = await house.connect(PROVIDER)
    watch = Watch(house, connection, Eyes(ABSENT))
    await watch.attempt("claimed")
    watch.clock.advance(39)
    assert await watch.reconciliation.sweep() == 0
    watch.clock.advance(2)
    await watch.reconciliation.sweep()
    assert (await watch.now()).state == "not_executed"
    assert watch.eyes.looks == 0


async def test_an_owner_who_died_while_sending_is_looked_after(watch: Watch) -> None:
    watch.eyes.findings = [APPLIED]
    await watch.attempt("sending")
    watch.clock.advance(41)
    assert await watch.reconciliation.sweep() == 1
    assert (await watch.now()).state == "applied"


async def test_an_owner_finds_itself_overtaken_before_it_sends(watch: Watch) -> None:
    named = KeyedWrite(
        "acme", watch.connection, "contacts.create", "k-1", b"f", call={"path": {}, "query": [], "body": "{}"}
    )
    slow = Run(watch.attempts, watch.clock, named, await watch.attempt("claimed"))
    assert await watch.attempts.replace(slow.attempt, replace(slow.attempt, run="r-2"))
    with pytest.raises(Problem, match="idempotency_in_progress"):
        await slow.sending(Request("POST", "/contacts", json={}), {}, UUID(int=1))
    await slow.release()
    assert not await slow.settle("applied")
    assert ((await watch.now()).state, (await watch.now()).run) == ("claimed", "r-2")


@pytest.mark.parametrize("finding", [ABSENT, Finding("blind"), None])
async def test_who_was_answered_is_believed_over_whom_a_clock_that_is_ahead_had_look_too_soon(
    watch: Watch, finding: Finding | None
) -> None:
    named = KeyedWrite("acme", watch.connection, "contacts.create", "k-1", b"f")
    owner = Run(watch.attempts, watch.clock, named, await watch.attempt("sending"))
    watch.eyes.findings = [finding]
    watch.clock.advance(3600)
    assert await watch.reconciliation.sweep() == 1
    watch.clock.advance(-3600)
    assert (await watch.now()).state == (
        "unknown" if finding is None else "not_executed" if finding == ABSENT else "manual"
    )
    assert await owner.settle("applied", status=201, record_id="c9")
    told = await watch.now()
    assert (told.state, told.status, told.record_id, told.next_check_at) == ("applied", 201, "c9", None)


async def test_an_owner_whom_a_clock_that_is_ahead_took_for_gone_goes_on_in_his_time_and_not_after_it(
    watch: Watch,
) -> None:
    named = KeyedWrite("acme", watch.connection, "contacts.create", "k-1", b"f")
    request = Request("POST", "/contacts", json={})
    for key, late in (("k-1", 0), ("k-2", 41)):
        owner = Run(watch.attempts, watch.clock, named, await watch.attempt("claimed", key))
        watch.clock.advance(60)
        await watch.reconciliation.sweep()
        assert (await watch.now(key)).state == "not_executed"
        watch.clock.advance(late - 60)
        if late:
            with pytest.raises(Problem, match="idempotency_in_progress"):
                await owner.sending(request, {}, UUID(int=1))
        else:
            await owner.sending(request, {}, UUID(int=1))
        assert (await watch.now(key)).state == ("not_executed" if late else "sending")


async def test_what_went_to_other_books_is_not_looked_for_in_these(house: House) -> None:
    place, named = f"/v1/connections/{await house.connect(PROVIDER)}", {"idempotency-key": "k-1"}
    _, second, *_ = [one["id"] for one in (await house.client.get(f"{place}/companies")).json()["data"]]
    system = house.emulator(PROVIDER)
    system.fail(Fault("lost"), when=lambda seen: seen.method == "POST" and seen.path.endswith("contacts"))
    system.fail(Fault("status", status=500), times=100, when=lambda seen: seen.method == "GET")
    lost = await house.client.post(f"{place}/contacts", json=DRAFT, headers=named)
    assert (lost.status_code, lost.json()["outcome"]) == (504, "unknown")
    system.heal()
    assert (await house.client.patch(place, json={"company_id": second})).status_code == 200
    house.clock.advance(ZOMBIE.total_seconds())
    await house.polder.engine.reconciliation.sweep()
    assert (await house.client.get(f"{place}/operations/k-1")).json()["state"] == "manual"


async def test_what_is_looked_for_is_written_down_before_the_first_byte_leaves(aisle: Aisle) -> None:
    attempts = aisle.house.polder.storage.attempts
    aisle.shelf.gate.clear()
    asked = asyncio.ensure_future(aisle.ask("POST", "products", {"name": "Brood"}, {"idempotency-key": "k-1"}))
    while not aisle.shelf.heard("POST", "/products"):
        await asyncio.sleep(0.001)
    attempt = await attempts.newest("acme", aisle.connection, "k-1")
    assert attempt is not None
    assert attempt.state == "sending"
    assert attempt.evidence is not None
    request = Evidence.opened(attempt.evidence).request
    assert (request.method, request.path, request.json["name"]) == ("POST", "/products", "Brood")
    told = await aisle.ask("GET", "operations/k-1")
    assert told.json()["state"] == "in_progress"
    aisle.shelf.gate.set()
    assert (await asked).status_code == 201


def test_evidence_is_kept_to_the_last_digit() -> None:
    request = Request("POST", "/invoices", (("a", "b"),), json={"amount": Decimal("10.10"), "lines": [1]})
    kept = Evidence({"path": {}, "query": [], "body": "{}"}, UUID(int=7), request, {"there": "1 2"})
    opened = Evidence.opened(kept.sealed())
    assert (opened.creation_key, opened.notes, opened.call) == (kept.creation_key, kept.notes, kept.call)
    assert (opened.request.json, list(opened.request.query)) == (request.json, list(request.query))
    assert str(opened.request.json["amount"]) == "10.10"


"""A process of which there is no lock."""


@pytest.mark.parametrize("connections", [1, 2])
async def test_of_two_equal_writes_the_lost_one_is_not_told_of_the_others_record(
    house: House, monkeypatch: pytest.MonkeyPatch, connections: int
) -> None:
    """One made its record and has not written that down yet; the other never came, on whichever connection it went."""
    reaching = [await house.connect(PROVIDER) for _ in range(connections)]
    emulator, honest = house.emulator(PROVIDER), SqlAttempts.replace
    made, go = asyncio.Event(), asyncio.Event()

    async def slow(self: SqlAttempts, before: Attempt, after: Attempt) -> bool:
        if after.key == "k-1" and after.state == "applied":
            made.set()
            await go.wait()
        return await honest(self, before, after)

    async def asked(connection: str, key: str) -> httpx2.Response:
        path = f"/v1/connections/{connection}/contacts"
        return await house.client.post(path, json=DRAFT, headers={"idempotency-key": key})

    def is_made(seen: ReceivedRequest) -> bool:
        return seen.method == "POST" and seen.path.endswith("/contacts")

    monkeypatch.setattr(SqlAttempts, "replace", slow)
    before = len(emulator.books()["contacts"])
    first = asyncio.ensure_future(asked(reaching[0], "k-1"))
    await made.wait()
    emulator.fail(Fault("status", status=502), when=is_made)
    lost = await asked(reaching[-1], "k-2")
    go.set()
    assert (await first).status_code == 201
    assert (lost.status_code, lost.json()["outcome"]) == (503, "unknown")
    for _ in range(12):
        house.clock.advance(60)
        await house.polder.engine.reconciliation.sweep()
    again = await asked(reaching[-1], "k-2")
    assert (again.status_code, len(emulator.books()["contacts"])) == (201, before + 2)
    assert again.json()["id"] != (await first).json()["id"]
