"""Real gateway processes in front of one emulated system: ``polder serve`` as an operator runs it."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from pydantic import SecretStr

from gateway.app import generations_of, new_key, revoke_key, storage_of
from gateway.demo import pointed_at
from gateway.engine.clock import SystemClock
from gateway.engine.connections.suspension import Suspension, resume, suspend
from gateway.engine.generations import Generations
from gateway.engine.storage import StoredKey
from gateway.registry import discover, emulator_of
from gateway.settings import Settings
from gateway.store.sql import SqlStorage
from tests.house import ENCRYPTION_KEY
from tests.services import free_port

ROOT = Path(__file__).resolve().parents[2]
PROVIDER = "thenextinvoice"
"""A system that has no room for references: they are among what only Polder knows."""
STARTED_WITHIN = 180.0
"""Seconds; a machine that does much besides takes its time."""


T = TypeVar("T")


@dataclass
class Node:
    """One ``polder serve`` and a client with a key for it."""

    process: subprocess.Popen[bytes]
    port: int
    client: httpx2.Client

    def get(self, path: str, **query: str) -> httpx2.Response:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer

    def patch(self, path: str, body: Mapping[str, Any]) -> None:
        answer = self.client.patch(path, json=body)
        assert answer.status_code == 200, answer.text

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@dataclass
class Gateways:
    """Some nodes that share a database, with one connection to the emulated system."""

    nodes: Sequence[Node]
    connection: str
    contact: str
    environment: Mapping[str, str]
    path: str = field(init=False)

    def __post_init__(self) -> None:
        self.path = f"/v1/connections/{self.connection}/contacts"

    def rename(self, node: Node, name: str) -> None:
        """Write through one node."""
        node.patch(f"{self.path}/{self.contact}", {"company_name": name})

    def name(self, node: Node) -> str:
        """What another says the name is."""
        name: str = node.get(f"{self.path}/{self.contact}").json()["company_name"]
        return name

    def create_key(self) -> tuple[str, str]:
        """One more key, made by a process of its own; its id and its text."""
        text, key = asyncio.run(_with_storage(self.environment, _created))
        return key.id, text

    def revoke_key(self, id: str) -> None:
        """Revoke it, as an operator does on the command line."""

        async def revoke(storage: SqlStorage, generations: Generations, clock: SystemClock) -> bool:
            return await revoke_key(storage, generations, clock, id)

        assert asyncio.run(_with_storage(self.environment, revoke))

    def set_suspended(self, *, suspended: bool) -> None:
        """Suspend the connection or resume it, as an operator does on the command line."""
        work = suspend if suspended else resume

        async def done(storage: SqlStorage, generations: Generations, clock: SystemClock) -> Suspension | None:
            return await work(storage, generations, clock, self.connection)

        assert asyncio.run(_with_storage(self.environment, done))


def company(name: str, **further: str) -> dict[str, Any]:
    """A contact that the system takes."""
    address = {"line1": "Waagplein 2", "postal_code": "1811JP", "city": "Alkmaar", "country": "NL"}
    return {"kind": "company", "company_name": name, "email": "info@example.test", "address": address, **further}


@contextmanager
def running(
    arguments: Sequence[str], environment: Mapping[str, str], output: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """``polder`` with these arguments, in a process of its own, which is ended with the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POLDER_")}
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "gateway", *arguments],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": str(ROOT), "POLDER_LOG_LEVEL": "error", **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            asked_to_stop(process)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def asked_to_stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)
    process.terminate()


def await_answer(process: subprocess.Popen[bytes], url: str, output: Path) -> None:
    """Wait until it answers."""
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until:
        assert process.poll() is None, output.read_text()
        try:
            if httpx2.get(url).status_code < 500:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"it did not start: {output.read_text()}")


@dataclass(frozen=True)
class System:
    """The emulated system: the environment of a gateway in front of it, and credentials for it."""

    environment: Mapping[str, str]
    credentials: Mapping[str, str]


@contextmanager
def emulated_system(folder: Path) -> Iterator[System]:
    """The emulator of one system, in a process of its own."""
    kind = emulator_of(PROVIDER)
    assert kind is not None
    port, log = free_port(), folder / "emulator.log"
    url = f"http://127.0.0.1:{port}"
    with running(["emulate", PROVIDER, "--port", str(port)], {}, log) as process:
        await_answer(process, url, log)
        said = re.search(r"Credentials that work: (\{.*\})", log.read_text())
        assert said is not None
        environment = pointed_at(discover()[PROVIDER], url, kind(SystemClock()))
        yield System({**environment, "POLDER_ENCRYPTION_KEYS": ENCRYPTION_KEY}, json.loads(said[1]))


@contextmanager
def gateways(folder: Path, system: System, environments: Sequence[Mapping[str, str]]) -> Iterator[Gateways]:
    """As many nodes as there are environments, which say where their home, database and so on are."""
    with ExitStack() as stack:
        starting = []
        for number, environment in enumerate(environments):
            log, port = folder / f"node-{number}.log", free_port()
            arguments = ["serve", "--port", str(port)]
            process = stack.enter_context(running(arguments, {**system.environment, **environment}, log))
            starting.append((process, port, log))
        key, _ = asyncio.run(_with_storage(environments[0], _created))
        nodes = []
        for process, port, log in starting:
            url = f"http://127.0.0.1:{port}"
            await_answer(process, f"{url}/readyz", log)
            client = httpx2.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=40)
            nodes.append(Node(process, port, stack.enter_context(client)))
        yield _connected(nodes, system, environments[0])
        for process, _, _ in starting:
            asked_to_stop(process)


async def _with_storage(
    environment: Mapping[str, str], work: Callable[[SqlStorage, Generations, SystemClock], Awaitable[T]]
) -> T:
    """Work on what the nodes share, in this process."""
    settings = Settings(
        home=Path(environment["POLDER_HOME"]),
        database_url=environment.get("POLDER_DATABASE_URL", ""),
        redis_url=environment.get("POLDER_REDIS_URL", ""),
        encryption_keys=SecretStr(ENCRYPTION_KEY),
    )
    clock = SystemClock()
    storage, generations = storage_of(settings), generations_of(settings, clock)
    try:
        return await work(storage, generations, clock)
    finally:
        await generations.close()
        await storage.close()


async def _created(storage: SqlStorage, generations: Generations, clock: SystemClock) -> tuple[str, StoredKey]:
    del generations
    return await new_key(storage, clock, "acme", "test", ["*"])


def _connected(nodes: Sequence[Node], system: System, environment: Mapping[str, str]) -> Gateways:
    body: dict[str, Any] = {"provider": PROVIDER, "name": "Shared", "credentials": system.credentials}
    made = nodes[0].client.post("/v1/connections", json=body)
    if made.status_code == 422:
        made = nodes[0].client.post("/v1/connections", json={**body, "company_id": made.json()["companies"][0]["id"]})
    assert made.status_code == 201, made.text
    connection = made.json()["id"]
    contact = nodes[0].client.post(f"/v1/connections/{connection}/contacts", json=company("Name 0"))
    assert contact.status_code == 201, contact.text
    return Gateways(nodes, connection, contact.json()["id"], environment)
