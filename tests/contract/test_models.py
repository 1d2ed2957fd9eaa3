"""What bodies may say: strict types, closed shapes, null against absence, and the rules between fields."""

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from gateway.contract.exact import MalformedJson, loads
from gateway.contract.models import (
    AddressDraft,
    Change,
    ConnectionChange,
    ConnectionDraft,
    ContactChange,
    ContactDraft,
    CreditDraft,
    Draft,
    InvoiceChange,
    InvoiceDraft,
    LineDraft,
    PaymentDraft,
    ProductChange,
    ProductDraft,
    instant_text,
)
from gateway.contract.models.base import Part
from gateway.contract.schemas import body_schemas

LINE: dict[str, Any] = {"description": "Brood", "unit_price": "2.50"}
INVOICE: dict[str, Any] = {"contact_id": "7", "lines": [LINE]}
COMPANY: dict[str, Any] = {"company_name": "Bakkerij Jansen"}
SMALLEST: dict[type[BaseModel], dict[str, Any]] = {
    ContactDraft: COMPANY,
    InvoiceDraft: INVOICE,
    ProductDraft: {"name": "Brood"},
    PaymentDraft: {"amount": "1.00"},
    CreditDraft: {},
    ConnectionDraft: {"provider": "memory", "name": "Books"},
    ContactChange: {},
    InvoiceChange: {},
    ProductChange: {},
    ConnectionChange: {},
}


def wrong(model: type[BaseModel], body: object) -> list[tuple[tuple[int | str, ...], str]]:
    """Where a body is wrong, and how."""
    with pytest.raises(ValidationError) as raised:
        model.model_validate(body)
    return [(error["loc"], error["type"]) for error in raised.value.errors()]


# Shapes


@pytest.mark.parametrize("model", SMALLEST)
def test_the_smallest_body_is_enough(model: type[BaseModel]) -> None:
    model.model_validate(SMALLEST[model])


@pytest.mark.parametrize("model", SMALLEST)
def test_an_unknown_field_is_refused(model: type[BaseModel]) -> None:
    assert wrong(model, {**SMALLEST[model], "colour": "blue"}) == [(("colour",), "extra_forbidden")]


@pytest.mark.parametrize("model", SMALLEST)
@pytest.mark.parametrize("body", [None, [], "x", 1, True])
def test_a_body_is_an_object(model: type[BaseModel], body: object) -> None:
    assert [where for where, _ in wrong(model, body)] == [()]


def test_unknown_fields_are_refused_inside_too() -> None:
    assert wrong(ContactDraft, {**COMPANY, "address": {"stad": "Delft"}}) == [(("address", "stad"), "extra_forbidden")]
    assert wrong(InvoiceDraft, {**INVOICE, "lines": [{**LINE, "tax": "1"}]}) == [
        (("lines", 0, "tax"), "extra_forbidden")
    ]


@pytest.mark.parametrize("name", ["id", "totals", "created_at", "provider", "raw", "document_status"])
def test_what_we_answer_cannot_be_written(name: str) -> None:
    assert wrong(InvoiceDraft, {**INVOICE, name: "1"}) == [((name,), "extra_forbidden")]


