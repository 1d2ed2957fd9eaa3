"""Real gateways as processes, to be killed and started again: ``polder serve`` at an address that is its own.

A process is started by the fork server (which has everything imported) or as the command itself.
"""

import asyncio
import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, Protocol

import httpx2

from gateway.app import new_key, storage_of
from gateway.engine.clock import SystemClock
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
SERVE = ("serve",)
TENANT = "acme"
PATIENCE = 120.0
"""Seconds for a gateway to be ready, to answer, or to end. A tenth of one is enough where nothing else is done."""

GLANCE = 0.005
"""Seconds between looks whether a gateway is ready, to begin with."""

Answer = httpx2.Response


def end_with_parent() -> None:
    """Let this worker of a pool end as soon as whoever started it is gone, even by a signal; and so all it started."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class Starter(Protocol):
    """What makes a process of the command ``polder``."""

    async def start(
        self, environment: Mapping[str, str], log: Path, plant: str | None, arguments: Sequence[str] = SERVE
    ) -> int:
        """The process's id."""

    async def reap(self, pid: int) -> int:
        """Its exit code once it has ended; negative is the signal that ended it."""


class ForkServer:
    """See ``tests.chaos.fork_server``. What is started and reaped through this object is its own."""

    def __init__(self) -> None:
        self._running: set[int] = set()

    async def start(
        self, environment: Mapping[str, str], log: Path, plant: str | None, arguments: Sequence[str] = SERVE
    ) -> int:
        wanted = {"environment": dict(environment), "log": str(log), "plant": plant, "arguments": list(arguments)}
        return await asyncio.to_thread(self._started, wanted)

    def _started(self, wanted: Mapping[str, Any]) -> int:
        # Noted here, as whoever waits for it may be cancelled meanwhile.
        pid = int(_asked({"start": wanted})["pid"])
        self._running.add(pid)
        return pid

    async def reap(self, pid: int) -> int:
        # It reaps one at a time, so it is asked only once there is nothing left to wait for.
        await _ended(pid)
        self._running.discard(pid)
        return int((await asyncio.to_thread(_asked, {"reap": pid}))["status"])

    async def end(self) -> None:
        """Kill and reap all that it started and that nobody has reaped."""
        for pid in tuple(self._running):
            os.kill(pid, signal.SIGKILL)
            await self.reap(pid)


@asynccontextmanager
async def fork_server() -> AsyncIterator[ForkServer]:
    """A fork server; every gateway that was started by it in the block has ended after it.

    It is one process for all blocks: its imports and its rehearsal take longer than many a block does.
    """
    _fork_server()
    starter = ForkServer()
    try:
        yield starter
    finally:
        await starter.end()


_turn = threading.Lock()


def _asked(question: Mapping[str, Any]) -> dict[str, Any]:
    with _turn:
        process = _fork_server()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
        line = process.stdout.readline() if readable else b""
    if not line:
        raise RuntimeError("the fork server has ended, or does not answer; what it printed says why")
    told: dict[str, Any] = json.loads(line)
    return told


@cache
def _fork_server() -> subprocess.Popen[bytes]:
    """The fork server of this process: it ends with it, whatever becomes of it, as its input does."""
    process = subprocess.Popen(
        (sys.executable, "-m", "tests.chaos.fork_server"),
        cwd=ROOT,
        env=bare_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(_dismiss, process)
    return process


def _dismiss(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    process.wait(PATIENCE)


class Command:
    """The command itself, as an operator starts it; no fault can be planted in it."""

    def __init__(self) -> None:
        self._running: dict[int, asyncio.subprocess.Process] = {}

    async def start(
        self, environment: Mapping[str, str], log: Path, plant: str | None, arguments: Sequence[str] = SERVE
    ) -> int:
        assert plant is None
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", "from gateway.cli import main; main()", *arguments),
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


async def _ended(pid: int) -> None:
    """Wait until a process has ended that nobody has reaped yet; whose child it is does not matter."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


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
            began = time.monotonic()
            while not (await self._listens() and await self.status("/readyz") == 200):
                await asyncio.sleep(max(GLANCE, (time.monotonic() - began) / 10))

    async def _listens(self) -> bool:
        """Whether somebody is at its port: cheaper to ask than whether it is ready, which is asked some fifty times."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as knocking:
            knocking.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(knocking, ("127.0.0.1", self.port))
            except ConnectionRefusedError:
                return False
            return True

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

    async def status(self, path: str) -> int | None:
        """The status of the answer to a GET with the gateway's key; None where it dies meanwhile, or never answers.

        A whole client takes longer over a request than the gateway does, and these are made by the hundred thousand.
        """
        asked = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\nauthorization: Bearer {self.key}\r\n"
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(f"{asked}cache-control: no-cache\r\nconnection: close\r\n\r\n".encode())
                    head, _, _ = (await reader.read()).partition(b"\r\n")
                finally:
                    writer.close()
        except (ConnectionError, TimeoutError):
            return None
        return int(head.split()[1]) if head else None

    async def read(self, path: str) -> Answer:
        """The same, where an answer from memory will do."""
        url = f"http://127.0.0.1:{self.port}{path}"
        return await self.client.get(url, headers={"authorization": f"Bearer {self.key}"})


async def key_of(settings: Settings) -> str:
    """A new key with all scopes, of the tenant ``TENANT``; the gateway need not run yet."""
    storage = storage_of(settings)
    try:
        text, _ = await new_key(storage, SystemClock(), TENANT, "chaos", ["*"])
    finally:
        await storage.close()
    return text


@asynccontextmanager
async def http_client() -> AsyncIterator[httpx2.AsyncClient]:
    """A client that keeps no connection open: a gateway that died took its connections with it."""
    limits = httpx2.Limits(max_keepalive_connections=0, max_connections=None)
    async with httpx2.AsyncClient(limits=limits, timeout=PATIENCE, verify=False, trust_env=False) as client:
        yield client
