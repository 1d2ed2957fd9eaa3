"""Values as TheNextInvoice writes them, where customers speak in text and everything else in numbers."""

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import ClassVar

from gateway.contract import wire
from gateway.contract.errors import malformed
from gateway.contract.exact import Unread
from gateway.contract.wire import Filled, read_whole

_DIGITS = re.compile(r"0*([0-9]{1,18})")
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T].{0,30})?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


class Wire(wire.Wire, frozen=True):
    """A record as TheNextInvoice writes it. What we do not know of it is left alone."""

    system: ClassVar[str] = "TheNextInvoice"


class Numbered(Wire, frozen=True):
    """A record with an id, which is a number, or text for customers."""

    id: int | str

    @property
    def key(self) -> str:
        """Its id in the one form it has with us. Raises ``upstream_malformed``."""
        return id_of(self.id)


class Named(Wire, frozen=True):
    """A record given whole where its id would do."""

    id: int | str | None = None


Reference = int | str | Named | None
"""What names another record: its id, or the record (documentation, "Invoice Line object")."""
Flag = bool | int | str | None
"""True or false: bare for most, in text for customers."""
Stated = bool | int | Filled
"""The same, where nothing would leave it open."""

_FLAGS: Mapping[Flag, bool] = {
    **dict.fromkeys((True, "1", "true"), True),
    **dict.fromkeys((False, "0", "false", "", None), False),
}
"""What is written for true and for false. 1 and 0 are equal to them."""


class SearchPage(Wire, frozen=True):
    """One page of a search, its records not read yet."""

    items: list[Unread]
    total_items: int | str

    @property
    def total(self) -> int:
        """How many there are in all: in text for customers (documentation, "Paginated Customers")."""
        return int(id_of(self.total_items))


class SearchIds(Wire, frozen=True):
    """One page of a search, of which nothing but the ids is of use."""

    items: list[Numbered]


# A page names the same few accounts, VAT codes and days in line after line: what is remembered is not read again.


@lru_cache(maxsize=10_000)
def id_of(value: int | str) -> str:
    """``1`` and ``"1"`` are one id. Raises ``upstream_malformed`` for what is no number."""
    if found := _DIGITS.fullmatch(str(value)):
        return str(int(found[1]))
    raise malformed("TheNextInvoice gives an id that is no whole number.")


@lru_cache(maxsize=10_000)
def reference_of(value: Reference) -> str | None:
    """The id of the record that is named; null where none is. Raises ``upstream_malformed``."""
    id = value.id if isinstance(value, Named) else value
    return None if id is None or id == "" else id_of(id)


@lru_cache(maxsize=10_000)
def day_of(text: str | None) -> date | None:
    """A date, with or without a time behind it. Raises ``upstream_malformed``."""
    if not text:
        return None
    found = _DAY.fullmatch(text)
    try:
        return date.fromisoformat(found[1] if found else "")
    except ValueError as error:
        raise malformed("TheNextInvoice gives a date that is not written YYYY-MM-DD.") from error


def flag_of(value: Flag) -> bool:
    """True or false. Raises ``upstream_malformed`` for what is neither."""
    flag = _FLAGS.get(value)
    if flag is None:
        raise malformed("TheNextInvoice gives something that is neither true nor false.")
    return flag


def new_id(data: Unread) -> str:
    """The id that a write answers: bare, or as ``{id}``. Raises ``upstream_malformed``."""
    answer = read_whole(data)
    id = answer.get("id") if isinstance(answer, dict) else answer
    if isinstance(id, bool) or not isinstance(id, int | str):
        raise malformed("TheNextInvoice's answer names no record.")
    return id_of(id)


def language_of(text: str | None) -> str | None:
    """A language tag in small letters; null for what is none."""
    return text.lower() if text and _LANGUAGE.fullmatch(text) else None


@lru_cache(maxsize=1_000)
def currency_of(text: str | None) -> str | None:
    """A currency code in capitals; null for what is none."""
    return text.upper() if text and len(text) == 3 and text.isascii() and text.isalpha() else None
