"""Callers who hang up at a random moment: nothing of theirs is left behind, and no write half done."""

import asyncio
import contextlib
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from gateway.contract.exact import dumps, loads
from gateway.engine.reads.cache import MAX_BYTES
from tests.chaos.report import Parameters, Report, Row, progress
from tests.chaos.strained import Stand, strained
from tests.chaos.wishes import contact, mark_of

SYSTEM = "memory"
AT_ONCE = 48
LATENCY = 0.01
"""Seconds that the system takes, so that there is a moment to hang up in."""
LONGEST = 4.0
"""How many times as long as an answer takes a caller waits at the longest; some are answered by then."""
GLANCES = 9
WRITES = 0.05
"""The share of those who write: each leaves a record in the books."""
SETTLED_WITHIN = 90.0
DEADLINE = 8
ZOMBIE_TIME = 25
"""Seconds after which a write that left no trace was not done: instead of 300, so that doubts end while we look."""
ENDED_WITHIN = ZOMBIE_TIME + SETTLED_WITHIN
SPARE = 3
"""Sockets more than before that prove nothing: of the storage, or of who asks how many there are."""
FILLING = 30_000
"""Questions answered before anybody counts, in full: the cache of answers is at its bound by then, on any machine."""
EARLIER = 20_000
"""Callers at most who hang up before those that count: what a crowd needs is there by then."""
KEPT = 40
"""Megabytes that a process may be larger after so many more callers: what is allocated is not all given back."""
FILLED = MAX_BYTES / 2**20
"""Megabytes besides, where fewer callers came before: every write makes new questions of all of its connection's."""
AFTERWARDS = 64
_MARK = re.compile(r"W\d{6}X")
UNHEARD = "never heard of"
DOUBTS = ("unknown", "in_progress")
CONFIGURED = {"POLDER_DEADLINE": str(DEADLINE), "POLDER_ZOMBIE_TIME": str(ZOMBIE_TIME)}


@dataclass
class Hangups:
    """What callers did, and what became of their writes."""

    longest: float
    """Seconds after which a caller has hung up at the latest."""
    asked: int = 0
    names: dict[str, str] = field(default_factory=dict)
    """Where each write can be asked after, by the mark of its record."""
    states: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


async def hung_up(stand: Stand, count: int, dice: Random, writes: float = WRITES) -> Hangups:
    """So many callers, such a share of whom write, and what became of it all."""
    seen = await watched(stand)
    await hang_up(stand, seen, count, dice, writes)
    await judge(stand, seen)
    return seen


async def watched(stand: Stand) -> Hangups:
    """Nobody yet."""
    return Hangups(longest=LONGEST * await _usual(stand))


async def hang_up(
    stand: Stand, seen: Hangups, count: int, dice: Random, writes: float = WRITES, until: float | None = None
) -> None:
    """So many more callers, or as many as there is time for; nothing of theirs is under way afterwards."""
    turns = asyncio.Semaphore(AT_ONCE)
    whole = seen.asked + count

    async def in_turn() -> None:
        async with turns:
            await _call(stand, seen, dice, writes)
            if seen.asked % 500 == 0:
                progress(f"hang-ups: {seen.asked} of {whole}")

    for at in range(0, count, 1_000):
        if until is not None and time.monotonic() > until:
            break
        await asyncio.gather(*(in_turn() for _ in range(min(1_000, count - at))))
    await _settled(stand)


async def judge(stand: Stand, seen: Hangups) -> None:
    """Whether each write was done once, was told not to be, or is unheard of and not there."""
    ends_by = time.monotonic() + ENDED_WITHIN
    ends = {mark: await _end_of(stand, place, ends_by) for mark, place in seen.names.items()}
    made = _made(stand)
    for mark, state in ends.items():
        _note(seen, mark, state, made[mark])


async def _fill(stand: Stand, count: int) -> None:
    """Ask so much, and hear every answer."""
    for at in range(0, count, AT_ONCE):
        await asyncio.gather(*(stand.ask("GET", stand.read(SYSTEM)) for _ in range(AT_ONCE)))
        if at // AT_ONCE % 100 == 0:
            progress(f"hang-ups: {at} of {count} answers in the cache")


async def _usual(stand: Stand) -> float:
    """Seconds after which all of a crowd of so many are answered.

    Who hangs up sooner is not even heard; and more who come and leave than can be answered would be an overload, in
    which every write is turned away.
    """
    slowest = []
    for _ in range(GLANCES):
        told = await asyncio.gather(*(stand.ask("GET", stand.read(SYSTEM)) for _ in range(AT_ONCE)))
        slowest.append(max(one.seconds for one in told))
    return statistics.median(slowest)


async def _call(stand: Stand, seen: Hangups, dice: Random, writes: float) -> None:
    """Ask, and hang up: politely or not, with the request whole or cut off."""
    seen.asked += 1
    request = _write(stand, seen, dice) if dice.random() < writes else _read(stand)
    if dice.random() < 0.1:
        request = request[: dice.randrange(1, len(request))]
    _, writer = await asyncio.open_connection("127.0.0.1", stand.gateway.port)
    with contextlib.suppress(OSError):
        writer.write(request)
        await writer.drain()
        await asyncio.sleep(dice.uniform(0, seen.longest))
    if dice.random() < 0.5:
        writer.transport.abort()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _read(stand: Stand) -> bytes:
    return _head("GET", stand.read(SYSTEM), stand) + b"\r\n"


