"""Writes by their idempotency keys (``gateway.engine.storage.Attempts``).

What is sealed of them is sealed under the data key of their connection; of a write that has none, by the ring itself.
"""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.storage import Attempt, Backlog
from gateway.store import tables
from gateway.store.database import Database
from gateway.store.vault import Vault

CLAIMS = 5
"""How often a key that is taken, and free again when one looks whose it is, is tried before its connection is thought
gone."""
_SEALED = ("evidence", "answer")
_PLAIN = tuple(column.name for column in tables.attempts.columns if not column.name.startswith("sealed_"))
_SENT = ("sending", "unknown")
_UNSETTLED = ("claimed", *_SENT)


# These are executed by every write, or read. Written once, with the values beside them, they take half the time.
_CLAIMED = insert(tables.attempts)
_SENDING = select(tables.attempts.c.run).where(
    # Only what is looked after has a next check, and that has an index; a connection's may be ever so many.
    tables.attempts.c.next_check_at > bindparam("now"),
    func.coalesce(tables.attempts.c.connection_id, "") == bindparam("of_id"),
    tables.attempts.c.operation.in_(bindparam("operations", expanding=True)),
    tables.attempts.c.state == "sending",
)
_REPLACED = update(tables.attempts).where(
    tables.attempts.c.id == bindparam("seen_id"),
    tables.attempts.c.run == bindparam("seen_run"),
    tables.attempts.c.state == bindparam("seen_state"),
    # It may be null, which equals nothing. PostgreSQL uses no index for this, so the others are compared as they are.
    tables.attempts.c.next_check_at.is_not_distinct_from(bindparam("seen_next_check_at")),
)


