"""Ambiguous writes: real gateways, real sockets, answers that never come, and processes that die in between.

Every wish is one record that a client asks for under one idempotency key, again and again until it is told that it has
it. The systems are emulators that spoil their answers in six shapes; the gateway is killed at random moments. The
ledgers of the emulators say in the end what was really made. All waits are a hundredth of the real ones, so that a
request that is carried out late is late here too, and dead before it is thought dead.
"""

import asyncio
import logging
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx2
from pydantic import SecretStr

from gateway.app import new_key, storage_of
from gateway.demo import pointed_at
from gateway.engine.clock import SystemClock
from gateway.registry import discover, emulator_of
from gateway.serve import listen, port_of, serving
from gateway.settings import Settings
from gateway.store.seal import generate_key
from tests.chaos.processes import Command, Gateway, Starter, http_client
from tests.chaos.report import Asked, Report, Row
from tests.chaos.spoiling import Spoiled
from tests.chaos.wishes import ENDS, Wish, contact, mark_of, told_by

ENVIRONMENT = "chaos"
PROVIDERS = ("memory", "rompslomp", "snelstart", "thenextinvoice")
RESOURCES = ("contacts", "invoices")
SPOILED = 0.25
"""The share of writes whose answer is spoiled; with many more the breakers would open, and nothing be tried."""
DEADLINE = 2.0
ZOMBIE = 4.0
AT_ONCE = 16
"""How many wishes are asked for at the same time."""
CONNECTIONS = 4
"""Connections to each system, all of one administration: each has its own places for calls."""
PATIENCE = 90.0
"""Seconds that a client goes on asking."""
TWINS = 2
"""How many times every wish is asked for at the same time."""


