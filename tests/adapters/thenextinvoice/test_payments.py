"""Payments, verb by verb, against TheNextInvoice in memory."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.emulator import Fault
from gateway.contract.exact import dumps
from gateway.contract.models import AllocationDraft, CreditDraft
from tests.adapters.thenextinvoice.connected import INVOICES, PAYMENTS, TODAY, all_of, connected
from tests.adapters.thenextinvoice.opened import opened


@pytest.mark.parametrize("empty_data", ["null", "absent"])
@pytest.mark.parametrize("parties", ["ids", "objects"])
async def test_an_invoice_is_paid_and_the_payment_taken_back(empty_data: str, parties: str) -> None:
    async with connected(empty_data=empty_data, parties=parties) as books:
        final = await books.final()
        payment = (await PAYMENTS.create(books.up(), books.payment(final, paid_on=date(2026, 3, 1)))).item
        assert (payment.id, payment.paid_on, payment.direction) == (final.id, date(2026, 3, 1), "in")
        assert payment.amount == "121.00"
        assert payment.payment_method_id == books.methods()[0]
        assert [(part.invoice_id, part.amount) for part in payment.allocations] == [(final.id, "121.00")]
        assert all_of(payment.unallocated, payment.status) == ("0.00", "booked")
        paid = await books.read(final.id)
        assert all_of(paid.payment_status, paid.totals.paid, paid.totals.open) == ("paid", "121.00", "0.00")
        assert (await PAYMENTS.get(books.up(), final.id)).item == payment
        assert await books.listed("payments", invoice_id=final.id) == [payment]
        with books.writes_nothing():
            await books.refused("conflict", PAYMENTS.create(books.up(), books.payment(final)))
        await PAYMENTS.delete(books.up(), final.id)
        await books.refused("not_found", PAYMENTS.get(books.up(), final.id))
        await books.refused("not_found", PAYMENTS.delete(books.up(), final.id))
        assert await books.listed("payments", invoice_id=final.id) == []
        assert (await books.read(final.id)).payment_status == "unpaid"


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"amount": Decimal("10"), "allocations": [AllocationDraft(invoice_id="1", amount=Decimal(10))]}, "/amount"),
        ({"amount": Decimal("200")}, "/allocations/0/amount"),
        ({"allocations": []}, "/allocations"),
        ({"allocations": [AllocationDraft(invoice_id="1", amount=Decimal(1))] * 2}, "/allocations"),
    ],
    ids=str,
)
async def test_what_is_not_the_whole_of_one_invoice_is_refused(said: dict[str, Any], pointer: str) -> None:
    async with connected() as books:
        final = await books.final()
        draft = books.payment(final, **said)
        for allocation in draft.allocations:
            allocation.invoice_id = final.id
        if pointer == "/allocations/0/amount":
            draft.allocations[0].amount = Decimal(121)
        with books.writes_nothing():
            problem = await books.refused("partial_payment_unsupported", PAYMENTS.create(books.up(), draft))
        assert [error.pointer for error in problem.errors] == [pointer]


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"currency": "USD"}, "/currency"),
        ({"direction": "out"}, "/direction"),
        ({"payment_method_id": "987654"}, "/payment_method_id"),
        ({"payment_method_id": None}, "/payment_method_id"),
    ],
    ids=str,
)
async def test_what_does_not_fit_the_invoice_is_refused_before_any_write(said: dict[str, Any], pointer: str) -> None:
    async with connected() as books:
        draft = books.payment(await books.final(), **said)
        with books.writes_nothing():
            problem = await books.refused("validation_failed", PAYMENTS.create(books.up(), draft))
        assert [error.pointer for error in problem.errors] == [pointer]


async def test_a_method_is_the_connections_or_the_only_one_where_none_is_named() -> None:
    async with connected() as books:
        second = books.methods()[1]
        books.settle(default_payment_method_id=second)
        paid = (await PAYMENTS.create(books.up(), books.payment(await books.final(), payment_method_id=None))).item
        assert paid.payment_method_id == second
        books.settle()
        for other in books.methods()[1:]:
            del books.emulator.company.payment_methods[int(other)]
        books.link.known.clear()
        paid = (await PAYMENTS.create(books.up(), books.payment(await books.final(), payment_method_id=None))).item
        assert paid.payment_method_id == books.methods()[0]


async def test_a_method_whose_name_is_not_unique_is_not_guessed() -> None:
    async with connected() as books:
        final = await books.final()
        await books.pay(final)
        methods = books.emulator.company.payment_methods
        for row in methods.values():
            row["name"] = methods[int(books.methods()[0])]["name"]
        books.link.known.clear()
        assert (await PAYMENTS.get(books.up(), final.id)).item.payment_method_id is None


async def test_today_is_the_day_where_none_is_named() -> None:
    async with connected() as books:
        draft = books.payment(await books.final(), paid_on=None)
        assert (await PAYMENTS.create(books.up(), draft)).item.paid_on == TODAY


async def test_drafts_and_credited_invoices_and_credit_notes_cannot_be_paid() -> None:
    async with connected() as books:
        draft = await books.invoice()
        final = await books.final()
        note = (await INVOICES.credit(books.up(), final.id, CreditDraft())).item
        with books.writes_nothing():
            for one, said in ((draft, {}), (final, {}), (note, {"direction": "out"})):
                await books.refused("conflict", PAYMENTS.create(books.up(), books.payment(one, **said)))
        assert await books.listed("payments", invoice_id=draft.id) == []


@pytest.mark.parametrize("id", ["987654", "abc", "1.2"])
async def test_an_invoice_that_is_not_there_has_no_payments(id: str) -> None:
    async with connected() as books:
        assert await books.listed("payments", invoice_id=id) == []
        await books.refused("not_found", PAYMENTS.get(books.up(), id))
        await books.refused("not_found", PAYMENTS.delete(books.up(), id))
        draft = books.payment(await books.final())
        draft.allocations[0].invoice_id = id
        problem = await books.refused("validation_failed", PAYMENTS.create(books.up(), draft))
        assert problem.errors[0].pointer == "/allocations/0/invoice_id"


async def test_quotations_have_no_payments() -> None:
    async with connected(populated=True) as books:
        quotation = str(books.emulator.books()["quotations"][0]["id"])
        assert await books.listed("payments", invoice_id=quotation) == []
        draft = books.payment(await books.final())
        draft.allocations[0].invoice_id = quotation
        with books.writes_nothing():
            await books.refused("validation_failed", PAYMENTS.create(books.up(), draft))


async def test_the_day_of_a_payment_is_filtered_exactly() -> None:
    async with connected() as books:
        final = await books.final()
        await books.pay(final)
        day = timedelta(days=1)
        for first, last, found in (
            (TODAY, TODAY, 1),
            (TODAY - day, TODAY + day, 1),
            (TODAY + day, TODAY + day, 0),
            (TODAY - day, TODAY - day, 0),
        ):
            listed = await books.listed("payments", invoice_id=final.id, paid_from=first, paid_to=last)
            assert len(listed) == found


@pytest.mark.parametrize("old_id", ["gone", "alias"])
async def test_a_payment_has_one_id_to_every_verb(tmp_path: Path, old_id: str) -> None:
    """It is the system's of the invoice, so not the first one of a draft that changed."""
    async with opened(tmp_path, old_id=old_id) as gateway:
        draft = await gateway.invoice()
        await gateway.done("PATCH", f"invoices/{draft['id']}", {"notes": "Bel eerst"})
        final = await gateway.done("POST", f"invoices/{draft['id']}/finalize")
        method = (await gateway.done("GET", "payment-methods"))["data"][0]["id"]
        allocations = [{"invoice_id": final["id"], "amount": "121.00"}]
        said = {"amount": "121", "payment_method_id": method, "allocations": allocations}
        paid = await gateway.done("POST", "payments", said)
        assert paid["allocations"] == allocations
        assert (await gateway.done("GET", f"payments/{paid['id']}")) == paid
        assert (await gateway.done("GET", "payments", invoice_id=final["id"]))["data"] == [paid]
        for verb in ("GET", "DELETE"):
            assert (await gateway.ask(verb, f"payments/{final['id']}"))[0] == 404
        assert gateway.sent("DELETE") == 0
        await gateway.done("DELETE", f"payments/{paid['id']}")
        assert (await gateway.done("GET", "payments", invoice_id=final["id"]))["data"] == []


@pytest.mark.parametrize("status", [400, 409, 500])
async def test_a_payment_that_is_not_taken_back_is_not_called_gone(status: int) -> None:
    async with connected() as books:
        final = await books.final()
        await books.pay(final)
        said = dumps({"success": False, "error": {"code": 0, "message": "Invoice was already booked"}})
        books.emulator.fail(Fault("status", status, body=said), when=lambda seen: seen.method == "DELETE")
        await books.refused("conflict", PAYMENTS.delete(books.up(), final.id))
        assert len(await books.listed("payments", invoice_id=final.id)) == 1
