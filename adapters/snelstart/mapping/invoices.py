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

from adapters.snelstart.mapping.lines import BtwRegel, Regel, Setup, Told, told
from adapters.snelstart.mapping.values import (
    Identified,
    Reference,
    day_of,
    json_number,
    moment_or_none,
    reference_of,
    said_of,
)
from adapters.snelstart.mapping.vat import OSS_FUNCTION, Way, is_documented
from gateway.contract.adapter import Record
from gateway.contract.models import Invoice, InvoiceContact, Line, TaxBreakdown, Totals
from gateway.contract.models.invoices import InvoicePaymentStatus
from gateway.contract.money import ZERO, Amounts, round_to_cents

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
    factuurbedrag: Decimal
    boekingsregels: list[Regel] | None
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
        return self.boekingsregels or ()

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
    def open(self) -> Decimal:
        """What is not paid yet, in its own sign."""
        return self.openstaandSaldo or ZERO


@dataclass(frozen=True, slots=True)
class Reading:
    """What an entry is read with: the administration, and the customer's country where a rate depends on it."""

    setup: Setup
    country: str | None = None


def joined(boeking: Mapping[str, Any], factuur: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with the invoice it shows up as."""
    return {**boeking, JOINED: factuur}


def invoice_of(
    raw: Mapping[str, Any], today: date, reading: Reading | None = None, *, credited: bool = False
) -> Record[Invoice]:
    """A sales invoice: as it is listed, or with ``reading`` an entry joined to its invoice, lines and all.

    ``credited``: a credit note undoes it in full.
    """
    said = Factuur.of(raw if reading is None else raw[JOINED])
    sign = -1 if said.factuurBedrag < 0 else 1
    gross, open_ = sign * said.factuurBedrag, sign * said.open
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
    if reading is not None:
        _fill(invoice, Boeking.of(raw), reading, sign)
    return Record(invoice, raw, mapped=MAPPED)


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
    taxed = [line for line in said.lines if not _is_foreign_tax(line, said, reading.setup)]
    ways = [_way(line, said, reading) for line in taxed]
    nets = [sign * line.bedrag for line in taxed]
    texts = [
        told(line.text, net, way.code.rate if way is not None else ZERO)
        for line, way, net in zip(taxed, ways, nets, strict=True)
    ]
    included = bool(texts) and all(text.included for text in texts)
    if not included:
        texts = [Told(line.text or "") if text.included else text for line, text in zip(taxed, texts, strict=True)]
    groups = _groups(ways, nets, _taxes(said, reading.setup, sign))
    net = Decimal(sum(nets, ZERO))
    invoice.prices_include_tax = included
    invoice.tax_breakdown = groups
    invoice.lines = [
        _line(line, text, way, amount) for line, text, way, amount in zip(taxed, texts, ways, nets, strict=True)
    ]
    gross = sign * said.factuurbedrag
    undocumented = not all(is_documented(line.kind) for line in taxed)
    if undocumented or sum((group.tax for group in groups), ZERO) != gross - net:
        # There is VAT of a kind that no line is known to be of: to tell the rest alone would be another amount of VAT.
        invoice.tax_breakdown = None
        for line, way in zip(invoice.lines, ways, strict=True):
            if way is None:
                line.tax = line.gross = None
    invoice.totals.net, invoice.totals.tax = net, gross - net
    invoice.description = said.text


def _is_foreign_tax(line: Regel, said: Boeking, setup: Setup) -> bool:
    if setup.foreign_ledger is None or line.ledger != setup.foreign_ledger:
        return False
    return is_foreign(said, setup)


def is_foreign(said: Boeking, setup: Setup) -> bool:
    """Whether an entry has lines with foreign VAT."""
    ledgers = (setup.ledgers.get(line.ledger or "") for line in said.lines)
    return any(ledger is not None and ledger.grootboekfunctie == OSS_FUNCTION for ledger in ledgers)


def _way(line: Regel, said: Boeking, reading: Reading) -> Way | None:
    ledger = reading.setup.ledgers.get(line.ledger or "")
    ways = reading.setup.ways
    if ledger is not None and ledger.grootboekfunctie == OSS_FUNCTION:
        return ways.foreign(reading.country, ledger.rate_code, said.issued_on)
    if ledger is not None and line.kind is None:
        return ways.of_ledger(ledger, said.issued_on)
    return ways.of_line(ledger, line.kind, {row.btwSoort for row in said.taxes}, said.issued_on)


def _taxes(said: Boeking, setup: Setup, sign: int) -> dict[str | None, Decimal]:
    """The VAT of each kind of row; foreign VAT under null."""
    taxes: dict[str | None, Decimal] = {}
    for row in said.taxes:
        taxes[row.btwSoort] = taxes.get(row.btwSoort, ZERO) + sign * row.tax
    foreign = [line.bedrag for line in said.lines if _is_foreign_tax(line, said, setup)]
    if foreign:
        taxes[None] = sign * Decimal(sum(foreign, ZERO))
    return taxes


def _groups(
    ways: Sequence[Way | None], nets: Sequence[Decimal], taxes: Mapping[str | None, Decimal]
) -> list[TaxBreakdown]:
    """The VAT codes of an entry with their bases; the VAT is that of the rows, to the cent."""
    bases: dict[str | None, Decimal] = {}
    used: dict[str | None, Way | None] = {}
    for way, net in zip(ways, nets, strict=True):
        id = way.code.id if way is not None else None
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


def _line(line: Regel, text: Told, way: Way | None, net: Decimal) -> Line:
    code = way.code if way is not None else None
    amounts = _amounts(text, code.rate if code is not None else ZERO, net)
    return Line(
        type="item",
        description=text.description,
        quantity=text.quantity,
        unit=text.unit,
        unit_price=net if text.price is None else text.price,
        discount_percent=text.discount,
        vat_code_id=None if code is None else code.id,
        vat_treatment=None if code is None else code.treatment,
        vat_rate=None if code is None else code.rate,
        vat_country=None if code is None else code.country,
        ledger_account_id=line.ledger,
        net=amounts.net,
        tax=amounts.tax,
        gross=amounts.gross,
    )


def _amounts(text: Told, rate: Decimal, net: Decimal) -> Amounts:
    """A line's own amounts. With prices that include VAT its gross is what it charges."""
    net = round_to_cents(net)
    gross = text.amount() if text.included else net + round_to_cents(net * rate / 100)
    return Amounts(net, gross - net, gross)


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
