"""Sales invoices (dossier §3.1, §4): a credit note is an invoice with negative amounts, which we say above zero."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Self

from adapters.rompslomp.mapping.abroad import Sale, codes_on, sale_of
from adapters.rompslomp.mapping.references import credited_by, is_own
from adapters.rompslomp.mapping.values import Wire, currency_of, day_of, id_of, percentage_of
from gateway.contract.adapter import Record
from gateway.contract.models import Invoice, InvoicedContact, Line, TaxBreakdown, Totals, VatCode
from gateway.contract.models.base import like
from gateway.contract.models.invoices import DocumentStatus, InvoicePaymentStatus
from gateway.contract.money import (
    CENT,
    ZERO,
    Amounts,
    AmountText,
    NumberText,
    amount_from,
    amount_text,
    cents_from,
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

STATES: Mapping[str, DocumentStatus] = {"concept": "draft", "published": "final", "imported": "final"}
_NOTHING = amount_text(ZERO)


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
            quantity=_opposite(self.quantity) if by_quantity else self.quantity,
            price_per_unit=self.price_per_unit if by_quantity else _opposite(self.price_per_unit),
            price_with_vat=_opposite(self.price_with_vat),
            price_without_vat=_opposite(self.price_without_vat),
            vat_amount=_opposite(self.vat_amount),
        )


def _opposite(figure: Figure) -> Figure:
    return figure[1:] if figure.startswith("-") else f"-{figure}"


class CachedContactRow(Wire, frozen=True, kw_only=True):
    """The customer as the invoice has it printed."""

    name: str | None = None
    country_code: str | None = None


class InvoiceSummary(Wire, frozen=True, kw_only=True):
    """What says of an invoice whether credit notes must be looked for."""

    date: str
    status: str
    price_with_vat: Figure

    @property
    def may_be_credited(self) -> bool:
        """Whether it is a booked invoice and no credit note."""
        return STATES.get(self.status) == "final" and exact(self.price_with_vat) > 0


class InvoiceHead(InvoiceSummary, frozen=True, kw_only=True):
    """An invoice without its lines; keys that do not apply are absent."""

    id: PositiveId
    due_date: str | None = None
    description: str | None = None
    price_without_vat: Figure
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
    def sign(self) -> int:
        """What the amounts are multiplied by to be ours."""
        return -1 if exact(self.price_with_vat) < 0 else 1

    @property
    def above_zero(self) -> Self:
        """With the amounts of a credit note turned, as ours are."""
        if self.sign > 0:
            return self
        return like(
            self,
            price_without_vat=_opposite(self.price_without_vat),
            price_with_vat=_opposite(self.price_with_vat),
            vat_amount=_opposite(self.vat_amount),
            open_amount=None if self.open_amount is None else _opposite(self.open_amount),
        )

    @property
    def may_be_set_off(self) -> bool:
        """Whether it is a booked credit note of one invoice, and not paid back: that invoice's debt is less for it."""
        booked = self.sign < 0 and STATES.get(self.status) == "final"
        return booked and (self.open or ZERO) > 0 and credited_by(self.api_reference) is not None

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
        """What is still to be paid, as ours: in cents, though nobody knows that Rompslomp rounds (dossier §6)."""
        open_amount = self.above_zero.open_amount
        return None if open_amount is None else exact(cents_from(open_amount))

    @property
    def totals(self) -> Amounts:
        """Net, VAT and gross as Rompslomp makes them, never below zero on a credit note."""
        turned = self.above_zero
        net, tax, gross = _in_cents(turned)
        return Amounts(exact(net), exact(tax), exact(gross))


class InvoiceRow(InvoiceHead, frozen=True, kw_only=True):
    """An invoice with its lines."""

    invoice_lines: list[LineRow]

    @property
    def above_zero(self) -> Self:
        """With the amounts of a credit note turned, those of its lines too."""
        if self.sign > 0:
            return self
        return like(super().above_zero, invoice_lines=[line.turned for line in self.invoice_lines])


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
    id, contact_id, reference = str(row.id), id_of(row.contact_id), row.api_reference
    turned = row.above_zero
    is_credit_note = turned is not row
    net, tax, gross = _in_cents(turned)
    status = STATES.get(row.status, "unknown")
    open_amount = None if turned.open_amount is None else cents_from(turned.open_amount)
    standing = _standing(row, status, gross, open_amount, credited=id in credited, owed=owed)
    currency = row.currency or "eur"
    foreign, rate = currency.lower() != "eur", row.currency_exchange_rate
    due_on = None if row.due_date is None else day_of(row.due_date)
    lines, groups = _charged(turned, net, tax, codes) if isinstance(turned, InvoiceRow) else (None, None)
    invoice = Invoice(
        id=id,
        document_type="credit_note" if is_credit_note else "invoice",
        document_status=status,
        payment_status=standing.payment_status,
        number=row.invoice_number or None,
        reference=row.payment_reference or None,
        credits_invoice_id=None if reference is None else credited_by(reference),
        contact_id=contact_id,
        contact=InvoicedContact(id=contact_id, name=row.cached_contact.name or None if row.cached_contact else None),
        issued_on=day_of(row.date),
        due_on=due_on,
        currency="EUR",
        document_currency=currency_of(currency) if foreign else None,
        exchange_rate=number_from(rate) if foreign and rate is not None else None,
        prices_include_tax=False,
        lines=lines,
        totals=Totals(net=net, tax=tax, gross=gross, paid=standing.paid, open=standing.open),
        tax_breakdown=groups,
        description=row.description or None,
        is_overdue=_is_overdue(status, due_on, standing.open, today) and not is_credit_note,
        provider_status=row.status,
        layout_id=id_of(row.template_id),
    )
    return Record(invoice, raw, _MAPPED if is_own(reference) else _MAPPED_BUT_MARK, row.status)


