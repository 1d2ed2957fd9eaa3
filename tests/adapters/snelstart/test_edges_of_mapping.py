"""What is told and written of a record where one detail of it decides."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.snelstart.mapping import booked_lines, contacts, invoices, lines, payments, values, vat
from gateway.contract.exact import loads
from gateway.contract.models import AllocationDraft, PaymentDraft
from gateway.contract.money import ZERO
from tests.adapters.snelstart.administration import (
    COUNTRIES,
    CUSTOMER,
    ENTRY,
    HIGH,
    SETUP,
    TODAY,
    invoice_of,
)
from tests.adapters.snelstart.test_mapping import (
    FIXTURES,
    RATED_HIGH,
    _read_with,
    booked,
    refused,
)


@pytest.mark.parametrize(
    ("text", "net", "quantity"),
    [
        ("Levering (2 x 10.00)", "20.01", "1"),
        ("Levering (1 x 121.00 incl. btw)", "100.05", "1"),
        ("Levering (2 x 60.50 incl. btw)", "100.05", "2"),
        ("Levering (2 x 60.50 incl. btw)", "100.06", "1"),
        ("Levering (2 x 60.50 incl. btw)", "98.00", "1"),
    ],
)
def test_terms_are_believed_to_the_cent_and_with_vat_to_its_rounding(text: str, net: str, quantity: str) -> None:
    told, _ = booked_lines.line_of(text, values.number(net), SETUP.at(HIGH, RATED_HIGH))
    assert (told.quantity, told.net) == (quantity, net)


def test_a_price_with_vat_is_the_gross_of_its_line() -> None:
    """10.00 with 21 % is 8.26 without: the rate of that again would make 9.99 of it."""
    told, included = booked_lines.line_of(
        "Koek (1 x 10.00 incl. btw)", values.number("8.26"), SETUP.at(HIGH, RATED_HIGH)
    )
    assert (included, told.net, told.tax, told.gross) == (True, "8.26", "1.74", "10.00")


def test_prices_include_vat_on_all_lines_or_on_none() -> None:
    koek = {"omschrijving": "Koek (2 x 12.10 incl. btw)", "grootboek": {"id": HIGH}, "bedrag": 20, "btwSoort": "Hoog"}
    brood = {"omschrijving": "Brood (2 x 5.00)", "grootboek": {"id": HIGH}, "bedrag": 10, "btwSoort": "Hoog"}
    rows = [{"btwSoort": "VerkopenHoog", "btwBedrag": Decimal("6.30")}]
    invoice = _read_with({"factuurbedrag": Decimal("36.30"), "boekingsregels": [koek, brood], "btw": rows})
    assert invoice.prices_include_tax is False
    assert [(one.description, one.quantity, one.unit_price) for one in invoice.lines] == [
        ("Koek (2 x 12.10 incl. btw)", "1", "20.00"),
        ("Brood", "2", "5.00"),
    ]


@pytest.mark.parametrize(("days", "open_", "overdue"), [(0, 10, False), (1, 10, True), (1, 0, False), (1, -1, False)])
def test_overdue_is_what_is_open_after_its_due_date(days: int, open_: int, overdue: bool) -> None:
    raw = loads((FIXTURES / "invoices.boeking.json").read_bytes())["raw"][invoices.JOINED]
    due = f"{TODAY - timedelta(days=days)}T00:00:00"
    said = invoices.Factuur.of({**raw, "vervalDatum": due, "openstaandSaldo": open_})
    assert invoices.invoice_of(said, raw, TODAY).item.is_overdue is overdue


def test_vat_that_belongs_to_no_line_is_not_told_as_that_of_one() -> None:
    line = {"omschrijving": "Brood", "grootboek": {"id": HIGH}, "bedrag": 100, "btwSoort": "Hoog"}
    rows = [{"btwSoort": "VerkopenHoog", "btwBedrag": 21}, {"btwSoort": "VerkopenLaag", "btwBedrag": 5}]
    invoice = _read_with({"factuurbedrag": 126, "boekingsregels": [line], "btw": rows})
    assert (invoice.totals.net, invoice.totals.tax, invoice.tax_breakdown) == ("100.00", "26.00", None)


def test_a_credit_note_keeps_cost_centres_and_is_due_at_once() -> None:
    raw = loads((FIXTURES / "invoices.boeking.json").read_bytes())["raw"]
    centre = {"id": "11111111-2222-3333-4444-555555555555"}
    said = {
        **raw,
        "betalingstermijn": 30,
        "boekingsregels": [{**one, "kostenplaats": centre} for one in raw["boekingsregels"]],
    }
    body = invoices.credit_body(said, "C-1", TODAY)
    assert [one["kostenplaats"] for one in body["boekingsregels"]] == [centre] * len(raw["boekingsregels"])
    assert body["betalingstermijn"] == 0


def test_a_foreign_rate_ends_the_day_before_the_next() -> None:
    rates = [
        vat.ForeignRate(rateCode="SR", rate=Decimal(rate), validFrom=start)
        for rate, start in ((19, "2020-01-01"), (16, "2020-07-01"))
    ]
    account = vat.Grootboek(
        id=HIGH, nummer=8300, grootboekfunctie=vat.OSS_FUNCTION, btwSoort=["Geen"], vatRateCode="SR"
    )
    ways = vat.ways_of(
        [],
        [vat.ForeignRates(countryCode="DEU", vatRates=rates)],
        [account],
        {"de": contacts.Land(id="de", landcode="DE", landcodeISO="DEU")},
    )
    for day, rate in ((date(2020, 6, 30), 19), (date(2020, 7, 1), 16)):
        found = ways.foreign("DE", "SR", day)
        assert found is not None
        assert found.code.percentage == rate


def test_a_text_that_looks_like_terms_is_not_read_as_them() -> None:
    odd = lines.Charge("Brood (2 x 5.00)", Decimal(1), Decimal(10), ZERO, None, RATED_HIGH, HIGH)
    (read,) = invoice_of(booked([odd], includes_tax=False, sign=1)).item.lines
    assert (read.description, read.quantity, read.unit_price) == ("Brood (2 x 5.00)", "1", "10.00")


@pytest.mark.parametrize(("direction", "side"), [("in", "credit"), ("out", "debet")])
def test_the_rest_of_a_payment_is_on_the_side_of_the_payment(direction: Any, side: str) -> None:
    allocations = [AllocationDraft(invoice_id=ENTRY, amount=Decimal(10))]
    draft = PaymentDraft(amount=Decimal(15), direction=direction, allocations=allocations, ledger_account_id=HIGH)
    body = payments.payment_body(draft, CUSTOMER, TODAY)
    (sale,), (rest,) = body["verkoopboekingBoekingsRegels"], body["grootboekBoekingsRegels"]
    assert (sale[side], rest[side]) == (10, 5)
    assert sale["debet"] + sale["credit"] + rest["debet"] + rest["credit"] == 15


@pytest.mark.parametrize("id", [None, values.NO_GUID])
def test_the_guid_of_nothing_names_nothing(id: str | None) -> None:
    assert values.reference_of(id) is values.reference_of(values.Named(id=id)) is None


@pytest.mark.parametrize(
    ("wall", "utc"),
    [
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59+00:00"),
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00+00:00"),
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59+00:00"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00+00:00"),
    ],
)
def test_the_clock_changes_when_it_does(wall: str, utc: str) -> None:
    assert values.moment_of(wall) == datetime.fromisoformat(utc)


def test_a_new_invoice_address_leaves_how_invoices_are_sent() -> None:
    held = {"shouldSend": True, "email": "oud@sluis.example", "ccEmail": "kopie@sluis.example"}
    raw = loads((FIXTURES / "contacts.klant.json").read_bytes())["raw"]
    body = contacts.contact_body(
        {"invoice_email": "nieuw@sluis.example"}, {**raw, "factuurEmailVersturen": held}, COUNTRIES, refused
    )
    assert body["factuurEmailVersturen"] == {**held, "email": "nieuw@sluis.example"}
