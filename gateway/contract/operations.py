"""The unified API, said once (contract §3 and §4).

Routes, OpenAPI, permissions, capabilities, cache rules, metric labels and the conformance suite are read from
``OPERATIONS``; nothing about an operation is written anywhere else.

Length: it is one table, and one reads it as such.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from gateway.contract import models
from gateway.contract.models.base import RecordPart, Shape
from gateway.contract.models.invoices import DocumentStatus, DocumentType, InvoicePaymentStatus
from gateway.contract.models.ledger import AccountType, VatDirection

Kind = Literal["text", "id", "date", "instant", "choice"]
Answer = Literal["record", "list", "nothing", "file", "theirs", "schema"]


@dataclass(frozen=True, slots=True)
class Filter:
    """A way to narrow a list. A guaranteed one works on every system: natively, or emulated by the engine."""

    name: str
    title: str
    kind: Kind = "text"
    guaranteed: bool = False
    choices: tuple[str, ...] = ()
    referred: str | None = None
    """The resource whose id the value is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call of the API."""

    resource: str
    verb: str
    method: str
    path: str
    scope: str | None
    """What the caller's key needs; None where any key will do."""
    title: str
    status: int = 200
    accepts: type[Shape] | None = None
    answers: type[Shape] | type[RecordPart] | None = None
    shape: Answer = "record"
    filters: tuple[Filter, ...] = ()
    includes: tuple[str, ...] = ()
    media_type: str = "application/json"
    body_required: bool = True
    fresh_for: int = 0
    """Seconds an answer may be kept without asking again; a write through Polder ends it at once."""
    stale_for: int = 0
    """Seconds an answer may be served after that while the system cannot be reached."""

    def __hash__(self) -> int:
        # Its method and path tell it apart; to look at every field, as a dataclass would, costs at every request.
        return hash((self.method, self.path))

    @property
    def name(self) -> str:
        """``contacts.list``: how logs, metrics and capabilities call it."""
        return f"{self.resource}.{self.verb}"

    @property
    def operation_id(self) -> str:
        """``listContacts``: how the OpenAPI document calls it."""
        noun = "".join(word.capitalize() for word in self.resource.split("-"))
        if self.verb == "list":
            return f"list{noun}"
        if self.part_of_record and self.resource != "raw":
            return f"get{singular(noun)}{self.verb.capitalize()}"
        return f"{self.verb}{singular(noun)}"

    @property
    def part_of_record(self) -> bool:
        """Whether it reads something that hangs below one record, such as an invoice's PDF."""
        return self.method == "GET" and self.verb not in ("list", "get")

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return self.method not in ("GET", "HEAD")

    def filter(self, name: str) -> Filter | None:
        """The filter of that name."""
        return next((one for one in self.filters if one.name == name), None)


def singular(noun: str) -> str:
    """``Contacts`` → ``Contact``, ``Companies`` → ``Company``, ``Company`` → ``Company``."""
    return f"{noun[:-3]}y" if noun.endswith("ies") else noun.removesuffix("s")


def _choices(literal: object) -> tuple[str, ...]:
    return get_args(literal)


_EXTERNAL_REF = Filter("external_ref", "Your own reference, exactly.", guaranteed=True)
_UPDATED_SINCE = Filter("updated_since", "Changed at or after this moment (RFC 3339), to the second.", "instant")
_RECORD = ("provider", "raw")

