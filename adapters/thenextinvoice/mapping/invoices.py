"""Invoices (documentation, "Invoice"), both ways.

A draft hides its parties and amounts (``receiver``, ``sender`` and ``calculated`` are null): amounts are added up from
its lines, and whom it is for only Polder knows. Whether an invoice is paid stands in another place, its *status*.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from adapters.thenextinvoice.mapping.lines import (
    Codes,
    LineRow,
    Reckoning,
    breakdown_of,
    line_rows,
    lines_of,
    positive,
    reckoned,
    sums_of,
)
from adapters.thenextinvoice.mapping.values import (
    Flag,
    Named,
    Numbered,
    Stated,
    Wire,
    currency_of,
    day_of,
    flag_of,
    json_number,
    reference_of,
)
from gateway.contract.adapter import Record
from gateway.contract.errors import malformed
from gateway.contract.models import Invoice, InvoiceContact, Totals
from gateway.contract.models.invoices import DocumentStatus, InvoicePaymentStatus
from gateway.contract.money import ZERO, Amounts, Sum, TaxRounding
from gateway.contract.wire import Filled, NoItems, RawRecord, said_in

PAYMENT_STATUS: Mapping[str, InvoicePaymentStatus] = {
    "draft": "not_applicable",
    "open": "unpaid",
    "pastdue": "unpaid",
    "paid": "paid",
    "credited": "credited",
    "credit": "not_applicable",
}
"""By TheNextInvoice's own state. A credit note is in the state ``credit``: it has no balance to settle."""

DOCUMENT_STATUS: Mapping[int, DocumentStatus] = {0: "draft", 1: "final"}

TYPES = frozenset({None, "", "I", "C"})
"""What an invoice may be: ``C`` is a credit note, ``I`` and nothing an invoice."""

NO_INVOICE = frozenset({"quotation", "approved", "archived", "recurring"})
"""States of what ``/invoice/{id}`` would give away as an invoice, and is none: quotations and recurring templates."""

POINTERS: Mapping[str, str] = {
    "receiver": "/contact_id",
    "includesVat": "/prices_include_tax",
    "lines": "/lines",
    "type": "/document_type",
    "meta.sendDate": "/issued_on",
    "meta.dueDate": "/due_on",
    "meta.currency": "/currency",
    "text.top": "/description",
    "text.bottom": "/notes",
    "lines[].description": "/lines/{line}/description",
    "lines[].quantity": "/lines/{line}/quantity",
    "lines[].price": "/lines/{line}/unit_price",
    "lines[].vat": "/lines/{line}/vat_code_id",
    "lines[].ledger": "/lines/{line}/ledger_account_id",
}

HOLDS = frozenset(
    {
        "document_type",
        "contact_id",
        "issued_on",
        "due_on",
        "currency",
        "prices_include_tax",
        "lines",
        "lines.type",
        "lines.description",
        "lines.product_id",
        "lines.quantity",
        "lines.unit_price",
        "lines.discount_percent",
        "lines.vat_code_id",
        "lines.vat_treatment",
        "lines.vat_rate",
        "lines.vat_country",
        "lines.ledger_account_id",
        "description",
        "notes",
        "finalize",
        "expected_totals",
        "expected_totals.net",
        "expected_totals.tax",
        "expected_totals.gross",
        "on_rounding",
    }
)


class Meta(Wire, frozen=True):
    """Dates, currency and language."""

    currency: str
    dueDate: str | None = None
    sendDate: str | None = None


class Texts(Wire, frozen=True):
    """What is printed above, below and at the foot."""

    top: str | None = None
    bottom: str | None = None
    footer: str | None = None


NO_TEXTS = Texts()


class Calculated(Wire, frozen=True):
    """The amounts as booked. ``vatTotals`` is keyed by percentage."""

    totalExclVat: Decimal
    totalInclVat: Decimal
    vatApplied: Decimal
    vatTotals: dict[str, Decimal] | NoItems | None = None

    @property
    def amounts(self) -> Amounts:
        """Net, tax and gross, in their own signs."""
        return Amounts(self.totalExclVat, self.vatApplied, self.totalInclVat)

    def agrees(self, sum: Sum) -> bool:
        """Whether a sum of the lines is what was booked, in all and under every percentage."""
        if sum.total != self.amounts:
            return False
        said = self.vatTotals if isinstance(self.vatTotals, dict) else {}
        added = {group: amounts.tax for group, amounts in sum.groups.items()}
        return said == added or _by_rate(said) == _by_rate(added)


def _by_rate(taxes: Mapping[str, Decimal]) -> dict[Decimal, Decimal]:
    """Taxes by percentage, however it is spelled; those that come to nothing may be left out or not."""
    return {Decimal(rate): tax for rate, tax in taxes.items() if tax}


class Party(Named, frozen=True):
    """Whom an invoice is for, where it is given whole."""

    companyname: str | None = None


