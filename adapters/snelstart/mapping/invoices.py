"""Sales entries and the invoices they show up as: one invoice of ours, by the id of the entry.

An entry (verkoopboeking) has lines and VAT; its invoice (verkoopfactuur) what is due when and what is open, and only
the invoices can be listed (dossier 2.1, 2.4). Every entry is booked: there are no drafts. A credit note is an entry
below zero; our amounts are positive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Self

from adapters.snelstart.mapping.booked_lines import line_of
from adapters.snelstart.mapping.lines import Booked, BtwRegel, Regel, Setup
from adapters.snelstart.mapping.values import (
    NOTHING,
    Identified,
    Number,
    Reference,
    day_of,
    day_or_none,
    moment_or_none,
    reference_of,
    text_or_none,
)
from adapters.snelstart.mapping.vat import REVERSED, ROWS, Way, is_documented
from gateway.contract.adapter import Record
from gateway.contract.errors import malformed
from gateway.contract.models import Invoice, InvoicedContact, Line, TaxBreakdown, Totals
from gateway.contract.models.base import like
from gateway.contract.models.invoices import InvoicePaymentStatus
from gateway.contract.money import ZERO, AmountText, amount_text, number_text, round_to_cents
from gateway.contract.wire import RawRecord, json_number, members_of

HOLDS = frozenset(
    {
        *("document_type", "number", "contact_id", "issued_on", "due_on", "prices_include_tax", "description"),
        *(f"lines.{name}" for name in ("description", "product_id", "quantity", "unit", "unit_price")),
        *(f"lines.{name}" for name in ("discount_percent", "vat_code_id", "vat_treatment", "vat_rate", "vat_country")),
        "lines.ledger_account_id",
    }
)
CREDIT_TEXT = "Creditfactuur bij "
"""How the text of a credit note that Polder makes begins; the number of the invoice follows."""
JOINED = "verkoopfactuur"
"""Where the invoice stands in an entry that was joined to it."""
MAPPED = frozenset(
    {
        *("id", "verkoopBoeking", "modifiedOn", "openstaandSaldo", "factuurnummer", "vervalDatum", "relatie"),
        *("factuurDatum", "factuurBedrag", "factuurdatum", "factuurbedrag", "klant", "omschrijving"),
        *("betalingstermijn", "boekingsregels", "btw", JOINED),
    }
)


class Boeking(Identified, frozen=True, kw_only=True):
    """A sales entry."""

    factuurnummer: str
    factuurdatum: str
    klant: Reference
    omschrijving: str | None = None
    factuurbedrag: Number
    boekingsregels: list[Regel]
    btw: list[BtwRegel] | None = None

    @property
    def issued_on(self) -> date:
        """The day on it."""
        return day_of(self.factuurdatum)

    @property
    def customer(self) -> str | None:
        """The id of the relation it is for."""
        return reference_of(self.klant)

    @property
    def mirrored(self) -> Self:
        """The same with the opposite amounts."""
        lines = [like(line, bedrag=line.bedrag.opposite) for line in self.boekingsregels]
        taxes = [like(row, btwBedrag=(row.btwBedrag or NOTHING).opposite) for row in self.btw or ()]
        return like(self, factuurbedrag=self.factuurbedrag.opposite, boekingsregels=lines, btw=taxes)


class Factuur(Identified, frozen=True, kw_only=True):
    """A sales invoice. Its names differ from the entry's in their capitals (dossier 3.4)."""

    verkoopBoeking: Reference
    factuurnummer: str
    factuurDatum: str
    vervalDatum: str | None = None
    relatie: Reference
    factuurBedrag: Number
    openstaandSaldo: Number | None
    modifiedOn: str | None = None

    @property
    def entry(self) -> str | None:
        """The id of its sales entry."""
        return reference_of(self.verkoopBoeking)

    @property
    def invoice_id(self) -> str:
        """Its id with us, which is that of its entry: its own opens nothing. Raises ``upstream_malformed``."""
        if self.entry is None:
            raise malformed("SnelStart's invoice does not say of which sales entry it is.")
        return self.entry

    @property
    def customer(self) -> str | None:
        """The id of the relation it is for."""
        return reference_of(self.relatie)

    @property
    def issued_on(self) -> date:
        """The day on it."""
        return day_of(self.factuurDatum)

    @property
    def is_credit(self) -> bool:
        """Whether it is a credit note, whose amounts are the opposite of ours."""
        return self.factuurBedrag.value < ZERO

    @property
    def open(self) -> Number:
        """What is not paid yet, in its own sign. Raises ``upstream_malformed`` where it is not told."""
        if self.openstaandSaldo is None:
            raise malformed("SnelStart does not say what is open of an invoice.")
        return self.openstaandSaldo

    @property
    def is_settled(self) -> bool:
        """Whether nothing is open: paid, or credited."""
        return self.openstaandSaldo is not None and self.openstaandSaldo.value <= ZERO


