"""A write happens once (contract §6), whatever is lost on the way and whoever dies.

Every attempt is claimed before anything is sent, marked as sending before the first byte leaves, and settled with its
answer. The same key and body get the first answer again; another body is refused, and so is a repeat while the first
still runs. What surely was not sent, or was answered 429, gives the key back. Where the fate is unknown Polder looks
(``reconciliation``): first within the time of the caller who waits, then on a schedule. A repeat looks too before
anything is sent again.
"""

import contextlib
import hashlib
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid5

from gateway.contract.clock import Clock
from gateway.contract.errors import FieldError, Problem
from gateway.contract.exact import dumps
from gateway.contract.models import instant_text
from gateway.contract.upstream import Request
from gateway.engine.call import Answer, Call
from gateway.engine.owner import Owner
from gateway.engine.signing import Signer
from gateway.engine.stop_signal import StopSignal
from gateway.engine.storage import Attempt, Attempts, AttemptState
from gateway.engine.writes.evidence import Evidence, holds_problem, open_answer, record_id_of, seal_answer, seal_problem
from gateway.engine.writes.reconciliation import CHECKS, WRITINGS, Reconciliation, in_doubt

GRACE = timedelta(seconds=3)
"""How long after its deadline an attempt may still be ended by its owner: to write down an answer. Should that take
longer, nothing is lost: the look that comes then finds what was done."""
LOOK_TIME = 1.0
"""Seconds that must be left of a caller's time for a look to be worth beginning."""
_CREATION = UUID("6b1f5a52-1d0e-4c55-9d0c-5a0f6a6f2c11")
"""Namespace of creation keys made from idempotency keys."""
KEY_PATTERN = "[!-~]{1,255}"
"""Visible ASCII: what a header can hold without quotes."""
_KEY = re.compile(KEY_PATTERN)
_REPLAYED = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True, slots=True)
class KeyedWrite:
    """A write and its key. ``repeatable``: the system itself sees to it that a repeat does nothing twice.

    ``older`` are its fingerprints under encryption keys that were replaced.
    ``outlives``: its attempt is kept although its connection is deleted, as by this very write. ``generated`` where the
    caller gave no key: it is then told the one that was made for it. ``call`` is what is needed
    of the call to tell later what came of it.
    """

    tenant: str
    connection_id: str | None
    operation: str
    key: str
    fingerprint: bytes
    older: tuple[bytes, ...] = ()
    repeatable: bool = False
    generated: bool = False
    outlives: bool = False
    call: Mapping[str, Any] = field(default_factory=dict)

    def id(self) -> bytes:
        """A digest of whose attempt it is."""
        return fingerprint_of(self.tenant, self.connection_id or "", self.operation, self.key)

    def creation_key(self) -> UUID:
        """The same for every repeat of it."""
        return uuid5(_CREATION, f"{self.id().hex()}{self.fingerprint.hex()}")


def fingerprint_of(*parts: str | bytes) -> bytes:
    """A digest of some texts, each in its own bounds."""
    digest = hashlib.sha256()
    for part in parts:
        text = part.encode() if isinstance(part, str) else part
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.digest()


def is_key(text: str) -> bool:
    """Whether text may be an idempotency key."""
    return _KEY.fullmatch(text) is not None


def key_of(header: str | None) -> str | None:
    """The key of a request; quoted as the draft standard has it, or bare. Raises ``validation_failed``."""
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not is_key(key):
        message = "`Idempotency-Key` has 1 to 255 visible ASCII characters."
        raise Problem("validation_failed", message, errors=[FieldError("Idempotency-Key", "invalid", message)])
    return key


