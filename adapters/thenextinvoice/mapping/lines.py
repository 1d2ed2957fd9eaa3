"""Invoice lines, both ways, and what they come to.

TheNextInvoice keeps one discount for the whole document, no units, no products and no ids on lines. The amounts of a
credit note are negative there: crediting converts "all amounts to the opposite signs" (documentation, "Credit an
invoice"), and whether a price or a quantity bears the sign is not said. Ours are positive.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from adapters.thenextinvoice.mapping.values import Reference, Wire, json_number, reference_of
from gateway.contract.errors import invalid
from gateway.contract.models import Line, TaxBreakdown, VatCode
from gateway.contract.models.ledger import VatTreatment
from gateway.contract.money import ZERO, Amounts, Priced, Sum, TaxRounding, add_up

ROUNDINGS: tuple[TaxRounding, ...] = ("per_rate", "per_line")
"""Both ways to round VAT: which one TheNextInvoice uses is not said (dossier, "Not said")."""
DOMESTIC = frozenset({"domestic_high", "domestic_low", "zero"})
IN_FORCE: Mapping[str, tuple[tuple[date, Decimal], ...]] = {
    "domestic_high": ((date(2012, 10, 1), Decimal(21)), (date(2001, 1, 1), Decimal(19))),
    "domestic_low": ((date(2019, 1, 1), Decimal(9)), (date(1986, 10, 1), Decimal(6))),
}
"""The Dutch rates, newest first, with the day each came into force."""

Codes = Mapping[str, VatCode]


class LineRow(Wire, frozen=True):
    """A line as it is read. One that is a description only has null for all the rest."""

    description: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    ledger: Reference = None
    vat: Reference = None

    def __post_init__(self) -> None:
        if (self.quantity is None) != (self.price is None):
            raise ValueError("a line has both a quantity and a price, or neither")

    @property
    def charges(self) -> bool:
        """Whether it has an amount."""
        return self.price is not None


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What a document comes to, in its own signs: by each way to round. Empty where a VAT code is not known."""

    sums: Mapping[TaxRounding, Sum]

    @property
    def certain(self) -> Sum | None:
        """The sum, where rounding makes no difference to any tax group."""
        one, *others = self.sums.values() if self.sums else (None,)
        return one if one is not None and all(_alike(one, other) for other in others) else None


def _alike(one: Sum, other: Sum) -> bool:
    return one.total == other.total and one.groups == other.groups


def sums_of(
    lines: Sequence[LineRow], codes: Codes, *, discount: Decimal, includes_vat: bool
) -> Iterator[tuple[TaxRounding, Sum]]:
    """Add up lines by each way to round, one at a time: most documents need the first only.

    Tax is grouped by percentage, as ``calculated.vatTotals`` is. There is nothing where a VAT code is not known.
    """
    taxed: dict[Reference, tuple[Decimal, str]] = {}
    priced = []
    for line in lines:
        if line.price is None or line.quantity is None:
            continue
        if line.vat not in taxed:
            code = codes.get(reference_of(line.vat) or "")
            if code is None:
                return
            taxed[line.vat] = code.rate, tax_group(code)
        rate, group = taxed[line.vat]
        priced.append(Priced(line.quantity, line.price, discount, rate, group))
    for way in ROUNDINGS:
        yield way, add_up(priced, prices_include_tax=includes_vat, rounding=way)


def reckoned(lines: Sequence[LineRow], codes: Codes, *, discount: Decimal, includes_vat: bool) -> Reckoning:
    """Add up lines by every way to round."""
    return Reckoning(dict(sums_of(lines, codes, discount=discount, includes_vat=includes_vat)))


def tax_group(code: VatCode) -> str:
    """The tax group of a VAT code: its percentage, which is written without needless zeros."""
    return str(code.rate)


def positive(amounts: Amounts, *, credit: bool) -> Amounts:
    """Amounts as we say them: those of a credit note with the opposite sign."""
    return Amounts(ZERO - amounts.net, ZERO - amounts.tax, ZERO - amounts.gross) if credit else amounts


def lines_of(rows: Sequence[LineRow], sum: Sum | None, codes: Codes, *, discount: Decimal, credit: bool) -> list[Line]:
    """Lines as we say them; without ``sum`` the amounts cannot be told."""
    each = iter(sum.lines) if sum is not None else iter(())
    percentage = discount or None
    said = []
    for row in rows:
        quantity, price = row.quantity, row.price
        if quantity is None or price is None:
            said.append(Line(type="text", description=row.description))
            continue
        if credit:
            quantity, price = _turned(quantity, price)
        vat = reference_of(row.vat)
        line = Line(
            type="item",
            description=row.description,
            quantity=quantity,
            unit_price=price,
            discount_percent=percentage,
            vat_code_id=vat,
            ledger_account_id=reference_of(row.ledger),
        )
        _fill(line, codes.get(vat or ""), next(each, None), credit)
        said.append(line)
    return said


