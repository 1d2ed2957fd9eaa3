"""A write whose answer was lost is found again by what was not there before it, whatever the clocks there say."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from adapters.snelstart.emulator import Switches
from gateway.contract.emulator import Fault, ReceivedRequest
from gateway.contract.exact import loads
from tests.adapters.snelstart.connected import ADDRESS, Books, connected, line
from tests.adapters.snelstart.emulated import NOBODY

CONTACT = {"company_name": "Zuivelhoeve  bv", "email": "info@zuivelhoeve.example", "address": ADDRESS}
LONG_ENOUGH = 12
"""Sweeps, a minute apart: more than it takes until nothing can be on its way any more."""

zones = pytest.mark.parametrize("zone", ["Europe/Amsterdam", "UTC"])
moments = pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        datetime(2026, 7, 1, 9, 0, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 59, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 10, tzinfo=UTC),
    ],
    ids=["winter", "summer", "before the clock goes back", "the hour that comes twice"],
)
kinds = pytest.mark.parametrize("what", ["contacts", "payments"])


async def wish(books: Books, what: str) -> dict[str, Any]:
    """A create of that kind."""
    if what == "contacts":
        return dict(CONTACT)
    invoice = await books.invoice((await books.contact())["id"], issued_on="2026-02-02")
    allocations = [{"invoice_id": invoice["id"], "amount": "10.00"}]
    return {"amount": "10.00", "payment_method_id": await books.method(), "allocations": allocations}


async def under_key(books: Books, what: str, body: Mapping[str, Any], key: str = "k-1") -> tuple[int, Any]:
    path = f"/v1/connections/{books.connection}/{what}"
    answer = await books.house.client.post(path, json=body, headers={"idempotency-key": key})
    return answer.status_code, loads(answer.content)


async def ended(books: Books, key: str = "k-1") -> Any:
    """What became of it, when Polder has looked as long as it does."""
    for _ in range(LONG_ENOUGH):
        fate = await books.ask("GET", f"operations/{key}")
        if fate["state"] in ("applied", "not_executed", "manual"):
            return fate
        books.house.clock.advance(60)
        await books.house.polder.engine.reconciliation.sweep()
    raise AssertionError("nobody finds out")


def lose(books: Books, fault: Fault) -> None:
    """Let the next write go wrong."""
    books.emulator.fail(fault, when=lambda seen: seen.method == "POST" and not books.emulator.is_token_request(seen))


@zones
@moments
@kinds
async def test_what_was_done_is_told_and_not_done_again(
    what: str, moment: datetime, zone: Literal["Europe/Amsterdam", "UTC"], tmp_path: Path
) -> None:
    async with connected(tmp_path, Switches(modified_on_zone=zone)) as books:
        books.house.clock.turn_to(moment)
        body = await wish(books, what)
        before = len(books.emulator.books()[what])
        lose(books, Fault("lost"))
        await under_key(books, what, body)
        fate = await ended(books)
        assert fate["state"] == "applied"
        status, made = await under_key(books, what, body)
        assert (status, made["id"], len(books.emulator.books()[what]) - before) == (201, fate["record_id"], 1)


@zones
@moments
@kinds
async def test_an_equal_record_that_was_there_is_not_taken_for_it(
    what: str, moment: datetime, zone: Literal["Europe/Amsterdam", "UTC"], tmp_path: Path
) -> None:
    """Made by hand, and changed just after the request that was lost: by its clock it would be new."""
    async with connected(tmp_path, Switches(modified_on_zone=zone)) as books:
        books.house.clock.turn_to(moment)
        body = await wish(books, what)
        records = books.emulator.administration.records["relaties" if what == "contacts" else "bankboekingen"]
        by_hand = records.pop((await books.make(what, body))["id"].removeprefix("bank-"))
        records[NOBODY] = {**by_hand, "id": NOBODY}
        lose(books, Fault("status", status=502))
        status, told = await under_key(books, what, body)
        assert (status >= 500, told["outcome"]) == (True, "unknown")
        records[NOBODY]["modifiedOn"] = books.emulator.administration.stamp()
        assert (await ended(books))["state"] == "not_executed"
        assert (await under_key(books, what, body))[0] == 201


async def test_a_contact_is_found_though_spaces_of_its_name_are_gone(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        relations = books.emulator.administration.records["relaties"]
        before = set(relations)
        lose(books, Fault("lost"))
        unseen = Fault("status", status=503)
        books.emulator.fail(unseen, times=100, when=lambda seen: seen.method == "GET" and set(relations) != before)
        _, told = await under_key(books, "contacts", CONTACT)
        assert told["outcome"] == "unknown"
        (made,) = set(relations) - before
        relations[made]["naam"] = "Zuivelhoeve bv"
        books.emulator.heal()
        fate = await ended(books)
        assert (fate["state"], fate["record_id"]) == ("applied", made)


@pytest.mark.parametrize("what", ["products", "invoices"])
async def test_what_has_the_code_or_number_already_is_not_taken_for_what_was_refused(what: str, tmp_path: Path) -> None:
    """Somebody else's is of that code and name, or number, customer and amount; SnelStart's refusal is lost."""
    async with connected(tmp_path) as books:
        body: dict[str, Any]
        if what == "products":
            body = {"name": "Meel", "code": "ML-1", "price": "10.00", "vat_code_id": "hoog-2012-10-01"}
            other = {**body, "price": "25.00"}
        else:
            body = books.draft((await books.contact())["id"])
            (bread,) = body["lines"]
            other = {**body, "lines": [{**bread, "description": "Roggebrood", "quantity": "1", "unit_price": "20.00"}]}
        taken = await books.make(what, body)
        books.house.clock.advance(73 * 3600)  # no write of ours is known to have made it
        lose(books, Fault("lost", status=400))
        status, told = await under_key(books, what, other)
        assert (status, told["outcome"]) == (504, "unknown"), told
        assert (await ended(books))["state"] == "not_executed"
        assert (await under_key(books, what, other))[0] in (409, 422)
        assert [one["id"] for one in books.emulator.books()[what]] == [taken["id"]]


@pytest.mark.parametrize("what", ["products", "invoices"])
async def test_what_is_of_the_callers_own_code_or_number_is_found(what: str, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        body: dict[str, Any]
        if what == "products":
            body = {"name": "Meel", "code": "ML-1", "price": "10.00", "vat_code_id": "hoog-2012-10-01"}
        else:
            lines = [line("domestic_high", discount_percent="5"), line("domestic_low")]
            body = books.draft((await books.contact())["id"], *lines, prices_include_tax=True)
        lose(books, Fault("lost"))
        status, told = await under_key(books, what, body)
        assert (status, [told["id"]]) == (201, [one["id"] for one in books.emulator.books()[what]])


@pytest.mark.parametrize("sign", ["positive_settles", "negative_settles"])
@pytest.mark.parametrize("lost", ["the memorial entry", "the balance"])
async def test_a_memorial_entry_in_doubt_leaves_no_other_balance_than_is_told(
    lost: str, sign: Literal["positive_settles", "negative_settles"], tmp_path: Path
) -> None:
    """An entry of the wrong sign that stays would double what is open."""
    async with connected(tmp_path, Switches(memorial_sign=sign)) as books:
        invoice = await books.invoice((await books.contact())["id"])

        def strikes(seen: ReceivedRequest) -> bool:
            memorials = [one for one in books.heard() if one.method == "POST" and "memoriaal" in one.path]
            if lost == "the balance":
                return bool(memorials) and seen.method == "GET" and seen.path.endswith("/verkoopfacturen")
            return seen.method == "POST" and "memoriaal" in seen.path

        books.emulator.fail(Fault("lost") if lost != "the balance" else Fault("status", status=500), when=strikes)
        note = await books.make(f"invoices/{invoice['id']}/credit", {"number": "C-1"})
        told = [one["code"] for one in note.get("warnings") or ()]
        left = "0.00" if not told else "24.20"
        assert told == ([] if lost == "the memorial entry" else ["not_settled"])
        assert (note["totals"]["open"], (await books.read(invoice))["totals"]["open"]) == (left, left)
