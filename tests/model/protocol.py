"""The refresh protocol and some naive ones, as a machine of atomic steps of two processes, a provider and a network.

``moves`` gives everything that may happen next: a step of a process, the provider handling a request (now, or long
after its sender gave up), an answer arriving, and, as long as the budget lasts, a fault. A fault is a crash, a lost
request, a lost answer, a timeout whose request is still under way, a lease that ends under a living holder, or a
provider that refuses what it should take.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from tests.model.issuers import Issuer, Mode, Pair, refreshed, used

Step = Literal[
    "idle",
    "locked",
    "read",
    "intended",
    "waiting",
    "refused",
    "received",
    "used early",
    "kept",
    "unlocked",
    "used",
]
Lock = Literal["none", "lease", "death"]


class Protocol(NamedTuple):
    """What a protocol does, and what it leaves out."""

    name: str
    lock: Lock
    journal: bool
    """Tokens are added to a journal instead of overwriting each other."""
    keeps_first: bool
    """A token is kept before it is used."""
    repeats: bool
    """After a request of unknown fate the same refresh token is tried again, and a refusal is confirmed."""
    rereads: bool = True
    """A refusal is no refusal where somebody else was faster."""
    fenced: bool = False
    """An intent is kept only in place of what was read, and ended only by who kept it; who was cut off begins anew."""


OURS = Protocol("ours", "death", journal=True, keeps_first=True, repeats=True, fenced=True)
NAIVE = Protocol("no lock, overwrite", "none", journal=False, keeps_first=True, repeats=False, rereads=False)
LEASE = Protocol("a lease, overwrite, read again", "lease", journal=False, keeps_first=True, repeats=False)
HASTY = Protocol("used before kept", "death", journal=True, keeps_first=False, repeats=True)
OURS_ON_LEASE = Protocol("ours, with a lease for a lock", "lease", journal=True, keeps_first=True, repeats=True)
UNFENCED = Protocol("ours, not fenced", "death", journal=True, keeps_first=True, repeats=True)

NOBODY = -1
THE_DEAD = 2
"""Whose intent it is that a process left which died since."""
OVERWRITTEN = 3
"""Whose an intent was that has been kept anew since: it is another one, if of the same process."""


class Process(NamedTuple):
    step: Step = "idle"
    read: tuple[int, int] = (0, NOBODY)
    """The newest refresh token, and whose intent there was, when it read the journal."""
    asking: int = -1
    """The refresh token it asks with."""
    got: Pair | None = None
    attempt: int = 0
    """Tells the answers to this request from those to earlier ones."""


class Sent(NamedTuple):
    process: int
    attempt: int
    refresh: int


class Answered(NamedTuple):
    process: int
    attempt: int
    pair: Pair | None


class World(NamedTuple):
    """Everything that is, in one moment."""

    issuer: Issuer = Issuer()
    rows: tuple[Pair, ...] = (Pair(0, 0),)
    """What is durable, the newest last."""
    intent: int = NOBODY
    """Whose request may be under way, by what is durable."""
    refused: bool = False
    """Whether the newest was refused once, so that a second refusal counts, and older ones are tried too."""
    given_up: bool = False
    expired: bool = True
    holder: int = -1
    processes: tuple[Process, ...] = (Process(), Process())
    requests: frozenset[Sent] = frozenset()
    answers: frozenset[Answered] = frozenset()
    owed: frozenset[int] = frozenset()
    """Processes whose answer will never come: their timeout costs nothing more."""
    cut_off: frozenset[int] = frozenset()
    """Processes that live, and may be taken for dead."""
    faults: int = 0
    lives: int = 0
    befell: frozenset[str] = frozenset()


Move = tuple[str, World]


def moves(protocol: Protocol, mode: Mode, world: World) -> Iterator[Move]:
    """Everything that may happen next, with its name."""
    for number, process in enumerate(world.processes):
        yield from _steps(protocol, mode, world, number, process)
        yield from _faults_of(protocol, world, number, process)
        yield from _cut_off(protocol, world, number, process)
    yield from _provider(mode, world)
    yield from _network(world)
    yield from _lease(protocol, world)
    at_it = world.requests or any(process.step == "intended" for process in world.processes)
    if not world.expired and world.lives and not at_it:
        yield "the token expires", world._replace(expired=True, lives=world.lives - 1)


def is_lost(world: World) -> bool:
    """Whether no refresh token that the provider would take is, or can still come, into anybody's hands."""
    known = {row.refresh for row in world.rows}
    known |= {process.got.refresh for process in world.processes if process.got is not None}
    known |= {
        answer.pair.refresh
        for answer in world.answers
        if answer.pair is not None and _is_awaited(world, answer.process, answer.attempt)
    }
    return not known & world.issuer.live