def _write(stand: Stand, seen: Hangups, dice: Random) -> bytes:
    mark = mark_of(len(seen.names))
    key, connection = f"hang-up-{mark}", f"/v1/connections/{dice.choice(stand.connections[SYSTEM])}"
    seen.names[mark] = f"{connection}/operations/{key}"
    body = dumps(contact(mark))
    further = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nidempotency-key: {key}\r\n\r\n"
    return _head("POST", f"{connection}/contacts", stand) + further.encode() + body


def _head(method: str, path: str, stand: Stand) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: polder", *(f"{name}: {text}" for name, text in stand.headers.items())]
    return "\r\n".join([*lines, ""]).encode()


async def _settled(stand: Stand) -> None:
    """Wait until nothing is under way."""
    until = time.monotonic() + SETTLED_WITHIN
    while time.monotonic() < until:
        if not any((await left(stand)).values()):
            return
        await asyncio.sleep(0.25)


async def left(stand: Stand) -> dict[str, int]:
    """What is still under way: requests, calls upstream, and who waits for a place."""
    counted = await stand.metrics()
    return {
        "requests": int(counted["polder_http_requests_in_flight"]),
        "calls": int(counted["polder_bulkhead_in_flight"]),
        "queue": int(counted["polder_bulkhead_queue_depth"]),
    }


async def _end_of(stand: Stand, place: str, until: float) -> str:
    """What became of a write, once that is known: one whose answer was lost is looked for a while."""
    while True:
        told = await stand.ask("GET", place)
        state = str(loads(told.body)["state"]) if told.status == 200 else UNHEARD
        if state not in DOUBTS or time.monotonic() > until:
            return state
        await asyncio.sleep(0.5)


def _note(seen: Hangups, mark: str, state: str, made: int) -> None:
    """A write that began is done, once, or told not to be; one that the gateway never heard of is not done."""
    seen.states[state] += 1
    if state not in ("applied", "not_executed", UNHEARD) or made != (state == "applied"):
        seen.wrong.append(f"{mark}: {state}, made {made}")


def _made(stand: Stand) -> Counter[str]:
    """How many records bear each mark: it stands in their names, and in small letters in their addresses."""
    rows = stand.systems[SYSTEM].emulator.books()["contacts"]
    return Counter(found[0] for row in rows if (found := _MARK.search(dumps(row).decode())))


async def measured(asked: Parameters, report: Report) -> None:
    """The part of ``./dev chaos writes``."""
    count, filling = (100_000, FILLING) if asked.full else (2_000, 0)
    async with strained((SYSTEM,), configured=CONFIGURED) as stand:
        report.add(await row(stand, count, filling, Random(asked.seed), asked.until))


async def _sockets_more(stand: Stand, before: int) -> int:
    """Sockets more than before, once those that are kept for a while are closed."""
    until = time.monotonic() + SETTLED_WITHIN
    while stand.sockets() > before + SPARE and time.monotonic() < until:
        await asyncio.sleep(1)
    return stand.sockets() - before


async def row(stand: Stand, count: int, filling: int, dice: Random, until: float | None = None) -> Row:
    """All of it, as a row: what so many leave behind that come when the caches are full, or are being filled."""
    began = time.monotonic()
    stand.systems[SYSTEM].latency = LATENCY
    sockets = stand.sockets()
    await _fill(stand, filling)
    seen = await watched(stand)
    await hang_up(stand, seen, min(count, EARLIER), dice, until=until)
    before, megabytes = seen.asked, stand.megabytes()
    await hang_up(stand, seen, count, dice, until=until)
    await judge(stand, seen)  # what is in doubt is looked for at the system until then
    await _settled(stand)
    leaked = {name: number for name, number in (await left(stand)).items() if number}
    if (more := await _sockets_more(stand, sockets)) > SPARE:
        leaked["sockets"] = more
    grown = stand.megabytes() - megabytes
    allowed = KEPT if filling >= FILLING else KEPT + FILLED
    if grown > allowed:
        leaked["megabytes"] = round(grown)
    later = await asyncio.gather(*(stand.ask("GET", stand.read(SYSTEM)) for _ in range(AFTERWARDS)))
    refused = sum(one.status != 200 for one in later)
    particulars = {
        "leaked": leaked,
        "came_before": before,
        "sockets": {"before": sockets, "after": stand.sockets()},
        "megabytes": {"before": round(megabytes, 1), "after": round(megabytes + grown, 1), "growth_allowed": allowed},
        "writes": dict(seen.states),
        "wrong": seen.wrong[:10],
        "refused_afterwards": refused,
    }
    tried, bad = seen.asked - before, len(leaked) + len(seen.wrong) + refused
    seconds = time.monotonic() - began
    return Row("callers who hang up: leaks", "1 process, SQLite", "", tried, bad, "none", seconds, particulars)
