"""Authorizations under way (``gateway.engine.storage.Authorizations``)."""

from sqlalchemy import delete, insert

from gateway.contract.secret import Secret
from gateway.engine.storage import Authorization
from gateway.store import tables
from gateway.store.database import Database
from gateway.store.seal import CannotOpen, KeyRing

_FIELD = "authorizations.verifier"


class SqlAuthorizations:
    """Authorizations by a digest of their state; each can be taken once, by one of many nodes."""

    def __init__(self, database: Database, ring: KeyRing) -> None:
        self._database = database
        self._ring = ring

    async def put(self, state: bytes, authorization: Authorization) -> None:
        """Keep one, in place of any other of its connection: the last one begun is the one that counts."""
        sealed = self._ring.seal(
            authorization.verifier.reveal().encode(), tenant="", connection=authorization.connection_id, field=_FIELD
        )
        row = {
            "state": state,
            "connection_id": authorization.connection_id,
            "browser": authorization.browser,
            "sealed_verifier": sealed,
            "expires_at": authorization.expires_at,
        }
        overtaken = tables.authorizations.c.connection_id == authorization.connection_id
        async with self._database.writing() as transaction:
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
        try:
            verifier = self._ring.open(row.sealed_verifier, tenant="", connection=row.connection_id, field=_FIELD)
        except CannotOpen:
            return None
        return Authorization(row.connection_id, row.browser, Secret(verifier.decode()), row.expires_at)
