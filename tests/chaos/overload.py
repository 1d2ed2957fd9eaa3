"""A system that fails, a system that hangs, and ten times what can be done: who is harmed, and by how much."""

import asyncio
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.chaos.report import Parameters, Promise, Report, Row, progress
from tests.chaos.strained import Stand, Told, strained

FAILING, OTHER = "rompslomp", "thenextinvoice"
LATENCY = 0.05
"""Seconds that a system takes where it is well: less than any real one does."""
AMPLIFICATION = 1.10
"""Calls upstream for each request of a caller, at most, while the system answers 503 to all of them."""
CALLERS = 32
TRICKLE = 1.0
"""Seconds between two requests where hardly anybody asks."""
BYSTANDERS = 8
"""Callers of the system that is well."""
HANGING_EVERY = 0.05
"""Seconds between two requests to the system that hangs."""
CHANGE = 1.05
"""How many times as slow the others may become."""
SLOW = 0.5
"""Seconds that a call takes where the places for calls are what is scarce."""
TIMES = 10
KEPT = 0.9
"""The share of the best goodput that must be left at ten times the load."""
PATIENCE = 60.0


@dataclass
class Load:
    """What came of the requests of one stretch."""

    told: list[Told] = field(default_factory=list)
    broken: int = 0
    seconds: float = 0.0
    in_time: int = 0
    """Good answers that came while there was still asked for more."""

    def of(self, status: int) -> list[float]:
        """How long the answers of a status took, in order."""
        return sorted(one.seconds for one in self.told if one.status == status)

    @property
    def goodput(self) -> float:
        """Good answers in a second."""
        return len(self.of(200)) / self.seconds

    @property
    def statuses(self) -> dict[str, int]:
        """How many there were of each."""
        return {str(status): count for status, count in sorted(Counter(one.status for one in self.told).items())}


def percentile(seconds: Sequence[float], share: float) -> float:
    """Of times in order; 0 where there are none."""
    return seconds[min(len(seconds) - 1, math.ceil(share * len(seconds)) - 1)] if seconds else 0.0


def milliseconds(seconds: float) -> float:
    """As it is told."""
    return round(1000 * seconds, 1)


async def _one(stand: Stand, path: str, load: Load) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            load.told.append(await stand.ask("GET", path))
    except (aiohttp.ClientError, TimeoutError):
        load.broken += 1


async def closed(stand: Stand, path: Callable[[], str], callers: int, seconds: float) -> Load:
    """So many callers, each of whom asks again as soon as it is answered."""
    load = Load()
    began = time.monotonic()

    async def call() -> None:
        while time.monotonic() < began + seconds:
            await _one(stand, path(), load)

    await asyncio.gather(*(call() for _ in range(callers)))
    load.seconds = time.monotonic() - began
    return load


async def opened(stand: Stand, path: Callable[[], str], rate: float, seconds: float) -> Load:
    """So many requests in a second, whether or not those before them are answered; all are waited for."""
    load = Load()
    began = time.monotonic()
    tasks: set[asyncio.Task[None]] = set()
    while (passed := time.monotonic() - began) < seconds:
        while len(tasks) < passed * rate:
            tasks.add(asyncio.create_task(_one(stand, path(), load)))
        await asyncio.sleep(0.002)
    load.seconds = time.monotonic() - began
    load.in_time = len(load.of(200))
    await asyncio.gather(*tasks)
    return load


async def failing(asked: Parameters, report: Report) -> None:
    """Everything is answered 503: how many calls that makes upstream for each request of a caller."""
    began = time.monotonic()
    seconds = 60.0 if asked.full else 5.0
    async with strained((FAILING,)) as stand:
        system = stand.systems[FAILING]
        system.down = True
        for what, callers, pause in ((f"{CALLERS} callers", CALLERS, 0.0), ("one request a second", 1, TRICKLE)):
            before, load = system.asked, Load()
            if pause:
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    await _one(stand, stand.read(FAILING), load)
                    await asyncio.sleep(pause)
            else:
                load = await closed(stand, lambda: stand.read(FAILING), callers, seconds)
            requests, calls = len(load.told) + load.broken, system.asked - before
            ratio = calls / requests
            particulars: dict[str, Any] = {"requests": requests, "calls_upstream": calls, "ratio": round(ratio, 3)}
            particulars["statuses"] = load.statuses
            # Who asks once in a second has three retries a second to spend (the budget's floor): told, not promised.
            promise: Promise = "told" if pause else "none"
            bad = int(ratio > AMPLIFICATION)
            report.add(Row("503 to all: calls per request", what, "", requests, bad, promise, 0, particulars))
            await asyncio.sleep(2)
    progress(f"failing: {time.monotonic() - began:.0f} s")


