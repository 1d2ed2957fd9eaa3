"""What a create whose answer was lost made is told from what others made meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.thenextinvoice.emulator.invoicing import save_new
from adapters.thenextinvoice.emulator.state import Payment, Product
from adapters.thenextinvoice.resources.invoices import SalesInvoices
from gateway.contract.adapter import Sent, Traces
from gateway.contract.emulator import Fault, ReceivedRequest
from gateway.contract.errors import Problem
from gateway.contract.models import CreditDraft, Invoice
from gateway.engine.records.recording import Recording
from tests.adapters.thenextinvoice.connected import Books, connected
from tests.adapters.thenextinvoice.opened import CUSTOMER, DOWN, LINE, Gateway, Json, opened

INVOICES = SalesInvoices()
LOST = Fault("lost")


# Credit notes have nothing of their own: customer, amount and lines


async def traces_of_credit(books: Books, invoice: Invoice) -> Traces[Invoice] | None:
    request = books.link.requests[-1]
    sent = Sent("credit", invoice.id, CreditDraft(), request, {}, books.clock.now())
    return await INVOICES.find_written(books.up(), sent)


async def test_by_its_lines() -> None:
    async with connected() as books:
        customer = (await books.contact()).id
        rye = await books.final(contact_id=customer, lines=[books.line(description="Roggebrood")])
        white = await books.final(contact_id=customer, lines=[books.line(description="Witbrood")])
        notes = {one.id: (await INVOICES.credit(books.up(), one.id, CreditDraft())).item for one in (rye, white)}
        for invoice in (rye, white):
            traces = await traces_of_credit(books, invoice)
            assert traces is not None
            (found,) = traces.records
            assert found.item == notes[invoice.id]


async def test_none_of_several_that_are_alike() -> None:
    async with connected() as books:
        customer = (await books.contact()).id
        invoices = [await books.final(contact_id=customer) for _ in range(2)]
        for invoice in invoices:
            await INVOICES.credit(books.up(), invoice.id, CreditDraft())
        traces = await traces_of_credit(books, invoices[0])
        assert traces is not None
        assert len(traces.records) == 2


async def test_a_note_that_is_gone_is_not_one_that_never_was() -> None:
    """The invoice says that it was credited: to repeat it can only be refused."""
    async with connected() as books:
        invoice = await books.final()
        assert (await traces_of_credit(books, invoice)) == Traces([])
        note = (await INVOICES.credit(books.up(), invoice.id, CreditDraft())).item
        await INVOICES.delete(books.up(), note.id)
        assert await traces_of_credit(books, invoice) is None


# Payments are of a day and by a method


@pytest.mark.parametrize(
    ("day", "method", "state"),
    [(20, 0, "applied"), (20, 1, "not_executed"), (21, 0, "not_executed")],
    ids=["ours", "another method", "another day"],
)
async def test_a_payment_that_somebody_else_booked_is_not_ours(
    tmp_path: Path, day: int, method: int, state: str
) -> None:
    async with opened(tmp_path) as gateway:
        final = await gateway.invoice(finalize=True)
        invoice = gateway.emulator.company.invoices[int(final["id"])]
        methods = (await gateway.done("GET", "payment-methods"))["data"]

        def booked_meanwhile(seen: ReceivedRequest) -> bool:
            if not seen.path.endswith("/payment"):
                return False
            invoice.payment = Payment(int(methods[method]["id"]), methods[method]["name"], date(2026, 2, day))
            return True

        gateway.emulator.fail(DOWN, when=booked_meanwhile)
        allocations = [{"invoice_id": final["id"], "amount": "121"}]
        body = {"paid_on": "2026-02-20", "amount": "121", "allocations": allocations}
        status, told = await gateway.ask("POST", "payments", {**body, "payment_method_id": methods[0]["id"]}, key="k-1")
        assert status == 201 if state == "applied" else told["outcome"] == "unknown", told
        await gateway.later()
        assert (await gateway.done("GET", "operations/k-1"))["state"] == state


async def test_a_payment_whose_method_is_gone_is_not_told_as_not_booked(tmp_path: Path) -> None:
    async with opened(tmp_path) as gateway:
        final = await gateway.invoice(finalize=True)
        method = (await gateway.done("GET", "payment-methods"))["data"][0]["id"]
        allocations = [{"invoice_id": final["id"], "amount": "121"}]
        body = {"amount": "121", "payment_method_id": method, "allocations": allocations}
        gateway.emulator.fail(Fault("lost"), when=lambda seen: seen.path.endswith("/payment"))
        gateway.emulator.fail(DOWN, times=100, when=lambda seen: gateway.sent("POST", "/payment") > 0)
        _, told = await gateway.ask("POST", "payments", body, key="k-1")
        assert told["outcome"] == "unknown"
        gateway.emulator.heal()
        gateway.house.clock.advance(700)  # the methods of before are known no more
        del gateway.emulator.company.payment_methods[int(method)]
        await gateway.later()
        assert (await gateway.done("GET", "operations/k-1"))["state"] == "manual"


# Products and customers have their names, and are new


@pytest.mark.parametrize(
    ("resource", "body"),
    [
        ("products", {"name": "Schroef  10 mm", "price": "0.125"}),
        ("contacts", {**CUSTOMER, "company_name": "Eetcafé  De Sluis"}),
    ],
    ids=["product", "contact"],
)
async def test_what_is_written_down_in_another_way_is_made_once(tmp_path: Path, resource: str, body: Json) -> None:
    async with opened(tmp_path, tidies=True) as gateway:
        for key in ("before", "k-1"):  # that an equal one was there makes no difference
            if key == "k-1":
                gateway.emulator.fail(Fault("lost"), when=lambda seen: seen.method == "POST")
            status, made = await gateway.ask("POST", resource, body, key=key)
            assert status == 201, made
        assert [made["id"], len(gateway.written(resource))] == [str(gateway.written(resource)[-1]["id"]), 2]
        assert (await gateway.done("GET", "operations/k-1"))["record_id"] == made["id"]


async def test_a_product_is_told_from_one_of_its_name_and_another_price(tmp_path: Path) -> None:
    async with opened(tmp_path) as gateway:
        gateway.emulator.fail(Fault("lost"), when=lambda seen: seen.method == "POST")

        def made_meanwhile(seen: ReceivedRequest) -> bool:
            if seen.method == "GET" and gateway.sent("POST", "/product") and len(gateway.written("products")) == 1:
                id = gateway.emulator.service.next_id("product")
                gateway.emulator.company.products[id] = Product(id, "Schroef", Decimal(3), None, None)
            return False

        gateway.emulator.fail(DOWN, when=made_meanwhile)
        made = await gateway.done("POST", "products", {"name": "Schroef", "price": "2"})
        assert (made["price"], len(gateway.written("products"))) == ("2.00", 2)


# A change gives a draft another id, which the lost answer told


LINES = [{**LINE, "unit_price": "2.495", "quantity": "1.50"}, {"type": "text", "description": "Met dank"}]
CHANGE: Json = {"description": "Bestelling 7", "lines": LINES, "due_on": "2026-05-01"}


def loses(gateway: Gateway, change: Callable[[], object], fault: Fault = LOST) -> None:
    """The answer to a change is lost; and then something else happens, before Polder looks what became of it."""
    puts = gateway.sent("PUT")

    def happens(seen: ReceivedRequest) -> bool:
        if seen.method == "GET" and gateway.sent("PUT") > puts and not happened:
            happened.append(change())
        return False

    happened: list[object] = []
    gateway.emulator.fail(DOWN, when=happens)
    gateway.emulator.fail(fault, when=lambda seen: seen.method == "PUT")


def copied(gateway: Gateway, id: str | None = None) -> object:
    """Somebody makes a draft elsewhere that is equal to one, or to the newest."""
    company = gateway.emulator.company
    original = company.invoices[max(company.invoices) if id is None else int(id)]
    return save_new(gateway.emulator.service, company, replace(original, token=None))


@pytest.mark.parametrize("ways", [{}, {"token_after_put": "old"}, {"put_id": "same"}, {"old_id": "alias"}], ids=str)
async def test_a_draft_whose_change_was_not_answered_is_found_under_its_new_id(
    tmp_path: Path, ways: dict[str, Any]
) -> None:
    async with opened(tmp_path, **ways) as gateway:
        draft = await gateway.draft()
        await gateway.done("POST", "invoices", {**draft, **CHANGE})
        copied(gateway)  # equal to what it will be, and older
        made = await gateway.done("POST", "invoices", {**draft, "external_ref": "r-1"})
        copied(gateway)  # newer, and equal to what it was
        await gateway.done("POST", "invoices", {**draft, **CHANGE})  # Polder's own
        loses(gateway, lambda: None)
        told = await gateway.done("PATCH", f"invoices/{made['id']}", CHANGE, key="k-1")
        said = told["id"], told["description"], told["contact_id"], told["external_ref"], told["totals"]["gross"]
        assert said == (made["id"], "Bestelling 7", made["contact_id"], "r-1", "4.53")
        assert gateway.sent("PUT") == 1
        assert await gateway.done("GET", f"invoices/{made['id']}") == told
        listed = [one["id"] for one in (await gateway.done("GET", "invoices"))["data"]]
        assert (listed.count(made["id"]), len(listed)) == (1, len(gateway.written()))
        assert (await gateway.done("POST", f"invoices/{made['id']}/finalize"))["id"] == made["id"]


async def test_one_that_polder_made_is_not_taken_for_it(tmp_path: Path) -> None:
    """It is equal to the letter, and newer than the one that was changed."""
    async with opened(tmp_path) as gateway:
        draft = await gateway.draft()
        made = await gateway.done("POST", "invoices", draft)
        other = await gateway.done("POST", "invoices", {**draft, **CHANGE})
        loses(gateway, lambda: gateway.emulator.company.invoices.pop(max(gateway.emulator.company.invoices)))
        _, told = await gateway.ask("PATCH", f"invoices/{made['id']}", CHANGE, key="k-1")
        assert (told["state"], told["candidates"]) == ("manual", [])
        assert (await gateway.done("GET", f"invoices/{other['id']}"))["id"] == other["id"]


async def test_of_two_that_are_equal_to_the_letter_a_person_must_say_which_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as gateway:
        made = await gateway.invoice()
        loses(gateway, lambda: copied(gateway))
        _, told = await gateway.ask("PATCH", f"invoices/{made['id']}", CHANGE, key="k-1")
        assert told["state"] == "manual"
        assert sorted(told["candidates"]) == sorted(str(row["id"]) for row in gateway.written())


@pytest.mark.parametrize(
    "said", [{"description": "Bestelling 8"}, {"lines": [LINE]}, {"due_on": "2026-05-02"}], ids=str
)
async def test_a_draft_that_says_another_thing_is_not_it(tmp_path: Path, said: Json) -> None:
    """Its customer's own was deleted, and another one made, in the system itself."""
    async with opened(tmp_path) as gateway:
        draft, company = await gateway.draft(), gateway.emulator.company
        made = await gateway.done("POST", "invoices", draft)
        model = company.invoices[int((await gateway.done("POST", "invoices", {**draft, **CHANGE, **said}))["id"])]

        def happens() -> None:
            save_new(gateway.emulator.service, company, replace(model, token=None))
            del company.invoices[int(made["id"])]

        loses(gateway, happens, DOWN)
        _, told = await gateway.ask("PATCH", f"invoices/{made['id']}", CHANGE, key="k-1")
        assert (told["state"], told["candidates"]) == ("manual", [])


async def test_a_draft_whose_new_id_could_not_be_kept_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer came, and the store failed."""
    async with opened(tmp_path) as gateway:
        made = await gateway.invoice(external_ref="r-1")
        failed: list[Any] = []
        keep = Recording.keep

        async def fails_once(*given: Any) -> None:
            if not failed:
                failed.append(given)
                raise Problem("storage_unavailable", "The disk is full.")
            await keep(*given)

        monkeypatch.setattr(Recording, "keep", fails_once)
        await gateway.ask("PATCH", f"invoices/{made['id']}", CHANGE, key="k-1")
        await gateway.later()
        assert (await gateway.done("GET", "operations/k-1"))["state"] == "applied"
        told = await gateway.done("PATCH", f"invoices/{made['id']}", CHANGE, key="k-1")
        assert failed
        assert (told["id"], told["description"], told["external_ref"]) == (made["id"], "Bestelling 7", "r-1")
        assert await gateway.done("GET", f"invoices/{made['id']}") == told
