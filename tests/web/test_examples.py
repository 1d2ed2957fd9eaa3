"""The published request examples, sent to a running gateway one after the other."""

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.exact import Json, loads
from gateway.contract.operations import BY_NAME
from tests.house import House

pytestmark = pytest.mark.anyio

EXAMPLES = sorted((Path(__file__).parents[2] / "openapi" / "examples").glob("*.json"))


def filled(value: Json, known: dict[str, str]) -> Json:
    """A value with the remembered ids for the names in braces."""
    if isinstance(value, dict):
        return {name: filled(one, known) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, known) for one in value]
    if isinstance(value, str) and re.fullmatch(r"{\w+}", value):
        return known[value[1:-1]]
    return value


async def test_every_example_does_what_it_says(house: House) -> None:
    known = {"connection_id": await house.connect("memory")}
    told: dict[str, tuple[int, Any]] = {}
    expected: dict[str, tuple[int, Any]] = {}
    for file in EXAMPLES:
        example = loads(file.read_bytes())
        operation = BY_NAME[example["operation"]]
        answer = await house.client.request(
            operation.method,
            operation.path.format(**filled(example["path"], known)),
            params=example.get("query"),
            headers=example.get("headers"),
            json=filled(example.get("body"), known),
        )
        wanted = example["expects"].get("body", {})
        body = loads(answer.content) if wanted else {}
        expected[file.name] = example["expects"]["status"], wanted
        told[file.name] = answer.status_code, {name: body.get(name) for name in wanted}
        known |= {name: body[pointer[1:]] for name, pointer in example["expects"].get("remember", {}).items()}
    assert len(told) > 10
    assert told == expected
