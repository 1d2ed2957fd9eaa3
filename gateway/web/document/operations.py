"""``paths``: every operation of the table, with its parameters, bodies and answers."""

import re
from collections.abc import Iterator
from typing import Any

from gateway.contract.exact import Json
from gateway.contract.models import Invoice
from gateway.contract.models.base import ID_PATTERN, LONGEST_ID, RecordPart, Shape
from gateway.contract.operations import OPERATIONS, RESOURCE_OPERATIONS, Answer, Filter, Operation, singular
from gateway.contract.schemas import DIALECT, Schema
from gateway.engine.inputs import DEFAULT_LIMIT, INSTANT_PATTERN, MAX_LIMIT, parameters
from gateway.engine.writes.dry_run import MEDIA_TYPE as DRY_RUN
from gateway.engine.writes.idempotency import KEY_PATTERN
from gateway.web.document.examples import REQUESTS, SHOWN_BODIES, record_of, shown
from gateway.web.document.problems import OF_THEIRS, ProblemResponses
from gateway.web.document.schemas import BYTES, THEIRS, ref

Object = dict[str, Any]

_TEXT_FILTER: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[^\x00-\x1F\x7F]*[^\x00-\x20\x7F][^\x00-\x1F\x7F]*$",
}
_FILTER_SCHEMAS: dict[str, Schema] = {
    "text": _TEXT_FILTER,
    "id": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID, "pattern": ID_PATTERN},
    "date": {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    "instant": {
        "type": "string",
        "format": "date-time",
        "pattern": f"^{INSTANT_PATTERN}$",
        "examples": ["2026-03-02T09:00:00Z"],
    },
}
_KEY: Schema = {"type": "string", "pattern": f"^{KEY_PATTERN}$", "examples": ["7d0f2b1c-invoice-2026-118"]}
_INCLUDES = {
    "provider": "`provider`: what the accounting system said that the model does not hold",
    "raw": "`raw`: its untouched record",
    "archived": "`archived`: archived records too",
    "lines": "`lines`: each invoice's lines and tax breakdown, which may cost further calls",
}
_RAW_NOTE = (
    "The accounting system's own API, with the connection's credentials and pacing. `path` is below what the "
    "connection owns and cannot leave it; it may have slashes. Query, save `dry_run` of a write, and body are passed "
    "on. The answer is the system's own: its status, media type and body."
)
_NOTES = {
    "contacts.update": "Everything else of the contact stays as it is.",
    "invoices.create": "A draft, or with `finalize: true` booked at once. Where the system has no drafts, `finalize` "
    "must be true. Each line is taxed by a VAT code, or by a `vat_treatment` that Polder finds the code for. The "
    "system's own totals are read back; `warnings` tells of a difference.",
    "invoices.update": "Only a draft can change.",
    "invoices.finalize": "The invoice gets its number and cannot change any more.",
    "invoices.credit": "Makes a credit note over the whole invoice.",
    "invoices.pdf": "A draft has none: 409.",
    "invoices.ubl": "UBL 2.1: the XML that other bookkeeping software reads. A draft has none: 409.",
    "payments.delete": "The invoices it settled are open again.",
    "connections.create": "The credentials are tried first: bad ones are 422 and nothing is stored. Without "
    "credentials the connection is `pending`. A new connection to the same books knows none of the references "
    "(`external_ref`) of an old one, with which they are kept: give that one new `credentials`, by PATCH.",
    "connections.delete": "The stored credentials are destroyed, and revoked with the provider where that can be done.",
    "connections.schema": "A JSON Schema (2020-12) of the body: without what the accounting system cannot hold, with "
    "what it requires and how long things may be, and with the ids of this administration's own VAT codes, ledger "
    "accounts and payment methods, as far as the key may list them. A body that fits is accepted, as far as a "
    "schema can tell. A write that the system cannot do is 405.",
    "connections.busiest": "A hundred at most, the most used first, each with its health and the age of its token: as "
    "the process that answers has seen it. It finds the connection behind what a dashboard shows: metrics never "
    "tell of one.",
    "connections.capabilities": "Per operation and filter: `native`, `emulated`, `unsupported` or `missing_scope`.",
    "products.update": "Everything else of the product stays as it is.",
}

_ANSWER_WORDS = {
    "capabilities": "The capabilities.",
    "link": "The page for the account's owner.",
    "operation": "What became of it.",
    "credit": "The credit note.",
}

