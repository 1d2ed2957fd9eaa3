"""Exact decimals: how amounts are read, written, rounded and added up.

An amount, price, quantity or rate is a ``Decimal`` wherever it is calculated with, and a decimal string on our wire. A
rate is a percentage: ``"21"``, never ``0.21``.

A record holds the string (``AmountText``, ``NumberText``), which nobody makes but the functions here: a number that a
system says and we only pass on becomes no ``Decimal`` on its way, where its text was seen before.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from functools import lru_cache
from typing import Annotated, Any, Literal, NewType

import msgspec
from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, PlainSerializer
from pydantic_core import CoreSchema

INTEGER_DIGITS = 15
FRACTION_DIGITS = 12
CENT = Decimal("0.01")
_LEAST = Decimal(1).scaleb(-FRACTION_DIGITS)
ZERO = Decimal(0)
_EXACT = Context(prec=120)
"""Room for the product of any three decimals that are let in; the default 28 digits would round them unasked."""
_TEXT = re.compile(rf"-?[0-9]{{1,{INTEGER_DIGITS}}}(?:\.[0-9]{{1,{FRACTION_DIGITS}}})?")
PATTERN = rf"^-?[0-9]{{1,{INTEGER_DIGITS}}}(\.[0-9]{{1,{FRACTION_DIGITS}}})?$"
MOST_DIGITS = 30
"""No number of a real administration is written with more digits before or after the point."""
_PLAIN = re.compile(rf"-?[0-9]{{1,{MOST_DIGITS}}}(?:\.[0-9]{{1,{MOST_DIGITS}}})?")
_WITH_EXPONENT = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?[eE][+-]?[0-9]{1,3}")
_IN_CENTS = re.compile(rf"(?:0|[1-9][0-9]{{0,{INTEGER_DIGITS - 1}}})\.[0-9]{{1,2}}")
_REMEMBERED = 20_000
"""Texts of which it is remembered what they say: books are full of the same prices, rates and sums of them."""


def decimal_of(value: object) -> Decimal:
    """Read a caller's decimal: a string such as ``"12.40"``, or a JSON number read exactly.

    Raises ``ValueError`` for anything else: a float, a boolean, an exponent in a string, more than 15 digits before or
    12 after the point.
    """
    if type(value) is Decimal and _TEXT.fullmatch(str(value)):
        return value  # what an adapter made: by far the most there are, and nothing is to be done about them
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError('a decimal is a string such as "12.40" or a JSON number')
    if isinstance(value, Decimal) and (not value.is_finite() or abs(value.adjusted()) > MOST_DIGITS):
        raise ValueError("a decimal has at most 15 digits before and 12 after the point")
    if isinstance(value, int) and abs(value) >= 10**INTEGER_DIGITS:
        raise ValueError("a decimal has at most 15 digits before and 12 after the point")
    text = value if isinstance(value, str) else format(Decimal(value), "f")
    if not _TEXT.fullmatch(text):
        raise ValueError("a decimal has at most 15 digits before and 12 after the point, and no exponent")
    return Decimal(text)


def plain(value: Decimal, places: int = 0) -> str:
    """A decimal as text with no exponent, no needless zeros, and at least ``places`` decimals: 12.4 → ``"12.40"``."""
    text = format(value, "f")
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(places, "0")
    if not fraction:
        return "0" if whole == "-0" else whole
    written = f"{whole}.{fraction}"
    return written.removeprefix("-") if not value else written


AmountText = NewType("AmountText", str)
"""Money as a record holds it: spelled as it goes out, with at least two decimals."""
NumberText = NewType("NumberText", str)
"""A quantity or rate as a record holds it: spelled as it goes out, with no needless zeros."""


def amount_text(value: Decimal) -> AmountText:
    """Money as it goes out: 12.4 → ``"12.40"``. Raises ``ValueError`` for what is no amount, as ``decimal_of`` does.

    What has more decimals than we write is rounded: a system keeps a price as some program calculated it, such as
    8.264462809917356, and a page is not lost for it. What is calculated is calculated with the number itself.
    """
    # By far the most amounts are rounded to cents already, and are written as they should be.
    if value.same_quantum(CENT) and value.adjusted() < INTEGER_DIGITS:
        return AmountText(str(value) if value else "0.00")
    return AmountText(plain(decimal_of(_in_places(value)), 2))


def number_text(value: Decimal) -> NumberText:
    """A quantity or rate as it goes out: 21.0 → ``"21"``. Rounds and raises ``ValueError`` as ``amount_text`` does."""
    return NumberText(plain(decimal_of(_in_places(value))))


def _in_places(value: Decimal) -> Decimal:
    """Rounded to as many decimals as we write, where it has more."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent >= -FRACTION_DIGITS:
        return value
    return value.quantize(_LEAST, ROUND_HALF_UP, _EXACT)


