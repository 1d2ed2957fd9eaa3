"""Strict reading of JSON bodies: unknown fields, wrong types and missing fields are refused with 400."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from adapters.thenextinvoice.emulator.wire import Refusal
from gateway.contract.exact import Json

LARGEST = Decimal(10) ** 12
LONGEST_FRACTION = 12
"""What a number may be is not documented; these bounds only keep the emulator's arithmetic exact."""

Kind = Literal["text", "number", "integer", "boolean", "object", "array"]

_WORDS: Mapping[Kind, str] = {
    "text": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "a boolean",
    "object": "an object",
    "array": "an array",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body: its type, whether it must be there, and whether it may be null (by default, if optional)."""

    kind: Kind
    required: bool = False
    nullable: bool | None = None

    @property
    def may_be_null(self) -> bool:
        """Whether null is taken."""
        return not self.required if self.nullable is None else self.nullable


def fits(value: Json, kind: Kind) -> bool:
    """Whether ``value`` is of that JSON type; a boolean is no number."""
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind == "integer":
        return isinstance(value, int)
    if kind == "number":
        return isinstance(value, int | Decimal)
    expected = {"text": str, "object": dict, "array": list}[kind]
    return isinstance(value, expected)


def read(body: Json, fields: Mapping[str, Field], where: str = "") -> dict[str, Json]:
    """The fields that ``body`` gives, checked. ``where`` prefixes the names in messages, as in ``lines[0].``."""
    if not isinstance(body, dict):
        raise Refusal(400, f"{where.rstrip('.') or 'Request body'} must be an object")
    for name in body:
        if name not in fields:
            raise Refusal(400, f"Unknown field: {where}{name}")
    for name, expected in fields.items():
        if name not in body:
            if expected.required:
                raise Refusal(400, f"{where}{name} is required")
        elif body[name] is None:
            if not expected.may_be_null:
                raise Refusal(400, f"{where}{name} is required")
        elif not fits(body[name], expected.kind):
            raise Refusal(400, f"{where}{name} must be {_WORDS[expected.kind]}")
        elif expected.kind in ("number", "integer") and not _storable(Decimal(body[name])):
            raise Refusal(400, f"{where}{name} is out of range")
    return dict(body)


def _storable(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -LONGEST_FRACTION and abs(number) < LARGEST


def texts(*names: str, required: bool = False) -> dict[str, Field]:
    """A string field of each name."""
    return {name: Field("text", required) for name in names}


def not_blank(given: Mapping[str, Json], *names: str) -> None:
    """Refuse an empty text in a field that was given."""
    for name in names:
        if isinstance(given.get(name), str) and not given[name].strip():
            raise Refusal(400, f"{name} is required")
