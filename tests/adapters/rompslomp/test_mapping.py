"""Both ways: what is written reads as it was said, and the guesses about VAT, lines and marks hold."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters.rompslomp
from adapters.rompslomp.mapping import bodies, invoices, lines, payments, products, references, settings, totals
from adapters.rompslomp.mapping.contacts import contact_body, contact_of
from adapters.rompslomp.mapping.values import currency_of
from gateway.contract.errors import Problem
from gateway.contract.exact import Json, loads
from gateway.contract.models import (
    Address,
    AddressDraft,
    Contact,
    ContactDraft,
    CreditDraft,
    ExpectedTotals,
    LineDraft,
    PaymentDraft,
    Product,
    ProductDraft,
    VatCode,
)
from gateway.contract.money import AmountText, Priced, add_up, amount_text
from gateway.contract.totals import differences
from tests.shown import shown

KEY = UUID("1f0c9a7e-0000-4000-8000-000000000000")
TODAY = date(2024, 3, 2)
words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40)
amounts = st.decimals(min_value="0.00001", max_value=99_999, places=5)
cents = st.decimals(min_value="0.01", max_value=99_999, places=2)


def vat_type(id: int, name: str, friendly: str, value: str | None) -> VatCode:
    return settings.vat_code_of({"id": id, "name": name, "friendly_name": friendly, "value": value}).item


CODES = {
    code.id: code
    for code in (
        vat_type(1, "vat_high", "hoog", "0.21"),
        vat_type(2, "vat_low_new", "laag", "0.09"),
        vat_type(3, "vat_none", "vrijgesteld", "0.0"),
        vat_type(4, "vat_reverse_charged", "verlegd", "0.0"),
        vat_type(5, "vat_high", "Duitsland 19%", "0.19"),
        vat_type(6, "vat_custom", "aangepast", None),
    )
}
SETUP = lines.Setup(todays=CODES, vat_codes=CODES, products={}, rounding_ledger_account_id="77")


def refuse(pointer: str, *, en: str, nl: str) -> None:
    raise Problem("field_unsupported", f"{pointer}: {en} {nl}")


@given(name=words, person=words, street=words, city=words, is_person=st.booleans())
def test_a_contact_reads_as_it_was_written(name: str, person: str, street: str, city: str, is_person: bool) -> None:
    draft = ContactDraft(
        kind="person" if is_person else "company",
        roles=["supplier"],
        company_name=name,
        contact_person=person,
        email="a@b.example",
        address=AddressDraft(street=street, house_number="1", city=city, country="BE"),
    )
    body = contact_body(draft.given(), refuse)
    read = contact_of({"id": 7, **body}).item
    assert (read.kind, read.roles, read.name) == (draft.kind, ["supplier"], person if is_person else name)
    assert (read.company_name, read.contact_person, read.email) == (name, person, "a@b.example")
    assert read.address == Address(line1=f"{street} 1", postal_code=None, city=city, country="BE")


def test_a_contact_is_customer_or_supplier_and_never_both() -> None:
    with pytest.raises(Problem, match="roles"):
        contact_body({"roles": ["customer", "supplier"]}, refuse)
    assert contact_body({"address": None}, refuse) == dict.fromkeys(("address", "zipcode", "city", "country_code"))
    with pytest.raises(Problem, match="street"):
        contact_body({"address": AddressDraft(house_number="3")}, refuse)


@given(name=words, price=amounts)
def test_a_product_reads_as_it_was_written(name: str, price: Decimal) -> None:
    draft = ProductDraft(name=name, price=price, code="A-1", vat_code_id="1", ledger_account_id="9")
    line: dict[str, Any] = products.product_body(draft.given())["invoice_line"]
    read = products.product_of({"id": 7, "invoice_line": line}).item
    assert (read.name, read.price, read.code) == (name, amount_text(price), "A-1")
    assert (read.vat_code_id, read.ledger_account_id) == ("1", "9")
    with pytest.raises(Problem, match="without VAT"):
        products.product_body({"price_includes_tax": True})


@given(amount=cents, out=st.booleans(), description=st.none() | words)
def test_a_payment_tells_its_invoice_and_hides_the_mark(amount: Decimal, out: bool, description: str | None) -> None:
    direction = "out" if out else "in"
    draft = PaymentDraft.model_validate(
        {
            "amount": str(amount),
            "direction": direction,
            "description": description,
            "payment_method_id": "5",
            "allocations": [{"invoice_id": "573784502", "amount": str(amount)}],
        }
    )
    mark = payments.mark_of(payments.settled_invoice(draft) or "", KEY)
    body = payments.payment_body(draft, TODAY, mark)
    assert body["description"].endswith("[polder:573784502-1f0c9a7e]")
    read = payments.payment_of({"id": 7, **body}).item
    told = amount_text(amount)
    assert (read.amount, read.direction, read.description, read.paid_on) == (told, direction, description, TODAY)
    assert [(one.invoice_id, one.amount) for one in read.allocations] == [("573784502", told)]
    assert read.unallocated == "0.00"


@given(description=st.none() | words)
def test_a_payment_of_no_invoice_hides_its_mark_too(description: str | None) -> None:
    draft = PaymentDraft.model_validate({"amount": "9.99", "description": description, "payment_method_id": "5"})
    body = payments.payment_body(draft, TODAY, payments.mark_of(None, KEY))
    assert body["description"].endswith("[polder:1f0c9a7e]")
    read = payments.payment_of({"id": 7, **body}).item
    assert (read.description, read.allocations, read.unallocated) == (description, [], "9.99")


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "0"},
        {"amount": "1", "description": "x" * 239},
        {"amount": "1", "description": "sly [polder:1-00000000]"},
        {"amount": "1", "description": "sly [polder:00000000]"},
        {"amount": "1", "payment_method_id": "1", "ledger_account_id": "2"},
        {"amount": "1", "payment_method_id": "bank"},
    ],
)
def test_a_payment_that_cannot_be_is_refused(wrong: Json) -> None:
    with pytest.raises(Problem):
        payments.payment_body(PaymentDraft.model_validate(wrong), TODAY, payments.mark_of(None, KEY))


@pytest.mark.parametrize(
    ("name", "friendly", "value", "expected"),
    [
        ("vat_high", "hoog", "0.21", ("domestic_high", "S", "NL", "21")),
        ("vat_low", "laag oud (6%)", "0.06", ("domestic_low", "S", "NL", "6")),
        ("vat_zero", "0%", "0.0", ("zero", "Z", "NL", "0")),
        ("vat_none", "vrijgesteld", "0.0", ("exempt", "E", "NL", "0")),
        ("vat_reverse_charged", "verlegd", "0.0", ("reverse_charge", "AE", "NL", "0")),
        ("vat_high", "Duitsland 19%", "0.19", ("oss", "S", "DE", "19")),
        ("vat_custom", "FI 25,5%", "0.255", ("oss", "S", "FI", "25.5")),
        ("vat_high", "EL 24%", "0.24", ("oss", "S", "GR", "24")),
        ("vat_custom", "aangepast", None, ("unknown", "S", "NL", "0")),
        ("vat_brand_new", "iets nieuws", "0.05", ("unknown", "S", "NL", "5")),
        ("vat_brand_new", "iets zonder", "0.0", ("unknown", "Z", "NL", "0")),
    ],
)
def test_a_vat_type_is_understood(name: str, friendly: str, value: str | None, expected: tuple[str, ...]) -> None:
    code = vat_type(1, name, friendly, value)
    told = shown(code)
    assert (told["treatment"], told["category"], told["country"], told["rate"]) == expected


def drafts(*said: Json) -> list[LineDraft]:
    return [LineDraft.model_validate({"description": "Iets", **one}) for one in said]


def test_lines_settle_what_they_leave_open() -> None:
    said = drafts(
        {"unit_price": "10", "vat_treatment": "domestic_low"},
        {"unit_price": "10", "vat_treatment": "oss", "vat_country": "DE"},
        {"unit_price": "10", "vat_code_id": "6", "vat_rate": "5.5"},
    )
    items = lines.document_of(said, SETUP, prices_include_tax=False).items
    assert [item.code.id for item in items] == ["2", "5", "6"]
    bodies = lines.line_bodies(items, -1)
    assert [body["price_per_unit"] for body in bodies] == ["-10", "-10", "-10"]
    assert [body.get("vat_rate") for body in bodies] == [None, None, "0.055"]
    assert lines.is_distance_sale(items)


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        ({"unit_price": "10"}, "/lines/0/vat_code_id"),
        ({"unit_price": "10", "vat_code_id": "99"}, "/lines/0/vat_code_id"),
        ({"unit_price": "10", "vat_treatment": "margin"}, "/lines/0/vat_treatment"),
        ({"unit_price": "10", "vat_treatment": "oss"}, "/lines/0/vat_country"),
        ({"unit_price": "10", "vat_code_id": "6"}, "/lines/0/vat_rate"),
        ({"unit_price": "10", "vat_code_id": "1", "vat_rate": "9"}, "/lines/0/vat_rate"),
        ({"product_id": "12", "vat_code_id": "1"}, "/lines/0/unit_price"),
    ],
)
def test_a_line_that_cannot_be_settled_is_pointed_at(line: Json, pointer: str) -> None:
    with pytest.raises(Problem) as caught:
        lines.document_of(drafts(line), SETUP, prices_include_tax=False)
    assert [error.pointer for error in caught.value.errors] == [pointer]


@given(st.decimals(min_value="0.01", max_value=9_999, places=2), st.sampled_from(["1", "3", "12.5", "1000"]))
def test_a_price_with_vat_is_kept_to_five_decimals_or_more(price: Decimal, quantity: str) -> None:
    """What is left off a price is never felt: with VAT the line is its gross to within a thousandth of a cent."""
    net = lines.without_tax(price, Decimal(21), Decimal(quantity))
    assert -net.as_tuple().exponent >= 5  # type: ignore[operator]  # finite, so the exponent is a number
    assert abs(net * Decimal(quantity) * Decimal("1.21") - price * Decimal(quantity)) <= Decimal("0.0001")


def test_a_known_price_of_a_production_client_comes_out_alike() -> None:
    """190.08264 makes 230.00 with VAT (dossier §6)."""
    assert lines.without_tax(Decimal(230), Decimal(21), Decimal(1)) == Decimal("190.08264")


@given(st.lists(st.tuples(amounts, st.sampled_from(["1", "0.333", "7"]), st.sampled_from(["1", "2", "3"])), min_size=1))
def test_totals_are_foreseen_both_ways(drawn: list[tuple[Decimal, str, str]]) -> None:
    said = drafts(*({"unit_price": str(price), "quantity": q, "vat_code_id": code} for price, q, code in drawn))
    items = lines.document_of(said, SETUP, prices_include_tax=False).items
    priced = [Priced(one.quantity, one.price, Decimal(0), one.rate, str(one.rate)) for one in items]
    ways = totals.foreseen(items)
    for rounding in totals.ROUNDINGS:
        assert add_up(priced, prices_include_tax=False, rounding=rounding).total in ways
    expected = ExpectedTotals(gross=ways[0].gross, net=ways[0].net)
    document = lines.document_of(said, SETUP, prices_include_tax=False)
    plan = totals.planned(document, expected, "reject", SETUP)
    alike = all(not differences(plan.expected, way) for way in ways)
    assert plan.certain is (alike and all(map(totals.is_surely_kept, items)))
    with pytest.raises(Problem, match="totals_mismatch"):
        totals.planned(document, ExpectedTotals(gross=ways[0].gross + 5), "add_line", SETUP)


@pytest.mark.parametrize("text", ["Eén regel", "Eerste\nTweede\n\nVierde", "x" * 255 + "\nrest", "Ämtliches"])
def test_a_description_is_divided_and_joined_again(text: str) -> None:
    first, rest = lines.divided(text, "/lines/0/description")
    assert len(first) <= lines.FIRST_LINE
    assert "\n".join(part for part in (first, rest) if part) == text


def test_a_first_line_that_is_too_long_is_refused() -> None:
    with pytest.raises(Problem, match="255"):
        lines.divided("x" * 256, "/lines/0/description")


def test_lines_that_take_others_places_say_what_becomes_of_each() -> None:
    assert lines.replaced([4, 5], [{"description": "a"}]) == [
        {"id": 4, "description": "a"},
        {"id": 5, "_destroy": True},
    ]
    assert lines.replaced([4], [{"description": "a"}, {"description": "b"}]) == [
        {"id": 4, "description": "a"},
        {"description": "b"},
    ]


def test_marks_are_told_from_references_of_others() -> None:
    assert references.credited_by("polder:credit:12") == "12"
    assert references.credited_by("polder:credit:x") is None
    assert references.credited_by("order-12") is None
    assert references.reference_of("order-12", KEY) == "order-12"
    assert references.reference_of(None, KEY) == references.reference_of("polder:credit:9", KEY) == f"polder:{KEY}"


def test_a_currency_is_told_in_capitals() -> None:
    assert currency_of("usd") == "USD"


def test_a_rate_that_says_nothing_is_no_rate_of_nothing() -> None:
    with pytest.raises(ValueError, match="a number is"):
        settings.vat_code_of({"id": 7, "name": "vat_high", "value": ""})


@pytest.mark.parametrize("name", [" " * 64_000, "a " * 32_000, "a" + " " * 64_000 + "1"])
def test_the_name_of_a_vat_type_is_read_in_no_time_however_long_it_is(name: str) -> None:
    began = perf_counter()
    assert vat_type(8, "vat_high", name, "0.21").country == "NL"
    assert perf_counter() - began < 2, "it took a time that grows as the square of the name"


@pytest.mark.parametrize("name", ["vat_none", "vat_zero", "vat_reverse_charged", "vat_margin"])
def test_a_vat_type_without_a_rate_does_not_take_the_list_with_it(name: str) -> None:
    code = vat_type(7, name, "iets", None)
    assert code.rate == "0"
    assert settings.brings_own_rate(code) == (name == "vat_margin")
    with pytest.raises(Problem, match="makes no sense"):
        vat_type(7, "vat_high", "hoog", None)


def test_an_invoice_of_no_currency_is_in_euros() -> None:
    fixture = Path(adapters.rompslomp.__file__).parent / "fixtures" / "invoices.listed.json"
    raw = {**loads(fixture.read_bytes())["raw"], "currency_exchange_rate": "1.25"}
    for said, told in (("usd", ("USD", "1.25")), ("eur", (None, None)), ("", (None, None))):
        invoice = invoices.invoice_of(invoices.InvoiceRow.of({**raw, "currency": said}), raw, CODES, TODAY).item
        assert (invoice.document_currency, invoice.exchange_rate) == told


@pytest.mark.parametrize("text", ["a\0b", "us", "usd\n", "u d", "€ur"])
def test_a_currency_that_is_none_makes_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match="three letters"):
        currency_of(text)


LISTED = loads((Path(adapters.rompslomp.__file__).parent / "fixtures" / "invoices.listed.json").read_bytes())["raw"]


def row_line(
    net: str, tax: str, *, price: str | None = None, quantity: str = "1", code: int = 1, rate: str = "0.21"
) -> Json:
    return {
        "id": 1, "description": "Iets", "price_per_unit": price or net, "quantity": quantity, "vat_type_id": code,
        "vat_rate": rate, "price_without_vat": net, "vat_amount": tax,
        "price_with_vat": str(Decimal(net) + Decimal(tax)),
    }  # fmt: skip


def read(*said: Json, **fields: object) -> Any:
    sums = {
        name: str(sum(Decimal(one[name]) for one in said))
        for name in ("price_without_vat", "vat_amount", "price_with_vat")
    }
    raw = {
        **LISTED,
        "status": "published",
        **sums,
        "open_amount": sums["price_with_vat"],
        "invoice_lines": list(said),
        **fields,
    }
    return invoices.invoice_of(invoices.InvoiceRow.of(raw), raw, CODES, TODAY).item


def test_a_line_that_makes_no_sense_takes_no_list_with_it_that_shows_no_lines() -> None:
    raw = {**LISTED, "invoice_lines": [{"id": "one"}]}
    told = invoices.invoice_of(invoices.InvoiceHead.of(raw), raw, {}, TODAY).item
    whole = invoices.invoice_of(invoices.InvoiceRow.of(LISTED), LISTED, CODES, TODAY).item
    assert (told.lines, told.tax_breakdown) == (None, None)
    assert (told.totals, told.payment_status, told.contact) == (whole.totals, whole.payment_status, whole.contact)
    with pytest.raises(Problem, match="invoice makes no sense"):
        invoices.InvoiceRow.of(raw)
    with pytest.raises(Problem, match="invoice makes no sense"):
        invoices.InvoiceHead.of({**LISTED, "id": "one"})


@pytest.mark.parametrize(("price", "quantity"), [("-10", "2"), ("10", "-2")])
def test_a_line_of_a_credit_note_is_above_zero_whichever_number_bears_the_sign(price: str, quantity: str) -> None:
    note = read(row_line("-20", "-4.2", price=price, quantity=quantity))
    (line,) = note.lines
    assert (note.document_type, line.quantity, line.unit_price, line.net) == ("credit_note", "2", "10.00", "20.00")


@pytest.mark.parametrize(
    ("due", "net", "open_", "overdue"),
    [
        ("2024-03-01", "10", "12.1", True),
        ("2024-03-02", "10", "12.1", False),
        ("2024-03-01", "10", "0", False),
        ("2024-03-01", "-10", "-12.1", False),
    ],
)
def test_overdue_is_an_invoice_that_is_open_after_its_due_date(due: str, net: str, open_: str, overdue: bool) -> None:
    line = row_line(net, str(Decimal(net) * Decimal("0.21")))
    assert read(line, due_date=due, open_amount=open_).is_overdue is overdue


@pytest.mark.parametrize(("open_", "status"), [("12.1", "unpaid"), ("5", "partially_paid"), ("0", "unpaid")])
def test_part_of_an_invoice_is_paid_where_part_of_it_is_open(open_: str, status: str) -> None:
    assert read(row_line("10", "2.1"), open_amount=open_, payment_status="unpaid").payment_status == status


def test_a_credit_note_that_is_a_concept_credits_nothing_yet() -> None:
    note = {**LISTED, "api_reference": "polder:credit:7"}
    assert invoices.credited_among([{**note, "status": "published"}]) == {"7"}
    assert invoices.credited_among([{**note, "status": "concept"}]) == frozenset()


@pytest.mark.parametrize(
    "other",
    [
        {"contact_id": 8},
        {"date": "2024-03-03"},
        {"invoice_lines": [{**row_line("20", "4.2", price="10", quantity="3")}]},
        {"invoice_lines": [{**row_line("20", "4.2", price="10", quantity="2", code=2)}]},
        {"invoice_lines": [{**row_line("20", "4.2", price="9", quantity="2")}]},
        {"invoice_lines": [row_line("20", "4.2", price="10", quantity="2"), row_line("20", "4.2")]},
    ],
    ids=str,
)
def test_another_document_of_the_same_reference_is_not_the_one_that_was_sent(other: Json) -> None:
    raw = {
        **LISTED,
        "contact_id": 7,
        "date": "2024-03-02",
        "invoice_lines": [row_line("20", "4.2", price="10", quantity="2")],
    }
    line = {"description": "Iets", "price_per_unit": "10.00", "quantity": "2", "vat_type_id": 1}
    sent = {"contact_id": 7, "date": "2024-03-02", "invoice_lines": [line]}
    assert bodies.is_same_document(raw, sent)
    assert not bodies.is_same_document({**raw, **other}, sent)


def test_a_credit_note_is_of_the_kind_of_its_invoice() -> None:
    kind = {"currency": "usd", "currency_exchange_rate": "1.25", "distance_sale": True, "validates_vat_number": False}
    body = bodies.credit_body({**LISTED, **kind}, CreditDraft(), TODAY)
    assert {name: body[name] for name in kind} == kind


def test_vat_groups_that_do_not_make_the_totals_are_not_told() -> None:
    rows = [row_line("10", "2.1"), row_line("10", "0.9", code=2, rate="0.09")]
    assert len(read(*rows).tax_breakdown) == 2
    assert read(*rows, vat_amount="3.5", price_with_vat="23.5").tax_breakdown is None


def test_vat_groups_of_what_is_not_rounded_make_the_totals() -> None:
    """2.005 and 8.355 with 1.75455 of VAT are 10.36 and 1.75: rounded by group, a cent less."""
    rows = [row_line("2.005", "0.0", code=2, rate="0.0"), row_line("8.355", "1.75455")]
    told = read(*rows, price_without_vat="10.36", vat_amount="1.75455", price_with_vat="12.11455").tax_breakdown
    assert [(one.rate, one.base, one.tax) for one in told or []] == [("0", "2.01", "0.00"), ("21", "8.35", "1.75")]


def test_what_the_caller_expects_goes_before_what_the_prices_come_to() -> None:
    document = lines.document_of(drafts({"unit_price": "12.10", "vat_code_id": "1"}), SETUP, prices_include_tax=True)
    for wanted, rounding in (("12.12", "0.02"), ("12.05", "-0.05")):
        plan = totals.planned(document, ExpectedTotals(gross=Decimal(wanted)), "add_line", SETUP)
        assert (plan.expected["gross"], plan.items[-1].price) == (Decimal(wanted), Decimal(rounding))


def test_a_rounding_line_needs_its_account() -> None:
    with pytest.raises(Problem, match="rounding_ledger_account_id"):
        totals.rounding_item(Decimal("0.01"), lines.Setup(todays=CODES, vat_codes=CODES, products={}))


ZERO_RATE = vat_type(7, "vat_zero", "0%", "0.0")


@pytest.mark.parametrize(
    ("code", "country", "needed", "number"),
    [
        (CODES["4"], "NL", True, "X1"),
        (ZERO_RATE, "DE", True, "X1"),
        (ZERO_RATE, "NL", True, None),
        (CODES["1"], "DE", False, "X1"),
    ],
)
def test_who_buys_without_vat_within_the_eu_is_named_by_his_vat_number(
    code: Any, country: str, needed: bool, number: str | None
) -> None:
    customer = Contact(
        id="1",
        kind="company",
        roles=["customer"],
        name="X",
        vat_number="X1",
        archived=False,
        address=Address(country=country),
    )
    assert lines.may_need_vat_number([code]) is needed
    assert lines.vat_number_for([code], customer) == number


def test_a_product_does_not_overrule_its_line() -> None:
    product = Product(
        id="12",
        name="Meel",
        type="unknown",
        archived=False,
        price=AmountText("10.00"),
        price_includes_tax=False,
        vat_code_id="1",
        ledger_account_id="9",
    )
    setup = lines.Setup(todays=CODES, vat_codes=CODES, products={"12": product}, ledger_account_id="5")
    said = drafts({"product_id": "12"}, {"product_id": "12", "ledger_account_id": "7"})
    items = lines.document_of(said, setup, prices_include_tax=False).items
    assert [(item.price, item.ledger_account_id) for item in items] == [(Decimal(10), "9"), (Decimal(10), "7")]
    with_tax = lines.document_of(said, setup, prices_include_tax=True)
    assert [item.price for item in with_tax.items] == [Decimal(10)] * 2, "which is without VAT as it is"


@pytest.mark.parametrize(("day", "offset"), [("2024-03-02", "+01:00"), ("2024-07-01", "+02:00")])
def test_a_day_begins_at_midnight_in_amsterdam(day: str, offset: str) -> None:
    draft = PaymentDraft.model_validate({"amount": "1", "paid_on": day, "payment_method_id": "5"})
    body = payments.payment_body(draft, TODAY, payments.mark_of(None, KEY))
    assert body["paid_at"] == f"{day}T00:00:00.000{offset}"
    read_back = payments.payment_of({"id": 7, **body}).item
    assert read_back.paid_on == date.fromisoformat(day)


def test_a_ledger_account_without_a_name_takes_no_list_with_it() -> None:
    """The vendor's document lets it be null (`x-nullable`), and calls it required all the same."""
    row = {"id": 7, "name": None, "path": "activa.bank", "reference": "B1", "type": "balance"}
    assert settings.ledger_account_of(row).item.name == settings.payment_method_of(row).item.name == ""
