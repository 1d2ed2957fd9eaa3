"""The amounts of an invoice, exact to the cent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Literal

CENT = Decimal("0.01")
HUNDRED = Decimal(100)
VatRounding = Literal["per_rate", "per_rate_of_lines", "per_line", "unrounded"]
_WRITTEN_OUT = Context(prec=17)
DIGITS = 60
"""Working precision: products of long prices, quantities and percentages stay exact before they are rounded."""


@dataclass(frozen=True, slots=True)
class Amount:
    """One priced line: quantity times price before any rounding or discount, and the VAT rate as a percentage."""

    value: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True)
class RateTotal:
    """What was booked under one VAT rate: base without VAT, and the VAT; in cents, where it is rounded."""

    base: Decimal
    tax: Decimal

    def __add__(self, other: "RateTotal") -> "RateTotal":
        """Both together."""
        return RateTotal(self.base + other.base, self.tax + other.tax)


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of a document, in cents. ``rates`` is by percentage, a zero rate among them."""

    net: Decimal
    tax: Decimal
    gross: Decimal
    discount: Decimal
    rates: Mapping[Decimal, RateTotal]

    def negated(self) -> "Totals":
        """The same amounts with the opposite signs."""
        rates = {rate: RateTotal(-total.base, -total.tax) for rate, total in self.rates.items()}
        return Totals(-self.net, -self.tax, -self.gross, -self.discount, rates)


def rounded(value: Decimal) -> Decimal:
    """To cents, half away from zero, so that a credit's amounts are exactly the opposite of its invoice's."""
    return value.quantize(CENT, ROUND_HALF_UP)


def totals_of(
    amounts: Iterable[Amount],
    *,
    discount: Decimal,
    includes_vat: bool,
    rounding: VatRounding,
) -> Totals:
    """The totals of the lines ``amounts`` under a ``discount`` percentage.

    The exact rule, in which *round* is to cents, half away from zero, and nothing is rounded but where it is said:

    1. A line's amount is quantity x price, unrounded; discounted: that x (100 - discount) / 100, unrounded.
    2. ``per_rate``: the discounted amounts of one VAT percentage are summed, unrounded, to one sum per percentage.
       (VAT codes of equal percentage, such as none, exempt and intra-EU, share one sum.)
       ``per_rate_of_lines``: the same, each line rounded before (as EN 16931 has it, BR-CO-10 and BR-CO-17).
       ``per_line``: each line is a sum of its own, and the rounded results are added up per percentage.
       ``unrounded``: as ``per_rate``, and rule 3 rounds nothing.
    3. Prices without VAT: base = round(sum); tax = round(base x percentage / 100).
       Prices with VAT: gross = round(sum); tax = round(gross - gross / (1 + percentage / 100)); base = gross - tax.
    4. ``net`` = all bases, ``tax`` = all taxes, ``gross`` = ``net`` + ``tax``.
    5. ``discount`` = round(all undiscounted amounts x discount / 100), in the basis of the prices.
    """
    with localcontext() as context:
        context.prec = DIGITS
        listed = list(amounts)
        kept = (HUNDRED - discount) / HUNDRED
        discounted = [Amount(amount.value * kept, amount.rate) for amount in listed]
        if rounding == "per_rate_of_lines":
            discounted = [Amount(rounded(amount.value), amount.rate) for amount in discounted]
        sums = discounted if rounding == "per_line" else _by_rate(discounted)
        rates: dict[Decimal, RateTotal] = {}
        for amount in sums:
            nothing = RateTotal(Decimal(0), Decimal(0))
            taxed = _shared(amount, includes_vat) if rounding == "unrounded" else _taxed(amount, includes_vat)
            rates[amount.rate] = rates.get(amount.rate, nothing) + taxed
        net = sum((rate.base for rate in rates.values()), Decimal(0))
        tax = sum((rate.tax for rate in rates.values()), Decimal(0))
        given_away = rounded(sum((amount.value for amount in listed), Decimal(0)) * discount / HUNDRED)
        return Totals(net=net, tax=tax, gross=net + tax, discount=given_away, rates=rates)


def _by_rate(amounts: Iterable[Amount]) -> list[Amount]:
    sums: dict[Decimal, Decimal] = {}
    for amount in amounts:
        sums[amount.rate] = sums.get(amount.rate, Decimal(0)) + amount.value
    return [Amount(value, rate) for rate, value in sums.items()]


def _taxed(amount: Amount, includes_vat: bool) -> RateTotal:
    factor = 1 + amount.rate / HUNDRED
    given = rounded(amount.value)
    if includes_vat:
        tax = rounded(given - given / factor)
        return RateTotal(given - tax, tax)
    return RateTotal(given, rounded(given * amount.rate / HUNDRED))


def _shared(amount: Amount, includes_vat: bool) -> RateTotal:
    """Base and VAT of an amount, neither rounded."""
    base = amount.value / (1 + amount.rate / HUNDRED) if includes_vat else amount.value
    return RateTotal(base, base * amount.rate / HUNDRED)


def floating(value: Decimal) -> Decimal:
    """The number next to ``value`` that a binary floating point number of 64 bits is, written out in full."""
    return _WRITTEN_OUT.multiply(value, 1 + Decimal(2) ** -52)


def plain(value: Decimal) -> int | Decimal:
    """As TheNextInvoice writes a number: a whole one without a fraction, any other without trailing zeros."""
    if value == value.to_integral_value():
        return int(value)
    return Decimal(format(value, "f").rstrip("0"))
