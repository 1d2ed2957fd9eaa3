"""Values as Rompslomp writes them: decimals are text, ids are numbers, a blank text is nothing (dossier §4)."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from gateway.contract.errors import FieldError, Problem, invalid, malformed, not_found

_RECORD_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ].*)?", re.ASCII)


def _id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    raise ValueError("an id is a whole number")


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("not a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise ValueError("not an amount")
    return number


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
Number = Annotated[Decimal, BeforeValidator(_number)]
Said = Annotated[str | None, BeforeValidator(_said)]
Flag = Annotated[bool, BeforeValidator(_false_if_none)]
Day = Annotated[date, BeforeValidator(_day)]
"""A date, or the date of a moment: Rompslomp writes moments with Amsterdam's offset, so its date is the Dutch one."""


class Wire(BaseModel):
    """A record as Rompslomp writes it. What we do not know of it is left alone; what is null may be left out too."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    @classmethod
    def of(cls, raw: object) -> Self:
        """Read one. Raises ``upstream_malformed``, which names places, not values."""
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the record"
            name = cls.__name__.removesuffix("Row").lower()
            raise malformed(f"Rompslomp's {name} makes no sense at {where}: {first['msg']}.") from error


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