class Run:
    """One carrying out of a named write, by one owner."""

    def __init__(self, attempts: Attempts, clock: Clock, write: KeyedWrite, attempt: Attempt) -> None:
        self._attempts = attempts
        self._clock = clock
        self._write = write
        self.attempt = attempt
        self.creation_key = write.creation_key()
        self._doubted: Attempt | None = None

    async def take_over(self, before: Attempt) -> bool:
        """Carry it out in the place of an earlier attempt; False where somebody else was faster.

        One that is in doubt stays so until something of this one leaves: what it sent may have been done.
        """
        self.attempt = replace(self.attempt, record_id=before.record_id)
        if before.state == "unknown":
            self._doubted = before
            self.attempt = replace(self.attempt, sent_at=before.sent_at, evidence=before.evidence, answer=before.answer)
        return await self._attempts.replace(before, self.attempt)

    async def reserve_id(self, id: str) -> str:
        """The id of what is about to be made here, written down durably before it is; of a repeat that of the attempt
        before, which may have made it and not have come to say so.

        Raises ``idempotency_in_progress`` as ``sending`` does.
        """
        if self.attempt.record_id is not None:
            return self.attempt.record_id
        await self._advance(replace(self.attempt, record_id=id))
        return id

    async def sending(self, request: Request, notes: Mapping[str, str], creation_key: UUID) -> None:
        """The first byte is about to leave: write down, durably, what to look for should no answer come.

        Raises ``idempotency_in_progress`` where another owner took over, who must have thought this one dead.
        """
        evidence = Evidence(self._write.call, creation_key, request, notes)
        await self._advance(
            replace(self.attempt, state="sending", sent_at=self._clock.now(), evidence=evidence.sealed())
        )

    async def _advance(self, after: Attempt) -> None:
        """Write down what comes next, as long as nobody else carries it out.

        One whose clock is ahead may have taken this process for gone before its time: nothing was sent, and it is here.
        """
        until = self.attempt.next_check_at
        in_time = until is not None and self._clock.now() < until
        if not await self._written(after, lambda found: in_time and found.state == "not_executed"):
            raise _in_progress()
        self.attempt = after

    async def _written(self, after: Attempt, over: Callable[[Attempt], bool]) -> bool:
        """Write it down, where need be ``over`` what others came to meanwhile.

        False where another carries it out by now, or it is known no more.
        """
        before = self.attempt
        for _ in range(WRITINGS):
            if await self._attempts.replace(before, after):
                return True
            found = await self._attempts.find(after.id)
            if found is None or found.run != after.run or not over(found):
                break
            before = found
        return False

    async def settle(self, state: AttemptState, **fields: Any) -> bool:
        """Write down how it ended; False where another carries it out by now, or it is known no more.

        Who was answered knows better than whoever looked meanwhile: one whose clock is ahead looks too soon, and may
        take what is still on its way for what was never done.
        """
        over = {"resolved_at": self._clock.now(), "next_check_at": None, "evidence": None}
        ended = replace(self.attempt, state=state, **{**over, **fields})
        settled = await self._written(ended, lambda _: True)
        self.attempt = ended
        return settled

    async def release(self) -> Attempt | None:
        """Nothing was sent: give the key back, or the attempt in doubt that this one took over; that, if it did."""
        if self._doubted is None:
            await self._attempts.release(self.attempt)
            return None
        next_check_at = self._clock.now() + timedelta(seconds=CHECKS[0])
        doubted = replace(self._doubted, run=self.attempt.run, next_check_at=next_check_at)
        with contextlib.suppress(Problem):  # until it can be written down, the attempt that took it over holds it
            await self._attempts.replace(self.attempt, doubted)
        return doubted


Work = Callable[[Run], Awaitable[Answer]]


