"""What a write must look like on one connection, as JSON Schema: the contract's body, cut to what the system can hold,
its references filled with the administration's own records, and what the system wants besides.

A schema cannot say everything: that a customer exists, that a number is free, that asserted totals are met. What it
does say predicts what is accepted.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.contract.adapter import Adapter, Resource
from gateway.contract.errors import Problem
from gateway.contract.exact import Json, loads
from gateway.contract.models.base import Draft
from gateway.contract.money import plain
from gateway.contract.operations import BY_NAME, Operation
from gateway.contract.schemas import DIALECT, Requirement, Requirements, Schema, body_schema
from gateway.engine.access.permit import missing_scope, offered
from gateway.engine.call import Answer, Call
from gateway.engine.inputs import MAX_LIMIT
from gateway.engine.records.recording import CONTROLS, referred_by
from gateway.engine.storage import StoredConnection

Rows = Sequence[Mapping[str, Any]]
Listed = Callable[[str], Awaitable[Rows | None]]
"""All records of a settings resource; None where there is no list of them, or this key or connection may not see it."""

FILLED = ("vat-codes", "ledger-accounts", "payment-methods")
"""What an administration is set up with, and references name one of."""
MOST_PAGES = 10
"""Pages of settings that a schema is filled from; of more records it names none."""
CANNOT_SAY = (
    "A body that fits is accepted, as far as a schema can tell: it cannot say that a record exists, that a number or "
    "reference is free, that a date suits another, or that `expected_totals` are met."
)


def schema_operation(resource: str, verb: str) -> Operation:
    """The write a schema is asked for. Raises ``not_found`` where there is no such write."""
    if not any(operation.resource == resource and operation.accepts is not None for operation in BY_NAME.values()):
        raise Problem("not_found", "Only contacts, invoices, products and payments have schemas.")
    operation = BY_NAME.get(f"{resource}.{verb}")
    if operation is None or operation.accepts is None:
        raise Problem("not_found", f"Nobody can {verb} {resource}.")
    return operation


async def connection_schema(
    operation: Operation, resource: Resource[Any, Any], requirements: Requirements, listed: Listed, today: date
) -> Schema:
    """The schema of an operation's body on one connection. At most one list of each kind of settings is read."""
    assert operation.accepts is not None
    schema = body_schema(operation.accepts)
    held = resource.holds | resource.kept
    _cut(schema, "", held)
    for settings in FILLED:
        places = [place for place, name in referred_by(operation).items() if name == settings and _find(schema, place)]
        rows = await listed(settings) if places else None
        if rows is not None:
            _fill(schema, places, settings, rows, today)
    if operation.resource == "invoices" and "finalize" in schema["properties"] and not resource.can("finalize"):
        requirements = {
            "finalize": Requirement(schema={"const": True}, required=True, why="There are no drafts."),
            **requirements,
        }
    for place, requirement in requirements.items():
        _require(schema, place, requirement, create=issubclass(operation.accepts, Draft))
    title = f"{operation.title} on this connection"
    return {"$schema": DIALECT, **schema, "title": title, "description": CANNOT_SAY}


def redacted(requirements: Requirements, operation: Operation, sees: Callable[[str], bool]) -> Requirements:
    """The requirements without what they say by naming records of settings that this key or connection does not see."""
    refer = {place.rpartition(".")[2]: name for place, name in referred_by(operation).items() if name in FILLED}
    fields = frozenset(field for field, name in refer.items() if not sees(name))

    def redact(place: str, requirement: Requirement) -> Requirement:
        named = _names_records(requirement.schema, fields, within=place.rpartition(".")[2] in fields)
        return replace(requirement, schema={}) if named else requirement

    return {place: redact(place, requirement) for place, requirement in requirements.items()}


def _names_records(schema: Json, fields: frozenset[str], *, within: bool) -> bool:
    """Whether a schema lists values of one of the fields; ``within`` where it is of such a field itself."""
    if isinstance(schema, Mapping):
        listed = [*schema.get("enum", ()), schema.get("const")] if within else []
        inner = (_names_records(one, fields, within=within or name in fields) for name, one in schema.items())
        return any(value is not None for value in listed) or any(inner)
    return isinstance(schema, list) and any(_names_records(one, fields, within=within) for one in schema)


def sees_settings(name: str, call: Call, connection: StoredConnection, adapter: Adapter) -> bool:
    """Whether this key and this connection may list a settings resource."""
    operation = BY_NAME[f"{name}.list"]
    return call.caller.may(operation.scope) and missing_scope(adapter, connection, operation.name) is None


