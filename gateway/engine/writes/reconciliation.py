"""Finding out what became of a write whose answer never came.

An attempt of unknown fate is looked for after half a second, two, five, and so on; the times are kept with it, so a
schedule survives whoever began it. Who looks first moves the next check ahead, so that one node looks at a time; were
two to look all the same, no harm is done: looking changes nothing, and whoever first sees the end writes it down.

- one trace of it: ``applied``, with the answer that the first request would have had
- no trace, in a look begun ``zombie`` after it was sent: ``not_executed``; a request still on its way would be a marvel
- several traces, or nothing that could tell: ``manual``, with what was seen. Sending it again is never tried blindly.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Literal, Protocol
from urllib.parse import quote

from cachetools import LRUCache

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.models import instant_text
from gateway.engine.call import Answer
from gateway.engine.observe import Observer, stumbled
from gateway.engine.storage import Attempt, Attempts
from gateway.engine.writes.evidence import open_problem, record_id_of, seal_answer, seal_problem

CHECKS = (0.5, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0)
"""Seconds before each look, after the one before it; the last holds for all that follow."""
PATIENCE = 0.1
"""Of how long nobody knows already, the share that is waited before the next look, where that is more than on schedule:
a connection whose owner went away is looked at ever more rarely."""
RARELY = 3600.0
ABSURD = timedelta(seconds=RARELY + 600)
"""Nobody puts a check off for so long but by a clock that was ahead: then it is due."""
ZOMBIE = timedelta(minutes=5)
"""How long after it was sent a request may still be carried out, unless configured otherwise."""
LOOK_DEADLINE = 20.0
WRITINGS = 5
"""How often an end that is known is written over the looks that others begin meanwhile."""
LEASE_OVER = 2.0
"""Seconds beyond the end of a look for which it keeps others from looking."""
KEPT_FOR = timedelta(hours=72)
"""How long an attempt is known, with its answer, which is somebody's data; forgotten it is though nobody asks."""
FORGET_EVERY = 60.0
FORGOTTEN_AT_ONCE = 1_000
"""How many are forgotten at a time: who writes meanwhile waits for no more."""
OWED = 1_000
"""Ends that could not be written down, and are kept in memory until they can."""
SWEEP_EVERY = 1.0
AT_ONCE = 8
"""How many attempts one sweep looks for at the same time."""
IN_DOUBT = "Polder cannot tell whether this happened: look before you repeat it."


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look found. ``answer`` where it was applied; ``candidates`` are ids of records that it may have made."""

    kind: Literal["applied", "absent", "ambiguous", "blind"]
    answer: Answer | None = None
    candidates: tuple[str, ...] = ()


class Inspector(Protocol):
    """Looks for what an attempt did (``gateway.engine.writes.inspection``)."""

    async def look(self, attempt: Attempt, deadline: float) -> Finding:
        """One look. Raises ``Problem`` where nothing can be seen just now."""

    async def let_go(self, attempt: Attempt) -> None:
        """No record came of it, or none is there any more: give back what was held for one."""


class Retention:
    """Since when attempts are known.

    What is forgotten is forgotten for good, and a repeat of it is carried out again. So a clock that leaps ahead, for a
    moment perhaps, takes no attempt with it: here no more time passes than twice what the stopwatch says. One that was
    put right catches up in as long as it was behind.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._now, self._looked_at = clock.now(), clock.monotonic()

    def since(self) -> datetime:
        """Whoever began before is forgotten."""
        looked_at = self._clock.monotonic()
        latest = self._now + timedelta(seconds=2 * (looked_at - self._looked_at))
        self._now, self._looked_at = min(self._clock.now(), latest), looked_at
        return self._now - KEPT_FOR


