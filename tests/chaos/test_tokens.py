"""The short form of ``./dev chaos tokens``: some two hundred kills, and each of the other scenarios a little.

The seed is printed with whatever fails; ``./dev chaos tokens --seed N`` makes the same choices, though not at the same
instants: those are the machine's.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from random import Random
from typing import get_args

import pytest

from tests.chaos import scenarios, sweep
from tests.chaos.processes import fork_server, http_client
from tests.chaos.provider import Mode
from tests.chaos.report import Row, line
from tests.chaos.scenarios import Ground, Setup
from tests.chaos.storms import Refusal

ONE: Setup = "1 process, SQLite"
FOUR: Setup = "4 processes, SQLite"
NODES: Setup = "3 nodes, PostgreSQL"


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    async with fork_server() as starter, http_client() as client:
        yield Ground(starter, client, Random(seed))


@pytest.fixture
def nodes(ground: Ground, postgres_server: str) -> Ground:
    ground.postgres = postgres_server
    return ground


def holds(row: Row) -> None:
    assert row.tried > 0
    assert row.kept, f"{line(row)} {row.particulars}"


@pytest.mark.parametrize(("mode", "count"), [("M0", 40), ("M1", 75), ("M2", 40)])
async def test_no_kill_loses_a_connection(ground: Ground, mode: Mode, count: int) -> None:
    holds(await scenarios.kills(ground, ONE, mode, count))


async def test_no_kill_of_one_of_four_processes_loses_a_connection(ground: Ground) -> None:
    holds(await scenarios.kills(ground, FOUR, "M1", 40))


async def test_no_kill_of_one_of_three_nodes_loses_a_connection(nodes: Ground) -> None:
    holds(await scenarios.kills(nodes, NODES, "M1", 2))


async def test_no_kill_of_the_command_itself_loses_a_connection(ground: Ground) -> None:
    holds(await scenarios.kills(ground, "polder serve, SQLite", "M1", 2))


async def test_who_uses_a_token_before_it_is_kept_loses_connections(ground: Ground) -> None:
    """The control: a harness that finds no loss here would find none anywhere. A busy machine may kill too late."""
    rows = []
    for _ in range(3):
        rows.append(await scenarios.kills(ground, ONE, "M1", 1, plant="use_before_persist", aim="use"))
        if rows[-1].bad:
            break
    holds(rows[-1])


async def test_many_callers_at_four_processes_cause_one_request(ground: Ground) -> None:
    holds(await scenarios.single_flight(ground, FOUR, rounds=1, callers=50))


async def test_many_callers_at_three_nodes_cause_one_request(nodes: Ground) -> None:
    holds(await scenarios.single_flight(nodes, NODES, rounds=1, callers=50))


async def test_a_token_is_renewed_from_the_one_before_again_and_again(ground: Ground) -> None:
    holds(await scenarios.renewals(ground, 50))


async def test_keys_are_rotated_while_gateways_serve_and_everything_is_killed(ground: Ground) -> None:
    holds(await scenarios.rotations(ground, 1))


async def test_who_refuses_everybody_is_not_believed(ground: Ground) -> None:
    """Twice, side by side: nearly all of it is waiting until those who were refused are asked for again."""
    refusals: tuple[Refusal, ...] = get_args(Refusal)
    for row in await asyncio.gather(*(scenarios.everybody_refused(ground, one, connections=10) for one in refusals)):
        holds(row)


async def test_no_system_call_is_one_too_many_to_die_or_fail_at(ground: Ground) -> None:
    reason = await sweep.why_not()
    if reason is not None:
        pytest.skip(reason)
    sweeps = (scenarios.sweep_deaths, scenarios.sweep_disk)
    for row in await asyncio.gather(*(one(ground, "M1", step=5) for one in sweeps)):
        holds(row)
