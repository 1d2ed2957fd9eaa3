"""Sales invoices (dossier §3.1, §4): a credit note is an invoice with negative amounts, which we say above zero."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

from adapters.rompslomp.mapping.abroad import Sale, codes_on, sale_of
from adapters.rompslomp.mapping.figures import (
    NOTHING,
    SAID,
    STATES,
    Standing,
    Tally,
    charge_of,
    is_above_zero,
    opposite,
    tally_of,
)
from adapters.rompslomp.mapping.references import credited_by, is_own
from adapters.rompslomp.mapping.values import Wire, currency_of, day_of, id_of
from gateway.contract.adapter import Record
from gateway.contract.models import Invoice, InvoicedContact, Line, TaxBreakdown, Totals, VatCode
from gateway.contract.models.base import like
from gateway.contract.money import (
    CENT,
    ZERO,
    Amounts,
    AmountText,
    NumberText,
    amount_text,
    exact,
    number_from,
    round_to_cents,
)
from gateway.contract.wire import Figure, PositiveId, RawRecord

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


class LineRow(Wire, frozen=True, kw_only=True):
    """A line of an invoice; ``price_per_unit`` is without VAT, ``vat_rate`` a fraction."""

    id: PositiveId
    description: str | None = None
    extended_description: str | None = None
    price_per_unit: Figure
    price_with_vat: Figure
    price_without_vat: Figure
    vat_amount: Figure
    vat_rate: Figure | None = None
    vat_type_id: PositiveId | None = None
    quantity: Figure
    product_id: PositiveId | None = None
    account_id: PositiveId | None = None

    def __post_init__(self) -> None:
        if self.vat_rate is None and exact(self.vat_amount) != 0:
            raise ValueError("there is VAT, and no rate")

    @property
    def turned(self) -> "LineRow":
        """The line of a credit note as an invoice has it: whichever of price and quantity is below zero is turned."""
        by_quantity = exact(self.quantity) < 0
        return like(
            self,
            quantity=opposite(self.quantity) if by_quantity else self.quantity,
            price_per_unit=self.price_per_unit if by_quantity else opposite(self.price_per_unit),
            price_with_vat=opposite(self.price_with_vat),
            price_without_vat=opposite(self.price_without_vat),
            vat_amount=opposite(self.vat_amount),
        )


class CachedContactRow(Wire, frozen=True, kw_only=True):
    """The customer as the invoice has it printed."""

    name: str | None = None
    country_code: str | None = None


class InvoiceHead(Wire, frozen=True, kw_only=True):
    """An invoice without its lines; keys that do not apply are absent."""

    id: PositiveId
    date: str
    due_date: str | None = None
    description: str | None = None
    status: str
    price_without_vat: Figure
    price_with_vat: Figure
    vat_amount: Figure
    contact_id: PositiveId | None = None
    invoice_number: str | None = None
    payment_status: str | None = None
    open_amount: Figure | None = None
    currency: str | None = None
    currency_exchange_rate: Figure | None = None
    template_id: PositiveId | None = None
    vat_number: str | None = None
    api_reference: str | None = None
    payment_reference: str | None = None
    sale_type: str | None = None
    cached_contact: CachedContactRow | None = None

    @property
    def may_be_credited(self) -> bool:
        """Whether it is a booked invoice and no credit note."""
        return STATES.get(self.status) == "final" and is_above_zero(self.price_with_vat)

    @property
    def tally(self) -> Tally:
        """What it comes to, and how it stands."""
        return tally_of(
            STATES.get(self.status, "unknown"),
            SAID.get(self.payment_status, "unknown"),
            self.price_without_vat,
            self.vat_amount,
            self.price_with_vat,
            self.open_amount,
        )

    @property
    def sign(self) -> int:
        """What the amounts are multiplied by to be ours."""
        return -1 if self.tally.is_credit_note else 1

    @property
    def may_be_set_off(self) -> bool:
        """Whether it is a booked credit note of one invoice, and not paid back: that invoice's debt is less for it."""
        if credited_by(self.api_reference) is None:
            return False
        tally = self.tally
        return tally.document_status == "final" and tally.is_credit_note and tally.standing.is_owed

    @property
    def sale(self) -> Sale | None:
        """What its lines without VAT may be, because its customer is in another country."""
        customer = self.cached_contact
        return None if customer is None else sale_of(customer.country_code, self.sale_type)

    @property
    def is_draft(self) -> bool:
        """Whether it can still be changed."""
        return self.status == "concept"

    @property
    def open(self) -> Decimal | None:
        """What is still to be paid, as ours."""
        return self.tally.open

    @property
    def totals(self) -> Amounts:
        """Net, VAT and gross as Rompslomp makes them, never below zero on a credit note."""
        return self.tally.amounts


class InvoiceRow(InvoiceHead, frozen=True, kw_only=True):
    """An invoice with its lines."""

    invoice_lines: list[LineRow]