_FILTERS: Mapping[str, tuple[Filter, ...]] = {
    "contacts": (
        Filter("email", "The e-mail address, exactly; case does not matter.", guaranteed=True),
        Filter(
            "q",
            "Every word, anywhere in the names, the e-mail address and the debtor number; case does not matter.",
            guaranteed=True,
        ),
        _EXTERNAL_REF,
        Filter("role", "`customer` or `supplier`.", "choice", choices=("customer", "supplier")),
        Filter("number", "The debtor number, exactly."),
        Filter("vat_number", "The VAT number, exactly."),
        _UPDATED_SINCE,
    ),
    "invoices": (
        Filter("number", "The invoice number, exactly.", guaranteed=True),
        _EXTERNAL_REF,
        Filter("contact_id", "The customer.", "id", guaranteed=True, referred="contacts"),
        Filter("document_status", "Draft or final.", "choice", guaranteed=True, choices=_choices(DocumentStatus)),
        Filter("payment_status", "How far paid.", "choice", guaranteed=True, choices=_choices(InvoicePaymentStatus)),
        Filter("issued_from", "Issued on or after.", "date", guaranteed=True),
        Filter("issued_to", "Issued on or before.", "date", guaranteed=True),
        Filter("due_from", "Due on or after.", "date"),
        Filter("due_to", "Due on or before.", "date"),
        Filter("q", "Free text, as the system searches."),
        _UPDATED_SINCE,
        Filter("document_type", "Invoice or credit note.", "choice", choices=_choices(DocumentType)),
    ),
    "products": (
        Filter("code", "The article code, exactly.", guaranteed=True),
        Filter("q", "Every word, anywhere in code, name and description; case does not matter.", guaranteed=True),
        _EXTERNAL_REF,
        _UPDATED_SINCE,
    ),
    "payments": (
        Filter("invoice_id", "The invoice it settles.", "id", referred="invoices"),
        Filter("paid_from", "Paid on or after.", "date"),
        Filter("paid_to", "Paid on or before.", "date"),
    ),
    "vat-codes": (
        Filter("direction", "For sales or purchases.", "choice", choices=_choices(VatDirection)),
        Filter("on", "Valid on this date.", "date"),
    ),
    "ledger-accounts": (
        Filter("type", "The account's type.", "choice", choices=_choices(AccountType)),
        Filter("q", "Free text, as the system searches."),
    ),
    "payment-methods": (),
}

_MODELS: Mapping[str, type[RecordPart]] = {
    "contacts": models.Contact,
    "invoices": models.Invoice,
    "products": models.Product,
    "payments": models.Payment,
    "vat-codes": models.VatCode,
    "ledger-accounts": models.LedgerAccount,
    "payment-methods": models.PaymentMethod,
    "company": models.Company,
}
_DRAFTS: Mapping[str, type[Shape]] = {
    "contacts": models.ContactDraft,
    "invoices": models.InvoiceDraft,
    "products": models.ProductDraft,
    "payments": models.PaymentDraft,
}
_CHANGES: Mapping[str, type[Shape]] = {
    "contacts": models.ContactChange,
    "invoices": models.InvoiceChange,
    "products": models.ProductChange,
}
_HOUR = 3600
_FRESH = {"vat-codes": 300, "ledger-accounts": 300, "payment-methods": 300, "company": 300}
_STALE = dict.fromkeys(_FRESH, 24 * _HOUR)
_WRITABLE_FRESH = 30
_BASE = "/v1/connections/{connection_id}"
"""One connection, below which everything of its accounting system is."""


def _list(resource: str, title: str) -> Operation:
    archived = ("archived",) if resource in ("contacts", "products", "ledger-accounts") else ()
    lines = ("lines",) if resource == "invoices" else ()
    return Operation(
        resource=resource,
        verb="list",
        method="GET",
        path=f"{_BASE}/{resource}",
        scope=f"{resource}:read",
        title=title,
        answers=_MODELS[resource],
        shape="list",
        filters=_FILTERS[resource],
        includes=(*_RECORD, *archived, *lines),
        fresh_for=_FRESH.get(resource, _WRITABLE_FRESH),
        stale_for=_STALE.get(resource, 0),
    )


def _get(resource: str, title: str) -> Operation:
    return Operation(
        resource=resource,
        verb="get",
        method="GET",
        path=f"{_BASE}/{resource}/{{id}}",
        scope=f"{resource}:read",
        title=title,
        answers=_MODELS[resource],
        includes=_RECORD,
        fresh_for=_FRESH.get(resource, _WRITABLE_FRESH),
        stale_for=_STALE.get(resource, 0),
    )


