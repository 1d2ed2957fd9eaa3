"""What is told and written of a record where one detail of it decides."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.thenextinvoice.mapping import contacts
from adapters.thenextinvoice.mapping.invoices import body_reckoned, new_body
from adapters.thenextinvoice.mapping.lines import Charge, line_bodies
from gateway.contract.errors import Problem
from gateway.contract.models import ContactChange
from gateway.contract.money import ZERO
from tests.adapters.thenextinvoice.connected import INVOICES, connected
from tests.adapters.thenextinvoice.test_invoice_totals import expected, three
from tests.adapters.thenextinvoice.test_mapping import CODES, FULL, as_read, final, heading, line, read_final, refuse


def test_what_is_neither_an_invoice_nor_a_credit_note_makes_no_sense() -> None:
    booked = {"totalExclVat": 100, "totalInclVat": 121, "vatApplied": 21, "vatTotals": {"21": 21}}
    assert read_final(final(booked, line("100"))).document_type == "invoice"
    with pytest.raises(Problem, match="upstream_malformed"):
        read_final(final(booked, line("100"), type="Q"))


def test_groups_that_were_booked_otherwise_are_not_told_though_the_totals_agree() -> None:
    booked = {"totalExclVat": 200, "totalInclVat": 230, "vatApplied": 30, "vatTotals": {"21": 9, "9": 21}}
    read = read_final(final(booked, line("100", 1), line("100", 2)))
    assert (read.totals.tax, read.tax_breakdown) == ("30.00", None)


def test_a_group_of_codes_of_several_categories_has_none() -> None:
    booked = {"totalExclVat": 100, "totalInclVat": 100, "vatApplied": 0, "vatTotals": {}}
    (mixed,) = read_final(final(booked, line("60", 3), line("40", 5))).tax_breakdown
    (plain,) = read_final(final(booked, line("60", 5), line("40", 5))).tax_breakdown
    assert (mixed.category, plain.category) == (None, CODES["5"].category)


def test_a_sum_is_certain_where_no_group_depends_on_rounding() -> None:
    """By line 21 % is a cent less and 9 % a cent more than by rate, so the totals are the same all the same."""
    prices = [("0.07", "1")] * 3 + [("0.06", "2")] * 3
    lines = [Charge("Iets", Decimal(1), Decimal(price), "11", vat) for price, vat in prices]
    reckoning = body_reckoned(
        new_body(heading(credit=False, includes_vat=False, discount=ZERO), line_bodies(lines, credit=False)), CODES
    )
    per_rate, per_line = reckoning.sum("per_rate"), reckoning.sum("per_line")
    assert per_rate is not None
    assert per_line is not None
    assert (per_rate.total, per_rate.taxes) == (per_line.total, {"21": Decimal("0.04"), "9": Decimal("0.02")})
    assert per_line.taxes == {"21": Decimal("0.03"), "9": Decimal("0.03")}
    assert reckoning.certain() is None


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ({"kind": "company", "company_name": "Bakkerij Jan"}, ("company", "Bakkerij Jan", "Bakkerij")),
        ({"kind": "person"}, ("person", None, "Bakkerij")),
        ({"contact_person": "Piet"}, ("person", None, "Piet")),
    ],
)
def test_a_person_keeps_its_name_and_what_stands_beside_it(change: dict[str, Any], after: tuple[str, ...]) -> None:
    person = {**FULL, "person": "1"}
    body = contacts.merged(contacts.existing_body(person), ContactChange.model_validate(change).given(), refuse)
    read = contacts.contact_of(as_read(body)).item
    assert (read.kind, read.company_name, read.contact_person) == after
    if read.kind == "person":
        assert body["companycontact"] == "Jan"


def test_an_address_is_cleared_whole() -> None:
    body = contacts.merged(contacts.existing_body(FULL), {"address": None}, refuse)
    assert [body[name] for name in ("address", "postalcode", "city", "country")] == [""] * 4


async def test_a_rounding_line_is_not_put_under_a_discount() -> None:
    async with connected() as books:
        books.settle(rounding_ledger_account_id=books.ledger("8900"))
        lines = [books.line("33.33", "3", discount_percent=Decimal(10))]
        draft = await books.draft(lines=lines, on_rounding="add_line", expected_totals=expected(gross="108.90"))
        with books.writes_nothing():
            problem = await books.refused("validation_failed", INVOICES.create(books.up(), draft))
        assert problem.errors[0].pointer == "/on_rounding"


async def test_new_lines_bring_their_own_discount() -> None:
    async with connected() as books:
        customer = await books.contact()
        draft = await books.invoice(contact_id=customer.id, lines=[books.line(discount_percent=Decimal(10))])
        assert draft.totals.net == "90.00"
        changed = await books.change_invoice(draft.id, contact_id=customer.id, lines=[books.line()])
        assert changed.lines is not None
        assert (changed.totals.net, changed.lines[0].discount_percent) == ("100.00", None)


async def test_the_default_profile_sends_wherever_it_stands() -> None:
    async with connected() as books:
        company = books.emulator.company
        default = company.default_profile
        company.profiles = {1: {**default, "id": 1, "default": False}, **company.profiles}
        assert company.invoices[int((await books.invoice()).id)].sender == default["id"]


@pytest.mark.parametrize(("vat_rounding", "tax"), [("per_rate", "0.04"), ("per_line", "0.03")])
async def test_an_invoice_for_which_rounding_does_not_matter_teaches_nothing(vat_rounding: str, tax: str) -> None:
    async with connected(vat_rounding=vat_rounding) as books:
        await three(books, finalize=True)
        await books.final()
        books.link.known.clear()
        assert (await three(books)).totals.tax == tax