def _fill(line: Line, code: VatCode | None, amounts: Amounts | None, credit: bool) -> None:
    if code is not None:
        line.vat_treatment, line.vat_rate = code.treatment, code.rate
    if amounts is not None:
        told = positive(amounts, credit=credit)
        line.net, line.tax, line.gross = told.net, told.tax, told.gross


def _turned(quantity: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
    """Quantity and price of a line of a credit note: the one that bears the sign loses it."""
    return (ZERO - quantity, price) if quantity < 0 else (quantity, ZERO - price)


def breakdown_of(rows: Sequence[LineRow], sum: Sum, codes: Codes, *, credit: bool) -> list[TaxBreakdown]:
    """The tax groups. Where several codes of one percentage share a group, it has no code of its own."""
    used: dict[str, dict[str, VatCode]] = {}
    for vat in dict.fromkeys([row.vat for row in rows if row.charges]):
        code = codes[reference_of(vat) or ""]
        used.setdefault(tax_group(code), {})[code.id] = code
    return [_group_of(amounts, [*used[group].values()], credit) for group, amounts in sum.groups.items()]


def _group_of(amounts: Amounts, codes: Sequence[VatCode], credit: bool) -> TaxBreakdown:
    code, *others = codes
    said = positive(amounts, credit=credit)
    return TaxBreakdown(
        vat_code_id=None if others else code.id,
        rate=code.rate,
        category=code.category if all(other.category == code.category for other in others) else None,
        base=said.net,
        tax=said.tax,
    )


@dataclass(frozen=True, slots=True)
class Charge:
    """A line to write, settled. ``price`` is before discount, positive on a credit note too; null on a text line."""

    description: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    ledger: str | None = None
    vat: str | None = None


def line_bodies(charges: Sequence[Charge], *, credit: bool) -> list[dict[str, Any]]:
    """Lines as they are written: all five members, always. On a credit note the price bears the sign."""
    return [
        {
            "description": charge.description,
            "ledger": None if charge.ledger is None else int(charge.ledger),
            "price": None if charge.price is None else json_number(ZERO - charge.price if credit else charge.price),
            "quantity": None if charge.quantity is None else json_number(charge.quantity),
            "vat": None if charge.vat is None else int(charge.vat),
        }
        for charge in charges
    ]


def line_rows(bodies: Sequence[Mapping[str, Any]]) -> list[LineRow]:
    """Lines that were or will be written, as they are read."""
    return [LineRow.of(body) for body in bodies]


def code_for(
    treatment: VatTreatment, codes: Codes, *, rate: Decimal | None, country: str | None, on: date
) -> VatCode | None:
    """The administration's code for a treatment; null where it has none.

    Of several, one of the Dutch rate in force on the day goes first, then the oldest.
    """
    if treatment == "unknown" or (treatment in DOMESTIC and country not in (None, "NL")):
        return None
    found = [code for code in codes.values() if code.treatment == treatment and (rate is None or code.rate == rate)]
    current = next((known for since, known in IN_FORCE.get(treatment, ()) if since <= on), None)
    return min(found, key=lambda code: (current is not None and code.rate != current, int(code.id)), default=None)


def one_discount(said: Sequence[tuple[str, Decimal]]) -> Decimal | None:
    """The discount that all item lines have; null where they differ. ``said`` is pointer and percentage of each."""
    percentages = {percentage for _, percentage in said}
    return next(iter(percentages), ZERO) if len(percentages) <= 1 else None


def rounding_charge(gap: Decimal, codes: Codes, ledger: str | None, discount: Decimal) -> Charge:
    """One line that closes a gap. Raises ``validation_failed`` where the administration is not set up for it."""
    if ledger is None:
        raise invalid("/on_rounding", "A rounding line needs the setting rounding_ledger_account_id.", "missing")
    untaxed = next((code for code in codes.values() if code.treatment == "zero"), None)
    if untaxed is None:
        raise invalid("/on_rounding", "A rounding line needs a VAT code of 0%.", "missing")
    if discount:
        raise invalid("/on_rounding", "The document's discount would be taken off a rounding line too.", "unsupported")
    return Charge("Afronding", quantity=Decimal(1), price=gap, ledger=ledger, vat=untaxed.id)
