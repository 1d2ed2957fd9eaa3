"""Which problems an operation may answer with, by status, and an example of each code."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.contract.errors import Problem
from gateway.contract.exact import loads
from gateway.contract.operations import RAW_OPERATIONS, RESOURCE_OPERATIONS, Operation
from gateway.web.document.schemas import THEIRS, ref
from gateway.web.problems import ALL_KINDS, EDGE_KINDS, MEDIA_TYPE, EdgeProblem, render

Object = dict[str, Any]

_DETAILS = {
    "malformed_json": "The body is not one JSON value: JSON is malformed: expected ':' (byte 12).",
    "invalid_cursor": "Use `next_cursor` of the page before, with the same filters.",
    "unauthenticated": "The API key is malformed, unknown, revoked or expired.",
    "forbidden": "The API key lacks the scope `invoices:write`.",
    "scope_missing": "The account's owner has not granted what this needs. Nothing was sent.",
    "not_found": "There is no such record in this connection.",
    "operation_unsupported": "The accounting system keeps every contact.",
    "conflict": "The invoice is final already.",
    "idempotency_in_progress": "The first request with this key is still running.",
    "too_large": "The body may have 1000000 bytes at most.",
    "unsupported_media_type": "Send the body as `Content-Type: application/json`, in UTF-8.",
    "validation_failed": '/lines/0/unit_price: a decimal is a string such as "12.40" or a JSON number.',
    "unknown_field": "/compny_name: is not known here.",
    "filter_unsupported": "This accounting system cannot filter by `updated_since`.",
    "filter_required": "This accounting system lists payments only by `invoice_id`.",
    "totals_mismatch": "The gross total would be 164.48, not 164.49: a difference of 0.01.",
    "credentials_rejected": "The accounting system does not know this token.",
    "company_required": "The credentials reach several administrations: say which in `company_id`.",
    "field_unsupported": "/mobile: this accounting system has no place for it.",
    "draft_unsupported": "This accounting system has no drafts: send `finalize: true`.",
    "partial_payment_unsupported": "This accounting system can only mark an invoice as paid in full.",
    "idempotency_mismatch": "This key was used for a request with another body.",
    "upstream_rejected": "The accounting system says: Factuurnummer bestaat al.",
    "connection_needs_reauth": "The owner has withdrawn the authorization: it must be given again.",
    "connection_pending": "The connection has no credentials yet.",
    "rate_limited": "This API key may make 600 requests a minute.",
    "upstream_rate_limited": "The accounting system asks to wait 20 seconds.",
}
_MEMBERS: dict[str, Object] = {
    "forbidden": {"required_scope": "invoices:write"},
    "validation_failed": {
        "errors": [
            {
                "pointer": "/lines/0/unit_price",
                "code": "invalid",
                "message": 'a decimal is a string such as "12.40" or a JSON number',
            }
        ]
    },
    "unknown_field": {"errors": [{"pointer": "/compny_name", "code": "unknown_field", "message": "is not known here"}]},
    "upstream_rejected": {
        "outcome": "rejected",
        "upstream": {
            "provider": "memory",
            "status": 422,
            "message": "Factuurnummer bestaat al",
            "message_en": "The invoice number exists already",
        },
    },
    "upstream_rate_limited": {"retry_after": 20},
    "upstream_timeout": {
        "outcome": "unknown",
        "operation": "/v1/connections/con_3kTMd8zXbWq1/operations/7d0f2b1c-invoice-2026-118",
        "state": "unknown",
        "next_check_at": "2026-03-02T09:00:05Z",
        "retry_after": 5,
    },
}
_BY_NAME = {
    "invoices.create": ("totals_mismatch", "draft_unsupported"),
    "invoices.update": ("totals_mismatch",),
    "invoices.pdf": ("conflict",),
    "invoices.ubl": ("conflict",),
    "payments.create": ("partial_payment_unsupported",),
    "connections.create": ("credentials_rejected", "company_required", "company_not_accessible"),
    "connections.update": ("credentials_rejected", "company_required", "company_not_accessible"),
    "connections.companies": ("connection_pending", "connection_needs_reauth", "connection_suspended"),
    "connections.schema": (
        "operation_unsupported",
        "connection_pending",
        "connection_needs_reauth",
        "connection_suspended",
    ),
}
_UPSTREAM = (
    "upstream_rate_limited",
    "upstream_malformed",
    "provider_misconfigured",
    "upstream_unavailable",
    "upstream_timeout",
)
_ASKS_UPSTREAM = frozenset({"connections.create", "connections.update", "connections.companies", "connections.schema"})
_WORDS = {
    400: "The request cannot be read.",
    401: "No valid API key.",
    403: "Not allowed.",
    404: "No such record, or no such connection of yours.",
    405: "The accounting system cannot do this.",
    409: "The state of the record, or of an equal request, does not allow it.",
    413: "The body is too large.",
    415: "The body is not said to be JSON, or is packed.",
    422: "The request is not right, or the accounting system refuses it.",
    424: "The connection cannot be used.",
    429: "Too many requests.",
    500: "A fault of Polder.",
    502: "A fault between Polder and the accounting system.",
    503: "Something cannot be reached.",
    504: "The accounting system did not answer in time.",
}

_OF_KEYS = ("RateLimit-Policy", "RateLimit")
_OF_ATTEMPT = ("Idempotency-Key", "Idempotency-Replayed")
OF_THEIRS = (
    *("ETag", "Last-Modified", "Content-Disposition", "Retry-After", "X-Page", "X-Per-Page", "X-Total"),
    "X-Upstream-RateLimit-Remaining",
)
"""What an accounting system's own answer may have, whatever its status."""