_MAPPED = frozenset(InvoiceRow.__struct_fields__) - {"vat_number", "sale_type"}
_MAPPED_BUT_MARK = _MAPPED - {"api_reference"}


def invoice_of(
    row: InvoiceHead,
    raw: RawRecord,
    codes: Mapping[str, VatCode],
    today: date,
    credited: frozenset[str] = frozenset(),
    owed: Decimal = ZERO,
) -> Record[Invoice]:
    """An invoice or credit note as ours, with lines where the row has them.

    ``credited`` holds the invoices that are known to be credited in full. ``owed`` is what Rompslomp still calls open
    of the invoice that a credit note credits.
    """
    id, contact_id, customer = str(row.id), id_of(row.contact_id), row.cached_contact
    document_status, is_credit_note, (net, tax, gross), standing = row.tally
    if owed or id in credited:
        standing = _beside_notes(row, standing, credited=id in credited, owed=owed)
    # No more than 15 fields at once: of more, Python makes a dictionary first, which takes longer than all the rest.
    invoice = Invoice(
        id=id,
        document_type="credit_note" if is_credit_note else "invoice",
        document_status=document_status,
        payment_status=standing.payment_status,
        number=row.invoice_number or None,
        reference=row.payment_reference or None,
        contact_id=contact_id,
        contact=InvoicedContact(id=contact_id, name=None if customer is None else customer.name or None),
        issued_on=day_of(row.date),
        currency="EUR",
        prices_include_tax=False,
        totals=Totals(net=net, tax=tax, gross=gross, paid=standing.paid, open=standing.open),
        description=row.description or None,
        provider_status=row.status,
        layout_id=id_of(row.template_id),
    )
    if row.due_date is not None:
        invoice.due_on = day_of(row.due_date)
    if is_credit_note:
        invoice.credits_invoice_id = credited_by(row.api_reference)
    if document_status == "final":
        invoice.is_overdue = _is_overdue(invoice, standing, today)
    if row.currency and row.currency.lower() != "eur":
        invoice.document_currency = currency_of(row.currency)
        invoice.exchange_rate = None if row.currency_exchange_rate is None else number_from(row.currency_exchange_rate)
    if isinstance(row, InvoiceRow):
        rows = [line.turned for line in row.invoice_lines] if is_credit_note else row.invoice_lines
        here = codes_on(row.sale, codes)
        invoice.lines = [_line_of(line, here) for line in rows]
        invoice.tax_breakdown = _tax_breakdown(rows, invoice.lines, net, tax, codes)
    return Record(invoice, raw, _MAPPED if is_own(row.api_reference) else _MAPPED_BUT_MARK, row.status)


def _beside_notes(row: InvoiceHead, alone: Standing, *, credited: bool, owed: Decimal) -> Standing:
    """How it stands with its credit note or its invoice: Rompslomp does not set the two off against each other."""
    if credited and row.may_be_credited:
        return Standing("credited", alone.paid, NOTHING, is_owed=False)
    if owed and row.may_be_set_off:
        left = max(ZERO, exact(alone.open or NOTHING) - owed)
        return Standing("partially_paid" if left else "paid", alone.paid, amount_text(left), bool(left))
    return alone


def _is_overdue(invoice: Invoice, standing: Standing, today: date) -> bool | None:
    """Whether somebody should have paid it by now; null where nothing says when, or what is open of it."""
    if invoice.due_on is None or standing.open is None:
        return None
    return invoice.due_on < today and standing.is_owed and invoice.document_type == "invoice"


def _line_of(line: LineRow, codes: Mapping[str, VatCode]) -> Line:
    """A line as ours, of an invoice or turned to be so. ``codes`` holds that of each VAT type on this invoice."""
    product_id, quantity, unit_price, type_id, vat_rate, account_id, (net, tax, gross) = charge_of(
        line.product_id,
        line.quantity,
        line.price_per_unit,
        line.vat_type_id,
        line.vat_rate,
        line.account_id,
        line.price_without_vat,
        line.vat_amount,
        line.price_with_vat,
    )
    code = None if type_id is None else codes.get(type_id)
    return Line(
        id=str(line.id),
        type="item",
        description=line.description or "" if not line.extended_description else _described(line),
        product_id=product_id,
        quantity=quantity,
        unit_price=unit_price,
        vat_code_id=type_id if code is None else code.id,
        vat_treatment=None if code is None else code.treatment,
        vat_rate=vat_rate,
        vat_country=None if code is None else code.country,
        ledger_account_id=account_id,
        net=net,
        tax=tax,
        gross=gross,
    )


def _described(line: LineRow) -> str:
    """The description of a line that has a second one."""
    return "\n".join(text for text in (line.description, line.extended_description) if text)


