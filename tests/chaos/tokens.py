"""``./dev chaos tokens``: no connection is lost, whatever dies, whenever it dies. See README.md for what it does."""

import argparse
import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.chaos import scenarios, sweep
from tests.chaos.processes import fork_server, http_client
from tests.chaos.provider import LOSS_FREE, LOSSY, MEANING
from tests.chaos.report import HEADING, Report
from tests.chaos.scenarios import Ground, Setup
from tests.services import running_postgres

PARTS = ("kills", "controls", "flight", "refusals", "syscalls")


@dataclass(frozen=True)
class Size:
    """How much of each."""

    kills: int
    node_kills: int
    """On PostgreSQL: each costs up to half a minute of waiting."""
    lossy_kills: int
    command_kills: int
    control_kills: int
    rounds: int
    refused: int


QUICK = Size(kills=100, node_kills=3, lossy_kills=10, command_kills=5, control_kills=10, rounds=3, refused=30)
FULL = Size(
    kills=10_000, node_kills=300, lossy_kills=300, command_kills=100, control_kills=100, rounds=100, refused=200
)


def main(arguments: Sequence[str]) -> int:
    """Run it; 0 where everything is as promised."""
    parser = argparse.ArgumentParser(prog="./dev chaos tokens", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the figures that are published; takes hours")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--seed", type=int, help="repeat the choices of another run")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given more than once")
    given = parser.parse_args(arguments)
    report = Report(given.seed if given.seed is not None else secrets.randbits(32), given.full)
    print(f"seed {report.seed}\n\n{HEADING}", flush=True)
    try:
        asyncio.run(_run(report, FULL if given.full else QUICK, given.only or PARTS))
    finally:
        if given.json is not None:
            report.write(given.json)
    for mode, meaning in MEANING.items():
        print(f"{mode}: {meaning}")
    print("\nAll as promised." if report.kept else "\nNot as promised: see BROKEN above.")
    return 0 if report.kept else 1


async def _run(report: Report, size: Size, parts: Sequence[str]) -> None:
    async with prepared(report.seed) as ground:
        if "kills" in parts:
            await _kills(report, size, ground)
        if "controls" in parts:
            for mode in ("M1", "M3"):
                report.add(
                    await scenarios.kills(
                        ground, "1 process, SQLite", mode, size.control_kills, plant="use_before_persist"
                    )
                )
        if "flight" in parts:
            for setup in _setups():
                report.add(await scenarios.single_flight(ground, setup, size.rounds))
        if "refusals" in parts:
            report.add(await scenarios.everybody_refused(ground, "invalid_grant", size.refused))
            report.add(await scenarios.everybody_refused(ground, "invalid_client", size.refused))
        if "syscalls" in parts:
            await _syscalls(report, ground)


@asynccontextmanager
async def prepared(seed: int) -> AsyncIterator[Ground]:
    """The ground for every scenario: a fork server, a client, a PostgreSQL."""
    async with AsyncExitStack() as stack:
        postgres = stack.enter_context(running_postgres())
        starter = await stack.enter_async_context(fork_server())
        client = await stack.enter_async_context(http_client())
        yield Ground(starter, client, Random(seed), postgres)


def _setups() -> tuple[Setup, ...]:
    return ("1 process, SQLite", "4 processes, SQLite", "3 nodes, PostgreSQL")


async def _kills(report: Report, size: Size, ground: Ground) -> None:
    for setup in _setups():
        for mode in LOSS_FREE:
            count = size.node_kills if setup == "3 nodes, PostgreSQL" else size.kills
            report.add(await scenarios.kills(ground, setup, mode, count))
        for mode in LOSSY:
            report.add(await scenarios.kills(ground, setup, mode, min(count, size.lossy_kills)))
    report.add(await scenarios.kills(ground, "polder serve, SQLite", "M1", size.command_kills))


async def _syscalls(report: Report, ground: Ground) -> None:
    reason = await sweep.why_not()
    if reason is not None:
        print(f"no sweep of system calls: {reason}")
        return
    for mode in ("M1", "M2"):
        for row in await scenarios.sweeps(ground, mode):
            report.add(row)