def amount_or_none(value: Decimal | None) -> AmountText | None:
    """``amount_text`` of what may be missing."""
    return None if value is None else amount_text(value)


def number_or_none(value: Decimal | None) -> NumberText | None:
    """``number_text`` of what may be missing."""
    return None if value is None else number_text(value)


@lru_cache(_REMEMBERED)
def exact(text: str) -> Decimal:
    """The number that a text spells: ours, or one of a system that writes its numbers as text.

    Raises ``ValueError`` for any other text, and for a number that nobody's books hold.
    """
    if _PLAIN.fullmatch(text):
        return Decimal(text)
    if not _WITH_EXPONENT.fullmatch(text):
        raise ValueError("a number is written in digits, and not too many")
    value = Decimal(text)
    if abs(value.adjusted()) > MOST_DIGITS:
        raise ValueError("a number is out of range")
    return value


@lru_cache(_REMEMBERED)
def amount_from(text: str) -> AmountText:
    """``amount_text`` of the number that a text spells."""
    return _in_cents(text) or amount_text(exact(text))


@lru_cache(_REMEMBERED)
def cents_from(text: str) -> AmountText:
    """``amount_text`` of the number that a text spells, rounded to cents."""
    return _in_cents(text) or amount_text(round_to_cents(exact(text)))


def _in_cents(text: str) -> AmountText | None:
    """What is in cents already needs no number made of it: ``"12.4"`` → ``"12.40"``. None for any other text."""
    if not _IN_CENTS.fullmatch(text):
        return None
    return AmountText(text + "0" if text[-2] == "." else text)


@lru_cache(_REMEMBERED)
def number_from(text: str) -> NumberText:
    """``number_text`` of the number that a text spells."""
    return number_text(exact(text))


def round_to_cents(value: Decimal) -> Decimal:
    """Half a cent goes away from zero, as Dutch practice has it (and every system we speak to)."""
    # By far the most amounts that systems say are in cents already, and looking takes half the time of rounding.
    return value if value.same_quantum(CENT) else value.quantize(CENT, ROUND_HALF_UP, _EXACT)


def signed(amount: Decimal, sign: int) -> Decimal:
    """The amount as it is where ``sign`` is 1, its opposite where it is -1: exact, at a fifth of a product's time."""
    return amount if sign > 0 else amount.copy_negate()


class DecimalText:
    """A decimal in JSON Schema: a string out; a string or a number in."""

    def __init__(self, example: str) -> None:
        self.example = example

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        text: dict[str, Any] = {"type": "string", "pattern": PATTERN}
        if handler.mode == "serialization":
            return {**text, "examples": [self.example]}
        bound = 10**INTEGER_DIGITS
        number = {"type": "number", "exclusiveMinimum": -bound, "exclusiveMaximum": bound}
        return {"anyOf": [text, number], "examples": [self.example]}


def _amount_text(value: Decimal) -> str:
    return plain(value, 2)


def _plain_text(value: Decimal) -> str:
    return plain(value)


Amount = Annotated[
    Decimal, BeforeValidator(decimal_of), PlainSerializer(_amount_text, return_type=str), DecimalText("12.40")
]
"""Money, as a decimal string with at least two decimals; its currency is said beside it."""

Quantity = Annotated[
    Decimal, BeforeValidator(decimal_of), PlainSerializer(_plain_text, return_type=str), DecimalText("0.5")
]
"""A quantity or an exchange rate, as a decimal string with no needless zeros."""

Percentage = Annotated[
    Decimal, BeforeValidator(decimal_of), PlainSerializer(_plain_text, return_type=str), DecimalText("21")
]
"""A percentage, as a decimal string: ``"21"`` is twenty-one per cent."""


AmountOut = Annotated[AmountText, Field(pattern=PATTERN, examples=["12.40"])]
QuantityOut = Annotated[NumberText, Field(pattern=PATTERN, examples=["0.5"])]
PercentageOut = Annotated[NumberText, Field(pattern=PATTERN, examples=["21"])]
"""The same in a record: text by then."""


class Priced(msgspec.Struct, frozen=True, gc=False):
    """What one line charges. ``unit_price`` is before discount, with or without tax as the document says."""

    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal
    rate: Decimal
    group: str
    """Lines of one group are taxed together: the VAT code's id, or the rate."""


class Amounts(msgspec.Struct, frozen=True, gc=False):
    """Net, tax and gross, each exact to the cent; net + tax = gross."""

    net: Decimal
    tax: Decimal
    gross: Decimal

    def __add__(self, other: "Amounts") -> "Amounts":
        add = _EXACT.add
        return Amounts(add(self.net, other.net), add(self.tax, other.tax), add(self.gross, other.gross))


NOTHING = Amounts(Decimal("0.00"), Decimal("0.00"), Decimal("0.00"))

TaxRounding = Literal["per_rate", "per_rate_of_lines", "per_line"]


