"""Invoice lines, both ways.

TheNextInvoice keeps one discount for the whole document, no units, no products and no ids on lines. The amounts of a
credit note are negative there: crediting converts "all amounts to the opposite signs" (documentation, "Credit an
invoice"), and whether a price or a quantity bears the sign is not said. Ours are positive.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from adapters.thenextinvoice.mapping.arithmetic import AmountTexts, Reckoning, SumTexts, Terms, amount_texts, charged
from adapters.thenextinvoice.mapping.values import Reference, Wire, reference_of
from gateway.contract.errors import invalid, malformed
from gateway.contract.lines import rounding_account, rounding_code
from gateway.contract.models import Line, TaxBreakdown, VatCode
from gateway.contract.models.ledger import VatTreatment
from gateway.contract.money import ZERO, AmountText, Charged, NumberText, amount_text, number_from, number_text
from gateway.contract.values import Value
from gateway.contract.wire import json_number

DOMESTIC = frozenset({"domestic_high", "domestic_low", "zero"})
LEAVING = frozenset({"intra_eu_goods", "intra_eu_services", "export"})
"""What is sold to another country; to which one, the customer's address says. VAT codes name none."""
IN_FORCE: Mapping[str, tuple[tuple[date, Decimal], ...]] = {
    "domestic_high": ((date(2012, 10, 1), Decimal(21)), (date(2001, 1, 1), Decimal(19))),
    "domestic_low": ((date(2019, 1, 1), Decimal(9)), (date(1986, 10, 1), Decimal(6))),
}
"""The Dutch rates, newest first, with the day each came into force."""

Codes = Mapping[str, VatCode]


@dataclass(frozen=True, slots=True)
class Charge:
    """A line to write, settled. ``price`` is before discount, positive on a credit note too; null on a text line."""

    description: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    ledger: str | None = None
    vat: str | None = None


class LineRow(Wire, frozen=True):
    """A line as it is read. One that is a description only has null for all the rest."""

    description: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    ledger: Reference = None
    vat: Reference = None

    @property
    def charge(self) -> Charge:
        """The same to be written again, its amounts in their own signs."""
        return Charge(self.description, self.quantity, self.price, reference_of(self.ledger), reference_of(self.vat))

    def require_no_charge(self) -> None:
        """Raise ``upstream_malformed`` for a price without a quantity, or the reverse: a line has both or neither."""
        if self.quantity is not None or self.price is not None:
            raise malformed("TheNextInvoice's line has a quantity or a price, and not the other.")


class Item(Value, frozen=True):
    """A line that has a price: what it comes to, and how we say it."""

    charged: Charged
    quantity: NumberText
    unit_price: AmountText
    texts: AmountTexts


@lru_cache(maxsize=5_000)
def _item(
    quantity: Decimal, price: Decimal, discount: Decimal, rate: NumberText, includes_vat: bool, credit: bool
) -> Item:
    """Books are full of the same prices: what is remembered is not reckoned, and not spelled, again."""
    alone = charged(quantity, price, discount, rate, includes_vat=includes_vat)
    if credit:
        quantity, price = _turned(quantity, price)
    return Item(alone, number_from(str(quantity)), amount_text(price), amount_texts(alone.amounts, credit=credit))


def reckoned(rows: Sequence[LineRow], codes: Codes, terms: Terms) -> Reckoning:
    """What lines come to that need not be told: one to write may have more digits than we could spell."""
    lines = []
    for row in rows:
        if row.quantity is None or row.price is None:
            row.require_no_charge()
            continue
        code = codes.get(reference_of(row.vat) or "")
        if code is None:
            return Reckoning(None, terms)
        lines.append(charged(row.quantity, row.price, terms.discount, code.rate, includes_vat=terms.includes_vat))
    return Reckoning(lines, terms)


class MappedLines(Value, frozen=True):
    """Lines as we say them, with what they come to, and the VAT codes they name."""

    lines: list[Line]
    reckoning: Reckoning
    codes: Collection[VatCode]


