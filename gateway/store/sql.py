"""``gateway.engine.storage`` on a relational database, with SQLAlchemy's expressions and nothing of one product's own.

Every write is one transaction. What belongs to a connection is written with that connection's row locked, so that
writers of one connection take turns and nothing is kept for a connection that is gone (``not_found``).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import ColumnElement, bindparam, case, delete, func, insert, literal_column, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contract.auth import AccessToken
from gateway.contract.errors import Problem, not_found
from gateway.contract.models.connections import ConnectionStatus
from gateway.contract.secret import Secret
from gateway.engine.storage import Changing, LinkRow, LinkState, StoredConnection, StoredToken
from gateway.store import tables
from gateway.store.attempts import SqlAttempts
from gateway.store.audit import SqlAudit
from gateway.store.authorizations import SqlAuthorizations
from gateway.store.database import Database, sqlite_file
from gateway.store.key_check import prove_ring
from gateway.store.keys import SqlKeys
from gateway.store.locks import FileLocks, Locks, SessionLocks
from gateway.store.rotation import Rotation
from gateway.store.seal import KeyRing
from gateway.store.spool import Spool
from gateway.store.timing import UNMEASURED, Measuring
from gateway.store.tokens import SqlTokens, is_
from gateway.store.vault import Vault

# Whoever uses a connection executes these. Written once, with the values beside them, they take half the time.
_THOSE = select(tables.connections).where(tables.connections.c.id.in_(bindparam("ids", expanding=True)))
_CREDENTIALS = (
    select(tables.credentials.c.field, tables.credentials.c.sealed)
    .join(tables.connections, tables.connections.c.id == tables.credentials.c.connection_id)
    .where(
        tables.connections.c.id == bindparam("of_id"),
        tables.connections.c.credentials_version == bindparam("of_version"),
    )
    .order_by(tables.credentials.c.field)
)
_LINKS = (
    select(*(tables.links.c[name] for name in ("resource", "record_id", "field", "value", "claim")))
    .where(tables.links.c.connection_id == bindparam("of_id"))
    .order_by(tables.links.c.resource, tables.links.c.record_id, tables.links.c.field)
)

# A literal and no value beside the statement: to PostgreSQL two values are two expressions, and not one to group by.
_EFFECTIVE_STATUS = case(
    (tables.connections.c.suspended_at.is_not(None), literal_column("'suspended'")), else_=tables.connections.c.status
)
"""``StoredConnection.effective_status``."""


class SqlStorage:
    """All that is kept, in one database."""

    def __init__(self, database_url: str, ring: KeyRing, home: Path, measuring: Measuring = UNMEASURED) -> None:
        self._database = Database(database_url, measuring)
        file = sqlite_file(database_url)
        self._locks: Locks = SessionLocks(database_url) if file is None else FileLocks(file.parent / "locks")
        vault = self._vault = Vault(ring)
        spool = Spool(home / "spool", ring)
        self.tokens = SqlTokens(self._database, vault, self._locks, spool)
        self.connections = SqlConnections(self._database, vault, self.tokens)
        self.keys = SqlKeys(self._database, ring)
        self.audit = SqlAudit(self._database, ring)
        self.links = SqlLinks(self._database)
        self.authorizations = SqlAuthorizations(self._database, vault)
        self.attempts = SqlAttempts(self._database, vault)
        self.rotation = Rotation(self._database, vault, spool)

    async def check(self) -> None:
        """Prove that it can be written to, by writing. Raises ``storage_unavailable``."""
        async with self._database.writing() as transaction:
            await transaction.execute(update(tables.probe).values(writes=tables.probe.c.writes + 1))
        await self._database.resweep()

    async def prove(self) -> None:
        """Prove that it can be written to, and that what is kept opens here. Raises ``storage_unavailable``."""
        await self.check()
        await prove_ring(self._database, self._vault.ring)

    async def close(self) -> None:
        """Close every connection to the database."""
        await self._locks.close()
        await self._database.close()


class SqlConnections:
    """Connections with their sealed credentials."""

    def __init__(self, database: Database, vault: Vault, tokens: SqlTokens) -> None:
        self._database = database
        self._vault = vault
        self._tokens = tokens

    async def add(self, connection: StoredConnection, credentials: Mapping[str, Secret] | None) -> None:
        """Keep a new one, with its data key.

        Raises ``conflict`` where the tenant has another with its ``external_ref``.
        """
        counts = {"token_seq": 0, "credentials_version": connection.credentials_version}
        born = {"tenant": connection.tenant, **counts, "sealed_key": self._vault.wrapped(connection)}
        try:
            async with self._database.writing() as transaction:
                row = {"id": connection.id, **born, **_mutable(connection)}
                await transaction.execute(insert(tables.connections).values(row))
                await self._seal(transaction, connection, credentials or {})
        except IntegrityError as error:
            raise _taken(connection) from error

    async def find(self, id: str) -> StoredConnection | None:
        """The connection of that id, whoever's it is: the caller compares the tenant."""
        found = await self.those([id])
        return found[0] if found else None

    async def those(self, ids: Sequence[str]) -> Sequence[StoredConnection]:
        """The connections of those ids, in no order; what is not there is left out."""
        rows = await self._database.rows(_THOSE, {"ids": ids})
        return [self._vault.connection(row) for row in rows]

    async def page(
        self, tenant: str, *, offset: int, size: int, filters: Mapping[str, str], among: frozenset[str] | None
    ) -> tuple[Sequence[StoredConnection], int]:
        """A window of a tenant's connections, oldest first, and how many there are.

        ``filters`` may name external_ref, provider and status as told (``KeyError`` for others); ``among`` limits to
        some ids.
        """
        columns = tables.connections.c
        filterable = {"external_ref": columns.external_ref, "provider": columns.provider, "status": _EFFECTIVE_STATUS}
        wanted = [columns.tenant == tenant, *(filterable[name] == value for name, value in filters.items())]
        if among is not None:
            wanted.append(columns.id.in_(sorted(among)))
        query = select(tables.connections).where(*wanted).order_by(columns.created_at, columns.id)
        async with self._database.reading() as transaction:
            rows = (await transaction.execute(query.offset(offset).limit(size))).all()
            total = await transaction.scalar(select(func.count()).select_from(tables.connections).where(*wanted))
        return [self._vault.connection(row) for row in rows], total or 0

    async def census(self) -> Mapping[tuple[str, str], int]:
        """How many there are in all, by provider and status as told."""
        provider = tables.connections.c.provider
        query = select(provider, _EFFECTIVE_STATUS, func.count()).group_by(provider, _EFFECTIVE_STATUS)
        rows = await self._database.rows(query)
        return {(name, status): number for name, status, number in rows}

    async def change(self, connection: StoredConnection, changing: Changing) -> StoredConnection:
        """Keep what that makes of it as it is now, all but its credentials; nobody else changes it meanwhile.

        Raises ``conflict`` as ``add`` does, and ``not_found`` where it is gone.
        """
        async with self._database.writing() as transaction:
            return await self._change(transaction, connection, changing)

    async def amend(self, id: str, updated_at: datetime, *, status: ConnectionStatus, version: int) -> bool:
        """Replace its status, whatever else changed; False where it is gone, or its credentials were replaced.

        A connection that is active is no suspect any more. Every change has a moment of its own, after the last one's;
        to say again what is known is no change.
        """
        trusted = {"suspect_since": None, "refused_at": None} if status == "active" else {}
        table = tables.connections
        which = (table.c.id == id) & (table.c.credentials_version == version)
        query = select(table.c.status, table.c.updated_at).where(which).with_for_update()
        async with self._database.writing() as transaction:
            last = (await transaction.execute(query)).one_or_none()
            if last is None:
                return False
            moment = max(updated_at, last.updated_at + timedelta(microseconds=1))
            changed = {} if last.status == status else {"status": status, "updated_at": moment}
            if values := {**trusted, **changed}:
                await transaction.execute(update(table).where(which).values(values))
        return True

    async def replace_credentials(
        self,
        connection: StoredConnection,
        changing: Changing,
        credentials: Mapping[str, Secret],
        token: AccessToken | None = None,
        received_at: datetime | None = None,
    ) -> tuple[StoredConnection, StoredToken | None]:
        """Change it and keep these credentials instead of the old ones, and forget its tokens, in one step.

        An authorization under way ends too: what its owner gives by it was asked for before these.
        A token that came with them is the first of the new journal. Raises as ``change`` does.
        """
        fresh = {"credentials_version": tables.connections.c.credentials_version + 1}
        async with self._database.writing() as transaction:
            trusted = fresh | {"suspect_since": None, "refused_at": None}
            before = await self._change(transaction, connection, changing, trusted)
            changed = replace(before, credentials_version=before.credentials_version + 1)
            for table in (tables.credentials, tables.tokens, tables.intents, tables.authorizations):
                await transaction.execute(delete(table).where(table.c.connection_id == connection.id))
            await self._seal(transaction, changed, credentials)
            if token is None or received_at is None:
                return changed, None
            return changed, await self._tokens.write(transaction, changed, token, received_at)

    async def credentials(self, connection: StoredConnection) -> Mapping[str, Secret]:
        """Its credentials, of the version that it was read with; empty where there are none of that."""
        which = {"of_id": connection.id, "of_version": connection.credentials_version}
        rows = await self._database.rows(_CREDENTIALS, which)
        return {row.field: self._vault.open(connection, f"credentials.{row.field}", row.sealed) for row in rows}

    async def destroy(self, connection: StoredConnection) -> None:
        """Remove it with its credentials, tokens and links, beyond recovery. Nothing happens where it is gone.

        Its data key goes with it, so what was sealed for it opens in no copy either that has not the key too.
        """
        async with self._database.writing() as transaction:
            # What belongs to it goes with it: every such table refers to it with ON DELETE CASCADE.
            await transaction.execute(delete(tables.connections).where(is_(connection)))
        with suppress(Problem):  # it is gone all the same, and the next ``resweep`` leaves no trace of it
            await self._database.sweep()

    async def _change(
        self,
        transaction: AsyncConnection,
        connection: StoredConnection,
        changing: Changing,
        further: Mapping[str, Any] | None = None,
    ) -> StoredConnection:
        """Read it, make the change and write it, with its row locked."""
        found = await transaction.execute(select(tables.connections).where(is_(connection)).with_for_update())
        row = found.one_or_none()
        if row is None:
            _gone()
        current = self._vault.connection(row)
        changed = replace(changing(current), credentials_version=current.credentials_version)
        values = {**_mutable(changed), **(further or {})}
        try:
            await transaction.execute(update(tables.connections).where(is_(connection)).values(values))
        except IntegrityError as error:
            raise _taken(changed) from error
        return changed

    async def _seal(
        self, transaction: AsyncConnection, connection: StoredConnection, credentials: Mapping[str, Secret]
    ) -> None:
        rows = [
            {
                "connection_id": connection.id,
                "field": field,
                "sealed": self._vault.seal(connection, f"credentials.{field}", secret),
            }
            for field, secret in credentials.items()
        ]
        if rows:
            await transaction.execute(insert(tables.credentials), rows)


