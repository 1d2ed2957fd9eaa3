"""The audit log: who did what to a connection or key, and what came of it.

Who asks is known at the edge and told in a context variable, so that what lies between need not hand it on.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.storage import Audit, AuditEntry

OPERATOR = "operator"
OWNER = "owner"
DONE = "done"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks, by which request, from where; as ``AuditEntry`` has it."""

    actor: str
    request_id: str | None = None
    ip: str | None = None


_ORIGIN: ContextVar[Origin] = ContextVar("origin")
_COMMAND_LINE = Origin(OPERATOR)


@contextmanager
def on_behalf_of(origin: Origin) -> Iterator[None]:
    """Whatever is recorded while the block runs was asked by that one."""
    token = _ORIGIN.set(origin)
    try:
        yield
    finally:
        _ORIGIN.reset(token)


@dataclass(slots=True)
class Subject:
    """What is acted upon; what is made is named once it is there."""

    tenant: str | None
    object: str | None


class Auditor:
    """Writes the log."""

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock

    @asynccontextmanager
    async def recording(self, action: str, tenant: str | None, object: str | None = None) -> AsyncIterator[Subject]:
        """Record what the block does, and the code of the problem it ends in.

        What was done and cannot be recorded is told as ``storage_unavailable`` with the outcome ``applied``.
        """
        subject = Subject(tenant, object)
        try:
            yield subject
        except Exception as error:
            # The storage being away may be the very problem.
            with suppress(Problem):
                await self.record(action, subject, error.code if isinstance(error, Problem) else "internal_error")
            raise
        try:
            await self.record(action, subject, DONE)
        except Problem as problem:
            raise problem.as_outcome("applied") from None

    async def record(self, action: str, subject: Subject, outcome: str) -> None:
        """Record an action of whoever asks. Raises ``storage_unavailable``."""
        origin = _ORIGIN.get(_COMMAND_LINE)
        entry = AuditEntry(
            at=self._clock.now(),
            actor=origin.actor,
            action=action,
            outcome=outcome,
            tenant=subject.tenant,
            object=subject.object,
            request_id=origin.request_id,
            ip=origin.ip,
        )
        await self._audit.append(entry)
