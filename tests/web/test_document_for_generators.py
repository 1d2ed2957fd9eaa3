"""What code generators make of the OpenAPI document: clients that have a type for what there is, and can read it."""

import re
from collections.abc import Iterator
from typing import Any

from gateway.contract.exact import Json
from gateway.contract.operations import BY_NAME
from gateway.web.document import document
from tests.web.published import described, published


def schemas(value: Json) -> Iterator[dict[str, Any]]:
    """All objects in it: the schemas, however deep, and what holds them."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from schemas(one)


def test_the_values_that_an_answer_may_have_so_far_are_told_in_words() -> None:
    """No generator and no page of documentation reads ``x-extensible-enum``."""
    told = document()["components"]["schemas"]
    assert told == document()["components"]["schemas"], "what is said once is said once"
    for one in (one for schema in schemas(told) for one in schema.get("properties", {}).values()):
        if known := one.get("items", one).get("x-extensible-enum"):
            assert one["description"].endswith(f"One of {', '.join(f'`{value}`' for value in known)} so far.")
    assert told["Product"]["properties"]["type"]["description"].endswith("One of `goods`, `service`, `unknown` so far.")


def test_a_constant_is_told_in_words() -> None:
    """Where it is said to be one, clients that openapi-generator makes for Python can read no dry run."""
    dry_run = published()["components"]["schemas"]["DryRun"]["properties"]["dry_run"]
    assert dry_run == {"type": "boolean", "description": "Always `true`."}


def test_an_object_of_any_members_is_said_to_be_one() -> None:
    """Of some that are named, clients in Java keep no other, and in TypeScript an object of nothing has never a member.

    A JSON Schema has members of names that clients have taken for themselves: it is told as a map, and no more.
    """
    for schema in schemas(published()):
        assert schema.get("type") != "object" or schema.keys() & {"properties", "additionalProperties"}, schema
    content = described(BY_NAME["connections.schema"])["responses"]["200"]["content"]["application/schema+json"]
    assert content["schema"].keys() == {"type", "description", "additionalProperties"}


def test_what_may_be_null_is_a_type_and_no_choice_unless_it_must_be() -> None:
    for schema in schemas(published()["components"]["schemas"]):
        plain = [one for one in schema.get("anyOf", ()) if "type" in one and "enum" not in one]
        assert len(plain) != 2 or {"type": "null"} not in plain, schema


def test_what_may_be_text_or_a_number_is_a_type_of_its_own() -> None:
    """Of a choice in its place, clients of openapi-generator have a class for each field that may be either."""
    told = published()["components"]["schemas"]
    for name, schema in told.items():
        for field, one in schema.get("properties", {}).items():
            types = {choice.get("type") for choice in one.get("anyOf", ())}
            assert not {"string", "number"} <= types, f"{name}.{field}"
    assert told["PaymentDraft"]["properties"]["amount"]["$ref"] == "#/components/schemas/DecimalInput"
    assert {"$ref": "#/components/schemas/PercentageInput"} in told["LineDraft"]["properties"]["vat_rate"]["anyOf"]


def test_no_two_fields_that_may_be_null_have_one_name_with_their_schemas() -> None:
    """Orval has a type for each, such as ``InvoiceContactId``, and makes no client of two of one name."""
    told = published()["components"]["schemas"]
    names = [
        f"{name}{field.replace('_', '')}".lower()
        for name, schema in told.items()
        for field, one in schema.get("properties", {}).items()
        if isinstance(one.get("type"), list)
    ]
    assert [name for name in names if names.count(name) > 1] == []


def test_what_may_be_left_out_has_no_default_that_makes_clients_demand_it() -> None:
    told = published()["components"]["schemas"]
    assert [schema for schema in schemas(told) if "default" in schema] == []
    assert told["InvoiceDraft"]["properties"]["currency"]["description"] == "ISO 4217. `EUR` where it is not said."
    assert told["LineDraft"]["properties"]["type"]["description"].endswith("`item` where it is not said.")


def test_a_moment_and_a_day_are_told_from_text_in_every_answer() -> None:
    """A client made from the document has a type for them."""
    for name, schema in published()["components"]["schemas"].items():
        for field, told in schema.get("properties", {}).items():
            if (ending := re.search(r"_(at|on)$|^(since|valid_from|valid_to)$", field)) is not None:
                formats = {one.get("format") for one in told.get("anyOf", [told])} - {None}
                expected = "date-time" if ending[0] in ("_at", "since") else "date"
                assert formats == {expected}, f"{name}.{field}"