def _steps(protocol: Protocol, mode: Mode, world: World, number: int, process: Process) -> Iterator[Move]:
    """What a process does by itself."""

    def then(step: Step) -> World:
        return _with(world, number, process._replace(step=step))

    match process.step:
        case "idle":
            if world.expired and not world.given_up and (protocol.lock == "none" or world.holder < 0):
                yield "lock", _held(protocol, then("locked"), number)
        case "locked":
            if not world.expired:
                yield "read", _with(world, number, process._replace(step="kept", got=world.rows[-1]))
            elif _is_anothers_turn(protocol, world, number):
                yield "wait", _let_go(_with(world, number, Process(attempt=process.attempt + 1)), number)
            else:
                asking = world.rows[-1].refresh
                read = process._replace(step="read", asking=asking, read=(asking, world.intent))
                yield "read", _with(world, number, read)
        case "read":
            if protocol.fenced and process.read != (world.rows[-1].refresh, world.intent):
                yield "overtaken", _let_go(_with(world, number, Process(attempt=process.attempt + 1)), number)
            else:
                yield "intend", _intended(world, number, process)
        case "intended":
            if not (protocol.fenced and number in world.cut_off):
                sent = Sent(number, process.attempt, process.asking)
                yield "request", then("waiting")._replace(requests=world.requests | {sent})
        case "received":
            if protocol.keeps_first:
                yield "append", _kept(protocol, then("kept"), number, process.got)
            else:
                yield "use", _in_use(mode, then("used early"), process.got)
        case "used early":
            yield "append", _kept(protocol, then("used"), number, process.got)
        case "kept":
            yield "unlock", _let_go(then("unlocked"), number)
        case "unlocked":
            yield "use", _in_use(mode, then("used"), process.got)
        case "used":
            marked = _let_go(_with(world, number, Process(attempt=process.attempt + 1)), number)
            yield "mark", _without_spent(marked, process.got) if protocol.journal else marked
        case "refused":
            yield from _after_refusal(protocol, world, number, process)


def _is_anothers_turn(protocol: Protocol, world: World, number: int) -> bool:
    """Whether another's request may be under way, by the intent or, where all was refused, by the time since then."""
    if protocol.lock != "death":
        return False
    other = 1 - number
    return other < len(world.processes) and (
        (world.intent == other and other not in world.cut_off)
        or (world.refused and world.processes[other].step in ("waiting", "received"))
    )


def _after_refusal(protocol: Protocol, world: World, number: int, process: Process) -> Iterator[Move]:
    done = _let_go(_with(world, number, Process(attempt=process.attempt + 1)), number)
    ended = _without_intent(protocol, done, number)
    if protocol.rereads and world.rows[-1].refresh > process.asking:
        yield "lost race", ended
    elif not protocol.journal:
        yield "give up", done._replace(given_up=True)
    elif protocol.fenced and world.intent == 1 - number and 1 - number not in world.cut_off:
        yield "overtaken", done
    elif protocol.repeats and not world.refused:
        yield "suspect", ended._replace(refused=True)
    else:
        older = [row.refresh for row in world.rows if row.refresh < process.asking]
        if older:
            again = process._replace(step="read", asking=older[-1], attempt=process.attempt + 1)
            yield "next older", _with(world, number, again)
        else:
            yield "give up", ended._replace(given_up=True)


def _faults_of(protocol: Protocol, world: World, number: int, process: Process) -> Iterator[Move]:
    if process.step == "waiting" and (world.faults or number in world.owed):
        free = number in world.owed
        late = world._replace(owed=world.owed - {number}) if free else _befallen(world, "timeout")
        if protocol.repeats:
            again = process._replace(step="read", attempt=process.attempt + 1)
            yield "timeout", _with(late, number, again)
        else:
            yield "timeout", _let_go(_with(late, number, Process(attempt=process.attempt + 1)), number)
    if world.faults and process.step != "idle":
        dead = _with(_befallen(world, "crash"), number, Process(attempt=process.attempt + 1))
        left = THE_DEAD if dead.intent == number else dead.intent
        dead = dead._replace(owed=dead.owed - {number}, cut_off=dead.cut_off - {number}, intent=left)
        yield "crash", dead if protocol.lock == "lease" else _let_go(dead, number)