# Strictness


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        (ContactDraft, "company_name", 7),
        (ContactDraft, "company_name", ""),
        (ContactDraft, "company_name", "  "),
        (ContactDraft, "company_name", "a\nb"),
        (ContactDraft, "company_name", "a\x00b"),
        (ContactDraft, "company_name", "x" * 256),
        (ContactDraft, "kind", "COMPANY"),
        (ContactChange, "roles", []),
        (ContactDraft, "company_name", []),
        (InvoiceDraft, "finalize", []),
        (ContactDraft, "roles", ["customer", "supplier", "customer"]),
        (ContactDraft, "roles", "customer"),
        (ContactDraft, "email", "no address"),
        (ContactDraft, "email", "a@b@c"),
        (ContactDraft, "email", "@b"),
        (ContactDraft, "payment_term_days", "14"),
        (ContactDraft, "payment_term_days", Decimal("14.5")),
        (ContactDraft, "payment_term_days", True),
        (ContactDraft, "payment_term_days", -1),
        (ContactDraft, "language", "Dutch please"),
        (ContactDraft, "currency", "eur"),
        (ContactDraft, "phone", "06\x1b[31m"),
        (ContactDraft, "external_ref", ""),
        (ContactDraft, "external_ref", "a\n"),
        (InvoiceDraft, "issued_on", "2026-3-2"),
        (InvoiceDraft, "issued_on", "2026-02-30"),
        (InvoiceDraft, "issued_on", "2026-03-02T00:00:00Z"),
        (InvoiceDraft, "issued_on", "20260302"),
        (InvoiceDraft, "issued_on", 20260302),
        (InvoiceDraft, "issued_on", datetime(2026, 3, 2, tzinfo=UTC)),
        (InvoiceDraft, "finalize", "true"),
        (InvoiceDraft, "finalize", 1),
        (InvoiceDraft, "prices_include_tax", 0),
        (InvoiceDraft, "lines", []),
        (InvoiceDraft, "lines", [LINE] * 501),
        (InvoiceDraft, "lines", {"0": LINE}),
        (InvoiceDraft, "contact_id", 7),
        (InvoiceDraft, "contact_id", "a/b"),
        (InvoiceDraft, "contact_id", "1\n"),
        (InvoiceDraft, "exchange_rate", 1.5),
        (InvoiceDraft, "expected_totals", {"net": "1.0.0"}),
        (InvoiceDraft, "on_rounding", "ignore"),
        (PaymentDraft, "amount", "1,00"),
        (PaymentDraft, "amount", 1.0),
        (PaymentDraft, "amount", None),
        (PaymentDraft, "allocations", [{"invoice_id": "1"}]),
        (ProductDraft, "type", "dienst"),
        (ConnectionDraft, "settings", []),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(model: type[BaseModel], name: str, value: object) -> None:
    assert {where[0] for where, _ in wrong(model, {**SMALLEST[model], name: value})} == {name}


def test_a_json_number_is_read_exactly() -> None:
    draft = PaymentDraft.model_validate(loads(b'{"amount": 12345678901.123456789}'))
    assert draft.amount == Decimal("12345678901.123456789")
    assert PaymentDraft.model_validate(loads(b'{"amount": 12}')).amount == 12


@pytest.mark.parametrize("text", [b"14", b"14.0", b"1.4e1"])
def test_a_whole_number_may_be_spelled_with_a_point(text: bytes) -> None:
    body = loads(b'{"company_name": "a", "payment_term_days": ' + text + b"}")
    assert ContactDraft.model_validate(body).payment_term_days == 14


def test_a_vast_number_of_days_is_refused_quickly() -> None:
    before = time.process_time()
    wrong(ContactDraft, {"company_name": "a", "payment_term_days": Decimal("1e100000")})
    with pytest.raises(MalformedJson):
        loads(b'{"company_name": "a", "payment_term_days": 1e100000}')
    assert time.process_time() - before < 0.05


def test_dates_are_plain() -> None:
    assert InvoiceDraft.model_validate({**INVOICE, "issued_on": "2024-02-29"}).issued_on == date(2024, 2, 29)


def test_a_moment_is_told_in_utc_seconds() -> None:
    assert instant_text(datetime(2026, 3, 2, 9, 0, 0, 999_999, tzinfo=UTC)) == "2026-03-02T09:00:00Z"
    assert instant_text(datetime(987, 3, 2, tzinfo=UTC)) == "0987-03-02T00:00:00Z"


# Null and absence


def test_in_a_draft_null_is_as_good_as_absent() -> None:
    draft = ContactDraft.model_validate({**COMPANY, "email": None, "phone": "06"})
    assert draft.given() == {"company_name": "Bakkerij Jansen", "phone": "06"}


FULLER: list[tuple[type[Draft], dict[str, Any]]] = [
    *((model, body) for model, body in SMALLEST.items() if issubclass(model, Draft)),
    (ContactDraft, {"contact_person": "Jan", "address": {"city": "Delft"}}),
    (InvoiceDraft, {**INVOICE, "lines": [{"type": "text", "description": "Dank"}, LINE], "expected_totals": {}}),
    (PaymentDraft, {"amount": "1.00", "allocations": [{"invoice_id": "7", "amount": "1.00"}]}),
]