@dataclass(frozen=True, slots=True)
class Reading:
    """What an entry is read with: the administration, and the customer's country where a rate depends on it."""

    setup: Setup
    country: str | None = None

    def taxed(self, booked: Booked, on: date) -> Booked:
        """Where a line is booked: on an account for foreign VAT, taxed as the customer's country has it on a day."""
        if booked.ledger is None or booked.ledger not in self.setup.abroad:
            return booked
        rate_code = self.setup.ledgers[booked.ledger].rate_code
        return self.setup.at(booked.ledger, self.setup.ways.foreign(self.country, rate_code, on))


def joined(boeking: Mapping[str, Any], factuur: RawRecord) -> dict[str, Any]:
    """An entry with the invoice it shows up as."""
    return {**boeking, JOINED: members_of(factuur)}


class Joined(Record[Invoice], frozen=True, kw_only=True):
    """An invoice beside its entry (``raw``) and what it shows up as, not joined yet: most callers never ask for it."""

    factuur: RawRecord

    @property
    def raw_members(self) -> Mapping[str, Any]:
        """The entry with the invoice that it shows up as."""
        return joined(members_of(self.raw), self.factuur)


def invoice_of(row: Factuur, raw: RawRecord, today: date, *, credited: bool = False) -> Record[Invoice]:
    """A sales invoice as it is listed."""
    return Record(_invoice(row, today, credited=credited), raw, MAPPED)


def whole_invoice_of(
    row: Factuur,
    factuur: RawRecord,
    entry: Boeking,
    boeking: RawRecord,
    today: date,
    reading: Reading,
    *,
    credited: bool = False,
) -> Record[Invoice]:
    """A sales invoice with what only its entry says."""
    invoice = _invoice(row, today, credited=credited)
    _fill(invoice, entry.mirrored if invoice.document_type == "credit_note" else entry, reading)
    return Joined(invoice, boeking, MAPPED, factuur=factuur)


def _invoice(row: Factuur, today: date, *, credited: bool) -> Invoice:
    gross, open_, is_credit = row.factuurBedrag, row.openstaandSaldo, row.is_credit
    if is_credit:
        gross, open_ = gross.opposite, None if open_ is None else open_.opposite
    customer = reference_of(row.relatie)
    due_on = day_or_none(row.vervalDatum)
    return Invoice(
        id=row.invoice_id,
        document_type="credit_note" if is_credit else "invoice",
        document_status="final",
        payment_status=_status(gross, open_, credited),
        number=row.factuurnummer,
        contact_id=customer,
        contact=InvoicedContact(id=customer, name=None),
        issued_on=day_of(row.factuurDatum),
        due_on=due_on,
        currency="EUR",
        prices_include_tax=False,
        totals=_totals(gross, open_),
        is_overdue=_is_overdue(due_on, today, open_) and not is_credit,
        updated_at=moment_or_none(row.modifiedOn),
    )


# What is open need not be told (``openstaandSaldo`` may be null): nothing is made of that.


def _totals(gross: Number, open_: Number | None) -> Totals:
    if open_ is None:
        return Totals(gross=gross.text)
    paid = NOTHING.text if gross is open_ else amount_text(gross.value - open_.value)
    return Totals(gross=gross.text, paid=paid, open=open_.text)


def _is_overdue(due_on: date | None, today: date, open_: Number | None) -> bool | None:
    if due_on is None or due_on >= today:
        return False
    return None if open_ is None else open_.value > ZERO


def _status(gross: Number, open_: Number | None, credited: bool) -> InvoicePaymentStatus:
    if open_ is None:
        return "unknown"
    if open_.value > ZERO:
        return "unpaid" if open_.value >= gross.value else "partially_paid"
    if credited:
        return "credited"
    return "overpaid" if open_.value < ZERO else "paid"


def _fill(invoice: Invoice, entry: Boeking, reading: Reading) -> None:
    """Lines, VAT and the other things that only the entry says."""
    invoice.description = text_or_none(entry.omschrijving)
    if not entry.boekingsregels:
        return  # none can be made without (BOE-0023), so what it charges is not told
    taxes = _taxes(entry.btw or ())
    # The customer owes the VAT where a row says so; a row of a kind that nobody documents leaves it open.
    reversed_charge = REVERSED in taxes if taxes.keys() <= ROWS else None
    bases, abroad = _charge(invoice, entry, reading, reversed_charge)
    shares = _shares(bases, taxes, abroad)
    net = sum(bases.values(), ZERO)
    tax = entry.factuurbedrag.value - net
    net_text, tax_text = amount_text(net), amount_text(tax)
    invoice.totals.net, invoice.totals.tax = net_text, tax_text
    if sum(shares.values(), ZERO) != tax or reversed_charge is None or not _is_documented(entry, bases, reading.setup):
        # There is VAT of a kind that no line is known to be of: to tell the rest alone would be another amount of VAT.
        for line in invoice.lines or ():
            if line.vat_code_id is None:
                line.tax = line.gross = None
    elif len(bases) == 1:
        invoice.tax_breakdown = [_group(way, net_text, tax_text) for way in bases]
    else:
        invoice.tax_breakdown = [
            _group(way, amount_text(base), amount_text(shares[way])) for way, base in bases.items()
        ]


