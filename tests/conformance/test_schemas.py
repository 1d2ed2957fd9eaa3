"""A connection's schemas predict what it accepts: what fits is accepted, what does not changes nothing."""

from typing import Any, get_args

import pytest
from hypothesis import strategies as st

from gateway.contract.exact import dumps
from gateway.contract.models.ledger import VatTreatment
from gateway.contract.operations import BY_NAME
from tests.conformance.fitting import breaking, fits, fitting, referring, sparse
from tests.conformance.subject import Json, Subject, body_of, examples

pytestmark = pytest.mark.anyio

ON_CUSTOMER = frozenset({"reverse_charge", "intra_eu_goods", "intra_eu_services", "export", "oss", "margin"})
"""How one may tax depends on who the customer is; that of the laws lives in the Netherlands."""
MOVING = frozenset({"kind", "address", "issued_on", "due_on"})
"""What a change may say depends on what the record says of the rest."""
COUNT = 6
SETTINGS = {
    "vat_code_id": "vat-codes",
    "vat_rate": "vat-codes",
    "vat_country": "vat-codes",
    "ledger_account_id": "ledger-accounts",
    "payment_method_id": "payment-methods",
}
"""What a field names one of, or says of one: where those cannot be listed, nobody knows what it may say."""


async def drawn_from(subject: Subject, operation: str) -> Json:
    """The schema, narrowed to what exists and to what can be known to come true."""
    schema = await subject.schema(operation)
    ids: dict[str, list[str]] = {}
    if "contact_id" in schema["properties"]:
        ids["contact_id"] = [(await subject.make("contacts"))["id"]]
        known = await subject.settings("vat-codes") if subject.can("vat-codes.list") else []
        codes = [one for one in known if one["treatment"] not in ON_CUSTOMER]
        ids["vat_code_id"] = [str(code["id"]) for code in codes]
        ids["vat_treatment"] = [code["treatment"] for code in codes] or ["domestic_high"]
    narrowed = referring(schema, ids)
    for name in [name for name, settings in SETTINGS.items() if not subject.can(f"{settings}.list")]:
        forgotten(narrowed, name)
    if "document_type" in narrowed["properties"]:
        # A credit note comes to more than nothing on some systems: that is the sum of its lines.
        narrowed["properties"]["document_type"] = {"const": "invoice"}
    for name in ("expected_totals", "layout_id", "exchange_rate"):
        narrowed["properties"].pop(name, None)
    if "lines" in narrowed["properties"]:
        # What a product fills in is the product's: whether it has a price, and with or without tax.
        forgotten(narrowed, "product_id")
        if subject.facts.account_taxes:
            forgotten(narrowed, "ledger_account_id")
    return narrowed


def forgotten(schema: Json, name: str) -> None:
    """Leave a field out, of a body and of its lines."""
    schema["properties"].pop(name, None)
    if "lines" in schema["properties"]:
        choice(schema["properties"]["lines"])["items"]["properties"].pop(name, None)


def dated(body: Json) -> Json:
    """A body whose invoice is not due before its date: no schema compares two dates."""
    if body.get("due_on") is None:
        return body
    return {**body, "due_on": max(body["due_on"], body.get("issued_on") or body["due_on"])}


def charging(body: Json) -> Json:
    """A body whose lines all charge something: some systems tell a credit note by its sign, and no schema adds up."""
    if not body.get("lines"):
        return body
    return {**body, "lines": [{name: unsigned(name, said) for name, said in line.items()} for line in body["lines"]]}


def unsigned(name: str, said: Any) -> Any:
    return str(said).removeprefix("-") if name in ("quantity", "unit_price") and said is not None else said


def taken(seen: set[tuple[str, Any]], body: Json) -> bool:
    """Whether a body has a number, code or reference that was used already: no schema says which are free."""
    said = {(name, body[name]) for name in ("number", "code", "external_ref") if body.get(name) is not None}
    again = bool(said & seen)
    seen |= said
    return again


@pytest.mark.parametrize("operation", ["contacts.create", "products.create", "invoices.create"])
async def test_what_fits_is_accepted(subject: Subject, operation: str) -> None:
    schema = await drawn_from(subject, operation)
    seen: set[tuple[str, Any]] = set()
    for number, seed in enumerate(examples(st.integers(0, 2**32), COUNT)):
        body = charging(dated(fitting(schema, seed)))
        if number == 0:
            body = sparse(schema, body)
        if taken(seen, body):
            continue
        answer = await subject.ask("POST", operation.partition(".")[0], body=body)
        assert answer.status_code == 201, f"{body}\n{answer.text}"


@pytest.mark.parametrize("operation", ["contacts.update", "products.update", "invoices.update"])
async def test_a_change_that_fits_is_accepted(subject: Subject, operation: str) -> None:
    resource = operation.partition(".")[0]
    schema = certain(await drawn_from(subject, operation))
    record = await subject.make(resource)
    seen: set[tuple[str, Any]] = set()
    for number, seed in enumerate(examples(st.integers(0, 2**32), COUNT)):
        body = charging(dated(fitting(schema, seed)))
        if number == 0:
            body = sparse(schema, body, keeping={"lines"})
        if taken(seen, body):
            continue
        answer = await subject.ask("PATCH", f"{resource}/{record['id']}", body=body)
        assert answer.status_code == 200, f"{body}\n{answer.text}"


def certain(schema: Json) -> Json:
    """A change's schema without what depends on the record: what it is, what it has, what it can do without."""
    fields = {name: one for name, one in schema["properties"].items() if name not in MOVING}
    for name in fields.keys() & {"company_name", "contact_person", "contact_id", "lines"}:
        fields[name] = {**fields[name], **choice(fields[name]), "anyOf": [choice(fields[name])]}
    return {**schema, "properties": fields}


