"""Dates and times as this API writes them: no zone, and fractions without trailing zeros."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Literal

_INPUT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(\.\d{1,7})?)?(Z|[+-]\d{2}:\d{2})?\Z", re.ASCII)


def read(text: str) -> datetime | None:
    """The moment a caller meant, without its zone; None where it is none.

    Dates alone, a blank for the T, fractions and a zone are all taken (dossier 2.3); the zone is dropped.
    """
    match = _INPUT.match(text)
    if match is None:
        return None
    day, clock, fraction, _zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}")
    except ValueError:
        return None
    return moment + timedelta(microseconds=int((fraction or ".0")[1:7].ljust(6, "0")))


def write(moment: datetime) -> str:
    """``2018-08-07T06:24:48.12``: to the millisecond, trailing zeros cut."""
    text = moment.replace(tzinfo=None, microsecond=0).isoformat()
    milliseconds = f"{moment.microsecond // 1000:03d}".rstrip("0")
    return f"{text}.{milliseconds}" if milliseconds else text


def midnight(day: date) -> str:
    """A day as a date-time field holds it: ``2026-08-16T00:00:00``."""
    return f"{day.isoformat()}T00:00:00"


def day_of(text: str) -> date:
    """The day of a stored date-time."""
    return date.fromisoformat(text[:10])


def wall_clock(now: datetime, zone: Literal["Europe/Amsterdam", "UTC"]) -> datetime:
    """What a clock on the wall shows in that zone.

    Dutch summer time is the EU's rule, spelt out so that no time-zone database is needed: from the last Sunday of
    March to the last Sunday of October, at 01:00 UTC.
    """
    utc = now.astimezone(UTC).replace(tzinfo=None)
    if zone == "UTC":
        return utc
    summer = _last_sunday(utc.year, 3) <= utc < _last_sunday(utc.year, 10)
    return utc + timedelta(hours=2 if summer else 1)


def _last_sunday(year: int, month: int) -> datetime:
    last = date(year, month, 31)
    return datetime(year, month, last.day - (last.weekday() + 1) % 7, 1)