TAGS: dict[str, str] = {
    "connections": "One administration in one accounting system, with what opens it.",
    "providers": "The accounting systems Polder speaks to.",
    "contacts": "Customers and suppliers.",
    "invoices": "Sales invoices and credit notes.",
    "products": "What is sold.",
    "payments": "Money that settled invoices.",
    "vat-codes": "Ways to tax a line.",
    "ledger-accounts": "Accounts of the general ledger.",
    "payment-methods": "Ways customers pay.",
    "company": "The administration itself.",
    "raw": "The accounting system's own API.",
}


def _in_path(name: str, description: str, schema: Schema = _FILTER_SCHEMAS["id"]) -> Object:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _in_query(name: str, description: str, schema: Schema) -> Object:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _in_header(name: str, description: str, schema: Schema) -> Object:
    return {"name": name, "in": "header", "description": description, "schema": schema}


_SHARED = (
    _in_path("connection_id", "The connection."),
    _in_path("id", "The record. Something that can be no id is 404 without a call to the accounting system."),
    _in_path("provider", "The accounting system."),
    _in_path(
        "resource",
        "What is written.",
        {"type": "string", "enum": ["contacts", "invoices", "products", "payments"]},
    ),
    _in_path("key", "The `Idempotency-Key` of the write, percent-encoded: a slash in it is `%2F`.", _KEY),
    _in_path(
        "path",
        "The path in the system's own API, with its slashes, which may be percent-encoded.",
        {"type": "string", "minLength": 1},
    ),
    _in_query(
        "limit",
        "How many records a page has at most. A page may have fewer and not be the last.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    _in_query(
        "cursor",
        "`next_cursor` of the page before, with the same filters. Leave it out for the first page. It is a position: "
        "what is added or deleted before it meanwhile moves the rest, so that a record may come twice or be missed.",
        {"type": "string", "minLength": 1},
    ),
    _in_query(
        "on_unsupported",
        "What to do with a field the accounting system cannot hold: refuse the request, or leave the field out and say "
        "so in `warnings`.",
        {"type": "string", "enum": ["reject", "drop"], "default": "reject"},
    ),
    _in_query(
        "dry_run",
        "With `true` nothing is sent and nothing is kept: the answer, of its own media type, shows the request that "
        "would be sent, what was filled in or left out and why, and what the document comes to. Its sentences are "
        "Dutch where `Accept-Language` prefers that.",
        {"type": "boolean", "default": False},
    ),
    _in_header(
        "Idempotency-Key",
        "Any text of your own (visible ASCII, no spaces), new for each thing you want done. Sent again with the same "
        "request, it is answered as the first time and nothing is done twice. Without one, a write to an accounting "
        "system is given a key, which its answer names.",
        _KEY,
    ),
    _in_header(
        "If-None-Match",
        "An `ETag` you have: if the answer would be the same, it is 304.",
        {"type": "string"},
    ),
    _in_header(
        "Cache-Control",
        "`no-cache` asks the accounting system now; `max-age=N` takes an answer of the last N seconds. Anything else "
        "is ignored.",
        {"type": "string", "examples": ["no-cache", "max-age=10"]},
    ),
    _in_header(
        "X-Request-Id",
        "Your own id for the request, returned and logged: at most 128 letters, digits and `._:/+=@-`. Any other is "
        "replaced.",
        {"type": "string", "examples": ["order-118-attempt-1"]},
    ),
)
PARAMETERS: dict[str, Object] = {one["name"]: one for one in _SHARED}


def _of_answer(description: str, type: str = "string", **schema: Json) -> Object:
    return {"description": description, "schema": {"type": type, **schema}}


HEADERS: dict[str, Object] = {
    "X-Request-Id": _of_answer("The request, as the log knows it."),
    "ETag": _of_answer("Identifies this answer's body, for `If-None-Match`."),
    "Age": _of_answer("Seconds since the accounting system was asked.", "integer", minimum=0),
    "Cache-Status": _of_answer("Where the answer came from (RFC 9211). `polder-shared` is what nodes tell each other."),
    "Content-Disposition": _of_answer("The file's name (RFC 6266)."),
    "Link": _of_answer('The next page, as `<…>; rel="next"`, where there is one.'),
    "Polder-Emulated": _of_answer("Filters the accounting system cannot apply, which Polder applied itself."),
    "Content-Language": _of_answer("Of a dry run: the language of its sentences, `nl` or `en`."),
    "Idempotency-Key": _of_answer(
        "The key that a write was given because it came without one: `GET …/operations/{key}` tells what became of it."
    ),
    "RateLimit-Policy": _of_answer(
        "How many requests (`q`) the API key may make in so many seconds (`w`), where it has a limit "
        "(draft-ietf-httpapi-ratelimit-headers).",
        examples=['"default";q=600;w=60'],
    ),
    "RateLimit": _of_answer(
        "How many of them are left (`r`), and in how many seconds all are there again (`t`).",
        examples=['"default";r=599;t=1'],
    ),
    "X-Upstream-RateLimit-Remaining": _of_answer(
        "How many requests the accounting system still takes, as it said itself, where it does.", "integer", minimum=0
    ),
    "Last-Modified": _of_answer("As the accounting system says it."),
    "X-Page": _of_answer("Which page it is, as the accounting system counts them."),
    "X-Per-Page": _of_answer("How many records such a page has."),
    "X-Total": _of_answer("How many records there are."),
    "Idempotency-Replayed": _of_answer("`true` where this is the first answer to the `Idempotency-Key`, again."),
}


