"""Ambiguous writes: real gateways, real sockets, answers that never come, and processes that die in between.

``python -m tests.chaos.writes --wishes 10000 --seed 1 --json writes.json``

Every wish is one record that a client asks for under one idempotency key, again and again until it is told that it has
it. The systems are emulators that spoil their answers in six shapes; the gateway is killed at random moments. The
ledgers of the emulators say in the end what was really made. All waits are a hundredth of the real ones, so that a
request that is carried out late is late here too, and dead before it is thought dead.
"""

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal, get_args

import httpx2
from pydantic import SecretStr

from gateway.app import new_key, storage_of
from gateway.contract.emulator import Emulator, Fault, Message, Receive, Seen, Send
from gateway.contract.exact import dumps
from gateway.demo import pointed_at
from gateway.engine.clock import SystemClock
from gateway.registry import discover, emulator_of
from gateway.serve import listen, port_of, serving
from gateway.settings import Settings
from gateway.store.seal import generate_key
from tests.chaos.processes import Command, Gateway, Starter, http_client

ENVIRONMENT = "chaos"
PROVIDERS = ("memory", "rompslomp", "snelstart", "thenextinvoice")
RESOURCES = ("contacts", "invoices")
Shape = Literal["no reply", "reset", "502", "truncated", "late", "lost"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
SPOILED = 0.25
"""The share of writes whose answer is spoiled; with many more the breakers would open, and nothing be tried."""
DEADLINE = 2.0
LATEST = 1.0
"""Seconds after which a late request is carried out at the latest."""
ZOMBIE = 4.0
AT_ONCE = 16
"""How many wishes are asked for at the same time."""
CONNECTIONS = 4
"""Connections to each system, all of one administration: each has its own places for calls."""
PATIENCE = 90.0
"""Seconds that a client goes on asking."""
TWINS = 2
"""How many times every wish is asked for at the same time."""


ENDS = ("success", "manual", "refused")


class Spoiled:
    """An emulator some of whose answers to writes never arrive, and some of whose requests."""

    def __init__(self, emulator: Emulator, random: Random) -> None:
        self.emulator = emulator
        self.shapes: Counter[str] = Counter()
        self.share = 0.0
        self._random = random
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        shape = self._shape(scope)
        if shape is None:
            await self.emulator(scope, receive, send)
            return
        self.shapes[shape] += 1
        body = await _whole(receive)
        if shape == "late":
            task = asyncio.create_task(self._carried_out_late(scope, body))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        elif shape in ("no reply", "reset"):
            await self.emulator(scope, _replay(body), _nowhere)
        elif shape in ("502", "truncated"):
            fault = Fault("html", status=502) if shape == "502" else Fault("truncated", status=201)
            self.emulator.fail(fault, when=_this(scope))
            await self.emulator(scope, _replay(body), send)
            return
        if shape in ("no reply", "late"):
            await _until_gone(receive)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4096")]})
        raise ConnectionResetError("the connection breaks, as it was asked to")

    def _shape(self, scope: Message) -> Shape | None:
        if scope["method"] in ("GET", "HEAD") or self._random.random() >= self.share:
            return None
        path = scope["path"]
        if any(word in path for word in ("token", "session", "login")):
            return None
        return self._random.choice(SHAPES)

    async def _carried_out_late(self, scope: Message, body: bytes) -> None:
        await asyncio.sleep(self._random.uniform(0, LATEST))
        await self.emulator(scope, _replay(body), _nowhere)

    async def settle(self) -> None:
        """Wait for what is late."""
        await asyncio.gather(*self._late, return_exceptions=True)

    def made(self, resource: str, marks: Sequence[str]) -> Counter[str]:
        """How many records in the books bear each mark."""
        found: Counter[str] = Counter()
        for row in self.emulator.books()[resource]:
            text = dumps(row).decode()
            found.update(mark for mark in marks if mark in text)
        return found


def _this(scope: Message) -> Any:
    path, method = scope["path"], scope["method"]

    def when(seen: Seen) -> bool:
        return (seen.method, seen.path) == (method, path)

    return when


async def _whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _nowhere(message: Message) -> None:
    del message


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@dataclass
class Wish:
    """One record that somebody wants, and what they were told last."""

    number: int
    provider: str
    resource: str
    path: str
    body: Mapping[str, Any]
    told: str = "nothing"
    last: str = ""
    ids: set[str] = field(default_factory=set)

    @property
    def mark(self) -> str:
        return mark_of(self.number)

    @property
    def key(self) -> str:
        return f"wish-{self.number}"


def mark_of(number: int) -> str:
    """What stands in the record of a wish and in no other."""
    return f"W{number:06d}X"


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
    commit: str = ""
    python: str = sys.version.split()[0]

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


def told_by(answer: httpx2.Response) -> str:
    """What a problem says: that nobody can tell, that it was refused, or that there is no end yet."""
    problem = answer.json()
    if problem.get("state") == "manual":
        return "manual"
    return "no end" if problem["retryable"] or problem.get("outcome") == "unknown" else "refused"


def contact(name: str) -> dict[str, Any]:
    """A contact that every system takes."""
    address = {"line1": "Dorpsstraat 1", "postal_code": "1234 AB", "city": "Utrecht", "country": "NL"}
    email = f"{name.replace(' ', '').lower()}@voorbeeld.example"
    return {"company_name": f"Wens {name}", "email": email, "address": address}


async def run(wishes: int, seed: int, kills: int, providers: tuple[str, ...] = PROVIDERS) -> Result:
    """Everything: the result, whatever it is."""
    began = time.monotonic()
    result = Result(seed, wishes, kills, commit=_commit())
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


def _commit() -> str:
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return told.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 where nothing was done twice and nothing told that is not so."""
    parser = argparse.ArgumentParser(
        description="Ambiguous writes against real gateways; the emulators' ledgers judge."
    )
    parser.add_argument("--wishes", type=int, default=200)
    parser.add_argument("--kills", type=int, default=None, help="default: one for each hundred wishes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None)
    given = parser.parse_args(arguments)
    kills = given.wishes // 100 if given.kills is None else given.kills
    result = asyncio.run(run(given.wishes, given.seed, kills))
    text = json.dumps(asdict(result), indent=2)
    print(text)
    if given.json is not None:
        given.json.write_text(f"{text}\n")
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
