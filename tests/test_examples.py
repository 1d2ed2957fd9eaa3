"""The published examples: those in the document fit its schemas, and the requests beside it do what they say.

The requests are sent to a running gateway one after the other, over every system there is. The perfect system answers
all of them as they expect. Any other is asked to leave out what it has no place for, is told how a payment was made if
it keeps that, and may besides refuse what its capabilities and schemas say it cannot do, and nothing else.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from gateway.contract.exact import Json, dumps, loads
from gateway.contract.operations import BY_NAME
from tests.house import House, emulated, open_house

pytestmark = pytest.mark.anyio

OPENAPI = Path(__file__).parents[1] / "openapi"
EXAMPLES = sorted((OPENAPI / "examples").glob("*.json"))
PERFECT = sorted(name for name, adapter in emulated().items() if adapter.example)
OTHERS = sorted(name for name, adapter in emulated().items() if not adapter.example)
LIMITS = frozenset(
    {
        "draft_unsupported",
        "filter_required",
        "filter_unsupported",
        "operation_unsupported",
        "partial_payment_unsupported",
    }
)
"""How a system says that it cannot do a thing at all."""
LEDGER_ACCOUNT = "default_ledger_account_id"


class Caller:
    """Sends examples over one connection, and remembers what they say to remember."""

    def __init__(self, house: House, connection: str, payment_method: str | None) -> None:
        self._client = house.client
        self._payment_method = payment_method
        self.known: dict[str, str] = {"connection_id": connection}

    def can_send(self, example: Json) -> bool:
        """Whether every record that it is about was made."""
        return (
            set(re.findall(r'"{(\w+)}"', dumps([example["path"], example.get("body")]).decode())) <= self.known.keys()
        )

    async def send(self, example: Json, **further: str) -> httpx2.Response:
        """The answer to an example; ``further`` are query parameters."""
        operation = BY_NAME[example["operation"]]
        body = self._filled(example.get("body"))
        if operation.name == "payments.create" and self._payment_method:
            body = {"payment_method_id": self._payment_method, **body}
        return await self._client.request(
            operation.method,
            operation.path.format(**self._filled(example["path"])),
            params={**example.get("query", {}), **further},
            headers={**example.get("headers", {}), **({} if body is None else {"content-type": "application/json"})},
            content=None if body is None else dumps(body),
        )

    def remember(self, example: Json, answer: httpx2.Response) -> None:
        """Keep the ids that later examples use."""
        for name, pointer in example["expects"].get("remember", {}).items():
            value: Any = loads(answer.content)
            for step in pointer.split("/")[1:]:
                value = value[int(step) if isinstance(value, list) else step]
            self.known[name] = value

    def _filled(self, value: Json) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        if isinstance(value, str) and re.fullmatch(r"{\w+}", value):
            return self.known[value[1:-1]]
        return value


@asynccontextmanager
async def calling(system: str, home: Path) -> AsyncIterator[Caller]:
    """A caller with a connection to a system whose books are lifelike, set up as its owner would."""
    adapter = emulated()[system]
    async with open_house(home, adapters={system: adapter}) as house:
        house.emulator(system).populate()
        connection = await house.connect(system)
        if any(one.name == LEDGER_ACCOUNT for one in adapter.settings):
            settings = {LEDGER_ACCOUNT: await first_of(house, connection, "ledger-accounts")}
            answer = await house.client.patch(f"/v1/connections/{connection}", json={"settings": settings})
            assert answer.status_code == 200, answer.text
        method = None
        if not adapter.example and "payment_method_id" in adapter.resources["payments"].holds:
            method = await first_of(house, connection, "payment-methods")
        yield Caller(house, connection, method)


async def first_of(house: House, connection: str, resource: str) -> str:
    """The id of a record to book on: an account for revenue, if there is one."""
    answer = await house.client.get(f"/v1/connections/{connection}/{resource}", params={"limit": "200"})
    told = answer.json()["data"]
    return str(next((one for one in told if one.get("type") == "revenue"), told[0])["id"])


def differences(example: Json, answer: httpx2.Response, dropped: frozenset[str] = frozenset()) -> Mapping[str, Any]:
    """What is not as the example expects, save what the answer says it had to leave out."""
    expects = example["expects"]
    if answer.status_code != expects["status"]:
        return {"status": (answer.status_code, answer.text)}
    wanted = expects.get("body", {})
    told = loads(answer.content) if wanted else {}
    return {name: told.get(name) for name in wanted if name not in dropped and told.get(name) != wanted[name]}


@pytest.mark.parametrize("system", PERFECT)
async def test_every_example_does_what_it_says(system: str, tmp_path: Path) -> None:
    assert len(EXAMPLES) > 10
    async with calling(system, tmp_path) as caller:
        for file in EXAMPLES:
            example = loads(file.read_bytes())
            answer = await caller.send(example)
            assert differences(example, answer) == {}, file.name
            caller.remember(example, answer)


@pytest.mark.parametrize("system", OTHERS)
async def test_elsewhere_an_example_does_what_it_says_or_meets_a_limit_that_is_told(
    system: str, tmp_path: Path
) -> None:
    done: set[str] = set()
    async with calling(system, tmp_path) as caller:
        for file in EXAMPLES:
            example = loads(file.read_bytes())
            if not caller.can_send(example):
                continue
            takes_fields = BY_NAME[example["operation"]].accepts is not None
            answer = await caller.send(example, **({"on_unsupported": "drop"} if takes_fields else {}))
            if answer.status_code >= 400 and is_limit(loads(answer.content)):
                continue
            assert differences(example, answer, left_out(answer)) == {}, file.name
            caller.remember(example, answer)
            done.add(example["operation"])
    assert {"company.get", "connections.capabilities", "contacts.create", "contacts.list"} <= done


def is_limit(problem: Json) -> bool:
    """Whether the system cannot do it, or wants a field that the example leaves out, as the schema there says."""
    wanting = [error["code"] == "required" for error in problem.get("errors", [])]
    return problem["code"] in LIMITS or (bool(wanting) and all(wanting))


def left_out(answer: httpx2.Response) -> frozenset[str]:
    """The fields that a write's warnings say were dropped."""
    if answer.headers.get("content-type") != "application/json":
        return frozenset()
    warnings = loads(answer.content).get("warnings") or []
    return frozenset(one["pointer"].removeprefix("/") for one in warnings if one["code"] == "field_dropped")


