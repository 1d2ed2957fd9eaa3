"""One gateway, as an operator starts it, in front of two systems that can be made to hang, to fail or to be slow."""

import asyncio
import logging
import re
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
from pydantic import SecretStr

from gateway.contract.emulator import Emulator, Message, Receive, Send
from gateway.contract.exact import dumps, loads
from gateway.demo import pointed_at
from gateway.engine.clock import SystemClock
from gateway.registry import discover, emulator_of
from gateway.serve import listen, port_of, serving
from gateway.settings import Settings
from gateway.store.seal import generate_key
from tests.chaos.processes import Command, Gateway, http_client, key_of

ENVIRONMENT = "chaos"
SYSTEMS = ("rompslomp", "thenextinvoice")
FOREVER = 3600.0
_METRIC = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$", re.MULTILINE)


@dataclass
class System:
    """An emulator with a temper. What was read once is said again from memory, so that it costs the harness little."""

    emulator: Emulator
    down: bool = False
    """Whether everything but tokens is answered 503."""
    hangs: bool = False
    """Whether nothing is answered any more."""
    latency: float = 0.0
    """Seconds before an answer."""
    asked: int = 0
    _said: dict[tuple[str, bytes, bytes], list[Message]] = field(default_factory=dict)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.asked += 1
        if self.hangs:
            await _until_gone(receive)
            return
        if self.latency:
            await asyncio.sleep(self.latency)
        if self.down:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})
            return
        if scope["method"] != "GET":
            await self.emulator(scope, receive, send)
            return
        asked = (scope["path"], scope["query_string"], dict(scope["headers"]).get(b"authorization", b""))
        if asked not in self._said:
            said: list[Message] = []

            async def kept(message: Message) -> None:
                said.append(message)

            await self.emulator(scope, receive, kept)
            self._said[asked] = said
        for message in self._said[asked]:
            await send(message)


async def _until_gone(receive: Receive) -> None:
    async with asyncio.timeout(FOREVER):
        while (await receive())["type"] != "http.disconnect":
            pass


@dataclass(frozen=True)
class Told:
    """One answer to a caller."""

    status: int
    seconds: float
    body: bytes


@dataclass
class Stand:
    """See the module. ``connections`` by system."""

    gateway: Gateway
    caller: aiohttp.ClientSession
    systems: Mapping[str, System]
    connections: dict[str, list[str]] = field(default_factory=dict)
    _numbers: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """With the key, and no answer from memory."""
        return {"authorization": f"Bearer {self.gateway.key}", "cache-control": "no-cache"}

    async def ask(self, method: str, path: str, body: object = None, key: str | None = None) -> Told:
        """One request. Raises ``aiohttp.ClientError`` where it is not answered."""
        headers = self.headers | ({} if key is None else {"idempotency-key": key})
        if body is not None:
            headers["content-type"] = "application/json"
        began = time.monotonic()
        url = f"http://127.0.0.1:{self.gateway.port}{path}"
        async with self.caller.request(method, url, headers=headers, data=dumps(body) if body else None) as answer:
            return Told(answer.status, time.monotonic() - began, await answer.read())

    def read(self, system: str) -> str:
        """A question that nobody else asks at this moment, of the connections in turn: else both get one answer.

        The system hears one of two hundred; what is said again and again besides is told apart by the gateway alone.
        Ten thousand for each connection are more than wait for one at ten times what it can do.
        """
        self._numbers += 1
        connections = self.connections[system]
        connection = connections[self._numbers % len(connections)]
        variant, limit = divmod(self._numbers // len(connections) % 10_000, 200)
        further = "&include=provider" + ",provider" * variant
        return f"/v1/connections/{connection}/contacts?limit={limit + 1}{further}"

    async def connect(self, system: str) -> None:
        """One more connection."""
        body: dict[str, Any] = {"provider": system, "name": "strain"}
        body["credentials"] = dict(self.systems[system].emulator.credentials())
        told = await self.ask("POST", "/v1/connections", body)
        if told.status == 422 and loads(told.body)["code"] == "company_required":
            body["company_id"] = next(one["id"] for one in loads(told.body)["companies"] if one["accessible"])
            told = await self.ask("POST", "/v1/connections", body)
        assert told.status == 201, told.body
        self.connections.setdefault(system, []).append(loads(told.body)["id"])

    async def metrics(self) -> Counter[str]:
        """What the gateway counts, added up over all labels."""
        found: Counter[str] = Counter()
        told = await self.ask("GET", "/metrics")
        for match in _METRIC.finditer(told.body.decode()):
            found[match["name"]] += float(match["value"])  # type: ignore[assignment]  # a Counter may hold any number
        return found

    def sockets(self) -> int:
        """Sockets that the gateway has open; files are the storage's."""
        return sum(str(one.readlink()).startswith("socket:") for one in Path(f"/proc/{self.gateway.pid}/fd").iterdir())

    def megabytes(self) -> float:
        """What it holds in memory."""
        status = Path(f"/proc/{self.gateway.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@asynccontextmanager
async def strained(
    systems: tuple[str, ...] = SYSTEMS,
    connections: int = 4,
    configured: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Stand]:
    """A stand while the block runs."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="polder-chaos-")))
        keys = generate_key()
        environment = {"POLDER_ENV": ENVIRONMENT, "POLDER_ENCRYPTION_KEYS": keys, "POLDER_LOG_LEVEL": "error"}
        environment |= configured
        running: dict[str, System] = {}
        for name in systems:
            make = emulator_of(name)
            assert make is not None
            running[name] = System(make(SystemClock()))
            listener = listen("127.0.0.1", 0)
            await stack.enter_async_context(serving(running[name], listener))
            url = f"http://127.0.0.1:{port_of(listener)}"
            environment |= pointed_at(discover()[name], url, running[name].emulator)
        logging.getLogger("uvicorn.error").disabled = True  # whoever hangs is called off
        client = await stack.enter_async_context(http_client())
        gateway = Gateway(Command(), home, environment, client)
        stack.push_async_callback(gateway.close)
        gateway.key = await key_of(Settings(env=ENVIRONMENT, home=home, encryption_keys=SecretStr(keys)))
        await gateway.start()
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        caller = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        stand = Stand(gateway, caller, running)
        for name in systems * connections:
            await stand.connect(name)
        yield stand
