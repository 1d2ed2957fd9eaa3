"""Exact amounts, and the shape in which this API writes numbers."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

CENT = Decimal("0.01")
ZERO = Decimal("0.00")


def to_cents(amount: Decimal) -> Decimal:
    """Rounded to the cent, halves away from zero: 0.005 is 0.01 and -0.005 is -0.01, as Dutch bookkeeping does."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def booked(amount: Decimal | None, sub_cent: Literal["round", "keep"]) -> Decimal:
    """An amount as the books take it: nothing is zero, and parts of a cent go by the switch."""
    amount = amount or ZERO
    if sub_cent == "keep" and amount != to_cents(amount):
        return amount
    return to_cents(amount)


def vat_over(base: Decimal, rate: Decimal) -> Decimal:
    """VAT over an amount without VAT, computed once over the whole base and rounded to the cent (half away)."""
    return to_cents(base * rate / 100)


def plain(number: Decimal) -> Decimal:
    """The same number as .NET writes it: no exponent, no needless zeros, but always one decimal (``9.0``)."""
    text = format(number.normalize(), "f")
    return Decimal(text if "." in text else f"{text}.0")
