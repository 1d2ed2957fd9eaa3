"""A whole Polder in one process, for tests: emulators for providers, a temporary home, a key with all scopes.

    async with open_house(tmp_path) as house:
        connection = await house.connect("memory")
        answer = await house.client.get(f"/v1/connections/{connection}/contacts")

The gateway speaks HTTP to the emulators over an in-process transport, and the tests speak HTTP to the gateway the same
way. Time stands still until ``house.clock.advance``, or until somebody sleeps.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import httpx2
from pydantic import SecretStr

from gateway import registry
from gateway.app import Polder, build, new_key
from gateway.contract.adapter import Adapter
from gateway.contract.clock import Clock
from gateway.contract.emulator import ASGIApp, Emulator, Message, Receive, Send
from gateway.contract.operations import BY_NAME
from gateway.engine.access.permit import offered
from gateway.engine.tracing import Tracer
from gateway.settings import Settings, variable
from gateway.store import migrate, open_storage
from gateway.store.seal import KeyRing
from tests.durability import hurry

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENCRYPTION_KEY = f"test:{base64.b64encode(bytes(range(32))).decode()}"
PUBLIC_URL = "http://polder.test"

_FURNISHED: list[tuple[bytes, str]] = []

EmulatorFactory = Callable[[Clock], Emulator]


class ManualClock:
    """Time that passes only when it is told to, or when somebody sleeps."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._passed = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        """Time passes at once; whoever else is ready goes first, as after a real sleep."""
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += seconds

    def leap(self, seconds: float) -> None:
        """Have the time of day set to another, later or earlier: a stopwatch knows nothing of that."""
        self._start += timedelta(seconds=seconds)

    def turn_to(self, moment: datetime) -> None:
        """Be at a moment, earlier or later than now."""
        self._passed = (moment - self._start).total_seconds()


def emulated(*operations: str) -> dict[str, Adapter]:
    """The adapters that bring an emulator, by name: all of them, or those that can do these operations."""
    wanted = [BY_NAME[name] for name in operations]
    return {name: one for name, one in _emulated().items() if all(offered(one, operation) for operation in wanted)}


@cache
def _emulated() -> Mapping[str, Adapter]:
    """Found once for all: to look through every installed package takes a tenth of a house's opening."""
    return {name: adapter for name, adapter in registry.discover().items() if registry.emulator_of(name) is not None}


