"""The rounds of ambiguous writes that make a figure: every system at once, each round in a process of its own."""

import asyncio
import itertools
import logging
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from tests.chaos.ambiguous import GATEWAYS, Result, play
from tests.chaos.processes import end_with_parent
from tests.chaos.report import Parameters, Report, Row, progress

SYSTEMS = ("rompslomp", "snelstart", "thenextinvoice")
FORGETFUL = "snelstart"
"""The system of the control."""
SETUP = f"{GATEWAYS} processes, SQLite"


@dataclass(frozen=True)
class Size:
    """How many writes must be doubted in each system, and how many wishes a round has."""

    doubts: int
    wishes: int
    control: int


QUICK = Size(doubts=100, wishes=200, control=60)
FULL = Size(doubts=10_000, wishes=1_500, control=200)
"""A round's books stay small, as a round that looks through them is no quicker for their being large."""


async def measured(asked: Parameters, report: Report) -> None:
    """The part of ``./dev chaos writes``: every system, and a gateway that forgets keys, which must do things twice."""
    size, until = FULL if asked.full else QUICK, asked.until
    with ProcessPoolExecutor(len(SYSTEMS), get_context("spawn"), end_with_parent) as pool:
        names = asked.among(SYSTEMS)
        lanes = len(SYSTEMS) // len(names) if names else 0
        await asyncio.gather(*(_system(pool, name, asked.seed, size, until, report, lanes) for name in names))
        if not asked.among([FORGETFUL]):
            return
        began = time.monotonic()
        forgetful = await _round(pool, FORGETFUL, asked.seed, size.control, None, size.control, "forget_keys")
    report.add(_row("keys are forgotten", FORGETFUL, forgetful, began, control=True))


async def _system(
    pool: ProcessPoolExecutor, name: str, seed: int, size: Size, until: float | None, report: Report, lanes: int
) -> None:
    """Rounds of one system, so many at a time, until enough was doubted, or the time is over."""
    began, seeds, result = time.monotonic(), itertools.count(seed), Result()

    async def lane() -> None:
        nonlocal result
        while result.doubted < size.doubts and (until is None or time.monotonic() < until):
            number = next(seeds)
            found = await _round(pool, name, number, size.wishes, until, size.doubts - result.doubted, None)
            for example in found.examples if found.bad else ():
                print(f"  seed {number}: {example}", flush=True)
            result += found
            progress(f"{name}: {result.doubted:,} of {size.doubts:,} doubted, {result.bad} bad")

    await asyncio.gather(*(lane() for _ in range(lanes)))
    report.add(_row("ambiguous writes", name, result, began))


async def _round(
    pool: ProcessPoolExecutor, name: str, seed: int, wishes: int, until: float | None, doubts: int, plant: str | None
) -> Result:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, _played, name, seed, wishes, until, doubts, plant)


def _played(name: str, seed: int, wishes: int, until: float | None, doubts: int, plant: str | None) -> Result:
    logging.disable(logging.CRITICAL)  # connections that break are what this is about
    return asyncio.run(play(name, seed, wishes, until=until, doubts=doubts, plant=plant))


def _row(what: str, name: str, result: Result, began: float, *, control: bool = False) -> Row:
    bad = result.duplicates if control else result.bad
    facts = {"system": name, **result.facts()}
    seconds = time.monotonic() - began
    return Row(f"{what}, {name}", SETUP, "", result.doubted, bad, "some" if control else "none", seconds, facts)
