"""Values as SnelStart writes them: numbers exact, dates without a zone, references as ``{id, uri}`` (dossier 2.3)."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator

from gateway.contract import old_wire as wire
from gateway.contract.errors import malformed

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}:\d{2})(?:\.\d+)?)?Z?", re.ASCII)
NO_GUID = "00000000-0000-0000-0000-000000000000"
"""Counts as none, both ways (dossier 2.3)."""


def is_guid(text: str) -> bool:
    """Whether a text may be the id of a record; everything has a GUID."""
    return _GUID.fullmatch(text) is not None


def _guid(value: object) -> str:
    if isinstance(value, str) and is_guid(value):
        return value.lower()
    raise ValueError("an id is a GUID")


def _reference(value: object) -> str | None:
    id = value.get("id") if isinstance(value, dict) else value
    if id is None or id == NO_GUID:
        return None
    return _guid(id)


def _said(value: object) -> object:
    """Null for nothing: missing text is null or empty (dossier 2.3)."""
    return None if isinstance(value, str) and not value.strip() else value


def _parts(value: object) -> tuple[str, str | None]:
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a date-time is written yyyy-MM-ddTHH:mm:ss")
    return found[1], found[2]


def _day(value: object) -> date:
    return date.fromisoformat(_parts(value)[0])


def _moment(value: object) -> datetime:
    day, clock = _parts(value)
    return in_utc(datetime.fromisoformat(f"{day}T{clock or '00:00:00'}"))


def _flag(value: object) -> bool:
    if value is None:
        return False
    if isinstance(value, bool):
        return value
    raise ValueError("neither true nor false")


def _list(value: object) -> object:
    return [] if value is None else value


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


def on_the_wall(moment: datetime) -> datetime:
    """A UTC moment as ``modifiedOn`` has it."""
    bare = moment.astimezone(UTC).replace(tzinfo=None)
    start, end = _clock_changes(bare.year)
    return bare + timedelta(hours=2 if start <= bare < end else 1)


Guid = Annotated[str, BeforeValidator(_guid)]
Reference = Annotated[str | None, BeforeValidator(_reference)]
Said = Annotated[str | None, BeforeValidator(_said)]
Day = Annotated[date, BeforeValidator(_day)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Flag = Annotated[bool, BeforeValidator(_flag)]
MaybeNone = BeforeValidator(_list)
"""A list that is null where it is empty."""


class Wire(wire.Wire):
    """A record as SnelStart writes it. New members arrive without a new version (dossier 5.4), and are left alone."""

    system = "SnelStart"


def rows(data: object) -> list[dict[str, Any]]:
    """A list of records. Raises ``upstream_malformed``."""
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise malformed("SnelStart's answer is not a list of records.")
    return data


def new_id(data: object) -> str:
    """The id of what a write made. Raises ``upstream_malformed``."""
    id = data.get("id") if isinstance(data, dict) else None
    if not isinstance(id, str) or not is_guid(id):
        raise malformed("SnelStart's answer names no record.")
    return id.lower()


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
    """A date-time literal of OData v3."""
    return f"datetime'{at:%Y-%m-%dT%H:%M:%S}'"


def midnight(day: date) -> str:
    """A day as a date-time literal of OData v3."""
    return f"datetime'{day.isoformat()}T00:00:00'"


def json_number(value: Decimal) -> int | Decimal:
    """A number as it is written on the wire: no exponent, no needless zeros, and never minus nothing."""
    whole = value.to_integral_value()
    return int(whole) if value == whole else Decimal(format(value, "f").rstrip("0"))