@dataclass
class House:
    """A running gateway with its providers. ``client`` carries a key with all scopes of the tenant ``acme``."""

    polder: Polder
    clock: ManualClock
    home: Path
    emulators: Mapping[str, Emulator]
    client: httpx2.AsyncClient
    stack: AsyncExitStack = field(repr=False)

    def emulator(self, provider: str) -> Emulator:
        """The provider itself: its journal, its books, its faults."""
        return self.emulators[provider]

    async def client_for(
        self,
        *,
        tenant: str = "acme",
        scopes: Sequence[str] = ("*",),
        connections: Sequence[str] | None = None,
    ) -> httpx2.AsyncClient:
        """A client with a key of its own."""
        key = await self.polder.create_key(tenant=tenant, name="test", scopes=list(scopes), connections=connections)
        return await self.stack.enter_async_context(_client(self.polder, {"authorization": f"Bearer {key}"}))

    async def anonymous(self) -> httpx2.AsyncClient:
        """A client without a key."""
        return await self.stack.enter_async_context(_client(self.polder, {}))

    async def connect(
        self,
        provider: str,
        *,
        client: httpx2.AsyncClient | None = None,
        credentials: Mapping[str, Any] | None = None,
        company_id: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> str:
        """A connection to a provider, to the first company that its credentials reach unless one is named; its id."""
        body: dict[str, Any] = {
            "provider": provider,
            "name": f"Test {provider}",
            "credentials": dict(credentials or self.emulator(provider).credentials()),
        }
        if company_id is not None:
            body["company_id"] = company_id
        if settings is not None:
            body["settings"] = dict(settings)
        asked = client or self.client
        answer = await asked.post("/v1/connections", json=body)
        if answer.status_code == 422 and answer.json()["code"] == "company_required":
            reachable = [one["id"] for one in answer.json()["companies"] if one["accessible"]]
            answer = await asked.post("/v1/connections", json={**body, "company_id": reachable[0]})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


class Verbatim(httpx2.ASGITransport):
    """Hands on the target in ``extensions["target"]`` as it is: a client's URLs resolve ``..`` on the way."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        target: bytes | None = request.extensions.get("target")
        if target is None:
            return await super().handle_async_request(request)
        raw_path, _, query = target.partition(b"?")

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            verbatim = {**scope, "raw_path": raw_path, "path": unquote(raw_path), "query_string": query}
            await self.app(verbatim, receive, send)

        return await httpx2.ASGITransport(app).handle_async_request(request)


def _client(polder: Polder, headers: Mapping[str, str]) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=Verbatim(polder.asgi), base_url=PUBLIC_URL, headers=dict(headers))


@asynccontextmanager
async def open_house(
    home: Path,
    *,
    adapters: Mapping[str, Adapter] | None = None,
    emulators: Mapping[str, EmulatorFactory] | None = None,
    tracer: Tracer | None = None,
    between: Callable[[Emulator], ASGIApp] | None = None,
    rate_limit: int = 0,
) -> AsyncIterator[House]:
    """Open a house with some adapters (all that can be emulated, unless said otherwise) and close it again.

    ``emulators`` says how the emulator of a provider is made where its defaults will not do, to set its switches, and
    ``between`` what stands between it and the gateway. ``rate_limit`` is a key's requests a minute, 0 none.
    """
    clock = ManualClock()
    database, key = await furnished()
    (home / "polder.db").write_bytes(database)
    served = emulated() if adapters is None else dict(adapters)
    running = {name: made(name, clock, emulators or {}) for name in served}
    apps: dict[str, ASGIApp] = {name: one if between is None else between(one) for name, one in running.items()}
    by_origin = {origin.default: apps[name] for name, adapter in served.items() for origin in adapter.origins.values()}
    polder = await build(
        Settings(
            home=home,
            env="test",
            encryption_keys=SecretStr(ENCRYPTION_KEY),
            public_url=PUBLIC_URL,
            rate_limit=rate_limit,
        ),
        clock=clock,
        adapters=served,
        transport_for=lambda origin: httpx2.ASGITransport(by_origin[origin]),
        environment=environment_of(served, running),
        tracer=tracer,
    )
    hurry(polder.storage)
    await polder.start(rounds="none")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(polder.close)
        client = await stack.enter_async_context(_client(polder, {"authorization": f"Bearer {key}"}))
        yield House(polder, clock, home, running, client, stack)


async def furnished() -> tuple[bytes, str]:
    """A database with its tables and the first client's key, and the key's text: made once, as that takes long."""
    if not _FURNISHED:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "polder.db"
            migrate(f"sqlite:///{path}")
            ring = KeyRing.parse(ENCRYPTION_KEY, environment="test")
            storage = open_storage(f"sqlite:///{path}", ring, path.parent)
            key, _ = await new_key(storage, ManualClock(), "acme", "test", ["*"])
            await storage.close()
            _FURNISHED.append((path.read_bytes(), key))
    return _FURNISHED[0]


def made(name: str, clock: Clock, factories: Mapping[str, EmulatorFactory]) -> Emulator:
    """The emulator of a provider, made as one of the factories has it or else by its defaults."""
    factory = factories.get(name) or registry.emulator_of(name)
    assert factory is not None, f"{name} brings no emulator"
    return factory(clock)


def environment_of(adapters: Mapping[str, Adapter], emulators: Mapping[str, Emulator]) -> dict[str, str]:
    """What the operator of this house configured for its providers."""
    return {
        variable(adapter, setting): text
        for name, adapter in adapters.items()
        for setting, text in emulators[name].operator_settings().items()
    }
