"""Reading a body's attributes: what is not permitted refuses the whole request, the rest is cast as Rails casts.

A blank text is null. A decimal may be text or a JSON number; what is no number is cast to NaN, for a validation to
complain about. A date that is none is cast to null. An id may be text (dossier §4, "Conventions").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from adapters.rompslomp.emulator.errors import NOT_A_NUMBER, ApiError, Violations, humanised, too_long
from adapters.rompslomp.emulator.identifiers import id_in
from gateway.contract.exact import Json

Kind = Literal["text", "long_text", "boolean", "id", "decimal", "date", "moment", "scalar", "objects", "object"]
Attributes = Mapping[str, Kind]
Given = dict[str, Any]
"""Attributes by name, cast: str, bool, int, Decimal, date, datetime or None; ``objects`` and ``object`` untouched."""

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NAN = Decimal("NaN")
TEXT_LENGTH = 255
PLACES: Mapping[str, int] = {"price_per_unit": 5, "quantity": 2}
"""Decimals that are surely kept of a price (dossier §6), and of a quantity, of which no recorded one has any."""
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?) ?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads attributes; ``status`` is that of a refusal. ``tidies``: see ``switches``."""

    status: int
    tidies: bool = False

    def refusal(self, kind: str, message: str) -> ApiError:
        return ApiError(self.status, f"client.parameters.{kind}", message)

    def permitted(self, body: Json, attributes: Attributes) -> Given:
        """The attributes that ``body`` gives, cast. Raises the 400 or 422 for the first that is not permitted."""
        if not isinstance(body, dict):
            raise self.refusal("invalid_parameter_value", "Een object werd verwacht.")
        unknown = [name for name in body if name not in attributes]
        nested = [name for name in body if name in attributes and not _fits(body[name], attributes[name])]
        if unknown or nested:
            names = ", ".join([*unknown, *nested])
            raise self.refusal("unpermitted_parameters", f"found unpermitted parameters: {names}")
        cast = {name: self._cast(name, value, attributes[name]) for name, value in body.items()}
        return {name: _tidied(name, value) for name, value in cast.items()} if self.tidies else cast

    def _cast(self, name: str, value: Json, kind: Kind) -> object:
        if kind in ("objects", "object"):
            return value
        if value is None or value == "":
            return None
        if kind == "boolean":
            if not isinstance(value, bool):
                raise self._wrong(name)
            return value
        if isinstance(value, bool):
            raise self._wrong(name)
        if kind == "decimal":
            return decimal_in(value)
        if kind == "id":
            return id_in(str(value), "whole")
        if kind == "scalar":
            return value
        if not isinstance(value, str):
            raise self._wrong(name)
        if kind == "date":
            moment = moment_in(value)
            return None if moment is None else moment.date()
        return moment_in(value) if kind == "moment" else value

    def _wrong(self, name: str) -> ApiError:
        return self.refusal("invalid_parameter_value", f"De waarde van {name} is ongeldig.")


def _tidied(name: str, value: object) -> object:
    """A value as a database of few decimals and a model that squeezes its texts keep it."""
    if isinstance(value, str):
        return "\n".join(" ".join(line.split()) for line in value.strip().splitlines()) or None
    if isinstance(value, Decimal) and name in PLACES and value.is_finite():
        return value.quantize(Decimal(1).scaleb(-PLACES[name]), ROUND_HALF_UP)
    return value


def _fits(value: Json, kind: Kind) -> bool:
    if kind == "objects":
        return value is None or (isinstance(value, list) and all(isinstance(item, dict) for item in value))
    if kind == "object":
        return value is None or isinstance(value, dict)
    return not isinstance(value, list | dict)


def decimal_in(value: object) -> Decimal:
    """A decimal from text or a JSON number; NaN where it is none."""
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return Decimal(text) if _DECIMAL.fullmatch(text) else NAN


def date_in(text: str) -> date | None:
    """A date from ``YYYY-MM-DD``; None where it is none."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def moment_in(text: str) -> datetime | None:
    """A moment from a date, or a date with a time and perhaps an offset; in Amsterdam, as Rompslomp keeps it."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        return None
    day, time, offset = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time or '00:00'}{offset or ''}")
    except ValueError:
        return None
    return moment.astimezone(AMSTERDAM) if moment.tzinfo else moment.replace(tzinfo=AMSTERDAM)


def moment_text(moment: datetime) -> str:
    """A moment as Rompslomp writes it: ``2024-03-01T00:00:00.000+01:00``."""
    return moment.astimezone(AMSTERDAM).isoformat(timespec="milliseconds")


def date_text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def check(
    given: Given, attributes: Attributes, violations: Violations, labels: Mapping[str, str] | None = None
) -> None:
    """Complain of texts that are too long and of decimals that are none."""
    for name, value in given.items():
        label = (labels or {}).get(name, humanised(name))
        if attributes[name] == "text" and value is not None and len(value) > TEXT_LENGTH:
            violations.add(label, too_long(TEXT_LENGTH))
        if attributes[name] == "decimal" and value is not None and value.is_nan():
            violations.add(label, NOT_A_NUMBER)


def assign(record: object, given: Given, *names: str) -> None:
    """Set the attributes of a record that were given."""
    for name in names:
        if name in given:
            setattr(record, name, given[name])
