"""What is written is read again, and what is not named stays: for any values, not only for the documented ones."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.thenextinvoice.mapping import contacts, products
from adapters.thenextinvoice.mapping.invoices import (
    DRAFT,
    Heading,
    Sheet,
    Standing,
    body_reckoned,
    invoice_of,
    new_body,
)
from adapters.thenextinvoice.mapping.lines import Charge, line_bodies
from adapters.thenextinvoice.mapping.settings import vat_code_of
from gateway.contract.errors import Problem
from gateway.contract.exact import dumps, loads
from gateway.contract.models import (
    Address,
    AddressDraft,
    ContactChange,
    ContactDraft,
    ProductChange,
    ProductDraft,
)
from gateway.contract.money import ZERO, amount_or_none, amount_text, exact, number_or_none, number_text

TODAY = date(2026, 3, 2)
OPEN = Standing("open")
CODES = {
    (one := vat_code_of(raw).item).id: one
    for raw in (
        {"id": 1, "name": "21%", "code": "VH", "factor": Decimal("1.21"), "type": "high"},
        {"id": 2, "name": "9%", "code": "VL", "factor": Decimal("1.09"), "type": "low"},
        {"id": 3, "name": "Geen BTW", "code": "", "factor": 1, "type": "none"},
        {"id": 4, "name": "6%", "code": "VL6", "factor": Decimal("1.06"), "type": None},
        {"id": 5, "name": "ICP", "code": "", "factor": 1, "type": "ICPG"},
    )
}

letters = st.characters(exclude_categories=["C"])
words = st.text(letters, min_size=1, max_size=40).filter(lambda text: bool(text.strip()))
optional = st.none() | words


def refuse(pointer: str, *, en: str, nl: str) -> None:
    raise AssertionError(f"{pointer}: {en} {nl}")


def on_the_wire(body: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = loads(dumps(body))
    return value


def as_read(body: dict[str, Any], id: str = "7") -> dict[str, Any]:
    """A customer as TheNextInvoice shows what was written: booleans and numbers in text."""
    days = body.get("option_expiration")
    told = {"person": "1" if body["person"] else "0", "option_expiration": None if days is None else str(days)}
    return on_the_wire({**body, "id": id, **told})


@st.composite
def contact_drafts(draw: st.DrawFn) -> ContactDraft:
    kind = draw(st.sampled_from(["company", "person"]))
    said: dict[str, Any] = {name: draw(optional) for name in ("phone", "vat_number", "iban", "number")}
    said["email"] = draw(st.none() | st.just("een@voorbeeld.example"))
    said["invoice_email"] = draw(st.none() | st.just("twee@voorbeeld.example"))
    said["payment_term_days"] = draw(st.none() | st.integers(0, 3650))
    said["language"] = draw(st.sampled_from([None, "nl", "en", "DE"]))
    said["currency"] = draw(st.sampled_from([None, "EUR", "USD"]))
    countries = st.sampled_from([None, "NL", "BE"])
    addresses = st.builds(AddressDraft, line1=optional, postal_code=optional, city=optional, country=countries)
    said["address"] = draw(st.none() | addresses)
    said["company_name"] = draw(words) if kind == "company" else None
    said["contact_person"] = draw(words) if kind == "person" else draw(optional)
    return ContactDraft.model_validate({"kind": kind, **said})


@given(contact_drafts())
def test_a_contact_reads_as_it_was_written(draft: ContactDraft) -> None:
    body = contacts.merged(contacts.blank(), {**draft.given(), "kind": draft.kind}, refuse)
    read = contacts.contact_of(as_read(body)).item
    assert (read.kind, read.roles, read.archived) == (draft.kind, ["customer"], False)
    for name in ("company_name", "contact_person", "email", "invoice_email", "phone", "vat_number", "iban", "number"):
        assert getattr(read, name) == getattr(draft, name), name
    assert read.payment_term_days == draft.payment_term_days
    assert read.currency == draft.currency
    assert read.language == (draft.language and draft.language.lower())
    said = draft.address or AddressDraft()
    told = read.address or Address()
    for name in ("line1", "postal_code", "city", "country"):
        assert getattr(told, name) == getattr(said, name), name


FULL = {
    "id": "7",
    "debnumber": "D7",
    "companyname": "Bakkerij",
    "companycontact": "Jan",
    "address": "Kade 1",
    "postalcode": "2611 AB",
    "city": "Delft",
    "country": "NL",
    "vatnumber": "NL001234567B01",
    "email": "een@voorbeeld.example",
    "ccaddress": "twee@voorbeeld.example",
    "phone": "015",
    "iban": "NL91ABNA0417164300",
    "optionalfield_1": "Veld 1",
    "optionalfield_2": "Veld 2",
    "person": "0",
    "option_expiration": "30",
    "option_extratext": "Boven",
    "option_extratextbottom": "Onder",
    "option_language": "nl",
    "option_currency": "EUR",
}


CLEARABLE = {
    "phone": "phone",
    "payment_term_days": "option_expiration",
    "language": "option_language",
    "currency": "option_currency",
    "contact_person": "companycontact",
}
"""What the changes below clear, which a PUT does by leaving it out."""


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"email": "nieuw@voorbeeld.example"},
        {"phone": None},
        {"address": {"city": "Goes"}},
        {"address": {"street": "Dijk", "house_number": "3", "house_number_addition": "b"}},
        {"address": None},
        {"payment_term_days": None},
        {"language": None, "currency": None},
        {"company_name": "Anders"},
        {"contact_person": None},
        {"kind": "person", "contact_person": "Jan", "company_name": None},
    ],
)
def test_a_change_leaves_everything_else_as_it_was(change: dict[str, Any]) -> None:
    said = ContactChange.model_validate(change).given()
    body = contacts.merged(contacts.existing_body(FULL), said, refuse)
    before, after = contacts.contact_of(FULL).item, contacts.contact_of(as_read(body)).item
    named = {*change, "name"} | ({"contact_person", "company_name"} if "kind" in change else set())
    for name in before.__struct_fields__:
        if name not in named:
            assert getattr(after, name) == getattr(before, name), name
    for lacking in ("optionalfield_1", "optionalfield_2", "option_extratext", "option_extratextbottom"):
        assert body[lacking] == FULL[lacking]
    assert None not in body.values()
    assert set(contacts.WRITABLE) - body.keys() == {CLEARABLE[name] for name in named & CLEARABLE.keys()}


def test_part_of_an_address_changes_alone() -> None:
    said = ContactChange.model_validate({"address": {"city": "Goes", "country": None}}).given()
    body = contacts.merged(contacts.existing_body(FULL), said, refuse)
    assert (body["address"], body["postalcode"], body["city"], body["country"]) == ("Kade 1", "2611 AB", "Goes", "")


def test_a_street_and_number_become_one_line() -> None:
    said = ContactChange.model_validate({"address": {"street": "Dijk", "house_number": "3"}}).given()
    assert contacts.merged(contacts.existing_body(FULL), said, refuse)["address"] == "Dijk 3"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"company_name": None}, "/company_name"),
        ({"kind": "person", "contact_person": None, "company_name": None}, "/contact_person"),
        ({"address": {"house_number": "3"}}, "/address/street"),
    ],
)
def test_a_change_that_makes_no_contact_is_refused(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Problem) as caught:
        contacts.merged(contacts.existing_body(FULL), ContactChange.model_validate(change).given(), refuse)
    assert (caught.value.code, caught.value.errors[0].pointer) == ("validation_failed", pointer)


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"roles": ["customer", "supplier"]}, "/roles"),
        ({"language": "nl-BE"}, "/language"),
        ({"kind": "person", "contact_person": "Jan", "company_name": "Jan BV"}, "/company_name"),
    ],
)
def test_what_a_customer_cannot_hold_is_told(said: dict[str, Any], pointer: str) -> None:
    told: list[str] = []

    def note(pointer: str, *, en: str, nl: str) -> None:
        assert en != nl
        told.append(pointer)

    body = contacts.merged(contacts.existing_body(FULL), said, note)
    assert told == [pointer]
    assert body["option_language"] == "nl"


def test_what_our_model_lacks_is_not_called_mapped() -> None:
    odd = {**FULL, "country": "Nederland", "option_expiration": "14.5", "option_language": "??", "option_currency": "€"}
    record = contacts.contact_of(odd)
    assert record.item.address is not None
    assert (record.item.address.country, record.item.payment_term_days) == (None, None)
    assert (record.item.language, record.item.currency) == (None, None)
    lost = {"country", "option_expiration", "option_language", "option_currency"}
    assert lost.isdisjoint(record.mapped)
    assert contacts.existing_body(odd)["option_expiration"] == Decimal("14.5")


@pytest.mark.parametrize("person", [True, 1, "1", "true"])
def test_a_persons_name_stands_where_a_companys_does(person: object) -> None:
    contact = contacts.contact_of({**FULL, "person": person, "companycontact": None}).item
    assert (contact.kind, contact.name, contact.company_name, contact.contact_person) == (
        "person",
        "Bakkerij",
        None,
        "Bakkerij",
    )


prices = st.decimals(min_value=-(10**6), max_value=10**6, places=7, allow_nan=False)
ids = st.none() | st.integers(1, 10**9).map(str)


@given(words, prices, ids, ids)
def test_a_product_reads_as_it_was_written(name: str, price: Decimal, vat: str | None, ledger: str | None) -> None:
    draft = ProductDraft(name=name, price=price, vat_code_id=vat, ledger_account_id=ledger)
    body = products.merged(products.blank(), draft.given())
    raw = on_the_wire({**body, "id": 7})
    read = products.product_of(raw).item
    assert (read.name, read.price, read.vat_code_id, read.ledger_account_id) == (name, amount_text(price), vat, ledger)
    assert products.likest([raw], body) == [raw]


@given(words, prices)
def test_a_products_change_keeps_its_codes(name: str, price: Decimal) -> None:
    raw = {"id": 7, "description": "Oud", "price": Decimal("1.5"), "vat_id": 3, "ledgernumber_id": 11}
    renamed = products.merged(products.existing_body(raw), ProductChange.model_validate({"name": name}).given())
    assert renamed == {"description": name, "price": Decimal("1.5"), "vat_id": 3, "ledgernumber_id": 11}
    priced = products.merged(
        products.existing_body(raw), ProductChange.model_validate({"price": price, "vat_code_id": None}).given()
    )
    assert priced == {"description": "Oud", "price": price, "vat_id": None, "ledgernumber_id": 11}


def test_a_price_with_vat_is_refused_and_never_dropped() -> None:
    said = ProductDraft(name="Brood", price=Decimal("2.50"), price_includes_tax=True).given()
    with pytest.raises(Problem) as caught:
        products.merged(products.blank(), said)
    assert (caught.value.code, caught.value.errors[0].pointer) == ("field_unsupported", "/price_includes_tax")


# Lines

quantities = st.decimals(min_value="0.001", max_value=10_000, places=3, allow_nan=False)
discounts = st.sampled_from([Decimal(0), Decimal(5), Decimal("12.5"), Decimal("33.33"), Decimal(100)])
charges = st.builds(
    Charge,
    description=words,
    quantity=quantities,
    price=st.decimals(min_value=-(10**5), max_value=10**5, places=5, allow_nan=False),
    ledger=st.just("11"),
    vat=st.sampled_from(sorted(CODES)),
)


def heading(*, credit: bool, includes_vat: bool, discount: Decimal) -> Heading:
    return Heading(
        receiver="2",
        sender="1",
        credit=credit,
        includes_vat=includes_vat,
        discount=discount,
        currency="EUR",
        language="nl",
        issued_on=TODAY,
        due_on=TODAY,
        description=None,
        notes=None,
        footer=None,
        final=False,
    )


@given(st.lists(charges | words.map(Charge), min_size=1, max_size=6), st.booleans(), st.booleans(), discounts)
def test_an_invoice_reads_as_it_was_written(
    lines: list[Charge], credit: bool, includes_vat: bool, discount: Decimal
) -> None:
    above = heading(credit=credit, includes_vat=includes_vat, discount=discount)
    body = new_body(above, line_bodies(lines, credit=credit))
    raw = {**on_the_wire(body), "id": 7, "receiver": None, "sender": None, "number": None, "calculated": None}
    read = invoice_of(Sheet.of(raw), DRAFT, CODES, today=TODAY, ways=("per_rate",)).item
    assert read.document_type == ("credit_note" if credit else "invoice")
    assert read.lines is not None
    assert [line.description for line in read.lines] == [line.description for line in lines]
    for line, charge in zip(read.lines, lines, strict=True):
        assert (line.type == "text") is (charge.price is None)
        assert (line.quantity, line.unit_price) == (number_or_none(charge.quantity), amount_or_none(charge.price))
        assert (line.vat_code_id, line.ledger_account_id) == (charge.vat, charge.ledger)
        if charge.price is not None:
            assert line.discount_percent == (number_text(discount) if discount else None)
            assert line.net is not None
            assert line.tax is not None
            assert amount_text(exact(line.net) + exact(line.tax)) == line.gross
    assert read.tax_breakdown is not None
    assert amount_text(sum((exact(group.base) for group in read.tax_breakdown), ZERO)) == read.totals.net
    assert amount_text(sum((exact(group.tax) for group in read.tax_breakdown), ZERO)) == read.totals.tax


@given(st.lists(charges, min_size=1, max_size=4), st.booleans(), discounts)
def test_a_credit_note_is_its_invoice_whichever_number_bears_the_sign(
    lines: list[Charge], includes_vat: bool, discount: Decimal
) -> None:
    above = heading(credit=False, includes_vat=includes_vat, discount=discount)
    body = new_body(above, line_bodies(lines, credit=False))
    shared = {"id": 7, "receiver": None, "sender": None, "number": None, "calculated": None}
    original = invoice_of(Sheet.of({**body, **shared}), DRAFT, CODES, today=TODAY, ways=("per_rate",)).item
    for sign in ("price", "quantity"):
        negated = [{**line, sign: -line[sign]} for line in body["lines"]]
        raw = {**body, **shared, "type": "C", "lines": negated}
        note = invoice_of(Sheet.of(raw), DRAFT, CODES, today=TODAY, ways=("per_rate",)).item
        assert note.totals == original.totals
        assert note.tax_breakdown == original.tax_breakdown
        assert note.lines is not None
        assert original.lines is not None
        for mine, theirs in zip(note.lines, original.lines, strict=True):
            assert (mine.net, mine.tax, mine.gross) == (theirs.net, theirs.tax, theirs.gross)
            assert (mine.quantity, mine.unit_price) == (theirs.quantity, theirs.unit_price)


def test_what_is_written_may_have_more_digits_than_we_could_spell() -> None:
    lines = [
        Charge("Zand", Decimal(10**14), Decimal(10**14), "11", "3"),
        Charge("Korrel", Decimal("1e-8"), Decimal("1e-8"), "11", "3"),
    ]
    body = new_body(heading(credit=False, includes_vat=False, discount=ZERO), line_bodies(lines, credit=False))
    certain = body_reckoned(body, CODES).certain()
    assert certain is not None
    assert certain.total.gross == 10**28


def final(calculated: dict[str, Any], *lines: dict[str, Any], **said: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "number": "202600001",
        "status": 1,
        "type": "",
        "discount": 0,
        "includesVat": False,
        "lines": list(lines),
        "receiver": 2,
        "meta": {"currency": "EUR", "dueDate": "2026-03-16", "language": "nl", "sendDate": "2026-03-02"},
        "text": {"top": "", "bottom": "", "footer": ""},
        "calculated": calculated,
        **said,
    }


def line(price: str, vat: int = 1) -> dict[str, Any]:
    return {"description": "Brood", "ledger": 11, "price": Decimal(price), "quantity": 1, "vat": vat}


def read_final(raw: dict[str, Any], standing: Standing = OPEN) -> Any:
    return invoice_of(Sheet.of(raw), standing, CODES, today=TODAY).item


def test_whichever_way_vat_was_rounded_the_groups_are_those_that_were_booked() -> None:
    lines = [line("0.07"), line("0.07"), line("0.07")]
    per_rate = {"totalExclVat": Decimal("0.21"), "totalInclVat": Decimal("0.25"), "vatApplied": Decimal("0.04")}
    per_line = {"totalExclVat": Decimal("0.21"), "totalInclVat": Decimal("0.24"), "vatApplied": Decimal("0.03")}
    for booked, tax in ((per_rate, "0.04"), (per_line, "0.03")):
        read = read_final(final({**booked, "vatTotals": {"21": Decimal(tax)}}, *lines))
        assert [group.tax for group in read.tax_breakdown] == [tax]
        assert read.totals.gross == amount_text(booked["totalInclVat"])


def test_amounts_that_no_lines_explain_are_told_as_booked_and_nothing_is_invented() -> None:
    booked = {"totalExclVat": 100, "totalInclVat": 119, "vatApplied": 19, "vatTotals": {"19": 19}}
    read = read_final(final(booked, line("100")))
    assert (read.totals.net, read.totals.tax, read.totals.gross) == ("100.00", "19.00", "119.00")
    assert read.tax_breakdown is None
    assert (read.lines[0].net, read.lines[0].tax, read.lines[0].gross) == (None, None, None)


@pytest.mark.parametrize("empty", [[], {}, None, {"0": 0}])
def test_no_vat_is_no_vat_however_it_is_written(empty: object) -> None:
    booked = {"totalExclVat": 100, "totalInclVat": 100, "vatApplied": 0, "vatTotals": empty}
    read = read_final(final(booked, line("60", 3), line("40", 5)))
    groups = [(group.rate, group.base, group.tax, group.vat_code_id) for group in read.tax_breakdown]
    assert groups == [("0", "100.00", "0.00", None)]


@pytest.mark.parametrize(
    ("state", "paid", "status", "balance"),
    [
        ("open", False, "unpaid", ("0.00", "121.00")),
        ("pastdue", False, "unpaid", ("0.00", "121.00")),
        ("paid", True, "paid", ("121.00", "0.00")),
        ("credited", False, "credited", (None, "0.00")),
        ("credit", False, "not_applicable", ("0.00", "0.00")),
        ("reminded", False, "unpaid", ("0.00", "121.00")),
        ("settled", True, "paid", ("121.00", "0.00")),
        (None, None, "unknown", (None, None)),
    ],
)
def test_a_state_is_a_payment_status(
    state: str | None, paid: bool | None, status: str, balance: tuple[str | None, str | None]
) -> None:
    booked = {"totalExclVat": 100, "totalInclVat": 121, "vatApplied": 21, "vatTotals": {"21": 21}}
    read = read_final(final(booked, line("100")), Standing(state, paid))
    assert (read.payment_status, read.provider_status) == (status, state)
    assert (read.totals.paid, read.totals.open) == balance


def test_a_status_nobody_documents_has_no_balance() -> None:
    booked = {"totalExclVat": 100, "totalInclVat": 121, "vatApplied": 21, "vatTotals": {"21": 21}}
    read = read_final({**final(booked, line("100")), "status": 7})
    assert (read.document_status, read.totals.paid, read.totals.open) == ("unknown", None, None)


def test_a_receiver_that_is_empty_is_none() -> None:
    booked = {"totalExclVat": 100, "totalInclVat": 121, "vatApplied": 21, "vatTotals": {"21": 21}}
    read = read_final({**final(booked, line("100")), "receiver": ""})
    assert (read.contact_id, read.contact) == (None, None)


@pytest.mark.parametrize("lacking", ["quantity", "price"])
def test_a_line_that_lost_its_quantity_or_its_price_makes_no_sense(lacking: str) -> None:
    booked = {"totalExclVat": 100, "totalInclVat": 121, "vatApplied": 21, "vatTotals": {"21": 21}}
    with pytest.raises(Problem) as caught:
        read_final(final(booked, {**line("100"), lacking: None}))
    assert caught.value.code == "upstream_malformed"


@pytest.mark.parametrize("said", [None, "", "maybe"])
def test_prices_that_may_or_may_not_include_vat_make_no_sense(said: str | None) -> None:
    booked = {"totalExclVat": 100, "totalInclVat": 121, "vatApplied": 21, "vatTotals": {"21": 21}}
    with pytest.raises(Problem) as caught:
        read_final({**final(booked, line("100")), "includesVat": said})
    assert caught.value.code == "upstream_malformed"


def test_what_is_not_held_is_not_called_mapped() -> None:
    booked = {"totalExclVat": 100, "totalInclVat": 121, "vatApplied": 21, "vatTotals": {"21": 21}}
    plain = invoice_of(Sheet.of(final(booked, line("100"))), Standing("open"), CODES, today=TODAY)
    assert {"type", "text"} <= plain.mapped
    assert {"meta", "sender"}.isdisjoint(plain.mapped)
    raw = final(booked, line("100"), type="I", text={"top": "", "bottom": "", "footer": "Voet"})
    rich = invoice_of(Sheet.of(raw), Standing("open"), CODES, today=TODAY)
    assert {"type", "text"}.isdisjoint(rich.mapped)
