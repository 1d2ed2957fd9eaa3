"""The golden pairs of SnelStart, and what survives a round trip through its lines, contacts and payments."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters.snelstart
from adapters.snelstart.mapping import (
    booked_lines,
    contacts,
    invoices,
    lines,
    payments,
    products,
    values,
    vat,
)
from gateway.contract.errors import Problem
from gateway.contract.exact import Unread, dumps, loads
from gateway.contract.models import AddressDraft, AllocationDraft, PaymentDraft
from gateway.contract.money import ZERO, amount_text, exact, number_text, round_to_cents
from tests.adapters.snelstart.administration import (
    COMPANY,
    COUNTRIES,
    CUSTOMER,
    ENTRY,
    GROUP,
    HIGH,
    LOW,
    RATES,
    SETUP,
    SHELF,
    TODAY,
    UNTAXED,
    WAYS,
    invoice_of,
)

FIXTURES = Path(adapters.snelstart.__file__).parent / "fixtures"
PAIRS = sorted(path.name for path in FIXTURES.glob("*.*.json"))


@pytest.mark.parametrize("kind", [None, "", "NaN"])
def test_a_revenue_group_that_does_not_tell_its_vat_leaves_it_open(kind: str | None) -> None:
    group = msgspec.structs.replace(GROUP, verkoopNederlandBtwSoort=kind)
    assert SHELF.way_of(GROUP) is not None
    assert SHELF.way_of(group) is None


@pytest.mark.parametrize("price", ["x", "NaN.1"])
def test_an_article_whose_price_is_none_makes_no_sense(price: object) -> None:
    name = next(name for name in PAIRS if name.startswith("products."))
    raw = loads((FIXTURES / name).read_bytes())["raw"]
    with pytest.raises(Problem) as caught:
        products.product_of({**raw, "verkoopprijs": price}, SHELF)
    assert caught.value.code == "upstream_malformed"
    with pytest.raises(Problem):
        products.product_of({member: value for member, value in raw.items() if member != "verkoopprijs"}, SHELF)


# --- lines

numbers = st.decimals(min_value=-900, max_value=9_000, places=5, allow_nan=False)
quantities = st.decimals(min_value="0.001", max_value=500, places=3, allow_nan=False)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60).filter(lambda text: text.strip() == text)
units = st.none() | st.sampled_from(["stuk", "uur", "m2", "x", "doos à 6"])
discounts = st.sampled_from([ZERO, Decimal(5), Decimal("12.5"), Decimal(99)])
charges = st.builds(
    lines.Charge,
    description=texts | st.sampled_from(["Brood (2 x 5.00)", "Advies (1 x 10.00 incl. btw)", "(2 x 3)"]),
    quantity=quantities | st.just(Decimal(1)),
    price=numbers | st.just(Decimal("10.00")),
    discount=discounts,
    unit=units,
    way=st.sampled_from([WAYS.by_id["hoog-2012-10-01"], WAYS.by_id["laag-2019-01-01"], WAYS.by_id["onbelast"]]),
    ledger=st.just(HIGH),
).filter(lambda charge: charge.amount() != 0)
RATED_HIGH = WAYS.by_id["hoog-2012-10-01"]
ACCOUNTS = {"Hoog": HIGH, "Laag": LOW, "Geen": UNTAXED}


def booked(given: list[lines.Charge], *, includes_tax: bool, sign: int) -> dict[str, Any]:
    """An entry with the invoice it would show up as."""
    settled = [
        lines.Charge(one.description, one.quantity, one.price, one.discount, one.unit, one.way, ACCOUNTS[one.way.kind])
        for one in given
    ]
    amounts = loads(dumps(lines.entry_amounts(settled, SETUP, includes_tax=includes_tax, sign=sign)))
    entry = {
        "id": ENTRY,
        "factuurnummer": "F-1",
        "factuurdatum": "2026-08-16T00:00:00",
        "klant": {"id": CUSTOMER},
        **amounts,
    }
    invoice = {
        "id": "6b0f2c44-1d1b-4a52-9f5e-2f0a6a9a7c10",
        "verkoopBoeking": {"id": ENTRY},
        "factuurnummer": "F-1",
        "factuurDatum": "2026-08-16T00:00:00",
        "relatie": {"id": CUSTOMER},
        "factuurBedrag": amounts["factuurbedrag"],
        "openstaandSaldo": amounts["factuurbedrag"],
    }
    return invoices.joined(entry, invoice)


@given(st.lists(charges, min_size=1, max_size=6), st.booleans())
def test_an_entry_balances_to_the_cent(given: list[lines.Charge], includes_tax: bool) -> None:
    entry = booked(given, includes_tax=includes_tax, sign=1)
    parts = [*(one["bedrag"] for one in entry["boekingsregels"]), *(one["btwBedrag"] for one in entry["btw"])]
    assert sum(map(Decimal, parts)) == entry["factuurbedrag"]
    assert all(round_to_cents(Decimal(part)) == part for part in parts)


@given(st.lists(charges, min_size=1, max_size=5), st.booleans())
def test_lines_are_read_as_they_were_given(given: list[lines.Charge], includes_tax: bool) -> None:
    entry = booked(given, includes_tax=includes_tax, sign=1)
    if entry["factuurbedrag"] < 0:
        return  # SnelStart tells a credit note by its sign: this one would be read as one
    invoice = invoice_of(entry).item
    assert invoice.prices_include_tax is includes_tax
    assert invoice.lines is not None
    for said, read in zip(given, invoice.lines, strict=True):
        quantity = number_text(said.quantity)
        assert (read.description, read.quantity, read.unit) == (said.description, quantity, said.unit)
        assert (read.unit_price, exact(read.discount_percent or "0")) == (amount_text(said.price), said.discount)
        assert read.vat_code_id == said.way.code.id
        assert exact(read.net) + exact(read.tax) == exact(read.gross)
    breakdown = invoice.tax_breakdown
    assert breakdown is not None
    assert sum(exact(group.base) for group in breakdown) == exact(invoice.totals.net)
    assert sum(exact(group.tax) for group in breakdown) == exact(invoice.totals.tax)
    assert exact(invoice.totals.gross) == entry["factuurbedrag"]


@given(st.lists(charges.filter(lambda charge: charge.price > 0), min_size=1, max_size=4))
def test_a_credit_note_is_the_mirror_of_its_invoice(given: list[lines.Charge]) -> None:
    entry = booked(given, includes_tax=False, sign=1)
    original = invoice_of(entry).item
    body = loads(dumps(invoices.credit_body(entry, "C-1", TODAY)))
    factuur = {**entry[invoices.JOINED], "factuurBedrag": body["factuurbedrag"], "openstaandSaldo": 0}
    note = invoice_of(invoices.joined({"id": ENTRY, **body}, factuur)).item
    assert (note.document_type, note.description) == ("credit_note", "Creditfactuur bij F-1")
    assert (note.lines, note.tax_breakdown) == (original.lines, original.tax_breakdown)
    assert (note.totals.net, note.totals.gross) == (original.totals.net, original.totals.gross)


def test_a_text_that_does_not_come_to_the_amount_is_only_a_text() -> None:
    booked = SETUP.at(HIGH, RATED_HIGH)
    text, included = booked_lines.line_of("Levering (2 x 10.00)", values.number("21.00"), booked)
    assert (text.description, text.quantity, text.unit_price, included) == ("Levering (2 x 10.00)", "1", "21.00", False)
    told, included = booked_lines.line_of("Levering (2 x 10.00)", values.number("20.00"), booked)
    assert (told.description, told.quantity, told.unit_price, included) == ("Levering", "2", "10.00", False)


def test_a_line_of_a_hidden_account_is_still_read() -> None:
    raw = loads((FIXTURES / "invoices.boeking.json").read_bytes())["raw"]
    raw["boekingsregels"][1]["grootboek"] = None
    read = invoice_of(raw).item.lines
    assert read is not None
    assert (read[1].ledger_account_id, read[1].vat_code_id) == (None, "laag-2019-01-01")


def test_an_entry_without_lines_tells_no_more_than_what_it_comes_to() -> None:
    raw = loads((FIXTURES / "invoices.boeking.json").read_bytes())["raw"]
    invoice = invoice_of({**raw, "boekingsregels": []}).item
    assert (invoice.lines, invoice.tax_breakdown, invoice.totals.net, invoice.totals.tax) == (None, None, None, None)
    assert invoice.totals.gross == invoice_of(raw).item.totals.gross
    with pytest.raises(Problem, match="upstream_malformed"):
        invoice_of({**raw, "boekingsregels": None})


@pytest.mark.parametrize("spelled", ["20", "20.0", "20.00", "2E1", '"20.00"'])
def test_an_amount_is_the_same_however_it_is_written(spelled: str) -> None:
    row = Unread(f'{{"btwSoort": "VerkopenHoog", "btwBedrag": {spelled}}}'.encode())
    for said in (row, loads(row)):
        amount = lines.BtwRegel.of(said).btwBedrag
        assert amount is not None
        assert amount.value == 20
        assert amount.text == "20.00"


@pytest.mark.parametrize("spelled", ["true", "{}", '""', '"NaN"', '"x"', "1e99", "1234567890123456"])
def test_what_is_no_amount_makes_no_sense(spelled: str) -> None:
    row = Unread(f'{{"btwSoort": "VerkopenHoog", "btwBedrag": {spelled}}}'.encode())
    for said in (row, loads(row)):
        with pytest.raises(Problem, match="upstream_malformed"):
            lines.BtwRegel.of(said)


def test_a_line_is_changed_without_another_of_the_same_price() -> None:
    raw = loads((FIXTURES / "invoices.boeking.json").read_bytes())["raw"]
    first, second = invoice_of(raw).item, invoice_of(raw).item
    first.lines[0].vat_code_id = "another"
    assert second.lines[0].vat_code_id == invoice_of(raw).item.lines[0].vat_code_id == "hoog-2012-10-01"


# --- VAT


FOREIGN_HIGH, FOREIGN_LOW = "5b1e1b52-0d2f-4d0e-9a3b-0c8f6f0f0a01", "5b1e1b52-0d2f-4d0e-9a3b-0c8f6f0f0a02"
FOREIGN_LEDGERS = {
    id: vat.Grootboek(id=id, nummer=8300, grootboekfunctie=vat.OSS_FUNCTION, btwSoort=["Geen"], vatRateCode=rate)
    for id, rate in ((FOREIGN_HIGH, "SR"), (FOREIGN_LOW, "RR"))
}
GERMAN = [("SR", Decimal(19)), ("RR", Decimal(7))]
ABROAD = lines.Setup(
    vat.ways_of(
        RATES,
        [
            vat.ForeignRates(
                countryCode="DEU",
                vatRates=[vat.ForeignRate(rateCode=code, rate=rate, validFrom="2020-01-01") for code, rate in GERMAN],
            )
        ],
        list(FOREIGN_LEDGERS.values()),
        {"de": contacts.Land(id="de", landcode="DE", landcodeISO="DEU")},
    ),
    FOREIGN_LEDGERS,
)
"""An administration that has foreign rates, and no account for foreign VAT itself."""


def test_a_line_of_a_hidden_account_is_read_beside_foreign_vat() -> None:
    said = [
        {"omschrijving": "Brood", "grootboek": {"id": FOREIGN_HIGH}, "bedrag": 20, "btwSoort": "Geen"},
        {"omschrijving": "Taart", "grootboek": {"id": FOREIGN_LOW}, "bedrag": 30, "btwSoort": "Geen"},
        {"omschrijving": "Thee", "grootboek": None, "bedrag": 10, "btwSoort": "Hoog"},
    ]
    rows = [{"btwSoort": "VerkopenHoog", "btwBedrag": Decimal("2.10")}]
    raw = loads((FIXTURES / "invoices.boeking.json").read_bytes())["raw"]
    entry = invoices.Boeking.of({**raw, "factuurbedrag": Decimal("62.10"), "boekingsregels": said, "btw": rows})
    factuur = invoices.Factuur.of(raw[invoices.JOINED])
    invoice = invoices.whole_invoice_of(factuur, {}, entry, {}, TODAY, invoices.Reading(ABROAD, "DE")).item
    assert [line.vat_code_id for line in invoice.lines or ()] == ["oss-de-sr", "oss-de-rr", "hoog-2012-10-01"]
    assert invoice.totals.net == "60.00"
    shares = [(group.vat_code_id, group.tax) for group in invoice.tax_breakdown or ()]
    assert shares == [("oss-de-sr", "0.00"), ("oss-de-rr", "0.00"), ("hoog-2012-10-01", "2.10")]


def test_a_line_of_a_kind_that_nobody_documents_is_not_taken_for_untaxed() -> None:
    bread, tea = (
        lines.Charge(name, Decimal(2), Decimal(10), ZERO, None, RATED_HIGH, HIGH) for name in ("Brood", "Thee")
    )
    entry = booked([bread, tea], includes_tax=False, sign=1)
    joined = loads(dumps(entry).replace(b'"btwSoort":"Hoog"', b'"btwSoort":"Nieuw"', 1))
    invoice = invoice_of(joined).item
    assert [(line.net, line.tax, line.vat_rate) for line in invoice.lines] == [
        ("20.00", None, None),
        ("20.00", "4.20", "21"),
    ]
    assert (invoice.tax_breakdown, invoice.totals.tax) == (None, "8.40")


REVERSED_ENTRY: Mapping[str, Any] = {
    "factuurbedrag": 20,
    "boekingsregels": [{"omschrijving": "Brood", "grootboek": {"id": UNTAXED}, "bedrag": 20, "btwSoort": "Geen"}],
    "btw": [{"btwSoort": "VerkopenVerlegd", "btwBedrag": 0}],
}


def _read_with(entry: Mapping[str, Any]) -> Any:
    raw = loads((FIXTURES / "invoices.boeking.json").read_bytes())["raw"]
    return invoice_of({**raw, **entry}).item


def test_reverse_charge_is_told_by_the_row_of_the_entry() -> None:
    (line,) = REVERSED_ENTRY["boekingsregels"]
    for said in (line, {**line, "btwSoort": ""}, {**line, "btwSoort": None}):
        invoice = _read_with({**REVERSED_ENTRY, "boekingsregels": [said]})
        assert [one.vat_code_id for one in invoice.lines] == ["verlegd"]
    assert [one.vat_code_id for one in _read_with({**REVERSED_ENTRY, "btw": []}).lines] == ["onbelast"]


def test_a_row_of_a_kind_that_nobody_documents_leaves_open_who_owes_the_vat() -> None:
    invoice = _read_with({**REVERSED_ENTRY, "btw": [{"btwSoort": "Nieuw", "btwBedrag": 0}]})
    assert [(one.net, one.tax, one.vat_code_id) for one in invoice.lines] == [("20.00", None, None)]
    assert invoice.tax_breakdown is None


def test_a_rate_is_that_of_the_day() -> None:
    for day, id in ((date(2018, 12, 31), "laag-1986-10-01"), (date(2019, 1, 1), "laag-2019-01-01")):
        found = WAYS.for_treatment("domestic_low", rate=None, country=None, on=day)
        assert found is not None
        assert found.code.id == id
    assert WAYS.for_treatment("margin", rate=None, country=None, on=TODAY) is None


# --- contacts and payments


def refused(pointer: str, *, en: str, nl: str) -> None:
    raise Problem("field_unsupported", f"{pointer}: {en} {nl}")


@given(
    st.fixed_dictionaries(
        {"company_name": st.text("abc Z", min_size=1).filter(str.strip), "roles": st.just(["customer"])},
        optional={
            "email": st.just("a@b.example"),
            "phone": st.just("0721234567"),
            "contact_person": st.just("Anna"),
            "number": st.integers(1, 10**8).map(str),
            "payment_term_days": st.integers(0, 90),
            "vat_number": st.just("NL123456782B01"),
            "invoice_email": st.just("f@b.example"),
        },
    )
)
def test_a_contact_is_read_as_it_was_given(given: dict[str, Any]) -> None:
    said = {**given, "address": AddressDraft(line1="Kade 1", postal_code="1811 LP", city="Alkmaar", country="NL")}
    body = loads(dumps(contacts.contact_body(said, {}, COUNTRIES, refused)))
    read = contacts.contact_of({**body, "id": CUSTOMER}, COUNTRIES).item
    for name, value in given.items():
        assert getattr(read, name) == value
    assert read.address is not None
    assert (read.address.line1, read.address.country) == ("Kade 1", "NL")


@pytest.mark.parametrize("code", ["NaN", "", "N1", None])
def test_a_dutch_vat_number_stays_whole_where_the_country_makes_no_sense(code: str | None) -> None:
    raw = loads((FIXTURES / "contacts.klant.json").read_bytes())["raw"]
    country = raw["vestigingsAdres"]["land"]["id"]
    told, untold = (
        contacts.contact_of(raw, {country: contacts.Land.of({"id": country, "landcode": said})}).item
        for said in ("NL", code)
    )
    assert told.address is not None
    assert untold.address is not None
    assert (told.address.country, untold.address.country) == ("NL", None)
    assert told.vat_number == untold.vat_number == f"NL{raw['btwNummer'].removeprefix('NL')}"


def test_a_person_is_told_by_the_address() -> None:
    given: dict[str, Any] = {"kind": "person", "contact_person": "Anna de Boer", "roles": ["customer"]}
    with pytest.raises(Problem, match="give an address"):
        contacts.contact_body(given, {}, COUNTRIES, refused)
    given["address"] = AddressDraft(line1="Kade 1", postal_code="1811 LP", city="Alkmaar")
    body = contacts.contact_body(given, {}, COUNTRIES, refused)
    read = contacts.contact_of({**body, "id": CUSTOMER}, COUNTRIES).item
    assert (read.kind, read.name, read.company_name) == ("person", "Anna de Boer", None)
    assert read.contact_person == "Anna de Boer"


@given(
    st.sampled_from(["in", "out"]),
    st.lists(st.decimals("0.01", 9_999, places=2), min_size=1, max_size=4),
    st.decimals(0, 100, places=2),
)
def test_a_payment_is_read_as_it_was_given(direction: Any, parts: list[Decimal], rest: Decimal) -> None:
    allocations = [AllocationDraft(invoice_id=ENTRY, amount=part) for part in parts]
    draft = PaymentDraft(
        amount=sum(parts, rest), direction=direction, allocations=allocations, ledger_account_id=HIGH if rest else None
    )
    body = loads(dumps(payments.payment_body(draft, CUSTOMER, TODAY)))
    assert 0 in (body["bedragOntvangen"], body["bedragUitgegeven"])
    read = payments.payment_of({**body, "id": ENTRY}, "bank").item
    said = (amount_text(draft.amount), direction, amount_text(rest))
    assert (read.amount, read.direction, read.unallocated) == said
    assert [part.amount for part in read.allocations] == [amount_text(part) for part in parts]


@pytest.mark.parametrize("amount", ["bedragOntvangen", "bedragUitgegeven"])
def test_a_payment_that_lost_an_amount_makes_no_sense(amount: str) -> None:
    raw = loads((FIXTURES / "payments.bank.json").read_bytes())["raw"]
    with pytest.raises(Problem, match="upstream_malformed"):
        payments.payment_of({**raw, amount: None}, "bank")


@pytest.mark.parametrize("named", [None, {}, {"id": None}, {"id": "00000000-0000-0000-0000-000000000000"}])
def test_a_payment_of_what_is_not_named_makes_no_sense(named: object) -> None:
    raw = loads((FIXTURES / "payments.bank.json").read_bytes())["raw"]
    (line,) = raw["verkoopboekingBoekingsRegels"]
    with pytest.raises(Problem, match="upstream_malformed"):
        payments.payment_of({**raw, "verkoopboekingBoekingsRegels": [{**line, "boekingId": named}]}, "bank")


def test_an_id_of_a_payment_says_where_it_is() -> None:
    assert payments.place_of(f"kas-{ENTRY}") == ("kasboekingen", ENTRY)
    for wrong in (ENTRY, f"giro-{ENTRY}", "bank-1", "bank-"):
        with pytest.raises(Problem, match="not_found"):
            payments.place_of(wrong)


# --- values


def test_a_quote_cannot_end_a_literal() -> None:
    assert values.quoted("O'Neill' or 1 eq 1") == "'O''Neill'' or 1 eq 1'"


def test_a_made_up_code_keeps_to_the_rules() -> None:
    made = products.made_up_code(UUID(int=2**127 + 12345), COMPANY)
    assert made.isdigit()
    assert len(made) == 10
    letters = vat.CompanyInfo(administratieIdentifier=ENTRY, artikelcodeSoort="Alfanumeriek", artikelcodeMaxLengte=8)
    assert len(products.made_up_code(UUID(int=2**127 + 12345), letters)) == 8
