"""Faults at every system call of a refresh, one by one, with strace: death, or a disk that fails or is full."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from tests.chaos.processes import PATIENCE
from tests.chaos.sites import Loss, Site

DEADLY = ("pwrite64", "fdatasync", "fsync", "write", "sendto", "sendmsg", "close")
"""Where a refresh may die: what reaches the disk, the provider and the caller."""
DISK = ("pwrite64", "fdatasync", "fsync")
ERRORS = ("EIO", "ENOSPC")
DETACHED_WITHIN = 1.0
MOST = 200
"""More calls of one kind than any refresh makes."""


@dataclass
class Swept:
    """What came of it: points by system call, and who was lost at which."""

    points: dict[str, int] = field(default_factory=dict)
    losses: list[tuple[str, Loss]] = field(default_factory=list)
    asked_without_a_disk: int = 0
    """Requests for a token that left though nothing could be written."""


Sweep = Callable[[Site, int, Callable[[], bool], Callable[[Swept], None]], Awaitable[Swept]]
"""One kind of it: the site, one of how many points to take, whether the time is up, whom to tell how far it is."""


async def why_not() -> str | None:
    """Why there can be no sweep here; None where there can."""
    if shutil.which("strace") is None:
        return "strace is not installed (Debian: apt install strace)"
    sleeper = await asyncio.create_subprocess_exec("sleep", "30")
    try:
        async with _traced(sleeper.pid, "trace=close"):
            return None
    except (RuntimeError, TimeoutError):
        return "strace may not attach to a process here (kernel.yama.ptrace_scope, or a container without ptrace)"
    finally:
        sleeper.kill()
        await sleeper.wait()


async def sweep_deaths(site: Site, step: int, is_over: Callable[[], bool], told: Callable[[Swept], None]) -> Swept:
    """Kill the gateway at the first, second, third … call of each kind, until a refresh makes no more of them."""
    swept = Swept()
    for name in DEADLY:
        for number in range(1, MOST, step):
            if is_over() or not await _dies(site, f"inject={name}:signal=KILL:when={number}"):
                break
            swept.points[name] = swept.points.get(name, 0) + 1
            await _look(site, swept, f"killed at {name} {number}")
            told(swept)
    return swept


async def sweep_disk(site: Site, step: int, is_over: Callable[[], bool], told: Callable[[Swept], None]) -> Swept:
    """Let each write to disk fail, alone and with all that follow it; then look twice, before and after a restart."""
    swept = Swept()
    for error, name in product(ERRORS, DISK):
        calls = await _calls(site, name)
        for number, lasting in product(range(1, calls + 1, step), ("", "+")):
            if is_over():
                return swept
            await _fails(site, f"inject={name}:error={error}:when={number}{lasting}")
            point = f"{error} at {name} {number}{lasting}"
            swept.points[f"{name} {error}"] = swept.points.get(f"{name} {error}", 0) + 1
            await _look(site, swept, point)
            site.gateways[0].strike()
            await site.gateways[0].bury()
            await site.gateways[0].start()
            await _look(site, swept, f"{point}, restarted")
            told(swept)
    for error in ERRORS:
        swept.asked_without_a_disk += await _asked_without_a_disk(site, error)
    return swept


async def _dies(site: Site, injected: str) -> bool:
    """Refresh under strace; whether the gateway died of it. It runs again afterwards."""
    gateway = site.gateways[0]
    assert gateway.pid is not None
    async with _traced(gateway.pid, injected):
        await _refresh(site)
    if _lives(gateway.pid):
        return False
    await gateway.bury()
    await gateway.start()
    return True


async def _fails(site: Site, injected: str) -> None:
    pid = site.gateways[0].pid
    assert pid is not None
    async with _traced(pid, injected):
        await _refresh(site)


async def _asked_without_a_disk(site: Site, error: str) -> int:
    before = site.provider.token_requests
    await _fails(site, f"inject={','.join(DISK)}:error={error}")
    return site.provider.token_requests - before


async def _calls(site: Site, name: str) -> int:
    """How many of them one thread makes in a refresh, at most."""
    pid, record = site.gateways[0].pid, site.gateways[0].home / "trace"
    assert pid is not None
    async with _traced(pid, f"trace={name}", "-o", str(record)):
        await _refresh(site)
    lines = [line.split(maxsplit=1) for line in record.read_text().splitlines()]
    begun = [line[0] for line in lines if len(line) == 2 and line[1].startswith(f"{name}(")]
    return max(map(begun.count, begun), default=0)


async def _refresh(site: Site) -> None:
    site.provider.expire()
    await site.status(site.gateways[0], site.connections[0])


async def _look(site: Site, swept: Swept, point: str) -> None:
    losses = await site.losses()
    swept.losses += [(point, loss) for loss in losses]
    await site.replace(losses)


def _lives(pid: int) -> bool:
    """Whether it runs still; one that nobody has reaped yet is dead."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return False


@asynccontextmanager
async def _traced(pid: int, expression: str, *options: str) -> AsyncIterator[None]:
    """Have strace attached to all threads of a process while the block runs, unless the process ends before."""
    arguments: Sequence[str] = ("-f", "-p", str(pid), "-e", expression, *(options or ("-o", "/dev/null")))
    tracer = await asyncio.create_subprocess_exec("strace", *arguments, stderr=asyncio.subprocess.PIPE)
    assert tracer.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            line = await tracer.stderr.readline()
        if b"attached" not in line:
            raise RuntimeError(line.decode())
        yield
    finally:
        await _end(tracer)


async def _end(tracer: asyncio.subprocess.Process) -> None:
    """Let strace detach. Where all threads of a process died at once it may wait for one that is gone, for ever."""
    for signal_sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            tracer.send_signal(signal_sent)
        with suppress(TimeoutError):
            async with asyncio.timeout(DETACHED_WITHIN):
                await tracer.communicate()
                return