class InvoiceRow(Numbered, frozen=True, kw_only=True):
    """An invoice as it is read."""

    number: str | None = None
    status: int
    type: str | None
    discount: Decimal | None = None
    includesVat: Stated
    lines: list[LineRow]
    receiver: int | str | Party | None = None
    """Its id or the whole customer; null on a draft."""
    meta: Meta
    text: Texts | None = None
    calculated: Calculated | None = None

    @property
    def draft(self) -> bool:
        """Whether it can still change."""
        return self.status == 0

    @property
    def credit(self) -> bool:
        """Whether it is a credit note."""
        return self.type == "C"

    def sums(self, codes: Codes) -> Iterator[tuple[TaxRounding, Sum]]:
        """What its lines come to, by each way to round, one at a time."""
        return sums_of(self.lines, codes, discount=self.discount or ZERO, includes_vat=flag_of(self.includesVat))

    def reckoned(self, codes: Codes) -> Reckoning:
        """What its lines come to, by every way to round."""
        return Reckoning(dict(self.sums(codes)))


class State(Wire, frozen=True):
    """The part of an invoice's status that says how it stands."""

    state: Filled


class Settled(Wire, frozen=True):
    """The part of an invoice's status that says whether, how and when it was paid."""

    status: Flag = False
    message: str | None = None
    time: str | None = None

    @property
    def paid(self) -> bool:
        """Whether a payment is registered."""
        return flag_of(self.status)


class StatusRow(Wire, frozen=True):
    """An invoice's status (documentation, "Status of an invoice")."""

    invoice: State
    payment: Settled


@dataclass(frozen=True, slots=True)
class Sheet:
    """An invoice as it was read, and as it was said."""

    raw: RawRecord
    row: InvoiceRow

    @classmethod
    def of(cls, raw: RawRecord) -> "Sheet":
        """Read one. Raises ``upstream_malformed``."""
        return cls(raw, InvoiceRow.of(raw))


@dataclass(frozen=True, slots=True)
class Standing:
    """How an invoice stands: its state in TheNextInvoice's word, and whether a payment is registered, where known."""

    state: str | None
    paid: bool | None = None

    @property
    def payment_status(self) -> InvoicePaymentStatus:
        """The state as we say it; a word nobody documents leaves it to the payment."""
        known = PAYMENT_STATUS.get(self.state or "")
        if known is not None:
            return known
        return "unknown" if self.paid is None else ("paid" if self.paid else "unpaid")


DRAFT = Standing("draft")


def standing_of(data: RawRecord) -> Standing:
    """How an invoice stands, by its status."""
    row = StatusRow.of(data)
    return Standing(row.invoice.state or None, row.payment.paid)


def settled_sum(row: InvoiceRow, codes: Codes, rounding: TaxRounding | None) -> Sum | None:
    """The sum of its lines that counts: the one that was booked; on a draft the one that finalizing will book.

    Null where that cannot be told: a VAT code is gone or was changed since, or nobody knows how VAT is rounded.
    """
    if row.calculated is not None:
        return next((sum for _, sum in row.sums(codes) if row.calculated.agrees(sum)), None)
    reckoning = row.reckoned(codes)
    certain = reckoning.certain
    return certain if certain is not None or rounding is None else reckoning.sums.get(rounding)


def invoice_of(
    sheet: Sheet,
    standing: Standing,
    codes: Codes,
    *,
    today: date,
    rounding: TaxRounding | None = None,
    with_lines: bool = True,
) -> Record[Invoice]:
    """An invoice as we say it. ``codes`` are needed for lines, and for the amounts of a draft."""
    row, meta = sheet.row, sheet.row.meta
    if row.type not in TYPES:
        raise malformed("TheNextInvoice's invoice is neither an invoice nor a credit note.")
    sum = settled_sum(row, codes, rounding) if with_lines or row.calculated is None else None
    status, credit = standing.payment_status, row.credit
    text, due_on = row.text or NO_TEXTS, day_of(meta.dueDate)
    contact, currency = contact_of(row), currency_of(meta.currency)
    if currency is None:
        raise malformed("TheNextInvoice's invoice names no currency.")
    item = Invoice(
        id=row.key,
        document_type="credit_note" if credit else "invoice",
        document_status=DOCUMENT_STATUS.get(row.status, "unknown"),
        payment_status=status,
        number=row.number or None,
        contact_id=None if contact is None else contact.id,
        contact=contact,
        issued_on=day_of(meta.sendDate),
        due_on=due_on,
        currency=currency,
        prices_include_tax=flag_of(row.includesVat),
        totals=_totals(row, sum, status),
        description=text.top or None,
        notes=text.bottom or None,
        is_overdue=status == "unpaid" and due_on is not None and due_on < today,
        provider_status=standing.state,
    )
    if with_lines:
        item.lines = lines_of(row.lines, sum, codes, discount=row.discount or ZERO, credit=credit)
        item.tax_breakdown = None if sum is None else breakdown_of(row.lines, sum, codes, credit=credit)
    return Record(item, sheet.raw, _mapped(row), standing.state)


