"""Laws of doubt: what became of a write is found out, told truthfully, and never done twice."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.contract.emulator import Fault, ReceivedRequest
from gateway.contract.errors import Problem
from gateway.store.sql import SqlLinks
from tests.conformance.subject import Json, Subject, body_of, problem_of
from tests.conformance.test_errors import PASSING

MADE = ("contacts", "products", "invoices", "payments", "credit notes")
ENDS = ("applied", "not_executed", "manual")
LONG_ENOUGH = 12
"""Sweeps, a minute apart: more than it takes until nothing can be on its way any more."""


class Wish:
    """A create that can be asked for again and again under one key."""

    def __init__(self, subject: Subject, path: str, books: str, body: Json) -> None:
        self.subject = subject
        self.path = path
        self.books = books
        self.body = body
        self.before = len(subject.books(books))

    async def ask(self, key: str = "k-1") -> tuple[int, Json]:
        answer = await self.subject.ask("POST", self.path, body=self.body, headers={"idempotency-key": key})
        return answer.status_code, body_of(answer) if answer.status_code == 201 else problem_of(answer)

    @property
    def made(self) -> int:
        """How many records it made."""
        return len(self.subject.books(self.books)) - self.before

    async def fate(self, key: str = "k-1") -> Json:
        return await self.subject.get(f"operations/{key}")

    async def ended(self, key: str = "k-1") -> Json:
        """Its fate, when Polder has looked as long as it does."""
        for _ in range(LONG_ENOUGH):
            fate = await self.fate(key)
            if fate["state"] in ENDS:
                if fate["state"] == "manual":
                    self.subject.need_traces(self.books)
                return fate
            assert fate["next_check_at"] is not None, fate
            self.subject.house.clock.advance(60)
            await self.subject.house.polder.engine.reconciliation.sweep()
        raise AssertionError(f"nobody finds out: {await self.fate(key)}")


async def wish(subject: Subject, what: str) -> Wish:
    """A create of each kind that the system offers."""
    if what == "credit notes":
        invoice = await subject.final_invoice()
        number = {"number": "2026-C1"} if subject.facts.numbered else {}
        return Wish(subject, f"invoices/{invoice['id']}/credit", "invoices", number)
    if what == "payments":
        body = await subject.payment(await subject.final_invoice())
        return Wish(subject, "payments", "payments", body)
    return Wish(subject, what, what, await subject.draft(what))


def lose(subject: Subject, *faults: Fault) -> None:
    """Let the next writes go wrong, in this order."""

    def is_write(seen: ReceivedRequest) -> bool:
        return seen.method != "GET" and not subject.emulator.is_token_request(seen)

    for fault in faults:
        subject.emulator.fail(fault, when=is_write)


@pytest.mark.parametrize("fault", [Fault("lost"), Fault("html", status=502)], ids=["broken off", "502"])
@pytest.mark.parametrize("what", MADE)
async def test_what_was_done_is_told_or_left_to_a_person(subject: Subject, what: str, fault: Fault) -> None:
    asked = await wish(subject, what)
    lose(subject, fault)
    status, first = await asked.ask()
    assert asked.made == 1
    fate = await asked.ended()
    assert fate["state"] == "applied", fate
    if status == 201:
        assert (fate["state"], fate["record_id"]) == ("applied", first["id"])
        assert (await subject.get(f"{asked.path.partition('/')[0]}/{first['id']}"))["id"] == first["id"]
    else:
        assert (status in PASSING, first["outcome"]) == (True, "unknown"), first
        assert first["operation"].endswith("/operations/k-1")
    again, repeated = await asked.ask()
    assert asked.made == 1, "it was done a second time"
    assert (again == 201) == (fate["state"] == "applied"), repeated
    if status == 201:
        assert repeated == first


@pytest.mark.parametrize("what", MADE)
async def test_what_was_not_done_is_told_and_can_be_asked_for_again(subject: Subject, what: str) -> None:
    asked = await wish(subject, what)
    lose(subject, Fault("status", status=502))
    status, first = await asked.ask()
    if status == 201:  # the system itself knows a repeat, so it was simply asked again
        assert asked.made == 1
        return
    assert (first.get("outcome"), asked.made) == ("unknown", 0), first
    fate = await asked.ended()
    assert fate["state"] in ("not_executed", "applied"), fate
    assert asked.made == (fate["state"] == "applied"), "success is told of what never happened"
    status, _ = await asked.ask()
    assert (status, asked.made) == (201, 1)


MOVED: Json = {
    "address": {
        "street": "Dorpsstraat",
        "house_number": "3",
        "postal_code": "8601 CD",
        "city": "Sneek",
        "country": "NL",
    }
}


@pytest.mark.parametrize("change", [{"phone": "020 123 4567"}, MOVED, None], ids=["phone", "address", "deleted"])
async def test_what_was_done_to_a_record_shows_in_it(subject: Subject, change: Json | None) -> None:
    verb = "delete" if change is None else "update"
    subject.need("contacts.get")  # by which alone it is found out
    made = await subject.make("contacts")
    lose(subject, Fault("lost"))
    path, key = f"contacts/{made['id']}", {"idempotency-key": "k-1"}
    method = "PATCH" if verb == "update" else "DELETE"
    answer = await subject.ask(method, path, headers=key, body=change)
    assert answer.status_code == (200 if verb == "update" else 204), answer.text
    assert (await subject.get("operations/k-1"))["state"] == "applied"
    again = await subject.ask(method, path, headers=key, body=change)
    assert (again.status_code, again.content) == (answer.status_code, answer.content)


CHANGES: dict[str, tuple[str, Json | None]] = {
    "contacts.update": ("PATCH", {"phone": "020 123 4567"}),
    "products.update": ("PATCH", {"price": "3.75"}),
    "contacts.delete": ("DELETE", None),
    "invoices.finalize": ("POST", None),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_what_was_not_done_to_a_record_is_not_told_as_done(subject: Subject, what: str) -> None:
    resource, verb = what.split(".")
    subject.need(f"{resource}.get")  # by which alone it is found out
    made = await subject.make(resource)
    before = await subject.get(f"{resource}/{made['id']}")
    method, change = CHANGES[what]
    path = f"{resource}/{made['id']}{'/finalize' if verb == 'finalize' else ''}"
    lose(subject, Fault("status", status=502))
    answer = await subject.ask(method, path, headers={"idempotency-key": "k-1"}, body=change)
    assert (answer.status_code in PASSING, problem_of(answer)["outcome"]) == (True, "unknown"), answer.text
    fate = await Wish(subject, path, resource, {}).ended()
    assert fate["state"] == "not_executed", fate
    assert await subject.get(f"{resource}/{made['id']}") == before


async def test_two_equal_writes_in_doubt_share_no_record(subject: Subject) -> None:
    """Of two equal creates one was lost and one was done: only one of them may be called done."""
    asked = await wish(subject, "contacts")
    lose(subject, Fault("lost"), Fault("status", status=502))
    answers = [await asked.ask("k-1"), await asked.ask("k-2")]
    ended = [await asked.ended("k-1"), await asked.ended("k-2")]
    applied = [one for one in ended if one["state"] == "applied"]
    assert len(applied) <= asked.made == 1, answers
    assert sum(status == 201 for status, _ in answers) <= 1


@pytest.mark.parametrize("step", range(3))
@pytest.mark.parametrize("what", ["products", "invoices"])
async def test_what_polder_keeps_of_a_record_is_kept_though_its_store_fails_once(
    subject: Subject, what: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is made; then the store fails at one of the steps by which it gets what Polder keeps of it."""
    kept = subject.resource(what).kept
    asked = await wish(subject, what)
    if not kept & {"external_ref", "code", *asked.body}:
        pytest.skip(f"{subject.name}: Polder keeps nothing of what it makes")
    asked.body |= {name: f"X-{name}" for name in kept & {"external_ref", "code"}}
    steps = fail_once(monkeypatch, step, lambda: asked.made > 0)
    await asked.ask()
    if len(steps) <= step:
        pytest.skip(f"{subject.name}: no more than {len(steps)} steps are taken")
    ended = await asked.ended()
    assert (ended["state"], asked.made) == ("applied", 1), ended
    read = await subject.get(f"{what}/{ended['record_id']}")
    for name in kept & asked.body.keys():
        assert read[name] == asked.body[name], f"{name} is lost"
    again, repeated = await asked.ask()
    assert (again, repeated["id"]) == (201, read["id"])


