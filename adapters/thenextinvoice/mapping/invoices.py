"""Invoices (documentation, "Invoice"), both ways.

A draft hides its parties and amounts (``receiver``, ``sender`` and ``calculated`` are null): amounts are added up from
its lines, and whom it is for only Polder knows. Whether an invoice is paid stands in another place, its *status*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, Self

from adapters.thenextinvoice.mapping.arithmetic import (
    ROUNDINGS,
    Reckoning,
    Sum,
    SumTexts,
    Terms,
    Ways,
    amount_texts,
    sum_texts,
)
from adapters.thenextinvoice.mapping.lines import (
    Codes,
    LineRow,
    MappedLines,
    breakdown_of,
    line_bodies,
    line_rows,
    lines_of,
    lines_without_amounts,
    reckoned,
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
    reference_of,
)
from gateway.contract.adapter import Record
from gateway.contract.errors import malformed
from gateway.contract.models import Invoice, InvoicedContact, Totals
from gateway.contract.models.invoices import DocumentStatus, InvoicePaymentStatus
from gateway.contract.money import CENT, ZERO, Amounts, AmountText, amount_text, exact, round_to_cents
from gateway.contract.values import Value
from gateway.contract.wire import Filled, NoItems, RawRecord, json_number, members_of

PAYMENT_STATUS: Mapping[str, InvoicePaymentStatus] = {
    "draft": "not_applicable",
    "open": "unpaid",
    "pastdue": "unpaid",
    "paid": "paid",
    "credited": "credited",
    "credit": "not_applicable",
}
"""By TheNextInvoice's own state. A credit note is in the state ``credit``: it has no balance to settle."""

FINAL = 1
DOCUMENT_STATUS: Mapping[int, DocumentStatus] = {0: "draft", FINAL: "final"}
NIL = amount_text(ZERO)

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
        *("document_type", "contact_id", "issued_on", "due_on", "currency", "prices_include_tax", "finalize"),
        *("description", "notes"),
        *(f"lines.{name}" for name in ("type", "description", "product_id", "quantity", "unit_price")),
        *(f"lines.{name}" for name in ("discount_percent", "vat_code_id", "vat_treatment", "vat_rate", "vat_country")),
        "lines.ledger_account_id",
    }
)


class Due(Wire, frozen=True, kw_only=True):
    """When it is to be paid."""

    dueDate: str | None = None


class Meta(Due, frozen=True, kw_only=True):
    """Dates, currency and language."""

    currency: str
    sendDate: str | None = None


class Texts(Wire, frozen=True):
    """What is printed above, below and at the foot."""

    top: str | None = None
    bottom: str | None = None
    footer: str | None = None


NO_TEXTS = Texts()


class Calculated(Wire, frozen=True):
    """The amounts as booked. ``vatTotals`` is keyed by percentage.

    What is booked is booked in cents, however it is written: amounts are floats there (documentation, "Create
    Invoice"), and such a one may come as 36.300000000000004.
    """

    totalExclVat: Decimal
    totalInclVat: Decimal
    vatApplied: Decimal
    vatTotals: dict[str, Decimal] | NoItems | None = None

    @property
    def amounts(self) -> Amounts:
        """Net, tax and gross, in their own signs. Should they not be rounded, tax is what makes the net the gross."""
        net, tax, gross = map(round_to_cents, (self.totalExclVat, self.vatApplied, self.totalInclVat))
        return Amounts(net, tax if tax == self.vatApplied else gross - net, gross)

    def agrees(self, sum: Sum) -> bool:
        """Whether a sum of the lines is what was booked, in all and under every percentage."""
        if sum.total != self.amounts:
            return False
        taxes = self._taxes()
        return taxes == sum.taxes or _by_rate(taxes) == _by_rate(sum.taxes)

    def _taxes(self) -> dict[str, Decimal]:
        totals = self.vatTotals if isinstance(self.vatTotals, dict) else {}
        return {rate: round_to_cents(tax) for rate, tax in totals.items()}

    def nearly(self, sum: Sum) -> Sum | None:
        """A sum of the same percentages, brought to what was booked: it was rounded in a way that nobody foresees.

        What cents there are between them go to the greatest tax. Null where it is more than those.
        """
        taxes, foreseen, booked, total = _by_rate(self._taxes()), _by_rate(sum.taxes), self.amounts, sum.total
        net_off, tax_off = booked.net - total.net, booked.tax - total.tax
        if taxes.keys() != foreseen.keys():
            return None
        off = (net_off, tax_off, *(tax - foreseen[rate] for rate, tax in taxes.items()))
        if max(map(abs, off)) > CENT * len(sum.groups):
            return None
        most = max(sum.groups, key=lambda rate: abs(sum.groups[rate].tax))
        groups = {**sum.groups, most: sum.groups[most] + Amounts(net_off, tax_off, net_off + tax_off)}
        return Sum(groups, booked, {rate: amounts.tax for rate, amounts in groups.items()})


