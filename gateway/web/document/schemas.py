"""``components.schemas``: the pydantic models as the wire shows them.

An answer names all its fields, null among them, and stays open: a field or an enum value may be added at any time. A
body is closed and exact: what the schema allows is what the model accepts.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import MISSING, fields
from typing import get_args, get_type_hints

from pydantic.json_schema import models_json_schema

from gateway.contract import models
from gateway.contract.errors import FieldError, Fix, Outcome, UpstreamFault
from gateway.contract.exact import Json, dumps
from gateway.contract.models.base import Change, RecordPart, Resource, Shape
from gateway.contract.models.dry_run import DryRun
from gateway.contract.operations import OPERATIONS
from gateway.contract.records import schema_model
from gateway.contract.schemas import Schema, body_schemas, shorten, within
from gateway.web.document.notes import CHANGE_NOTES, FIELD_NOTES, SCHEMA_NOTES

REF = "#/components/schemas/"
BYTES: Schema = {"schema": {"type": "string", "format": "binary"}}
THEIRS: Schema = {"application/json": {"schema": {}}, "*/*": BYTES}
"""A body of the accounting system's own API, sent or answered."""


def component_schemas() -> dict[str, Schema]:
    """Every schema of the document by its name, sorted."""
    answers = _answers({DryRun, *(operation.answers for operation in OPERATIONS if operation.answers)})
    bodies = _bodies({operation.accepts for operation in OPERATIONS if operation.accepts})
    made = {**answers, **_with_decimals(_without_collisions(bodies, taken=answers))}
    for model in {operation.answers for operation in OPERATIONS if operation.answers}:
        if issubclass(model, Resource):
            made[model.__name__]["properties"] |= _included()
    for operation in OPERATIONS:
        if operation.shape == "list" and operation.answers is not None:
            made[f"{operation.answers.__name__}List"] = _list_of(operation.answers.__name__)
        if operation.is_write and operation.answers is not None and issubclass(operation.answers, Resource):
            made[operation.answers.__name__]["properties"]["warnings"] = _WARNINGS
    made |= {"ProviderView": _provider_view(), **deepcopy(_PROBLEM_SCHEMAS)}
    for name, schema in made.items():
        _join(schema)
        _annotate(name, schema)
    return dict(sorted(made.items()))


def ref(name: str) -> Schema:
    """A reference to a schema."""
    return {"$ref": f"{REF}{name}"}


def _answers(wanted: Iterable[type[Shape] | type[RecordPart]]) -> dict[str, Schema]:
    ordered = sorted(map(schema_model, wanted), key=lambda model: model.__name__)
    _, whole = models_json_schema([(model, "serialization") for model in ordered], ref_template=REF + "{model}")
    schemas: dict[str, Schema] = whole["$defs"]
    for schema in schemas.values():
        shorten(schema)
        _open(schema)
    return schemas


def _bodies(wanted: Collection[type[Shape]]) -> dict[str, Schema]:
    schemas = body_schemas(wanted, REF)
    for model in wanted:
        if issubclass(model, Change):
            schemas[model.__name__]["description"] = CHANGE_NOTES[model.__name__]
    return schemas


def _open(schema: Schema) -> None:
    """An answer names all its fields, and may get others; an enum of an answer, or a constant, may get values."""
    if "properties" in schema:
        schema["required"] = sorted(schema["properties"])
        schema.pop("additionalProperties", None)
    if "enum" in schema:
        schema["x-extensible-enum"] = schema.pop("enum")
    schema.pop("const", None)
    for inner in within(schema):
        _open(inner)


def _join(schema: Schema) -> None:
    """What may be null is said beside what else it is: of a choice, some code generators make a class.

    An enum stays one of a choice: null would have to be among its values.
    """
    for inner in within(schema):
        _join(inner)
    if len(choices := schema.get("anyOf", ())) != 2 or {"type": "null"} not in choices:
        return
    (other,) = (one for one in choices if one != {"type": "null"})
    if isinstance(other.get("type"), str) and "enum" not in other:
        del schema["anyOf"]
        schema |= {**other, **schema, "type": [other["type"], "null"]}


def _without_collisions(bodies: Mapping[str, Schema], *, taken: Mapping[str, Schema]) -> dict[str, Schema]:
    """Body schemas whose names do not meet those of answers: ``X`` as sent is ``XInput``."""
    names = {name: f"{name}Input" if name in taken else name for name in bodies}
    return {names[name]: _renamed(schema, names) for name, schema in bodies.items()}


