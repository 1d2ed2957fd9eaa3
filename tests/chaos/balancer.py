"""haproxy in front of some nodes, as an operator would have it: whoever does not say at ``/readyz`` that it is ready is
sent nothing more.

A read whose node dies before it has answered is put to another node; a write never is, because only its caller knows
whether it may be done again.
"""

import asyncio
import csv
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.serve import listen, port_of
from tests.chaos.processes import PATIENCE, Gateway, bare_environment

_SYSTEM = "/usr/sbin/haproxy"
"""Where distributions put it, which is on the path of the superuser only."""
CHECKED_EVERY = 100
"""Milliseconds between two questions whether a node is ready."""
CONFIGURATION = """\
global
    stats socket {control} mode 600
    maxconn 500

defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout check 3s
    retries 3
    option redispatch 1
    retry-on conn-failure empty-response

frontend polder
    bind fd@{descriptor}
    default_backend nodes

backend nodes
    balance roundrobin
    http-request disable-l7-retry unless METH_GET
    option httpchk
    http-check send meth GET uri /readyz
    http-check expect status 200
    default-server check inter {every}ms fall 1 rise 1
{nodes}
"""


def why_not() -> str | None:
    """Why there is no haproxy; None where there is."""
    return None if _program() else "haproxy is not installed (on Debian and Ubuntu: the package haproxy)"


def _program() -> str | None:
    return shutil.which("haproxy") or shutil.which(_SYSTEM)


@dataclass(frozen=True)
class Balancer:
    """A haproxy that runs; ``port`` is where callers come."""

    port: int
    control: Path

    async def until_serving(self, nodes: Sequence[int]) -> None:
        """Wait until it sends requests to these, by their places in the order that they were given in."""
        until = time.monotonic() + PATIENCE
        while True:
            found = await self._statistics()
            if all(found[name_of(node)]["status"].startswith("UP") for node in nodes):
                return
            assert time.monotonic() < until, {name: row["status"] for name, row in found.items()}
            await asyncio.sleep(0.02)

    async def retried(self) -> int:
        """How many requests it put to a node once more, or to another."""
        total = (await self._statistics())["BACKEND"]
        return int(total["wretr"]) + int(total["wredis"])

    async def _statistics(self) -> Mapping[str, Mapping[str, str]]:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(self.control)
            try:
                writer.write(b"show stat\n")
                told = (await reader.read()).decode()
            finally:
                writer.close()
        rows = csv.DictReader(told.removeprefix("# ").splitlines())
        return {row["svname"]: row for row in rows if row["pxname"] == "nodes"}


def name_of(node: int) -> str:
    """What a node is called there."""
    return f"node-{node}"


@asynccontextmanager
async def balancing(gateways: Sequence[Gateway]) -> AsyncIterator[Balancer]:
    """A haproxy in front of these while the block runs, once it has found them all ready."""
    program = _program()
    assert program is not None, why_not()
    # Not a test's own folder: the address of a Unix socket has 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="polder-haproxy-") as folder, listen("127.0.0.1", 0) as listener:
        balancer = Balancer(port_of(listener), Path(folder) / "control")
        process = await _started(program, balancer, listener, gateways)
        try:
            await _until_there(balancer.control, process)
            await balancer.until_serving(range(len(gateways)))
            yield balancer
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _started(
    program: str, balancer: Balancer, listener: socket.socket, gateways: Sequence[Gateway]
) -> asyncio.subprocess.Process:
    nodes = [f"    server {name_of(place)} 127.0.0.1:{one.port}" for place, one in enumerate(gateways)]
    configuration = balancer.control.with_name("haproxy.cfg")
    configuration.write_text(
        CONFIGURATION.format(
            control=balancer.control, descriptor=listener.fileno(), every=CHECKED_EVERY, nodes="\n".join(nodes)
        )
    )
    return await asyncio.create_subprocess_exec(
        *(program, "-db", "-q", "-f", str(configuration)),
        env=bare_environment(),
        pass_fds=(listener.fileno(),),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def _until_there(control: Path, process: asyncio.subprocess.Process) -> None:
    until = time.monotonic() + PATIENCE
    while not control.exists():
        assert process.returncode is None, f"haproxy ended with {process.returncode}"
        assert time.monotonic() < until, "haproxy does not start"
        await asyncio.sleep(0.02)