def _by_rate(taxes: Mapping[str, Decimal]) -> dict[Decimal, Decimal]:
    """Taxes by percentage, however it is spelled; those that come to nothing may be left out or not."""
    return {Decimal(rate): tax for rate, tax in taxes.items() if tax}


class Party(Named, frozen=True):
    """Whom an invoice is for, where it is given whole."""

    companyname: str | None = None


class InvoiceSummary(Numbered, frozen=True, kw_only=True):
    """What says of an invoice in a list how to find out how it stands."""

    number: str | None = None
    type: str | None
    meta: Due

    @property
    def credit(self) -> bool:
        """Whether it is a credit note."""
        return self.type == "C"


class InvoiceRow(InvoiceSummary, frozen=True, kw_only=True):
    """An invoice as it is read."""

    status: int
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
    def terms(self) -> Terms:
        """What holds for all its lines."""
        return Terms(self.discount or ZERO, flag_of(self.includesVat), self.credit)

    def reckoned(self, codes: Codes) -> Reckoning:
        """What its lines come to."""
        return reckoned(self.lines, codes, self.terms)


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


class ListedInvoice(Value, frozen=True):
    """An invoice of a list, of which no more was read than the next question needs; and as it was said."""

    row_type: ClassVar[type[InvoiceSummary]] = InvoiceSummary

    raw: RawRecord
    row: InvoiceSummary
    key: str
    """Its id."""

    @classmethod
    def of(cls, raw: RawRecord) -> Self:
        """Read one. Raises ``upstream_malformed``."""
        row = cls.row_type.of(raw)
        return cls(raw=raw, row=row, key=row.key)


class Sheet(ListedInvoice, frozen=True):
    """An invoice as it was read whole, and as it was said."""

    row_type: ClassVar[type[InvoiceSummary]] = InvoiceRow

    row: InvoiceRow


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


def settled_sum(row: InvoiceRow, reckoning: Reckoning, ways: Ways) -> Sum | None:
    """The sum of its lines that counts: the one that was booked; on a draft the one that finalizing will book.

    Null where that cannot be told: a VAT code is gone or was changed since, or rounding decides, and how is not known.
    """
    if row.calculated is None:
        return reckoning.certain(ways)
    for way in ROUNDINGS:
        sum = reckoning.sum(way)
        if sum is not None and row.calculated.agrees(sum):
            return sum
    usual = reckoning.sum(ROUNDINGS[0])
    return None if usual is None else row.calculated.nearly(usual)


def invoice_of(
    sheet: Sheet,
    standing: Standing,
    codes: Codes,
    *,
    today: date,
    ways: Ways = ROUNDINGS,
    with_lines: bool = True,
) -> Record[Invoice]:
    """An invoice as we say it. ``codes`` are needed for lines, and for the amounts of a draft.

    ``ways`` are those in which the VAT of a draft may be rounded.
    """
    row, meta = sheet.row, sheet.row.meta
    if row.type not in TYPES:
        raise malformed("TheNextInvoice's invoice is neither an invoice nor a credit note.")
    terms = row.terms
    mapped = lines_of(row.lines, codes, terms) if with_lines else None
    sum = _sum_of(row, mapped, codes, ways)
    status, credit = standing.payment_status, terms.credit
    text, due_on = row.text or NO_TEXTS, day_of(meta.dueDate)
    contact, currency, totals = contact_of(row), currency_of(meta.currency), _totals(row, sum, status)
    if currency is None:
        raise malformed("TheNextInvoice's invoice names no currency.")
    # No more than 15 fields at once: of more, Python makes a dictionary first, which takes longer than all the rest.
    item = Invoice(
        id=sheet.key,
        document_type="credit_note" if credit else "invoice",
        document_status=DOCUMENT_STATUS.get(row.status, "unknown"),
        payment_status=status,
        number=row.number or None,
        contact_id=None if contact is None else contact.id,
        contact=contact,
        issued_on=day_of(meta.sendDate),
        due_on=due_on,
        currency=currency,
        prices_include_tax=terms.includes_vat,
        totals=totals,
        description=text.top or None,
        notes=text.bottom or None,
        provider_status=standing.state,
    )
    item.is_overdue = status == "unpaid" and due_on is not None and due_on < today and exact(totals.open or NIL) > 0
    if mapped is not None and sum is not None:
        item.lines, item.tax_breakdown = mapped.lines, breakdown_of(sum, mapped.codes)
    elif with_lines:
        item.lines = lines_without_amounts(row.lines, codes, terms)
    return Record(item, sheet.raw, _mapped(row), standing.state)


