"""Values as TheNextInvoice writes them, where customers speak in text and everything else in numbers."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from gateway.contract import old_wire as wire
from gateway.contract.errors import malformed
from gateway.contract.old_wire import Number, number_of

_DIGITS = re.compile(r"0*([0-9]{1,18})")
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T].*)?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_TRUE = (True, 1, "1", "true")
_FALSE = (False, 0, "0", "false", "", None)


def _id(value: object) -> str:
    """``1`` and ``"1"`` are one id."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and _DIGITS.fullmatch(text):
        return str(int(text))
    raise ValueError("an id is a whole number")


def _reference(value: object) -> str | None:
    """The id of what may be named by its id or given whole (documentation, "Invoice Line object")."""
    if isinstance(value, dict):
        value = value.get("id")
    return None if value is None or value == "" else _id(value)


def _whole(value: object) -> int:
    number = number_of(value)
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
    return int(number)


def _flag(value: object) -> bool:
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError("neither true nor false")


def _said(value: object) -> object:
    """Null for nothing, however it is written."""
    return None if value == "" else value


def _day(value: object) -> date | None:
    if value is None or value == "":
        return None
    found = _DAY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a date is written YYYY-MM-DD")
    return date.fromisoformat(found[1])


def _empty_map(value: object) -> object:
    """An empty map may be written as an empty list, as PHP does."""
    return {} if value is None or value == [] else value


RecordId = Annotated[str, BeforeValidator(_id)]
Reference = Annotated[str | None, BeforeValidator(_reference)]
Whole = Annotated[int, BeforeValidator(_whole)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Said = Annotated[str | None, BeforeValidator(_said)]
Day = Annotated[date | None, BeforeValidator(_day)]
NumberMap = Annotated[dict[str, Number], BeforeValidator(_empty_map)]


class Wire(wire.Wire):
    """A record as TheNextInvoice writes it. What we do not know of it is left alone."""

    system = "TheNextInvoice"


class Found(Wire):
    """One page of a search. Its numbers are text for customers (documentation, "Paginated Customers")."""

    items: list[dict[str, Any]]
    total_items: Annotated[Whole, Field(ge=0)]


def rows(data: object) -> list[Any]:
    """A list of records. Raises ``upstream_malformed``."""
    if not isinstance(data, list):
        raise malformed("TheNextInvoice's answer is not a list.")
    return data


def new_id(data: object) -> str:
    """The id that a write answers: bare, or as ``{id}``. Raises ``upstream_malformed``."""
    try:
        id = _reference(data)
    except ValueError:
        id = None
    if id is None:
        raise malformed("TheNextInvoice's answer names no record.")
    return id


def language_of(text: str | None) -> str | None:
    """A language tag in small letters; null for what is none."""
    return text.lower() if text and _LANGUAGE.fullmatch(text) else None


def currency_of(text: str | None) -> str | None:
    """A currency code in capitals; null for what is none."""
    return text.upper() if text and len(text) == 3 and text.isascii() and text.isalpha() else None


def country_of(text: str | None) -> str | None:
    """A country code in capitals; null for what is none."""
    return text.upper() if text and len(text) == 2 and text.isascii() and text.isalpha() else None


def json_number(value: Decimal) -> int | Decimal:
    """A number as it is written on the wire: no exponent, no needless zeros, and never minus nothing."""
    whole = value.to_integral_value()
    if value == whole:
        return int(whole)
    return Decimal(format(value, "f").rstrip("0"))