def test_every_example_in_the_document_fits_the_schema_beside_it() -> None:
    document = loads((OPENAPI / "openapi.json").read_bytes())
    registry = Registry().with_resource("urn:polder", Resource.from_contents(document, DRAFT202012))
    checked = 0
    for place, schema, example in examples_of(document, document, "#"):
        validator = Draft202012Validator({"$ref": f"urn:polder{schema}"}, registry=registry)
        assert [error.message for error in validator.iter_errors(example)] == [], place
        checked += 1
    assert checked > 100


def examples_of(document: Json, value: Json, place: str) -> Iterator[tuple[str, str, Json]]:
    """Every example beside a schema: where it stands, the schema's address, and the example itself."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from examples_of(document, one, f"{place}/{number}")
        return
    if not isinstance(value, dict):
        return
    if isinstance(value.get("schema"), dict):
        named = value.get("examples", {}).items() if isinstance(value.get("examples"), dict) else ()
        if "example" in value:
            yield f"{place}/example", f"{place}/schema", value["example"]
        for name, one in named:
            yield f"{place}/examples/{name}", f"{place}/schema", resolved(document, one)["value"]
        for number, one in enumerate(value["schema"].get("examples", ())):
            yield f"{place}/schema/examples/{number}", f"{place}/schema", one
    for name, one in value.items():
        if name not in ("example", "examples"):
            yield from examples_of(document, one, f"{place}/{name.replace('~', '~0').replace('/', '~1')}")


def resolved(document: Json, value: Any) -> Any:
    """What a reference refers to, or the value itself."""
    if "$ref" not in value:
        return value
    found: Any = document
    for step in value["$ref"].split("/")[1:]:
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found
