"""The table of operations: whole, without contradictions, and matched by what the engine can do."""

import re
from collections import Counter

import pytest

from gateway.contract.adapter import Resource
from gateway.contract.models.base import Change, Draft, RecordPart, Shape
from gateway.contract.operations import (
    BY_NAME,
    CONNECTION_OPERATIONS,
    OPERATIONS,
    RAW_OPERATIONS,
    RESOURCE_OPERATIONS,
    SCOPES,
    Operation,
)
from gateway.engine.reads.filters import PREDICATES
from tests.lacking import BASES


def named(operation: Operation) -> str:
    return operation.name


def test_every_name_place_and_operation_id_is_one_operations_own() -> None:
    for counted in (
        Counter(one.name for one in OPERATIONS),
        Counter((one.method, one.path) for one in OPERATIONS),
        Counter(one.operation_id for one in OPERATIONS),
    ):
        assert [twice for twice, count in counted.items() if count > 1] == []
    assert list(BY_NAME.values()) == list(OPERATIONS)


# contract.md §3 and §4.
VERBS = {
    "contacts": "list create get update delete",
    "invoices": "list create get update delete finalize credit pdf ubl",
    "products": "list create get update delete",
    "payments": "list create get delete",
    "vat-codes": "list get",
    "ledger-accounts": "list get",
    "payment-methods": "list get",
    "company": "get",
}
GUARANTEED = {
    "contacts": {"email", "q", "external_ref"},
    "invoices": {
        *("number", "external_ref", "contact_id", "document_status", "payment_status", "issued_from", "issued_to")
    },
    "products": {"code", "q", "external_ref"},
}
FURTHER = {
    "contacts": {"role", "number", "vat_number", "updated_since"},
    "invoices": {"due_from", "due_to", "q", "updated_since", "document_type"},
    "products": {"updated_since"},
    "payments": {"invoice_id", "paid_from", "paid_to"},
    "vat-codes": {"direction", "on"},
    "ledger-accounts": {"type", "q"},
}


@pytest.mark.parametrize("resource", VERBS)
def test_a_resource_has_the_verbs_and_filters_of_the_contract(resource: str) -> None:
    mine = [one for one in RESOURCE_OPERATIONS if one.resource == resource]
    assert {one.verb for one in mine} == set(VERBS[resource].split())
    filters = next((one.filters for one in mine if one.verb == "list"), ())
    assert {one.name for one in filters if one.guaranteed} == GUARANTEED.get(resource, set())
    assert {one.name for one in filters if not one.guaranteed} == FURTHER.get(resource, set())


def test_every_resource_verb_is_one_an_adapter_can_override() -> None:
    for one in RESOURCE_OPERATIONS:
        base = BASES[one.resource]
        assert issubclass(base, Resource)
        assert getattr(getattr(base, one.verb), "__absent__", False), f"{one.name} is nothing an adapter can have"
        assert not base().can(one.verb)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_every_write_needs_a_scope_to_write(operation: Operation) -> None:
    if operation.resource == "providers":
        assert operation.scope is None
        return
    assert operation.scope in SCOPES
    right = operation.scope.rpartition(":")[2]
    assert right in (("write", "manage") if operation.is_write else ("read",))


def test_every_scope_of_a_resource_opens_something() -> None:
    used = {one.scope for one in OPERATIONS}
    assert set(SCOPES) - used == {"orders:write", "keys:manage"}


METHODS = {"update": "PATCH", "delete": "DELETE", **dict.fromkeys(("create", "finalize", "credit", "link"), "POST")}
STATUSES = {"create": 201, "credit": 201, "delete": 204}


@pytest.mark.parametrize("operation", [*RESOURCE_OPERATIONS, *CONNECTION_OPERATIONS], ids=named)
def test_a_method_takes_and_gives_what_it_should(operation: Operation) -> None:
    verb, method = operation.verb, operation.method
    assert method == METHODS.get(verb, "GET")
    assert operation.status == STATUSES.get(verb, 200)
    assert (operation.accepts is not None) == (verb in ("create", "update", "credit"))
    if operation.accepts is not None:
        assert issubclass(operation.accepts, Change if verb == "update" else Draft)
    assert (operation.answers is None) == (operation.shape in ("nothing", "file", "schema"))
    if operation.answers is not None:
        assert issubclass(operation.answers, Shape | RecordPart)
    assert operation.fresh_for == 0 or not operation.is_write


def test_stale_answers_are_allowed_for_settings_only() -> None:
    stale = {one.resource for one in OPERATIONS if one.stale_for}
    assert stale == {"vat-codes", "ledger-accounts", "payment-methods", "company"}


def test_every_guaranteed_filter_can_be_emulated() -> None:
    for operation in OPERATIONS:
        for one in operation.filters:
            if one.guaranteed:
                assert (operation.resource, one.name) in PREDICATES, f"nobody emulates {operation.name} {one.name}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_filters_make_sense(operation: Operation) -> None:
    names = [one.name for one in operation.filters]
    assert len(names) == len(set(names))
    assert not {"limit", "cursor", "include", "on_unsupported", "dry_run"} & set(names)
    for one in operation.filters:
        assert (one.kind == "choice") == bool(one.choices)
        assert (one.kind == "id") == (one.referred is not None)
        assert one.referred is None or f"{one.referred}.list" in BY_NAME
        assert one.title.endswith(".")


def test_paths_name_their_parameters_and_nothing_else() -> None:
    for one in OPERATIONS:
        assert re.fullmatch(r"/v1(/([a-z-]+|\{[a-z_]+\}))+", one.path), one.path
        of_a_record = one.resource in VERBS and one.resource != "company" and one.verb not in ("list", "create")
        assert ("{id}" in one.path) == of_a_record


@pytest.mark.parametrize(
    ("name", "operation_id"),
    [
        ("contacts.list", "listContacts"),
        ("contacts.create", "createContact"),
        ("vat-codes.get", "getVatCode"),
        ("invoices.pdf", "getInvoicePdf"),
        ("invoices.credit", "creditInvoice"),
        ("company.get", "getCompany"),
        ("connections.companies", "getConnectionCompanies"),
        ("raw.post", "postRaw"),
    ],
)
def test_operation_ids_read_well(name: str, operation_id: str) -> None:
    assert BY_NAME[name].operation_id == operation_id


def test_raw_passes_every_method_under_the_right_scope() -> None:
    assert {one.method: one.scope for one in RAW_OPERATIONS} == {
        "GET": "raw:read",
        "POST": "raw:write",
        "PUT": "raw:write",
        "PATCH": "raw:write",
        "DELETE": "raw:write",
    }
