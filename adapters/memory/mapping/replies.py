"""What a reply is: data, or why not.

Every answer but a file is ``{"ok": true, "result": …}`` or ``{"ok": false, "error": {…}}``, and **a refusal about the
content of a request comes with status 200**: only ``ok`` tells it from a success (README.md, "Peculiarities").
"""

from collections.abc import Mapping

from adapters.memory import wire
from gateway.contract.errors import FieldError, Problem, UpstreamFault, malformed, meaning_of
from gateway.contract.exact import Json
from gateway.contract.upstream import Reply

NAME = "memory"

CODES: Mapping[str, str] = {
    "unauthorized": "connection_needs_reauth",
    "scope": "upstream_forbidden",
    "company_closed": "company_not_accessible",
    "not_found": "not_found",
    "booked": "conflict",
    "concept": "conflict",
    "credited": "conflict",
    "in_use": "conflict",
    "duplicate": "conflict",
    "slow_down": "upstream_rate_limited",
}
"""Memory Books' error codes as our kinds; any other is about the request: ``upstream_rejected``."""


def read_envelope(reply: Reply) -> Json:
    """What is in the envelope of a success."""
    answer = reply.json()
    if not isinstance(answer, Mapping) or answer.get("ok") is not True or "result" not in answer:
        raise malformed("Memory Books answered without its envelope.")
    return answer["result"]


def read_error(reply: Reply) -> Problem | None:
    """Why not, or None for a success."""
    refusal = _refusal(reply)
    if refusal is not None:
        return _refused(refusal, reply)
    if reply.status < 400:
        return None
    return Problem(
        meaning_of(reply.status),
        f"Memory Books answered with status {reply.status}.",
        upstream=UpstreamFault(NAME, reply.status),
        retry_after=reply.retry_after,
    )


def _refusal(reply: Reply) -> wire.Refusal | None:
    answer = reply.json_or_none()
    try:
        return wire.Refusal.of(answer["error"]) if answer["ok"] is False else None
    except (Problem, LookupError, TypeError):
        return None


def _refused(refusal: wire.Refusal, reply: Reply) -> Problem:
    errors = []
    if refusal.field is not None:
        errors = [FieldError("", refusal.code, refusal.messageEn, provider_field=refusal.field)]
    return Problem(
        CODES.get(refusal.code, "upstream_rejected"),
        f"Memory Books: {refusal.messageEn}",
        errors=errors,
        upstream=UpstreamFault(NAME, reply.status, refusal.code, refusal.message, refusal.messageEn),
        retry_after=reply.retry_after,
    )