def _cut_off(protocol: Protocol, world: World, number: int, process: Process) -> Iterator[Move]:
    """Its sessions end while it lives: its lock is gone, and so is what says that it lives; both can be had again."""
    if protocol.lock != "death":
        return
    if number in world.cut_off:
        back = world._replace(cut_off=world.cut_off - {number})
        if protocol.fenced and process.step == "intended":
            # What it kept may be another's by now: it is kept anew, if all still is as it was.
            back = _with(back, number, process._replace(step="read"))
        yield "come back", back
    elif world.faults and process.step != "idle":
        yield "cut off", _let_go(_befallen(world, "cut off")._replace(cut_off=world.cut_off | {number}), number)


def _provider(mode: Mode, world: World) -> Iterator[Move]:
    for sent in world.requests:
        issuer, pair = refreshed(mode, world.issuer, sent.refresh)
        rest = world._replace(requests=world.requests - {sent})
        answer = Answered(sent.process, sent.attempt, pair)
        yield "the provider answers", rest._replace(issuer=issuer, answers=world.answers | {answer})
        if world.faults and pair is not None:
            wrong = Answered(sent.process, sent.attempt, None)
            yield "wrong refusal", _befallen(rest._replace(answers=world.answers | {wrong}), "wrong refusal")
        if world.faults and _is_awaited(world, sent.process, sent.attempt):
            yield "request lost", _befallen(rest, "request lost")._replace(owed=world.owed | {sent.process})


def _network(world: World) -> Iterator[Move]:
    for answer in world.answers:
        rest = world._replace(answers=world.answers - {answer})
        if not _is_awaited(world, answer.process, answer.attempt):
            yield "nobody waits for an answer", rest
            continue
        process = world.processes[answer.process]
        step: Step = "refused" if answer.pair is None else "received"
        arrived = _with(rest, answer.process, process._replace(step=step, got=answer.pair))
        yield "answer", arrived
        if world.faults:
            yield "answer lost", _befallen(rest, "answer lost")._replace(owed=world.owed | {answer.process})


def _lease(protocol: Protocol, world: World) -> Iterator[Move]:
    if protocol.lock != "lease" or world.holder < 0:
        return
    if world.processes[world.holder].step == "idle":
        yield "a dead holder's lease ends", world._replace(holder=-1)
    elif world.faults:
        yield "lease stolen", _befallen(world, "lease stolen")._replace(holder=-1)


# --- parts of moves


def _intended(world: World, number: int, process: Process) -> World:
    others = tuple(
        one._replace(read=(one.read[0], OVERWRITTEN)) if one.read[1] == number else one for one in world.processes
    )
    kept = process._replace(step="intended", read=(process.read[0], number))
    return _with(world._replace(processes=others, intent=number), number, kept)


def _kept(protocol: Protocol, world: World, number: int, pair: Pair | None) -> World:
    assert pair is not None
    rows = (*world.rows, pair) if protocol.journal else (pair,)
    return _without_intent(protocol, world, number)._replace(rows=rows, expired=False, refused=False)


def _without_intent(protocol: Protocol, world: World, number: int) -> World:
    """Its intent is ended; without fencing whosoever's it is."""
    return world._replace(intent=NOBODY) if world.intent == number or not protocol.fenced else world


def _in_use(mode: Mode, world: World, pair: Pair | None) -> World:
    assert pair is not None
    return world._replace(issuer=used(mode, world.issuer, pair.access))


def _without_spent(world: World, pair: Pair | None) -> World:
    """Rows older than one that was used: to ask with what it was made from could only be taken for a theft."""
    places = [place for place, row in enumerate(world.rows) if row == pair]
    return world._replace(rows=world.rows[places[-1] :]) if places else world


def _with(world: World, number: int, process: Process) -> World:
    return world._replace(
        processes=tuple(process if one == number else other for one, other in enumerate(world.processes))
    )


def _held(protocol: Protocol, world: World, number: int) -> World:
    return world if protocol.lock == "none" else world._replace(holder=number)


def _let_go(world: World, number: int) -> World:
    return world._replace(holder=-1) if world.holder == number else world


def _befallen(world: World, fault: str) -> World:
    return world._replace(faults=world.faults - 1, befell=world.befell | {fault})


def _is_awaited(world: World, number: int, attempt: int) -> bool:
    process = world.processes[number]
    return process.step == "waiting" and process.attempt == attempt
