"""Values as Rompslomp writes them: decimals are text, ids are numbers, a blank text is nothing (dossier §4)."""

from datetime import date
from functools import lru_cache
from typing import Any, ClassVar

from gateway.contract import wire
from gateway.contract.errors import invalid
from gateway.contract.money import NumberText, exact, number_text
from gateway.contract.upstream import is_number
from gateway.contract.wire import Figure


class Wire(wire.Wire, frozen=True, kw_only=True):
    """A record as Rompslomp writes it. What we do not know of it is left alone; what is null may be left out too."""

    system: ClassVar[str] = "Rompslomp"


def id_of(number: int | None) -> str | None:
    """An id as ours; null for none."""
    return None if number is None else str(number)


@lru_cache(10_000)
def day_of(text: str) -> date:
    """A date, or the date of a moment: Rompslomp writes moments with Amsterdam's offset, so its date is the Dutch one.

    Raises ``ValueError`` for any other text.
    """
    day = text[:10]
    if text[10:11] not in ("", "T", " ") or day[4:5] != "-" or day[7:8] != "-":
        raise ValueError("a date is written YYYY-MM-DD")
    return date.fromisoformat(day)


def id_in_body(id: str, pointer: str) -> int:
    """An id as a body has it. Raises ``validation_failed`` for one that no record can have."""
    if not is_number(id):
        raise invalid(pointer, "There is no such record in Rompslomp.", "not_found")
    return int(id)


@lru_cache(1_000)
def percentage_of(fraction: Figure) -> NumberText:
    """The percentage of a rate, which is a fraction here; there are a handful of them."""
    return number_text(exact(fraction) * 100)


def currency_of(text: str) -> str:
    """A currency's code in capitals: Rompslomp writes ``usd``. Raises ``ValueError`` for what is none."""
    if not (len(text) == 3 and text.isascii() and text.isalpha()):
        raise ValueError("a currency is three letters")
    return text.upper()


Json = dict[str, Any]
