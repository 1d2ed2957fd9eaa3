"""The scenarios of ``./dev chaos tokens``: each makes sites, does its worst to them and gives rows of the report."""

import asyncio
import math
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal

import httpx2

from gateway.store import migrate
from tests.chaos import rotation, storms, sweep
from tests.chaos.kills import Aim, Tally, kill
from tests.chaos.processes import Command, Starter
from tests.chaos.provider import LONG, LOSSY, SHORT, Mode
from tests.chaos.report import Row, progress
from tests.chaos.sites import Loss, Site, site
from tests.services import postgres_database

Setup = Literal[
    "1 process, SQLite",
    "4 processes, SQLite",
    "3 nodes, PostgreSQL",
    "3 nodes of 4, PostgreSQL",
    "polder serve, SQLite",
]


@dataclass(frozen=True)
class Layout:
    """What a site is made of. Without nodes all gateways are processes of one host."""

    gateways: int
    nodes: int = 0


LAYOUTS: Mapping[Setup, Layout] = {
    "1 process, SQLite": Layout(1),
    "4 processes, SQLite": Layout(4),
    "3 nodes, PostgreSQL": Layout(3, nodes=3),
    "3 nodes of 4, PostgreSQL": Layout(12, nodes=3),
    "polder serve, SQLite": Layout(1),
}
PER_SITE = 100
"""Kills before a site is left for a fresh one, so that neither books nor journals grow without end."""
LANES = 4
"""Sites at a time whose gateways are killed: one waits while another computes."""
SLOW_LANES = 6
"""The same of those that spend their time waiting: where connections are lost, or nodes must find out who is dead."""
CONNECTIONS = (1, 1, 1, 2)
"""Of one site after the other whose gateways are killed: few, for their refreshes are what takes longest at a kill."""


@dataclass
class Ground:
    """What scenarios are made with. ``postgres`` is a server's address; without one there are no nodes."""

    starter: Starter
    client: httpx2.AsyncClient
    random: Random
    postgres: str | None = None
    ends: float = math.inf
    """When the time is up, by the monotonic clock: then every scenario ends with what it has."""
    lanes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LANES))
    slow_lanes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SLOW_LANES))

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.ends

    def end(self) -> None:
        """Let the time be up now."""
        self.ends = time.monotonic()

    @asynccontextmanager
    async def site(
        self,
        setup: Setup,
        mode: Mode,
        *,
        connections: int = 4,
        lifetime: int = SHORT,
        plant: str | None = None,
        random: Random | None = None,
    ) -> AsyncIterator[Site]:
        """A site in a folder and, where it has nodes, a database of its own; its choices are its own too."""
        layout, random = LAYOUTS[setup], random or self.dice()
        async with AsyncExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="polder-chaos-")))
            addresses: Sequence[str] = ()
            if layout.nodes:
                assert self.postgres is not None
                address = stack.enter_context(postgres_database(self.postgres))
                migrate(address)
                addresses = [address] * layout.gateways
            starter = Command() if setup == "polder serve, SQLite" else self.starter
            made = site(
                starter,
                self.client,
                home / "home",
                mode,
                random,
                gateways=layout.gateways,
                connections=connections,
                lifetime=lifetime,
                database_urls=addresses,
                plant=plant,
                processes=layout.gateways // layout.nodes if layout.nodes else 1,
            )
            yield await stack.enter_async_context(made)

    def dice(self) -> Random:
        """Choices of one scenario's own, so that they do not depend on what runs beside it."""
        return Random(self.random.getrandbits(64))


async def kills(
    ground: Ground, setup: Setup, mode: Mode, count: int, *, plant: str | None = None, aim: Aim = "refresh"
) -> Row:
    """SIGKILL in the middle of refreshes, on several sites at a time."""
    lossy = mode in LOSSY or plant is not None
    began, total = time.monotonic(), Tally()
    under_way: dict[int, Tally] = {}
    sizes = [min(PER_SITE, count - begun) for begun in range(0, count, PER_SITE)]
    waiting = list(enumerate((size, ground.dice()) for size in sizes))[::-1]

    def tell(number: int, tally: Tally) -> None:
        under_way[number] = tally
        made, lost = total.kills, len(total.losses)
        for one in under_way.values():
            made, lost = made + one.kills, lost + len(one.losses)
        progress(f"kills, {setup}, {mode}: {made:,} of {count:,}, {lost:,} lost")

    async def work() -> None:
        nonlocal total
        number, (wanted, dice) = waiting.pop()
        connections = CONNECTIONS[number % len(CONNECTIONS)]
        async with ground.site(setup, mode, connections=connections, plant=plant, random=dice) as running:
            done = await kill(running, wanted, aim=aim, lossy=lossy, is_over=ground.is_over, told=partial(tell, number))
        under_way.pop(number, None)
        total += done

    async def take_turns() -> None:
        while waiting:
            async with ground.slow_lanes if lossy or LAYOUTS[setup].nodes else ground.lanes:
                if ground.is_over() or not waiting:
                    return
                await work()

    async with asyncio.TaskGroup() as group:
        for _ in range(LANES):
            group.create_task(take_turns())
    what = "kill -9 in a refresh" if aim == "refresh" else "kill -9 at first use"
    return Row(
        what if plant is None else f"{what}, {plant}",
        setup,
        mode,
        total.kills,
        len(total.losses),
        "some" if plant is not None else "told" if lossy else "none",
        time.monotonic() - began,
        {
            "strikes": total.strikes,
            "refreshes": total.refreshes,
            "token_requests": total.token_requests,
            "slowest_start": round(total.slowest_start, 3),
            "wronged": total.wronged,
            "losses": _counted(total.losses),
        },
        cut=total.kills < count,
    )


