"""What a request asks for: its query and body, checked against the operation before anything else happens."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from gateway.contract.adapter import FilterValue
from gateway.contract.errors import FieldError, Problem
from gateway.contract.exact import MalformedJson, loads_once
from gateway.contract.models.base import PRINTABLE, Shape, instant_text
from gateway.contract.operations import Filter, Operation
from gateway.contract.upstream import is_id
from gateway.engine.validation import problem_of_validation

_DRY_RUN = "dry_run"
_INCLUDE = "include"
DEFAULT_LIMIT = 50
MAX_LIMIT = 200
_LIMIT = re.compile(r"[0-9]{1,4}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOUR, _SIXTIETH = "([01][0-9]|2[0-3])", "[0-5][0-9]"
INSTANT_PATTERN = (
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_HOUR}:{_SIXTIETH}:{_SIXTIETH}(\.[0-9]{{1,9}})?(Z|[+-]{_HOUR}:?{_SIXTIETH})"
)
"""RFC 3339, as the clients that are made from an OpenAPI document write it: many with a fraction, or an offset of 0,
and those that openapi-generator makes for Python with no colon in it."""
_INSTANT = re.compile(INSTANT_PATTERN)
_PRINTABLE = re.compile(PRINTABLE)


@dataclass(frozen=True, slots=True)
class Parameters:
    """A query, understood. ``cursor`` is null for the first page; ``filters`` keep the order of the table."""

    filters: Mapping[str, FilterValue] = field(default_factory=dict)
    include: frozenset[str] = frozenset()
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    drop_unsupported: bool = False
    dry_run: bool = False

    def context(self) -> tuple[str, ...]:
        """What a cursor is bound to, beside the connection and the operation."""
        filters = tuple(f"{name}={value}" for name, value in self.filters.items())
        return (*filters, "archived" if "archived" in self.include else "")


def parameters(operation: Operation) -> tuple[str, ...]:
    """The query parameters an operation knows."""
    names = [one.name for one in operation.filters]
    if operation.shape == "list":
        names += ["limit", "cursor"]
    if operation.includes:
        names.append(_INCLUDE)
    if operation.is_write and operation.resource != "connections":  # those are Polder's own: it holds every field
        names += ["on_unsupported", _DRY_RUN] if operation.accepts is not None else [_DRY_RUN]
    return tuple(names)


def read_query(operation: Operation, query: Sequence[tuple[str, str]]) -> Parameters:
    """Understand a query.

    ``include`` may be given as often as it names things, as many clients write a list, and one ``include`` may name
    several. Raises ``unknown_field`` for a parameter the operation does not know, ``validation_failed`` for any other
    that is given twice or has a value of the wrong kind, ``invalid_cursor`` for an empty cursor.
    """
    return _understood(operation, tuple(query))


@lru_cache(1024)
def _understood(operation: Operation, query: tuple[tuple[str, str], ...]) -> Parameters:
    known = parameters(operation)
    given: dict[str, str] = {}
    for name, value in query:
        if name not in known:
            raise _unknown(name, f"This operation knows {', '.join(known) or 'no parameters'}.")
        if name in given and name != _INCLUDE:
            raise _wrong(name, "is given twice")
        given[name] = f"{given[name]},{value}" if name in given else value
    if given.get("cursor") == "":
        raise Problem("invalid_cursor", "Leave `cursor` out for the first page.")
    return Parameters(
        filters={one.name: _value(one, given[one.name]) for one in operation.filters if one.name in given},
        include=_include(operation, given.get(_INCLUDE)),
        limit=_limit(given.get("limit")),
        cursor=given.get("cursor"),
        drop_unsupported=_on_unsupported(given.get("on_unsupported")),
        dry_run=_flag(_DRY_RUN, given.get(_DRY_RUN)),
    )


def read_raw_query(query: Sequence[tuple[str, str]]) -> tuple[bool, Sequence[tuple[str, str]]]:
    """Whether a raw write is a dry run, and its query without that: all else is the system's to understand."""
    given = [value for name, value in query if name == _DRY_RUN]
    if len(given) > 1:
        raise _wrong(_DRY_RUN, "is given twice")
    theirs = [pair for pair in query if pair[0] != _DRY_RUN]
    return _flag(_DRY_RUN, given[0] if given else None), theirs


def read_body(operation: Operation, body: bytes) -> Shape | None:
    """Understand a body: the operation's model, or None where it takes none.

    Raises ``malformed_json``, ``unknown_field`` or ``validation_failed``.
    """
    model = operation.accepts
    if model is None:
        if body.strip() not in (b"", b"{}"):
            raise Problem("validation_failed", "This operation takes no body.")
        return None
    if not body and not operation.body_required:
        return model.model_validate({})
    try:
        value: Any = loads_once(body)
    except MalformedJson as error:
        raise Problem("malformed_json", f"The body is not one JSON value: {error}.") from error
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise problem_of_validation(error) from error


def _include(operation: Operation, text: str | None) -> frozenset[str]:
    if text is None:
        return frozenset()
    wanted = text.split(",")
    for one in wanted:
        if one not in operation.includes:
            raise _wrong(_INCLUDE, f"may name {', '.join(operation.includes)}")
    return frozenset(wanted)


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise _wrong("limit", f"is a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _on_unsupported(text: str | None) -> bool:
    if text not in (None, "reject", "drop"):
        raise _wrong("on_unsupported", "is `reject` or `drop`")
    return text == "drop"


def _flag(name: str, text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise _wrong(name, "is `true` or `false`")
    return text == "true"


def _value(one: Filter, text: str) -> FilterValue:
    if one.kind == "date":
        return _moment(one.name, text, _DAY, "a date, YYYY-MM-DD").date()
    if one.kind == "instant":
        return _instant(one.name, text)
    if one.kind == "choice" and text not in one.choices:
        raise _wrong(one.name, f"is one of {', '.join(one.choices)}")
    if not text.strip() or len(text) > 255 or not _PRINTABLE.match(text):
        raise _wrong(one.name, "is a printable text of 1 to 255 characters")
    if one.kind == "id" and not is_id(text):
        raise _wrong(one.name, "is an id")
    return text


def _moment(name: str, text: str, form: re.Pattern[str], what: str) -> datetime:
    """What a text of that form says; the form may be right and the day not be in the calendar."""
    with suppress(ValueError):
        if form.fullmatch(text):
            return datetime.fromisoformat(text)
    raise _wrong(name, f"is {what}")


def _instant(name: str, text: str) -> str:
    """In UTC, and of the second it is in: no system tells of a part of one."""
    what = "a timestamp with its offset, 2026-03-02T09:00:00Z"
    try:
        return instant_text(_moment(name, text, _INSTANT, what))
    except OverflowError as error:
        raise _wrong(name, f"is {what}") from error


def _unknown(name: str, detail: str) -> Problem:
    shown = name if name.isascii() and name.isprintable() and len(name) <= 50 else "a parameter"
    message = f"There is no query parameter `{shown}`. {detail}"
    return Problem("unknown_field", message, errors=[FieldError(shown, "unknown_field", message)])


def _wrong(name: str, what: str) -> Problem:
    message = f"`{name}` {what}."
    return Problem("validation_failed", message, errors=[FieldError(name, "invalid", message)])