def contact_of(row: InvoiceRow) -> InvoicedContact | None:
    """Whom an invoice is for; null on a draft."""
    receiver = row.receiver
    id, name = reference_of(receiver), receiver.companyname or None if isinstance(receiver, Party) else None
    return None if id is None and name is None else InvoicedContact(id=id, name=name)


def _sum_of(row: InvoiceRow, mapped: MappedLines | None, codes: Codes, ways: Ways) -> SumTexts | None:
    """The sum that counts, where anything depends on it."""
    if mapped is None and row.calculated is not None:
        return None
    reckoning = row.reckoned(codes) if mapped is None else mapped.reckoning
    sum = settled_sum(row, reckoning, ways)
    return None if sum is None else sum_texts(sum, row.credit)


def _totals(row: InvoiceRow, sum: SumTexts | None, status: InvoicePaymentStatus) -> Totals:
    if sum is not None:
        booked = sum.total
    elif row.calculated is not None:
        booked = amount_texts(row.calculated.amounts, credit=row.credit)
    else:
        return Totals()
    paid, still_open = _balance(row, booked.gross, status)
    return Totals(net=booked.net, tax=booked.tax, gross=booked.gross, paid=paid, open=still_open)


def _balance(
    row: InvoiceRow, gross: AmountText, status: InvoicePaymentStatus
) -> tuple[AmountText | None, AmountText | None]:
    """Paid and open. An invoice is paid whole or not at all; what was paid of a credited one is not said in lists.

    Of a draft nothing is paid: there is nothing yet that could be (documentation, "Draft invoices").
    """
    if row.draft:
        return NIL, gross
    if row.status != FINAL or status == "unknown":
        return None, None
    if status == "unpaid":
        return NIL, gross
    if status == "credited":
        return None, NIL
    return (gross if status == "paid" else NIL), NIL


_MAPPED = frozenset({"id", "number", "status", "discount", "includesVat", "lines", "receiver", "calculated"})
_MAPPED_BUT: Mapping[tuple[bool, bool], frozenset[str]] = {
    (typed, footed): _MAPPED | (set() if typed else {"type"}) | (set() if footed else {"text"})
    for typed in (True, False)
    for footed in (True, False)
}


def _mapped(row: InvoiceRow) -> frozenset[str]:
    """All but what our model lacks: an automatic collection, a footer, the language and the sender."""
    footed = row.text is not None and bool(row.text.footer)
    return _MAPPED_BUT[row.type == "I", footed]


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


def existing_body(sheet: Sheet) -> dict[str, Any]:
    """A draft as it was read, whole but for its parties, which it hides: a PUT replaces everything."""
    row = sheet.row
    text = row.text or NO_TEXTS
    return {
        "discount": json_number(row.discount or ZERO),
        "includesVat": flag_of(row.includesVat),
        "lines": line_bodies([line.charge for line in row.lines], credit=False),
        "meta": {name: value for name, value in members_of(sheet.raw)["meta"].items() if value is not None},
        "status": 0,
        "text": {"top": text.top or "", "bottom": text.bottom or "", "footer": text.footer or ""},
        "type": row.type or "",
    }


def merged(body: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What to write: ``body`` with what a change says put in, all but its lines."""
    meta, text = dict(body["meta"]), dict(body["text"])
    for ours, theirs in {"issued_on": "sendDate", "due_on": "dueDate"}.items():
        if given.get(ours) is not None:
            meta[theirs] = given[ours].isoformat()
    if given.get("currency") is not None:
        meta["currency"] = given["currency"]
    for ours, theirs in {"description": "top", "notes": "bottom"}.items():
        if ours in given:
            text[theirs] = given[ours] or ""
    result = {**body, "meta": meta, "text": text}
    if given.get("prices_include_tax") is not None:
        result["includesVat"] = given["prices_include_tax"]
    return result


def body_reckoned(body: Mapping[str, Any], codes: Codes) -> Reckoning:
    """What an invoice that is to be written comes to."""
    terms = Terms(Decimal(body["discount"]), body["includesVat"], body["type"] == "C")
    return reckoned(line_rows(body["lines"]), codes, terms)
