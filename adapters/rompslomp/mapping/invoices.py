"""Sales invoices (dossier §3.1, §4): a credit note is an invoice with negative amounts, which we say above zero.

``api_reference`` is hidden from people and unique per company, so it carries what Polder must find again: the caller's
``external_ref``; without one the mark of the write; and on a credit note the invoice that it credits.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from adapters.rompslomp.mapping.values import Day, Json, RecordId, Said, Wire, id_in_body
from gateway.contract.adapter import Record
from gateway.contract.models import CreditDraft, Invoice, InvoiceContact, Line, TaxBreakdown, Totals, VatCode
from gateway.contract.models.invoices import DocumentStatus, InvoicePaymentStatus
from gateway.contract.money import NOTHING, ZERO, Amounts, plain, round_to_cents
from gateway.contract.old_wire import Number

SAME: Mapping[str, str] = {"reference": "payment_reference", "description": "description"}
"""Fields that are the same on both sides but for their name."""
DATES: Mapping[str, str] = {"issued_on": "date", "due_on": "due_date"}
IDS: Mapping[str, str] = {"contact_id": "contact_id", "layout_id": "template_id"}

HOLDS = frozenset(
    {
        *SAME,
        *DATES,
        *IDS,
        "document_type",
        "external_ref",
        "prices_include_tax",
        "finalize",
        *(f"lines.{name}" for name in ("description", "product_id", "quantity", "unit_price", "vat_code_id")),
        *(f"lines.{name}" for name in ("vat_treatment", "vat_rate", "vat_country", "ledger_account_id")),
    }
)

STATES: Mapping[str, DocumentStatus] = {"concept": "draft", "published": "final", "imported": "final"}
_OWN = "polder:"
_CREDIT = f"{_OWN}credit:"


class LineRow(Wire):
    """A line of an invoice; ``price_per_unit`` is without VAT."""

    id: RecordId
    description: Said = None
    extended_description: Said = None
    price_per_unit: Number
    price_with_vat: Number
    price_without_vat: Number
    vat_amount: Number
    vat_rate: Number | None = None
    vat_type_id: RecordId | None = None
    quantity: Number
    product_id: RecordId | None = None
    account_id: RecordId | None = None

    @property
    def rate(self) -> Decimal:
        """The VAT rate as a percentage."""
        return (self.vat_rate or ZERO) * 100


class CachedContactRow(Wire):
    """The customer as the invoice has it printed."""

    name: Said = None


class InvoiceRow(Wire):
    """An invoice as it is read; keys that do not apply are absent."""

    id: RecordId
    date: Day
    due_date: Day | None = None
    description: Said = None
    status: str
    price_without_vat: Number
    price_with_vat: Number
    vat_amount: Number
    contact_id: RecordId | None = None
    invoice_number: Said = None
    payment_status: Said = None
    open_amount: Number | None = None
    currency: Said = None
    currency_exchange_rate: Number | None = None
    template_id: RecordId | None = None
    vat_number: Said = None
    api_reference: Said = None
    payment_reference: Said = None
    cached_contact: CachedContactRow | None = None
    invoice_lines: list[LineRow]

    @property
    def sign(self) -> int:
        """What the amounts are multiplied by to be ours."""
        return -1 if self.price_with_vat < 0 else 1

    @property
    def is_draft(self) -> bool:
        """Whether it can still be changed."""
        return self.status == "concept"

    @property
    def open(self) -> Decimal | None:
        """What is still to be paid, as ours."""
        return None if self.open_amount is None else self.sign * self.open_amount

    @property
    def may_be_credited(self) -> bool:
        """Whether it is a booked invoice and no credit note."""
        return STATES.get(self.status) == "final" and self.price_with_vat > 0

    @property
    def totals(self) -> Amounts:
        """Net, VAT and gross as Rompslomp makes them, never below zero on a credit note."""
        sign = self.sign
        return Amounts(
            round_to_cents(sign * self.price_without_vat),
            round_to_cents(sign * self.vat_amount),
            round_to_cents(sign * self.price_with_vat),
        )


def told(
    row: InvoiceRow,
    raw: Mapping[str, Any],
    codes: Mapping[str, VatCode],
    today: date,
    credited: frozenset[str] = frozenset(),
) -> Record[Invoice]:
    """An invoice or credit note as ours. ``credited`` holds the invoices that are known to be credited in full."""
    status = STATES.get(row.status, "unknown")
    is_credited = row.id in credited and row.may_be_credited
    payment_status = "credited" if is_credited else _payment_status(row, status)
    open_amount = ZERO if is_credited else row.open
    foreign = (row.currency or "eur").lower() != "eur"
    total = row.totals
    invoice = Invoice(
        id=row.id,
        document_type="credit_note" if row.sign < 0 else "invoice",
        document_status=status,
        payment_status=payment_status,
        number=row.invoice_number,
        credits_invoice_id=credited_by(row.api_reference),
        contact_id=row.contact_id,
        contact=InvoiceContact(id=row.contact_id, name=row.cached_contact.name if row.cached_contact else None),
        issued_on=row.date,
        due_on=row.due_date,
        currency="EUR",
        document_currency=row.currency.upper() if row.currency and foreign else None,
        exchange_rate=row.currency_exchange_rate if foreign else None,
        prices_include_tax=False,
        lines=[_line_of(line, row.sign, codes) for line in row.invoice_lines],
        totals=Totals(
            net=total.net,
            tax=total.tax,
            gross=total.gross,
            paid=None if row.open is None else total.gross - row.open,
            open=open_amount,
        ),
        tax_breakdown=_tax_breakdown(row, codes),
        is_overdue=_is_overdue(row, status, open_amount, today),
        provider_status=row.status,
        layout_id=row.template_id,
        **{ours: getattr(row, theirs) for ours, theirs in SAME.items()},
    )
    mapped = frozenset(InvoiceRow.model_fields) - {"vat_number"}
    return Record(invoice, raw, mapped if is_own(row.api_reference) else mapped - {"api_reference"}, row.status)


def _payment_status(row: InvoiceRow, status: DocumentStatus) -> InvoicePaymentStatus:
    """There is no part payment here: it is ``unpaid`` with less open than the gross (dossier §0, "payment status")."""
    if status == "draft":
        return "not_applicable"
    if row.payment_status == "paid":
        return "paid"
    if row.payment_status == "overpaid":
        return "overpaid"
    if row.payment_status != "unpaid":
        return "unknown"
    partly = row.open is not None and ZERO < row.open < row.totals.gross
    return "partially_paid" if partly else "unpaid"


def _is_overdue(row: InvoiceRow, status: DocumentStatus, open_amount: Decimal | None, today: date) -> bool | None:
    if status != "final" or row.due_date is None or open_amount is None:
        return None
    return row.sign > 0 and open_amount > 0 and row.due_date < today


def _line_of(line: LineRow, sign: int, codes: Mapping[str, VatCode]) -> Line:
    """A line as ours. On a credit note whichever of price and quantity is below zero is turned."""
    turns_quantity = sign < 0 and line.quantity < 0
    code = codes.get(line.vat_type_id or "")
    return Line(
        id=line.id,
        type="item",
        description="\n".join(text for text in (line.description, line.extended_description) if text),
        product_id=line.product_id,
        quantity=-line.quantity if turns_quantity else line.quantity,
        unit_price=line.price_per_unit if turns_quantity else sign * line.price_per_unit,
        vat_code_id=line.vat_type_id,
        vat_treatment=code.treatment if code else None,
        vat_rate=line.rate,
        vat_country=code.country if code else None,
        ledger_account_id=line.account_id,
        net=round_to_cents(sign * line.price_without_vat),
        tax=round_to_cents(sign * line.vat_amount),
        gross=round_to_cents(sign * line.price_with_vat),
    )


def _tax_breakdown(row: InvoiceRow, codes: Mapping[str, VatCode]) -> list[TaxBreakdown] | None:
    """The VAT groups that make up the totals, whichever way Rompslomp rounds; null where neither way does."""
    booked = row.totals
    for sums_of in (_sums_of_lines, _sums_of_charges):
        groups = sums_of(row)
        total = NOTHING
        for amounts in groups.values():
            total = total + amounts
        if (total.net, total.tax) == (booked.net, booked.tax):
            return [_group_of(key, amounts, codes) for key, amounts in groups.items()]
    return None


_Key = tuple[str | None, Decimal]


def _sums_of_lines(row: InvoiceRow) -> dict[_Key, Amounts]:
    groups: dict[_Key, Amounts] = {}
    for line in row.invoice_lines:
        amounts = Amounts(
            round_to_cents(row.sign * line.price_without_vat),
            round_to_cents(row.sign * line.vat_amount),
            round_to_cents(row.sign * line.price_with_vat),
        )
        key = (line.vat_type_id, line.rate)
        groups[key] = groups.get(key, NOTHING) + amounts
    return groups


def _sums_of_charges(row: InvoiceRow) -> dict[_Key, Amounts]:
    """Rounded once for each rate; VAT codes of one rate share its sum, the last of them taking the cents left over."""
    charges: dict[_Key, Decimal] = {}
    for line in row.invoice_lines:
        key = (line.vat_type_id, line.rate)
        charges[key] = charges.get(key, ZERO) + row.sign * line.price_per_unit * line.quantity
    groups: dict[_Key, Amounts] = {}
    for rate in dict.fromkeys(rate for _, rate in charges):
        keys = [key for key in charges if key[1] == rate]
        net_left = round_to_cents(sum((charges[key] for key in keys), ZERO))
        tax_left = round_to_cents(net_left * rate / 100)
        for key in keys[:-1]:
            net = round_to_cents(charges[key])
            tax = round_to_cents(net * rate / 100)
            groups[key] = Amounts(net, tax, net + tax)
            net_left, tax_left = net_left - net, tax_left - tax
        groups[keys[-1]] = Amounts(net_left, tax_left, net_left + tax_left)
    return groups


def _group_of(key: _Key, amounts: Amounts, codes: Mapping[str, VatCode]) -> TaxBreakdown:
    code = codes.get(key[0] or "")
    category = code.category if code else None
    return TaxBreakdown(vat_code_id=key[0], rate=key[1], category=category, base=amounts.net, tax=amounts.tax)


# Api references


def is_own(reference: str | None) -> bool:
    """Whether an api reference is a mark of Polder's own."""
    return (reference or "").startswith(_OWN)


