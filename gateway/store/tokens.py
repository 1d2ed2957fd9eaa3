"""The journal of tokens, the intents to ask for more, and what is known of refused credentials."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contract.auth import AccessToken
from gateway.contract.errors import Problem, not_found
from gateway.engine.storage import Backlog, Intent, Journal, StoredConnection, StoredToken, Suspicion
from gateway.store import tables
from gateway.store.database import Database
from gateway.store.locks import Locks
from gateway.store.spool import Spool, Spooled
from gateway.store.vault import Vault

_KEPT = 4
"""Tokens of a connection that are kept."""
_TRIES = 100
_POLL_S = 0.01
"""A spooled file is sealed anew in as long as it takes to write one."""
_IN_USE = ("active", "pending")


class SqlTokens:
    """The journal of the tokens of every connection (``gateway.engine.storage.Tokens``): only ever added to."""

    def __init__(self, database: Database, vault: Vault, locks: Locks, spool: Spool) -> None:
        self._database = database
        self._vault = vault
        self._locks = locks
        self._spool = spool

    def lock(self, connection_id: str, within: float) -> AbstractAsyncContextManager[None]:
        """Be the only one, of all processes, that asks for this connection's token; let go by death too."""
        return self._locks.hold(connection_id, within)

    async def newest(self, connection: StoredConnection) -> StoredToken | None:
        """The last token received with credentials of the version that it was read with."""
        columns = tables.connections.c
        of_version = columns.credentials_version == connection.credentials_version
        same = select(columns.id).where(columns.id == connection.id, of_version).exists()
        row = await self._database.row(_newest_first(connection).where(same).limit(1))
        return None if row is None else self._token(connection, row)

    async def journal(self, connection: StoredConnection) -> Journal:
        """The last tokens and all about them; what this host had to spool of them is put in first."""
        for spooled in await asyncio.to_thread(lambda: list(self._spool.waiting(connection.id))):
            await self._put_in(spooled)
        intents = tables.intents
        async with self._database.reading() as transaction:
            found = await transaction.execute(select(tables.connections).where(is_(connection)))
            about = found.one_or_none()
            if about is None:
                not_found("The connection is gone.")
            rows = (await transaction.execute(_newest_first(connection))).all()
            result = await transaction.execute(select(intents).where(intents.c.connection_id == connection.id))
            intent = result.one_or_none()
        return Journal(
            about.credentials_version,
            [self._token(connection, row) for row in rows],
            None if intent is None else Intent(intent.owner, intent.started_at, intent.deadline),
            about.suspect_since,
            about.refused_at,
        )

    async def intend(self, connection: StoredConnection, intent: Intent, known: Journal) -> bool:
        """Keep an intent, in place of the one that is known; False where anything is otherwise than is known."""
        table = tables.intents
        async with self._database.writing() as transaction:
            if not await _is_as_known(transaction, connection, known):
                return False
            await transaction.execute(delete(table).where(table.c.connection_id == connection.id))
            row = {"owner": intent.owner, "started_at": intent.started_at, "deadline": intent.deadline}
            await transaction.execute(insert(table).values(connection_id=connection.id, **row))
        return True

    async def end_intent(self, connection: StoredConnection, owner: str, at: datetime | None = None) -> None:
        """Forget that owner's intent, or with a time let it stay, overdue since then."""
        table, which = tables.intents, _intent_of(connection, owner)
        ended = delete(table).where(which) if at is None else update(table).where(which).values(deadline=at)
        async with self._database.writing() as transaction:
            await transaction.execute(ended)

    async def append(
        self,
        connection: StoredConnection,
        token: AccessToken,
        received_at: datetime,
        version: int | None = None,
        *,
        owner: str | None = None,
    ) -> StoredToken:
        """Keep a token, durably: when this returns, a crash cannot lose it. Prunes all but the last four."""
        async with self._database.writing() as transaction:
            stored = await self.write(transaction, connection, token, received_at, version)
            await _end_intent(transaction, connection, owner)
        return stored

    async def write(
        self,
        transaction: AsyncConnection,
        connection: StoredConnection,
        token: AccessToken,
        received_at: datetime,
        version: int | None = None,
    ) -> StoredToken:
        """Keep a token once that transaction is committed; otherwise as ``append``, but that it ends no intent."""
        columns = tables.connections.c
        trusted = {"token_seq": columns.token_seq + 1, "suspect_since": None, "refused_at": None}
        counted = update(tables.connections).where(is_(connection)).values(trusted)
        found = await transaction.execute(counted.returning(columns.token_seq, columns.credentials_version))
        row = found.one_or_none()
        if row is None:
            not_found("The connection is gone.")
        _refuse_older(version, row.credentials_version)
        await transaction.execute(
            update(tables.connections).where(is_(connection), columns.status == "needs_reauth").values(status="active")
        )
        await transaction.execute(
            insert(tables.tokens).values(self._row(connection, row.token_seq, token, received_at))
        )
        await transaction.execute(
            delete(tables.tokens).where(_of(connection, tables.tokens.c.seq <= row.token_seq - _KEPT))
        )
        return StoredToken(row.token_seq, token, received_at)

    async def use(self, connection: StoredConnection, seq: int) -> None:
        """Its access token opened something, so whatever it was made from is spent, and forgotten.

        To ask with a spent refresh token would look like a theft to some providers, and end the new one too.
        """
        columns = tables.tokens.c
        used = update(tables.tokens).where(_of(connection, columns.seq == seq), columns.state == "unused")
        async with self._database.writing() as transaction:
            # First the connection, as everybody does: whoever replaces its credentials deletes its tokens, all of them.
            await transaction.execute(select(tables.connections.c.id).where(is_(connection)).with_for_update())
            if (await transaction.execute(used.values(state="used"))).rowcount:
                await transaction.execute(delete(tables.tokens).where(_of(connection, columns.seq < seq)))

    async def reject(self, connection: StoredConnection, seq: int) -> None:
        """The provider refused its refresh token."""
        rejected = update(tables.tokens).where(_of(connection, tables.tokens.c.seq == seq)).values(state="rejected")
        async with self._database.writing() as transaction:
            await transaction.execute(rejected)

    async def suspect(
        self, connection: StoredConnection, at: datetime, *, since: datetime, version: int | None, owner: str | None
    ) -> Suspicion:
        """The provider refused all there is; ends the owner's intent. Counts its provider's refused ``since``."""
        columns = tables.connections.c
        async with self._database.writing() as transaction:
            refused = update(tables.connections).where(is_(connection)).values(refused_at=at)
            found = await transaction.execute(refused.returning(columns.suspect_since, columns.credentials_version))
            row = found.one_or_none()
            if row is None:
                not_found("The connection is gone.")
            _refuse_older(version, row.credentials_version)
            began: datetime = row.suspect_since or at
            await transaction.execute(update(tables.connections).where(is_(connection)).values(suspect_since=began))
            of_provider = select(func.count()).where(columns.provider == connection.provider)
            suspects = await transaction.scalar(of_provider.where(columns.refused_at >= since))
            total = await transaction.scalar(of_provider)
            await _end_intent(transaction, connection, owner)
        return Suspicion(began, suspects or 0, total or 0)

    async def spool(
        self, connection: StoredConnection, token: AccessToken, received_at: datetime, version: int, *, owner: str
    ) -> None:
        """Keep a token that cannot be appended now in a sealed file of this host, with whoever asked for it."""
        await asyncio.to_thread(self._spool.put, connection, token, received_at, version, owner)

    async def unspool(self) -> None:
        """Append every token that this host had to spool."""
        await asyncio.to_thread(self._spool.clear_away)
        for spooled in await asyncio.to_thread(lambda: list(self._spool.waiting())):
            await self._put_in(spooled)

    async def _put_in(self, spooled: Spooled) -> None:
        """Append a spooled token, unless a crash came between that and the end of its file the last time.

        Where the connection's own key does not open here the file stays, as one that does not open itself does: no
        start, and no other connection's token, waits for that.
        """
        found = select(tables.connections).where(tables.connections.c.id == spooled.connection_id)
        row = await self._database.row(found)
        if row is not None and row.tenant == spooled.tenant:
            connection = self._vault.connection(row)
            if connection.data_key is None:
                return
            await self._put_into(connection, spooled)
        for _ in range(_TRIES):
            if await asyncio.to_thread(self._spool.done, spooled):
                return
            await asyncio.sleep(_POLL_S)

    async def _put_into(self, connection: StoredConnection, spooled: Spooled) -> None:
        rows = await self._database.rows(_newest_first(connection))
        if any(self._token(connection, row).token.value == spooled.token.value for row in rows):
            return
        try:
            await self.append(connection, spooled.token, spooled.received_at, spooled.version, owner=spooled.owner)
        except Problem as problem:
            if problem.code not in ("not_found", "conflict"):
                raise

    async def unsettled(self, limit: int) -> Sequence[tuple[StoredConnection, Intent]]:
        """Connections that have an intent, with it, the oldest first."""
        intents = tables.intents
        query = (
            select(tables.connections, intents.c.owner, intents.c.started_at, intents.c.deadline)
            .join(intents)
            .order_by(intents.c.started_at)
            .limit(limit)
        )
        rows = await self._database.rows(query)
        return [(self._vault.connection(row), Intent(row.owner, row.started_at, row.deadline)) for row in rows]

    async def idle(self, received_before: datetime, limit: int, after: str = "") -> Sequence[StoredConnection]:
        """Connections in use whose newest token was received before that, and can be refreshed, by id ``after`` one."""
        columns, token = tables.connections.c, tables.tokens.c
        newest = (token.connection_id == columns.id) & (token.seq == columns.token_seq)
        query = (
            select(tables.connections)
            .join(tables.tokens, newest)
            .where(token.received_at < received_before, token.sealed_refresh_token.is_not(None))
            .where(columns.status.in_(_IN_USE), columns.refused_at.is_(None))
        )
        return await self._connections(query, limit, after)

    async def suspects(self, refused_before: datetime, limit: int, after: str = "") -> Sequence[StoredConnection]:
        """Connections in use whose credentials were refused, last before that, by id ``after`` one."""
        columns = tables.connections.c
        query = select(tables.connections).where(columns.refused_at < refused_before, columns.status.in_(_IN_USE))
        return await self._connections(query, limit, after)

    async def open_intents(self) -> Mapping[str, Backlog]:
        """The intents there are, by provider; one without any is left out."""
        provider, intents = tables.connections.c.provider, tables.intents
        query = (
            select(provider, func.count(), func.min(intents.c.started_at))
            .join_from(intents, tables.connections)
            .group_by(provider)
        )
        rows = await self._database.rows(query)
        return {name: Backlog(count, since) for name, count, since in rows}

    async def _connections(self, query: Select[Any], limit: int, after: str) -> Sequence[StoredConnection]:
        id = tables.connections.c.id
        rows = await self._database.rows(query.where(id > after).order_by(id).limit(limit))
        return [self._vault.connection(row) for row in rows]

    def _row(
        self, connection: StoredConnection, seq: int, token: AccessToken, received_at: datetime
    ) -> Mapping[str, Any]:
        refresh = token.refresh_token
        return {
            "connection_id": connection.id,
            "seq": seq,
            "sealed_value": self._vault.seal(connection, f"tokens.{seq}.value", token.value),
            "sealed_refresh_token": (
                None if refresh is None else self._vault.seal(connection, f"tokens.{seq}.refresh_token", refresh)
            ),
            "scopes": tuple(sorted(token.scopes)),
            "expires_at": token.expires_at,
            "received_at": received_at,
            "state": "unused",
        }

    def _token(self, connection: StoredConnection, row: Row[Any]) -> StoredToken:
        refresh = row.sealed_refresh_token
        token = AccessToken(
            value=self._vault.open(connection, f"tokens.{row.seq}.value", row.sealed_value),
            expires_at=row.expires_at,
            refresh_token=(
                None if refresh is None else self._vault.open(connection, f"tokens.{row.seq}.refresh_token", refresh)
            ),
            scopes=frozenset(row.scopes),
        )
        return StoredToken(row.seq, token, row.received_at, row.state)


