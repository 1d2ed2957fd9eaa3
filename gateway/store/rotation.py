"""Rotation of the encryption keys: bring everything that is sealed under the ring's primary key.

Every data key is wrapped anew, and what a key of the ring still seals by itself, from before there were data keys, is
sealed again under its connection's. It goes on while gateways serve: one transaction for a few connections at a time,
each locked as any other writer locks it. What a transaction did stays done, so a rotation that was killed is begun
again where it ended, and one that finds nothing to do writes nothing. Last come the tokens that this host had to spool;
those of another host are put into the database, or sealed anew, there.

Every gateway must have the new key in its ring before the first value is sealed under it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contract.errors import Problem
from gateway.store import tables
from gateway.store.audit import HEAD
from gateway.store.database import Database
from gateway.store.keys import field_of_row
from gateway.store.seal import BY_THE_RING, CannotOpen, head_of, key_id_of
from gateway.store.spool import Spool
from gateway.store.vault import Owner, Vault

_LISTED = 200
_BATCH = 20
_HEADS_READ = 1_000

Progress = Callable[[int, int], None]
"""Told how much is done, of how much."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of sealed values, and for which field the value of a row is sealed."""

    column: Column[Any]
    field: Callable[[Row[Any]], str]

    @property
    def primary_key(self) -> Sequence[Column[Any]]:
        """What tells the rows of its table apart."""
        return list(self.column.table.primary_key.columns)


OF_CONNECTIONS = (
    Sealed(tables.credentials.c.sealed, lambda row: f"credentials.{row.field}"),
    Sealed(tables.tokens.c.sealed_value, lambda row: f"tokens.{row.seq}.value"),
    Sealed(tables.tokens.c.sealed_refresh_token, lambda row: f"tokens.{row.seq}.refresh_token"),
    Sealed(tables.attempts.c.sealed_evidence, lambda _: "attempts.evidence"),
    Sealed(tables.attempts.c.sealed_answer, lambda _: "attempts.answer"),
    Sealed(tables.authorizations.c.sealed_verifier, lambda _: "authorizations.verifier"),
)
"""What belongs to a connection and is sealed under its data key."""

OF_NOBODY = (
    Sealed(tables.attempts.c.sealed_evidence, lambda _: "attempts.evidence"),
    Sealed(tables.attempts.c.sealed_answer, lambda _: "attempts.answer"),
    Sealed(tables.api_keys.c.sealed_digest, field_of_row),
    Sealed(tables.audit_head.c.sealed, lambda _: HEAD),
)
"""What belongs to no connection and is sealed by the ring."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many data keys were wrapped anew, how many values sealed anew, and how many could not be opened."""

    wrapped: int = 0
    sealed: int = 0
    unopened: int = 0

    def __add__(self, other: "Rotated") -> "Rotated":
        return Rotated(self.wrapped + other.wrapped, self.sealed + other.sealed, self.unopened + other.unopened)


