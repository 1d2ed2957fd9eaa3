"""A provider's records as its adapter reads them: what is known of them is checked, the rest is left alone.

A row is a struct, read from JSON text or from JSON values in one step. A number of it is a ``Decimal`` of the very
digits that were sent, as a number or as text.
"""

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Self

import msgspec

from gateway.contract.errors import malformed
from gateway.contract.exact import Unread

RawRecord = Mapping[str, Any] | Unread
"""A record as a system gave it: its members, or its text, not read yet."""

PositiveId = Annotated[int, msgspec.Meta(gt=0)]
"""An id that is a whole number above zero, and no boolean."""
Count = Annotated[int, msgspec.Meta(ge=0)]
Day = date
"""A plain date, ``2026-03-02``."""
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment that says how far it is from UTC."""


class Wire(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record as a system writes it. Each adapter names its ``system`` in a subclass, and builds on that.

    A member that a system writes in capitals or hyphens is declared with ``named``.
    """

    system: ClassVar[str]

    @classmethod
    def of(cls, raw: RawRecord) -> Self:
        """Read one. Raises ``upstream_malformed`` for a shape that is not documented, naming places and no values."""
        try:
            if type(raw) is Unread:
                read: Self = _decoder(cls).decode(raw)
                return read
            return msgspec.convert(raw, cls)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            name = cls.__name__.removesuffix("Row").lower()
            raise malformed(f"{cls.system}'s {name} makes no sense{_where(error)}.") from error


@cache
def _decoder(row: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(row)


def _where(error: Exception) -> str:
    """The place and the type that was expected there; an enum's message would quote what was sent."""
    message, _, place = str(error).partition(" - at ")
    told = f": {message}" if message.startswith(("Expected", "Object missing")) else ""
    return f" at {place.strip('`').removeprefix('$.')}{told}" if place else told
