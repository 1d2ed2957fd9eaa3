"""The scenarios of ``./dev chaos tokens``: each makes sites, does its worst to them and gives rows of the report."""

import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

import httpx2

from gateway.store import migrate
from tests.chaos import storms, sweep
from tests.chaos.kills import Tally, kill
from tests.chaos.processes import Command, Starter
from tests.chaos.provider import LONG, LOSSY, SHORT, Mode
from tests.chaos.report import Row, progress
from tests.chaos.sites import Loss, Site, site
from tests.services import postgres_database

Setup = Literal["1 process, SQLite", "4 processes, SQLite", "3 nodes, PostgreSQL", "polder serve, SQLite"]
GATEWAYS: dict[Setup, int] = {
    "1 process, SQLite": 1,
    "4 processes, SQLite": 4,
    "3 nodes, PostgreSQL": 3,
    "polder serve, SQLite": 1,
}
PER_SITE = 500
"""Kills before a site is left for a fresh one, so that neither books nor journals grow without end."""


@dataclass
class Ground:
    """What scenarios are made with. ``postgres`` is a server's address; without one there are no nodes."""

    starter: Starter
    client: httpx2.AsyncClient
    random: Random
    postgres: str | None = None

    @asynccontextmanager
    async def site(
        self,
        setup: Setup,
        mode: Mode,
        *,
        connections: int = 4,
        lifetime: int = SHORT,
        plant: str | None = None,
    ) -> AsyncIterator[Site]:
        """A site in a folder and, where it has nodes, a database of its own."""
        count = GATEWAYS[setup]
        async with AsyncExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="polder-chaos-")))
            addresses: Sequence[str] = ()
            if setup == "3 nodes, PostgreSQL":
                assert self.postgres is not None
                address = stack.enter_context(postgres_database(self.postgres))
                migrate(address)
                addresses = [address] * count
            starter = Command() if setup == "polder serve, SQLite" else self.starter
            made = site(
                starter,
                self.client,
                home / "home",
                mode,
                self.random,
                gateways=count,
                connections=connections,
                lifetime=lifetime,
                database_urls=addresses,
                plant=plant,
            )
            yield await stack.enter_async_context(made)


async def kills(ground: Ground, setup: Setup, mode: Mode, count: int, *, plant: str | None = None) -> Row:
    """SIGKILL in the middle of refreshes."""
    lossy = mode in LOSSY or plant is not None
    began, total = time.monotonic(), Tally()
    while total.kills < count:
        async with ground.site(setup, mode, plant=plant) as running:
            wanted = min(PER_SITE, count - total.kills)
            done = await kill(running, wanted, lossy=lossy, told=_told(f"kills, {setup}, {mode}", total, count))
        total.kills += done.kills
        total.strikes += done.strikes
        total.losses += done.losses
        total.wronged += done.wronged
        total.token_requests += done.token_requests
        total.slowest_start = max(total.slowest_start, done.slowest_start)
    return Row(
        "kill -9 in a refresh" if plant is None else f"the same, with {plant}",
        setup,
        mode,
        total.kills,
        len(total.losses),
        "some" if plant is not None else "told" if lossy else "none",
        time.monotonic() - began,
        {
            "strikes": total.strikes,
            "token_requests": total.token_requests,
            "slowest_start": round(total.slowest_start, 3),
            "wronged": total.wronged,
            "losses": _counted(total.losses),
        },
    )


def _told(title: str, before: Tally, count: int) -> Callable[[Tally], None]:
    def tell(tally: Tally) -> None:
        lost = len(before.losses) + len(tally.losses)
        progress(f"{title}: {before.kills + tally.kills:,} of {count:,}, {lost:,} lost")

    return tell


async def single_flight(ground: Ground, setup: Setup, rounds: int, callers: int = 200) -> Row:
    """200 callers at each gateway, one token that has run out, one request for another."""
    began = time.monotonic()
    async with ground.site(setup, "M3", connections=1, lifetime=LONG) as running:
        told = await storms.storm(
            running,
            rounds,
            callers=callers,
            told=lambda done: progress(f"single flight, {setup}: {done.rounds} of {rounds}"),
        )
    unserved = told.calls - told.answers[200]
    return Row(
        f"{callers} callers each, one request",
        setup,
        "M3",
        told.rounds,
        told.too_many + unserved,
        "none",
        time.monotonic() - began,
        {"calls": told.calls, "answers": dict(told.answers), "token_requests": dict(Counter(told.token_requests))},
    )


async def everybody_refused(ground: Ground, refusal: storms.Refusal, connections: int) -> Row:
    """A provider that says no to everybody has lost its mind; its customers have not all gone."""
    began = time.monotonic()
    async with ground.site("1 process, SQLite", "M1", connections=connections) as running:
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


async def sweeps(ground: Ground, mode: Mode, step: int = 1) -> list[Row]:
    """A fault at every system call of a refresh."""
    return [
        await _swept(ground, mode, step, "killed at each system call", sweep.sweep_deaths),
        await _swept(ground, mode, step, "EIO, ENOSPC at each write", sweep.sweep_disk),
    ]


async def _swept(ground: Ground, mode: Mode, step: int, title: str, run: sweep.Sweep) -> Row:
    def tell(swept: sweep.Swept) -> None:
        progress(f"{title}, {mode}: {sum(swept.points.values())}")

    began = time.monotonic()
    async with ground.site("1 process, SQLite", mode, connections=1) as running:
        told = await run(running, step, tell)
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
    )


def _counted(losses: Sequence[Loss]) -> dict[str, Any]:
    return dict(Counter(f"{loss.status} {loss.code}: {loss.detail}" for loss in losses))
