"""Invoices and credit notes: Memory Books writes the amounts of a credit note below zero, we never do."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from adapters.memory import wire
from adapters.memory.mapping.settings import REGIMES
from gateway.contract.adapter import Record
from gateway.contract.models import CreditDraft, Invoice, InvoicedContact, Line, LineDraft, TaxBreakdown, Totals
from gateway.contract.models.invoices import DocumentStatus, DocumentType, InvoicePaymentStatus
from gateway.contract.money import AmountText, amount_text, number_or_none, number_text, plain, signed

SAME: Mapping[str, str] = {
    "number": "number",
    "reference": "reference",
    "external_ref": "externalReference",
    "contact_id": "contact",
    "issued_on": "date",
    "due_on": "dueDate",
    "delivered_on": "deliveryDate",
    "currency": "currency",
    "prices_include_tax": "pricesIncludeVat",
    "description": "description",
    "notes": "notes",
    "layout_id": "layout",
}
"""Fields that are the same on both sides but for their name. The exchange rate is not: it is a JSON number there."""

LINE_SAME: Mapping[str, str] = {
    "description": "text",
    "product_id": "product",
    "unit": "unit",
    "vat_code_id": "vatCode",
    "ledger_account_id": "ledger",
}
LINE_WRITTEN: Mapping[str, str] = {**LINE_SAME, "discount_percent": "discount"}

KINDS: Mapping[str, DocumentType] = {"invoice": "invoice", "creditNote": "credit_note"}
STATES: Mapping[str, DocumentStatus] = {"concept": "draft", "booked": "final"}
PAYMENT_STATES: Mapping[str, InvoicePaymentStatus] = {
    "none": "not_applicable",
    "open": "unpaid",
    "part": "partially_paid",
    "paid": "paid",
    "over": "overpaid",
    "credited": "credited",
}

HOLDS = frozenset(
    {
        *SAME,
        "exchange_rate",
        "document_type",
        "finalize",
        *(f"lines.{name}" for name in LINE_WRITTEN),
        *(f"lines.{name}" for name in ("type", "quantity", "unit_price", "vat_treatment", "vat_rate", "vat_country")),
    }
)
WRITABLE = frozenset({*SAME.values(), "exchangeRate", "kind", "lines", "creditOf"})
LINE_WRITABLE = frozenset({*LINE_WRITTEN.values(), "id", "quantity", "price"})


def sign_of(kind: str) -> int:
    """What amounts of such a document are multiplied by, one way and the other."""
    return -1 if kind == "creditNote" else 1


def invoice_of(raw: Mapping[str, Any]) -> Record[Invoice]:
    """An invoice or credit note as ours; its lines are null where a list left them out."""
    row = wire.Invoice.of(raw)
    sign = sign_of(row.kind)
    invoice = Invoice(
        id=row.id,
        document_type=KINDS[row.kind],
        document_status=STATES[row.state],
        payment_status=PAYMENT_STATES[row.paymentState],
        credits_invoice_id=row.creditOf,
        contact=InvoicedContact(id=row.contact, name=row.contactName),
        exchange_rate=number_or_none(row.exchangeRate),
        lines=None if row.lines is None else [_line_of(line, sign) for line in row.lines],
        totals=Totals(
            net=_amount(row.totals.net, sign),
            tax=_amount(row.totals.vat, sign),
            gross=_amount(row.totals.gross, sign),
            paid=_amount(row.totals.paid, sign),
            open=_amount(row.totals.open, sign),
        ),
        tax_breakdown=None if row.vatGroups is None else [_tax_of(group, sign) for group in row.vatGroups],
        sent_at=row.sentAt,
        is_overdue=row.overdue and sign > 0,
        provider_status=row.state,
        created_at=row.createdAt,
        updated_at=row.updatedAt,
        **{ours: getattr(row, theirs) for ours, theirs in SAME.items()},
    )
    return Record(invoice, raw, mapped=frozenset(wire.Invoice.__struct_fields__), status=row.state)


def _line_of(row: wire.Line, sign: int) -> Line:
    return Line(
        id=row.id,
        type="text" if row.price is None else "item",
        quantity=number_or_none(row.quantity),
        unit_price=_amount_or_none(row.price, sign),
        discount_percent=number_or_none(row.discount),
        vat_treatment=None if row.vatRegime is None else REGIMES[row.vatRegime][0],
        vat_rate=None if row.vatRate is None else number_text(row.vatRate * 100),
        vat_country=row.vatCountry,
        net=_amount_or_none(row.net, sign),
        tax=_amount_or_none(row.vat, sign),
        gross=_amount_or_none(row.gross, sign),
        **{ours: getattr(row, theirs) for ours, theirs in LINE_SAME.items()},
    )


def _amount(amount: Decimal, sign: int) -> AmountText:
    return amount_text(signed(amount, sign))


def _amount_or_none(amount: Decimal | None, sign: int) -> AmountText | None:
    return None if amount is None else _amount(amount, sign)


def _tax_of(row: wire.VatGroup, sign: int) -> TaxBreakdown:
    return TaxBreakdown(
        vat_code_id=row.vatCode,
        rate=number_text(row.vatRate * 100),
        category=REGIMES[row.vatRegime][1],
        base=_amount(row.base, sign),
        tax=_amount(row.vat, sign),
    )


def new_body(given: Mapping[str, Any], document_type: DocumentType, today: date) -> dict[str, Any]:
    """The beginning of a new invoice: all but its lines."""
    kind = next(theirs for theirs, ours in KINDS.items() if ours == document_type)
    return changed_body(given, {"kind": kind, "date": today.isoformat()})


def changed_body(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """An invoice to write: what is given on top of what was, its lines as they were."""
    body = {name: value for name, value in before.items() if name in WRITABLE}
    if "lines" in body:
        body["lines"] = [{name: line[name] for name in sorted(LINE_WRITABLE)} for line in body["lines"]]
    body |= {theirs: wire.text(given[ours]) for ours, theirs in SAME.items() if ours in given}
    if "exchange_rate" in given:
        body["exchangeRate"] = given["exchange_rate"]
    return body


def line_bodies(lines: Sequence[LineDraft], kind: str) -> list[dict[str, Any]]:
    """Lines to write. They must be filled in: an item has its price, VAT code and ledger."""
    return [_line_body(line, sign_of(kind)) for line in lines]


def _line_body(line: LineDraft, sign: int) -> dict[str, Any]:
    body = {theirs: wire.text(getattr(line, ours)) for ours, theirs in LINE_WRITTEN.items()}
    if line.unit_price is None:
        return {**body, "quantity": None, "price": None}
    quantity = Decimal(1) if line.quantity is None else line.quantity
    return {**body, "quantity": quantity, "price": plain(sign * line.unit_price)}


def credit_body(draft: CreditDraft, today: date) -> dict[str, Any]:
    """How to credit an invoice."""
    return {
        "number": draft.number,
        "date": (draft.issued_on or today).isoformat(),
        "externalReference": draft.external_ref,
    }
