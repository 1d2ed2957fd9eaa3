"""The bodies of the contract as JSON Schema 2020-12, and what a system may want of them beyond it.

The schema of a body is exact: what it allows is what the model accepts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic.json_schema import models_json_schema

from gateway.contract.models.base import Shape
from gateway.contract.money import FRACTION_DIGITS

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


IN_FULL = "x-in-full"
"""On ``allocations`` of a payment: an invoice is paid in full or not at all."""
NOTE_STATUS = "x-credit-note-payment-status"
"""On the schema of crediting: the payment status of the note of an invoice that was not paid; ``unpaid`` if unsaid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What a system wants of one place of a body, beyond the contract.

    ``schema`` holds JSON Schema, which a null passes where the contract allows one. A ``required`` field must be
    there on create, and is never cleared. An ``absent`` one cannot be said here though the system holds it elsewhere.
    ``why`` is a sentence for people.
    """

    schema: Mapping[str, Any] = field(default_factory=dict)
    required: bool = False
    absent: bool = False
    why: str | None = None


Requirements = Mapping[str, Requirement]
"""Requirements by place: ``""`` is the body, ``lines.unit`` a field of each line, ``lines.*`` each line itself."""

_PERCENT_TEXT = r"^(0{0,13}[0-9]{1,2}(\.[0-9]{1,12})?|0{0,12}100(\.0{1,12})?|-0{1,15}(\.0{1,12})?)$"
_PERCENTAGES = frozenset({"discount_percent", "vat_rate"})
_CHARGING = (
    *("product_id", "quantity", "unit", "unit_price", "discount_percent", "vat_code_id", "vat_treatment"),
    *("vat_rate", "vat_country", "ledger_account_id"),
)


def has(name: str, *types: str) -> Schema:
    """An object in which a field has one of these types; nothing is said of its other fields."""
    wanted = {"type": types[0] if len(types) == 1 else list(types)}
    return {"properties": {name: wanted}, "required": [name], "additionalProperties": True}


def equals(name: str, value: str) -> Schema:
    """An object in which a field has this value; nothing is said of its other fields."""
    return {"properties": {name: {"const": value}}, "required": [name], "additionalProperties": True}


_RULES: Mapping[str, Schema] = {
    "ContactDraft": {
        "if": equals("kind", "company"),
        "then": has("company_name", "string"),
        "else": {
            "anyOf": [
                has("contact_person", "string"),
                {**has("company_name", "string"), "not": has("kind", "string")},
            ]
        },
    },
    "LineDraft": {
        "if": equals("type", "text"),
        "then": {"properties": {name: {"type": "null"} for name in _CHARGING}, "additionalProperties": True},
        "else": {
            "anyOf": [has("unit_price", "string", "number"), has("product_id", "string")],
            "not": {"allOf": [has("vat_code_id", "string"), has("vat_treatment", "string")]},
        },
    },
}
"""What the models check across fields. ``if`` is used because code generators pass it over: ``anyOf`` beside properties
makes some of them lose the properties."""

_GUESSED: Mapping[str, Sequence[str]] = {"ContactDraft": ["kind"]}
"""Fields whose default depends on others: a client that fills in a plain default would say something else."""


def body_schemas(wanted: Iterable[type[Shape]], prefix: str = "#/$defs/") -> dict[str, Schema]:
    """The schemas of some bodies and of all they hold, by model name; ``prefix`` begins their references."""
    ordered = sorted(wanted, key=lambda model: model.__name__)
    _, whole = models_json_schema([(model, "validation") for model in ordered], ref_template=prefix + "{model}")
    schemas: dict[str, Schema] = whole["$defs"]
    for name, schema in schemas.items():
        shorten(schema)
        _tighten(schema)
        schema.update(_RULES.get(name, {}))
        for guessed in schema["properties"].keys() & _GUESSED.get(name, ()):
            del schema["properties"][guessed]["default"]
    return schemas


def body_schema(model: type[Shape]) -> Schema:
    """The schema of one body, with what it holds in its place: it has no references."""
    schemas = body_schemas([model])
    whole: Schema = _inlined(schemas[model.__name__], schemas)
    return whole


def within(schema: Schema) -> Iterator[Schema]:
    """The schemas right inside one."""
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", ())
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield schema[name]


def shorten(schema: Schema) -> None:
    """Leave out what says nothing: titles that repeat names, and null as a default."""
    schema.pop("title", None)
    if schema.get("default", ...) is None:
        del schema["default"]
    if "anyOf" in schema:
        schema["anyOf"] = _flat(schema["anyOf"])
    for inner in within(schema):
        shorten(inner)


def _flat(choices: list[Schema]) -> list[Schema]:
    """A choice of choices as one; code generators make a type of their own of each level."""
    return [inner for outer in choices for inner in (_flat(outer["anyOf"]) if "anyOf" in outer else [outer])]


def _tighten(schema: Schema) -> None:
    """Say of numbers and dates what the models check beyond their type."""
    if schema.get("type") == "number":
        # Exactly 10^-12: this is a bound on decimals, no amount passes through this float.
        schema["multipleOf"] = float(f"1e-{FRACTION_DIGITS}")
    elif schema.get("format") == "date":
        schema["pattern"] = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
    for name in _PERCENTAGES & schema.get("properties", {}).keys():
        _bound_percentage(schema["properties"][name])
    for inner in within(schema):
        _tighten(inner)


def _bound_percentage(schema: Schema) -> None:
    for choice in schema["anyOf"]:
        if choice["type"] == "string":
            choice["pattern"] = _PERCENT_TEXT
        elif choice["type"] == "number":
            del choice["exclusiveMinimum"], choice["exclusiveMaximum"]
            choice |= {"minimum": 0, "maximum": 100}


def _inlined(value: Any, schemas: Mapping[str, Schema]) -> Any:
    if isinstance(value, list):
        return [_inlined(one, schemas) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(target := value.get("$ref"), str):
        siblings = {name: one for name, one in value.items() if name != "$ref"}
        return {**_inlined(schemas[target.rpartition("/")[2]], schemas), **_inlined(siblings, schemas)}
    return {name: _inlined(one, schemas) for name, one in value.items()}


ABOVE_ZERO: Mapping[str, Any] = {"pattern": r"^(?!-)(?=.*[1-9])", "exclusiveMinimum": 0}
"""An amount of more than nothing, as text or as a number."""
CENTS = r"[0-9]+(\.[0-9]{1,2}0*)?$"
"""The end of a pattern: an amount in whole cents."""
ABOVE_ZERO_IN_CENTS: Mapping[str, Any] = {**ABOVE_ZERO, "pattern": rf"^(?=.*[1-9]){CENTS}"}
"""An amount of more than nothing in whole cents; parts of one are seen in text only."""
NOT_ZERO: Mapping[str, Any] = {"pattern": r"(?=.*[1-9])", "not": {"const": 0}}
"""An amount that is not nothing, as text or as a number."""
BLANKLESS: Mapping[str, Any] = {"pattern": r"[^\s]"}
"""Text that is not blank."""


def any_of(*schemas: Mapping[str, Any]) -> Schema:
    """What fits one of these."""
    return {"anyOf": [dict(one) for one in schemas]}


def if_then(condition: Mapping[str, Any], consequence: Mapping[str, Any]) -> Schema:
    """What fits the consequence wherever it meets the condition."""
    return {"if": dict(condition), "then": dict(consequence)}


def one_of_these(name: str, values: Iterable[str]) -> Schema:
    """An object in which a field has one of these values."""
    return {"properties": {name: {"enum": list(values)}}, "required": [name]}


def without(*names: str) -> Schema:
    """An object in which these fields are null or left out."""
    return {"properties": {name: {"type": "null"} for name in names}}


TAXED_LINE: Schema = any_of(
    equals("type", "text"),
    has("vat_code_id", "string"),
    has("vat_treatment", "string"),
    has("product_id", "string"),
)
"""A line that says how it is taxed, or leaves it to its product."""
ADDRESS_LINE: Schema = any_of(
    without("house_number", "house_number_addition"),
    {**has("line1", "string"), "properties": {"line1": {"type": "string", **BLANKLESS}}},
    {**has("street", "string"), "properties": {"street": {"type": "string", **BLANKLESS}}},
)
"""An address whose house number has a street."""
EMAIL: Mapping[str, Any] = {"pattern": r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$"}
"""An address of mail with a dot behind the sign."""