def fail_once(monkeypatch: pytest.MonkeyPatch, step: int, when: Callable[[], bool]) -> list[str]:
    """Let one write of what Polder keeps of records fail; those that were tried from then on."""
    steps: list[str] = []

    def failing(name: str) -> None:
        honest = getattr(SqlLinks, name)

        async def write(self: SqlLinks, *given: Any, **named: Any) -> Any:
            if when():
                steps.append(name)
                if len(steps) == step + 1:
                    raise Problem("storage_unavailable", "The disk is full.")
            return await honest(self, *given, **named)

        monkeypatch.setattr(SqlLinks, name, write)

    for name in ("put", "rename", "remove"):
        failing(name)
    return steps


@pytest.mark.parametrize("what", ["contacts", "products"])
async def test_what_was_there_before_is_not_taken_for_it(subject: Subject, what: str) -> None:
    """An equal record of last week, of which no attempt is remembered, is not what a lost request made."""
    asked = await wish(subject, what)
    assert (await asked.ask("k-0"))[0] == 201
    subject.house.clock.advance(7 * 24 * 3600)
    lose(subject, Fault("status", status=502))
    status, told = await asked.ask("k-1")
    assert (status in PASSING, told.get("outcome")) == (True, "unknown"), told
    assert (await asked.ended("k-1"))["state"] == "not_executed"
    assert asked.made == 1
    assert (await asked.ask("k-1"))[0] == 201
    assert asked.made == 2