class Charged(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What one line comes to. It depends on no other line, so it can be remembered, and is known by its identity."""

    charge: Decimal
    """Quantity × unit price, less the discount: exact, not rounded."""
    amounts: Amounts
    """The charge on its own, rounded."""
    rate: Decimal
    group: str


class Sum(msgspec.Struct, frozen=True, gc=False):
    """A document added up: every line, every tax group in order of first appearance, and the whole."""

    lines: tuple[Amounts, ...]
    groups: dict[str, Amounts]
    total: Amounts


def charged(line: Priced) -> Decimal:
    """Quantity × unit price, less the discount: exact, not rounded."""
    with localcontext(_EXACT):
        return _charged(line)


def with_tax(price: Decimal, rate: Decimal) -> Decimal:
    """A price without tax as one with it, exactly. The other way round is a division, which may have no end."""
    with localcontext(_EXACT):
        return (price * (100 + rate)).scaleb(-2)


def split(charge: Decimal, rate: Decimal, *, prices_include_tax: bool) -> Amounts:
    """Round a charge to cents, then take the tax at a percentage out of it or put it on top, rounded to cents too."""
    with localcontext(_EXACT):
        return _split(charge, rate, prices_include_tax)


def add_up(lines: Sequence[Priced], *, prices_include_tax: bool, rounding: TaxRounding) -> Sum:
    """Net, tax and gross of every line, of every tax group and of the whole: ``together`` of each line ``alone``."""
    with localcontext(_EXACT):
        return _together([_alone(line, prices_include_tax) for line in lines], prices_include_tax, rounding)


def alone(line: Priced, *, prices_include_tax: bool) -> Charged:
    """What one line comes to."""
    with localcontext(_EXACT):
        return _alone(line, prices_include_tax)


def together(lines: Sequence[Charged], *, prices_include_tax: bool, rounding: TaxRounding) -> Sum:
    """Lines added up, by tax group and as a whole.

    ``per_rate`` rounds once for each tax group, on the exact sum of its lines; ``per_rate_of_lines`` rounds every line,
    and the tax once for each group (EN 16931's way, BR-CO-10 and BR-CO-17); ``per_line`` rounds every line and its tax,
    and adds the cents. A line's own amounts are rounded on their own in any case, so but for ``per_line`` they may
    differ from the total by a cent or two: the total is what is owed.
    """
    with localcontext(_EXACT):
        return _together(lines, prices_include_tax, rounding)


# Below, the exact context is the current one: operators take a quarter of the time of a context's own methods.


def _charged(line: Priced) -> Decimal:
    charge = line.quantity * line.unit_price
    return charge * (100 - line.discount_percent) * CENT if line.discount_percent else charge


def _split(charge: Decimal, rate: Decimal, prices_include_tax: bool) -> Amounts:
    rounded = charge.quantize(CENT, ROUND_HALF_UP)
    if prices_include_tax:
        tax = (rounded * rate / (100 + rate)).quantize(CENT, ROUND_HALF_UP)
        return Amounts(rounded - tax, tax, rounded)
    tax = (rounded * rate * CENT).quantize(CENT, ROUND_HALF_UP)
    return Amounts(rounded, tax, rounded + tax)


def _alone(line: Priced, prices_include_tax: bool) -> Charged:
    charge = _charged(line)
    return Charged(charge, _split(charge, line.rate, prices_include_tax), line.rate, line.group)


def _together(lines: Sequence[Charged], prices_include_tax: bool, rounding: TaxRounding) -> Sum:
    groups = _gathered(lines) if rounding == "per_line" else _taxed_together(lines, prices_include_tax, rounding)
    return Sum(tuple([line.amounts for line in lines]), groups, _total(list(groups.values())))


def _gathered(lines: Sequence[Charged]) -> dict[str, Amounts]:
    """The lines of every group, added up as they are rounded."""
    groups: dict[str, list[Amounts]] = {}
    for line in lines:
        groups.setdefault(line.group, []).append(line.amounts)
    return {group: _total(found) for group, found in groups.items()}


def _taxed_together(lines: Sequence[Charged], prices_include_tax: bool, rounding: TaxRounding) -> dict[str, Amounts]:
    """The lines of every group, taxed as one."""
    charges: dict[str, Decimal] = {}
    rates: dict[str, Decimal] = {}
    for line in lines:
        if rounding == "per_rate":
            charge = line.charge
        else:
            charge = line.amounts.gross if prices_include_tax else line.amounts.net
        charges[line.group] = charges.get(line.group, ZERO) + charge
        rates[line.group] = line.rate
    return {group: _split(charge, rates[group], prices_include_tax) for group, charge in charges.items()}


def _total(each: Sequence[Amounts]) -> Amounts:
    first, *others = each or [NOTHING]
    for amounts in others:
        first = first + amounts
    return first
