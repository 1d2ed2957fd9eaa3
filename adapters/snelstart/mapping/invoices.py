"""Sales entries and the invoices they show up as: one invoice of ours, by the id of the entry.

An entry (verkoopboeking) has lines and VAT; its invoice (verkoopfactuur) what is due when and what is open, and only
the invoices can be listed (dossier 2.1, 2.4). Every entry is booked: there are no drafts. A credit note is an entry
below zero; our amounts are positive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from adapters.snelstart.mapping.lines import Booked, BtwRegel, Regel, Setup, Terms, Told, only_text, told
from adapters.snelstart.mapping.values import (
    Identified,
    Reference,
    day_of,
    json_number,
    moment_or_none,
    reference_of,
    said_of,
)
from adapters.snelstart.mapping.vat import REVERSED, ROWS, Way, is_documented
from gateway.contract.adapter import Record
from gateway.contract.exact import Unread
from gateway.contract.models import Invoice, InvoiceContact, Line, TaxBreakdown, Totals
from gateway.contract.models.invoices import InvoicePaymentStatus
from gateway.contract.money import CENT, ZERO, round_to_cents, signed
from gateway.contract.wire import RawRecord, said_in

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
_JOINING = f',"{JOINED}":'.encode()
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
    factuurbedrag: Decimal
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
    def text(self) -> str | None:
        """What it says of itself."""
        return said_of(self.omschrijving)

    @property
    def lines(self) -> Sequence[Regel]:
        """Its lines."""
        return self.boekingsregels

    @property
    def taxes(self) -> Sequence[BtwRegel]:
        """Its VAT rows."""
        return self.btw or ()


class Factuur(Identified, frozen=True, kw_only=True):
    """A sales invoice. Its names differ from the entry's in their capitals (dossier 3.4)."""

    verkoopBoeking: Reference
    factuurnummer: str
    factuurDatum: str
    vervalDatum: str | None = None
    relatie: Reference
    factuurBedrag: Decimal
    openstaandSaldo: Decimal | None
    modifiedOn: str | None = None

    @property
    def entry(self) -> str | None:
        """The id of its sales entry."""
        return reference_of(self.verkoopBoeking)

    @property
    def customer(self) -> str | None:
        """The id of the relation it is for."""
        return reference_of(self.relatie)

    @property
    def issued_on(self) -> date:
        """The day on it."""
        return day_of(self.factuurDatum)

    @property
    def due_on(self) -> date | None:
        """The day by which it is to be paid."""
        return None if self.vervalDatum is None else day_of(self.vervalDatum)

    @property
    def sign(self) -> int:
        """What its amounts are multiplied by to be ours."""
        return -1 if self.factuurBedrag < 0 else 1

    @property
    def open(self) -> Decimal:
        """What is not paid yet, in its own sign."""
        return self.openstaandSaldo or ZERO

    @property
    def is_settled(self) -> bool:
        """Whether nothing is open: paid, or credited."""
        return self.open <= 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What an entry is read with: the administration, and the customer's country where a rate depends on it."""

    setup: Setup
    country: str | None = None


def joined(boeking: Mapping[str, Any], factuur: RawRecord) -> dict[str, Any]:
    """An entry with the invoice it shows up as."""
    return {**boeking, JOINED: said_in(factuur)}


def joined_unread(boeking: Unread, factuur: Unread) -> Unread:
    """The same of an entry and an invoice of which only the rows were read: most callers never ask for the rest."""
    return Unread(b"".join((memoryview(boeking)[:-1], _JOINING, factuur, b"}")))


def listed(said: Factuur, raw: RawRecord, today: date, *, credited: bool = False) -> Record[Invoice]:
    """A sales invoice as it is listed."""
    sign = said.sign
    gross, open_ = signed(said.factuurBedrag, sign), signed(said.open, sign)
    customer, due_on = said.customer, said.due_on
    invoice = Invoice(
        id=said.entry or said.key,
        document_type="credit_note" if sign < 0 else "invoice",
        document_status="final",
        payment_status=_status(gross, open_, credited),
        number=said.factuurnummer,
        contact_id=customer,
        contact=InvoiceContact(id=customer, name=None),
        issued_on=said.issued_on,
        due_on=due_on,
        currency="EUR",
        prices_include_tax=False,
        totals=Totals(gross=gross, paid=gross - open_, open=open_),
        is_overdue=open_ > 0 and due_on is not None and due_on < today,
        updated_at=moment_or_none(said.modifiedOn),
    )
    return Record(invoice, raw, mapped=MAPPED)