@pytest.mark.parametrize(("model", "body"), FULLER)
def test_what_a_draft_need_not_say_may_be_null(model: type[Draft], body: dict[str, Any]) -> None:
    """Clients made from the published contract send null for what nobody set."""
    said = model.model_validate(_with_nulls(body_schemas([model]), model.__name__, body))
    plain = model.model_validate(body)
    assert said == plain
    assert said.given() == plain.given()
    for name, part in plain.given().items():
        if isinstance(part, Part):
            assert said.given()[name].given() == part.given()


def test_roles_that_are_none_are_those_that_are_not_said() -> None:
    """Clients that openapi-generator makes for Java send an empty list for one that nobody set."""
    draft = ContactDraft.model_validate({**COMPANY, "roles": []})
    assert (draft.roles, draft.model_fields_set) == (["customer"], {"company_name"})


_PARTS = {"address": "AddressDraft", "expected_totals": "ExpectedTotals", "lines": "LineDraft"}


def _with_nulls(schemas: dict[str, Any], of: str, body: dict[str, Any]) -> dict[str, Any]:
    """A body that says null of every optional field that it does not have, of those of its parts too."""
    said = dict(body)
    for name, one in body.items():
        if name in _PARTS:
            parts = [_with_nulls(schemas, _PARTS[name], part) for part in (one if isinstance(one, list) else [one])]
            said[name] = parts if isinstance(one, list) else parts[0]
    properties = schemas[of]["properties"]
    optional = properties.keys() - body.keys() - set(schemas[of].get("required", ()))
    assert all({"type": "null"} in properties[name]["anyOf"] for name in optional), "the schema says so"
    return {**dict.fromkeys(optional), **said}


@pytest.mark.parametrize(
    ("body", "missing"), [({"company_name": None}, ()), ({"kind": "person", "company_name": "x"}, ())]
)
def test_what_a_contact_must_have_cannot_be_null(body: dict[str, Any], missing: tuple[str, ...]) -> None:
    assert [where for where, _ in wrong(ContactDraft, body)] == [missing]


def test_a_change_says_exactly_what_was_sent() -> None:
    change = ContactChange.model_validate({"email": None, "phone": "06", "address": {"city": "Delft", "line2": None}})
    given = change.given()
    assert given.keys() == {"email", "phone", "address"}
    assert (given["email"], given["phone"]) == (None, "06")
    assert given["address"].given() == {"city": "Delft", "line2": None}
    assert ContactChange.model_validate({}).given() == {}


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (ContactChange, "kind"),
        (ContactChange, "roles"),
        (InvoiceChange, "contact_id"),
        (InvoiceChange, "lines"),
        (InvoiceChange, "currency"),
        (InvoiceChange, "prices_include_tax"),
        (InvoiceChange, "on_rounding"),
        (ProductChange, "name"),
        (ProductChange, "type"),
        (ProductChange, "price_includes_tax"),
        (ConnectionChange, "name"),
        (ConnectionChange, "credentials"),
        (InvoiceChange, "issued_on"),
    ],
)
def test_a_change_cannot_null_what_a_record_must_have(model: type[BaseModel], name: str) -> None:
    assert {where[0] for where, _ in wrong(model, {name: None})} == {name}


PAIRS: list[tuple[type[Draft], type[Change], set[str]]] = [
    (ContactDraft, ContactChange, set()),
    (ProductDraft, ProductChange, set()),
    (InvoiceDraft, InvoiceChange, {"document_type", "finalize"}),
]


@pytest.mark.parametrize(("draft", "change", "left_out"), PAIRS)
def test_a_change_has_the_fields_of_its_draft_and_promises_no_default(
    draft: type[Draft], change: type[Change], left_out: set[str]
) -> None:
    assert draft.model_fields.keys() - change.model_fields.keys() == left_out
    assert change.model_fields.keys() <= draft.model_fields.keys()
    schema = change.model_json_schema()
    assert "required" not in schema
    assert [name for name, one in schema["properties"].items() if "default" in one] == []
    for name, info in change.model_fields.items():
        assert info.description in (None, draft.model_fields[name].description)