def contact_of(row: InvoiceRow) -> InvoiceContact | None:
    """Whom an invoice is for; null on a draft."""
    receiver = row.receiver
    id, name = reference_of(receiver), receiver.companyname or None if isinstance(receiver, Party) else None
    return None if id is None and name is None else InvoiceContact(id=id, name=name)


def _totals(row: InvoiceRow, sum: Sum | None, status: InvoicePaymentStatus) -> Totals:
    booked = row.calculated.amounts if row.calculated is not None else (sum.total if sum is not None else None)
    if booked is None:
        return Totals()
    said = positive(booked, credit=row.credit)
    paid, still_open = _balance(row, said.gross, status)
    return Totals(net=said.net, tax=said.tax, gross=said.gross, paid=paid, open=still_open)


def _balance(row: InvoiceRow, gross: Decimal, status: InvoicePaymentStatus) -> tuple[Decimal | None, Decimal | None]:
    """Paid and open. An invoice is paid whole or not at all; what was paid of a credited one is not said in lists."""
    if DOCUMENT_STATUS.get(row.status) != "final" or status == "unknown":
        return None, None
    if status == "unpaid":
        return ZERO, gross
    if status == "credited":
        return None, ZERO
    return (gross if status == "paid" else ZERO), ZERO


_MAPPED = frozenset({"id", "number", "status", "discount", "includesVat", "lines", "receiver", "calculated"})


def _mapped(row: InvoiceRow) -> frozenset[str]:
    """All but what our model lacks: an automatic collection, a footer, the language and the sender."""
    footed = row.text is not None and bool(row.text.footer)
    return _mapped_of(typed=row.type not in (None, "", "C"), footed=footed)


@cache
def _mapped_of(*, typed: bool, footed: bool) -> frozenset[str]:
    return _MAPPED | (set() if typed else {"type"}) | (set() if footed else {"text"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What stands above the lines of a new invoice."""

    receiver: str
    sender: str
    credit: bool
    includes_vat: bool
    discount: Decimal
    currency: str
    language: str
    issued_on: date
    due_on: date
    description: str | None
    notes: str | None
    footer: str | None
    final: bool


def new_body(heading: Heading, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """An invoice to create. What has a documented default goes out too: it is "required" all the same (dossier)."""
    return {
        "discount": json_number(heading.discount),
        "includesVat": heading.includes_vat,
        "lines": list(lines),
        "meta": {
            "currency": heading.currency,
            "dueDate": heading.due_on.isoformat(),
            "language": heading.language,
            "sendDate": heading.issued_on.isoformat(),
        },
        "receiver": int(heading.receiver),
        "sender": int(heading.sender),
        "status": 1 if heading.final else 0,
        "text": {"top": heading.description or "", "bottom": heading.notes or "", "footer": heading.footer or ""},
        "type": "C" if heading.credit else "",
    }


def as_written(sheet: Sheet) -> dict[str, Any]:
    """A draft as it was read, whole but for its parties, which it hides: a PUT replaces everything."""
    row = sheet.row
    text = row.text or NO_TEXTS
    return {
        "discount": json_number(row.discount or ZERO),
        "includesVat": flag_of(row.includesVat),
        "lines": [_line_as_written(line) for line in row.lines],
        "meta": {name: value for name, value in said_in(sheet.raw)["meta"].items() if value is not None},
        "status": 0,
        "text": {"top": text.top or "", "bottom": text.bottom or "", "footer": text.footer or ""},
        "type": row.type or "",
    }


def _line_as_written(line: LineRow) -> dict[str, Any]:
    ledger, vat = reference_of(line.ledger), reference_of(line.vat)
    return {
        "description": line.description,
        "ledger": None if ledger is None else int(ledger),
        "price": None if line.price is None else json_number(line.price),
        "quantity": None if line.quantity is None else json_number(line.quantity),
        "vat": None if vat is None else int(vat),
    }


def merged(body: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What to write: ``body`` with what a change says put in, all but its lines."""
    meta, text = dict(body["meta"]), dict(body["text"])
    for ours, theirs in {"issued_on": "sendDate", "due_on": "dueDate"}.items():
        if said.get(ours) is not None:
            meta[theirs] = said[ours].isoformat()
    if said.get("currency") is not None:
        meta["currency"] = said["currency"]
    for ours, theirs in {"description": "top", "notes": "bottom"}.items():
        if ours in said:
            text[theirs] = said[ours] or ""
    result = {**body, "meta": meta, "text": text}
    if said.get("prices_include_tax") is not None:
        result["includesVat"] = said["prices_include_tax"]
    return result


def body_reckoned(body: Mapping[str, Any], codes: Codes) -> Reckoning:
    """What an invoice that is to be written comes to."""
    discount = Decimal(body["discount"])
    return reckoned(line_rows(body["lines"]), codes, discount=discount, includes_vat=body["includesVat"])