class SqlLinks:
    """What only Polder knows of records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, connection_id: str) -> Mapping[str, Sequence[LinkRow]]:
        """Everything known of a connection's records, by resource, and there by record and field."""
        rows = await self._database.rows(_LINKS, {"of_id": connection_id})
        found: dict[str, list[LinkRow]] = {}
        for resource, record_id, field, value, claim in rows:
            found.setdefault(resource, []).append(LinkRow(record_id, field, value, claim is not None))
        return found

    async def put(
        self, connection_id: str, resource: str, rows: Sequence[LinkRow], *, only_if: LinkState | None = None
    ) -> None:
        """Keep these, replacing what the same fields of the same records held.

        Raises ``conflict`` where a unique value belongs to another record of the resource or ``only_if`` is not so, and
        ``not_found`` where the connection is gone; then nothing is kept. Two records may swap their values in one call.
        """
        latest = {(row.record_id, row.field): row for row in rows}
        if not latest:
            return
        async with self._database.writing() as transaction:
            if not await _locked(transaction, connection_id):
                _gone()
            if only_if is not None and not await _is_so(transaction, connection_id, resource, only_if):
                raise Problem("conflict", f"The {only_if.field} of the record was changed by somebody else meanwhile.")
            await transaction.execute(delete(tables.links).where(*_in(connection_id, resource), _named(list(latest))))
            for row in latest.values():
                await _insert_link(transaction, connection_id, resource, row)

    async def rename(self, connection_id: str, resource: str, old_id: str, new_id: str) -> None:
        """Let everything known of one record be known of another id, in place of what that id held of the same fields.

        Raises ``not_found`` where the connection is gone.
        """
        columns = tables.links.c
        moved = select(columns.field).where(*_in(connection_id, resource), columns.record_id == old_id)
        async with self._database.writing() as transaction:
            if not await _locked(transaction, connection_id):
                _gone()
            fields = (await transaction.scalars(moved)).all()
            held = [*_in(connection_id, resource), columns.record_id == new_id, columns.field.in_(fields)]
            await transaction.execute(delete(tables.links).where(*held))
            theirs = [*_in(connection_id, resource), columns.record_id == old_id]
            await transaction.execute(update(tables.links).where(*theirs).values(record_id=new_id))

    async def remove(self, connection_id: str, resource: str, record_id: str, field: str | None = None) -> None:
        """Forget one field of a record, or all of it."""
        columns = tables.links.c
        which = [*_in(connection_id, resource), columns.record_id == record_id]
        if field is not None:
            which.append(columns.field == field)
        async with self._database.writing() as transaction:
            if await _locked(transaction, connection_id):
                await transaction.execute(delete(tables.links).where(*which))

    async def remove_if(self, connection_id: str, resource: str, state: LinkState) -> bool:
        """Forget all of a record if that is so of it; whether it was."""
        whole = [*_in(connection_id, resource), tables.links.c.record_id == state.record_id]
        async with self._database.writing() as transaction:
            await _locked(transaction, connection_id)
            if not await _is_so(transaction, connection_id, resource, state):
                return False
            await transaction.execute(delete(tables.links).where(*whole))
            return True