def _charged(
    turned: InvoiceRow, net: AmountText, tax: AmountText, codes: Mapping[str, VatCode]
) -> tuple[list[Line], list[TaxBreakdown] | None]:
    """The lines of an invoice, or turned to be so, and its VAT groups."""
    here = codes_on(turned.sale, codes)
    lines = [_line_of(line, here) for line in turned.invoice_lines]
    return lines, _tax_breakdown(turned.invoice_lines, lines, net, tax, codes)


class _Standing(NamedTuple):
    """How a document stands, and what is paid and open of it."""

    payment_status: InvoicePaymentStatus
    paid: AmountText | None
    open: AmountText | None


def _standing(
    row: InvoiceHead,
    status: DocumentStatus,
    gross: AmountText,
    open_amount: AmountText | None,
    *,
    credited: bool,
    owed: Decimal,
) -> _Standing:
    """As Rompslomp has it, save that it sets an invoice and its credit note not off against each other."""
    paid = None if open_amount is None else _paid(gross, open_amount)
    if credited and row.may_be_credited:
        return _Standing("credited", paid, _NOTHING)
    still_open = None if open_amount is None else exact(open_amount)
    if owed and still_open is not None and row.may_be_set_off:
        left = max(ZERO, still_open - owed)
        return _Standing("partially_paid" if left else "paid", paid, amount_text(left))
    return _Standing(_payment_status(row, status, exact(gross), still_open), paid, open_amount)


def _payment_status(
    row: InvoiceHead, status: DocumentStatus, gross: Decimal, open_amount: Decimal | None
) -> InvoicePaymentStatus:
    """There is no part payment here: it is ``unpaid`` with less open than the gross (dossier §0, "payment status")."""
    if status == "draft":
        return "not_applicable"
    if row.payment_status == "paid":
        return "paid"
    if row.payment_status == "overpaid":
        return "overpaid"
    if row.payment_status != "unpaid":
        return "unknown"
    if open_amount == 0 and exact(row.open_amount or "0"):
        return "paid"  # but for parts of a cent
    return "partially_paid" if open_amount is not None and ZERO < open_amount < gross else "unpaid"


def _paid(gross: AmountText, open_amount: AmountText) -> AmountText:
    """What was paid of an invoice: mostly nothing yet."""
    return _NOTHING if open_amount == gross else amount_text(exact(gross) - exact(open_amount))


def _is_overdue(status: DocumentStatus, due_on: date | None, still_open: AmountText | None, today: date) -> bool | None:
    if status != "final" or due_on is None or still_open is None:
        return None
    return due_on < today and exact(still_open) > 0


def _line_of(line: LineRow, codes: Mapping[str, VatCode]) -> Line:
    """A line as ours, of an invoice or turned to be so. ``codes`` holds that of each VAT type on this invoice."""
    type_id = id_of(line.vat_type_id)
    code = None if type_id is None else codes.get(type_id)
    net, tax, gross = _in_cents(line)
    return Line(
        id=str(line.id),
        type="item",
        description=line.description or "" if not line.extended_description else _described(line),
        product_id=id_of(line.product_id),
        quantity=number_from(line.quantity),
        unit_price=amount_from(line.price_per_unit),
        vat_code_id=type_id if code is None else code.id,
        vat_treatment=None if code is None else code.treatment,
        vat_rate=percentage_of("0" if line.vat_rate is None else line.vat_rate),
        vat_country=None if code is None else code.country,
        ledger_account_id=id_of(line.account_id),
        net=net,
        tax=tax,
        gross=gross,
    )


def _in_cents(row: InvoiceHead | LineRow) -> tuple[AmountText, AmountText, AmountText]:
    """Net, VAT and gross as ours. Should they come unrounded (dossier §6), VAT is what makes the net the gross."""
    net, tax, gross = cents_from(row.price_without_vat), cents_from(row.vat_amount), cents_from(row.price_with_vat)
    if len(row.vat_amount.rpartition(".")[2]) > len("00"):
        tax = amount_text(exact(gross) - exact(net))
    return net, tax, gross


def _described(line: LineRow) -> str:
    """The description of a line that has a second one."""
    return "\n".join(text for text in (line.description, line.extended_description) if text)


def _tax_breakdown(
    rows: Sequence[LineRow], lines: Sequence[Line], net: AmountText, tax: AmountText, codes: Mapping[str, VatCode]
) -> list[TaxBreakdown] | None:
    """The VAT groups that make up the totals, whichever way Rompslomp rounds; null where they are nowhere near them."""
    keys = {(line.vat_code_id, line.vat_rate) for line in lines}
    if len(keys) == 1:  # as on most invoices: it is the totals
        return [_group_of(key, net, tax, codes) for key in keys]
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