def lines_of(rows: Sequence[LineRow], codes: Codes, terms: Terms) -> MappedLines | None:
    """Lines as we say them. Null where a VAT code is not known, for then nobody can tell what they come to."""
    discount, includes_vat, credit = terms.discount, terms.includes_vat, terms.credit
    percentage = number_text(discount) if discount else None
    lines: list[Line] = []
    charged: list[Charged] = []
    used: dict[str, VatCode] = {}
    for row in rows:
        if row.quantity is None or row.price is None:
            lines.append(_text_line(row))
            continue
        vat = reference_of(row.vat) or ""
        code = codes.get(vat)
        if code is None:
            return None
        item = _item(row.quantity, row.price, discount, code.rate, includes_vat, credit)
        line = Line(
            type="item",
            description=row.description,
            quantity=item.quantity,
            unit_price=item.unit_price,
            discount_percent=percentage,
            vat_code_id=vat,
            vat_treatment=code.treatment,
            vat_rate=code.rate,
            ledger_account_id=reference_of(row.ledger),
            net=item.texts.net,
            tax=item.texts.tax,
            gross=item.texts.gross,
        )
        lines.append(line)
        charged.append(item.charged)
        used[vat] = code
    return MappedLines(lines, Reckoning(charged, terms), used.values())


def lines_without_amounts(rows: Sequence[LineRow], codes: Codes, terms: Terms) -> list[Line]:
    """Lines as we say them, where nobody can tell what they come to."""
    return [_without_amounts(row, codes, terms) for row in rows]


def _without_amounts(row: LineRow, codes: Codes, terms: Terms) -> Line:
    if row.quantity is None or row.price is None:
        return _text_line(row)
    quantity, price = _turned(row.quantity, row.price) if terms.credit else (row.quantity, row.price)
    vat = reference_of(row.vat)
    code = codes.get(vat or "")
    return Line(
        type="item",
        description=row.description,
        quantity=number_text(quantity),
        unit_price=amount_text(price),
        discount_percent=number_text(terms.discount) if terms.discount else None,
        vat_code_id=vat,
        vat_treatment=None if code is None else code.treatment,
        vat_rate=None if code is None else code.rate,
        ledger_account_id=reference_of(row.ledger),
    )


def _text_line(row: LineRow) -> Line:
    row.require_no_charge()
    return Line(type="text", description=row.description)


def _turned(quantity: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
    """Quantity and price of a line of a credit note: the one that bears the sign loses it."""
    return (ZERO - quantity, price) if quantity < 0 else (quantity, ZERO - price)


def breakdown_of(sum: SumTexts, codes: Collection[VatCode]) -> list[TaxBreakdown]:
    """The tax groups. Where several codes of one percentage share a group, it has no code of its own."""
    return [_group_of(texts, [code for code in codes if code.rate == rate]) for rate, texts in sum.groups.items()]


def _group_of(texts: AmountTexts, codes: Sequence[VatCode]) -> TaxBreakdown:
    code, *others = codes
    of_one_category = not others or all(other.category == code.category for other in others)
    return TaxBreakdown(
        vat_code_id=None if others else code.id,
        rate=code.rate,
        category=code.category if of_one_category else None,
        base=texts.net,
        tax=texts.tax,
    )


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
    if treatment == "unknown" or not is_of(treatment, country):
        return None
    alike = [code for code in codes.values() if code.treatment == treatment]
    found = [code for code in alike if rate is None or code.percentage == rate]
    current = next((known for since, known in IN_FORCE.get(treatment, ()) if since <= on), None)
    return min(found, key=lambda code: (current is not None and code.percentage != current, int(code.id)), default=None)


def is_of(treatment: VatTreatment, country: str | None) -> bool:
    """Whether VAT of a treatment may be of a country."""
    return country is None or treatment not in (DOMESTIC if country != "NL" else LEAVING)


def one_discount(pairs: Sequence[tuple[str, Decimal]]) -> Decimal | None:
    """The discount that all item lines have; null where they differ. ``pairs`` is pointer and percentage of each."""
    percentages = {percentage for _, percentage in pairs}
    return next(iter(percentages), ZERO) if len(percentages) <= 1 else None


def rounding_charge(gap: Decimal, codes: Codes, ledger: str | None, discount: Decimal) -> Charge:
    """One line that closes a gap. Raises ``validation_failed`` where the administration is not set up for it."""
    account, untaxed = rounding_account(ledger), rounding_code(codes.values(), "zero")
    if discount:
        raise invalid("/on_rounding", "The document's discount would be taken off a rounding line too.", "unsupported")
    return Charge("Afronding", quantity=Decimal(1), price=gap, ledger=account, vat=untaxed.id)