async def hanging(asked: Parameters, report: Report) -> None:
    """One system answers nothing any more: what the callers of another notice of it."""
    began = time.monotonic()
    rounds, seconds = (15, 6.0) if asked.full else (3, 2.0)
    p99s: dict[bool, list[float]] = {False: [], True: []}
    counts: Counter[bool] = Counter()
    async with strained() as stand:
        stand.systems[OTHER].latency = LATENCY
        await closed(stand, lambda: stand.read(OTHER), BYSTANDERS, 2.0)
        for number in range(2 * rounds):
            hangs = bool(number % 2)
            stand.systems[FAILING].hangs = hangs
            harm = asyncio.create_task(_hang(stand)) if hangs else None
            load = await closed(stand, lambda: stand.read(OTHER), BYSTANDERS, seconds)
            p99s[hangs].append(percentile(load.of(200), 0.99))
            counts[hangs] += len(load.of(200))
            assert load.statuses.keys() == {"200"}, load.statuses
            if harm is not None:
                harm.cancel()
                await asyncio.gather(harm, return_exceptions=True)
            progress(f"hanging: round {number + 1} of {2 * rounds}")
    without, beside = statistics.median(p99s[False]), statistics.median(p99s[True])
    ratio = beside / without
    particulars = {
        "ratio": round(ratio, 3),
        "p99_ms": {"alone": milliseconds(without), "beside_one_that_hangs": milliseconds(beside)},
        "rounds_ms": {str(hangs): [milliseconds(one) for one in found] for hangs, found in p99s.items()},
        "answers": {"alone": counts[False], "beside": counts[True]},
    }
    bad = int(ratio > CHANGE)
    took = time.monotonic() - began
    report.add(Row("one hangs: p99 of another", f"{rounds} rounds", "", counts.total(), bad, "none", took, particulars))


async def _hang(stand: Stand) -> None:
    """Callers of the system that hangs, who keep coming, and go on waiting."""
    load = Load()
    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(_one(stand, stand.read(FAILING), load))
            await asyncio.sleep(HANGING_EVERY)


async def overloaded(asked: Parameters, report: Report) -> None:
    """Ten times what the system's places allow: how much is still done, and how soon the others hear that it is not."""
    began = time.monotonic()
    seconds = 60.0 if asked.full else 6.0
    async with strained((OTHER,), connections=1) as stand:
        stand.systems[OTHER].latency = SLOW
        peaks = [await closed(stand, lambda: stand.read(OTHER), callers, seconds / 4) for callers in (4, 8, 16, 32)]
        peak = max(load.goodput for load in peaks)
        load = await opened(stand, lambda: stand.read(OTHER), TIMES * peak, seconds)
        after = await closed(stand, lambda: stand.read(OTHER), 4, 5.0)
    shed, good = load.of(503), load.of(200)
    kept = load.in_time / load.seconds / peak
    particulars = {
        "peak_per_second": round(peak, 1),
        "asked_per_second": round(len(load.told) / load.seconds, 1),
        "goodput_kept": round(kept, 3),
        "statuses": load.statuses,
        "broken": load.broken,
        "shed_ms": {"p50": milliseconds(percentile(shed, 0.5)), "p99": milliseconds(percentile(shed, 0.99))},
        "good_ms": {"p50": milliseconds(percentile(good, 0.5)), "p99": milliseconds(percentile(good, 0.99))},
        "afterwards_ms": {"p99": milliseconds(percentile(after.of(200), 0.99))},
    }
    bad = int(kept < KEPT) + load.broken
    took = time.monotonic() - began
    report.add(Row("10 times the load: goodput", "1 connection", "", len(load.told), bad, "none", took, particulars))