@pytest.mark.parametrize(("draft", "change", "left_out"), PAIRS)
def test_a_change_may_null_just_what_has_no_default(
    draft: type[Draft], change: type[Change], left_out: set[str]
) -> None:
    for name, info in draft.model_fields.items():
        if name in left_out:
            continue
        clearable = not info.is_required() and info.get_default(call_default_factory=True) is None
        assert (clearable and (change, name) not in NEVER_NULL) == _takes_null(change, name), name


NEVER_NULL = {(InvoiceChange, "issued_on")}
"""What a draft may leave to a default, and a record cannot be without."""


def _takes_null(model: type[BaseModel], name: str) -> bool:
    try:
        model.model_validate({**SMALLEST[model], name: None})
    except ValidationError as error:
        return name not in {str(one["loc"][0]) for one in error.errors() if one["loc"]}
    return True


# Contacts


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"company_name": "A"}, "company"),
        ({"contact_person": "B"}, "person"),
        ({"company_name": "A", "contact_person": "B"}, "company"),
        ({"kind": "person", "company_name": "A", "contact_person": "B"}, "person"),
        ({"kind": "company", "company_name": "A"}, "company"),
    ],
)
def test_a_contacts_kind_is_guessed_from_its_names(said: dict[str, str], kind: str) -> None:
    assert ContactDraft.model_validate(said).kind == kind


@pytest.mark.parametrize(
    "said",
    [{}, {"kind": "company"}, {"kind": "company", "contact_person": "B"}, {"kind": "person", "company_name": "A"}],
)
def test_a_contact_has_the_name_of_its_kind(said: dict[str, str]) -> None:
    assert wrong(ContactDraft, said) == [((), "value_error")]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"line1": "Dam 1"}, "Dam 1"),
        ({"line1": "Dam 1", "street": "Rokin", "house_number": "2"}, "Dam 1"),
        ({"street": "Rokin", "house_number": "2", "house_number_addition": "bis"}, "Rokin 2bis"),
        ({"street": "Rokin"}, "Rokin"),
        ({"house_number": "2"}, None),
        ({"city": "Delft"}, None),
        ({}, None),
    ],
)
def test_an_address_has_one_first_line(said: dict[str, str], line: str | None) -> None:
    assert AddressDraft.model_validate(said).first_line() == line


# Lines


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"unit_price": None},
        {"type": "text", "unit_price": "1"},
        {"type": "text", "quantity": "1"},
        {"type": "text", "vat_treatment": "domestic_high"},
        {"type": "text", "ledger_account_id": "8000"},
        {"unit_price": "1", "vat_code_id": "1", "vat_treatment": "zero"},
        {"unit_price": "1", "discount_percent": "100.01"},
        {"unit_price": "1", "discount_percent": "-1"},
        {"unit_price": "1", "vat_treatment": "standard"},
        {"unit_price": "1", "vat_country": "nl"},
    ],
)
def test_a_line_that_cannot_be_booked_is_refused(said: dict[str, Any]) -> None:
    wrong(LineDraft, {"description": "x", **said})


@pytest.mark.parametrize(
    "said",
    [
        {"unit_price": "1"},
        {"product_id": "7"},
        {"type": "text"},
        {"unit_price": "-1", "quantity": "-2"},
        {"unit_price": "1", "vat_code_id": "1"},
        {"unit_price": "1", "vat_treatment": "oss", "vat_rate": "19", "vat_country": "DE"},
        {"unit_price": "1", "discount_percent": 100},
    ],
)
def test_a_line_that_can_be_booked_is_taken(said: dict[str, Any]) -> None:
    assert LineDraft.model_validate({"description": "x", **said}).given().keys() == {"description", *said}


@pytest.mark.parametrize("rate", ["-21", "-100", "100000"])
def test_a_vat_rate_is_a_percentage_that_can_be_charged(rate: str) -> None:
    wrong(LineDraft, {"description": "x", "unit_price": "1", "vat_rate": rate})


@given(st.text(max_size=60))
@settings(max_examples=120)
def test_a_name_that_is_taken_can_be_printed_on_one_line(text: str) -> None:
    try:
        draft = ContactDraft.model_validate({"company_name": text})
    except ValidationError:
        return
    assert draft.company_name == text
    assert text.strip(" \t\n")
    assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in text)