def _create(resource: str, title: str) -> Operation:
    return Operation(
        resource=resource,
        verb="create",
        method="POST",
        path=f"{_BASE}/{resource}",
        scope=f"{resource}:write",
        title=title,
        status=201,
        accepts=_DRAFTS[resource],
        answers=_MODELS[resource],
        includes=_RECORD,
    )


def _update(resource: str, title: str) -> Operation:
    return Operation(
        resource=resource,
        verb="update",
        method="PATCH",
        path=f"{_BASE}/{resource}/{{id}}",
        scope=f"{resource}:write",
        title=title,
        accepts=_CHANGES[resource],
        answers=_MODELS[resource],
        includes=_RECORD,
    )


def _delete(resource: str, title: str) -> Operation:
    return Operation(
        resource=resource,
        verb="delete",
        method="DELETE",
        path=f"{_BASE}/{resource}/{{id}}",
        scope=f"{resource}:write",
        title=title,
        status=204,
        shape="nothing",
    )


def _invoice_file(verb: str, title: str, media_type: str) -> Operation:
    return Operation(
        resource="invoices",
        verb=verb,
        method="GET",
        path=f"{_BASE}/invoices/{{id}}/{verb}",
        scope="invoices:read",
        title=title,
        shape="file",
        media_type=media_type,
    )


RESOURCE_OPERATIONS: tuple[Operation, ...] = (
    _list("contacts", "List contacts"),
    _create("contacts", "Create a contact"),
    _get("contacts", "Get a contact"),
    _update("contacts", "Change a contact"),
    _delete("contacts", "Delete a contact"),
    _list("invoices", "List sales invoices and credit notes"),
    _create("invoices", "Create a sales invoice"),
    _get("invoices", "Get a sales invoice or credit note"),
    _update("invoices", "Change a draft invoice"),
    _delete("invoices", "Delete an invoice"),
    Operation(
        resource="invoices",
        verb="finalize",
        method="POST",
        path=f"{_BASE}/invoices/{{id}}/finalize",
        scope="invoices:write",
        title="Book a draft invoice",
        answers=models.Invoice,
        includes=_RECORD,
    ),
    Operation(
        resource="invoices",
        verb="credit",
        method="POST",
        path=f"{_BASE}/invoices/{{id}}/credit",
        scope="invoices:write",
        title="Credit an invoice in full",
        status=201,
        accepts=models.CreditDraft,
        body_required=False,
        answers=models.Invoice,
        includes=_RECORD,
    ),
    _invoice_file("pdf", "Get an invoice as PDF", "application/pdf"),
    _invoice_file("ubl", "Get an invoice as UBL", "application/xml"),
    _list("products", "List products"),
    _create("products", "Create a product"),
    _get("products", "Get a product"),
    _update("products", "Change a product"),
    _delete("products", "Delete a product"),
    _list("payments", "List payments"),
    _create("payments", "Book a payment"),
    _get("payments", "Get a payment"),
    _delete("payments", "Take a payment back"),
    _list("vat-codes", "List VAT codes"),
    _get("vat-codes", "Get a VAT code"),
    _list("ledger-accounts", "List ledger accounts"),
    _get("ledger-accounts", "Get a ledger account"),
    _list("payment-methods", "List payment methods"),
    _get("payment-methods", "Get a payment method"),
    Operation(
        resource="company",
        verb="get",
        method="GET",
        path=f"{_BASE}/company",
        scope="company:read",
        title="Get the administration",
        answers=models.Company,
        includes=_RECORD,
        fresh_for=_FRESH["company"],
        stale_for=_STALE["company"],
    ),
)
"""What an adapter may be able to do."""