_MUTABLE = tuple(
    field.name
    for field in fields(StoredConnection)
    if field.name in tables.connections.columns and field.name not in ("id", "tenant", "credentials_version")
)
"""What a change keeps of a connection: not its id and tenant, which its secrets are bound to, nor its data key, nor
which credentials it has.

Whoever changes a connection does not know whether a rotation has wrapped its data key anew meanwhile.
"""


def _mutable(connection: StoredConnection) -> dict[str, Any]:
    return {name: getattr(connection, name) for name in _MUTABLE}


async def _locked(transaction: AsyncConnection, connection_id: str) -> bool:
    """Whether the connection is there; until the transaction ends, no other writes what belongs to it."""
    query = select(tables.connections.c.id).where(tables.connections.c.id == connection_id).with_for_update()
    return await transaction.scalar(query) is not None


def _in(connection_id: str, resource: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return tables.links.c.connection_id == connection_id, tables.links.c.resource == resource


def _named(fields: Sequence[tuple[str, str]]) -> ColumnElement[bool]:
    return tuple_(tables.links.c.record_id, tables.links.c.field).in_(fields)


async def _is_so(transaction: AsyncConnection, connection_id: str, resource: str, state: LinkState) -> bool:
    columns = tables.links.c
    which = [*_in(connection_id, resource), columns.record_id == state.record_id, columns.field == state.field]
    value: str | None = await transaction.scalar(select(columns.value).where(*which))
    return value == state.value


async def _insert_link(transaction: AsyncConnection, connection_id: str, resource: str, row: LinkRow) -> None:
    values = {
        "connection_id": connection_id,
        "resource": resource,
        "record_id": row.record_id,
        "field": row.field,
        "value": row.value,
        "claim": row.value if row.unique else None,
    }
    try:
        await transaction.execute(insert(tables.links).values(values))
    except IntegrityError as error:
        detail = f"The {row.field} {row.value!r} belongs to another record of {resource}."
        raise Problem("conflict", detail) from error


def _taken(connection: StoredConnection) -> Problem:
    if connection.external_ref is None:
        return Problem("conflict", f"There is a connection of id {connection.id!r} already.")
    return Problem("conflict", f"The external_ref {connection.external_ref!r} belongs to another connection.")


def _gone() -> NoReturn:
    not_found("The connection is gone.")
