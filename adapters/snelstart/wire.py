"""How SnelStart is spoken to: its paths, its errors in five shapes, and its token server. Pure functions, no I/O."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from adapters.snelstart.mapping.errors import ERROR_CODES
from gateway.contract.auth import AccessToken, Grant, claims_of
from gateway.contract.errors import FieldError, Problem, UpstreamFault, malformed, meaning_of
from gateway.contract.secret import Secret
from gateway.contract.upstream import Facts, Query, Reply, Request, path_of
from gateway.contract.wire import rows_in

PROVIDER = "snelstart"
ASSUMED_LIFETIME = timedelta(minutes=30)
"""How long a token without ``expires_in`` is used: documented ones live for an hour."""
ASSUMED_WAIT = 60
"""Seconds to wait after a refusal that names no time: the limits are per minute (dossier 5.3)."""

_WAIT = re.compile(r"[Tt]ry again in (\d{1,5}) seconds?")
_QUOTA = re.compile(r"replenished in (?:(\d{1,4})\.)?(\d{1,4}):(\d\d):(\d\d)")
"""How the gateway in front of the API writes a span of time (dossier 5.3): ``6.23:30:00`` is nearly a week."""
_WEEK = 7 * 24 * 3600


def request(method: str, *segments: str, query: Query = (), json: Any = None) -> Request:
    """A request below ``/v2``."""
    return Request(method, path_of("v2", *segments), query=query, json=json)


def raw_prefix(facts: Facts) -> str:
    """Everything is below ``/v2/``: which administration it is about is in the token (dossier 1.1)."""
    del facts
    return "/v2/"


def read_envelope(reply: Reply) -> Any:
    """A success is bare JSON: a record, or a list of them, not read yet. Raises ``upstream_malformed``."""
    if reply.body.lstrip().startswith(b"["):
        return rows_in(reply.unread())
    body = reply.json()
    if not isinstance(body, dict):
        raise malformed("SnelStart's answer is neither a record nor a list.")
    return body


def read_error(reply: Reply) -> Problem | None:
    """What a refusal says, in whichever of the five shapes (dossier 5.1); null for a success."""
    if 200 <= reply.status < 300:
        return None
    body = reply.json_or_none()
    broken = _rules(body)
    if broken and reply.status < 500:
        return _broken(broken, reply.status)
    message = _message(body)
    fault = UpstreamFault(PROVIDER, reply.status, broken[0][0] if broken else None, message)
    words = f": {message}" if message else "."
    if reply.status == 401 and "subscription key" in (message or "").lower():
        # The gateway in front of the API, about the operator's key; any other 401 is about the token (dossier 1.3).
        return Problem("provider_misconfigured", f"SnelStart refuses the subscription key{words}", upstream=fault)
    exhausted = reply.status == 403 and "quota" in (message or "").lower()
    if exhausted or reply.status == 429:
        wait = reply.retry_after if reply.retry_after is not None else _seconds(message)
        return Problem("upstream_rate_limited", f"SnelStart asks to wait{words}", upstream=fault, retry_after=wait)
    code = meaning_of(reply.status)
    errors = _model_state(body) if code == "upstream_rejected" else ()
    return Problem(code, f"SnelStart answers with status {reply.status}{words}", errors=errors, upstream=fault)


def _rules(body: object) -> list[tuple[str, str | None]]:
    """Shape 1: the broken business rules, as code and Dutch words."""
    rules = []
    for item in body if isinstance(body, list) else ():
        code = item.get("errorCode") if isinstance(item, dict) else None
        if isinstance(code, str) and code:
            message = item.get("message")
            rules.append((code, message if isinstance(message, str) else None))
    return rules


def _message(body: object) -> str | None:
    """Shapes 2 to 4, and the token server's: ``message``, ``Message`` or ``error``."""
    inner = body[0] if isinstance(body, list) and body else body
    if not isinstance(inner, dict):
        return None
    for name in ("message", "Message", "error"):
        text = inner.get(name)
        if isinstance(text, str) and text:
            return text
    return None


def _model_state(body: object) -> Sequence[FieldError]:
    """Shape 2: the fields that could not be bound, as ``relatie.Naam``."""
    inner = body[0] if isinstance(body, list) and body else body
    state = inner.get("modelState") if isinstance(inner, dict) else None
    errors = []
    for name, texts in state.items() if isinstance(state, dict) else ():
        words = "; ".join(str(text) for text in texts) if isinstance(texts, list) else str(texts)
        errors.append(FieldError("", "rejected", words, provider_field=str(name)))
    return errors


def _broken(rules: Sequence[tuple[str, str | None]], status: int) -> Problem:
    """Broken business rules. The first one that is about the state of the record settles the kind."""
    errors = []
    kinds = []
    for code, message in rules:
        known = ERROR_CODES.get(code)
        kinds.append(known.kind if known is not None else "upstream_rejected")
        english = known.meaning if known is not None else message or code
        errors.append(FieldError(known.pointer if known is not None else "", code, english))
    kind = next((one for one in kinds if one != "upstream_rejected"), "upstream_rejected")
    kind = "not_found" if status == 404 else kind
    first, dutch = rules[0]
    english = errors[0].message
    fault = UpstreamFault(PROVIDER, status, first, dutch, english)
    return Problem(kind, f"SnelStart refuses this: {english}", errors=errors, upstream=fault)


def _seconds(message: str | None) -> int:
    """How long the message says to wait: within the hour for a rate, within the week for a quota."""
    left = _QUOTA.search(message or "")
    if left is not None:
        days, hours, minutes, seconds = (int(part or 0) for part in left.groups())
        return min(((days * 24 + hours) * 60 + minutes) * 60 + seconds, _WEEK)
    found = _WAIT.search(message or "")
    return min(int(found[1]), 3600) if found is not None else ASSUMED_WAIT


def token_request(grant: Grant) -> Request:
    """``POST /b2b/token`` with the connection key, URL-encoded in the form: it holds ``/ + =`` (dossier 1.1, 1.2)."""
    key = "".join(grant.fields["connection_key"].reveal().split())
    return Request("POST", "/b2b/token", form={"grant_type": "clientkey", "clientkey": key}, origin="auth")


def read_token(reply: Reply, grant: Grant) -> AccessToken:
    """The token that a connection key buys. 400 and 401 are a key that is wrong or revoked (dossier 1.2)."""
    problem = read_error(reply)
    if problem is not None:
        if reply.status in (400, 401):
            raise Problem("credentials_rejected", "SnelStart knows no such connection key.", upstream=problem.upstream)
        raise problem
    body = reply.json()
    token = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(token, str) or not token:
        raise malformed("SnelStart's token server answers no token.")
    seconds = body.get("expires_in")
    known = isinstance(seconds, int) and not isinstance(seconds, bool) and 0 < seconds < 10**7
    lifetime = timedelta(seconds=seconds) if known else ASSUMED_LIFETIME
    return AccessToken(Secret(token), expires_at=grant.now + lifetime, scopes=scopes_of(token))


def scopes_of(token: str) -> frozenset[str]:
    """The scopes in the JWT's claim ``scopes``, separated by spaces; none where it cannot be read (dossier 1.2).

    They are shown, and nothing is decided by them.
    """
    scopes = claims_of(token).get("scopes")
    if isinstance(scopes, list):
        return frozenset(scope for scope in scopes if isinstance(scope, str))
    return frozenset(scopes.split()) if isinstance(scopes, str) else frozenset()
