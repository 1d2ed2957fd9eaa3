"""``./dev chaos tokens``: no connection is lost, whatever dies, whenever it dies. See README.md for what it does."""

import asyncio
import math
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.chaos import scenarios, sweep
from tests.chaos.processes import fork_server, http_client
from tests.chaos.provider import MEANING, Mode
from tests.chaos.report import Report, Row, begun, concluded
from tests.chaos.scenarios import Ground, Setup
from tests.services import running_postgres

CROWDED: Setup = "3 nodes of 4, PostgreSQL"
"""2,400 callers at once are more than two processors serve within a deadline."""
PARTS = ("flight", "controls", "refusals", "renewals", "rotation", "syscalls", "kills", "node-kills")


@dataclass(frozen=True)
class Size:
    """How much of each."""

    kills: Mapping[Setup, Mapping[Mode, int]]
    """On one host."""
    node_kills: Mapping[Mode, int]
    control_kills: int
    rounds: Mapping[Setup, int]
    refused: int
    renewals: int
    rotations: int


QUICK = Size(
    kills={
        "1 process, SQLite": {"M0": 100, "M1": 200, "M2": 100, "M3": 10, "M4": 10},
        "4 processes, SQLite": {"M0": 50, "M1": 100, "M2": 50},
        "polder serve, SQLite": {"M1": 5},
    },
    node_kills={"M1": 3},
    control_kills=10,
    rounds={"1 process, SQLite": 3, "4 processes, SQLite": 3, "3 nodes, PostgreSQL": 3, "3 nodes of 4, PostgreSQL": 3},
    refused=30,
    renewals=300,
    rotations=3,
)
FULL = Size(
    kills={
        "1 process, SQLite": {"M1": 5_000, "M2": 2_000, "M0": 1_000, "M3": 100, "M4": 100},
        "4 processes, SQLite": {"M1": 1_500, "M2": 400, "M0": 400, "M3": 50, "M4": 50},
        "polder serve, SQLite": {"M1": 25},
    },
    node_kills={"M0": 30, "M1": 100, "M2": 30},
    control_kills=30,
    rounds={
        "1 process, SQLite": 25,
        "4 processes, SQLite": 100,
        "3 nodes, PostgreSQL": 25,
        "3 nodes of 4, PostgreSQL": 100,
    },
    refused=200,
    renewals=10_000,
    rotations=30,
)


def main(arguments: Sequence[str]) -> int:
    """Run it; 0 where everything is as promised."""
    asked, report = begun("tokens", __doc__, arguments, PARTS)
    asyncio.run(_run(report, FULL if asked.full else QUICK, asked.only, asked.until or math.inf))
    for mode, meaning in MEANING.items():
        print(f"{mode}: {meaning}")
    return concluded(report)


async def _run(report: Report, size: Size, parts: Sequence[str], ends: float) -> None:
    """First what takes the whole machine, one after the other; then everything else, side by side."""
    async with prepared(report.seed) as ground:
        ground.ends = ends
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ground.end)
        if "flight" in parts:
            for setup, rounds in size.rounds.items():
                report.add(await scenarios.single_flight(ground, setup, rounds, crowded=setup == CROWDED))
        tried = {
            "controls": _controls,
            "refusals": _refusals,
            "renewals": _renewals,
            "rotation": _rotation,
            "kills": _kills,
            "node-kills": _node_kills,
        }
        rows = [row for part, rows_of in tried.items() if part in parts for row in rows_of(ground, size)]
        if "syscalls" in parts:
            if reason := await sweep.why_not():
                report.leave_out(f"faults at system calls: {reason}")
            else:
                rows += _syscalls(ground)
        async with asyncio.TaskGroup() as group:
            for row in rows:
                group.create_task(_added(report, row))


async def _added(report: Report, row: Coroutine[Any, Any, Row]) -> None:
    report.add(await row)


@asynccontextmanager
async def prepared(seed: int) -> AsyncIterator[Ground]:
    """The ground for every scenario: a fork server, a client, a PostgreSQL."""
    async with AsyncExitStack() as stack:
        postgres = stack.enter_context(running_postgres())
        starter = await stack.enter_async_context(fork_server())
        client = await stack.enter_async_context(http_client())
        yield Ground(starter, client, Random(seed), postgres)


Rows = Iterator[Coroutine[Any, Any, Row]]


def _controls(ground: Ground, size: Size) -> Rows:
    for mode in ("M1", "M3"):
        for aim in ("refresh", "use"):
            yield scenarios.kills(
                ground, "1 process, SQLite", mode, size.control_kills, plant="use_before_persist", aim=aim
            )


def _refusals(ground: Ground, size: Size) -> Rows:
    yield scenarios.everybody_refused(ground, "invalid_grant", size.refused)
    yield scenarios.everybody_refused(ground, "invalid_client", size.refused)


def _renewals(ground: Ground, size: Size) -> Rows:
    yield scenarios.renewals(ground, size.renewals)


def _rotation(ground: Ground, size: Size) -> Rows:
    yield scenarios.rotations(ground, size.rotations)


def _kills(ground: Ground, size: Size) -> Rows:
    for setup, modes in size.kills.items():
        for mode, count in modes.items():
            yield scenarios.kills(ground, setup, mode, count)


def _node_kills(ground: Ground, size: Size) -> Rows:
    for mode, count in size.node_kills.items():
        yield scenarios.kills(ground, "3 nodes, PostgreSQL", mode, count)


def _syscalls(ground: Ground) -> Rows:
    for mode in ("M1", "M2"):
        yield scenarios.sweep_deaths(ground, mode)
        yield scenarios.sweep_disk(ground, mode)