class Idempotency:
    """Sees to it that a write happens once."""

    def __init__(
        self,
        attempts: Attempts,
        clock: Clock,
        reconciliation: Reconciliation,
        rng: random.Random,
        signer: Signer,
        owner: Owner,
    ) -> None:
        self._attempts = attempts
        self._owner = owner
        self._signer = signer
        self._clock = clock
        self._reconciliation = reconciliation
        self._random = rng
        self._stopping = StopSignal(clock)

    def drain(self) -> None:
        """The process is about to end: nobody waits any longer to find something out here; the sweep does it."""
        self._stopping.set()

    def keyed(self, call: Call, body: bytes, *, repeatable: bool = False, company_id: str | None = None) -> KeyedWrite:
        """The write as its caller named it, or as we name it where the caller did not; and whose books it goes to."""
        key = key_of(call.headers.get("idempotency-key"))
        # A rehearsal and what it rehearses have the same creation key. Equal words on two connections are equal,
        # for where both reach the same books a record may have come of either; whose they are says the attempt's id.
        pairs = (
            *sorted(pair for pair in call.path.items() if pair[0] != "connection_id"),
            *sorted(pair for pair in call.query if pair[0] != "dry_run"),
        )
        digest = fingerprint_of(*(f"{name}={value}" for name, value in pairs), body)
        of_connection = call.operation.resource == "connections"
        # Of credentials no digest is kept that others can compute: who reads it could try passwords until one fits.
        fingerprint, *older = self._signer.signatures(digest) if of_connection else (digest,)
        call_parts = {"path": dict(call.path), "query": call.query}
        of_record = call.operation.resource not in ("connections", "raw")
        return KeyedWrite(
            tenant=call.caller.tenant,
            connection_id=call.path.get("connection_id"),
            operation=call.operation.name,
            key=key or self._generated_key(),
            fingerprint=fingerprint,
            older=tuple(older),
            repeatable=repeatable,
            generated=key is None,
            call={**call_parts, "body": body.decode(), "company_id": company_id} if of_record else {},
        )

    def _generated_key(self) -> str:
        return f"polder-{self._random.getrandbits(128):032x}"

    async def once(self, write: KeyedWrite, work: Work, deadline: float) -> Answer:
        """Do the work, or give the answer it had before. Raises ``Problem`` as the work does, or did."""
        if not write.generated:
            return await self._once(write, work, deadline)
        header = {"Idempotency-Key": write.key}
        try:
            answer = await self._once(write, work, deadline)
        except Problem as problem:
            problem.headers = {**problem.headers, **header}
            raise
        return replace(answer, headers={**answer.headers, **header})

    async def _once(self, write: KeyedWrite, work: Work, deadline: float) -> Answer:
        now = self._clock.now()
        left = timedelta(seconds=max(0.0, deadline - self._clock.monotonic()))
        attempt = Attempt(
            id=write.id(),
            tenant=write.tenant,
            connection_id=None if write.outlives else write.connection_id,
            operation=write.operation,
            key=write.key,
            fingerprint=write.fingerprint,
            run=f"{self._owner.name} {self._random.getrandbits(128):032x}",
            state="claimed",
            created_at=now,
            next_check_at=now + left + GRACE,
        )
        run = Run(self._attempts, self._clock, write, attempt)
        await self._reconciliation.settled(attempt.id)
        before = await self._attempts.claim(attempt, forget_before=self._reconciliation.retention.since())
        if before is not None:
            answer = await self._earlier_answer(write, run, before, deadline)
            if answer is not None:
                return answer
        return await self._carry_out(run, work, deadline)

    async def replayed(self, write: KeyedWrite) -> Answer | None:
        """The answer an earlier attempt ended with; None where there is none. For what a success makes unreachable."""
        before = await self._attempts.find(write.id())
        if before is None or before.state != "applied" or before.created_at < self._reconciliation.retention.since():
            return None
        _refuse_other(write, before)
        return None if before.answer is None else open_answer(before.answer, _REPLAYED)

    async def _earlier_answer(self, write: KeyedWrite, run: Run, before: Attempt, deadline: float) -> Answer | None:
        """The answer of an earlier attempt; None where this one is carried out in its place."""
        _refuse_other(write, before)
        overdue = before.next_check_at is not None and before.next_check_at <= run.attempt.created_at
        # Who is taken for dead and lives finds out before anything leaves, as whoever is late does.
        overdue = overdue or self._owner.is_gone(before.run.partition(" ")[0])
        if before.state in ("claimed", "sending") and not overdue:
            raise _in_progress()
        if before.state in ("sending", "unknown") or (before.state == "claimed" and before.evidence is not None):
            inspected = await self._reconciliation.look(before, deadline)
            if inspected is None:
                raise _in_progress()
            before = inspected
        if before.state in ("claimed", "not_executed") or (before.state == "unknown" and write.repeatable):
            if await run.take_over(before):
                return None
            raise _in_progress()
        if before.answer is None or (before.state in ("unknown", "manual") and holds_problem(before.answer)):
            raise in_doubt(before, self._clock.now(), _REPLAYED)
        return open_answer(before.answer, _REPLAYED)

    async def _carry_out(self, run: Run, work: Work, deadline: float) -> Answer:
        try:
            answer = await work(run)
        except Problem as problem:
            if problem.outcome in (None, "not_sent"):
                doubted = await run.release()
                if doubted is not None:
                    raise in_doubt(doubted, self._clock.now(), _REPLAYED) from problem
                raise
            if problem.outcome == "rejected":
                await self._end(run, "rejected", status=problem.kind.status, answer=seal_problem(problem))
                raise
            return await self._resolved(run, problem, deadline)
        except Exception:
            with contextlib.suppress(Problem):  # a repeat of the key, or the sweep, finds it still sending, and looks
                if run.attempt.state == "claimed":
                    await run.release()
                else:
                    await self._doubt(run, None)
            raise
        if answer.status == 429:  # the system's own, handed through: nothing was done
            await run.release()
            return answer
        state: AttemptState = "applied" if answer.status < 400 else "rejected" if answer.status < 500 else "manual"
        await self._end(run, state, status=answer.status, answer=seal_answer(answer), record_id=record_id_of(answer))
        return answer

    async def _end(self, run: Run, state: AttemptState, **fields: Any) -> None:
        """Write down how it ended, or have it written down as soon as the store takes it: that it cannot be now is no
        reason to tell anything else than what happened.
        """
        settle = partial(run.settle, state, resolved_at=self._clock.now(), **fields)
        try:
            await settle()
        except Problem:
            self._reconciliation.owe(run.attempt.id, settle)

    async def _doubt(self, run: Run, problem: Problem | None) -> Attempt:
        """Nobody knows whether it happened: from here on Polder looks."""
        attempt = self._reconciliation.doubted(run.attempt, problem)
        await self._attempts.replace(run.attempt, attempt)
        return attempt

    async def _resolved(self, run: Run, problem: Problem, deadline: float) -> Answer:
        """What the write came to, if that shows while its caller can wait; else the problem, saying what is known."""
        try:
            attempt = await self._await_finding(run, problem, deadline)
        except Problem:
            raise problem from None  # nothing can be written down or read: what is known is told
        if attempt.state == "applied" and attempt.answer is not None:
            return open_answer(attempt.answer, {})
        raise in_doubt(attempt, self._clock.now(), {}) from problem

    async def _await_finding(self, run: Run, problem: Problem, deadline: float) -> Attempt:
        attempt = await self._doubt(run, problem)
        while attempt.state == "unknown" and attempt.next_check_at is not None:
            wait = (attempt.next_check_at - self._clock.now()).total_seconds()
            if self._clock.monotonic() + wait + LOOK_TIME > deadline:
                break
            if not await self._stopping.slept(max(0.0, wait)):
                break
            inspected = await self._reconciliation.look(attempt, deadline)
            if inspected is None:  # another node looks
                break
            attempt = inspected
        return attempt

    async def status(self, tenant: str, connection_id: str, key: str) -> bytes:
        """What became of a write, by its key: the body of an answer. Raises ``not_found``."""
        attempt = await self._attempts.newest(tenant, connection_id, key)
        if attempt is not None and await self._reconciliation.settled(attempt.id):
            attempt = await self._attempts.newest(tenant, connection_id, key)
        if attempt is None or attempt.created_at < self._reconciliation.retention.since():
            raise Problem("not_found", "No write of this key is known; they are kept for 72 hours.")
        under_way = attempt.state in ("claimed", "sending")
        return dumps(
            {
                "key": attempt.key,
                "operation": attempt.operation,
                "state": "in_progress" if under_way else attempt.state,
                "status": attempt.status,
                "record_id": attempt.record_id,
                "created_at": instant_text(attempt.created_at),
                "resolved_at": None if attempt.resolved_at is None else instant_text(attempt.resolved_at),
                "next_check_at": None if attempt.next_check_at is None else instant_text(attempt.next_check_at),
            }
        )


def _refuse_other(write: KeyedWrite, before: Attempt) -> None:
    if before.fingerprint not in (write.fingerprint, *write.older):
        raise Problem("idempotency_mismatch", "This idempotency key was used for another body. Use a new key.")


def _in_progress() -> Problem:
    return Problem("idempotency_in_progress", "The first request of this key still runs.", retry_after=1)