def _renamed(value: Json, names: Mapping[str, str]) -> Json:
    if isinstance(value, dict):
        if isinstance(target := value.get("$ref"), str):
            return {**value, "$ref": REF + names[target.removeprefix(REF)]}
        return {name: _renamed(one, names) for name, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    return value


def _with_decimals(bodies: Mapping[str, Schema]) -> dict[str, Schema]:
    """The schemas of bodies, with each kind of decimal, which may be text or a number, a schema of its own: of a choice
    that is said where it is used, code generators make a class for each place.
    """
    made = dict(bodies)
    for schema in bodies.values():
        for field in schema["properties"].values():
            written = [one for one in field.get("anyOf", ()) if one.get("type") in ("string", "number")]
            if len(written) == 2:
                name = "PercentageInput" if "maximum" in written[1] else "DecimalInput"
                made[name] = {"anyOf": written}
                null = [one for one in field.pop("anyOf") if one not in written]
                field.pop("examples", None)
                field.update({"anyOf": [ref(name), *null]} if null else ref(name))
    return made


def _annotate(name: str, schema: Schema) -> None:
    if name in SCHEMA_NOTES:
        schema["description"] = SCHEMA_NOTES[name]
    if "description" in schema:
        schema["description"] = _prose(schema["description"])
    for field, one in schema.get("properties", {}).items():
        note = one.get("description", FIELD_NOTES.get(f"{name}.{field}", FIELD_NOTES.get(field)))
        if description := " ".join([*filter(None, [note]), *_in_words(one)]):
            one["description"] = description


def _in_words(schema: Schema) -> Iterator[str]:
    """What code generators make too much or too little of."""
    if known := schema.get("items", schema).get("x-extensible-enum"):
        # Which neither they nor the page of the documentation know.
        yield f"One of {', '.join(f'`{value}`' for value in known)} so far."
    if "default" in schema:
        # openapi-typescript makes callers send what has a default, and other clients send it always.
        default = schema.pop("default")
        yield f"`{default if isinstance(default, str) else dumps(default).decode()}` where it is not said."


def _prose(docstring: str) -> str:
    return re.sub(r"\s*\n\s*", " ", docstring.replace("``", "`")).strip()


def _list_of(name: str) -> Schema:
    return {
        "type": "object",
        "description": "One page of a list.",
        "properties": {
            "data": {"type": "array", "items": ref(name)},
            "next_cursor": {
                "type": ["string", "null"],
                "description": "Send it as `cursor` for the next page. Only null ends a list, a short page does not.",
            },
            "total_count": {
                "type": ["integer", "null"],
                "minimum": 0,
                "description": "How many records the whole list has; null where the accounting system does not say.",
            },
        },
        "required": ["data", "next_cursor", "total_count"],
    }


def _included() -> Schema:
    return {
        "provider": {**ref("ProviderView"), "description": "Only with `include=provider`."},
        "raw": {"description": "Only with `include=raw`: the record as the accounting system gave it, untouched."},
    }


def _provider_view() -> Schema:
    made: Schema = models.ProviderView.model_json_schema(mode="serialization")
    shorten(made)
    _open(made)
    return made


def _problem_part(kind: type[FieldError] | type[UpstreamFault]) -> Schema:
    """A part of a problem: what is None of it is left out."""
    types = {name: "integer" if hint == int | None else "string" for name, hint in get_type_hints(kind).items()}
    return {
        "type": "object",
        "properties": {name: {"type": type} for name, type in types.items()},
        "required": [field.name for field in fields(kind) if field.default is MISSING],
    }


_WARNINGS: Schema = {
    "type": "array",
    "items": ref("Warning"),
    "description": "Only in the answer to a write, and only where there is something to tell.",
}

_PROBLEM_SCHEMAS: dict[str, Schema] = {
    "Warning": {
        "type": "object",
        "properties": {
            "code": {"type": "string"},
            "detail": {"type": "string"},
            "pointer": {"type": ["string", "null"]},
        },
        "required": ["code", "detail", "pointer"],
    },
    "FieldError": _problem_part(FieldError),
    "UpstreamFault": _problem_part(UpstreamFault),
    "OwnerMessage": {
        "type": "object",
        "properties": {"nl": {"type": "string"}, "en": {"type": "string"}},
        "required": ["nl", "en"],
    },
    "Problem": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "code": {"type": "string"},
            "request_id": {"type": "string"},
            "fix": {"type": "string", "x-extensible-enum": list(get_args(Fix))},
            "retryable": {"type": "boolean"},
            "owner_message": ref("OwnerMessage"),
            "retry_after": {"type": "integer", "minimum": 0},
            "outcome": {"type": "string", "x-extensible-enum": list(get_args(Outcome))},
            "errors": {"type": "array", "items": ref("FieldError")},
            "upstream": ref("UpstreamFault"),
            "required_scope": {"type": "string"},
            "allowed_scopes": {"type": "array", "items": {"type": "string"}},
            "operation": {"type": "string"},
            "state": {"type": "string", "x-extensible-enum": ["unknown", "manual"]},
            "next_check_at": {"type": ["string", "null"], "format": "date-time"},
            "candidates": {"type": "array", "items": {"type": "string"}},
            "companies": {"type": "array", "items": ref("CompanyAccess")},
            "connection_id": {"type": "string"},
            "difference": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "additionalProperties": True,
        "required": [
            "type",
            "title",
            "status",
            "detail",
            "instance",
            "code",
            "request_id",
            "fix",
            "retryable",
            "owner_message",
        ],
    },
}