def _tax_breakdown(
    rows: Sequence[LineRow], lines: Sequence[Line], net: AmountText, tax: AmountText, codes: Mapping[str, VatCode]
) -> list[TaxBreakdown] | None:
    """The VAT groups that make up the totals, whichever way Rompslomp rounds; null where they are nowhere near them."""
    key = _only_key_of(lines)
    if key is not None:  # as on most invoices: it is the totals
        return [_group_of(key, net, tax, codes)]
    whole = exact(net), exact(tax)
    groups = next((groups for groups in _roundings(rows, lines) if _comes_to(groups, *whole)), None)
    groups = groups or _brought_to(_unrounded(rows, lines), *whole)
    if groups is None:
        return None
    return [_group_of(key, amount_text(base), amount_text(part), codes) for key, (base, part) in groups.items()]


_Key = tuple[str | None, NumberText | None]
"""What lines are taxed together by: their VAT code and its rate, as a percentage."""
_Groups = dict[_Key, tuple[Decimal, Decimal]]
"""Net and VAT of each."""


def _only_key_of(lines: Sequence[Line]) -> _Key | None:
    """What all lines are taxed by; null where they differ, or there are none."""
    if not lines:
        return None
    code_id, rate = lines[0].vat_code_id, lines[0].vat_rate
    for line in lines:
        if line.vat_rate != rate or line.vat_code_id != code_id:
            return None
    return code_id, rate


def _roundings(rows: Sequence[LineRow], lines: Sequence[Line]) -> Iterator[_Groups]:
    """VAT rounded for each line, or once for each rate: of what its lines charge, or show."""
    yield _sums_of_lines(lines)
    yield _taxed_together(lines, [exact(row.price_per_unit) * exact(row.quantity) for row in rows])
    yield _taxed_together(lines, [exact(line.net or "0") for line in lines])


def _comes_to(groups: _Groups, net: Decimal, tax: Decimal) -> bool:
    for base, part in groups.values():
        net, tax = net - base, tax - part
    return not net and not tax


def _sums_of_lines(lines: Sequence[Line]) -> _Groups:
    groups: _Groups = {}
    for line in lines:
        key, net, tax = (line.vat_code_id, line.vat_rate), exact(line.net or "0"), exact(line.tax or "0")
        before = groups.get(key)
        groups[key] = (net, tax) if before is None else (before[0] + net, before[1] + tax)
    return groups


def _unrounded(rows: Sequence[LineRow], lines: Sequence[Line]) -> _Groups:
    groups: _Groups = {}
    for row, line in zip(rows, lines, strict=True):
        key, net, tax = (line.vat_code_id, line.vat_rate), exact(row.price_without_vat), exact(row.vat_amount)
        before = groups.get(key, (ZERO, ZERO))
        groups[key] = before[0] + net, before[1] + tax
    return groups


def _brought_to(unrounded: _Groups, net: Decimal, tax: Decimal) -> _Groups | None:
    """Each rounded, and what cents are left over put on that with the most VAT; null where it is more than cents."""
    groups = {key: (round_to_cents(base), round_to_cents(part)) for key, (base, part) in unrounded.items()}
    most = max(groups, key=lambda key: abs(groups[key][1]))
    net_left = net - sum((base for base, _ in groups.values()), ZERO)
    tax_left = tax - sum((part for _, part in groups.values()), ZERO)
    if max(abs(net_left), abs(tax_left)) > CENT * len(groups):
        return None
    groups[most] = groups[most][0] + net_left, groups[most][1] + tax_left
    return groups


def _taxed_together(lines: Sequence[Line], amounts: Sequence[Decimal]) -> _Groups:
    """Rounded once for each rate; VAT codes of one rate share its sum, the last of them taking the cents left over."""
    charges: dict[_Key, Decimal] = {}
    for line, amount in zip(lines, amounts, strict=True):
        key = (line.vat_code_id, line.vat_rate)
        charges[key] = charges.get(key, ZERO) + amount
    groups: _Groups = {}
    for rate in dict.fromkeys(rate for _, rate in charges):
        keys = [key for key in charges if key[1] == rate]
        percentage = exact(rate or "0")
        net_left = round_to_cents(sum((charges[key] for key in keys), ZERO))
        tax_left = round_to_cents(net_left * percentage / 100)
        for key in keys[:-1]:
            net = round_to_cents(charges[key])
            tax = round_to_cents(net * percentage / 100)
            groups[key] = net, tax
            net_left, tax_left = net_left - net, tax_left - tax
        groups[keys[-1]] = net_left, tax_left
    return groups


def _group_of(key: _Key, base: AmountText, tax: AmountText, codes: Mapping[str, VatCode]) -> TaxBreakdown:
    code_id, rate = key
    code = codes.get(code_id or "")
    return TaxBreakdown(
        vat_code_id=code_id,
        rate=rate or NumberText("0"),
        category=None if code is None else code.category,
        base=base,
        tax=tax,
    )


def credited_among(notes: Iterable[RawRecord]) -> frozenset[str]:
    """The invoices that some booked credit notes credit."""
    rows = map(InvoiceHead.of, notes)
    return frozenset(id for row in rows if not row.is_draft and (id := credited_by(row.api_reference)) is not None)
