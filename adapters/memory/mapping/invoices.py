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
    said = wire.Invoice.of(raw)
    sign = sign_of(said.kind)
    invoice = Invoice(
        id=said.id,
        document_type=KINDS[said.kind],
        document_status=STATES[said.state],
        payment_status=PAYMENT_STATES[said.paymentState],
        credits_invoice_id=said.creditOf,
        contact=InvoicedContact(id=said.contact, name=said.contactName),
        exchange_rate=number_or_none(said.exchangeRate),
        lines=None if said.lines is None else [_line_of(line, sign) for line in said.lines],
        totals=Totals(
            net=_amount(said.totals.net, sign),
            tax=_amount(said.totals.vat, sign),
            gross=_amount(said.totals.gross, sign),
            paid=_amount(said.totals.paid, sign),
            open=_amount(said.totals.open, sign),
        ),
        tax_breakdown=None if said.vatGroups is None else [_tax_of(group, sign) for group in said.vatGroups],
        sent_at=said.sentAt,
        is_overdue=said.overdue and sign > 0,
        provider_status=said.state,
        created_at=said.createdAt,
        updated_at=said.updatedAt,
        **{ours: getattr(said, theirs) for ours, theirs in SAME.items()},
    )
    return Record(invoice, raw, mapped=frozenset(wire.Invoice.__struct_fields__), status=said.state)


def _line_of(said: wire.Line, sign: int) -> Line:
    return Line(
        id=said.id,
        type="text" if said.price is None else "item",
        quantity=number_or_none(said.quantity),
        unit_price=_amount_or_none(said.price, sign),
        discount_percent=number_or_none(said.discount),
        vat_treatment=None if said.vatRegime is None else REGIMES[said.vatRegime][0],
        vat_rate=None if said.vatRate is None else number_text(said.vatRate * 100),
        vat_country=said.vatCountry,
        net=_amount_or_none(said.net, sign),
        tax=_amount_or_none(said.vat, sign),
        gross=_amount_or_none(said.gross, sign),
        **{ours: getattr(said, theirs) for ours, theirs in LINE_SAME.items()},
    )


def _amount(amount: Decimal, sign: int) -> AmountText:
    return amount_text(signed(amount, sign))


def _amount_or_none(amount: Decimal | None, sign: int) -> AmountText | None:
    return None if amount is None else _amount(amount, sign)


def _tax_of(said: wire.VatGroup, sign: int) -> TaxBreakdown:
    return TaxBreakdown(
        vat_code_id=said.vatCode,
        rate=number_text(said.vatRate * 100),
        category=REGIMES[said.vatRegime][1],
        base=_amount(said.base, sign),
        tax=_amount(said.vat, sign),
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
