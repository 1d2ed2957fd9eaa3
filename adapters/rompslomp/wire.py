"""How Rompslomp is spoken to: its paths, its root keys and its errors. Pure functions, no I/O.

Every record comes under its own name (``{"contact": {…}}``) and every list under the plural, beside headers that count
(``X-Total``); files come bare (dossier §3).
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from adapters.rompslomp.mapping.errors import STATE, english_of, errors_of
from adapters.rompslomp.mapping.values import Wire
from gateway.contract.errors import Problem, UpstreamFault, malformed, meaning_of
from gateway.contract.exact import MalformedJson, Unread, items_under
from gateway.contract.upstream import Facts, Query, Reply, Request, path_of
from gateway.contract.wire import RawRecord

RowT = TypeVar("RowT", bound=Wire)

PROVIDER = "rompslomp"
ROOT = ("api", "v1", "companies")
PAGE_CAP = 100
"""Rompslomp never answers more items at once, and may refuse to be asked for more (dossier §3)."""
ASSUMED_WAIT = 60
"""Seconds to wait after a 429 without ``Retry-After``: requests are counted per minute (dossier §5)."""

_SCOPE = re.compile(r"\b(?:public|(?:manage|read):[a-z_]+)\b")
_CODES: Mapping[str, str] = {
    "client.authorization.invalid_scope": "scope_missing",
    "client.quota_reached": "upstream_forbidden",
    "client.subscription_limit_reached": "upstream_forbidden",
    "client.rate_limit": "upstream_rate_limited",
}
"""Error types that say more than their status. Both limits of a plan come with a status that is not documented."""
_DETAILS: Mapping[str, str] = {
    "connection_needs_reauth": "Rompslomp does not accept the token, or the API is off for this company",
    "scope_missing": "Rompslomp allows this only with a scope that the token or the user's role lacks",
    "upstream_forbidden": "Rompslomp forbids this: the user's role or the company's plan does not allow it",
    "not_found": "Rompslomp has no such record",
    "conflict": "The record's state does not allow this",
    "upstream_rate_limited": "Rompslomp asks to wait",
    "upstream_unavailable": "Rompslomp failed",
    "upstream_rejected": "Rompslomp refuses this",
}


def request(
    facts: Facts, method: str, *segments: str, query: Query = (), json: Any = None, ahead: bool = False
) -> Request:
    """A request below the connection's company."""
    return Request(method, path_of(*ROOT, facts.company_id or "", *segments), query=query, json=json, ahead=ahead)


def prefix(facts: Facts) -> str:
    """Where everything of the connection's company is."""
    return path_of(*ROOT, facts.company_id or "") + "/"


def read_envelope(reply: Reply) -> Any:
    """The JSON object of a success; null for one without content. Raises ``upstream_malformed``.

    Which root key must be in it is for the verb to say: see ``record_in``; lists are read by ``records_in``.
    """
    if reply.status == 204:
        return None
    body = reply.json()
    if not isinstance(body, dict):
        raise malformed("Rompslomp's answer is not a JSON object.")
    return body


def record_in(body: object, root: str) -> dict[str, Any]:
    """The record under its root key. Raises ``upstream_malformed``."""
    found = body.get(root) if isinstance(body, dict) else None
    if not isinstance(found, dict):
        raise malformed(f"Rompslomp's answer holds no {root}.")
    return found


def records_in(reply: Reply, root: str) -> list[Unread]:
    """The records under a list's root key, not read yet. Raises ``upstream_malformed``."""
    try:
        return items_under(root, reply.unread())
    except MalformedJson as error:
        raise malformed(f"Rompslomp's answer holds no {root}.") from error


def rows_in(reply: Reply, root: str, row: type[RowT]) -> list[tuple[RowT, RawRecord]]:
    """The records under a list's root key, read at once. Raises ``upstream_malformed``."""
    try:
        return row.under(root, reply.unread())
    except MalformedJson as error:
        raise malformed(f"Rompslomp's answer holds no {root}.") from error


def total_of(reply: Reply) -> int:
    """How many records a list has in all: ``X-Total``, which every list has. Raises ``upstream_malformed``."""
    text = reply.headers.get("x-total", "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise malformed("Rompslomp does not say how long its list is.")
    return int(text)


def read_error(reply: Reply) -> Problem | None:
    """What a refusal says; null for a success."""
    if 200 <= reply.status < 300:
        return None
    kind, message = _fault(reply)
    english = english_of(message) if message else None
    fault = UpstreamFault(PROVIDER, reply.status, kind, message, english, reply.headers.get("x-request-id"))
    code = _code_of(reply.status, kind, message)
    detail = _DETAILS.get(code, f"Rompslomp answers with status {reply.status}")
    return Problem(
        code,
        f"{detail}: {message}" if message else f"{detail}.",
        errors=errors_of(message) if message and reply.status in (409, 422) else (),
        upstream=fault,
        retry_after=_wait(reply) if code == "upstream_rate_limited" else None,
        extra=_required_scope(reply, message) if code == "scope_missing" else {},
    )


def _fault(reply: Reply) -> tuple[str | None, str | None]:
    """The ``type`` and ``message`` of an error body; the flat body of a file that is not there has a message only."""
    body = reply.json_or_none()
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None, None
    kind, message = error.get("type"), error.get("message")
    return (kind if isinstance(kind, str) else None), (message if isinstance(message, str) and message else None)


def _code_of(status: int, kind: str | None, message: str | None) -> str:
    if kind is not None and kind in _CODES and 400 <= status < 500 and status != 401:
        return _CODES[kind]
    if status == 402:
        return "upstream_forbidden"
    if status == 422 and message and STATE.search(message):
        return "conflict"
    return meaning_of(status)


def _wait(reply: Reply) -> int:
    return ASSUMED_WAIT if reply.retry_after is None else reply.retry_after


def _required_scope(reply: Reply, message: str | None) -> dict[str, Any]:
    """The scope that a refusal names, in its message or its challenge. Neither text is documented."""
    found = _SCOPE.search(f"{message or ''} {reply.headers.get('www-authenticate', '')}")
    return {"required_scope": found[0]} if found else {}