class Reconciliation:
    """Looks after attempts of unknown fate."""

    def __init__(
        self, attempts: Attempts, clock: Clock, observer: Observer, inspector: Inspector, zombie: timedelta = ZOMBIE
    ) -> None:
        self._attempts = attempts
        self._clock = clock
        self._observer = observer
        self._inspector = inspector
        self._zombie = zombie
        self._inspected: set[bytes] = set()
        self._owed: LRUCache[bytes, Callable[[], Awaitable[object]]] = LRUCache(OWED)
        self.retention = Retention(clock)
        # Not at once: a machine that starts may be about to be told the time.
        self._forgets_at = clock.monotonic() + FORGET_EVERY

    def doubted(self, attempt: Attempt, problem: Problem | None) -> Attempt:
        """The attempt from the moment on that nobody knows its fate; the first look is soon."""
        now = self._clock.now()
        return replace(
            attempt,
            state="unknown",
            status=504 if problem is None else problem.kind.status,
            answer=None if problem is None else seal_problem(problem),
            next_check_at=now + timedelta(seconds=CHECKS[0]),
            sent_at=attempt.sent_at or now,
        )

    async def look(self, attempt: Attempt, deadline: float) -> Attempt | None:
        """Look once, and give the attempt as it now is; None where somebody else looks already, or carries it out."""
        if attempt.id in self._inspected or attempt.id in self._owed:
            return None
        self._inspected.add(attempt.id)
        try:
            return await self._look(attempt, deadline)
        finally:
            self._inspected.discard(attempt.id)

    async def _look(self, attempt: Attempt, deadline: float) -> Attempt | None:
        began = self._clock.now()
        allowed = min(deadline - self._clock.monotonic(), LOOK_DEADLINE)
        over = began + timedelta(seconds=max(0.0, allowed) + LEASE_OVER)
        leased = replace(attempt, state="unknown", next_check_at=over)
        if not await self._attempts.replace(attempt, leased):
            return None
        try:
            finding = await self._inspector.look(leased, self._clock.monotonic() + allowed)
        except Exception:
            # A system that cannot be seen now, or an adapter that trips: it stays unknown, and is looked at again.
            finding = None
        after = self._concluded(leased, finding, began)
        if after.next_check_at is None and finding is not None and finding.kind == "absent":
            await self._inspector.let_go(leased)
        return await self._written_down(leased, after)

    async def _written_down(self, leased: Attempt, after: Attempt) -> Attempt | None:
        """Keep what was seen; the attempt as it now is, None where it is carried out again or known no more.

        Where another look began meanwhile, an end that was seen is an end all the same: were it thrown away, looks that
        take longer than a caller's patience could undo each other for as long as somebody asks.
        """
        before = leased
        for _ in range(WRITINGS):
            if await self._attempts.replace(before, after):
                return after
            found = await self._attempts.find(leased.id)
            if found is None or found.run != leased.run:
                return None
            if found.state != "unknown" or after.state not in ("applied", "not_executed"):
                return found
            before = found
        return before

    def owe(self, id: bytes, settle: Callable[[], Awaitable[object]]) -> None:
        """The end of that attempt was told and could not be written down: ``settle`` does it once the store takes it.

        To look for it instead might find nothing any more: others may have changed or deleted the record since.
        """
        self._owed[id] = settle

    async def settled(self, id: bytes) -> bool:
        """Write down the end of that attempt where it is owed; whether that was done."""
        settle = self._owed.get(id)
        if settle is not None:
            with suppress(Problem):
                await settle()
                return self._owed.pop(id, None) is not None
        return False

    async def settle(self) -> None:
        """Write down the ends that are owed, as far as the store takes them."""
        for id in list(self._owed):
            await self.settled(id)

    async def sweep(self) -> int:
        """Look after everything that is due, a bounded number at a time; how many that were."""
        now = self._clock.now()
        due = await self._attempts.due(now, AT_ONCE, absurd=now + ABSURD)
        await asyncio.gather(*(self._looked_after(attempt) for attempt in due))
        await self._forget()
        return len(due)

    async def _forget(self) -> None:
        if self._clock.monotonic() < self._forgets_at:
            return
        forgotten = await self._attempts.forget(self.retention.since(), FORGOTTEN_AT_ONCE)
        self._forgets_at = self._clock.monotonic() + (FORGET_EVERY if forgotten < FORGOTTEN_AT_ONCE else 0)

    async def watch(self, *, own_only: bool = False) -> None:
        """Sweep every second, until this is cancelled: a look that is cut short is made again by whoever comes next.

        With ``own_only`` no more than what nobody else can do: the ends that this process owes.
        A store that cannot be reached is tried again: what is due stays due. Nor does anything else that fails end it.
        """
        while True:
            try:
                await self.settle()
                swept = 0 if own_only else await self.sweep()
            except Problem:
                swept = 0
            except Exception as error:
                swept = 0
                stumbled(error)
            if swept < AT_ONCE:
                await asyncio.sleep(SWEEP_EVERY)

    async def _looked_after(self, attempt: Attempt) -> None:
        if attempt.state == "claimed" and attempt.evidence is None:
            # Its owner is gone and nothing was ever sent: the key is free for whoever repeats it.
            ended = replace(attempt, state="not_executed", next_check_at=None, resolved_at=self._clock.now())
            await self._attempts.replace(attempt, ended)
            return
        await self.look(attempt, self._clock.monotonic() + LOOK_DEADLINE)

    def _concluded(self, attempt: Attempt, finding: Finding | None, began: datetime) -> Attempt:
        now = self._clock.now()
        checked = replace(attempt, checks=attempt.checks + 1)
        if finding is None:
            return replace(checked, next_check_at=self._next(checked))
        if finding.kind == "applied" and finding.answer is not None:
            self._observer.reconciled(attempt.operation, "recovered")
            return replace(
                checked,
                state="applied",
                status=finding.answer.status,
                record_id=record_id_of(finding.answer),
                answer=seal_answer(finding.answer),
                evidence=None,
                next_check_at=None,
                resolved_at=now,
            )
        known = _kept_problem(attempt).outcome == "applied"
        over = finding.kind != "absent" or began >= self._dead_at(attempt)
        if over and known and finding.kind != "ambiguous":
            # The system said that it was done; only what came after went wrong, and that is what is told.
            return replace(checked, state="applied", evidence=None, next_check_at=None, resolved_at=now)
        if finding.kind in ("ambiguous", "blind"):
            return self._given_up(checked, finding)
        if over:
            self._observer.reconciled(attempt.operation, "not_executed")
            ended = replace(checked, state="not_executed", answer=None, evidence=None)
            return replace(ended, next_check_at=None, resolved_at=now)
        return replace(checked, next_check_at=self._next(checked))

    def _given_up(self, attempt: Attempt, finding: Finding) -> Attempt:
        self._observer.reconciled(attempt.operation, "duplicate" if finding.kind == "ambiguous" else "manual")
        problem = _kept_problem(attempt)
        if finding.kind == "ambiguous":
            problem.detail = f"{IN_DOUBT} Several records may have come of it."
        problem.extra = {**problem.extra, "candidates": list(finding.candidates)}
        return replace(
            attempt,
            state="manual",
            answer=seal_problem(problem),
            next_check_at=None,
            resolved_at=self._clock.now(),
        )

    def _dead_at(self, attempt: Attempt) -> datetime:
        return (attempt.sent_at or attempt.created_at) + self._zombie

    def _next(self, attempt: Attempt) -> datetime:
        """When to look again: on schedule, and once more at the moment after which it cannot happen any more."""
        now = self._clock.now()
        delay = CHECKS[min(attempt.checks, len(CHECKS) - 1)]
        dead = self._dead_at(attempt)
        if now < dead:
            return min(now + timedelta(seconds=delay), dead)
        age = (now - (attempt.sent_at or attempt.created_at)).total_seconds()
        return now + timedelta(seconds=min(RARELY, max(delay, PATIENCE * age)))


def in_doubt(attempt: Attempt, now: datetime, headers: Mapping[str, str]) -> Problem:
    """What a caller is told of a write whose fate nobody knows: where to ask, and when Polder looks again."""
    problem = _kept_problem(attempt)
    extra: dict[str, str | None] = {"state": attempt.state, "next_check_at": None}
    if attempt.connection_id is not None:
        extra["operation"] = f"/v1/connections/{attempt.connection_id}/operations/{quote(attempt.key, safe='')}"
    if attempt.next_check_at is not None:
        extra["next_check_at"] = instant_text(attempt.next_check_at)
        problem.retry_after = max(1, ceil((attempt.next_check_at - now).total_seconds()))
    problem.extra = {**problem.extra, **extra}
    problem.headers = {**problem.headers, **headers}
    return problem


def _kept_problem(attempt: Attempt) -> Problem:
    if attempt.answer is not None:
        return open_problem(attempt.answer, {})
    return Problem("upstream_timeout", f"Polder stopped while it carried this out. {IN_DOUBT}", outcome="unknown")
