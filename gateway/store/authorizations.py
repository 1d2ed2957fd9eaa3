"""Authorizations under way (``gateway.engine.storage.Authorizations``)."""

from sqlalchemy import delete, insert, select

from gateway.contract.errors import Problem, not_found
from gateway.engine.storage import Authorization
from gateway.store import tables
from gateway.store.database import Database
from gateway.store.vault import Vault

_FIELD = "authorizations.verifier"


class SqlAuthorizations:
    """Authorizations by a digest of their state; each can be taken once, by one of many nodes."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def put(self, state: bytes, authorization: Authorization) -> None:
        """Keep one, in place of any other of its connection: the last one begun is the one that counts.

        Raises ``not_found`` where the connection is gone.
        """
        overtaken = tables.authorizations.c.connection_id == authorization.connection_id
        of = tables.connections.c.id == authorization.connection_id
        async with self._database.writing() as transaction:
            # Locked, so that of two at once the second finds, and ends, what the first has begun.
            locked = select(tables.connections).where(of).with_for_update()
            kept = (await transaction.execute(locked)).one_or_none()
            if kept is None:
                not_found("The connection is gone.")
            row = {
                "state": state,
                "connection_id": authorization.connection_id,
                "browser": authorization.browser,
                "sealed_verifier": self._vault.seal(self._vault.connection(kept), _FIELD, authorization.verifier),
                "expires_at": authorization.expires_at,
            }
            await transaction.execute(delete(tables.authorizations).where(overtaken))
            await transaction.execute(insert(tables.authorizations).values(row))

    async def take(self, state: bytes) -> Authorization | None:
        """Take it out: None where there is none, or somebody took it already."""
        table = tables.authorizations
        async with self._database.writing() as transaction:
            found = await transaction.execute(delete(table).where(table.c.state == state).returning(*table.columns))
            row = found.one_or_none()
            if row is None:
                return None
            of = tables.connections.c.id == row.connection_id
            kept = (await transaction.execute(select(tables.connections).where(of))).one()
        try:
            verifier = self._vault.open(self._vault.connection(kept), _FIELD, row.sealed_verifier)
        except Problem:
            return None
        return Authorization(row.connection_id, row.browser, verifier, row.expires_at)
