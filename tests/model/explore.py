"""Breadth-first through every state that a protocol can come into, so that the first trace to a bad one is shortest."""

from collections import deque
from dataclasses import dataclass, field

from tests.model.issuers import Mode
from tests.model.protocol import Process, Protocol, World, is_lost, moves

MOST_STATES = 400_000


@dataclass
class Found:
    """What came of it. ``lost`` and ``false`` map the faults that led to a bad end to the shortest way there."""

    states: int = 0
    lost: dict[frozenset[str], list[str]] = field(default_factory=dict)
    false: dict[frozenset[str], list[str]] = field(default_factory=dict)
    """Given up although the provider would still take a token that is there."""

    @property
    def causes(self) -> set[frozenset[str]]:
        """The least sets of faults that lose a connection."""
        return _least(self.lost)


def explore(protocol: Protocol, mode: Mode, *, faults: int, lives: int, without: frozenset[str] = frozenset()) -> Found:
    """Every state within so many faults (of all kinds but some) and lifetimes. Raises where there are too many."""
    start = World(faults=faults, lives=lives)
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    waiting = deque([start])
    found = Found()
    while waiting:
        world = waiting.popleft()
        if is_lost(world):
            found.lost.setdefault(world.befell, _trace(came_from, world))
            continue
        if world.given_up:
            found.false.setdefault(world.befell, _trace(came_from, world))
            continue
        for name, after in moves(protocol, mode, world):
            if after.befell & without:
                continue
            plain = _plain(after)
            if plain not in came_from:
                came_from[plain] = world, name
                waiting.append(plain)
        assert len(came_from) < MOST_STATES, "too many states to look at"
    found.states = len(came_from)
    return found


def _plain(world: World) -> World:
    """The same, without what no longer makes a difference: answers nobody waits for, attempts nothing refers to."""
    processes = world.processes
    answers = frozenset(
        one
        for one in world.answers
        if processes[one.process].step == "waiting" and processes[one.process].attempt == one.attempt
    )
    requests = set(world.requests)
    for number, process in enumerate(processes):
        # Attempts only tell apart: what counts is their order among those that something still refers to.
        theirs = {process.attempt}
        theirs |= {one.attempt for one in requests if one.process == number}
        theirs |= {one.attempt for one in answers if one.process == number}
        rank = {attempt: place for place, attempt in enumerate(sorted(theirs))}
        requests = {one._replace(attempt=rank[one.attempt]) if one.process == number else one for one in requests}
        answers = frozenset(
            one._replace(attempt=rank[one.attempt]) if one.process == number else one for one in answers
        )
        processes = (*processes[:number], process._replace(attempt=rank[process.attempt]), *processes[number + 1 :])
    world = world._replace(requests=frozenset(requests))
    world = world._replace(answers=answers, processes=processes)
    return min(world, _swapped(world), key=_order)


def _swapped(world: World) -> World:
    """The same with the processes' numbers exchanged, which are only names."""
    return world._replace(
        processes=tuple(one._replace(read=(one.read[0], _other(one.read[1]))) for one in world.processes[::-1]),
        holder=world.holder if world.holder < 0 else 1 - world.holder,
        requests=frozenset(one._replace(process=1 - one.process) for one in world.requests),
        answers=frozenset(one._replace(process=1 - one.process) for one in world.answers),
        owed=frozenset(1 - one for one in world.owed),
        cut_off=frozenset(1 - one for one in world.cut_off),
        intent=_other(world.intent),
    )


def _other(number: int) -> int:
    """The other process, where that is one; nobody, or a dead one, stays."""
    return 1 - number if number in (0, 1) else number


def _order(world: World) -> tuple[tuple[str, int, int, tuple[int, ...]], ...]:
    return tuple(_key(process) for process in world.processes)


def _key(process: Process) -> tuple[str, int, int, tuple[int, ...]]:
    return process.step, process.asking, process.attempt, tuple(process.got or ())


def _trace(came_from: dict[World, tuple[World, str] | None], world: World) -> list[str]:
    names = []
    while (before := came_from[world]) is not None:
        world, name = before
        names.append(name)
    return names[::-1]


def _least(causes: dict[frozenset[str], list[str]]) -> set[frozenset[str]]:
    return {one for one in causes if not any(other < one for other in causes)}
