"""A connection's settings, as its caller gives them: which its accounting system has, and what they may be."""

from collections.abc import Mapping
from typing import Any

from gateway.contract.errors import FieldError, Problem, invalid
from gateway.engine.providers import Provider


def merged_settings(provider: Provider, before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with some changed; null clears one. Raises ``unknown_field`` or ``validation_failed``."""
    known = {one.name: one for one in provider.adapter.settings}
    settings = dict(before)
    for name, value in given.items():
        if name not in known:
            message = f"{provider.adapter.title} has the settings {', '.join(sorted(known)) or '(none)'}."
            raise Problem("unknown_field", message, errors=[FieldError("/settings", "unknown_field", message)])
        if value is None:
            settings.pop(name, None)
        elif _is_text(value) or (known[name].several and _is_list(value)):
            settings[name] = value
        else:
            kind = "a text, or a list of texts" if known[name].several else "a text"
            raise invalid(f"/settings/{name}", f"This setting is {kind}.")
    return settings


def _is_list(value: object) -> bool:
    return isinstance(value, list) and len(value) <= 50 and all(_is_text(one) for one in value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 255 and value.isprintable()