async def all_settings(
    name: str,
    call: Call,
    connection: StoredConnection,
    adapter: Adapter,
    perform: Callable[[Call], Awaitable[Answer]],
) -> Rows | None:
    """All records of a settings resource, from the cache where it has them; None where they cannot be listed, or may
    not be seen.
    """
    operation = BY_NAME[f"{name}.list"]
    if offered(adapter, operation) is None or not sees_settings(name, call, connection, adapter):
        return None
    headers = {name: text for name, text in call.headers.items() if name == "cache-control"}
    query = [("limit", str(MAX_LIMIT))]
    rows: list[Mapping[str, Any]] = []
    for _ in range(MOST_PAGES):
        page = replace(call, operation=operation, path={"connection_id": connection.id}, query=query, headers=headers)
        answer = await perform(page)
        rows += loads(answer.body)["data"]
        if answer.next_cursor is None:
            return rows
        query = [("limit", str(MAX_LIMIT)), ("cursor", answer.next_cursor)]
    return None


def _cut(schema: Schema, at: str, held: frozenset[str]) -> None:
    """Leave out what the system cannot hold. Where a field has a default, it can still be said with that."""
    for name, one in list(schema["properties"].items()):
        place = f"{at}{name}"
        inner = _object(one)
        if not at and name in CONTROLS:
            continue
        if inner is not None:
            _cut(inner, f"{place}.", held)
            if not inner["properties"]:
                del schema["properties"][name]
        elif place not in held:
            if "default" in one:
                schema["properties"][name] = {"anyOf": [{"const": one["default"]}, _NULL], **_notes(one)}
            else:
                del schema["properties"][name]
    schema["required"] = [name for name in schema.get("required", ()) if name in schema["properties"]]


def _notes(schema: Schema) -> Schema:
    return {name: schema[name] for name in ("description", "default") if name in schema}


def _object(schema: Schema) -> Schema | None:
    """The object that a field is, or is a list of, or may be beside null."""
    if "properties" in schema:
        return schema
    if isinstance(schema.get("items"), dict):
        return _object(schema["items"])
    return next((found for one in schema.get("anyOf", ()) if (found := _object(one)) is not None), None)


def _parent(schema: Schema, place: str) -> tuple[Schema, str] | None:
    """The object that a place is in, and the field's name; None where it was cut."""
    *path, name = place.split(".")
    inner: Schema | None = schema
    for step in path:
        field = inner["properties"].get(step) if inner is not None else None
        inner = _object(field) if field is not None else None
    return None if inner is None or name not in inner["properties"] else (inner, name)


def _find(schema: Schema, place: str) -> Schema | None:
    found = _parent(schema, place)
    return None if found is None else found[0]["properties"][found[1]]


def _require(schema: Schema, place: str, requirement: Requirement, *, create: bool) -> None:
    """Put a requirement into its place."""
    if place == "" or place.endswith(".*"):
        target = schema if place == "" else _of_list(schema, place.removesuffix(".*"))
        if target is not None:
            _narrow(target, requirement.schema)
        return
    found = _parent(schema, place)
    if found is None:
        return
    parent, name = found
    if requirement.absent:
        del parent["properties"][name]
        return
    field: Schema = parent["properties"][name]
    if requirement.required:
        _never_null(field)
        if create and name not in parent.setdefault("required", []):
            parent["required"] = sorted([*parent["required"], name])
    for branch in _branches(field):
        _narrow(branch, requirement.schema)
    if requirement.why is not None:
        field["description"] = (
            f"{field['description']} {requirement.why}" if "description" in field else requirement.why
        )


def _of_list(schema: Schema, place: str) -> Schema | None:
    field = _find(schema, place)
    return None if field is None else _object(field)


def _never_null(field: Schema) -> None:
    choices = [one for one in field.get("anyOf", ()) if one.get("type") != "null"]
    if len(choices) == 1:
        del field["anyOf"]
        field |= {**choices[0], **_notes(field)}
    elif choices:
        field["anyOf"] = choices


def _branches(field: Schema) -> list[Schema]:
    """What of a field a requirement is about: all it may be but null."""
    if "anyOf" not in field:
        return [field]
    return [one for one in field["anyOf"] if one.get("type") != "null"]


