"""A world of its own: processes of Polder on one database, the system that they speak to, and what befalls them.

Every statement at the store and every call at the system is a *step*. At each the dice say how long it takes, and
whether something goes wrong; so in what order things happen, and what fails, follows from the seed.
"""

import asyncio
import contextvars
import fcntl
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeVar, get_args
from unittest.mock import patch

import httpx2
from pydantic import SecretStr

from gateway.app import Polder, build
from gateway.contract.adapter import Adapter
from gateway.contract.emulator import Emulator, ReceivedRequest
from gateway.contract.errors import Problem
from gateway.settings import Settings
from gateway.store import locks, owners, sqlite
from tests.durability import hurry
from tests.house import ENCRYPTION_KEY, PUBLIC_URL, START, EmulatorFactory, Verbatim, environment_of, furnished, made
from tests.simulation.clockwork import PROCESS, Clockwork, loaded_dice

T = TypeVar("T")
DEADLINE = 8.0
ZOMBIE_TIME = 25.0
"""Seconds after which a write that left no trace was not done: instead of 300, so that doubts end soon."""
LOCKED_FOR = 5.0
"""Seconds for which a statement waits for another process's transaction, as the store configures SQLite."""

StoreFault = Literal["not done", "done untold", "dies before", "dies after"]
WireFault = Literal[
    "refused",
    "never arrives",
    "answer lost",
    "done later",
    "502 undone",
    "502 done",
    "500",
    "429",
    "hangs",
    "token expires",
    "dies before",
    "dies after",
]
STORE_FAULTS: tuple[StoreFault, ...] = get_args(StoreFault)
WIRE_FAULTS: tuple[WireFault, ...] = get_args(WireFault)
_DISK = "disk I/O error"


class Died(httpx2.ReadError):
    """Who was asked died of it, or before it could answer."""


class Left(httpx2.ReadTimeout):
    """The caller did not wait for the answer."""


class Time:
    """The clock of all that is in the world."""

    def __init__(self, loop: Clockwork) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return START + timedelta(microseconds=round(self._loop.time() * 1_000_000))

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Process:
    """One process of Polder. What it does runs in its own context, so that all of it ends when it dies."""

    polder: Polder

    def __init__(self, name: str, loop: Clockwork) -> None:
        self.name = name
        self.alive = True
        self.serves = False
        self.sessions: list[sqlite.Connection] = []
        self._loop = loop
        self._waiting: dict[asyncio.Future[Any], None] = {}  # in order, unlike a set
        self._under_way: dict[asyncio.Task[Any], None] = {}
        self._context = contextvars.copy_context()
        self._context.run(PROCESS.set, self)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it do something, to the end, whether or not who asked for it waits. Raises ``Died``."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._waiting[done] = None
        task = self._loop.create_task(work, context=self._context.copy())
        self._under_way[task] = None
        task.add_done_callback(self._under_way.pop)
        task.add_done_callback(partial(_hand_over, done))
        try:
            return await done
        finally:
            self._waiting.pop(done, None)

    async def drained(self) -> None:
        """Wait until nothing else is under way, as a server does that stops and takes no more."""
        while others := [one for one in self._under_way if one is not asyncio.current_task()]:
            await asyncio.wait(others)

    def die(self) -> None:
        """At once: nothing of it runs any more. The kernel lets go of what it had."""
        self.alive = self.serves = False
        for session in self.sessions:
            raw, session._connection, session._running = session._connection, None, False
            if raw is not None:
                with suppress(sqlite3.Error):
                    raw.rollback()
                raw.close()
        for done in list(self._waiting):
            if not done.done():
                done.set_exception(Died(f"{self.name} died"))


