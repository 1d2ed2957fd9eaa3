"""A connection's settings, as its caller gives them: which its accounting system has, and what they may be."""

from collections.abc import Mapping
from typing import Any

from gateway.contract.errors import FieldError, Problem, invalid
from gateway.engine.providers import Provider


def merged_settings(provider: Provider, before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with some changed; null clears one. Raises ``unknown_field`` or ``validation_failed``."""
    known = {one.name for one in provider.adapter.settings}
    settings = dict(before)
    for name, value in given.items():
        if name not in known:
            message = f"{provider.adapter.title} has the settings {', '.join(sorted(known)) or '(none)'}."
            raise Problem("unknown_field", message, errors=[FieldError("/settings", "unknown_field", message)])
        if value is None:
            settings.pop(name, None)
        elif _is_setting(value):
            settings[name] = value
        else:
            raise invalid(f"/settings/{name}", "A setting is a text, or a list of texts.")
    return settings


def _is_setting(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return len(texts) <= 50 and all(
        isinstance(one, str) and 1 <= len(one) <= 255 and one.isprintable() for one in texts
    )