_COMPOSED = frozenset({"allOf", "anyOf", "if", "then", "else", "not"})
"""Keywords that are put beside a schema, and never into it."""


def _narrow(branch: Schema, keywords: Mapping[str, Json]) -> None:
    composed = {keyword: deepcopy(value) for keyword, value in keywords.items() if keyword in _COMPOSED}
    if composed:
        branch.setdefault("allOf", []).append(composed)
    for keyword, value in keywords.items():
        if keyword in _COMPOSED:
            continue
        if keyword == "maxLength" and keyword in branch:
            branch[keyword] = min(branch[keyword], value)
        elif keyword in ("enum", "const"):
            branch.pop("pattern", None)
            branch[keyword] = value
        elif keyword in branch:
            branch.setdefault("allOf", []).append({keyword: value})
        else:
            branch[keyword] = deepcopy(value)


# --- what the administration is set up with


def _fill(schema: Schema, places: Sequence[str], settings: str, rows: Rows, today: date) -> None:
    chosen = [row for row in rows if settings != "vat-codes" or _sells(row, today)]
    labels = {str(row["id"]): str(row["name"]) for row in chosen}
    for place in places:
        field = _find(schema, place)
        assert field is not None
        for branch in _branches(field):
            _narrow(branch, {"enum": list(labels), "x-enum-labels": labels})
    line = _of_list(schema, "lines") if settings == "vat-codes" and "lines" in schema["properties"] else None
    if line is not None:
        _fill_treatments(line, chosen)


def _sells(code: Mapping[str, Any], today: date) -> bool:
    """Whether one can sell with a VAT code on this day."""
    first, last = code.get("valid_from"), code.get("valid_to")
    in_force = (first is None or first <= today.isoformat()) and (last is None or today.isoformat() <= last)
    return code["direction"] != "purchase" and in_force


def _fill_treatments(line: Schema, codes: Rows) -> None:
    """The treatments there is a code for; a rate and a country are those of the codes they narrow."""
    treatments = sorted({code["treatment"] for code in codes} - {"unknown"})
    field = line["properties"].get("vat_treatment")
    if field is None:
        return
    for branch in _branches(field):
        _narrow(branch, {"enum": treatments})
    by_treatment = {name: [code for code in codes if code["treatment"] == name] for name in treatments}
    treated = [_treated(name, line, found) for name, found in by_treatment.items()]
    by_rate: dict[str, list[str]] = {}
    for code in codes:
        by_rate.setdefault(code["rate"], []).append(str(code["id"]))
    coded = [
        _with("vat_code_id", ids, {"vat_rate": _rates({rate}), "vat_country": _NULL}) for rate, ids in by_rate.items()
    ]
    open_ = dict.fromkeys(("vat_code_id", "vat_treatment", "vat_rate", "vat_country"), _NULL)
    neither = {"properties": {name: one for name, one in open_.items() if name in line["properties"]}}
    line.setdefault("allOf", []).append({"anyOf": [neither, *coded, *treated]})


_NULL: Schema = {"type": "null"}


def _with(name: str, values: Sequence[str], others: Mapping[str, Schema]) -> Schema:
    return {"properties": {name: {"enum": list(values)}, **others}, "required": [name]}


def _treated(treatment: str, line: Schema, codes: Rows) -> Schema:
    """A treatment, and what may be said of its rate and country; one of several countries wants to know which."""
    countries = sorted({code["country"] for code in codes if code["country"] is not None})
    among = {"enum": countries if len(countries) > 1 else [*countries, None]}
    narrowing = {"vat_rate": _rates({code["rate"] for code in codes}), "vat_country": among}
    held = {name: one for name, one in narrowing.items() if name in line["properties"]}
    schema = _with("vat_treatment", [treatment], held)
    wanted = ["vat_country"] if len(countries) > 1 and "vat_country" in held else []
    return {**schema, "required": [*schema["required"], *wanted]}


def _rates(rates: set[str]) -> Schema:
    """Each rate as it may be written, or null."""
    written = [{"type": "string", "pattern": _pattern(rate)} for rate in sorted(rates)]
    numbers: list[Json] = [Decimal(rate) for rate in sorted(rates)]
    return {"anyOf": [*written, {"enum": numbers}, _NULL]}


def _pattern(rate: str) -> str:
    whole, _, fraction = plain(Decimal(rate)).partition(".")
    if not fraction:
        return rf"^0*{whole}(\.0+)?$"
    return rf"^0*{whole}\.{fraction}0*$"
