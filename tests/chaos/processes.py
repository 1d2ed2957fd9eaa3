"""Real gateways as processes, to be killed and started again: ``polder serve`` at an address that is its own.

A process is started by the fork server (which has everything imported) or as the command itself.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx2

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
"""Seconds for a gateway to be ready, or to end. A tenth of one is enough on a machine that does nothing else."""

Answer = httpx2.Response


class Starter(Protocol):
    """What makes a process of ``polder serve``."""

    async def start(self, environment: Mapping[str, str], log: Path, plant: str | None) -> int:
        """The process's id."""

    async def reap(self, pid: int) -> int:
        """Its exit code once it has ended; negative is the signal that ended it."""


class ForkServer:
    """See ``tests.chaos.fork_server``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    async def start(self, environment: Mapping[str, str], log: Path, plant: str | None) -> int:
        told = await self._ask({"start": {"environment": dict(environment), "log": str(log), "plant": plant}})
        return int(told["pid"])

    async def reap(self, pid: int) -> int:
        return int((await self._ask({"reap": pid}))["status"])

    async def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn, asyncio.timeout(PATIENCE):
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the fork server has ended; what it printed says why")
        told: dict[str, Any] = json.loads(line)
        return told


@asynccontextmanager
async def fork_server() -> AsyncIterator[ForkServer]:
    """A fork server while the block runs; every gateway it started ends with it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.fork_server"),
        cwd=ROOT,
        env=bare_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield ForkServer(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            await process.wait()


class Command:
    """The command itself, as an operator starts it; no fault can be planted in it."""

    def __init__(self) -> None:
        self._running: dict[int, asyncio.subprocess.Process] = {}

    async def start(self, environment: Mapping[str, str], log: Path, plant: str | None) -> int:
        assert plant is None
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", "from gateway.cli import main; main()", "serve"),
                cwd=ROOT,
                env={**bare_environment(), **environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._running[process.pid] = process
        return process.pid

    async def reap(self, pid: int) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self._running.pop(pid).wait()


def bare_environment() -> dict[str, str]:
    """This process's environment without anything that configures a Polder."""
    return {name: value for name, value in os.environ.items() if not name.startswith("POLDER_")}


def _reserved_port() -> socket.socket:
    """A port that nobody else is given while this socket is open; a gateway may listen there all the same.

    Linux lets a second socket listen on a bound port where both say SO_REUSEADDR and the first does not listen.
    """
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


@dataclass
class Gateway:
    """One node: an address, a home and what it is configured with. Its process comes and goes."""

    starter: Starter
    home: Path
    environment: Mapping[str, str]
    client: httpx2.AsyncClient
    plant: str | None = None
    pid: int | None = None
    key: str = ""
    reserved: socket.socket = field(default_factory=_reserved_port)

    @property
    def port(self) -> int:
        port: int = self.reserved.getsockname()[1]
        return port

    @property
    def log(self) -> Path:
        return self.home / f"gateway-{self.port}.log"

    async def start(self) -> float:
        """Start it and wait until it is ready; the seconds that took."""
        assert self.pid is None
        began = time.monotonic()
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = {"POLDER_HOME": str(self.home), "POLDER_PORT": str(self.port)}
        self.pid = await self.starter.start({**self.environment, **own}, self.log, self.plant)
        await self._until_ready()
        return time.monotonic() - began

    async def _until_ready(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(httpx2.TransportError):
                    if (await self.client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.005)

    def strike(self) -> None:
        """Kill it, this instant."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGKILL)

    async def bury(self) -> int:
        """Wait until it has ended; its exit code."""
        assert self.pid is not None
        pid, self.pid = self.pid, None
        return await self.starter.reap(pid)

    async def stop(self) -> int:
        """Ask it to stop as an operator does; its exit code."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGTERM)
        return await self.bury()

    async def close(self) -> None:
        """End it, if it still runs, and give the port back."""
        if self.pid is not None:
            self.strike()
            await self.bury()
        self.reserved.close()

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        """One request with the gateway's key. Raises ``httpx2.TransportError`` where it dies meanwhile."""
        headers = {"authorization": f"Bearer {self.key}", "cache-control": "no-cache"}
        url = f"http://127.0.0.1:{self.port}{path}"
        return await self.client.request(method, url, headers=headers, json=body)

    async def read(self, path: str) -> Answer:
        """The same, where an answer from memory will do."""
        url = f"http://127.0.0.1:{self.port}{path}"
        return await self.client.get(url, headers={"authorization": f"Bearer {self.key}"})


@asynccontextmanager
async def http_client() -> AsyncIterator[httpx2.AsyncClient]:
    """A client that keeps no connection open: a gateway that died took its connections with it."""
    limits = httpx2.Limits(max_keepalive_connections=0, max_connections=None)
    async with httpx2.AsyncClient(limits=limits, timeout=PATIENCE, verify=False, trust_env=False) as client:
        yield client