class SqlAttempts:
    """Attempts by a digest of whose they are; the primary key makes a claim atomic, on any number of nodes."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def claim(self, attempt: Attempt, *, forget_before: datetime) -> Attempt | None:
        """Keep a new one, if there is none of its id that began since ``forget_before``: None, or the one there is."""
        for _ in range(CLAIMS):
            if await self._insert(attempt):
                return None
            # The one there is may be given back before it is read: then it is this one's turn again.
            found = await self.find(attempt.id)
            if found is not None and found.created_at >= forget_before:
                return found
            if found is not None:
                await self.release(found)
        raise Problem("not_found", "The connection is gone.")

    async def _insert(self, attempt: Attempt) -> bool:
        try:
            async with self._database.writing() as transaction:
                await transaction.execute(_CLAIMED, await self._row(transaction, attempt))
        except IntegrityError:
            return False
        return True

    async def replace(self, before: Attempt, after: Attempt) -> bool:
        """Keep ``after`` if run, state and next check are still those of ``before``; False where they are not."""
        seen = {
            "seen_id": before.id,
            "seen_run": before.run,
            "seen_state": before.state,
            "seen_next_check_at": before.next_check_at,
        }
        async with self._database.writing() as transaction:
            done = await transaction.execute(_REPLACED, await self._row(transaction, after) | seen)
        return done.rowcount > 0

    async def release(self, attempt: Attempt) -> None:
        """Forget this run of one: nothing was sent."""
        columns = tables.attempts.c
        which = (columns.id == attempt.id) & (columns.run == attempt.run)
        async with self._database.writing() as transaction:
            await transaction.execute(delete(tables.attempts).where(which))

    async def forget(self, before: datetime, limit: int) -> int:
        """Forget what began before that, the oldest first, so many at most; how many that were."""
        columns = tables.attempts.c
        old = select(columns.id).where(columns.created_at < before).order_by(columns.created_at).limit(limit)
        # Nobody is waited for: another node forgets some of it too, or whoever ends a connection.
        forgotten = delete(tables.attempts).where(columns.id.in_(old.with_for_update(skip_locked=True)))
        async with self._database.writing() as transaction:
            return (await transaction.execute(forgotten)).rowcount

    async def due(self, now: datetime, limit: int, *, absurd: datetime) -> Sequence[Attempt]:
        """Unsettled attempts whose next check is due, or, once sent, was put off beyond ``absurd``; earliest first."""
        columns = tables.attempts.c
        put_off = (columns.next_check_at > absurd) & columns.state.in_(_SENT)
        query = (
            select(tables.attempts)
            .where((columns.next_check_at <= now) | put_off, columns.state.in_(_UNSETTLED))
            .order_by(columns.next_check_at, columns.id)
            .limit(limit)
        )
        found: list[Attempt] = []
        async with self._database.reading() as transaction:
            rows = (await transaction.execute(query)).all()
            while rows:
                for row in rows:
                    with contextlib.suppress(Problem):  # one whose key is not here holds up no other
                        found.append(await self._attempt(transaction, row))
                if len(found) >= limit or len(rows) < limit:
                    break
                seen = tuple_(columns.next_check_at, columns.id) > (rows[-1].next_check_at, rows[-1].id)
                rows = (await transaction.execute(query.where(seen))).all()
        return found[:limit]

    async def others(self, attempt: Attempt, record_ids: Sequence[str]) -> Sequence[Attempt]:
        """The other attempts at the same operation on the same books that made one of some records, or say the same."""
        columns, own, other = tables.attempts.c, tables.connections.alias(), tables.connections.alias()
        same_books = (other.c.id == own.c.id) | (
            (other.c.provider == own.c.provider) & (other.c.company_id == own.c.company_id)
        )
        reaching = select(other.c.id).where(own.c.id == attempt.connection_id, same_books)
        query = select(*(columns[name] for name in _PLAIN)).where(
            columns.connection_id.in_(reaching),
            columns.operation == attempt.operation,
            columns.id != attempt.id,
            columns.record_id.in_(record_ids) | (columns.fingerprint == attempt.fingerprint),
        )
        rows = await self._database.rows(query)
        return [Attempt(**row._mapping) for row in rows]

    async def sending(self, connection_id: str, operations: Sequence[str], now: datetime) -> Sequence[str]:
        """The runs of those at these operations whose owner may be at it ``now``, after something was sent."""
        given = {"now": now, "of_id": connection_id, "operations": operations}
        return [row.run for row in await self._database.rows(_SENDING, given)]

    async def unknown(self) -> Mapping[str, Backlog]:
        """Those of unknown fate since they were sent, by provider; one without any is left out."""
        provider, columns = tables.connections.c.provider, tables.attempts.c
        query = (
            select(provider, func.count(), func.min(func.coalesce(columns.sent_at, columns.created_at)))
            .join_from(tables.attempts, tables.connections)
            # Only what is looked after has a next check, and that has an index.
            .where(columns.next_check_at.is_not(None), columns.state == "unknown")
            .group_by(provider)
        )
        rows = await self._database.rows(query)
        return {name: Backlog(count, since) for name, count, since in rows}

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

    async def find(self, id: bytes) -> Attempt | None:
        """The one of that id."""
        async with self._database.reading() as transaction:
            found = await transaction.execute(select(tables.attempts).where(tables.attempts.c.id == id))
            row = found.one_or_none()
            return None if row is None else await self._attempt(transaction, row)

    async def _row(self, transaction: AsyncConnection, attempt: Attempt) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(f"sealed_{name}" for name in _SEALED)
        row |= {name: getattr(attempt, name) for name in _PLAIN}
        secrets = {name: secret for name in _SEALED if (secret := getattr(attempt, name)) is not None}
        # What is about a connection that is gone meanwhile is kept no more, as the attempt itself is not.
        owner = await self._vault.owner(transaction, attempt.tenant, attempt.connection_id) if secrets else None
        if owner is not None:
            row |= {f"sealed_{name}": self._vault.seal(owner, f"attempts.{name}", one) for name, one in secrets.items()}
        return row

    async def _attempt(self, transaction: AsyncConnection, row: Row[Any]) -> Attempt:
        fields = dict(row._mapping)
        sealed = {name: fields.pop(f"sealed_{name}") for name in _SEALED}
        opened: dict[str, Secret | None] = dict.fromkeys(_SEALED)
        if any(sealed.values()):
            owner = await self._vault.owner(transaction, fields["tenant"], fields["connection_id"])
            for name, text in sealed.items():
                if owner is not None and text is not None:
                    opened[name] = self._vault.open(owner, f"attempts.{name}", text)
        return Attempt(**{**fields, **opened})
