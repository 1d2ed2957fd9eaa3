"""A provider's records as its adapter reads them: what is known of them is checked, the rest is left alone.

A row is a struct, read from JSON text or from JSON values in one step. A number of it is a ``Decimal`` of the very
digits that were sent, as a number or as text.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import Annotated, Any, ClassVar, Self

import msgspec

from gateway.contract.errors import Problem, malformed
from gateway.contract.exact import MalformedJson, Unread, holding, items, items_under, loads


class ListText:
    """The text of a list whose records were read all at once."""

    def __init__(self, name: str, text: Unread) -> None:
        self._name = name
        self._text = text

    @cached_property
    def items(self) -> list[Unread]:
        """The text of each of them."""
        return items_under(self._name, self._text)


class ItemText(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Where the text of a record stands in that of a list: it is looked for when somebody asks, which is seldom."""

    within: ListText
    place: int

    @property
    def text(self) -> Unread:
        """The record's own text."""
        return self.within.items[self.place]


RawRecord = Mapping[str, Any] | Unread | ItemText
"""A record as a system gave it: its members, or its text, not read yet."""

PositiveId = Annotated[int, msgspec.Meta(gt=0)]
"""An id that is a whole number above zero, and no boolean."""
Count = Annotated[int, msgspec.Meta(ge=0)]
Filled = Annotated[str, msgspec.Meta(min_length=1)]
"""Text that says something."""
Figure = str
"""A number that a system writes as text, as it stands: ``money.exact`` reads it where it is calculated with, and
``money.amount_said`` and its like spell it where we only pass it on.
"""
Day = date
"""A plain date, ``2026-03-02``."""
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment that says how far it is from UTC."""

NoItems = Annotated[list[Unread], msgspec.Meta(max_length=0)]
"""A list of nothing: an empty map as PHP writes it."""

_NONSENSE = (msgspec.DecodeError, RecursionError, ValueError)
LARGEST_EXPONENT = 30
"""No amount of a real administration is written with more digits before or after the point."""


def amount_of(number: Decimal) -> Decimal:
    """A number that was read, if it can be an amount. Raises ``upstream_malformed`` for NaN and the like.

    For what is to be spelled out or made whole: an amount that is only passed on is checked as it goes out.
    """
    if not number.is_finite() or abs(number.adjusted()) > LARGEST_EXPONENT:
        raise malformed("The accounting system gives a number that is no amount.")
    return number


def said_in(raw: RawRecord) -> Mapping[str, Any]:
    """A record's members, read where they were not yet. Raises ``upstream_malformed`` for what is no record."""
    text = raw.text if isinstance(raw, ItemText) else raw
    said = read_whole(text) if isinstance(text, Unread) else text
    if not isinstance(said, Mapping):
        raise malformed("The accounting system's answer is no record.")
    return said


def rows_in(text: Unread) -> list[Unread]:
    """The records of a list, not read yet. Raises ``upstream_malformed`` for what is no list."""
    try:
        return items(text)
    except MalformedJson as error:
        raise malformed(f"The accounting system's answer is not a list: {error}.") from error


def read_whole(text: Unread) -> Any:
    """What a text says, numbers exact. Raises ``upstream_malformed``."""
    try:
        return loads(text)
    except MalformedJson as error:
        raise malformed(f"The accounting system's answer is not JSON: {error}.") from error


class Wire(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record as a system writes it. Each adapter names its ``system`` in a subclass, and builds on that."""

    system: ClassVar[str]

    @classmethod
    def of(cls, raw: RawRecord) -> Self:
        """Read one. Raises ``upstream_malformed`` for a shape that is not documented, naming places and no values."""
        try:
            if type(raw) is Unread:
                read: Self = _decoder(cls).decode(raw)
                return read
            return msgspec.convert(said_in(raw), cls)
        except _NONSENSE as error:
            raise cls._makes_no_sense(error) from error

    @classmethod
    def under(cls, name: str, text: Unread) -> list[tuple[Self, RawRecord]]:
        """Read all of the array that a member of a JSON object holds, and tell where the text of each stands.

        Raises ``upstream_malformed`` as ``of`` does.
        """
        try:
            rows = getattr(holding(name, list[cls]).decode(text), name)  # type: ignore[valid-type]  # a type at run time
        except _NONSENSE as error:
            raise cls._makes_no_sense(error) from error
        within = ListText(name, text)
        return [(row, ItemText(within, place)) for place, row in enumerate(rows)]

    @classmethod
    def _makes_no_sense(cls, error: Exception) -> Problem:
        name = cls.__name__.removesuffix("Row").lower()
        return malformed(f"{cls.system}'s {name} makes no sense{_where(error)}.")

    def but(self, **changes: object) -> Self:
        """The same record with other values in some of its fields."""
        return msgspec.structs.replace(self, **changes)


@cache
def _decoder(row: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(row)


def _where(error: Exception) -> str:
    """The place and the type that was expected there; an enum's message would quote what was sent."""
    message, _, place = str(error).partition(" - at ")
    told = f": {message}" if message.startswith(("Expected", "Object missing")) else ""
    return f" at {place.strip('`').removeprefix('$.')}{told}" if place else told
