"""One wish, 64 requests for it at once, over four processes: it is made once, and all are told of the same record."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.ambiguous import Round, Times, prepared
from tests.chaos.report import Parameters, Report, Row
from tests.chaos.wishes import ENDS, Ledger, Wish

PROVIDER = "snelstart"
"""A system where nothing of a contact is unique, so that only Polder stands between a wish and many records."""
PROCESSES = 4
AT_ONCE = 64
KEYS_AT_ONCE = 2
QUICK, FULL = 20, 1_000
PATIENCE = 60.0
"""Seconds that a caller who is told that the first request still runs goes on asking."""


@dataclass
class Result:
    """What came of it. ``creates`` are the writes that the system got; ``wrong`` the wishes that were not made once."""

    keys: int = 0
    creates: int = 0
    wrong: int = 0
    told: Counter[int] = field(default_factory=Counter)
    """First answers by status: 201, or 409 while another request for the same runs."""

    @property
    def bad(self) -> int:
        """How many creates are too many or too few, and how many wishes were not made once."""
        return abs(self.creates - self.keys) + self.wrong


async def play(keys: int, seed: int, *, until: float | None = None) -> Result:
    """So many wishes, fewer where the monotonic time runs out."""
    result = Result()
    async with prepared(PROVIDER, seed, gateways=PROCESSES, times=Times(deadline=30.0)) as stage:
        before = stage.system.writes.total()

        async def client() -> None:
            while len(stage.asked) < keys and (until is None or time.monotonic() < until):
                await _fulfil(stage, stage.wish("contacts"), result)

        await asyncio.gather(*(client() for _ in range(KEYS_AT_ONCE)))
        ledger = Ledger(stage.system.emulator.books(), [wish.mark for wish in stage.asked])
        result.keys = len(stage.asked)
        result.creates = stage.system.writes.total() - before
        result.wrong = sum((ledger.made(wish), len(wish.ids)) != (1, 1) for wish in stage.asked)
    return result


async def _fulfil(stage: Round, wish: Wish, result: Result) -> None:
    """Ask with all requests at once, then at each process until there is an end."""
    asked = [stage.ask_for(wish, stage.gateways[number % PROCESSES]) for number in range(AT_ONCE)]
    result.told.update(status for status in await asyncio.gather(*asked) if status is not None)
    until = time.monotonic() + PATIENCE
    while wish.told not in ENDS and time.monotonic() < until:
        await asyncio.sleep(0.1)
        await stage.ask_for(wish, stage.gateways[0])
    await asyncio.gather(*(stage.ask_for(wish, gateway) for gateway in stage.gateways))


async def measured(asked: Parameters, report: Report) -> None:
    """The part of ``./dev chaos writes``."""
    began = time.monotonic()
    result = await play(FULL if asked.full else QUICK, asked.seed, until=asked.until)
    particulars = {"creates": result.creates, "first_answers": dict(result.told)}
    seconds = time.monotonic() - began
    setup = f"{PROCESSES} processes, SQLite"
    report.add(Row(f"{AT_ONCE} requests at once", setup, "", result.keys, result.bad, "none", seconds, particulars))
