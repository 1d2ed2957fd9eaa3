"""Writes that callers named with an idempotency key (``gateway.engine.storage.Attempts``)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.storage import Attempt
from gateway.store import tables
from gateway.store.database import Database
from gateway.store.seal import CannotOpen, KeyRing

_FIELD = "attempts.answer"


class SqlAttempts:
    """Attempts by a digest of whose they are; the primary key makes a claim atomic, on any number of nodes."""

    def __init__(self, database: Database, ring: KeyRing) -> None:
        self._database = database
        self._ring = ring

    async def claim(self, attempt: Attempt, *, forget_before: datetime) -> Attempt | None:
        """Keep a new one, if there is none of its id that began since ``forget_before``: None, or the one there is."""
        table = tables.attempts
        try:
            async with self._database.writing() as transaction:
                await transaction.execute(delete(table).where(table.c.created_at < forget_before))
                await transaction.execute(insert(table).values(self._row(attempt)))
        except IntegrityError:
            found = await self._find(attempt.id)
            if found is None:
                raise Problem("not_found", "The connection is gone.") from None
            return found
        return None

    async def settle(self, attempt: Attempt) -> None:
        """Replace what is kept of one."""
        table = tables.attempts
        async with self._database.writing() as transaction:
            await transaction.execute(update(table).where(table.c.id == attempt.id).values(self._row(attempt)))

    async def take_over(self, attempt: Attempt, *, began: datetime) -> bool:
        """Replace the one of that id that began then; False where somebody else did so first."""
        table = tables.attempts
        which = (table.c.id == attempt.id) & (table.c.created_at == began)
        async with self._database.writing() as transaction:
            done = await transaction.execute(update(table).where(which).values(self._row(attempt)))
        return done.rowcount > 0

    async def release(self, id: bytes) -> None:
        """Forget one: nothing was sent."""
        async with self._database.writing() as transaction:
            await transaction.execute(delete(tables.attempts).where(tables.attempts.c.id == id))

    async def newest(self, tenant: str, connection_id: str, key: str) -> Attempt | None:
        """The last one of that key on a connection."""
        columns = tables.attempts.c
        query = (
            select(tables.attempts)
            .where(columns.tenant == tenant, columns.connection_id == connection_id, columns.key == key)
            .order_by(columns.created_at.desc(), columns.id)
            .limit(1)
        )
        async with self._database.reading() as transaction:
            row = (await transaction.execute(query)).one_or_none()
        return None if row is None else self._attempt(row)

    async def _find(self, id: bytes) -> Attempt | None:
        async with self._database.reading() as transaction:
            found = await transaction.execute(select(tables.attempts).where(tables.attempts.c.id == id))
            row = found.one_or_none()
        return None if row is None else self._attempt(row)

    def _row(self, attempt: Attempt) -> dict[str, Any]:
        plain = [name for name in tables.attempts.columns.keys() if name != "sealed_answer"]  # noqa: SIM118 - no dict
        sealed = None
        if attempt.answer is not None:
            sealed = self._ring.seal(
                attempt.answer.reveal().encode(),
                tenant=attempt.tenant,
                connection=attempt.connection_id or "",
                field=_FIELD,
            )
        return {**{name: getattr(attempt, name) for name in plain}, "sealed_answer": sealed}

    def _attempt(self, row: Row[Any]) -> Attempt:
        fields = dict(row._mapping)
        sealed = fields.pop("sealed_answer")
        answer = None if sealed is None else self._opened(fields["tenant"], fields["connection_id"], sealed)
        return Attempt(**fields, answer=answer)

    def _opened(self, tenant: str, connection_id: str | None, sealed: bytes) -> Secret:
        try:
            plaintext = self._ring.open(sealed, tenant=tenant, connection=connection_id or "", field=_FIELD)
        except CannotOpen as error:
            detail = "A kept answer cannot be opened with Polder's encryption keys."
            raise Problem("storage_unavailable", detail) from error
        return Secret(plaintext.decode())