def paths(problems: ProblemResponses) -> dict[str, Object]:
    """Every path with its operations. The problem responses they refer to are collected in ``problems``."""
    made: dict[str, Object] = {}
    for operation in OPERATIONS:
        made.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, problems)
    return made


def _described(operation: Operation, problems: ProblemResponses) -> Object:
    members: Object = {
        "operationId": operation.operation_id,
        "summary": operation.title,
        "description": _description(operation),
        "tags": [operation.resource],
        "parameters": list(_parameters(operation)),
        "responses": {**_success(operation), **problems.responses_for(operation)},
        "x-scopes": [] if operation.scope is None else [operation.scope],
    }
    body = _body(operation)
    if body is not None:
        members["requestBody"] = body
    return members


def _description(operation: Operation) -> str:
    scope = "Any key will do." if operation.scope is None else f"Needs the scope `{operation.scope}`."
    note = _RAW_NOTE if operation.resource == "raw" else _NOTES.get(operation.name)
    return f"{operation.title}. {scope}" if note is None else f"{operation.title}. {note} {scope}"


def _parameters(operation: Operation) -> Iterator[Object]:
    for name in re.findall(r"{(\w+)}", operation.path):
        yield _shared(name)
    for name in parameters(operation):
        filter = operation.filter(name)
        if filter is not None:
            yield _filter(operation, filter)
        elif name == "include":
            yield _include(operation)
        else:
            yield _shared(name)
    if operation.shape == "theirs":
        yield _THEIR_QUERY
    yield _shared("X-Request-Id")
    if operation.is_write:
        yield _shared("Idempotency-Key")
    elif _has_etag(operation):
        yield _shared("If-None-Match")
        if operation.fresh_for:
            yield _shared("Cache-Control")


_THEIR_QUERY: Object = {
    "name": "query",
    "in": "query",
    "style": "form",
    "explode": True,
    "description": "Any other parameters; they are passed on as they are.",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}


def _shared(name: str) -> Object:
    return {"$ref": f"#/components/parameters/{name}"}


def _filter(operation: Operation, filter: Filter) -> Object:
    if filter.guaranteed:
        note = " Works on every system."
    elif operation in RESOURCE_OPERATIONS:
        note = " Only where the accounting system can do it; elsewhere 422 `filter_unsupported`."
    else:
        note = ""
    if filter.kind == "choice":
        schema: Schema = {"type": "string", "enum": list(filter.choices)}
    else:
        schema = _FILTER_SCHEMAS[filter.kind]
    return _in_query(filter.name, filter.title + note, schema)


def _include(operation: Operation) -> Object:
    meanings = "; ".join(_INCLUDES[name] for name in operation.includes)
    return {
        "name": "include",
        "in": "query",
        "description": f"What to add: one or more, each by itself or separated by commas. {meanings}.",
        "schema": {
            "type": "array",
            "items": {"type": "string", "enum": list(operation.includes)},
            "minItems": 1,
        },
    }


def _body(operation: Operation) -> Object | None:
    if operation.shape == "theirs" and operation.is_write:
        return {
            "required": False,
            "description": "Passed on as it is.",
            "content": THEIRS,
        }
    if operation.accepts is None:
        return None
    content: Object = {"schema": ref(operation.accepts.__name__)}
    examples = _body_examples(operation)
    if examples:
        content["examples"] = examples
    return {"required": operation.body_required, "content": {"application/json": content}}


def _body_examples(operation: Operation) -> Object:
    given = [(one.title, one.body) for one in REQUESTS if one.operation == operation.name and one.body is not None]
    given += SHOWN_BODIES.get(operation.name, ())
    named = enumerate(given, start=1)
    return {f"example{number}": {"summary": title, "value": shown(body)} for number, (title, body) in named}


