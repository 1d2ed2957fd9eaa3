"""The short form of ``./dev chaos nodes``: a few restarts, the loss of Valkey and two kills."""

import asyncio
import os
import secrets
import signal
from pathlib import Path
from random import Random

import pytest

from tests.chaos import nodes
from tests.chaos.processes import fork_server, http_client
from tests.chaos.provider import LONG
from tests.chaos.report import line
from tests.chaos.scenarios import Ground
from tests.chaos.sites import site


async def test_three_nodes_are_restarted_and_killed_and_nobody_loses_anything(postgres_server: str) -> None:
    if reason := nodes.why_not():
        pytest.skip(reason)
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    async with fork_server() as starter, http_client() as client:
        rows = await nodes.rows(Ground(starter, client, Random(seed), postgres_server), nodes.SHORT)
    for row in rows:
        assert row.tried > 0, line(row)
        assert row.kept, f"{line(row)} {row.particulars}"
    (seen,) = (row for row in rows if "from_memory" in row.particulars)
    assert seen.particulars["from_memory"] > 0


async def test_a_token_that_runs_out_while_a_node_drains_is_replaced(tmp_path: Path) -> None:
    """Whoever the balancer still sends meanwhile is served like anybody else."""
    async with fork_server() as starter, http_client() as client:
        made = site(starter, client, tmp_path, "M1", Random(1), lifetime=LONG, configured={"POLDER_DRAIN": "5"})
        async with made as running:
            (node,) = running.gateways
            assert node.pid is not None
            os.kill(node.pid, signal.SIGTERM)
            async with asyncio.timeout(4):
                while (await node.read("/readyz")).status_code == 200:
                    await asyncio.sleep(0.01)
            running.provider.expire()
            answers = await asyncio.gather(*(running.call(node, one) for one in running.connections))
            assert [answer and answer.status_code for answer in answers] == [200] * len(running.connections)
            assert await node.bury() == 0
