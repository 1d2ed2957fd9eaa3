"""Booked lines as lines of an invoice of ours: the way back of ``lines.py``."""

from decimal import Decimal
from functools import lru_cache

from adapters.snelstart.mapping.lines import BARE, Booked, Terms, terms_of
from adapters.snelstart.mapping.values import Number, text_or_none
from gateway.contract.models import Line
from gateway.contract.models.base import like
from gateway.contract.money import CENT, amount_text, round_to_cents, split
from gateway.contract.totals import MOST_ROUNDING


def line_of(text: str | None, net: Number, booked: Booked, with_tax: bool = True) -> tuple[Line, bool]:
    """A booked line as ours, and whether its price includes VAT.

    What its text says is believed where that comes to the line's amount, and a price with VAT ``with_tax`` only; else
    it is only a text.
    """
    if text is not None and text.endswith(")"):
        description, found, end = text.rpartition(" (")
        read = _line_of_terms(end, net, booked) if found else None
        if read is not None and (with_tax or not read[1]):
            return like(read[0], description=description), read[1]
    return like(_bare_line(net, booked), description=text_or_none(text) or ""), False


# Below are lines that want their description only: books are full of the same prices on the same accounts.


@lru_cache(maxsize=10_000)
def _line_of_terms(end: str, net: Number, booked: Booked) -> tuple[Line, bool] | None:
    """What stands at the end of a text, where that comes to the line's amount."""
    terms = terms_of(end)
    if terms is None or not _comes_to(terms, net.value, booked):
        return None
    return _line(terms, net, booked), terms.included


@lru_cache(maxsize=10_000)
def _bare_line(net: Number, booked: Booked) -> Line:
    return _line(BARE, net, booked)


def _comes_to(terms: Terms, net: Decimal, booked: Booked) -> bool:
    if not terms.included:
        return terms.amount == net
    return abs(split(terms.amount, booked.rate, prices_include_tax=True).net - net) <= MOST_ROUNDING


def _line(terms: Terms, net: Number, booked: Booked) -> Line:
    cents, tax, gross = _amounts(terms, booked.rate, net.value)
    code = None if booked.way is None else booked.way.code
    return Line(
        type="item",
        description="",
        quantity=terms.quantity,
        unit=terms.unit,
        unit_price=terms.price or net.text,
        discount_percent=terms.discount,
        vat_code_id=None if code is None else code.id,
        vat_treatment=None if code is None else code.treatment,
        vat_rate=None if code is None else code.rate,
        vat_country=None if code is None else code.country,
        ledger_account_id=booked.ledger,
        net=net.text if cents is net.value else amount_text(cents),
        tax=amount_text(tax),
        gross=amount_text(gross),
    )


def _amounts(terms: Terms, rate: Decimal, net: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """A line's own net, tax and gross. With prices that include VAT its gross is what it charges."""
    net = round_to_cents(net)
    if terms.included:
        return net, terms.amount - net, terms.amount
    tax = round_to_cents(net * rate * CENT)
    return net, tax, net + tax
