"""How a write is answered: shown where it is a dry run, else done once, in its turn, and told truthfully."""

from contextlib import suppress
from uuid import UUID

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.models.base import Shape
from gateway.engine.call import Answer
from gateway.engine.inputs import read_body
from gateway.engine.outbound.opener import Noted, Opener
from gateway.engine.outbound.upstream import Outbound
from gateway.engine.records.id_changes import CHANGING_IDS, IdChanges
from gateway.engine.records.links import LinkBooks
from gateway.engine.records.recording import Recording
from gateway.engine.task import Task
from gateway.engine.writes.dry_run import Captured, Rehearsal, Untouched, dry_answer, dry_run_of, language_of
from gateway.engine.writes.idempotency import Idempotency, Run
from gateway.engine.writes.writing import Writer


class Writes:
    """Answers writes."""

    def __init__(
        self,
        opener: Opener,
        books: LinkBooks,
        id_changes: IdChanges,
        idempotency: Idempotency,
        clock: Clock,
        *,
        noted: Noted,
    ) -> None:
        self._opener = opener
        self._books = books
        self._id_changes = id_changes
        self._idempotency = idempotency
        self._clock = clock
        self._noted = noted

    async def answer(self, task: Task) -> Answer:
        """What came of it. Raises ``Problem``, which says what became of the write."""
        body = read_body(task.operation, task.call.body)
        text = "" if body is None else body.model_dump_json(exclude_unset=True)
        write = self._idempotency.keyed(
            task.call,
            text.encode(),
            repeatable=task.operation.verb in task.resource.repeatable,
            company_id=task.connection.company_id,
        )
        if task.parameters.dry_run:
            return await self._rehearsed(task, body, write.creation_key())
        return await self._idempotency.once(write, lambda run: self._written(task, body, run), task.call.deadline)

    async def _rehearsed(self, task: Task, body: Shape | None, creation_key: UUID) -> Answer:
        """What the write would do (``dry_run=true``): no idempotency key is used up, and nothing is forgotten."""
        up = self._opener.for_task(task, Rehearsal)
        writer = Writer(up, self._recording(task, Untouched), task.provider.name)
        with suppress(Captured):
            await writer.write(task.call.path.get("id"), body, task.parameters, creation_key)
        language = language_of(task.call.headers)
        return dry_answer(dry_run_of(up, body, task.provider.origins, language), language)

    async def _written(self, task: Task, body: Shape | None, run: Run) -> Answer:
        id, operation = task.call.path.get("id"), task.operation
        if id is None or not task.resource.changes_ids:
            return await self._carried_out(task, body, run)
        recording = self._recording(task)
        return await self._id_changes.write_stable(
            (task.connection.id, operation.resource, id),
            run.attempt.run if operation.verb in CHANGING_IDS else None,
            lambda: self._carried_out(task, body, run),
            lambda: recording.theirs(id),
            lambda: task.call.deadline - self._clock.monotonic(),
        )

    async def _carried_out(self, task: Task, body: Shape | None, run: Run) -> Answer:
        up = self._opener.for_task(task, Outbound, before_write=run.sending)
        writer = Writer(up, self._recording(task), task.provider.name)
        async with self._books.ending(task.connection.id, lambda: up.fate != "not_sent"):
            try:
                written = await writer.write(task.call.path.get("id"), body, task.parameters, run.creation_key)
            except Problem as problem:
                await self._noted(task, up, problem)
                raise
        await self._noted(task, up, None)
        if task.operation.shape == "nothing":
            return Answer(task.operation.status, b"", None)
        return Answer(task.operation.status, written)

    def _recording(self, task: Task, kind: type[Recording] = Recording) -> Recording:
        return kind(self._books, task.connection.id, task.operation, task.resource)
