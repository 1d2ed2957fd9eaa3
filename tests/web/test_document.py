"""The published contract: valid, current, whole, and exactly what the models accept."""

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pydantic import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from gateway.contract import models
from gateway.contract.emulator import Fault
from gateway.contract.exact import Json, dumps, loads
from gateway.contract.models.base import RecordPart, Shape
from gateway.contract.operations import BY_NAME, OPERATIONS, RESOURCE_OPERATIONS
from gateway.contract.records import schema_model
from gateway.engine.inputs import parameters, read_query
from gateway.engine.raw import HANDED_BACK
from gateway.web.document import check, document, document_bytes, document_text, files, write
from gateway.web.document.examples import REQUESTS, Example, shown
from gateway.web.problems import ALL_KINDS
from tests.house import House
from tests.web.published import described, published

OPENAPI = Path(__file__).parents[2] / "openapi"
STALE = "openapi/ is stale: run ./dev generate"
NAMES = [operation.name for operation in OPERATIONS]


@cache
def validator(name: str) -> Draft202012Validator:
    registry = Registry().with_resource("urn:polder", Resource.from_contents(document(), DRAFT202012))
    return Draft202012Validator({"$ref": f"urn:polder#/components/schemas/{name}"}, registry=registry)


def accepted(model: type[Shape], body: Json) -> bool:
    try:
        model.model_validate(loads(dumps(body)))
    except ValidationError:
        return False
    return True


def texts(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str):
        yield value


# The document as a whole


def test_it_is_valid_openapi() -> None:
    validate(document())


def test_it_is_committed_as_it_should_be() -> None:
    assert check(OPENAPI) == [], STALE


def test_it_is_the_same_every_time() -> None:
    assert document_text() == document_text()
    assert document_text().endswith("}\n")
    assert loads(document_bytes("https://polder.example")) == published()


def test_stale_missing_and_needless_files_are_found_and_mended(tmp_path: Path) -> None:
    write(tmp_path)
    assert check(tmp_path) == []
    examples = sorted((tmp_path / "examples").iterdir())
    examples[0].unlink()
    examples[1].write_text("{}", encoding="utf-8")
    (tmp_path / "examples" / "99-old.json").write_text("{}", encoding="utf-8")
    (tmp_path / "openapi.json").write_text("{}", encoding="utf-8")
    assert len(check(tmp_path)) == 4
    write(tmp_path)
    assert check(tmp_path) == []


