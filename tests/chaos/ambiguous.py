"""Ambiguous writes: real gateways, real sockets, answers that never come, and processes that die in between.

A round is one system, two gateways of one home before it, and wishes: each one record that a client asks for under one
idempotency key, some at both gateways at once, and then again and again until there is an end. The system spoils
answers in six shapes; now and then a gateway is killed. Its ledger says in the end what was really made. Waits are
shorter than real ones, in proportion: a request that is carried out late is late here too, and dead before it is
thought dead.
"""

import asyncio
import logging
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
from pydantic import SecretStr

from gateway.contract.exact import dumps, loads
from gateway.demo import pointed_at
from gateway.engine.clock import SystemClock
from gateway.registry import discover, emulator_of
from gateway.serve import listen, port_of, serving
from gateway.settings import Settings
from gateway.store.seal import generate_key
from tests.chaos.processes import Gateway, Starter, fork_server, http_client, key_of
from tests.chaos.spoiling import PAUSE, Spoiled
from tests.chaos.wishes import ENDS, Administration, Ledger, What, Wish, contact, mark_of
from tests.conformance.subjects import facts_of

ENVIRONMENT = "chaos"
SPOILED = 0.7
"""The share of writes whose answer is spoiled; with many more the breakers would open, and nothing be tried."""
AT_ONCE = 96
"""How many wishes are open at the same time."""
IN_FLIGHT = 36
"""Requests at the same time: more would only wait for each other, and their deadlines pass."""
GATEWAYS = 2
CONNECTIONS = 8
"""Connections to the system, all of one administration: each has its own places for calls."""
TWINS = 0.3
"""The share of wishes that are asked for at both gateways at once."""
PATIENCE = 600.0
"""Seconds that a client goes on asking."""
PAUSES = (1.0, 8.0)
"""Seconds before a client asks again, at first and at the most."""
KILL_EVERY = 60
"""Wishes, on average."""
MIX: dict[What, int] = {"contacts": 2, "products": 2, "invoices": 4, "payments": 2, "credits": 2}
"""How often each is wished for; a payment or credit note needs an invoice that was, and takes it for itself."""


@dataclass(frozen=True)
class Times:
    """Seconds that a request may take, and after which what left no trace did not happen.

    What is late is carried out within two seconds, but on a machine that is busy everything is later.
    """

    deadline: float = 8.0
    zombie: float = 25.0


@dataclass
class Result:
    """What came of it all, against the ledger. ``doubted``: upstream writes whose fate could not be known at once."""

    wishes: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    doubted: int = 0
    repeated: int = 0
    """Upstream writes that were sent more than once: only after the first was known not to have happened."""
    shapes: Counter[str] = field(default_factory=Counter)
    succeeded: int = 0
    manual: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    phantom_successes: int = 0
    silent_losses: int = 0
    unsettled: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """How many wishes were done twice, or told otherwise than it is."""
        return self.duplicates + self.phantom_successes + self.silent_losses + self.unsettled

    def facts(self) -> dict[str, Any]:
        """All of it as JSON."""
        facts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in facts.items()}

    def __add__(self, other: "Result") -> "Result":
        named = {name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__}
        return Result(**{**named, "examples": named["examples"][:20]})