def _success(operation: Operation) -> dict[str, Object]:
    answer: Object = {"description": _answer_words(operation), "headers": _headers(operation)}
    if operation.shape == "theirs":
        answer["content"] = THEIRS
        if "dry_run" in parameters(operation):
            answer["content"] = {**THEIRS, DRY_RUN: {"schema": ref("DryRun")}}
            answer["headers"] |= _OF_DRY_RUN
        return {"2XX": answer}
    if operation.shape == "file":
        answer["content"] = {operation.media_type: BYTES}
    elif operation.shape == "schema":
        answer["content"] = {operation.media_type: {"schema": _ANY_SCHEMA, "example": _SCHEMA_EXAMPLE}}
    elif operation.answers is not None:
        answer["content"] = {"application/json": _content(operation.answers, operation.shape)}
    made = {str(operation.status): answer}
    if "dry_run" in parameters(operation):
        _add_dry_run(made, operation)
    if _has_etag(operation):
        made["304"] = {"description": "The answer is the one `If-None-Match` names.", "headers": answer["headers"]}
    return made


def _add_dry_run(made: dict[str, Object], operation: Operation) -> None:
    """A dry run is 200 whatever the write itself answers.

    Beside 201 it is said of 2XX: what the lowest status has, many generators take for what a call gives.
    """
    status = "2XX" if operation.status == 201 else "200"
    words = "With `dry_run=true`: what would be done. Its status is 200."
    answer = made.setdefault(status, {"description": words, "headers": _headers(operation)})
    answer["headers"] = {**answer["headers"], **_OF_DRY_RUN}
    answer["content"] = {**answer.get("content", {}), DRY_RUN: {"schema": ref("DryRun")}}


_ANY_SCHEMA: Schema = {
    "type": "object",
    "description": "A JSON Schema (2020-12) without references.",
    "additionalProperties": True,
}
_SCHEMA_EXAMPLE: Object = {
    "$schema": DIALECT,
    "title": "Credit an invoice in full on this connection",
    "type": "object",
    "additionalProperties": False,
    "properties": {"number": {"type": "string", "minLength": 1, "maxLength": 25}},
    "required": ["number"],
}


def _content(model: type[Shape] | type[RecordPart], shape: Answer) -> Object:
    name, record = model.__name__, record_of(model)
    content: Object = {"schema": ref(f"{name}List" if shape == "list" else name)}
    if record is not None and shape == "list":
        listed = {**record, "lines": None, "tax_breakdown": None} if model is Invoice else record
        content["example"] = {"data": [listed], "next_cursor": None, "total_count": 1}
    elif record is not None:
        content["example"] = record
    return content


def _answer_words(operation: Operation) -> str:
    noun = singular(operation.resource).replace("-", " ").replace("vat", "VAT")
    words = {
        "theirs": "The accounting system's own answer.",
        "file": "The file.",
        "nothing": "It is done; there is no body.",
        "list": "One page.",
        "schema": "The schema.",
        "record": f"The {noun} as it now is." if operation.is_write else f"The {noun}.",
    }
    if operation.verb in _ANSWER_WORDS:
        return _ANSWER_WORDS[operation.verb]
    return words[operation.shape]


def _headers(operation: Operation) -> Object:
    names = ["X-Request-Id", "RateLimit-Policy", "RateLimit"]
    if operation in RESOURCE_OPERATIONS or operation.resource == "raw":
        names.append("X-Upstream-RateLimit-Remaining")
    if operation.shape == "list":
        names.append("Link")
        if any(filter.guaranteed for filter in operation.filters):
            names.append("Polder-Emulated")
    if operation.is_write:
        names.append("Idempotency-Replayed")
        if operation.resource != "connections":
            names.append("Idempotency-Key")
    elif _has_etag(operation):
        names += ["ETag", "Age", "Cache-Status"]
    if operation.shape == "file":
        names.append("Content-Disposition")
    if operation.shape == "theirs":
        names += OF_THEIRS
    return {name: _header(name) for name in names}


_OF_DRY_RUN: Object = {"Content-Language": {"$ref": "#/components/headers/Content-Language"}}


def _has_etag(operation: Operation) -> bool:
    """Whether its answer is looked at as the cache's are, kept there or not."""
    return operation in RESOURCE_OPERATIONS and not operation.is_write


def _header(name: str) -> Object:
    return {"$ref": f"#/components/headers/{name}"}