@pytest.mark.parametrize(
    ("public_url", "server"),
    [("https://polder.example", "/"), ("http://localhost:8080", "/"), ("https://acme.example/books", "/books")],
)
def test_its_server_is_a_path_on_whatever_host_it_was_read_from(public_url: str, server: str) -> None:
    told = document(public_url)
    assert told["servers"][0]["url"] == server
    types = {example["value"]["type"] for example in told["components"]["examples"].values()}
    assert types == {f"{public_url}/docs/problems/{code}" for code in ALL_KINDS}


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    told = published()
    references = {text for text in texts(told) if text.startswith("#/")}
    for reference in references:
        found: Any = told
        for step in reference[2:].split("/"):
            found = found[step]
    components = {
        f"#/components/{kind}/{name}"
        for kind, named in told["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    assert components == references


# Operations


def test_it_has_every_operation_and_no_other() -> None:
    found = {(path, method) for path, methods in published()["paths"].items() for method in methods}
    assert found == {(operation.path, operation.method.lower()) for operation in OPERATIONS}
    ids = [described(operation)["operationId"] for operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
    tags = {tag["name"] for tag in published()["tags"]}
    assert {operation.resource for operation in OPERATIONS} == tags


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_is_described_as_the_table_says(name: str) -> None:
    operation = BY_NAME[name]
    told = described(operation)
    assert told["operationId"] == operation.operation_id
    assert told["x-scopes"] == ([operation.scope] if operation.scope else [])
    assert ("requestBody" in told) == (operation.accepts is not None or (name.startswith("raw.") and name != "raw.get"))
    shared = published()["components"]["parameters"]
    given = [shared[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in told["parameters"]]
    in_path = {one["name"] for one in given if one["in"] == "path"}
    in_query = {one["name"] for one in given if one["in"] == "query"} - {"query"}
    headers = {one["name"] for one in given if one["in"] == "header"}
    assert in_path == set(re.findall(r"{(\w+)}", operation.path))
    assert in_query == set(parameters(operation))
    assert ("Idempotency-Key" in headers) == operation.is_write
    assert all(one["description"] for one in given)


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_says_what_it_may_answer(name: str) -> None:
    operation = BY_NAME[name]
    responses = described(operation)["responses"]
    expected = {"401", "422", "429", "500", "503", "default"}
    expected.add("2XX" if operation.shape == "theirs" else str(operation.status))
    if operation.scope is not None:
        expected.add("403")
    if "{" in operation.path:
        expected.add("404")
    if operation in RESOURCE_OPERATIONS or operation.shape == "schema":
        expected |= {"405", "424", "502", "504"}
    if operation.accepts is not None:
        expected.add("400")
    if operation.is_write:
        expected |= {"413", "415"}
    if operation.fresh_for:
        expected.add("304")
    assert expected <= responses.keys()
    # What the lowest status has, many generators take for what a call gives; an answer without a body gives nothing.
    lowest = min(status for status in responses if status[0] == "2")
    assert lowest in expected or operation.status == 204


OF_EVERY_ANSWER = {
    "content-type",
    "content-length",
    "cache-control",
    "vary",
    "x-content-type-options",
    "referrer-policy",
}
NOW_AND_THEN = {"link", "polder-emulated", "ratelimit", "ratelimit-policy", "x-upstream-ratelimit-remaining"}


async def test_a_read_has_the_headers_that_it_says(house: House) -> None:
    house.emulator("memory").populate()
    connection = await house.connect("memory")
    listed: dict[str, str] = {}
    for operation in (one for one in RESOURCE_OPERATIONS if not one.is_write):
        path = operation.path.format(connection_id=connection, id=listed.get(operation.resource, ""))
        answer = await house.client.get(path)
        assert answer.status_code == 200, f"{operation.name}: {answer.text}"
        if operation.shape == "list":
            # A draft invoice has no files.
            found = [one for one in answer.json()["data"] if one.get("document_status") != "draft"]
            listed[operation.resource] = found[0]["id"]
        again = await house.client.get(path, headers={"if-none-match": answer.headers["etag"]})
        for status, sent in (("200", answer), ("304", again)):
            assert sent.status_code == int(status), operation.name
            said = {name.lower() for name in described(operation)["responses"][status]["headers"]}
            assert set(sent.headers) - OF_EVERY_ANSWER <= said, operation.name
            assert said - set(sent.headers) <= NOW_AND_THEN, operation.name


async def test_a_write_has_the_headers_that_it_says(house: House) -> None:
    connection = await house.connect("memory")
    contacts, body = f"/v1/connections/{connection}/contacts", {"company_name": "Bakker"}
    raw, key = f"/v1/connections/{connection}/raw/nergens", {"idempotency-key": "k"}

    async def says(name: str, path: str, json: object = None, headers: dict[str, str] | None = None) -> httpx2.Response:
        sent = await house.client.request(BY_NAME[name].method, path, json=json, headers=headers)
        responses = described(BY_NAME[name])["responses"]
        sort = "2XX" if sent.status_code < 300 else "default"
        told = responses.get(str(sent.status_code)) or responses[sort]
        if "$ref" in told:
            told = published()["components"]["responses"][told["$ref"].rpartition("/")[2]]
        said = {header.lower() for header in told["headers"]}
        assert set(sent.headers) - OF_EVERY_ANSWER <= said, f"{name} {sent.status_code}"
        return sent

    for path, dry in ((contacts, {}), (f"{contacts}?dry_run=true", {"idempotency-key": "dry"})):
        made = await says("contacts.create", path, body, dry)
        assert made.status_code in (200, 201)
    await says("raw.post", f"{raw}?dry_run=true", {})
    assert (await says("contacts.delete", f"{contacts}/nobody")).status_code == 404
    memory = house.emulator("memory")
    theirs = dict.fromkeys((*HANDED_BACK, "content-disposition"), "7")
    for status, name in product((200, 409, 418), ("raw.get", "raw.put")):
        memory.fail(Fault("status", status=status, headers={**theirs, "x-ratelimit-remaining": "7"}), times=1)
        handed_on = await says(name, raw)
        assert (handed_on.status_code, theirs.items() <= dict(handed_on.headers).items()) == (status, True)
    for name, path in (("contacts.create", contacts), ("contacts.delete", f"{contacts}/nobody")):
        assert (await says(name, path, body, {"content-encoding": "gzip"})).status_code == 415
    for _ in range(2):
        memory.fail(Fault("status", status=422), times=1, when=lambda seen: seen.method == "POST")
        assert (await says("contacts.create", contacts, body, key)).status_code == 422
        memory.heal()
    memory.fail(Fault("lost"), times=99, when=lambda seen: not memory.is_token_request(seen))
    for headers in ({}, {"idempotency-key": "lost"}, {"idempotency-key": "lost"}):
        assert (await says("contacts.create", contacts, body, headers)).status_code in (409, 502, 503, 504)


@pytest.mark.parametrize("resource", ["contacts", "invoices"])
async def test_a_schema_of_a_connection_without_credentials_is_a_problem_that_is_published(
    house: House, resource: str
) -> None:
    made = await house.client.post("/v1/connections", json={"provider": "memory", "name": "Pending"})
    told = await house.client.get(f"/v1/connections/{made.json()['id']}/schemas/{resource}")
    assert str(told.status_code) in described(BY_NAME["connections.schema"])["responses"]
    assert (told.status_code, told.json()["code"]) == (424, "connection_pending")


async def test_what_a_problem_tells_besides_is_published(house: House) -> None:
    """The administrations to choose from, and by how much totals are off: no client can use what it cannot find."""
    schema = published()["components"]["schemas"]["Problem"]["properties"]
    credentials = dict(house.emulator("rompslomp").credentials())
    body = {"provider": "rompslomp", "name": "Several", "credentials": credentials}
    several = (await house.client.post("/v1/connections", json=body)).json()
    assert (several["code"], schema["companies"]["items"]) == (
        "company_required",
        {"$ref": "#/components/schemas/CompanyAccess"},
    )
    root = f"/v1/connections/{await house.connect('memory')}"
    contact = (await house.client.post(f"{root}/contacts", json={"company_name": "De Sluis"})).json()
    line = {"description": "Brood", "unit_price": "10", "vat_treatment": "zero"}
    draft = {"contact_id": contact["id"], "lines": [line], "expected_totals": {"gross": "12.10"}}
    off = (await house.client.post(f"{root}/invoices", json=draft)).json()
    assert (off["code"], off["difference"]) == ("totals_mismatch", {"gross": "2.10"})
    assert set(several) | set(off) <= set(schema)
    validator("Problem").validate(off)


def test_every_code_can_be_met_somewhere() -> None:
    shown_codes = {
        code
        for response in published()["components"]["responses"].values()
        for code in response["content"]["application/problem+json"]["examples"]
    }
    assert shown_codes == ALL_KINDS.keys()


# Examples


@pytest.mark.parametrize("name", NAMES)
def test_every_json_answer_has_a_valid_example(name: str) -> None:
    operation = BY_NAME[name]
    if operation.answers is None:
        assert operation.shape in ("nothing", "file", "theirs", "schema")
        return
    content = described(operation)["responses"][str(operation.status)]["content"]["application/json"]
    schema = content["schema"]["$ref"].rpartition("/")[2]
    validator(schema).validate(content["example"])
    record = content["example"]["data"][0] if operation.shape == "list" else content["example"]
    schema_model(operation.answers).model_validate_json(dumps(record))


@pytest.mark.parametrize("name", NAMES)
def test_every_body_has_examples_that_are_accepted(name: str) -> None:
    operation = BY_NAME[name]
    if operation.accepts is None:
        return
    examples = described(operation)["requestBody"]["content"]["application/json"]["examples"]
    assert examples
    for example in examples.values():
        validator(operation.accepts.__name__).validate(example["value"])
        assert accepted(operation.accepts, example["value"])


@pytest.mark.parametrize("code", ALL_KINDS)
def test_every_problem_has_a_valid_example(code: str) -> None:
    example = published()["components"]["examples"][code]["value"]
    validator("Problem").validate(example)
    assert (example["code"], example["status"]) == (code, ALL_KINDS[code].status)


@pytest.mark.parametrize("example", REQUESTS, ids=lambda example: example.title)
def test_a_request_example_is_one_that_its_operation_understands(example: Example) -> None:
    operation = BY_NAME[example.operation]
    assert set(example.path) == set(re.findall(r"{(\w+)}", operation.path))
    read_query(operation, tuple(example.query.items()))
    assert example.status == operation.status
    assert (example.body is not None) <= (operation.accepts is not None)
    if example.answer is not None:
        assert operation.answers is not None
        assert example.answer.keys() <= schema_model(operation.answers).model_fields.keys()


def test_request_examples_use_only_what_an_earlier_one_remembered() -> None:
    known = {"connection_id"}
    for example in REQUESTS:
        used = {text for value in (dict(example.path), example.body) for text in texts(value)}
        assert {text[1:-1] for text in used if re.fullmatch(r"{\w+}", text)} <= known
        known |= example.remember.keys()


def test_request_examples_are_published_in_their_order() -> None:
    made = files()
    told = [loads(made[name]) for name in sorted(made) if name.startswith("examples/")]
    assert [one["title"] for one in told] == [example.title for example in REQUESTS]
    assert all({"title", "operation", "path", "expects"} <= one.keys() for one in told)


def test_names_in_braces_are_shown_as_ids() -> None:
    body = {"contact_id": "{contact_id}", "lines": [{"description": "{}", "product_id": "{product_id}"}]}
    with pytest.raises(KeyError):
        shown(body)
    assert shown({"a": ["{contact_id}", 1, None]}) == {"a": ["48213377", 1, None]}


# Schemas are what the models accept


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"company_name": "A"},
        {"contact_person": "B"},
        {"company_name": None},
        {"company_name": "A", "contact_person": "B"},
        {"kind": "company", "company_name": "A"},
        {"kind": "company", "contact_person": "B"},
        {"kind": "company", "company_name": None, "contact_person": "B"},
        {"kind": "person", "company_name": "A"},
        {"kind": "person", "contact_person": "B"},
        {"kind": "person", "contact_person": "B", "company_name": "A"},
        {"kind": None, "company_name": "A"},
        {"kind": "robot", "company_name": "A"},
        {"company_name": " "},
        {"company_name": "A", "roles": []},
        {"company_name": "A", "payment_term_days": -1},
        {"company_name": "A", "country": "NL"},
        {"company_name": "A", "address": {"country": "nl"}},
        {"company_name": "A", "address": {"line1": "a\u0000"}},
        {"company_name": "A", "email": "a@b"},
        {"company_name": "A", "email": "a b@c"},
    ],
)
def test_the_schema_of_a_contact_is_the_model(body: Json) -> None:
    assert validator("ContactDraft").is_valid(body) == accepted(models.ContactDraft, body)


_LINE_VALUES = {
    "type": st.sampled_from(["item", "text", None, "other"]),
    "description": st.sampled_from(["x", "", None]),
    "product_id": st.sampled_from(["1", None, "a/b"]),
    "quantity": st.sampled_from(["2", "0.5", None, "x", 3]),
    "unit_price": st.sampled_from(["2.00", None, 12, "1e3", True]),
    "discount_percent": st.sampled_from(["0", "100", "100.01", "-1", "-0", "099.5", None, 50, 101]),
    "vat_code_id": st.sampled_from(["21", None]),
    "vat_treatment": st.sampled_from(["zero", None, "none"]),
    "ledger_account_id": st.sampled_from(["8000", None]),
    "vat_rate": st.sampled_from(["21", None]),
}


@given(st.fixed_dictionaries({}, optional=_LINE_VALUES))
def test_the_schema_of_a_line_is_the_model(line: Json) -> None:
    assert validator("LineDraft").is_valid(line) == accepted(models.LineDraft, line)


@given(
    st.sampled_from(["discount_percent", "vat_rate"]),
    st.from_regex(r"-?0{0,14}[0-9]{1,4}(\.[0-9]{1,13})?", fullmatch=True) | st.integers(-200, 200),
)
def test_what_is_said_of_a_percentage_is_the_rule(name: str, written: str | int) -> None:
    line = {"description": "x", "unit_price": "1", name: written}
    assert validator("LineDraft").is_valid(line) == accepted(models.LineDraft, line)


@pytest.mark.parametrize(
    ("written", "good"),
    [
        ("12.40", True),
        ("0.000000000001", True),
        ("0.0000000000001", False),
        ("1e-300", False),
        ("999999999999999", True),
        ("1000000000000000", False),
        ("-0.5", True),
    ],
)
def test_an_amount_written_as_a_number_has_twelve_decimals_at_most(written: str, good: bool) -> None:
    schema = published()["components"]["schemas"]["DecimalInput"]
    number = next(one for one in schema["anyOf"] if one["type"] == "number")
    value = Decimal(written)
    within = number["exclusiveMinimum"] < value < number["exclusiveMaximum"] and value % number["multipleOf"] == 0
    assert within == good
    assert accepted(models.PaymentDraft, {"amount": value}) == good


@pytest.mark.parametrize("name", ["ContactChange", "InvoiceChange", "ProductChange", "ConnectionChange"])
def test_a_change_may_be_empty_and_promises_no_default(name: str) -> None:
    assert validator(name).is_valid({})
    schema = published()["components"]["schemas"][name]
    assert [field for field, one in schema["properties"].items() if "default" in one] == []
    assert schema["additionalProperties"] is False


def test_what_is_said_of_a_field_or_an_answer_holds_there() -> None:
    """Words that stand for many places are not said where they do not hold."""
    told = published()["components"]["schemas"]
    changes = [one for name, schema in told.items() if name.endswith("Change") for one in schema["properties"].values()]
    assert [one for one in changes if "not said" in one.get("description", "")] == []
    code = [told[name]["properties"]["code"]["description"] for name in ("Product", "ProductDraft")]
    assert code[0] == code[1]
    assert told["Connection"]["properties"]["updated_at"]["description"] == "UTC."
    assert described(BY_NAME["connections.operation"])["responses"]["200"]["description"] == "What became of it."
    assert described(BY_NAME["invoices.credit"])["responses"]["201"]["description"] == "The credit note."


@pytest.mark.parametrize("place", ["VatCode.treatment", "VatCode.category", "AttemptFacts.state"])
def test_words_that_only_bookkeepers_or_polder_know_are_explained(place: str) -> None:
    name, _, field = place.partition(".")
    told = published()["components"]["schemas"][name]["properties"][field]
    explained, _, _ = told["description"].rpartition("One of ")
    unexplained = [value for value in told["x-extensible-enum"] if f"`{value}`" not in explained]
    assert unexplained in ([], ["unknown"])


@pytest.mark.parametrize("model", [models.Contact, models.Invoice, models.Product, models.Payment, models.VatCode])
def test_an_answer_names_all_its_fields_and_stays_open(model: type[RecordPart]) -> None:
    schema = published()["components"]["schemas"][model.__name__]
    assert set(schema["required"]) == set(model.__struct_fields__)
    assert {"provider", "raw"} <= schema["properties"].keys()
    assert ("warnings" in schema["properties"]) == (model is not models.VatCode)
    assert schema.get("additionalProperties", True) is True
    assert "enum" not in {key for one in schema["properties"].values() for key in one}
