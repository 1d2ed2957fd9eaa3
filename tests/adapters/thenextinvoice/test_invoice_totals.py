"""What an invoice comes to: expected totals, rounding lines, and how VAT is rounded, which nobody says."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.contract.models import ExpectedTotals
from tests.adapters.thenextinvoice.connected import (
    INVOICES,
    PAYMENTS,
    TODAY,
    Books,
    all_of,
    connected,
    invoice_change,
)


def expected(**said: str) -> ExpectedTotals:
    return ExpectedTotals(**{name: Decimal(amount) for name, amount in said.items()})


async def test_expected_totals_are_held_against_the_lines_before_anything_is_sent() -> None:
    async with connected() as books:
        draft = await books.draft(
            lines=[books.line("33.33", "3")], expected_totals=expected(net="99.99", tax="21.00", gross="121.00")
        )
        with books.writes_nothing():
            problem = await books.refused("totals_mismatch", INVOICES.create(books.up(), draft))
        assert problem.extra == {"difference": {"gross": "0.01"}}
        assert problem.outcome == "not_sent"
        draft.expected_totals = expected(net="99.99", tax="21.00", gross="120.99")
        assert (await INVOICES.create(books.up(), draft)).item.totals.gross == "120.99"


@pytest.mark.parametrize("document_type", ["invoice", "credit_note"])
async def test_a_rounding_line_closes_a_small_gap(document_type: str) -> None:
    async with connected() as books:
        books.settle(rounding_ledger_account_id=books.ledger("8900"))
        said: dict[str, Any] = {"document_type": document_type, "on_rounding": "add_line", "finalize": True}
        said["lines"] = [books.line("33.33", "3")]
        made = await books.invoice(**said, expected_totals=expected(gross="121.00"))
        assert made.totals.gross == "121.00"
        assert made.lines is not None
        assert [(line.gross, line.ledger_account_id) for line in made.lines[1:]] == [("0.01", books.ledger("8900"))]
        draft = await books.draft(**said, expected_totals=expected(gross="121.05"))
        with books.writes_nothing():
            await books.refused("totals_mismatch", INVOICES.create(books.up(), draft))


async def test_a_rounding_line_needs_a_ledger_account() -> None:
    async with connected() as books:
        draft = await books.draft(on_rounding="add_line", expected_totals=expected(gross="121.01"))
        with books.writes_nothing():
            problem = await books.refused("validation_failed", INVOICES.create(books.up(), draft))
        assert problem.errors[0].pointer == "/on_rounding"


async def test_a_change_may_expect_totals_too() -> None:
    async with connected() as books:
        customer = await books.contact()
        draft = await books.invoice(contact_id=customer.id)
        change = invoice_change(contact_id=customer.id, notes="x", expected_totals=expected(gross="120.00"))
        with books.writes_nothing():
            problem = await books.refused("totals_mismatch", INVOICES.update(books.up(), draft.id, change))
        assert problem.extra == {"difference": {"gross": "-1.00"}}


THREE = "0.07"
"""Three lines of 7 cents: 4 cents of VAT at 21% when rounded once, 3 when rounded for each line."""


async def three(books: Books, **said: Any) -> Any:
    return await books.invoice(lines=[books.line(THREE) for _ in range(3)], **said)


@pytest.mark.parametrize(("vat_rounding", "tax"), [("per_rate", "0.04"), ("per_line", "0.03")])
async def test_how_vat_is_rounded_is_learned_from_what_was_booked(vat_rounding: str, tax: str) -> None:
    async with connected(vat_rounding=vat_rounding) as books:
        unsure = await three(books)
        assert all_of(unsure.totals.net, unsure.totals.tax, unsure.totals.gross) == (None, None, None)
        assert unsure.tax_breakdown is None
        books.link.known.clear()
        final = await three(books, finalize=True)
        assert final.totals.tax == tax
        assert [group.tax for group in final.tax_breakdown] == [tax]
        books.link.known.clear()
        assert (await books.read(unsure.id)).totals.tax == tax
        wrong = "0.03" if tax == "0.04" else "0.04"
        lines = [books.line(THREE) for _ in range(3)]
        draft = await books.draft(lines=lines, expected_totals=expected(tax=wrong))
        with books.writes_nothing():
            await books.refused("totals_mismatch", INVOICES.create(books.up(), draft))


@pytest.mark.parametrize(
    ("vat_rounding", "net", "tax"),
    [("per_rate", "65.63", "13.78"), ("per_rate_of_lines", "65.64", "13.78"), ("per_line", "65.64", "13.77")],
)
async def test_every_way_to_round_is_expected_told_and_learned(vat_rounding: str, net: str, tax: str) -> None:
    """Thrice 21.875. Three lines of 7 cents tell only whether VAT is rounded for each line."""
    async with connected(vat_rounding=vat_rounding) as books:
        up, lines = books.up(), [books.line("87.50", "0.25") for _ in range(3)]
        unsure = await books.invoice(lines=lines)
        assert unsure.totals.net is None
        await three(books, finalize=True)
        assert (await books.read(unsure.id)).totals.net == (net if vat_rounding == "per_line" else None)
        final = await books.invoice(up, lines=lines, expected_totals=expected(net=net, tax=tax), finalize=True)
        assert up.warnings == []
        assert [(group.base, group.tax) for group in final.tax_breakdown or ()] == [(net, tax)]
        assert all_of(*(one.net for one in final.lines or ())) == ("21.88",) * 3
        sure = (await books.read(unsure.id)).totals
        assert all_of(sure.net, sure.tax, sure.gross) == (net, tax, final.totals.gross)


@pytest.mark.parametrize(("gross", "told"), [("0.11", [("totals_differ", "/totals")]), ("0.12", [])])
async def test_what_is_booked_otherwise_than_expected_is_told(gross: str, told: list[tuple[str, str]]) -> None:
    """Three lines of 0.03 and 21% may come to either, and nothing is booked yet that shows to which."""
    async with connected(vat_rounding="per_line") as books:
        up, lines = books.up(), [books.line("0.03") for _ in range(3)]
        final = await books.invoice(up, lines=lines, expected_totals=expected(gross=gross), finalize=True)
        assert (final.totals.gross, up.warnings) == ("0.12", told)


@pytest.mark.parametrize("vat_rounding", ["per_rate", "per_line"])
async def test_while_nobody_knows_how_vat_is_rounded_either_way_is_expected(vat_rounding: str) -> None:
    async with connected(vat_rounding=vat_rounding) as books:
        for tax in ("0.03", "0.04"):
            await three(books, expected_totals=expected(tax=tax))
        lines = [books.line(THREE) for _ in range(3)]
        draft = await books.draft(lines=lines, expected_totals=expected(tax="0.05"))
        await books.refused("totals_mismatch", INVOICES.create(books.up(), draft))


@pytest.mark.parametrize("vat_rounding", ["per_rate", "per_line"])
async def test_amounts_of_floating_point_are_told_and_paid_in_cents(vat_rounding: str) -> None:
    async with connected(vat_rounding=vat_rounding, float_noise=True) as books:
        up = books.up()
        final = await books.invoice(up, lines=[books.line("12345.67", "3"), books.line(THREE)], finalize=True)
        net, tax, gross = "37037.08", "7777.79" if vat_rounding == "per_rate" else "7777.78", "44814.87"
        gross = gross if vat_rounding == "per_rate" else "44814.86"
        assert up.warnings == []
        assert all_of(final.totals.net, final.totals.tax, final.totals.gross, final.totals.open) == (
            net,
            tax,
            gross,
            gross,
        )
        assert [(line.net, line.gross) for line in final.lines or ()] == [
            ("37037.01", "44814.78"),
            (THREE, "0.08"),
        ]
        assert [(group.base, group.tax) for group in final.tax_breakdown or ()] == [(net, tax)]
        (listed,) = await books.listed()
        assert listed.totals == final.totals
        payment = (await PAYMENTS.create(books.up(), books.payment(final, paid_on=TODAY))).item
        assert (payment.amount, payment.unallocated) == (gross, "0.00")
        assert (await books.read(final.id)).totals.paid == gross


@pytest.mark.parametrize("document_type", ["invoice", "credit_note"])
async def test_amounts_that_come_unrounded_still_make_each_other(document_type: str) -> None:
    """0.304 and 0.06384 of VAT are 0.36784: to the cent 0.30, 0.06 and 0.37, of which the VAT gives way."""
    async with connected(vat_rounding="unrounded") as books:
        up = books.up()
        final = await books.invoice(up, lines=[books.line("0.304")], finalize=True, document_type=document_type)
        assert all_of(final.totals.net, final.totals.tax, final.totals.gross) == ("0.30", "0.07", "0.37")
        assert [(group.base, group.tax) for group in final.tax_breakdown or ()] == [("0.30", "0.07")]
        assert all_of(*(one.gross for one in final.lines or ())) == ("0.36",)
        assert up.warnings == [("totals_differ", "/totals")]
        assert (await books.listed())[0].totals == final.totals


async def test_totals_that_differ_from_those_of_the_lines_are_told() -> None:
    async with connected() as books:
        await books.invoice()
        code = books.emulator.company.vat_codes[int(books.vat())]
        code.factor = Decimal("1.22")  # somebody changes the code while Polder still knows the old rate
        up = books.up()
        made = await books.invoice(up, finalize=True)
        assert made.totals.gross == "122.00"
        assert up.warnings == [("totals_differ", "/totals")]
