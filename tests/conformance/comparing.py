"""Whether two records say the same, and what of a record changed."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

NOTHING: tuple[object, ...] = (None, "", [], {})


def same(given: object, answered: object) -> bool:
    """Whether an answer says what was given: decimals by value, all else as it is."""
    if isinstance(given, Mapping) and isinstance(answered, Mapping):
        return all(same(value, answered.get(name)) for name, value in given.items())
    if isinstance(given, list) and isinstance(answered, list):
        return len(given) == len(answered) and all(map(same, given, answered))
    return given == answered or (
        isinstance(given, str) and number(given) is not None and number(given) == number(answered)
    )


def number(value: object) -> Decimal | None:
    """The number that a value is or spells."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def address_said(given: Mapping[str, Any]) -> dict[str, Any]:
    """What an answered address must say: its first line whole, and the parts that are no part of it."""
    parts = {name: value for name, value in given.items() if name not in ("street", "house_number")}
    if "street" in given:
        parts["line1"] = f"{given['street']} {given.get('house_number', '')}".strip()
    return parts


def leaves(value: object, at: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a record that is not nothing, by its place."""
    if isinstance(value, Mapping):
        for name, deeper in value.items():
            yield from leaves(deeper, f"{at}.{name}")
    elif isinstance(value, list | tuple):
        for place, deeper in enumerate(value):
            yield from leaves(deeper, f"{at}.{place}")
    elif value not in NOTHING:
        yield at, str(value)


def changes(before: object, after: object) -> dict[str, tuple[str | None, str | None]]:
    """The places where two records differ, with what stood there before and after."""
    old, new = dict(leaves(before)), dict(leaves(after))
    return {place: (old.get(place), new.get(place)) for place in old | new if old.get(place) != new.get(place)}


def tells(value: str | None, news: object) -> bool:
    """Whether a value in the books is (part of) what was given, or holds it."""
    for _, text in leaves(news):
        digits = number(text)
        if value is not None and (text in value or value in text or (digits is not None and digits == number(value))):
            return True
    return False