CONNECTION_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        resource="connections",
        verb="list",
        method="GET",
        path="/v1/connections",
        scope="connections:read",
        title="List connections",
        answers=models.Connection,
        shape="list",
        filters=(
            Filter("external_ref", "Your own reference, exactly."),
            Filter("provider", "The accounting system."),
            Filter("status", "The connection's status."),
        ),
    ),
    Operation(
        resource="connections",
        verb="create",
        method="POST",
        path="/v1/connections",
        scope="connections:manage",
        title="Connect an administration",
        status=201,
        accepts=models.ConnectionDraft,
        answers=models.Connection,
    ),
    Operation(
        resource="connections",
        verb="get",
        method="GET",
        path=_BASE,
        scope="connections:read",
        title="Get a connection",
        answers=models.Connection,
    ),
    Operation(
        resource="connections",
        verb="update",
        method="PATCH",
        path=_BASE,
        scope="connections:manage",
        title="Change a connection",
        accepts=models.ConnectionChange,
        answers=models.Connection,
    ),
    Operation(
        resource="connections",
        verb="delete",
        method="DELETE",
        path=_BASE,
        scope="connections:manage",
        title="Delete a connection and destroy its credentials",
        status=204,
        shape="nothing",
    ),
    Operation(
        resource="connections",
        verb="link",
        method="POST",
        path=f"{_BASE}/link",
        scope="connections:manage",
        title="Make a one-time page on which the account's owner gives credentials",
        answers=models.Link,
    ),
    Operation(
        resource="connections",
        verb="busiest",
        method="GET",
        path="/v1/connections/busiest",
        scope="connections:read",
        title="List the connections that were used most in the last hour",
        answers=models.ConnectionUse,
        shape="list",
    ),
    Operation(
        resource="connections",
        verb="operation",
        method="GET",
        path=f"{_BASE}/operations/{{key}}",
        scope="connections:read",
        title="What became of a write, by its idempotency key",
        answers=models.AttemptFacts,
    ),
    Operation(
        resource="connections",
        verb="companies",
        method="GET",
        path=f"{_BASE}/companies",
        scope="connections:read",
        title="List the administrations the credentials reach",
        answers=models.CompanyAccess,
        shape="list",
    ),
    Operation(
        resource="connections",
        verb="capabilities",
        method="GET",
        path=f"{_BASE}/capabilities",
        scope="connections:read",
        title="What this connection can do",
        answers=models.Capabilities,
    ),
    Operation(
        resource="connections",
        verb="schema",
        method="GET",
        path=f"{_BASE}/schemas/{{resource}}",
        scope="connections:read",
        title="What a write must look like on this connection",
        shape="schema",
        media_type="application/schema+json",
        filters=(
            Filter("operation", "The write; `create` if left out.", "choice", choices=("create", "update", "credit")),
        ),
    ),
    Operation(
        resource="providers",
        verb="list",
        method="GET",
        path="/v1/providers",
        scope=None,
        title="List accounting systems",
        answers=models.ProviderFacts,
        shape="list",
    ),
    Operation(
        resource="providers",
        verb="get",
        method="GET",
        path="/v1/providers/{provider}",
        scope=None,
        title="Get an accounting system",
        answers=models.ProviderFacts,
    ),
)
"""What Polder does itself."""

RAW_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
RAW_OPERATIONS: tuple[Operation, ...] = tuple(
    Operation(
        resource="raw",
        verb=method.lower(),
        method=method,
        path=f"{_BASE}/raw/{{path}}",
        scope="raw:read" if method == "GET" else "raw:write",
        title=f"Call the system's own API with {method}",
        shape="theirs",
        body_required=False,
    )
    for method in RAW_METHODS
)
"""The system's own API, with our credentials and pacing; the answer is theirs."""

OPERATIONS: tuple[Operation, ...] = (*CONNECTION_OPERATIONS, *RESOURCE_OPERATIONS, *RAW_OPERATIONS)

BY_NAME: Mapping[str, Operation] = {operation.name: operation for operation in OPERATIONS}

READABLE = tuple(dict.fromkeys(operation.resource for operation in RESOURCE_OPERATIONS))
SCOPES: tuple[str, ...] = (
    *(f"{resource}:read" for resource in READABLE),
    *(f"{resource}:write" for resource in _DRAFTS),
    "connections:read",
    "connections:manage",
    "orders:write",
    "raw:read",
    "raw:write",
    "keys:manage",
)
"""Every scope an API key may carry; ``*`` is all of them."""
