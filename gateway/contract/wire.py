"""A provider's records as its adapter reads them: what is known of them is checked, the rest is left alone.

A row is a struct, read from JSON text or from JSON values in one step. A number of it is a ``Decimal`` of the very
digits that were sent, as a number or as text.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import Annotated, Any, ClassVar, Self, TypeVar

import msgspec

from gateway.contract.errors import invalid, malformed
from gateway.contract.exact import MalformedJson, Unread, holding, items, items_under, loads
from gateway.contract.models.contacts import Address, AddressDraft
from gateway.contract.money import MOST_DIGITS

WireT = TypeVar("WireT", bound="Wire")


class ListText:
    """The text of a list whose records were read all at once."""

    def __init__(self, name: str, text: Unread) -> None:
        self._name = name
        self._text = text

    @cached_property
    def items(self) -> list[Unread]:
        """The text of each of them."""
        return items_under(self._name, self._text)

    def rows(self, row: type[WireT]) -> list[WireT]:
        """All of them as rows, read at once. Raises what msgspec raises."""
        found: list[WireT] = getattr(_list_decoder(row, self._name).decode(self._text), self._name)
        return found


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
``money.amount_from`` and its like spell it where we only pass it on.
"""
Day = date
"""A plain date, ``2026-03-02``."""
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment that says how far it is from UTC."""

NoItems = Annotated[list[Unread], msgspec.Meta(max_length=0)]
"""A list of nothing: an empty map as PHP writes it."""

_NONSENSE = (msgspec.DecodeError, RecursionError, ValueError)


def amount_of(number: Decimal) -> Decimal:
    """A number that was read, if it can be an amount. Raises ``upstream_malformed`` for NaN and the like.

    For what is to be spelled out or made whole: an amount that is only passed on is checked as it goes out.
    """
    if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS:
        raise malformed("The accounting system gives a number that is no amount.")
    return number


def json_number(value: Decimal) -> int | Decimal:
    """A number as it is written on the wire: no exponent, no needless zeros, and never minus nothing."""
    whole = amount_of(value).to_integral_value()
    return int(whole) if value == whole else Decimal(format(value, "f").rstrip("0"))


def country_of(text: str | None) -> str | None:
    """A country's two letters (ISO 3166-1), in capitals; null for what is none, so that nothing is told of it."""
    return text.upper() if text and len(text) == 2 and text.isascii() and text.isalpha() else None


def address_of(line1: str | None, postal_code: str | None, city: str | None, country: str | None) -> Address | None:
    """An address as a system keeps it that has no more of it than these; null where it says none of them."""
    if not (line1 or postal_code or city or country):
        return None
    return Address(line1=line1 or None, postal_code=postal_code or None, city=city or None, country=country_of(country))


def address_body(address: AddressDraft, names: Mapping[str, str]) -> dict[str, Any]:
    """What is given of an address, for such a system: ``names`` are its words for ours.

    Raises ``validation_failed`` for a house number of no street.
    """
    if address.lacks_street:
        raise invalid("/address/street", "A house number needs its street.", "required")
    given = address.given()
    # What has no number is no reason to lose the street: the first line is written where it is said what it is.
    if given.keys() & {"line1", "street"}:
        given["line1"] = address.first_line()
    return {theirs: given[ours] for ours, theirs in names.items() if ours in given}


def members_of(raw: RawRecord) -> Mapping[str, Any]:
    """A record's members, read where they were not yet. Raises ``upstream_malformed`` for what is no record."""
    text = raw.text if isinstance(raw, ItemText) else raw
    members = read_whole(text) if isinstance(text, Unread) else text
    if not isinstance(members, Mapping):
        raise malformed("The accounting system's answer is no record.")
    return members


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
    number_of: ClassVar[Callable[[str], object] | None] = None
    """Makes a number of the adapter's own type of its text, for the fields that are of that type."""

    @classmethod
    def of(cls, raw: RawRecord) -> Self:
        """Read one. Raises ``upstream_malformed`` for a shape that is not documented, naming places and no values."""
        try:
            if type(raw) is Unread:
                row: Self = _decoder(cls).decode(raw)
                return row
            return cls.of(raw.text) if isinstance(raw, ItemText) else cls._converted(raw)
        except _NONSENSE as error:
            return cls._reread(raw, error)

    @classmethod
    def under(cls, name: str, text: Unread) -> list[tuple[Self, RawRecord]]:
        """Read all of the array that a member of a JSON object holds at once, and tell where the text of each stands.

        Raises ``upstream_malformed`` as ``of`` does, and ``MalformedJson`` where there is no such array.
        """
        within = ListText(name, text)
        try:
            rows = within.rows(cls)
        except _NONSENSE:
            rows = [cls.of(item) for item in within.items]
        return [(row, ItemText(within, place)) for place, row in enumerate(rows)]

    @classmethod
    def _reread(cls, raw: RawRecord, error: Exception) -> Self:
        """A whole number, or one as text, is made the adapter's own on a second reading of what was no sense."""
        try:
            if cls.number_of is not None and isinstance(raw, Unread):
                return cls._converted(read_whole(raw))
        except _NONSENSE as second:
            error = second
        name = cls.__name__.removesuffix("Row").removesuffix("Summary").removesuffix("Head").lower()
        raise malformed(f"{cls.system}'s {name} makes no sense{_where(error)}.") from error

    @classmethod
    def _converted(cls, value: object) -> Self:
        return msgspec.convert(value, cls, dec_hook=_number_hook(cls.number_of))


@cache
def _decoder(row: type[Wire]) -> msgspec.json.Decoder[Any]:
    # Of a JSON number with a fraction the adapter's own is made at once: almost every amount is written so.
    return msgspec.json.Decoder(row, float_hook=row.number_of)


@cache
def _list_decoder(row: type[Wire], name: str) -> msgspec.json.Decoder[Any]:
    rows: Any = list[row]  # type: ignore[valid-type]  # it is known when this runs
    return msgspec.json.Decoder(holding(name, rows), float_hook=row.number_of)


def _number_hook(number: Callable[[str], object] | None) -> Callable[[type, Any], object] | None:
    return None if number is None else lambda _, value: number(str(value))


def _where(error: Exception) -> str:
    """The place and the type that was expected there; an enum's message would quote what was sent."""
    message, _, place = str(error).partition(" - at ")
    expected = f": {message}" if message.startswith(("Expected", "Object missing")) else ""
    return f" at {place.strip('`').removeprefix('$.')}{expected}" if place else expected