def _headers(*names: str) -> Object:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _made(description: str, headers: Iterable[str], codes: Iterable[str]) -> Object:
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    return {
        "description": description,
        "headers": _headers(*headers),
        "content": {MEDIA_TYPE: {"schema": ref("Problem"), "examples": examples}},
    }


_DEFAULT_RESPONSE = _made("Any other problem.", ("X-Request-Id", *_OF_KEYS), EDGE_KINDS)


class ProblemResponses:
    """The problem responses of all operations, each said once: equal ones are one component."""

    def __init__(self) -> None:
        self.components: dict[str, Object] = {
            "Problem": _DEFAULT_RESPONSE,
            "ProblemOrTheirs": _or_theirs(_DEFAULT_RESPONSE, *_OF_ATTEMPT),
        }
        self._names: dict[tuple[bool, bool, tuple[str, ...]], str] = {}

    def responses_for(self, operation: Operation) -> dict[str, Object]:
        """References to the problem responses of an operation by status, and to ``default`` for any other."""
        by_status: dict[int, list[str]] = {}
        given = frozenset(_codes(operation))
        for code, kind in ALL_KINDS.items():
            if code in given:
                by_status.setdefault(kind.status, []).append(code)
        theirs = operation.shape == "theirs"
        made = {str(status): self._named(operation, tuple(codes)) for status, codes in sorted(by_status.items())}
        made["default"] = _response_ref("ProblemOrTheirs" if theirs else "Problem")
        return made

    def _named(self, operation: Operation, codes: tuple[str, ...]) -> Object:
        status, theirs = ALL_KINDS[codes[0]].status, operation.shape == "theirs"
        which = theirs, operation.is_write, codes
        if which not in self._names:
            alike = sum(1 for *_, others in self._names if ALL_KINDS[others[0]].status == status)
            name = f"Problem{status}" if alike == 0 else f"Problem{status}-{alike + 1}"
            self._names[which] = name
            response = _response(status, codes, _HEADERS_OF_WRITES if operation.is_write else {})
            self.components[name] = _or_theirs(response) if theirs else response
        return _response_ref(self._names[which])


def _or_theirs(response: Object, *further: str) -> Object:
    """A response of a raw call: Polder's problem, or what the accounting system itself says with that status."""
    described = f"{response['description']} Or the accounting system's own answer."
    headers = response["headers"] | _headers(*OF_THEIRS, *further)
    return {**response, "description": described, "headers": headers, "content": {**response["content"], **THEIRS}}


def _response_ref(name: str) -> Object:
    return {"$ref": f"#/components/responses/{name}"}


def _codes(operation: Operation) -> Iterator[str]:
    yield from ("unauthenticated", "validation_failed", "unknown_field", "rate_limited")
    yield from ("internal_error", "storage_unavailable")
    if operation.scope is not None:
        yield "forbidden"
    if "{" in operation.path:
        yield "not_found"
    if operation.shape == "list":
        yield "invalid_cursor"
    if operation.accepts is not None:
        yield "malformed_json"
    if operation.is_write:
        yield from ("too_large", "unsupported_media_type")  # of a body that it does not want, too
        yield from ("conflict", "idempotency_in_progress", "idempotency_mismatch")
    if operation in RESOURCE_OPERATIONS:
        yield from ("operation_unsupported", "scope_missing")
        if operation.shape == "list":
            yield from ("filter_unsupported", "filter_required")
        if operation.accepts is not None:
            yield "field_unsupported"
        if operation.is_write:
            yield "upstream_rejected"
    if operation in RESOURCE_OPERATIONS or operation in RAW_OPERATIONS:
        yield from ("company_not_accessible", "upstream_forbidden")
        yield from ("connection_needs_reauth", "connection_pending", "connection_suspended")
        yield from _UPSTREAM
    elif operation.name in _ASKS_UPSTREAM:
        yield from _UPSTREAM
    yield from _BY_NAME.get(operation.name, ())


def _response(status: int, codes: Sequence[str], further: Mapping[int, Sequence[str]]) -> Object:
    of_key = () if status == 401 else _OF_KEYS  # who has no good key is not counted
    names = ("X-Request-Id", *of_key, *_HEADERS_OF.get(status, ()), *further.get(status, ()))
    return _made(f"{_WORDS[status]} Codes: {', '.join(f'`{code}`' for code in codes)}.", names, codes)


_HEADERS_OF = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    415: ("Accept-Encoding",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_HEADERS_OF_WRITES = {
    **dict.fromkeys((400, 403, 404, 422, 424, 429, 500, 503), _OF_ATTEMPT),
    **dict.fromkeys((409, 502, 504), ("Retry-After", *_OF_ATTEMPT)),
}
"""Of a write that got as far as an attempt; where its fate is unknown, the time until Polder looks again."""

_EXAMPLE_PATH = b"/v1/connections/con_3kTMd8zXbWq1"

PROBLEM_HEADERS: dict[str, Object] = {
    "WWW-Authenticate": {"description": "How to authenticate.", "schema": {"type": "string"}},
    "Accept-Encoding": {"description": "How a body may be packed.", "schema": {"type": "string"}},
    "Allow": {"description": "The methods that can be used here.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
}


def problem_examples(docs: str) -> dict[str, Object]:
    """An example of every code. ``docs`` is where the codes are described."""
    made: dict[str, Object] = {}
    for code, kind in ALL_KINDS.items():
        detail = _DETAILS.get(code, f"{kind.title}.")
        problem = EdgeProblem(code, detail) if code in EDGE_KINDS else Problem(code, detail)
        rendered = render(problem, docs=docs, raw_path=_EXAMPLE_PATH, request_id="req_9f1c2b7a4e5d60718293a4b5")
        value = loads(rendered.body)
        made[code] = {"summary": kind.title, "value": {**value, **_MEMBERS.get(code, {})}}
    return made