def _hand_over(done: asyncio.Future[T], task: asyncio.Task[T]) -> None:
    if done.done():
        if not task.cancelled():
            task.exception()  # nobody waits for it any more
    elif task.cancelled():
        done.cancel()
    elif (error := task.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(task.result())


@dataclass
class Plan:
    """What is to befall a world: so many faults at most, each step with that chance, and whether processes may die."""

    processes: int
    faults: int
    chance: float
    deadly: bool


@dataclass
class World:
    """All of it. ``happened`` is what was done, in order; ``broken`` which promises were not kept."""

    loop: Clockwork
    dice: Random
    home: Path
    adapter: Adapter
    emulator: Emulator
    plan: Plan
    key: str
    processes: list[Process] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    peaceful: bool = True
    """Whether nothing goes wrong at the moment, and nothing takes time."""
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    store_failed: bool = False
    """Whether something could not be written down, or was not known to be."""
    faults: int = 0
    """How many there were."""
    _named: int = 0
    _refreshing: list[Process] = field(default_factory=list)
    _locked: dict[int, Process] = field(default_factory=dict)

    def note(self, who: str, what: str) -> None:
        """Write down what happens."""
        self.happened.append(f"{self.loop.time():9.4f} {who:3} {what}")

    def promise(self, kept: bool, broken: str) -> None:
        """Write down that a promise was not kept, if it was not."""
        if not kept:
            self.broken.append(broken)
            self.note("!!!", broken)

    def delay(self, longest: float) -> float:
        """How long a step takes: often no time at all, sometimes ten times as long as most."""
        if self.peaceful:
            return 0.0
        drawn = self.dice.random()
        if drawn < 0.3:
            return 0.0
        return self.dice.uniform(0.0001, longest if drawn < 0.95 else 10 * longest)

    def fault(self, process: Process, step: str, faults: tuple[T, ...]) -> T | None:
        """What goes wrong at this step."""
        self.note(process.name, step)
        if self.peaceful or self.faults >= self.plan.faults or self.dice.random() > self.plan.chance:
            return None
        drawn = self.dice.choice(faults)
        if str(drawn).startswith("dies") and not self.plan.deadly:
            return None
        self.faults += 1
        self.note(process.name, f"FAULT {drawn}")
        return drawn

    # --- processes

    async def somebody(self) -> Process:
        """A process that serves; another one is started where none does."""
        async with self._starting:
            while not (serving := [one for one in self.processes if one.serves]):
                with suppress(Died, Problem):
                    await self.start()
        return self.dice.choice(serving)

    async def start(self) -> Process:
        """Start a process. Raises ``Died`` and ``Problem`` as it may go."""
        process = Process(f"P{len(self.processes)}", self.loop)
        self.processes.append(process)
        await process.run(self._started(process))
        process.serves = True
        return process

    async def _started(self, process: Process) -> None:
        served = {self.adapter.name: self.adapter}
        process.polder = await build(
            Settings(
                home=self.home,
                env="test",
                encryption_keys=SecretStr(ENCRYPTION_KEY),
                public_url=PUBLIC_URL,
                deadline=DEADLINE,
                zombie_time=ZOMBIE_TIME,
                log_level="error",
            ),
            clock=Time(self.loop),
            adapters=served,
            transport_for=lambda _: Line(self, process),
            environment=environment_of(served, {self.adapter.name: self.emulator}),
        )
        hurry(process.polder.storage)
        await process.polder.start(rounds="all")

    async def stop(self, process: Process) -> None:
        """Stop a process in good order."""
        process.serves = False
        self.note(process.name, "stops")
        with suppress(Died):
            await process.run(process.drained())
            await process.run(process.polder.close())
            process.alive = False

    def kill(self, process: Process) -> None:
        """Kill a process. Its host is left, and another process that supervises it notices at once."""
        self.note(process.name, "dies")
        process.die()
        for descriptor in [one for one, holder in self._locked.items() if holder is process]:
            with suppress(OSError):  # it was let go of
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            del self._locked[descriptor]
        for other in self.processes:
            if other.serves:
                other.polder.generations.forsake()
                break

    # --- the store

    def trip(self, session: "Session", function: Callable[[], Any]) -> Callable[[asyncio.Future[Any] | None], None]:
        """What becomes of a trip to a session's thread, when its turn comes."""
        process = session.process
        began, step = self.loop.time(), _told(function)

        def take(done: asyncio.Future[Any] | None) -> None:
            fault = self.fault(process, step, STORE_FAULTS) if step else None
            self.store_failed = self.store_failed or fault is not None
            if fault == "dies before":
                self.kill(process)
                return
            try:
                if fault == "not done":
                    raise sqlite3.OperationalError(_DISK)
                result = function()
                if fault == "done untold":
                    raise sqlite3.OperationalError(_DISK)
            except sqlite3.OperationalError as error:
                if "locked" in str(error) and self.loop.time() - began < LOCKED_FOR:
                    self.loop.call_later(0.01 + self.delay(0.01), take, done)
                    return
                self._answer(done, error=error)
            except BaseException as error:  # as the thread does
                self._answer(done, error=error)
            else:
                if fault == "dies after":
                    self.kill(process)
                if not process.alive:
                    _unhad(result)
                    return
                if isinstance(result, sqlite3.Connection):
                    result.execute("PRAGMA busy_timeout=0")  # who must wait lets others go on meanwhile
                self._answer(done, result)

        return take

    def _answer(self, done: asyncio.Future[Any] | None, result: Any = None, error: BaseException | None = None) -> None:
        def answer() -> None:
            if done is None or done.done():
                _unhad(result)
                return
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)

        self.loop.call_later(self.delay(0.01), answer)

    # --- the system

    @contextmanager
    def refreshing(self, process: Process, request: httpx2.Request, body: bytes) -> Iterator[None]:
        """Nobody asks for a token while another does."""
        seen = ReceivedRequest(
            request.method, request.url.raw_path.decode().partition("?")[0], "", dict(request.headers), body
        )
        if not self.emulator.is_token_request(seen):
            yield
            return
        others = [one.name for one in self._refreshing if one.alive]
        self.promise(not others, f"{process.name} asks for a token while {others} do")
        self._refreshing.append(process)
        try:
            yield
        finally:
            self._refreshing.remove(process)

    async def carry_out(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        """Have the system answer, whatever becomes of who asked."""
        again = httpx2.Request(request.method, request.url, headers=request.headers, content=body)
        work = httpx2.ASGITransport(self.emulator).handle_async_request(again)
        return await asyncio.shield(self.loop.create_task(work, context=contextvars.Context()))

    def carry_out_later(self, request: httpx2.Request, body: bytes) -> None:
        """Have the system do it when nobody listens any more."""

        async def late() -> None:
            await asyncio.sleep(self.dice.uniform(0.1, ZOMBIE_TIME - DEADLINE))
            self.note("", f"late: {request.method} {request.url.path}")
            await self.carry_out(request, body)

        self.loop.create_task(late(), context=contextvars.Context())


class Line(httpx2.AsyncBaseTransport):
    """The way of one process to the system."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        with self._world.refreshing(self._process, request, body):
            return await self._sent(request, body)

    async def _sent(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        world, process = self._world, self._process
        await asyncio.sleep(world.delay(0.3))
        fault = world.fault(process, f"{request.method} {request.url.raw_path.decode()}", WIRE_FAULTS)
        match fault:
            case "refused":
                raise httpx2.ConnectError("refused")
            case "never arrives":
                raise httpx2.ReadError("never arrives")
            case "done later":
                world.carry_out_later(request, body)
                raise httpx2.ReadError("done later")
            case "502 undone" | "500":
                return httpx2.Response(int(fault[:3]), content=b"<html>")
            case "429":
                return httpx2.Response(429, headers={"retry-after": "3"}, content=b"{}")
            case "token expires":
                world.emulator.expire_tokens()
            case "dies before":
                world.kill(process)
                await asyncio.sleep(0)
            case "hangs":
                await asyncio.sleep(10 * DEADLINE)
        response = await world.carry_out(request, body)
        match fault:
            case "answer lost":
                raise httpx2.ReadError("answer lost")
            case "502 done":
                return httpx2.Response(502, content=b"<html>")
            case "dies after":
                world.kill(process)
                await asyncio.sleep(0)
        await asyncio.sleep(world.delay(0.3))
        return response


class Door(httpx2.AsyncBaseTransport):
    """The way of callers to whichever process serves. Some do not wait for their answer."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        world = self._world
        process = await world.somebody()
        patience = None if world.peaceful or world.dice.random() > 0.05 else world.dice.uniform(0, 1)
        try:
            async with asyncio.timeout(patience):
                return await process.run(Verbatim(process.polder.asgi).handle_async_request(request))
        except TimeoutError:
            raise Left("the caller left") from None


class Session(sqlite.Connection):
    """A connection to SQLite whose thread is the world's: a trip there takes its turn like everything else."""

    world: World

    def __init__(self, connector: Callable[[], sqlite3.Connection], chunk: int) -> None:
        super().__init__(connector, chunk)
        process = PROCESS.get()
        assert isinstance(process, Process)
        self.process = process
        process.sessions.append(self)
        self._last = 0.0
        self._tx = self  # type: ignore[assignment]  # the queue of its thread

    def __await__(self) -> Any:
        return self._connect().__await__()

    def put_nowait(self, trip: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        """One trip after another."""
        done, function = trip
        world = self.world
        self._last = max(self._last + 1e-7, world.loop.time() + world.delay(0.01))
        world.loop.call_at(self._last, world.trip(self, function), done)


def _unhad(result: Any) -> None:
    """What a trip brought came too late for whoever wanted it: a connection would stay open."""
    if isinstance(result, sqlite3.Connection):
        result.close()


def _told(function: Callable[[], Any]) -> str:
    """A statement, or what else a trip does; nothing for what is no use to let fail."""
    if not isinstance(function, partial):
        return ""
    if function.func is sqlite._executed:
        return "sql " + " ".join(str(function.args[2]).split()[:4])
    name = getattr(function.func, "__name__", "")
    return f"sql {name}" if name in ("commit", "rollback") else ""


def _locked(world: World, descriptor: int) -> bool:
    """``gateway.store.locks.locked``, and whose lock that is."""
    world._locked.pop(descriptor, None)
    taken = _LOCKED(descriptor)
    process = PROCESS.get()
    if taken and isinstance(process, Process):
        world._locked[descriptor] = process
    return taken


_LOCKED = locks.locked


@contextmanager
def a_world(seed: int, home: Path, adapter: Adapter, factory: EmulatorFactory | None, plan: Plan) -> Iterator[World]:
    """A world without a process in it yet, on a loop of its own."""
    database, key = asyncio.run(furnished())
    loop = Clockwork()
    try:
        (home / "polder.db").write_bytes(database)
        factories = {} if factory is None else {adapter.name: factory}
        emulator = made(adapter.name, Time(loop), factories)
        world = World(loop, Random(seed), home, adapter, emulator, plan, key)
        with ExitStack() as stack:
            stack.enter_context(loaded_dice(seed))
            session = type("Session", (Session,), {"world": world})
            stack.enter_context(patch.object(sqlite, "Connection", session))
            for module in (locks, owners):
                stack.enter_context(patch.object(module, "locked", partial(_locked, world)))
            yield world
            world.peaceful = True
            loop.bury()
    finally:
        loop.close()
