"""How TheNextInvoice is spoken to: its paths, its envelope, its errors and its log-in. Pure functions, no I/O.

Every JSON answer is ``{success, data, error{code, message}}``; files come bare (documentation, "Response envelope").
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from adapters.thenextinvoice.mapping.values import SearchIds, SearchPage, Wire, id_of
from gateway.contract.auth import AccessToken, Grant, claims_of
from gateway.contract.errors import FieldError, Problem, UpstreamFault, malformed, meaning_of
from gateway.contract.exact import Unread
from gateway.contract.secret import Secret
from gateway.contract.upstream import Facts, Query, Reply, Request, is_number, path_of

PROVIDER = "thenextinvoice"
ROOT = ("api", "v1")
PAGE_CAP = 100
"""The most items that a search may be asked for; what becomes of a larger limit is not said (documentation)."""

ASSUMED_LIFETIME = timedelta(minutes=10)
"""How long a JWT without an ``exp`` is used: no lifetime is documented. One that ends sooner answers 401."""
ASSUMED_WAIT = 30
"""Seconds to wait after a 429 that names no time: no limits are documented."""

_SUCCESS = re.compile(rb'\s*\{\s*"success"\s*:\s*true\b')
"""How an envelope begins: the rest of a long one need not be looked through for a failure."""
_REFUSED = re.compile(rb'"success"\s*:\s*false')
_STATE = re.compile(
    r"finali[sz]ed|definitie|state transition|invalid state|\bdraft\b|\bconcept|\balready\b|\breeds\b"
    r"|\bal (?:betaald|gecrediteerd)\b",
    re.IGNORECASE,
)
"""Words of a refusal that is about the state of a record. Refused states answer 400 and 500 (documentation, "Update an
Invoice", "Credit an invoice"), as invalid fields and real failures do: only the message tells them apart."""

_DETAILS: Mapping[str, str] = {
    "connection_needs_reauth": "TheNextInvoice does not accept the token",
    "upstream_forbidden": "TheNextInvoice forbids this",
    "not_found": "TheNextInvoice has no such record",
    "conflict": "The record's state does not allow this",
    "upstream_unavailable": "TheNextInvoice failed",
    "upstream_rejected": "TheNextInvoice refuses this",
}

_FIELD = r"(?P<field>(?:[A-Za-z]+\[[0-9]+\]\.)?[A-Za-z_][A-Za-z0-9_.]*)"
_ABOUT_FIELD = (
    re.compile(rf"{_FIELD} (?:is|must|does|can|has|lies|may)\b"),
    re.compile(rf"Unknown field: {_FIELD}$"),
)
_LINE_OF = re.compile(r"lines\[(?P<line>[0-9]+)\]\.(?P<field>[A-Za-z_]+)")
_NO_FIELD = frozenset({"Invoice", "Customer", "Product", "It", "This", "There", "Quotation", "Password"})


def request(method: str, *segments: str, query: Query = (), json: Any = None) -> Request:
    """A request below ``/api/v1``."""
    return Request(method, path_of(*ROOT, *segments), query=query, json=json)


def raw_prefix(facts: Facts) -> str:
    """Everything is below ``/api/v1/``: which company it is about is in the token."""
    del facts
    return f"/{'/'.join(ROOT)}/"


class Envelope(Wire, frozen=True):
    """What every answer comes in."""

    success: bool
    data: Unread = Unread(b"null")


class Search(Wire, frozen=True):
    """The answer to a search, read in one go with its envelope: no answer is longer."""

    success: bool
    data: SearchPage


class SearchForIds(Wire, frozen=True):
    """The answer to a search of which nothing but the ids is of use."""

    success: bool
    data: SearchIds


class LogIn(Wire, frozen=True):
    """The answer to a log-in."""

    token: str


AnswerT = TypeVar("AnswerT", Envelope, Search, SearchForIds)


def read_envelope(reply: Reply) -> Unread:
    """The ``data`` of a success, not read yet; null where there is none. Raises ``upstream_malformed``."""
    return _successful(Envelope.of(reply.unread())).data


def read_search(reply: Reply) -> SearchPage:
    """What a search found, its records not read yet. Raises ``upstream_malformed``."""
    return _successful(Search.of(reply.unread())).data


def read_search_ids(reply: Reply) -> frozenset[str]:
    """The ids of what a search found. Raises ``upstream_malformed``."""
    return frozenset([id_of(one.id) for one in _successful(SearchForIds.of(reply.unread())).data.items])


def _successful(answer: AnswerT) -> AnswerT:
    if not answer.success:
        raise malformed("TheNextInvoice's answer is not in its envelope.")
    return answer


def read_error(reply: Reply) -> Problem | None:
    """What a refusal says; null for a success. ``success: false`` is a refusal under any status."""
    succeeded = 200 <= reply.status < 300
    if succeeded and (_SUCCESS.match(reply.body) or not _REFUSED.search(reply.body)):
        return None
    fault = _fault(reply)
    if succeeded and fault is None:
        return None
    code, message = fault or (None, None)
    status = reply.status
    if succeeded:
        status = code if code is not None and 400 <= code <= 599 else 400
    upstream = UpstreamFault(PROVIDER, status=reply.status, code=str(code) if code else None, message=message)
    return _problem(status, message, upstream, reply.retry_after)


def _fault(reply: Reply) -> tuple[int | None, str | None] | None:
    """The code and message of an envelope that says it failed."""
    body = reply.json_or_none()
    if not isinstance(body, dict) or body.get("success") is not False:
        return None
    error = body.get("error")
    if not isinstance(error, dict):
        return None, error if isinstance(error, str) else None
    code, message = error.get("code"), error.get("message")
    whole = code if isinstance(code, int) and not isinstance(code, bool) else None
    return whole, message if isinstance(message, str) and message else None


def _problem(status: int, message: str | None, upstream: UpstreamFault, retry_after: int | None) -> Problem:
    of_state = status in (400, 500) and message is not None and _STATE.search(message) is not None
    code = "conflict" if of_state else meaning_of(status)
    if code == "upstream_rate_limited":
        wait = ASSUMED_WAIT if retry_after is None else retry_after
        return Problem(code, "TheNextInvoice asks to wait.", upstream=upstream, retry_after=wait)
    detail = _DETAILS.get(code, f"TheNextInvoice answers with status {status}")
    errors = _about_field(message) if code == "upstream_rejected" else ()
    return Problem(code, f"{detail}: {message}" if message else f"{detail}.", errors, upstream)


def _about_field(message: str | None) -> Sequence[FieldError]:
    """The field that a message begins with, as in ``email is required``. Its pointer is the resource's to say."""
    if message is None:
        return ()
    found = next((match for pattern in _ABOUT_FIELD if (match := pattern.match(message))), None)
    if found is None or found["field"] in _NO_FIELD:
        return ()
    return [FieldError(pointer="", code="rejected", message=message, provider_field=found["field"])]


@contextmanager
def pointing(pointers: Mapping[str, str]) -> Iterator[None]:
    """Name our own field beside TheNextInvoice's in a refusal. ``pointers`` goes from its fields to our pointers.

    A field of a line is looked up as ``lines[].price`` and its pointer holds ``{line}``.
    """
    try:
        yield
    except Problem as problem:
        problem.errors = [_pointed(error, pointers) for error in problem.errors]
        raise


def _pointed(error: FieldError, pointers: Mapping[str, str]) -> FieldError:
    named = error.provider_field
    if named is None or error.pointer:
        return error
    if line := _LINE_OF.fullmatch(named):
        pointer = pointers.get(f"lines[].{line['field']}", "/lines/{line}").format(line=line["line"])
        return replace(error, pointer=pointer)
    return replace(error, pointer=pointers.get(named, ""))


def log_in(grant: Grant) -> Request:
    """The log-in with e-mail and password, at the connection's company where that is known.

    Logging in anew is also how one gets to another company, so nothing depends on ``/session/jwt/switch``.
    """
    body: dict[str, Any] = {"email": grant.fields["email"].reveal(), "password": grant.fields["password"].reveal()}
    if grant.company_id is not None:
        if not is_number(grant.company_id):
            raise Problem("company_not_accessible", "TheNextInvoice has no company of that id.")
        body["company"] = int(grant.company_id)
    return request("POST", "session", "jwt", json=body)


def read_log_in(reply: Reply, grant: Grant) -> AccessToken:
    """The token of a log-in. Raises ``credentials_rejected``, or what else went wrong."""
    problem = read_error(reply)
    if problem is not None:
        if problem.code == "connection_needs_reauth":
            what = "e-mail address and password" if grant.company_id is None else "e-mail address, password and company"
            raise Problem("credentials_rejected", f"TheNextInvoice knows no such {what}.", upstream=problem.upstream)
        raise problem
    token = LogIn.of(read_envelope(reply)).token
    if not token:
        raise malformed("TheNextInvoice's log-in answers no token.")
    return AccessToken(Secret(token), expires_at=expiry(token, grant.now))


def expiry(token: str, now: datetime) -> datetime:
    """When a JWT ends: its ``exp``, or after ``ASSUMED_LIFETIME`` where it has none that lies ahead.

    A token just given out has not ended, so an ``exp`` in the past only shows that the clocks differ.
    """
    claimed = _exp(token)
    return claimed if claimed is not None and claimed > now else now + ASSUMED_LIFETIME


def _exp(token: str) -> datetime | None:
    seconds = claims_of(token).get("exp")
    if isinstance(seconds, bool) or not isinstance(seconds, int | Decimal):
        return None
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OverflowError, OSError, ValueError):
        return None
