"""What the lines of an invoice come to.

Books are full of invoices that repeat those of last month: what is remembered here is not added up, and not spelled,
again. Tax is grouped by percentage, as ``calculated.vatTotals`` is. The amounts of a credit note are negative there,
and positive with us.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import get_args

from gateway.contract.money import (
    ZERO,
    Amounts,
    AmountText,
    Charged,
    NumberText,
    Priced,
    TaxRounding,
    alone,
    amount_text,
    exact,
    together,
)
from gateway.contract.values import Value

Ways = tuple[TaxRounding, ...]
"""Ways to round that are possible."""
ROUNDINGS: Ways = get_args(TaxRounding)
"""All there are: which one TheNextInvoice uses is not said (dossier, "Not said")."""


class Terms(Value, frozen=True):
    """What holds for all lines of a document."""

    discount: Decimal
    """A percentage."""
    includes_vat: bool
    credit: bool


class Sum(Value, frozen=True, eq=False):
    """What a document comes to: each tax group by its percentage, and the whole. It is known by its identity."""

    groups: Mapping[str, Amounts]
    total: Amounts
    taxes: Mapping[str, Decimal]
    """Of each group, as ``calculated.vatTotals`` has them."""

    def is_as(self, other: "Sum") -> bool:
        """Whether no amount of the one differs from that of the other."""
        return self.total == other.total and self.groups == other.groups


class AmountTexts(Value, frozen=True):
    """Net, tax and gross as we say them: those of a credit note with the opposite sign."""

    net: AmountText
    tax: AmountText
    gross: AmountText


class SumTexts(Value, frozen=True):
    """What a document comes to, as we say it."""

    groups: Mapping[str, AmountTexts]
    total: AmountTexts


class Reckoning(Value, frozen=True):
    """What a document comes to. There are no lines where a VAT code is not known."""

    lines: Sequence[Charged] | None
    terms: Terms

    def sum(self, rounding: TaxRounding) -> Sum | None:
        """The sum by one way to round."""
        if self.lines is None:
            return None
        return _sum(tuple(self.lines), rounding, self.terms.includes_vat)

    def sums(self, ways: Ways = ROUNDINGS) -> Mapping[TaxRounding, Sum]:
        """The sums by these ways to round."""
        each = {way: self.sum(way) for way in ways}
        return {way: sum for way, sum in each.items() if sum is not None}

    def certain(self, ways: Ways = ROUNDINGS) -> Sum | None:
        """The sum, where it makes no difference to any tax group which of these ways it is rounded."""
        sums = list(self.sums(ways).values())
        return sums[0] if sums and all(sums[0].is_as(other) for other in sums[1:]) else None


def charged(quantity: Decimal, price: Decimal, discount: Decimal, rate: NumberText, *, includes_vat: bool) -> Charged:
    """What one line comes to on its own."""
    return alone(Priced(quantity, price, discount, exact(rate), rate), prices_include_tax=includes_vat)


@lru_cache(maxsize=5_000)
def _sum(lines: tuple[Charged, ...], rounding: TaxRounding, includes_vat: bool) -> Sum:
    added = together(lines, prices_include_tax=includes_vat, rounding=rounding)
    return Sum(added.groups, added.total, {rate: amounts.tax for rate, amounts in added.groups.items()})


def positive(amounts: Amounts, *, credit: bool) -> Amounts:
    """Amounts as we say them: those of a credit note with the opposite sign."""
    return Amounts(ZERO - amounts.net, ZERO - amounts.tax, ZERO - amounts.gross) if credit else amounts


def amount_texts(amounts: Amounts, *, credit: bool) -> AmountTexts:
    """Amounts, spelled. Raises ``ValueError`` for one that is too long."""
    ours = positive(amounts, credit=credit)
    return AmountTexts(amount_text(ours.net), amount_text(ours.tax), amount_text(ours.gross))


@lru_cache(maxsize=5_000)
def sum_texts(sum: Sum, credit: bool) -> SumTexts:
    """A sum, spelled. Raises ``ValueError`` for an amount that is too long."""
    groups = {rate: amount_texts(amounts, credit=credit) for rate, amounts in sum.groups.items()}
    only = next(iter(groups.values())) if len(groups) == 1 else None
    return SumTexts(groups, only or amount_texts(sum.total, credit=credit))
