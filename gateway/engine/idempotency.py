"""The same write, sent again: `Idempotency-Key` (contract §6).

An attempt is claimed before anything is sent, and settled with its answer. The same key and body get the first answer
again; another body is refused, and so is a repeat while the first still runs. What surely was not sent, or was answered
429, gives the key back. An attempt whose fate is unknown is carried out again only where the system itself recognises
it by our creation key; elsewhere the caller is told the same again, rather than an invoice booked twice.
"""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from gateway.contract.clock import Clock
from gateway.contract.errors import FieldError, Problem, UpstreamFault
from gateway.contract.exact import dumps, loads
from gateway.contract.models import instant_text
from gateway.contract.secret import Secret
from gateway.engine.call import Answer
from gateway.engine.storage import Attempt, Attempts, AttemptState

KEPT_FOR = timedelta(hours=72)
ABANDONED_AFTER = timedelta(minutes=5)
"""After which an attempt that never ended is taken for one whose process died, and its fate for unknown."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_REPLAYED = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True, slots=True)
class Named:
    """A write as its caller named it, and whether the system would recognise a repeat of it by itself."""

    tenant: str
    connection_id: str | None
    operation: str
    key: str
    fingerprint: bytes
    repeatable: bool = False

    def id(self) -> bytes:
        """A digest of whose attempt it is."""
        return fingerprint_of(self.tenant, self.connection_id or "", self.operation, self.key)


def fingerprint_of(*parts: str | bytes) -> bytes:
    """A digest of some texts, each in its own bounds."""
    digest = hashlib.sha256()
    for part in parts:
        text = part.encode() if isinstance(part, str) else part
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.digest()


def key_of(header: str | None) -> str | None:
    """The key of a request; quoted as the draft standard has it, or bare. Raises ``validation_failed``."""
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not _KEY.fullmatch(key):
        message = "`Idempotency-Key` has 1 to 255 visible ASCII characters."
        raise Problem("validation_failed", message, errors=[FieldError("Idempotency-Key", "invalid", message)])
    return key


class Idempotency:
    """Sees to it that a named write happens once."""

    def __init__(self, attempts: Attempts, clock: Clock) -> None:
        self._attempts = attempts
        self._clock = clock

    async def once(self, named: Named, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do the work, or give the answer it had before. Raises ``Problem`` as the work does, or did."""
        now = self._clock.now()
        attempt = Attempt(
            id=named.id(),
            tenant=named.tenant,
            connection_id=named.connection_id,
            operation=named.operation,
            key=named.key,
            fingerprint=named.fingerprint,
            state="in_progress",
            created_at=now,
        )
        before = await self._attempts.claim(attempt, forget_before=now - KEPT_FOR)
        if before is not None:
            answer = await self._answer_again(named, attempt, before)
            if answer is not None:
                return answer
        return await self._carry_out(attempt, work)

    async def _answer_again(self, named: Named, attempt: Attempt, before: Attempt) -> Answer | None:
        """The answer of an earlier attempt; None where this one may be carried out in its place."""
        if before.fingerprint != named.fingerprint:
            raise Problem("idempotency_mismatch", "This idempotency key was used for another body. Use a new key.")
        state = before.state
        if state == "in_progress" and before.created_at + ABANDONED_AFTER <= attempt.created_at:
            state = "unknown"
        if state == "in_progress":
            raise Problem("idempotency_in_progress", "The first request of this key still runs.", retry_after=1)
        if state == "unknown" and named.repeatable:
            if await self._attempts.take_over(attempt, began=before.created_at):
                return None
            raise Problem("idempotency_in_progress", "The first request of this key still runs.", retry_after=1)
        if before.answer is None:
            raise Problem(
                "upstream_timeout",
                "Polder stopped while it carried this out: nobody knows whether it happened. Look before you repeat.",
                outcome="unknown",
                headers=_REPLAYED,
            )
        return _read(before.answer)

    async def _carry_out(self, attempt: Attempt, work: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            answer = await work()
        except Problem as problem:
            if problem.outcome in (None, "not_sent") or problem.kind.status == 429:
                await self._attempts.release(attempt.id)
            else:
                state: AttemptState = "unknown" if problem.outcome == "unknown" else "rejected"
                if problem.outcome == "applied":
                    state = "applied"
                await self._settle(attempt, state, problem.kind.status, _write_problem(problem))
            raise
        except Exception:
            await self._settle(attempt, "unknown", 500, None)
            raise
        state = "applied" if answer.status < 400 else "rejected"
        await self._settle(attempt, state, answer.status, _write(answer), _record_id(answer))
        return answer

    async def _settle(
        self, attempt: Attempt, state: AttemptState, status: int, answer: Secret | None, record_id: str | None = None
    ) -> None:
        settled = replace(
            attempt, state=state, status=status, answer=answer, record_id=record_id, resolved_at=self._clock.now()
        )
        await self._attempts.settle(settled)

    async def tell(self, tenant: str, connection_id: str, key: str) -> bytes:
        """What became of a write, by its key: the body of an answer. Raises ``not_found``."""
        attempt = await self._attempts.newest(tenant, connection_id, key)
        if attempt is None or attempt.created_at < self._clock.now() - KEPT_FOR:
            raise Problem("not_found", "No write of this key is known; they are kept for 72 hours.")
        resolved = attempt.resolved_at if attempt.state not in ("in_progress", "unknown") else None
        return dumps(
            {
                "key": attempt.key,
                "operation": attempt.operation,
                "state": attempt.state,
                "status": attempt.status,
                "record_id": attempt.record_id,
                "created_at": instant_text(attempt.created_at),
                "resolved_at": None if resolved is None else instant_text(resolved),
                "next_check_at": None,
            }
        )


def _record_id(answer: Answer) -> str | None:
    if answer.media_type != "application/json" or not answer.body:
        return None
    said = loads(answer.body)
    id = said.get("id") if isinstance(said, dict) else None
    return id if isinstance(id, str) else None


def _write(answer: Answer) -> Secret:
    kept = {
        "status": answer.status,
        "media_type": answer.media_type,
        "headers": dict(answer.headers),
        "body": base64.b64encode(answer.body).decode(),
    }
    return Secret(dumps({"answer": kept}).decode())


def _write_problem(problem: Problem) -> Secret:
    kept = {
        "code": problem.code,
        "detail": problem.detail,
        "errors": [asdict(error) for error in problem.errors],
        "upstream": None if problem.upstream is None else asdict(problem.upstream),
        "outcome": problem.outcome,
        "retry_after": problem.retry_after,
        "extra": dict(problem.extra),
        "headers": dict(problem.headers),
    }
    return Secret(dumps({"problem": kept}).decode())


def _read(kept: Secret) -> Answer:
    """The answer as it was, saying that it is not new; a problem is raised again."""
    said: dict[str, Any] = loads(kept.reveal())
    if "problem" in said:
        problem = said["problem"]
        upstream = problem["upstream"]
        raise Problem(
            **{
                **problem,
                "errors": [FieldError(**error) for error in problem["errors"]],
                "upstream": None if upstream is None else UpstreamFault(**upstream),
                "headers": {**problem["headers"], **_REPLAYED},
            }
        )
    answer = said["answer"]
    body = base64.b64decode(answer["body"])
    return Answer(answer["status"], body, answer["media_type"], {**answer["headers"], **_REPLAYED})