def whole(
    said: Factuur, entry: Boeking, raw: RawRecord, today: date, reading: Reading, *, credited: bool = False
) -> Record[Invoice]:
    """A sales invoice with what only its entry says."""
    record = listed(said, raw, today, credited=credited)
    _fill(record.item, entry, reading, said.sign)
    return record


def _status(gross: Decimal, open_: Decimal, credited: bool) -> InvoicePaymentStatus:
    if credited and open_ <= 0:
        return "credited"
    if open_ < 0:
        return "overpaid"
    if open_ == 0:
        return "paid"
    return "unpaid" if open_ >= gross else "partially_paid"


def _fill(invoice: Invoice, said: Boeking, reading: Reading, sign: int) -> None:
    """Lines, VAT and the other things that only the entry says."""
    invoice.description = said.text
    if not said.lines:
        return  # none can be made without (BOE-0023), so what it charges is not told
    taxed, foreign = _divided(said, reading.setup)
    reversed_charge = _is_reversed(said)
    ways = _ways(taxed, said, reading, reversed_charge)
    nets = [signed(line.bedrag, sign) for line in taxed]
    texts = [
        told(line.omschrijving, net, ZERO if way is None else way.code.rate)
        for line, (_, way), net in zip(taxed, ways, nets, strict=True)
    ]
    with_tax = [text.terms.included for text in texts]
    included = bool(with_tax) and all(with_tax)
    if any(with_tax) and not included:
        pairs = zip(taxed, texts, strict=True)
        texts = [only_text(line.omschrijving) if text.terms.included else text for line, text in pairs]
    groups = _groups(ways, nets, _taxes(said, foreign, sign))
    net = Decimal(sum(nets, ZERO))
    tax = signed(said.factuurbedrag, sign) - net
    invoice.prices_include_tax = included
    invoice.tax_breakdown = groups
    invoice.lines = [
        _line(text, ledger, way, amount) for text, (ledger, way), amount in zip(texts, ways, nets, strict=True)
    ]
    undocumented = reversed_charge is None or not all(is_documented(said_of(line.btwSoort)) for line in taxed)
    if undocumented or sum([group.tax for group in groups], ZERO) != tax:
        # There is VAT of a kind that no line is known to be of: to tell the rest alone would be another amount of VAT.
        invoice.tax_breakdown = None
        for line, (_, way) in zip(invoice.lines, ways, strict=True):
            if way is None:
                line.tax = line.gross = None
    invoice.totals.net, invoice.totals.tax = net, tax


def is_foreign(said: Boeking, setup: Setup) -> bool:
    """Whether an entry has lines with foreign VAT."""
    return bool(setup.abroad) and any(line.ledger in setup.abroad for line in said.lines)


def _divided(said: Boeking, setup: Setup) -> tuple[Sequence[Regel], Sequence[Regel]]:
    """The lines that charge something, and those that are foreign VAT."""
    if setup.foreign_ledger is None or not is_foreign(said, setup):
        return said.lines, ()
    taxed = [line for line in said.lines if line.ledger != setup.foreign_ledger]
    return taxed, [line for line in said.lines if line.ledger == setup.foreign_ledger]


def _ways(lines: Sequence[Regel], said: Boeking, reading: Reading, reversed_charge: bool | None) -> list[Booked]:
    """The ledger account of each line, and how it is taxed."""
    on, setup = said.issued_on, reading.setup
    ways = [setup.way_of(line.grootboek, line.btwSoort, reversed_charge, on) for line in lines]
    if not is_foreign(said, setup):
        return ways
    return [
        (ledger, setup.ways.foreign(reading.country, setup.ledgers[ledger].rate_code, on))
        if ledger in setup.abroad
        else (ledger, way)
        for ledger, way in ways
    ]


