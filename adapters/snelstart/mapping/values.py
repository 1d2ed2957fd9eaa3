"""Values as SnelStart writes them: numbers exact, dates without a zone, references as ``{id, uri}`` (dossier 2.3)."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import ClassVar

from gateway.contract import wire
from gateway.contract.errors import malformed, not_found
from gateway.contract.exact import Unread
from gateway.contract.money import amount_text, exact

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}:\d{2})(?:\.\d{1,9})?(Z|[+-]\d{2}:\d{2})?)?", re.ASCII)
"""A date-time, as a rule without a zone (dossier 2.3): the document's format, ``date-time``, has one."""
NO_GUID = "00000000-0000-0000-0000-000000000000"
"""Counts as none, both ways (dossier 2.3)."""
UNFILLED = "0001-01-01"
"""The day of a date-time that .NET never filled in, as it writes one that it has no null for."""


def is_guid(text: str) -> bool:
    """Whether a text may be the id of a record; everything has a GUID.

    SnelStart would take it in capitals too, but one record has one id with us, in small letters.
    """
    return _GUID.fullmatch(text) is not None


def guid_in_path(id: str) -> str:
    """An id as it may stand in a path. Raises ``not_found`` for what no record can have."""
    if not is_guid(id):
        not_found()
    return id


@cache
def _clock_changes(year: int) -> tuple[datetime, datetime]:
    """Summer time begins and ends at 01:00 UTC on the last Sundays of March and October."""
    march, october = (datetime(year, month, 31, 1) for month in (3, 10))
    return (
        march - timedelta(days=(march.weekday() + 1) % 7),
        october - timedelta(days=(october.weekday() + 1) % 7),
    )


def in_utc(wall: datetime) -> datetime:
    """A moment that says no zone, taken as Dutch wall-clock time.

    Which zone ``modifiedOn`` is in is not documented; integrators met local time (dossier 2.3). The hour that comes
    twice in autumn is taken for the first one.
    """
    start, end = _clock_changes(wall.year)
    summer = start + timedelta(hours=1) <= wall < end + timedelta(hours=2)
    return (wall - timedelta(hours=2 if summer else 1)).replace(tzinfo=UTC)


class Number:
    """An amount that SnelStart says, to calculate with and as it goes out.

    It is made once for each text, and known by itself: what is made of it over and again is cheap to remember.
    """

    __slots__ = ("text", "value")

    def __init__(self, value: Decimal) -> None:
        self.value = value
        self.text = amount_text(value)

    @property
    def opposite(self) -> "Number":
        """The same amount with the other sign."""
        return number(str(self.value.copy_negate()))


@lru_cache(maxsize=20_000)
def number(text: str) -> Number:
    """The amount that a text spells. Raises ``ValueError``."""
    return Number(exact(text))


NOTHING = number("0.00")


class Wire(wire.Wire, frozen=True):
    """A record as SnelStart writes it. New members arrive without a new version (dossier 5.4), and are left alone."""

    system: ClassVar[str] = "SnelStart"
    number_of: ClassVar[Callable[[str], Number]] = number


class Identified(Wire, frozen=True):
    """A record with an id: everything has a GUID."""

    id: str

    @property
    def key(self) -> str:
        """Its id in the one form it has with us. Raises ``upstream_malformed``."""
        return guid_of(self.id)


class Named(Wire, frozen=True):
    """A reference as it is written: ``{id, uri}``."""

    id: str | None = None


Reference = str | Named | None
"""What names another record."""


# A page names the same few accounts, customers and days over and again: what is remembered is not read again.


@lru_cache(maxsize=10_000)
def guid_of(text: str) -> str:
    """An id as SnelStart says it, in small letters. Raises ``upstream_malformed`` for what is none."""
    id = text.lower()
    if not is_guid(id):
        raise malformed("SnelStart gives an id that is no GUID.")
    return id


def reference_of(reference: Reference) -> str | None:
    """The id of the record that is named; null where none is. Raises ``upstream_malformed``."""
    id = reference.id if isinstance(reference, Named) else reference
    return None if id is None or id == NO_GUID else guid_of(id)


def text_or_none(text: str | None) -> str | None:
    """Null for nothing: missing text is null or empty (dossier 2.3)."""
    return text if text and not text.isspace() else None


@lru_cache(maxsize=10_000)
def moment_of(text: str) -> datetime:
    """A moment, in UTC; one that says no zone is taken as Dutch. Raises ``upstream_malformed``."""
    found = _MOMENT.fullmatch(text)
    try:
        parsed = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00:00'}{found[3] or ''}" if found else "")
        return in_utc(parsed) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise malformed("SnelStart gives a date-time that is not written yyyy-MM-ddTHH:mm:ss.") from error


@lru_cache(maxsize=10_000)
def day_of(text: str) -> date:
    """The day of a date-time, as it stands there. Raises ``upstream_malformed``."""
    found = _MOMENT.fullmatch(text)
    try:
        return date.fromisoformat(found[1] if found else "")
    except ValueError as error:
        raise malformed("SnelStart gives a date-time that is not written yyyy-MM-ddTHH:mm:ss.") from error


def moment_or_none(text: str | None) -> datetime | None:
    """A moment, where there is one. Raises ``upstream_malformed``."""
    return None if text is None or text.startswith(UNFILLED) else moment_of(text)


def day_or_none(text: str | None) -> date | None:
    """A day, where there is one. Raises ``upstream_malformed``."""
    return None if text is None or text.startswith(UNFILLED) else day_of(text)


def rows(data: object) -> list[Unread]:
    """A list of records, not read yet. Raises ``upstream_malformed``."""
    if not isinstance(data, list):
        raise malformed("SnelStart's answer is not a list of records.")
    return data


def new_id(data: object) -> str:
    """The id of what a write made. Raises ``upstream_malformed``."""
    id = data.get("id") if isinstance(data, dict) else None
    if not isinstance(id, str):
        raise malformed("SnelStart's answer names no record.")
    return guid_of(id)


def refer(id: str) -> dict[str, str]:
    """A reference to write; its ``uri`` is not read there."""
    return {"id": id}


def quoted(text: str) -> str:
    """A text literal of OData v3: a quote is doubled."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def guid(id: str) -> str:
    """A GUID literal of OData v3."""
    return f"guid'{id}'"


def moment(at: datetime) -> str:
    """A date-time literal of OData v3, which says no zone."""
    return f"datetime'{at.replace(tzinfo=None).isoformat(timespec='seconds')}'"


def midnight(day: date) -> str:
    """A day as a date-time literal of OData v3."""
    return f"datetime'{day.isoformat()}T00:00:00'"


def since(name: str, day: date) -> str:
    """A condition of OData: on a day or after it."""
    return f"{name} ge {midnight(day)}"


def until(name: str, day: date) -> str:
    """A condition of OData: on a day, at whatever time of it, or before. After the last day of all there is none."""
    if day == date.max:
        return f"{name} le {midnight(day)}"
    return f"{name} lt {midnight(day + timedelta(days=1))}"
