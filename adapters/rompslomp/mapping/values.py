"""Values as Rompslomp writes them: decimals are text, ids are numbers, a blank text is nothing (dossier §4)."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from gateway.contract import old_wire as wire
from gateway.contract.errors import FieldError, Problem, invalid, not_found

_RECORD_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ].*)?", re.ASCII)


def _id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    raise ValueError("an id is a whole number")


def _said(value: object) -> object:
    """Null for nothing, however it is written."""
    return None if value == "" else value


def _false_if_none(value: object) -> object:
    return False if value is None else value


def _day(value: object) -> date:
    found = _DAY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a date is written YYYY-MM-DD")
    return date.fromisoformat(found[1])


RecordId = Annotated[str, BeforeValidator(_id)]
Said = Annotated[str | None, BeforeValidator(_said)]
Flag = Annotated[bool, BeforeValidator(_false_if_none)]
Day = Annotated[date, BeforeValidator(_day)]
"""A date, or the date of a moment: Rompslomp writes moments with Amsterdam's offset, so its date is the Dutch one."""


class Wire(wire.Wire):
    """A record as Rompslomp writes it. What we do not know of it is left alone; what is null may be left out too."""

    model_config = ConfigDict(strict=True)
    system = "Rompslomp"


def id_in_path(id: str) -> str:
    """An id as it may stand in a path: digits only, or ``not_found``.

    Rails reads ``12abc`` as 12 (dossier §6 leaves it open), so an id that is no number must not get there.
    """
    if not _RECORD_ID.fullmatch(id):
        not_found()
    return id


def id_in_body(id: str, pointer: str) -> int:
    """An id as a body has it. Raises ``validation_failed`` for one that no record can have."""
    if not _RECORD_ID.fullmatch(id):
        raise invalid(pointer, "There is no such record in Rompslomp.", "not_found")
    return int(id)


def country_of(text: str | None) -> str | None:
    """A country code in capitals; null for what is none."""
    return text.upper() if text and len(text) == 2 and text.isascii() and text.isalpha() else None


def unsupported(pointer: str, reason: str) -> Problem:
    """``field_unsupported`` for what may not be dropped either, because the rest would mean something else."""
    return Problem("field_unsupported", reason, errors=[FieldError(pointer, "field_unsupported", reason)])


Json = dict[str, Any]
