"""``components.schemas``: the pydantic models as the wire shows them.

An answer names all its fields, null among them, and stays open: a field or an enum value may be added at any time. A
body is closed and exact: what the schema allows is what the model accepts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateway.contract import models
from gateway.contract.exact import Json
from gateway.contract.models.base import Change, Resource, Shape
from gateway.contract.money import FRACTION_DIGITS
from gateway.contract.operations import OPERATIONS
from gateway.web.document.notes import CHANGE_NOTES, FIELD_NOTES, SCHEMA_NOTES

Schema = dict[str, Any]
REF = "#/components/schemas/"

_PERCENT_TEXT = r"^(0{0,13}[0-9]{1,2}(\.[0-9]{1,12})?|0{0,12}100(\.0{1,12})?|-0{1,15}(\.0{1,12})?)$"
_CHARGING = ("quantity", "unit_price", "discount_percent", "vat_code_id", "vat_treatment", "ledger_account_id")


def _has(field: str, *types: str) -> Schema:
    """An object in which a field has one of these types; nothing is said of its other fields."""
    wanted = {"type": types[0] if len(types) == 1 else list(types)}
    return {"properties": {field: wanted}, "required": [field], "additionalProperties": True}


def _is(field: str, value: str) -> Schema:
    return {"properties": {field: {"const": value}}, "required": [field], "additionalProperties": True}


_RULES: Mapping[str, Schema] = {
    "ContactDraft": {
        "if": _is("kind", "company"),
        "then": _has("company_name", "string"),
        "else": {
            "anyOf": [
                _has("contact_person", "string"),
                {**_has("company_name", "string"), "not": _has("kind", "string")},
            ]
        },
    },
    "LineDraft": {
        "if": _is("type", "text"),
        "then": {"properties": {name: {"type": "null"} for name in _CHARGING}, "additionalProperties": True},
        "else": {
            "anyOf": [_has("unit_price", "string", "number"), _has("product_id", "string")],
            "not": {"allOf": [_has("vat_code_id", "string"), _has("vat_treatment", "string")]},
        },
    },
}
"""What the models check across fields. ``if`` is used because code generators pass it over: ``anyOf`` beside properties
makes some of them lose the properties."""

_GUESSED: Mapping[str, Sequence[str]] = {"ContactDraft": ["kind"]}
"""Fields whose default depends on others: a client that fills in a plain default would say something else."""


def component_schemas() -> dict[str, Schema]:
    """Every schema of the document by its name, sorted."""
    answers = _generated({operation.answers for operation in OPERATIONS if operation.answers}, "serialization")
    bodies = _generated({operation.accepts for operation in OPERATIONS if operation.accepts}, "validation")
    made = {**answers, **_beside(bodies, taken=answers)}
    for model in {operation.answers for operation in OPERATIONS if operation.answers}:
        if issubclass(model, Resource):
            made[model.__name__]["properties"] |= _asked_for()
    for operation in OPERATIONS:
        if operation.shape == "list" and operation.answers is not None:
            made[f"{operation.answers.__name__}List"] = _list_of(operation.answers.__name__)
        if operation.is_write and operation.answers is not None and issubclass(operation.answers, Resource):
            made[operation.answers.__name__]["properties"]["warnings"] = _WARNINGS
    made |= {"ProviderView": _provider_view(), **_PROBLEM_SCHEMAS}
    for name, schema in made.items():
        _annotate(name, schema)
    return dict(sorted(made.items()))


def ref(name: str) -> Schema:
    """A reference to a schema."""
    return {"$ref": f"{REF}{name}"}


def _generated(wanted: Iterable[type[Shape]], mode: JsonSchemaMode) -> dict[str, Schema]:
    ordered = sorted(wanted, key=lambda model: model.__name__)
    _, whole = models_json_schema([(model, mode) for model in ordered], ref_template=REF + "{model}")
    schemas: dict[str, Schema] = whole["$defs"]
    for name, schema in schemas.items():
        _shorten(schema)
        if mode == "serialization":
            _open(schema)
        else:
            _tighten(schema)
            schema.update(_RULES.get(name, {}))
            for field in schema["properties"].keys() & _GUESSED.get(name, ()):
                del schema["properties"][field]["default"]
    for model in ordered:
        if issubclass(model, Change):
            schemas[model.__name__]["description"] = CHANGE_NOTES[model.__name__]
    return schemas


def _within(schema: Schema) -> Iterator[Schema]:
    """The schemas right inside one."""
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", ())
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield schema[name]


def _shorten(schema: Schema) -> None:
    """Without what says nothing: titles that repeat names, and null as a default."""
    schema.pop("title", None)
    if schema.get("default", ...) is None:
        del schema["default"]
    if "anyOf" in schema:
        schema["anyOf"] = _flat(schema["anyOf"])
    for inner in _within(schema):
        _shorten(inner)


def _open(schema: Schema) -> None:
    """An answer names all its fields, and may get others; an enum of an answer may get values."""
    if "properties" in schema:
        schema["required"] = sorted(schema["properties"])
        schema.pop("additionalProperties", None)
    if "enum" in schema:
        schema["x-extensible-enum"] = schema.pop("enum")
    for inner in _within(schema):
        _open(inner)


def _beside(bodies: Mapping[str, Schema], *, taken: Mapping[str, Schema]) -> dict[str, Schema]:
    """Body schemas whose names do not meet those of answers: ``Address`` as sent is ``AddressInput``."""
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


def _tighten(schema: Schema) -> None:
    """Say of numbers and dates what the models check beyond their type."""
    if schema.get("type") == "number":
        # Exactly 10^-12: this is a bound on decimals, no amount passes through this float.
        schema["multipleOf"] = float(f"1e-{FRACTION_DIGITS}")
    elif schema.get("format") == "date":
        schema["pattern"] = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
    if "discount_percent" in schema.get("properties", {}):
        _bound_percentage(schema["properties"]["discount_percent"])
    for inner in _within(schema):
        _tighten(inner)


def _flat(choices: list[Schema]) -> list[Schema]:
    """A choice of choices as one; code generators make a type of their own of each level."""
    return [inner for outer in choices for inner in (_flat(outer["anyOf"]) if "anyOf" in outer else [outer])]


def _bound_percentage(schema: Schema) -> None:
    for choice in schema["anyOf"]:
        if choice["type"] == "string":
            choice["pattern"] = _PERCENT_TEXT
        elif choice["type"] == "number":
            del choice["exclusiveMinimum"], choice["exclusiveMaximum"]
            choice |= {"minimum": 0, "maximum": 100}


def _annotate(name: str, schema: Schema) -> None:
    if name in SCHEMA_NOTES:
        schema["description"] = SCHEMA_NOTES[name]
    if "description" in schema:
        schema["description"] = _prose(schema["description"])
    for field, one in schema.get("properties", {}).items():
        note = FIELD_NOTES.get(f"{name}.{field}", FIELD_NOTES.get(field))
        if note is not None:
            one.setdefault("description", note)


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


def _asked_for() -> Schema:
    return {
        "provider": {**ref("ProviderView"), "description": "Only with `include=provider`."},
        "raw": {"description": "Only with `include=raw`: the record as the accounting system gave it, untouched."},
    }


def _provider_view() -> Schema:
    made: Schema = models.ProviderView.model_json_schema(mode="serialization")
    _shorten(made)
    _open(made)
    return made


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
    "FieldError": {
        "type": "object",
        "properties": {
            "pointer": {"type": "string"},
            "code": {"type": "string"},
            "message": {"type": "string"},
            "provider_field": {"type": "string"},
        },
        "required": ["pointer", "code", "message"],
    },
    "UpstreamFault": {
        "type": "object",
        "properties": {
            "provider": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string"},
            "message": {"type": "string"},
            "message_en": {"type": "string"},
            "request_id": {"type": "string"},
        },
        "required": ["provider"],
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
            "fix": {"type": "string", "x-extensible-enum": ["caller", "owner", "wait", "operator"]},
            "retryable": {"type": "boolean"},
            "retry_after": {"type": "integer", "minimum": 0},
            "outcome": {"type": "string", "x-extensible-enum": ["not_sent", "rejected", "applied", "unknown"]},
            "errors": {"type": "array", "items": ref("FieldError")},
            "upstream": ref("UpstreamFault"),
            "required_scope": {"type": "string"},
            "allowed_scopes": {"type": "array", "items": {"type": "string"}},
            "operation": {"type": "string"},
            "state": {"type": "string", "x-extensible-enum": ["unknown", "manual"]},
            "next_check_at": {"type": ["string", "null"], "format": "date-time"},
            "candidates": {"type": "array", "items": {"type": "string"}},
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
        ],
    },
}