@pytest.mark.parametrize("operation", ["contacts.create", "products.create", "invoices.create", "payments.create"])
async def test_what_does_not_fit_is_refused_and_changes_nothing(subject: Subject, operation: str) -> None:
    resource = operation.partition(".")[0]
    schema = await subject.schema(operation)
    body = await usual(subject, resource)
    before = standing(subject)
    broken = 0
    for what, wrong in breaking(schema, body):
        assert not fits(schema, wrong), f"the schema lets a body {what} pass"
        answer = await subject.ask("POST", resource, body=wrong)
        assert 400 <= answer.status_code < 500, f"{what}: {wrong}\n{answer.text}"
        assert standing(subject) == before, f"a body {what} changed something"
        broken += 1
    assert broken > 5


def standing(subject: Subject) -> bytes:
    """All the system holds."""
    return dumps({noun: list(rows) for noun, rows in subject.emulator.books().items()})


async def usual(subject: Subject, resource: str) -> Json:
    """The body that the laws send for a new record."""
    if resource != "payments":
        return await subject.draft(resource)
    return await subject.payment(await subject.final_invoice())


@pytest.mark.parametrize("operation", ["contacts.create", "products.create", "invoices.create", "payments.create"])
async def test_what_the_laws_send_fits(subject: Subject, operation: str) -> None:
    resource = operation.partition(".")[0]
    schema = await subject.schema(operation)
    assert fits(schema, await usual(subject, resource))
    if resource in ("contacts", "products"):
        assert fits(schema, await subject.full_draft(resource))


async def test_a_schema_names_the_administrations_own_records_at_no_further_call(subject: Subject) -> None:
    schema = await subject.schema("invoices.create")
    codes = {str(one["id"]) for one in await subject.settings("vat-codes") if one["direction"] != "purchase"}
    accounts = {str(one["id"]) for one in await subject.settings("ledger-accounts")}
    line = schema["properties"]["lines"]["items"]["properties"]
    named = {name: set(choice(line[name])["enum"]) for name in ("vat_code_id", "ledger_account_id")}
    assert named["vat_code_id"]
    assert named["vat_code_id"] <= codes
    assert named["ledger_account_id"]
    assert named["ledger_account_id"] <= accounts
    with subject.quiet():
        again = await subject.ask("GET", "schemas/invoices", query={"operation": "create"})
    assert again.status_code == 200
    assert body_of(again) == schema


def choice(field: Json) -> Json:
    """What a field may be but null."""
    return next(one for one in field.get("anyOf", [field]) if one.get("type") != "null")


async def test_a_schema_has_the_fields_that_the_system_holds_and_no_other(subject: Subject) -> None:
    schema = await subject.schema("contacts.create")
    held = {place.partition(".")[0] for place in subject.holds("contacts")}
    said = {name for name, one in schema["properties"].items() if "const" not in choice(one)}
    assert said <= held
    assert {"company_name", "email"} <= said
    assert schema["additionalProperties"] is False


async def test_a_write_that_the_system_cannot_do_has_no_schema(subject: Subject) -> None:
    for name, support in subject.capabilities.items():
        resource, _, verb = name.partition(".")
        if BY_NAME[name].accepts is None or support["support"] != "unsupported":
            continue
        with subject.quiet():
            asked = {"query": {"operation": verb}, "lacking": True}
            await subject.refused(405, "operation_unsupported", "GET", f"schemas/{resource}", **asked)
    with subject.quiet():
        await subject.refused(404, "not_found", "GET", "schemas/vat-codes")
        await subject.refused(404, "not_found", "GET", "schemas/contacts", query={"operation": "credit"})


async def test_a_key_sees_in_a_schema_only_what_it_may_list(subject: Subject) -> None:
    client = await subject.house.client_for(scopes=["connections:read", "ledger-accounts:read"])
    answer = await subject.ask("GET", "schemas/invoices", client=client)
    assert answer.status_code == 200, answer.text
    line = body_of(answer)["properties"]["lines"]["items"]["properties"]
    assert "x-enum-labels" not in choice(line["vat_code_id"])
    assert "x-enum-labels" in choice(line["ledger_account_id"])


async def test_crediting_has_a_schema(subject: Subject) -> None:
    schema = await subject.schema("invoices.credit")
    assert ("number" in schema.get("required", ())) == subject.facts.numbered
    assert fits(schema, {"number": "C-2026-1"} if subject.facts.numbered else {})


@pytest.mark.parametrize("operation", ["products.create", "invoices.create", "invoices.update", "payments.create"])
async def test_a_schema_names_no_record_that_its_reader_may_not_list(subject: Subject, operation: str) -> None:
    resource, _, verb = operation.partition(".")
    settings = ("vat-codes", "ledger-accounts", "payment-methods")
    lists = [name for name in settings if subject.can(f"{name}.list")]
    for unseen in lists:
        seen = [f"{name}:read" for name in lists if name != unseen]
        reader = await subject.house.client_for(scopes=["connections:read", *seen])
        path = f"schemas/{resource}"
        answer = await subject.ask("GET", path, query={"operation": verb}, client=reader)
        assert answer.status_code == 200, answer.text
        ids = {str(one["id"]) for one in await subject.settings(unseen)}
        others = {str(one["id"]) for name in lists if name != unseen for one in await subject.settings(name)}
        # A system's own names of VAT codes may be words of ours too.
        told = [id for id in ids - others - set(get_args(VatTreatment)) if f'"{id}"' in answer.text]
        assert told == [], f"{unseen} are named"