def _is_reversed(said: Boeking) -> bool | None:
    """Whether the customer owes the VAT; null where a row is of a kind that nobody documents."""
    kinds = {row.btwSoort for row in said.taxes}
    return REVERSED in kinds if kinds <= ROWS else None


def _taxes(said: Boeking, foreign: Sequence[Regel], sign: int) -> dict[str | None, Decimal]:
    """The VAT of each kind of row; foreign VAT under null."""
    taxes: dict[str | None, Decimal] = {}
    for row in said.taxes:
        taxes[row.btwSoort] = taxes.get(row.btwSoort, ZERO) + signed(row.tax, sign)
    if foreign:
        taxes[None] = signed(Decimal(sum([line.bedrag for line in foreign], ZERO)), sign)
    return taxes


def _groups(ways: Sequence[Booked], nets: Sequence[Decimal], taxes: Mapping[str | None, Decimal]) -> list[TaxBreakdown]:
    """The VAT codes of an entry with their bases; the VAT is that of the rows, to the cent."""
    bases: dict[str | None, Decimal] = {}
    used: dict[str | None, Way | None] = {}
    for (_, way), net in zip(ways, nets, strict=True):
        id = None if way is None else way.code.id
        bases[id] = bases.get(id, ZERO) + net
        used[id] = way
    groups = []
    foreign = [id for id, way in used.items() if way is not None and way.rate_code is not None]
    left = taxes.get(None, ZERO)
    for id, base in bases.items():
        way = used[id]
        if way is None:
            groups.append(TaxBreakdown(rate=ZERO, base=base, tax=taxes.get(None, ZERO) if not foreign else ZERO))
            continue
        if id in foreign:
            tax = left if id == foreign[-1] else round_to_cents(base * way.code.rate / 100)
            left -= tax
        else:
            tax = taxes.get(way.row, ZERO) if way.row is not None else ZERO
        groups.append(TaxBreakdown(vat_code_id=id, rate=way.code.rate, category=way.code.category, base=base, tax=tax))
    return groups


def _line(text: Told, ledger: str | None, way: Way | None, net: Decimal) -> Line:
    description, terms = text
    cents, tax, gross = _amounts(terms, ZERO if way is None else way.code.rate, net)
    said = Line(
        type="item",
        description=description,
        quantity=terms.quantity,
        unit=terms.unit,
        unit_price=net if terms.price is None else terms.price,
        discount_percent=terms.discount,
        ledger_account_id=ledger,
        net=cents,
        tax=tax,
        gross=gross,
    )
    if way is not None:
        code = way.code
        said.vat_code_id, said.vat_treatment = code.id, code.treatment
        said.vat_rate, said.vat_country = code.rate, code.country
    return said


def _amounts(terms: Terms, rate: Decimal, net: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """A line's own net, tax and gross. With prices that include VAT its gross is what it charges."""
    net = round_to_cents(net)
    if terms.included:
        return net, terms.amount - net, terms.amount
    tax = round_to_cents(net * rate * CENT)
    return net, tax, net + tax


def credit_body(original: Mapping[str, Any], number: str, issued_on: date) -> dict[str, Any]:
    """The entry that undoes another: the same with the opposite sign."""
    said = Boeking.of(original)
    kept = ("omschrijving", "grootboek", "kostenplaats", "btwSoort")
    lines = original["boekingsregels"]
    return {
        "factuurnummer": number,
        "factuurdatum": f"{issued_on.isoformat()}T00:00:00",
        "klant": {"id": said.customer},
        "omschrijving": f"{CREDIT_TEXT}{said.factuurnummer}",
        "factuurbedrag": json_number(-said.factuurbedrag),
        "betalingstermijn": 0,
        "boekingsregels": [
            {
                **{name: line[name] for name in kept if line.get(name) is not None},
                "bedrag": json_number(-Decimal(line["bedrag"])),
            }
            for line in lines
        ],
        "btw": [{"btwSoort": row.btwSoort, "btwBedrag": json_number(-row.tax)} for row in said.taxes],
    }


def credits(note: Mapping[str, Any], number: str) -> bool:
    """Whether an entry is Polder's credit note of the invoice with that number."""
    return Boeking.of(note).text == f"{CREDIT_TEXT}{number}"