def is_mark(reference: str) -> bool:
    """Whether an api reference was made by Polder, of an invoice's own or of the one it credits."""
    return is_own(reference) or reference.startswith(_CREDIT)


def credit_reference(id: str) -> str:
    """The api reference of the credit note that credits an invoice in full: there can be only one."""
    return f"{_CREDIT}{id}"


def credited_by(reference: str | None) -> str | None:
    """The invoice that a credit note of that api reference credits; null for any other document."""
    id = reference.removeprefix(_CREDIT) if reference and reference.startswith(_CREDIT) else ""
    return id if id.isascii() and id.isdigit() else None


def credited_among(notes: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The invoices that some booked credit notes credit."""
    rows = map(InvoiceRow.of, notes)
    return frozenset(id for row in rows if not row.is_draft and (id := credited_by(row.api_reference)) is not None)


def reference_of(external_ref: str | None, creation_key: UUID) -> str:
    """The api reference of a new invoice: the caller's own, unless it could be taken for one of Polder's marks."""
    return f"{_OWN}{creation_key}" if external_ref is None or is_own(external_ref) else external_ref


# Writing


def invoice_body(said: Mapping[str, Any]) -> Json:
    """What to write of an invoice beside its lines: only what was said, because a PATCH leaves the rest as it is."""
    body = {theirs: said[ours] for ours, theirs in SAME.items() if ours in said}
    body |= {theirs: _day(said[ours]) for ours, theirs in DATES.items() if ours in said}
    for ours, theirs in IDS.items():
        if ours in said:
            body[theirs] = said[ours] and id_in_body(said[ours], f"/{ours}")
    return body


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def credit_body(raw: Mapping[str, Any], draft: CreditDraft, today: date) -> Json:
    """The credit note of a booked invoice: its lines with prices below zero, named as is the custom (dossier §3)."""
    row = InvoiceRow.of(raw)
    same = ("template_id", "vat_number", "payment_reference", "sale_type", "distance_sale", "currency")
    body: Json = {name: raw[name] for name in same if raw.get(name) is not None}
    if (row.currency or "eur").lower() != "eur":
        body["currency_exchange_rate"] = raw.get("currency_exchange_rate")
    if raw.get("validates_vat_number") is False:
        body["validates_vat_number"] = False
    return {
        **body,
        "contact_id": row.contact_id and int(row.contact_id),
        "date": (draft.issued_on or today).isoformat(),
        "description": f"Creditfactuur voor factuur: {row.invoice_number or row.id}",
        "api_reference": credit_reference(row.id),
        "invoice_lines": [_credited_line(line) for line in row.invoice_lines],
        "_publish": True,
    }


def _credited_line(line: LineRow) -> Json:
    return {
        "description": line.description,
        "extended_description": line.extended_description,
        "price_per_unit": plain(-line.price_per_unit),
        "quantity": plain(line.quantity),
        "vat_type_id": line.vat_type_id and int(line.vat_type_id),
        "vat_rate": None if line.vat_rate is None else plain(line.vat_rate),
        "product_id": line.product_id and int(line.product_id),
        "account_id": line.account_id and int(line.account_id),
    }


def is_same_document(raw: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether an invoice that is there is the one that was to be made: contact, date and lines to the last decimal."""
    row = InvoiceRow.of(raw)
    sent: Sequence[Mapping[str, Any]] = body["invoice_lines"]
    if str(body["contact_id"]) != row.contact_id or body["date"] != row.date.isoformat():
        return False
    if len(sent) != len(row.invoice_lines):
        return False
    return all(_is_same_line(line, one) for line, one in zip(row.invoice_lines, sent, strict=True))


def _is_same_line(line: LineRow, sent: Mapping[str, Any]) -> bool:
    return (
        (line.description or "") == (sent["description"] or "")
        and line.price_per_unit == Decimal(sent["price_per_unit"])
        and line.quantity == Decimal(sent["quantity"])
        and line.vat_type_id == str(sent["vat_type_id"])
    )
