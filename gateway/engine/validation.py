"""What a body does wrong, in plain English and with pointers, and never repeating what the caller sent."""

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.contract.errors import FieldError, Problem

MOST = 100
"""Errors told at once; a body can hold thousands."""
LONGEST_POINTER = 300
_UNKNOWN = "extra_forbidden"

_WRONG_TYPE = "wrong_type"
_RULES: Mapping[str, tuple[str, str]] = {
    "missing": ("required", "is required"),
    _UNKNOWN: ("unknown_field", "is not known here"),
    "literal_error": ("not_allowed", "must be one of {expected}"),
    "string_too_short": ("too_short", "must be at least {min_length} long"),
    "string_too_long": ("too_long", "must be at most {max_length} long"),
    "too_short": ("too_short", "must have at least {min_length} item(s)"),
    "too_long": ("too_long", "must have at most {max_length} item(s)"),
    "string_pattern_mismatch": ("invalid", "must match {pattern}"),
    "greater_than_equal": ("out_of_range", "must be {ge} or more"),
    "less_than_equal": ("out_of_range", "must be {le} or less"),
    "value_error": ("invalid", "{error}"),
    "string_type": (_WRONG_TYPE, "must be text"),
    "bool_type": (_WRONG_TYPE, "must be true or false"),
    "int_type": (_WRONG_TYPE, "must be a whole number"),
    "list_type": (_WRONG_TYPE, "must be a list"),
    "dict_type": (_WRONG_TYPE, "must be an object"),
    "model_type": (_WRONG_TYPE, "must be an object"),
}
"""By pydantic's name for an error: our code, and what the field must be, with pydantic's own facts filled in."""


def problem_of_validation(error: ValidationError) -> Problem:
    """The problem that a body's validation raised: ``unknown_field`` if that is all that is wrong with it."""
    found = error.errors(include_url=False, include_input=False)
    errors = [_field_error(one) for one in found[:MOST]]
    code = "unknown_field" if all(one["type"] == _UNKNOWN for one in found) else "validation_failed"
    if len(found) == 1:
        where = errors[0].pointer or "The body"
        return Problem(code, f"{where}: {errors[0].message}.", errors=errors)
    return Problem(code, f"{len(found)} things in the body are not right; see `errors`.", errors=errors)


def pointer_of(location: tuple[int | str, ...]) -> str:
    """An RFC 6901 pointer; that of the nearest parent where the caller's own name for a field makes it too long."""
    pointer = ""
    for step in location:
        longer = f"{pointer}/{str(step).replace('~', '~0').replace('/', '~1')}"
        if len(longer) > LONGEST_POINTER:
            break
        pointer = longer
    return pointer


def _field_error(one: ErrorDetails) -> FieldError:
    code, sentence = _RULES.get(one["type"], ("invalid", "is not valid"))
    return FieldError(pointer_of(one["loc"]), code, sentence.format_map(one.get("ctx", {})))
