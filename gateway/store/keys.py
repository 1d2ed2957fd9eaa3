"""API keys (``gateway.engine.storage.Keys``): of each secret a digest, sealed by the ring together with what it allows.

A digest alone would do against a thief of the database: the secret has 178 random bits. Sealed, and bound to the key's
tenant, scopes, connections, networks and expiry, it also stops whoever can write in the database: a row that was
added, widened, prolonged or moved to another tenant opens nothing, and a revoked key has no digest any more.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from gateway.contract import exact
from gateway.contract.errors import Problem
from gateway.engine.storage import StoredKey
from gateway.store import tables
from gateway.store.database import Database
from gateway.store.seal import CannotOpen, KeyRing

_SEALED = "sealed_digest"
_NO_DIGEST = b""


class SqlKeys:
    """API keys."""

    def __init__(self, database: Database, ring: KeyRing) -> None:
        self._database = database
        self._ring = ring

    async def add(self, key: StoredKey) -> None:
        """Keep a new key. Raises ``conflict`` where there is one of its id."""
        plain = [name for name in tables.api_keys.columns.keys() if name != _SEALED]  # noqa: SIM118 - not a dict
        sealed = self._ring.seal(key.digest, tenant=key.tenant, connection="", field=field_of(key))
        try:
            async with self._database.writing() as transaction:
                row = {**{name: getattr(key, name) for name in plain}, _SEALED: sealed}
                await transaction.execute(insert(tables.api_keys).values(row))
        except IntegrityError as error:
            raise Problem("conflict", f"There is an API key of id {key.id!r} already.") from error

    async def find(self, id: str) -> StoredKey | None:
        """The key of that id, revoked or not. Raises ``storage_unavailable`` where its digest does not open here."""
        row = await self._database.row(select(tables.api_keys).where(tables.api_keys.c.id == id))
        if row is None:
            return None
        try:
            return self._key(row)
        except CannotOpen as error:
            detail = f"What is stored of API key {id} cannot be opened with Polder's encryption keys, or was altered."
            raise Problem("storage_unavailable", detail) from error

    async def all(self, tenant: str | None) -> Sequence[StoredKey]:
        """The keys of a tenant, or of all, oldest first."""
        columns = tables.api_keys.c
        query = select(tables.api_keys).order_by(columns.created_at, columns.id)
        if tenant is not None:
            query = query.where(columns.tenant == tenant)
        rows = await self._database.rows(query)
        return [self._listed(row) for row in rows]

    async def revoke(self, id: str, at: datetime) -> bool:
        """Revoke it, for ever; False where there is none of that id. A key revoked before keeps the time it was."""
        columns = tables.api_keys.c
        found = columns.id == id
        revoked = update(tables.api_keys).where(found, columns.revoked_at.is_(None))
        async with self._database.writing() as transaction:
            done = await transaction.execute(revoked.values(revoked_at=at, sealed_digest=None))
            return done.rowcount > 0 or await transaction.scalar(select(columns.id).where(found)) is not None

    async def used(self, at: Mapping[str, datetime]) -> None:
        """Note when keys were used, by their id; a time before the one that is known changes nothing."""
        columns = tables.api_keys.c
        async with self._database.writing() as transaction:
            for id, when in sorted(at.items()):
                earlier = or_(columns.last_used_at.is_(None), columns.last_used_at < when)
                await transaction.execute(
                    update(tables.api_keys).where(columns.id == id, earlier).values(last_used_at=when)
                )

    def _key(self, row: Row[Any]) -> StoredKey:
        key = _bare(row)
        if row.sealed_digest is None:
            return key
        digest = self._ring.open(row.sealed_digest, tenant=key.tenant, connection="", field=field_of(key))
        return StoredKey(**{**_fields(row), "digest": digest})

    def _listed(self, row: Row[Any]) -> StoredKey:
        try:
            return self._key(row)
        except CannotOpen:
            # A list is read to see what there is; who holds the key is told when it is used.
            return _bare(row)


def field_of(key: StoredKey) -> str:
    """What a key's digest is sealed for: this key, and all that it allows."""
    allowed = {
        "id": key.id,
        "scopes": key.scopes,
        "connections": key.connections,
        "networks": key.networks,
        "expires_at": None if key.expires_at is None else key.expires_at.astimezone(UTC).isoformat(),
    }
    return f"api_keys.sealed_digest {exact.dumps(allowed).decode()}"


def field_of_row(row: Row[Any]) -> str:
    """The same for a row of the table."""
    return field_of(_bare(row))


def _fields(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != _SEALED}


def _bare(row: Row[Any]) -> StoredKey:
    return StoredKey(**_fields(row), digest=_NO_DIGEST)