class Rotation:
    """Brings what is sealed under the ring's primary key, and tells which keys are in use."""

    def __init__(self, database: Database, vault: Vault, spool: Spool) -> None:
        self._database = database
        self._spool = spool
        self._vault = vault
        self._ring = vault.ring

    @property
    def primary(self) -> str:
        """The id of the key that everything is brought under."""
        return self._ring.primary

    async def run(self, progress: Progress | None = None) -> Rotated:
        """Do all there is to do. Raises ``storage_unavailable``; what was done until then stays done."""
        total = await self._left()
        done, found, last = 0, Rotated(), ""
        while ids := await self._stale_connections(last):
            for batch in (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH)):
                async with self._database.writing() as transaction:
                    found += await self._rotate_connections(transaction, batch)
                done += len(batch)
                if progress is not None:
                    progress(done, max(done, total))
            last = ids[-1]
        for one in OF_NOBODY:
            found += await self._rotate_ownerless(one)
        sealed, unopened = await asyncio.to_thread(self._spool.reseal)
        found += Rotated(sealed=sealed, unopened=unopened)
        if found != Rotated():
            await self._database.sweep()
        return found

    async def in_use(self) -> Mapping[str, int]:
        """How many values each key of a ring still seals, by its id: also of keys that are in this ring no more."""
        counted = await asyncio.to_thread(self._spool.in_use)
        for column in (
            tables.connections.c.sealed_key,
            *dict.fromkeys(one.column for one in OF_CONNECTIONS + OF_NOBODY),
        ):
            counted.update(await self._counted(column))
        return dict(counted)

    async def _counted(self, column: Column[Any]) -> Counter[str]:
        counted: Counter[str] = Counter()
        async with self._database.reading() as transaction:
            for id in self._ring.ids:
                counted[id] = await _count(transaction, column, _begins(column, head_of(id)))
            strange = [_by_the_ring(column), *(~_begins(column, head_of(id)) for id in self._ring.ids)]
            # Of keys that are gone there is little as a rule; of more than is read here the rest shows the next time.
            heads = select(func.substr(column, 1, 34, type_=column.type)).where(*strange).limit(_HEADS_READ)
            counted.update(key_id_of(head) or "" for head in (await transaction.scalars(heads)).all())
        return counted

    async def _left(self) -> int:
        async with self._database.reading() as transaction:
            return await _count(transaction, tables.connections.c.id, self._is_stale())

    async def _stale_connections(self, after: str) -> Sequence[str]:
        column = tables.connections.c.id
        query = select(column).where(column > after, self._is_stale()).order_by(column).limit(_LISTED)
        return [row[0] for row in await self._database.rows(query)]

    def _is_stale(self) -> ColumnElement[bool]:
        """A connection's data key is wrapped by an older key, or something of it is not sealed under its data key."""
        wrapped = ~_begins(tables.connections.c.sealed_key, head_of(self._ring.primary))
        children = (
            tables.connections.c.id.in_(select(one.column.table.c.connection_id).where(_by_the_ring(one.column)))
            for one in OF_CONNECTIONS
        )
        return or_(wrapped, *children)

    async def _rotate_connections(self, transaction: AsyncConnection, ids: Sequence[str]) -> Rotated:
        table, found = tables.connections, Rotated()
        # Not "for update" in full: that would wait for, and hold up, whoever only adds a row that refers to one.
        query = select(table).where(table.c.id.in_(ids)).order_by(table.c.id).with_for_update(key_share=True)
        owners: dict[str, Owner] = {}
        for row in (await transaction.execute(query)).all():
            owner = self._vault.connection(row)
            if owner.data_key is None:
                found += Rotated(unopened=1)
                continue
            owners[owner.id] = owner
            if key_id_of(row.sealed_key) != self._ring.primary:
                wrapped = self._vault.wrapped(owner)
                await transaction.execute(update(table).where(table.c.id == owner.id).values(sealed_key=wrapped))
                found += Rotated(wrapped=1)
        for one in OF_CONNECTIONS:
            found += await self._reseal_all(transaction, one, owners)
        return found

    async def _reseal_all(self, transaction: AsyncConnection, one: Sealed, owners: Mapping[str, Owner]) -> Rotated:
        found, table = Rotated(), one.column.table
        query = select(table).where(table.c.connection_id.in_(list(owners)), _by_the_ring(one.column))
        for row in (await transaction.execute(query)).all():
            found += await self._reseal(transaction, one, row, owners[row.connection_id])
        return found

    async def _reseal(self, transaction: AsyncConnection, one: Sealed, row: Row[Any], owner: Owner) -> Rotated:
        before: bytes = row._mapping[one.column.name]
        try:
            after = self._vault.seal(owner, one.field(row), self._vault.open(owner, one.field(row), before))
        except Problem:
            return Rotated(unopened=1)
        return await _replace(transaction, one, row, before, after)

    async def _rotate_ownerless(self, one: Sealed) -> Rotated:
        """A column of what the ring seals by itself, a few rows at a time."""
        found, (key,) = Rotated(), one.primary_key
        stale = [_by_the_ring(one.column), ~_begins(one.column, head_of(self._ring.primary))]
        if "connection_id" in one.column.table.c:
            stale.append(one.column.table.c.connection_id.is_(None))
        last: list[ColumnElement[bool]] = []
        while True:
            query = select(one.column.table).where(*stale, *last).order_by(key).limit(_BATCH)
            rows = await self._database.rows(query)
            if not rows:
                return found
            async with self._database.writing() as transaction:
                for row in rows:
                    found += await self._reseal_ownerless(transaction, one, row)
            last = [key > rows[-1]._mapping[key.name]]

    async def _reseal_ownerless(self, transaction: AsyncConnection, one: Sealed, row: Row[Any]) -> Rotated:
        before: bytes = row._mapping[one.column.name]
        place = {"tenant": row._mapping.get("tenant", ""), "connection": "", "field": one.field(row)}
        try:
            after = self._ring.seal(self._ring.open(before, **place), **place)
        except CannotOpen:
            return Rotated(unopened=1)
        return await _replace(transaction, one, row, before, after)


async def _replace(transaction: AsyncConnection, one: Sealed, row: Row[Any], before: bytes, after: bytes) -> Rotated:
    """Replace a value, unless somebody else has done so meanwhile: theirs is newer."""
    same = [column == row._mapping[column.name] for column in one.primary_key]
    done = await transaction.execute(
        update(one.column.table).where(*same, one.column == before).values({one.column.name: after})
    )
    return Rotated(sealed=done.rowcount)


async def _count(transaction: AsyncConnection, column: Column[Any], which: ColumnElement[bool]) -> int:
    return await transaction.scalar(select(func.count()).select_from(column.table).where(which)) or 0


def _begins(column: Column[Any], head: bytes) -> ColumnElement[bool]:
    return func.substr(column, 1, len(head), type_=column.type) == literal(head, column.type)


def _by_the_ring(column: Column[Any]) -> ColumnElement[bool]:
    return _begins(column, bytes((BY_THE_RING,)))