async def single_flight(ground: Ground, setup: Setup, rounds: int, callers: int = 200, *, crowded: bool = False) -> Row:
    """200 callers at each gateway, one token that has run out, one request for another.

    Where it is ``crowded``, they are more than the machine can serve in time: who is told to come back (503), or that
    the owner must act (``Site.wronged``), is counted, and is no fault.
    """
    began = time.monotonic()
    async with ground.site(setup, "M3", connections=1, lifetime=LONG) as running:
        told = await storms.storm(
            running,
            rounds,
            callers=callers,
            is_over=ground.is_over,
            told=lambda done: progress(f"single flight, {setup}: {done.rounds} of {rounds}"),
        )
    passed_over = {"unserved": told.answers[503], "wronged": told.answers[424]}
    failed = told.calls - told.answers[200] - (sum(passed_over.values()) if crowded else 0)
    return Row(
        f"{callers} callers each, one request",
        setup,
        "M3",
        told.rounds,
        told.too_many + failed,
        "none",
        time.monotonic() - began,
        {"calls": told.calls, **passed_over, "token_requests": dict(Counter(told.token_requests))},
        cut=told.rounds < rounds,
    )


async def renewals(ground: Ground, count: int) -> Row:
    """One connection's token is renewed again and again, where a token that is asked with twice ends them all."""
    began = time.monotonic()
    async with ground.site("1 process, SQLite", "M4", connections=1, lifetime=LONG) as running:
        told = await storms.renew(
            running,
            count,
            is_over=ground.is_over,
            told=lambda done: progress(f"renewals of one token: {done.renewals:,} of {count:,}"),
        )
    return Row(
        "one token renewed again and again",
        "1 process, SQLite",
        "M4",
        told.renewals,
        told.renewals - told.answers[200] + len(told.losses),
        "none",
        time.monotonic() - began,
        {
            "answers": dict(told.answers),
            "token_requests": told.token_requests,
            "losses": _counted(told.losses),
        },
        cut=told.renewals < count,
    )


async def rotations(ground: Ground, count: int) -> Row:
    """The keys that everything is sealed with are changed, while gateways serve, and both are killed."""
    began = time.monotonic()
    setup: Setup = "4 processes, SQLite"
    async with ground.site(setup, "M1", connections=rotation.CONNECTIONS) as running:
        told = await rotation.rotate(
            running,
            count,
            is_over=ground.is_over,
            told=lambda done: progress(
                f"key rotations: {done.rotations} of {count}, {done.killed} killed, {done.requests:,} requests"
            ),
        )
    return Row(
        "keys rotated, all of it killed",
        setup,
        "M1",
        told.rotations,
        told.failed.total() + told.unopened + told.left_behind + len(told.losses),
        "none",
        time.monotonic() - began,
        {
            "rotations_killed": told.killed,
            "rotations_killed_halfway": told.killed_halfway,
            "gateways_killed": told.gateways_killed,
            "requests": told.requests,
            "requests_repeated": told.repeated,
            "requests_failed": dict(told.failed),
            "values_not_opened": told.unopened,
            "values_under_an_old_key": told.left_behind,
            "losses": _counted(told.losses),
        },
        cut=told.rotations < count,
    )


async def everybody_refused(ground: Ground, refusal: storms.Refusal, connections: int) -> Row:
    """A provider that says no to everybody has lost its mind; its customers have not all gone."""
    began = time.monotonic()
    # Where the machine is busy, hundreds of tokens that run out by themselves would do so before they are used.
    async with ground.site("1 process, SQLite", "M1", connections=connections, lifetime=LONG) as running:
        told = await storms.refuse_everybody(running, refusal)
    return Row(
        f"{refusal} for everybody",
        "1 process, SQLite",
        "M1",
        told.connections,
        told.marked + len(told.losses),
        "none",
        time.monotonic() - began,
        {"marked": told.marked, "answers": dict(told.answers), "losses": _counted(told.losses)},
    )


async def sweep_deaths(ground: Ground, mode: Mode, step: int = 1) -> Row:
    """Death at every system call of a refresh."""
    return await _swept(ground, mode, step, "killed at each system call", sweep.sweep_deaths)


async def sweep_disk(ground: Ground, mode: Mode, step: int = 1) -> Row:
    """A disk that fails or is full at every write of a refresh."""
    return await _swept(ground, mode, step, "EIO, ENOSPC at each write", sweep.sweep_disk)


async def _swept(ground: Ground, mode: Mode, step: int, title: str, run: sweep.Sweep) -> Row:
    def tell(swept: sweep.Swept) -> None:
        progress(f"{title}, {mode}: {sum(swept.points.values())}")

    began = time.monotonic()
    async with ground.site("1 process, SQLite", mode, connections=1) as running:
        told = await run(running, step, ground.is_over, tell)
    return Row(
        title,
        "1 process, SQLite",
        mode,
        sum(told.points.values()),
        len(told.losses) + told.asked_without_a_disk,
        "told" if mode in LOSSY else "none",
        time.monotonic() - began,
        {
            "points": told.points,
            "asked_without_a_disk": told.asked_without_a_disk,
            "losses": [{"point": point, **asdict(loss)} for point, loss in told.losses],
        },
        cut=ground.is_over(),
    )


def _counted(losses: Sequence[Loss]) -> dict[str, Any]:
    return dict(Counter(f"{loss.status} {loss.code}: {loss.detail}" for loss in losses))