@dataclass
class Result:
    """What came of it all, against the ledgers of the emulators."""

    seed: int
    wishes: int
    kills: int
    seconds: float = 0.0
    succeeded: int = 0
    manual: int = 0
    duplicates: int = 0
    phantom_successes: int = 0
    silent_losses: int = 0
    unsettled: int = 0
    spoiled: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing was done twice, and nothing told that is not so."""
        return not (self.duplicates or self.phantom_successes or self.silent_losses or self.unsettled)


@dataclass
class Scene:
    """A gateway, the systems behind it, and a connection to each."""

    gateway: Gateway
    client: httpx2.AsyncClient
    systems: Mapping[str, Spoiled]
    random: Random
    connections: dict[str, list[str]] = field(default_factory=dict)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    kills: int = 0

    async def ask(self, method: str, path: str, body: object = None, key: str | None = None) -> httpx2.Response | None:
        """One request; None where the gateway died on it."""
        headers = {"authorization": f"Bearer {self.gateway.key}", **({} if key is None else {"idempotency-key": key})}
        await self.up.wait()
        try:
            url = f"http://127.0.0.1:{self.gateway.port}{path}"
            return await self.client.request(method, url, headers=headers, json=body)
        except httpx2.TransportError:
            return None

    async def connect(self, provider: str) -> None:
        """A connection, and what an invoice there needs."""
        credentials = dict(self.systems[provider].emulator.credentials())
        body: dict[str, Any] = {"provider": provider, "name": "chaos", "credentials": credentials}
        answer = await self._sure("POST", "/v1/connections", body)
        if answer.status_code == 422 and answer.json()["code"] == "company_required":
            body["company_id"] = next(one["id"] for one in answer.json()["companies"] if one["accessible"])
            answer = await self._sure("POST", "/v1/connections", body)
        assert answer.status_code == 201, answer.text
        place = f"/v1/connections/{answer.json()['id']}"
        self.connections.setdefault(provider, []).append(place)
        if provider in self.known:
            return
        codes = (await self._sure("GET", f"{place}/vat-codes?limit=200")).json()["data"]
        accounts = (await self._sure("GET", f"{place}/ledger-accounts?limit=200")).json()["data"]
        customer = await self._sure("POST", f"{place}/contacts", contact("Vaste klant"))
        assert customer.status_code == 201, customer.text
        sold = [code for code in codes if code["treatment"] == "domestic_high" and code["direction"] != "purchase"]
        revenue = next((one for one in accounts if one["type"] == "revenue"), accounts[0])
        self.known[provider] = {
            "vat": next(code["id"] for code in sold if code["valid_to"] is None),
            "account": revenue["id"],
            "contact": customer.json()["id"],
        }

    async def _sure(self, method: str, path: str, body: object = None) -> httpx2.Response:
        answer = await self.ask(method, path, body)
        assert answer is not None
        return answer

    def wish(self, number: int) -> Wish:
        """A contact or an invoice, of any of the systems."""
        provider, resource = self.random.choice(list(self.connections)), self.random.choice(RESOURCES)
        body = contact(mark_of(number)) if resource == "contacts" else self._invoice(provider, number)
        return Wish(number, provider, resource, f"{self.random.choice(self.connections[provider])}/{resource}", body)

    def _invoice(self, provider: str, number: int) -> dict[str, Any]:
        known = self.known[provider]
        line = {"description": f"Brood {mark_of(number)}", "quantity": "2", "unit_price": "10.00"}
        line["vat_code_id"] = known["vat"]
        if provider != "snelstart":  # there the account decides about the VAT, and the code about the account
            line["ledger_account_id"] = known["account"]
        body = {"contact_id": known["contact"], "issued_on": "2026-03-02", "lines": [line]}
        return {**body, "number": mark_of(number), "finalize": True} if provider == "snelstart" else body

    async def fulfil(self, wish: Wish) -> None:
        """Ask until there is an end to it; at first twice at once."""
        until = time.monotonic() + PATIENCE
        await asyncio.gather(*(self._ask_for(wish) for _ in range(TWINS)))
        while wish.told not in ENDS and time.monotonic() < until:
            await asyncio.sleep(self.random.uniform(0.05, 0.5))
            await self._ask_for(wish)

    async def _ask_for(self, wish: Wish) -> None:
        answer = await self.ask("POST", wish.path, wish.body, wish.key)
        if answer is None:
            return
        if answer.status_code == 201:
            wish.told = "success"
            wish.ids.add(answer.json()["id"])
        elif wish.told != "success":
            wish.told = told_by(answer)
            wish.last = f"{answer.status_code} {answer.text}"

    async def kill(self) -> None:
        """Kill the gateway this instant, and start it again."""
        self.up.clear()
        self.gateway.strike()
        await self.gateway.bury()
        await self.gateway.start()
        self.kills += 1
        self.up.set()


async def run(wishes: int, seed: int, kills: int, providers: tuple[str, ...] = PROVIDERS) -> Result:
    """Everything: the result, whatever it is."""
    began = time.monotonic()
    result = Result(seed, wishes, kills)
    async with scene(seed, providers) as stage:
        asked = [stage.wish(number) for number in range(wishes)]
        for system in stage.systems.values():
            system.share = SPOILED
        dying = asyncio.create_task(_kill_now_and_then(stage, asked, kills))
        turns = asyncio.Semaphore(AT_ONCE)

        async def in_turn(wish: Wish) -> None:
            async with turns:
                await stage.fulfil(wish)

        await asyncio.gather(*map(in_turn, asked))
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        for system in stage.systems.values():
            system.share = 0.0
            await system.settle()
            result.spoiled = dict(Counter(result.spoiled) + system.shapes)
        result.kills = stage.kills
        _judge(stage, asked, result)
    result.seconds = round(time.monotonic() - began, 1)
    return result


async def _kill_now_and_then(stage: Scene, asked: Sequence[Wish], kills: int) -> None:
    """Spread the kills over the wishes, each at a random moment of its stretch."""
    for number in range(kills):
        enough = int(len(asked) * (number + stage.random.random()) / kills)
        while sum(wish.told != "nothing" for wish in asked) < enough:
            await asyncio.sleep(0.01)
        await stage.kill()


def _judge(stage: Scene, asked: Sequence[Wish], result: Result) -> None:
    made: dict[tuple[str, str], Counter[str]] = {}
    for name, system in stage.systems.items():
        for resource in RESOURCES:
            marks = [wish.mark for wish in asked if (wish.provider, wish.resource) == (name, resource)]
            made[name, resource] = system.made(resource, marks)
    for wish in asked:
        count = made[wish.provider, wish.resource][wish.mark]
        faults = {
            "duplicates": count > 1,
            "phantom_successes": wish.told == "success" and (count == 0 or len(wish.ids) != 1),
            "silent_losses": count > 0 and wish.told == "refused",
            "unsettled": wish.told not in ("success", "manual"),
        }
        result.succeeded += wish.told == "success"
        result.manual += wish.told == "manual"
        for name, is_so in faults.items():
            setattr(result, name, getattr(result, name) + is_so)
        if (any(faults.values()) or wish.told == "manual") and len(result.examples) < 10:
            result.examples.append(
                f"{wish.provider} {wish.resource} {wish.mark}: made {count}, told {wish.told} {wish.last}"
            )


@asynccontextmanager
async def scene(seed: int, providers: tuple[str, ...]) -> AsyncIterator[Scene]:
    """Emulators and a gateway on loopback, while the block runs."""
    random = Random(seed)
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        keys = generate_key()
        environment = {
            "POLDER_ENV": ENVIRONMENT,
            "POLDER_ENCRYPTION_KEYS": keys,
            "POLDER_LOG_LEVEL": "error",
            "POLDER_DEADLINE": str(DEADLINE),
            "POLDER_ZOMBIE_TIME": str(ZOMBIE),
        }
        systems: dict[str, Spoiled] = {}
        for name in providers:
            make = emulator_of(name)
            assert make is not None
            systems[name] = Spoiled(make(SystemClock()), random)
            listener = listen("127.0.0.1", 0)
            url = f"http://127.0.0.1:{port_of(listener)}"
            await stack.enter_async_context(serving(systems[name], listener, lifespan=False))
            logging.getLogger("uvicorn.error").disabled = True  # the resets are ours
            environment |= pointed_at(discover()[name], url, systems[name].emulator)
        client = await stack.enter_async_context(http_client())
        starter: Starter = Command()
        gateway = Gateway(starter, home, environment, client)
        stack.push_async_callback(gateway.close)
        gateway.key = await _key(Settings(env=ENVIRONMENT, home=home, encryption_keys=SecretStr(keys)))
        await gateway.start()
        stage = Scene(gateway, client, systems, random)
        stage.up.set()
        for name in providers * CONNECTIONS:
            await stage.connect(name)
        yield stage


async def _key(settings: Settings) -> str:
    storage = storage_of(settings)
    try:
        text, _ = await new_key(storage, SystemClock(), "acme", "chaos", ["*"])
    finally:
        await storage.close()
    return text


async def measured(asked: Asked, report: Report) -> None:
    """The part of ``./dev chaos writes``."""
    wishes = 10_000 if asked.full else 200
    result = await run(wishes, asked.seed, wishes // 100)
    bad = result.duplicates + result.phantom_successes + result.silent_losses + result.unsettled
    report.add(Row("ambiguous writes", "1 process, SQLite", "", wishes, bad, "none", result.seconds, asdict(result)))