def _charge(
    invoice: Invoice, entry: Boeking, reading: Reading, reversed_charge: bool | None, *, with_tax: bool = True
) -> tuple[Mapping[Way | None, Decimal], Decimal]:
    """Make the lines: what is taxed in each way, and foreign VAT, which is a line there and none of ours.

    ``with_tax``: texts that say prices with VAT are believed.
    """
    on, setup = day_of(entry.factuurdatum), reading.setup
    any_foreign = is_foreign(entry, setup)
    lines: list[Line] = []
    bases: dict[Way | None, Decimal] = {}
    included, abroad = 0, ZERO
    for line in entry.boekingsregels:
        net = line.bedrag
        booked = setup.booked(line.grootboek, line.btwSoort, reversed_charge, on)
        if any_foreign:
            if booked.ledger is not None and booked.ledger == setup.foreign_ledger:
                abroad += net.value
                continue
            booked = reading.taxed(booked, on)
        ours, is_included = line_of(line.omschrijving, net, booked, with_tax)
        lines.append(ours)
        included += is_included
        way = booked.way
        bases[way] = bases[way] + net.value if way in bases else net.value
    if 0 < included < len(lines):  # prices include VAT on all lines, or on none
        return _charge(invoice, entry, reading, reversed_charge, with_tax=False)
    invoice.lines, invoice.prices_include_tax = lines, included > 0
    return bases, abroad


def is_foreign(entry: Boeking, setup: Setup) -> bool:
    """Whether an entry has lines with foreign VAT."""
    return bool(setup.abroad) and any(line.ledger in setup.abroad for line in entry.boekingsregels)


def _taxes(rows: Sequence[BtwRegel]) -> dict[str | None, Decimal]:
    """The VAT of each kind of row."""
    taxes: dict[str | None, Decimal] = {}
    for row in rows:
        kind, tax = row.btwSoort, (row.btwBedrag or NOTHING).value
        taxes[kind] = taxes[kind] + tax if kind in taxes else tax
    return taxes


def _shares(
    bases: Mapping[Way | None, Decimal], taxes: Mapping[str | None, Decimal], abroad: Decimal
) -> Mapping[Way | None, Decimal]:
    """The VAT of each way: that of the rows, to the cent. Foreign VAT is one amount, whatever its rates."""
    shares = {way: ZERO if way is None else taxes.get(way.row, ZERO) for way in bases}
    if abroad:
        ways = [way for way in bases if way is not None and way.rate_code is not None]
        for way in ways[:-1]:
            shares[way] = round_to_cents(bases[way] * way.code.percentage / 100)
            abroad -= shares[way]
        last = ways[-1] if ways else None
        if last in shares:
            shares[last] = abroad
    return shares


def _is_documented(entry: Boeking, bases: Mapping[Way | None, Decimal], setup: Setup) -> bool:
    """Whether it is known what the VAT kind of each line means: it is where the kind told how to tax all of them."""
    is_known = None not in bases and not setup.abroad
    return is_known or all(is_documented(text_or_none(line.btwSoort)) for line in entry.boekingsregels)


def _group(way: Way | None, base: AmountText, tax: AmountText) -> TaxBreakdown:
    if way is None:
        return TaxBreakdown(rate=number_text(ZERO), base=base, tax=tax)
    code = way.code
    return TaxBreakdown(vat_code_id=code.id, rate=code.rate, category=code.category, base=base, tax=tax)


def credit_body(original: Mapping[str, Any], number: str, issued_on: date) -> dict[str, Any]:
    """The entry that undoes another: the same with the opposite sign."""
    entry = Boeking.of(original)
    copied = ("omschrijving", "grootboek", "kostenplaats", "btwSoort")
    lines = original["boekingsregels"]
    return {
        "factuurnummer": number,
        "factuurdatum": f"{issued_on.isoformat()}T00:00:00",
        "klant": {"id": entry.customer},
        "omschrijving": f"{CREDIT_TEXT}{entry.factuurnummer}",
        "factuurbedrag": json_number(-entry.factuurbedrag.value),
        "betalingstermijn": 0,
        "boekingsregels": [
            {
                **{name: line[name] for name in copied if line.get(name) is not None},
                "bedrag": json_number(-Decimal(line["bedrag"])),
            }
            for line in lines
        ],
        "btw": [
            {"btwSoort": row.btwSoort, "btwBedrag": json_number(-(row.btwBedrag or NOTHING).value)}
            for row in entry.btw or ()
        ],
    }


def credits(note: Mapping[str, Any], number: str) -> bool:
    """Whether an entry is Polder's credit note of the invoice with that number."""
    return Boeking.of(note).omschrijving == f"{CREDIT_TEXT}{number}"
