"""JSON in which no number ever becomes a binary float.

A JSON number with a fraction or an exponent is read as the ``Decimal`` its text spells, and a ``Decimal`` is written
as that number again: ``12345678901.123456789`` in, ``12345678901.123456789`` out. The standard library cannot write a
``Decimal`` as a number, and most fast parsers read one through a float; msgspec does both exactly.
"""

import json
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
Json = Any
"""Any JSON value; a number is an ``int`` where its text is whole, else a ``Decimal``."""

_LARGEST_EXPONENT = 400
"""Beyond which a number is refused: spelled out it would take more room than any amount is worth."""

DEEPEST = 32
"""Levels of what a caller sends: our own bodies have four, and who goes through deeper ones may run out of stack."""


def _fraction(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError("a number is out of range") from error
    if abs(value.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError("a number is out of range")
    return value


Unread = msgspec.Raw
"""The text of one JSON value, found but not read yet: ``bytes`` for all purposes."""

_SHOWN = 50
_decoder = msgspec.json.Decoder(float_hook=_fraction)
_items = msgspec.json.Decoder(list[Unread])
_encoder = msgspec.json.Encoder(decimal_format="number")


class MalformedJson(ValueError):
    """The text is not one JSON value (RFC 8259): bad syntax, NaN, a lone surrogate, or nested beyond reason."""


def items(text: bytes | Unread) -> list[Unread]:
    """The items of a JSON array, not read yet. Raises ``MalformedJson`` for anything else."""
    return _read(_items, text)


def items_under(name: str, text: bytes | Unread) -> list[Unread]:
    """The items of the array that a member of a JSON object holds, not read yet. Raises ``MalformedJson`` for anything
    else.
    """
    found: list[Unread] = getattr(_read(_items_under(name), text), name)
    return found


@cache
def _items_under(name: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(holding(name, list[Unread]))


def holding(name: str, held: Any) -> type[msgspec.Struct]:
    """A JSON object with a member of that name and type."""
    return msgspec.defstruct("Holding", [(name, held)])


def loads(text: bytes | str | Unread) -> Any:
    """Read one JSON value. Raises ``MalformedJson``."""
    return _read(_decoder, text)


def _read(decoder: msgspec.json.Decoder[T], text: bytes | str | Unread) -> T:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise MalformedJson(str(error)) from error


def is_text(text: bytes) -> bool:
    """Whether it is UTF-8, all of it: who reads into a record does not look at the names of members he skips."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def loads_once(text: bytes) -> Any:
    """Read one JSON value in which no object names a member twice: of two amounts nobody knows which one is meant.

    Raises ``MalformedJson``, also for more than ``DEEPEST`` levels. It reads twice, the second time with the standard
    library, which tells of every member.
    """
    value = loads(text)
    if text.count(b"[") + text.count(b"{") > DEEPEST and _is_deep(value):
        raise MalformedJson(f"it is nested more than {DEEPEST} levels deep")
    try:
        json.loads(text, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except (RecursionError, ValueError) as error:
        raise MalformedJson(str(error)) from error
    return value


def _is_deep(value: Json) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [one for each in inner for one in each]
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)


def _once(members: list[tuple[str, object]]) -> None:
    names = set()
    for name, _ in members:
        if name in names:
            shown = name if name.isprintable() and len(name) <= _SHOWN else "a member"
            raise ValueError(f"`{shown}` is given twice")
        names.add(name)


def dumps(value: object) -> bytes:
    """Write a JSON value as UTF-8; a ``Decimal`` becomes the number that spells it. Raises ``TypeError``."""
    return _encoder.encode(value)
