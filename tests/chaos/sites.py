"""A site: one provider, some gateways in front of it that share a store, and some connections between them."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import httpx2
from pydantic import SecretStr

from gateway.settings import Settings
from gateway.store.seal import generate_key
from tests.chaos.processes import PATIENCE, Gateway, Starter, key_of
from tests.chaos.provider import SHORT, Mode, Provider, provided

ENVIRONMENT = "chaos"
RECOVERY = 45.0
"""Seconds that a connection is given to serve again after a crash, before it counts as lost.

Whoever was refused is asked for again after 30 seconds; a dead node is known to be dead after some three, and one that
is only cut off has given up its request after 35.
"""
LEAST = 0.002
"""Seconds that a refresh takes at the least."""
RESIGNED = 2.0
"""The same, where many are lost for certain and each would take as long."""
PASSING = frozenset({409, 429, 500, 502, 503, 504})
"""What may be said of a connection that is about to recover."""


@dataclass(frozen=True)
class Loss:
    """A connection that does not come back, and what is said of it."""

    connection: str
    status: int
    code: str
    detail: str


@dataclass
class Site:
    """See the module."""

    provider: Provider
    gateways: Sequence[Gateway]
    connections: list[str]
    random: Random
    wronged: int = 0
    """How often it was said of a connection that its owner must act, and it served a moment later."""
    window: float = 0.01
    """Seconds that a refresh takes, from its request's arrival to the new token's use: kills come within these."""

    def another(self) -> dict[str, Any]:
        """What makes one more connection, with credentials of its own."""
        asked = self.provider.kind.connection(self.provider.emulator)
        return {"provider": self.provider.kind.adapter, "name": "chaos", **asked}

    async def connect(self) -> None:
        """One more connection."""
        answer = await self.gateways[0].ask("POST", "/v1/connections", self.another())
        assert answer.status_code == 201, answer.text
        self.connections.append(answer.json()["id"])

    async def call(self, gateway: Gateway, connection: str) -> httpx2.Response | None:
        """Something that needs a token; None where the gateway dies meanwhile."""
        try:
            return await gateway.ask("GET", f"/v1/connections/{connection}/{self.provider.kind.path}")
        except httpx2.TransportError:
            return None

    async def status(self, gateway: Gateway, connection: str) -> int | None:
        """The same, where only the status matters."""
        return await gateway.status(f"/v1/connections/{connection}/{self.provider.kind.path}")

    async def losses(self, patience: float = RECOVERY) -> list[Loss]:
        """The connections that can no longer get a token and call with it, whoever of the gateways tries."""
        self.provider.expire()
        until = time.monotonic() + patience
        found = await asyncio.gather(*(self._loss(one, until) for one in self.connections))
        return [one for one in found if one is not None]

    async def _loss(self, connection: str, until: float) -> Loss | None:
        refused = False
        while True:
            gateway = self.random.choice(self.gateways)
            status = await self.status(gateway, connection)
            if status == 200:
                self.wronged += refused
                return None
            if time.monotonic() > until and (answer := await self.call(gateway, connection)) is not None:
                if answer.status_code == 200:
                    return None
                told = answer.json()
                return Loss(connection, answer.status_code, told["code"], told["detail"])
            if time.monotonic() > until + PATIENCE:
                return Loss(connection, 0, "none", "The gateway does not answer.")
            refused |= status is not None and status not in PASSING
            await asyncio.sleep(0.1)

    async def replace(self, losses: Sequence[Loss]) -> None:
        """Leave those that are lost, and make as many new ones."""
        for loss in losses:
            self.connections.remove(loss.connection)
            await self.connect()

    async def measure(self) -> None:
        """Find out how long a refresh takes here, so that kills can be aimed at all of it."""
        taken = []
        for _ in range(5):
            self.provider.expire()
            calls = [asyncio.create_task(self.status(self.gateways[0], one)) for one in self.connections]
            await until_first(self.provider.arrived, calls)
            began = time.monotonic()
            await asyncio.gather(*calls)
            taken.append(max(self.provider.calm_since - began, LEAST))
        self.window = statistics.median(taken)


async def until_first(event: asyncio.Event, calls: Sequence["asyncio.Task[int | None]"]) -> None:
    """Wait until it happens, or until nobody is left who could make it happen."""
    happens = asyncio.create_task(event.wait())
    everybody = asyncio.create_task(asyncio.wait(calls))
    async with asyncio.timeout(PATIENCE * 2):
        await asyncio.wait((happens, everybody), return_when=asyncio.FIRST_COMPLETED)
    everybody.cancel()
    happens.cancel()


@asynccontextmanager
async def site(
    starter: Starter,
    client: httpx2.AsyncClient,
    home: Path,
    mode: Mode,
    random: Random,
    *,
    gateways: int = 1,
    connections: int = 4,
    lifetime: int = SHORT,
    database_urls: Sequence[str] = (),
    plant: str | None = None,
    configured: Mapping[str, str] = MappingProxyType({}),
    processes: int = 1,
) -> AsyncIterator[Site]:
    """A site that runs while the block does, with gateways that have these variables besides.

    Without ``database_urls`` the gateways are processes of one host, with one home and SQLite in it; otherwise every so
    many ``processes`` are a node with a home of its own, at the database of that address.
    """
    keys = generate_key()
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(provided(mode, random, lifetime=lifetime))
        environment = {
            "POLDER_ENV": ENVIRONMENT,
            "POLDER_ENCRYPTION_KEYS": keys,
            "POLDER_LOG_LEVEL": "warning",
            **provider.environment(),
            **configured,
        }
        made = []
        for number in range(gateways):
            own, place = dict(environment), home
            if database_urls:
                own["POLDER_DATABASE_URL"], place = database_urls[number], home / f"node-{number // processes}"
            made.append(Gateway(starter, place, own, client, plant))
            stack.push_async_callback(made[-1].close)
        settings = Settings(
            env=ENVIRONMENT,
            home=made[0].home,
            database_url=made[0].environment.get("POLDER_DATABASE_URL", ""),
            encryption_keys=SecretStr(keys),
        )
        key = await key_of(settings)
        for one in made:
            one.key = key
            await one.start()
        running = Site(provider, made, [], random)
        for _ in range(connections):
            await running.connect()
        await running.measure()
        yield running
