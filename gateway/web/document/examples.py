"""Lifelike examples: what the document shows, and the requests that the tests send to a running Polder.

Every id in a request stands in braces: the document shows an id of ``IDS`` there, a run what an earlier answer gave.

Length: it is one table of examples, and is read as one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.contract import models
from gateway.contract.exact import Json, dumps
from gateway.contract.models.base import RecordPart, Shape
from gateway.contract.records import schema_model

IDS: Mapping[str, str] = {
    "connection_id": "con_3kTMd8zXbWq1",
    "contact_id": "48213377",
    "person_id": "48213380",
    "product_id": "90312",
    "invoice_id": "70115502",
    "draft_id": "70115509",
    "payment_id": "5512087",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One request and what comes of it. ``remember`` names ids for later, by a JSON pointer into the answer."""

    title: str
    operation: str
    status: int
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    answer: Mapping[str, Any] | None = None
    """Members the answer has, at the least."""
    remember: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The example as it is published."""
        expects: dict[str, Any] = {"status": self.status}
        if self.answer is not None:
            expects["body"] = dict(self.answer)
        if self.remember:
            expects["remember"] = dict(self.remember)
        members: dict[str, Any] = {"title": self.title, "operation": self.operation, "path": dict(self.path)}
        if self.query:
            members["query"] = dict(self.query)
        if self.headers:
            members["headers"] = dict(self.headers)
        if self.body is not None:
            members["body"] = self.body
        return {**members, "expects": expects}


_HERE = {"connection_id": "{connection_id}"}


def _at(name: str) -> dict[str, str]:
    return {**_HERE, "id": f"{{{name}}}"}


REQUESTS: tuple[Example, ...] = (
    Example(
        title="Get the administration",
        operation="company.get",
        status=200,
        path=_HERE,
    ),
    Example(
        title="What this connection can do",
        operation="connections.capabilities",
        status=200,
        path=_HERE,
    ),
    Example(
        title="VAT codes for sales",
        operation="vat-codes.list",
        status=200,
        path=_HERE,
        query={"direction": "sale"},
    ),
    Example(
        title="A customer that is a company",
        operation="contacts.create",
        status=201,
        path=_HERE,
        headers={"Idempotency-Key": "7d0f2b1c-contact-1001"},
        body={
            "kind": "company",
            "company_name": "Bloemenhandel De Tulp B.V.",
            "contact_person": "Sanne de Vries",
            "email": "administratie@detulp.example",
            "phone": "+31 20 555 01 23",
            "address": {
                "street": "Prinsengracht",
                "house_number": "263",
                "postal_code": "1016 GV",
                "city": "Amsterdam",
                "country": "NL",
            },
            "vat_number": "NL857494454B01",
            "coc_number": "68750110",
            "payment_term_days": 14,
            "external_ref": "crm-1001",
        },
        answer={"kind": "company", "name": "Bloemenhandel De Tulp B.V.", "external_ref": "crm-1001"},
        remember={"contact_id": "/id"},
    ),
    Example(
        title="A customer that is a person",
        operation="contacts.create",
        status=201,
        path=_HERE,
        body={
            "contact_person": "Bram Jansen",
            "email": "bram.jansen@post.example",
            "address": {"line1": "Dorpsstraat 7", "postal_code": "3512 AB", "city": "Utrecht", "country": "NL"},
        },
        answer={"kind": "person", "name": "Bram Jansen"},
        remember={"person_id": "/id"},
    ),
    Example(
        title="The customer with an e-mail address",
        operation="contacts.list",
        status=200,
        path=_HERE,
        query={"email": "administratie@detulp.example", "limit": "10"},
    ),
    Example(
        title="Another telephone number, and no payment term any more",
        operation="contacts.update",
        status=200,
        path=_at("contact_id"),
        body={"phone": "+31 20 555 09 87", "payment_term_days": None},
        answer={"phone": "+31 20 555 09 87", "name": "Bloemenhandel De Tulp B.V."},
    ),
    Example(
        title="A product",
        operation="products.create",
        status=201,
        path=_HERE,
        body={
            "code": "VAAS-30",
            "name": "Glazen vaas, 30 cm",
            "type": "goods",
            "unit": "stuk",
            "price": "49.95",
            "price_includes_tax": False,
        },
        answer={"code": "VAAS-30", "name": "Glazen vaas, 30 cm", "price": "49.95"},
        remember={"product_id": "/id"},
    ),
    Example(
        title="The product of an article code",
        operation="products.list",
        status=200,
        path=_HERE,
        query={"code": "VAAS-30"},
    ),
    Example(
        title="Another price",
        operation="products.update",
        status=200,
        path=_at("product_id"),
        body={"price": "54.95"},
        answer={"code": "VAAS-30", "price": "54.95"},
    ),
    Example(
        title="A draft invoice",
        operation="invoices.create",
        status=201,
        path=_HERE,
        headers={"Idempotency-Key": "7d0f2b1c-invoice-2026-118"},
        body={
            "contact_id": "{contact_id}",
            "reference": "Bestelling 2026-118",
            "issued_on": "2026-03-02",
            "due_on": "2026-03-16",
            "external_ref": "order-118",
            "lines": [
                {
                    "description": "Glazen vaas, 30 cm",
                    "quantity": "2",
                    "unit_price": "49.95",
                    "vat_treatment": "domestic_high",
                }
            ],
        },
        answer={"document_status": "draft", "payment_status": "not_applicable", "number": None},
        remember={"draft_id": "/id"},
    ),
    Example(
        title="Another line on the draft",
        operation="invoices.update",
        status=200,
        path=_at("draft_id"),
        body={
            "lines": [
                {
                    "description": "Glazen vaas, 30 cm",
                    "quantity": "3",
                    "unit_price": "49.95",
                    "vat_treatment": "domestic_high",
                }
            ]
        },
        answer={"document_status": "draft"},
    ),
    Example(
        title="Book the draft",
        operation="invoices.finalize",
        status=200,
        path=_at("draft_id"),
        answer={"document_status": "final", "payment_status": "unpaid"},
    ),
    Example(
        title="An invoice, booked at once, whose totals are asserted",
        operation="invoices.create",
        status=201,
        path=_HERE,
        body={
            "contact_id": "{contact_id}",
            "issued_on": "2026-03-02",
            "finalize": True,
            "lines": [
                {
                    "description": "Glazen vaas, 30 cm",
                    "quantity": "2",
                    "unit_price": "49.95",
                    "vat_treatment": "domestic_high",
                },
                {
                    "description": "Tulpen, per bos",
                    "quantity": "10",
                    "unit_price": "4.00",
                    "vat_treatment": "domestic_low",
                },
            ],
            "expected_totals": {"net": "139.90", "tax": "24.58", "gross": "164.48"},
        },
        answer={"document_status": "final", "payment_status": "unpaid", "currency": "EUR"},
        remember={"invoice_id": "/id"},
    ),
    Example(
        title="The invoice as PDF",
        operation="invoices.pdf",
        status=200,
        path=_at("invoice_id"),
    ),
    Example(
        title="The customer pays",
        operation="payments.create",
        status=201,
        path=_HERE,
        body={
            "paid_on": "2026-03-09",
            "amount": "164.48",
            "reference": "Bestelling 2026-118",
            "allocations": [{"invoice_id": "{invoice_id}", "amount": "164.48"}],
        },
        answer={"amount": "164.48", "currency": "EUR", "direction": "in"},
        remember={"payment_id": "/id"},
    ),
    Example(
        title="Invoices of March that are not paid yet, with their lines",
        operation="invoices.list",
        status=200,
        path=_HERE,
        query={
            "payment_status": "unpaid",
            "issued_from": "2026-03-01",
            "issued_to": "2026-03-31",
            "include": "lines",
        },
    ),
    Example(
        title="Credit an invoice",
        operation="invoices.credit",
        status=201,
        path=_at("draft_id"),
        body={"issued_on": "2026-03-10"},
        answer={"document_type": "credit_note"},
    ),
    Example(
        title="Delete a contact",
        operation="contacts.delete",
        status=204,
        path=_at("person_id"),
    ),
)
"""In an order in which they can be sent."""

SHOWN_BODIES: Mapping[str, tuple[tuple[str, Any], ...]] = {
    "connections.create": (
        (
            "A connection that its owner will authorize",
            {"provider": "memory", "name": "De Tulp", "external_ref": "crm-1001"},
        ),
    ),
    "connections.update": (("Another name", {"name": "De Tulp (oud)"}),),
}
"""Bodies the document shows that no test can send everywhere, because they depend on the accounting system."""

_STAMP = "2026-03-02T09:00:00Z"
_ADDRESS = {
    "line1": "Prinsengracht 263",
    "street": "Prinsengracht",
    "house_number": "263",
    "postal_code": "1016 GV",
    "city": "Amsterdam",
    "country": "NL",
}
_SUPPORT = {
    "contacts.list": {"support": "native", "filters": {"email": "emulated", "q": "native"}},
    "contacts.delete": {"support": "unsupported", "reason": "The system keeps every contact."},
}

_RECORDS: Mapping[type[Shape] | type[RecordPart], Mapping[str, Any]] = {
    models.Contact: {
        "id": IDS["contact_id"],
        "kind": "company",
        "roles": ["customer"],
        "name": "Bloemenhandel De Tulp B.V.",
        "company_name": "Bloemenhandel De Tulp B.V.",
        "contact_person": "Sanne de Vries",
        "email": "administratie@detulp.example",
        "phone": "+31 20 555 01 23",
        "address": _ADDRESS,
        "vat_number": "NL857494454B01",
        "coc_number": "68750110",
        "number": "1001",
        "language": "nl",
        "currency": "EUR",
        "payment_term_days": 14,
        "external_ref": "crm-1001",
        "archived": False,
        "created_at": _STAMP,
        "updated_at": _STAMP,
    },
    models.Invoice: {
        "id": IDS["invoice_id"],
        "document_type": "invoice",
        "document_status": "final",
        "payment_status": "unpaid",
        "number": "2026-0118",
        "reference": "Bestelling 2026-118",
        "external_ref": "order-118",
        "contact_id": IDS["contact_id"],
        "contact": {"id": IDS["contact_id"], "name": "Bloemenhandel De Tulp B.V."},
        "issued_on": "2026-03-02",
        "due_on": "2026-03-16",
        "currency": "EUR",
        "prices_include_tax": False,
        "lines": [
            {
                "id": "1",
                "type": "item",
                "description": "Glazen vaas, 30 cm",
                "product_id": IDS["product_id"],
                "quantity": "2",
                "unit": "stuk",
                "unit_price": "49.95",
                "vat_code_id": "21",
                "vat_treatment": "domestic_high",
                "vat_rate": "21",
                "ledger_account_id": "8000",
                "net": "99.90",
                "tax": "20.98",
                "gross": "120.88",
            }
        ],
        "totals": {"net": "99.90", "tax": "20.98", "gross": "120.88", "paid": "0.00", "open": "120.88"},
        "tax_breakdown": [
            {"vat_code_id": "21", "rate": "21", "category": "S", "base": "99.90", "tax": "20.98"},
        ],
        "sent_at": _STAMP,
        "is_overdue": False,
        "created_at": _STAMP,
        "updated_at": _STAMP,
    },
    models.Product: {
        "id": IDS["product_id"],
        "code": "VAAS-30",
        "name": "Glazen vaas, 30 cm",
        "type": "goods",
        "unit": "stuk",
        "price": "49.95",
        "price_includes_tax": False,
        "vat_code_id": "21",
        "archived": False,
        "updated_at": _STAMP,
    },
    models.Payment: {
        "id": IDS["payment_id"],
        "paid_on": "2026-03-09",
        "amount": "120.88",
        "currency": "EUR",
        "direction": "in",
        "reference": "Bestelling 2026-118",
        "allocations": [{"invoice_id": IDS["invoice_id"], "amount": "120.88"}],
        "unallocated": "0.00",
        "status": "booked",
    },
    models.VatCode: {
        "id": "21",
        "name": "Btw hoog 21%",
        "code": "VH",
        "rate": "21",
        "category": "S",
        "treatment": "domestic_high",
        "direction": "sale",
        "country": "NL",
        "valid_from": "2012-10-01",
    },
    models.LedgerAccount: {
        "id": "8000",
        "code": "8000",
        "name": "Omzet hoog",
        "type": "revenue",
        "archived": False,
    },
    models.PaymentMethod: {"id": "3", "name": "Bank", "kind": "bank", "ledger_account_id": "1100"},
    models.Company: {
        "id": "20418",
        "name": "De Tulp Holding B.V.",
        "vat_number": "NL857494454B01",
        "coc_number": "68750110",
        "email": "administratie@detulp.example",
        "address": _ADDRESS,
        "currency": "EUR",
        "accessible": True,
        "allowed_scopes": ["contacts:read_write"],
    },
    models.Connection: {
        "id": IDS["connection_id"],
        "provider": "memory",
        "name": "De Tulp",
        "external_ref": "crm-1001",
        "company": {"id": "20418", "name": "De Tulp Holding B.V."},
        "status": "active",
        "health": {"state": "ok", "last_success_at": _STAMP},
        "scopes": {"token": [], "allowed": []},
        "settings": {"default_ledger_account_id": "8000"},
        "created_at": _STAMP,
        "updated_at": _STAMP,
    },
    models.CompanyAccess: {
        "id": "20418",
        "name": "De Tulp Holding B.V.",
        "accessible": True,
        "allowed_scopes": ["contacts:read_write"],
    },
    models.AttemptFacts: {
        "key": "order-2026-0042",
        "operation": "invoices.create",
        "state": "applied",
        "status": 201,
        "record_id": "45311",
        "created_at": "2026-03-02T09:00:00Z",
        "resolved_at": "2026-03-02T09:00:01Z",
        "next_check_at": None,
    },
    models.ConnectionUse: {
        "connection_id": "con_3kTMd8zXbWq1",
        "provider": "memory",
        "name": "De Tulp",
        "status": "active",
        "calls": 412,
        "failures": 3,
        "last_call_at": "2026-03-02T08:59:12Z",
        "token_received_at": "2026-03-02T08:10:00Z",
        "token_expires_at": "2026-03-02T09:10:00Z",
        "health": {
            "state": "ok",
            "reason": None,
            "since": "2026-03-01T07:00:00Z",
            "last_success_at": "2026-03-02T08:59:12Z",
            "quota_left": None,
        },
    },
    models.Link: {"url": "https://polder.example/connect/8Qm2vT4yLr", "expires_at": "2026-03-02T10:00:00Z"},
    models.Capabilities: {"provider": "memory", "operations": _SUPPORT},
    models.ProviderFacts: {
        "provider": "memory",
        "title": "Perfect books",
        "documentation": "https://books.example/api",
        "credentials": [
            {
                "type": "api_token",
                "title": "API token",
                "fields": [{"name": "api_token", "title": "API token", "secret": True, "required": True}],
                "interactive": False,
            }
        ],
        "settings": [{"name": "default_ledger_account_id", "title": "Ledger account for lines that name none"}],
        "operations": _SUPPORT,
        "gotchas": ["An invoice that was booked cannot change."],
    },
}


def record_of(model: type[Shape] | type[RecordPart]) -> dict[str, Any] | None:
    """An answer of this model, whole; None for a model that no example was written for."""
    if model not in _RECORDS:
        return None
    return schema_model(model).model_validate_json(dumps(_RECORDS[model])).model_dump(mode="json")


def shown(value: Json) -> Json:
    """A request's value as the document shows it: with ids for the names in braces."""
    if isinstance(value, dict):
        return {name: shown(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shown(one) for one in value]
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        return IDS[value[1:-1]]
    return value
