"""The running gateway, judged by schemathesis against the document it serves: all checks, over a real socket.

Schemathesis is a process of its own. The gateway stands on a loopback port, with an emulator behind it that has
lifelike books. The cases are the same at every run; ``FUZZ_EXAMPLES`` asks for more of them for each operation.
"""

import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import STDOUT
from typing import Any

import anyio
import pytest

from gateway.contract.exact import dumps
from gateway.contract.operations import OPERATIONS, Operation
from gateway.serve import listen, port_of, serving
from tests.house import House, emulated, open_house

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "3")
PERFECT = sorted(name for name, adapter in emulated().items() if adapter.example)
OTHERS = sorted(name for name, adapter in emulated().items() if not adapter.example)
ALL_CHECKS = ("--checks", "all", "--exclude-checks", "unauthenticated")
"""All that schemathesis brings; ours is about callers without a key."""


Answered = Counter[tuple[str, str, int]]
"""By route, method and status."""


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway on a socket, with one connection to play with and one to delete."""

    house: House
    url: str
    connection: str
    spare: str
    key: str

    def answered(self) -> Answered:
        """How often each operation has answered with which status."""
        self.house.polder.metrics.fold()
        return Counter(
            {
                (sample.labels["route"], sample.labels["method"], int(sample.labels["code"])): int(sample.value)
                for metric in self.house.polder.metrics.registry.collect()
                for sample in metric.samples
                if sample.name == "polder_http_requests_total"
            }
        )

    async def supported(self) -> list[Operation]:
        """What this connection can do without a filter."""
        answer = await self.house.client.get(f"/v1/connections/{self.connection}/capabilities")
        told: Mapping[str, Any] = answer.json()["operations"]
        return [
            one
            for one in OPERATIONS
            if one.name not in told or (told[one.name]["support"] == "native" and not told[one.name]["requires"])
        ]


async def never_done(gateway: Running, answered: Answered, *verbs: str) -> list[str]:
    """The operations with these verbs that the system has, and that succeeded not once: a judge who saw nothing."""
    return [
        one.name
        for one in await gateway.supported()
        if one.verb in verbs and one.resource != "raw" and not answered[one.path, one.method, one.status]
    ]


@asynccontextmanager
async def running(system: str, home: Path) -> AsyncIterator[Running]:
    async with open_house(home, adapters={system: emulated()[system]}) as house:
        house.emulator(system).populate()
        connection, spare = await house.connect(system), await house.connect(system)
        key = await house.polder.create_key(tenant="acme", name="schemathesis", scopes=["*"])
        listener = listen("127.0.0.1", 0)
        # The house starts and ends the application itself.
        async with serving(house.polder.asgi, listener):
            yield Running(house, f"http://127.0.0.1:{port_of(listener)}", connection, spare, key)


async def ids(gateway: Running) -> dict[str, list[str]]:
    """Some ids of records there are, by resource."""
    found: dict[str, list[str]] = {}
    for one in await gateway.supported():
        if one.shape == "list" and "{connection_id}" in one.path:
            path = one.path.format(connection_id=gateway.connection)
            answer = await gateway.house.client.get(path, params={"limit": "20"})
            found[one.resource] = [record["id"] for record in answer.json()["data"]]
    return {resource: some for resource, some in found.items() if some}


def configuration(gateway: Running, known: Mapping[str, Sequence[str]], *, with_key: bool) -> str:
    """A ``schemathesis.toml``. Half of the ids in paths are of records there are."""
    lines = []
    if with_key:
        lines += ["[auth.openapi.bearer]", f'bearer = "{gateway.key}"']
    lines += ["[dictionaries]"]
    lines += [f"{resource} = {{ values = {_text(some)} }}" for resource, some in known.items()]
    lines += ["[parameters]", f'"path.connection_id" = "{gateway.connection}"']
    for resource in known:
        chosen = f'{{ dictionary = "{resource}", probability = 0.5 }}'
        lines += [
            "[[operations]]",
            f'include-path-regex = "/{resource}/{{id}}"',
            f'parameters = {{ "path.id" = {chosen} }}',
        ]
    lines += ["[[operations]]", 'include-operation-id = "deleteConnection"']
    lines += [f'parameters = {{ "path.connection_id" = "{gateway.spare}" }}']
    return "\n".join(lines)


def _text(values: Sequence[str]) -> str:
    return dumps(list(values)).decode()


async def judge(gateway: Running, home: Path, text: str, *options: str, own_rules: bool = False) -> Answered:
    """Let schemathesis loose on the gateway; what it was answered. Fails with all that it has to say."""
    before = gateway.answered()
    config = home / "schemathesis.toml"
    config.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    command += [f"{gateway.url}/openapi.json", "--generation-deterministic", "--continue-on-failure", "--no-color"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.fuzzing"}
    # Where pytest's own Hypothesis keeps what it worked out of Unicode: that takes seconds. No example is kept there.
    environment["HYPOTHESIS_STORAGE_DIRECTORY"] = str(ROOT / ".hypothesis")
    if own_rules:
        environment["FUZZ_OWN_RULES"] = "1"  # read in tests/fuzzing.py, which only schemathesis's process imports
    done = await anyio.run_process(
        [*command, "--max-examples", EXAMPLES, *options],
        cwd=home,  # where it keeps what it keeps
        env=environment,
        check=False,
        stderr=STDOUT,
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
    return gateway.answered() - before


@pytest.mark.parametrize("phases", ["examples,coverage", "fuzzing,stateful"])
@pytest.mark.parametrize("system", PERFECT)
async def test_with_a_key(system: str, phases: str, tmp_path: Path) -> None:
    async with running(system, tmp_path) as gateway:
        text = configuration(gateway, await ids(gateway), with_key=True)
        answered = await judge(gateway, tmp_path, text, *ALL_CHECKS, "--phases", phases)
        if "coverage" in phases:
            assert await never_done(gateway, answered, "list", "get", "create") == []


@pytest.mark.parametrize("system", OTHERS)
async def test_with_a_key_over_a_real_system(system: str, tmp_path: Path) -> None:
    """What the document refuses never gets as far as an adapter, so that only what it allows is worth sending again."""
    async with running(system, tmp_path) as gateway:
        text = configuration(gateway, await ids(gateway), with_key=True)
        options = (*ALL_CHECKS, "--mode", "positive", "--phases", "examples,fuzzing,stateful")
        answered = await judge(gateway, tmp_path, text, *options, own_rules=True)
        assert await never_done(gateway, answered, "list", "get") == []


async def test_without_a_key(tmp_path: Path) -> None:
    system = PERFECT[0]
    async with running(system, tmp_path) as gateway:
        text = configuration(gateway, await ids(gateway), with_key=False)
        before = len(gateway.house.emulator(system).journal)
        # `unauthenticated` says more than `ignored_auth`, which asks again without the key that nobody gave.
        checks = ("--checks", "all", "--exclude-checks", "ignored_auth")
        await judge(gateway, tmp_path, text, *checks, "--phases", "examples,fuzzing", "--mode", "positive")
        assert len(gateway.house.emulator(system).journal) == before