@dataclass
class Round:
    """Gateways, the system behind them, and connections between them."""

    gateways: Sequence[Gateway]
    client: aiohttp.ClientSession
    system: Spoiled
    random: Random
    books: Administration | None = None
    places: list[str] = field(default_factory=list)
    asked: list[Wish] = field(default_factory=list)
    unpaid: list[Wish] = field(default_factory=list)
    """Invoices that were made, and that nobody has asked to pay or credit."""
    kills: int = 0
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))

    async def ask(
        self, gateway: Gateway, method: str, path: str, body: object = None, key: str | None = None
    ) -> tuple[int, bytes] | None:
        """One request: the status and body of its answer; None where the gateway died on it."""
        headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        headers |= {} if key is None else {"idempotency-key": key}
        url = f"http://127.0.0.1:{gateway.port}{path}"
        sent = None if body is None else dumps(body)
        try:
            async with self.client.request(method, url, headers=headers, data=sent) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return None

    async def connect(self, provider: str) -> None:
        """Make the connections, and find out what wishes must name."""
        credentials = dict(self.system.emulator.credentials())
        body: dict[str, Any] = {"provider": provider, "name": "chaos", "credentials": credentials}
        status, told = await self._told("POST", "/v1/connections", body)
        if status == 422 and told["code"] == "company_required":
            body["company_id"] = next(one["id"] for one in told["companies"] if one["accessible"])
        else:
            assert status == 201, told
            self.places.append(f"/v1/connections/{told['id']}")
        while len(self.places) < CONNECTIONS:
            status, told = await self._told("POST", "/v1/connections", body)
            assert status == 201, told
            self.places.append(f"/v1/connections/{told['id']}")
        self.books = await self._administration(provider)

    async def _administration(self, provider: str) -> Administration:
        place = self.places[0]
        codes, accounts, methods = [
            (await self._told("GET", f"{place}/{what}?limit=200"))[1]["data"]
            for what in ("vat-codes", "ledger-accounts", "payment-methods")
        ]
        sold = [code for code in codes if code["treatment"] == "domestic_high" and code["direction"] != "purchase"]
        status, customer = await self._told("POST", f"{place}/contacts", contact("Vaste klant"))
        assert status == 201, customer
        return Administration(
            discover()[provider],
            facts_of(provider),
            vat_code=next(code["id"] for code in sold if code["valid_to"] is None),
            account=next((one for one in accounts if one["type"] == "revenue"), accounts[0])["id"],
            contact=customer["id"],
            method=methods[0]["id"],
        )

    async def _told(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        answer = await self.ask(self.gateways[0], method, path, body)
        assert answer is not None
        return answer[0], loads(answer[1])

    def wish(self, what: What | None = None) -> Wish:
        """The next one."""
        assert self.books is not None
        number, origin = len(self.asked), None
        if what is None:
            (what,) = self.random.choices(list(MIX), list(MIX.values()))
        if what in ("payments", "credits"):
            if self.unpaid:
                origin = self.unpaid.pop(self.random.randrange(len(self.unpaid)))
            else:
                what = "invoices"
        place = self.random.choice(self.places) if origin is None else origin.place
        path = f"{place}/{what}"
        if what == "credits" and origin is not None:
            path = f"{place}/invoices/{next(iter(origin.ids))}/credit"
        made = Wish(number, what, place, path, self.books.body(what, mark_of(number), origin), origin)
        self.asked.append(made)
        return made

    async def fulfil(self, wish: Wish) -> None:
        """Ask until there is an end to it; at first everywhere at once."""
        until, pause = time.monotonic() + PATIENCE, PAUSES[0]
        first = self.random.sample(self.gateways, GATEWAYS if self.random.random() < TWINS else 1)
        await asyncio.gather(*(self._in_turn(wish, gateway) for gateway in first))
        while wish.told not in ENDS and time.monotonic() < until:
            await asyncio.sleep(self.random.uniform(pause / 2, pause))
            pause = min(PAUSES[1], 2 * pause)
            await self._in_turn(wish, self.random.choice(self.gateways))
        if (wish.what, wish.told, len(wish.ids)) == ("invoices", "success", 1):
            self.unpaid.append(wish)

    async def _in_turn(self, wish: Wish, gateway: Gateway) -> None:
        async with self.turns:
            await self.ask_for(wish, gateway)

    async def ask_for(self, wish: Wish, gateway: Gateway) -> int | None:
        """Ask for a wish once; the status of the answer."""
        answer = await self.ask(gateway, "POST", wish.path, wish.body, wish.key)
        if answer is None:
            return None
        wish.hear(*answer)
        return answer[0]

    async def kill(self) -> None:
        """Kill a gateway in the middle of a write, if there is one soon, and start it again."""
        until = time.monotonic() + 1
        while not self.system.has_write_in_hand and time.monotonic() < until:
            await asyncio.sleep(0.002)
        await asyncio.sleep(self.random.uniform(0, PAUSE))
        gateway = self.random.choice(self.gateways)
        gateway.strike()
        self.system.struck()
        await gateway.bury()
        await gateway.start()
        self.kills += 1

    async def kill_now_and_then(self) -> None:
        """Until it is cancelled."""
        at = 0
        while True:
            at += self.random.randrange(2 * KILL_EVERY)
            while sum(wish.told != "nothing" for wish in self.asked) < at:
                await asyncio.sleep(0.05)
            await self.kill()

    def judged(self) -> Result:
        """What came of it."""
        ledger = Ledger(self.system.emulator.books(), [wish.mark for wish in self.asked])
        repeated = sum(count > 1 for count in self.system.writes.values())
        result = Result(kills=self.kills, doubted=len(self.system.doubted), repeated=repeated)
        result.shapes = self.system.shapes
        for wish in self.asked:
            _judge(wish, ledger.made(wish), result)
        return result


def _judge(wish: Wish, made: int, result: Result) -> None:
    result.wishes[wish.what] += 1
    faults = {
        "duplicates": made > 1,
        "phantom_successes": wish.told == "success" and (made == 0 or len(wish.ids) != 1),
        "silent_losses": made > 0 and wish.told not in ("success", "manual"),
        "unsettled": made == 0 and wish.told not in ("success", "manual"),
    }
    result.succeeded += wish.told == "success"
    if wish.told == "manual":
        result.manual[wish.what] += 1
    for name, is_so in faults.items():
        setattr(result, name, getattr(result, name) + is_so)
    if any(faults.values()) or wish.told == "manual":
        told = f"made {made}, told {wish.told}: {wish.ids} {wish.last}"
        result.examples.append(f"{wish.path} {wish.mark} {told}")


async def play(
    provider: str,
    seed: int,
    wishes: int,
    *,
    until: float | None = None,
    doubts: int | None = None,
    times: Times = Times(),
    plant: str | None = None,
) -> Result:
    """One round, of so many wishes; fewer where the monotonic time runs out, or so many writes were doubted."""
    async with prepared(provider, seed, times=times, plant=plant) as stage:
        stage.system.share = SPOILED
        dying = asyncio.create_task(stage.kill_now_and_then())

        def over() -> bool:
            late = until is not None and time.monotonic() >= until
            return late or len(stage.asked) >= wishes or len(stage.system.doubted) >= (doubts or wishes * 10)

        async def client() -> None:
            while not over():
                await stage.fulfil(stage.wish())

        try:
            await asyncio.gather(*(client() for _ in range(AT_ONCE)))
        finally:
            dying.cancel()
            await asyncio.gather(dying, return_exceptions=True)
        stage.system.share = 0.0
        await stage.system.settle()
        return stage.judged()


@asynccontextmanager
async def prepared(
    provider: str, seed: int, *, gateways: int = GATEWAYS, times: Times = Times(), plant: str | None = None
) -> AsyncIterator[Round]:
    """An emulator and gateways on loopback, while the block runs."""
    random = Random(seed)
    make = emulator_of(provider)
    assert make is not None
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        system = Spoiled(make(SystemClock()), random)
        listener = listen("127.0.0.1", 0)
        await stack.enter_async_context(serving(system, listener))
        logging.getLogger("uvicorn.error").disabled = True  # the resets are ours
        keys = generate_key()
        environment = {
            "POLDER_ENV": ENVIRONMENT,
            "POLDER_ENCRYPTION_KEYS": keys,
            "POLDER_LOG_LEVEL": "error",
            "POLDER_DEADLINE": str(times.deadline),
            "POLDER_ZOMBIE_TIME": str(times.zombie),
            **pointed_at(discover()[provider], f"http://127.0.0.1:{port_of(listener)}", system.emulator),
        }
        starter: Starter = await stack.enter_async_context(fork_server())
        ready = await stack.enter_async_context(http_client())
        key = await key_of(Settings(env=ENVIRONMENT, home=home, encryption_keys=SecretStr(keys)))
        made = [Gateway(starter, home, environment, ready, plant, key=key) for _ in range(gateways)]
        for gateway in made:
            stack.push_async_callback(gateway.close)
            await gateway.start()
        timeout, limitless = aiohttp.ClientTimeout(10 * times.deadline), aiohttp.TCPConnector(limit=0)
        client = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout, connector=limitless))
        stage = Round(made, client, system, random)
        await stage.connect(provider)
        yield stage
