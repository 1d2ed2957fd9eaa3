"""The amounts of lines and documents, exact to the cent.

None of the vendor's recorded lines needs rounding, so how Rompslomp rounds is a guess (dossier §6). The rule here, in
which *round* is to cents with half a cent going away from zero, and nothing is rounded but where it is said:

1. The charge of a line is ``price_per_unit`` x ``quantity``, unrounded: a price keeps all the decimals it was given.
2. A line shows ``price_without_vat`` = round(charge), ``vat_amount`` = round(``price_without_vat`` x rate) and
   ``price_with_vat`` = their sum. The VAT comes from the rounded net, not from the charge.
3. A document under ``per_line`` shows the sums of what its lines show.
4. A document under ``per_rate_total`` adds up the unrounded charges of each rate (lines of equal rate together,
   whatever their VAT type): per rate net = round(sum) and VAT = round(net x rate), then all rates are added up. Its
   totals, net among them, may so differ from the sums of its lines by some cents.
5. A document under ``per_rate_of_lines`` does the same with the nets that its lines show: its net is their sum, and
   VAT = round(net x rate) for each rate, as an e-invoice must have it (EN 16931, BR-CO-10 and BR-CO-17).
6. Under ``vat_of_charges`` the VAT of a line comes from its charge, and not from its rounded net; else as rule 3.
7. Under ``unrounded`` nothing is rounded: an invoice and its lines show what the products of rules 1 and 2 are.

A document's ``price_with_vat`` is always its net plus its VAT. With rates as percentages this is what
``gateway.contract.money.add_up`` computes for prices without tax, under ``per_line``, under ``per_rate`` and under
``per_rate_of_lines``, with the rate as the group.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Literal

from gateway.contract.money import plain, round_to_cents

Rounding = Literal["per_line", "per_rate_total", "per_rate_of_lines", "vat_of_charges", "unrounded"]

_DIGITS = 100
"""Working precision: the product of a long price, a long quantity and a rate stays exact before it is rounded."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What one line charges. ``rate`` is a fraction: 0.21."""

    price: Decimal
    quantity: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Amounts:
    """Net, VAT and gross in euro, each exact to the cent where it is rounded."""

    net: Decimal
    vat: Decimal
    gross: Decimal


def line_amounts(charge: Charge, rounding: Rounding = "per_line") -> Amounts:
    """What a line shows: rules 1 and 2, or 6 and 7."""
    with localcontext() as context:
        context.prec = _DIGITS
        charged = charge.price * charge.quantity
        if rounding == "unrounded":
            return Amounts(charged, charged * charge.rate, charged + charged * charge.rate)
        if rounding == "vat_of_charges":
            net, vat = round_to_cents(charged), round_to_cents(charged * charge.rate)
            return Amounts(net, vat, net + vat)
        return _amounts(charged, charge.rate)


def document_amounts(charges: Iterable[Charge], rounding: Rounding) -> Amounts:
    """What a document shows: rules 3 to 7."""
    with localcontext() as context:
        context.prec = _DIGITS
        if rounding in ("per_line", "vat_of_charges", "unrounded"):
            parts = [line_amounts(charge, rounding) for charge in charges]
        else:
            sums: dict[Decimal, Decimal] = {}
            for charge in charges:
                charged = charge.price * charge.quantity
                net = charged if rounding == "per_rate_total" else round_to_cents(charged)
                sums[charge.rate] = sums.get(charge.rate, Decimal(0)) + net
            parts = [_amounts(total, rate) for rate, total in sums.items()]
        net = sum((part.net for part in parts), Decimal(0))
        vat = sum((part.vat for part in parts), Decimal(0))
        return Amounts(net, vat, net + vat)


def _amounts(charged: Decimal, rate: Decimal) -> Amounts:
    net = round_to_cents(charged)
    vat = round_to_cents(net * rate)
    return Amounts(net, vat, net + vat)


def written(value: Decimal) -> str:
    """A decimal as Rompslomp writes it: text, no exponent, no padding, at least one decimal (``"12.1"``, ``"0.0"``)."""
    return plain(value, 1)
