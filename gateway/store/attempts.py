"""Writes that callers named with an idempotency key (``gateway.engine.storage.Attempts``).

An answer is sealed under the data key of its connection; that of a write that has none yet, by the ring itself.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contract.errors import Problem
from gateway.engine.storage import Attempt
from gateway.store import tables
from gateway.store.database import Database
from gateway.store.vault import Vault

_FIELD = "attempts.answer"


class SqlAttempts:
    """Attempts by a digest of whose they are; the primary key makes a claim atomic, on any number of nodes."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def claim(self, attempt: Attempt, *, forget_before: datetime) -> Attempt | None:
        """Keep a new one, if there is none of its id that began since ``forget_before``: None, or the one there is."""
        table = tables.attempts
        try:
            async with self._database.writing() as transaction:
                await transaction.execute(delete(table).where(table.c.created_at < forget_before))
                await transaction.execute(insert(table).values(await self._row(transaction, attempt)))
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
            row = await self._row(transaction, attempt)
            await transaction.execute(update(table).where(table.c.id == attempt.id).values(row))

    async def take_over(self, attempt: Attempt, *, began: datetime) -> bool:
        """Replace the one of that id that began then; False where somebody else did so first."""
        table = tables.attempts
        which = (table.c.id == attempt.id) & (table.c.created_at == began)
        async with self._database.writing() as transaction:
            row = await self._row(transaction, attempt)
            done = await transaction.execute(update(table).where(which).values(row))
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
            return None if row is None else await self._attempt(transaction, row)

    async def _find(self, id: bytes) -> Attempt | None:
        async with self._database.reading() as transaction:
            found = await transaction.execute(select(tables.attempts).where(tables.attempts.c.id == id))
            row = found.one_or_none()
            return None if row is None else await self._attempt(transaction, row)

    async def _row(self, transaction: AsyncConnection, attempt: Attempt) -> dict[str, Any]:
        plain = [name for name in tables.attempts.columns.keys() if name != "sealed_answer"]  # noqa: SIM118 - no dict
        sealed = None
        if attempt.answer is not None:
            owner = await self._vault.owner(transaction, attempt.tenant, attempt.connection_id)
            # An answer about a connection that is gone meanwhile is kept no more, as the attempt itself is not.
            sealed = None if owner is None else self._vault.seal(owner, _FIELD, attempt.answer)
        return {**{name: getattr(attempt, name) for name in plain}, "sealed_answer": sealed}

    async def _attempt(self, transaction: AsyncConnection, row: Row[Any]) -> Attempt:
        fields = dict(row._mapping)
        sealed = fields.pop("sealed_answer")
        owner = None
        if sealed is not None:
            owner = await self._vault.owner(transaction, fields["tenant"], fields["connection_id"])
        return Attempt(**fields, answer=None if owner is None else self._vault.open(owner, _FIELD, sealed))