def is_(connection: StoredConnection) -> ColumnElement[bool]:
    """That row of the connections: its tenant is what its secrets are bound to."""
    return (tables.connections.c.id == connection.id) & (tables.connections.c.tenant == connection.tenant)


def _of(connection: StoredConnection, which: ColumnElement[bool]) -> ColumnElement[bool]:
    return (tables.tokens.c.connection_id == connection.id) & which


def _newest_first(connection: StoredConnection) -> Select[Any]:
    columns = tables.tokens.c
    return select(tables.tokens).where(columns.connection_id == connection.id).order_by(columns.seq.desc())


def _refuse_older(version: int | None, current: int) -> None:
    if version is not None and version != current:
        raise Problem("conflict", "The connection's credentials were replaced meanwhile.")


def _intent_of(connection: StoredConnection, owner: str) -> ColumnElement[bool]:
    return (tables.intents.c.connection_id == connection.id) & (tables.intents.c.owner == owner)


async def _end_intent(transaction: AsyncConnection, connection: StoredConnection, owner: str | None) -> None:
    if owner is not None:
        await transaction.execute(delete(tables.intents).where(_intent_of(connection, owner)))


async def _is_as_known(transaction: AsyncConnection, connection: StoredConnection, known: Journal) -> bool:
    """Whether a journal still is what it was when it was read. The connection is locked from here on."""
    columns, intents, seq = tables.connections.c, tables.intents, tables.tokens.c.seq
    locked = select(columns.credentials_version).where(is_(connection)).with_for_update()
    version = await transaction.scalar(locked)
    if version is None:
        not_found("The connection is gone.")
    newest = await transaction.scalar(select(func.max(seq)).where(tables.tokens.c.connection_id == connection.id))
    found = (await transaction.execute(select(intents).where(intents.c.connection_id == connection.id))).one_or_none()
    return (version, newest, None if found is None else (found.owner, found.started_at)) == (
        known.version,
        known.tokens[0].seq if known.tokens else None,
        None if known.intent is None else (known.intent.owner, known.intent.started_at),
    )
