"""The secrets of connections, sealed under the data key of whose they are and opened with it."""

from dataclasses import dataclass, fields
from typing import Any, Protocol

from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.storage import StoredConnection
from gateway.store import tables
from gateway.store.seal import BY_THE_RING, CannotOpen, DataKey, KeyRing

_KEPT = tuple(field.name for field in fields(StoredConnection) if field.name != "data_key")
_SEALED_KEY = select(tables.connections.c.sealed_key).where(
    tables.connections.c.id == bindparam("of_id"), tables.connections.c.tenant == bindparam("of_tenant")
)


class Owner(Protocol):
    """Whose a secret is: a connection, stored or about to be."""

    @property
    def id(self) -> str:
        """The id of the connection; empty where the secret belongs to none."""

    @property
    def tenant(self) -> str:
        """Whose the connection is."""

    @property
    def data_key(self) -> Secret | None:
        """What its secrets are sealed under; None where it could not be opened, or there is no connection."""


@dataclass(frozen=True, slots=True)
class Owned:
    """An owner of whom no more is known."""

    id: str
    tenant: str
    data_key: Secret | None


class Vault:
    """Seals what belongs to an owner for its row and column, and opens it."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring

    def seal(self, owner: Owner, field: str, secret: Secret) -> bytes:
        """A secret, sealed. Raises ``storage_unavailable`` where the connection's data key cannot be had."""
        plaintext = secret.reveal().encode()
        if not owner.id:
            return self.ring.seal(plaintext, tenant=owner.tenant, connection="", field=field)
        try:
            return self._key_of(owner).seal(plaintext, field=field)
        except CannotOpen as error:
            raise _unopened(owner) from error

    def open(self, owner: Owner, field: str, sealed: bytes) -> Secret:
        """A sealed secret. Raises ``storage_unavailable`` where it does not open here."""
        try:
            if not owner.id or sealed[:1] == bytes((BY_THE_RING,)):
                plaintext = self.ring.open(sealed, tenant=owner.tenant, connection=owner.id, field=field)
            else:
                plaintext = self._key_of(owner).open(sealed, field=field)
        except CannotOpen as error:
            raise _unopened(owner) from error
        return Secret(plaintext.decode())

    def wrapped(self, owner: Owner) -> bytes:
        """The owner's data key as it is kept. Raises ``ValueError`` for a connection without one."""
        if owner.data_key is None:
            raise ValueError("A connection is kept with its data key.")
        return self.ring.wrap(owner.data_key, tenant=owner.tenant, connection=owner.id)

    def connection(self, row: Row[Any]) -> StoredConnection:
        """A connection as it is kept; without its data key where this ring does not open that."""
        kept = {name: getattr(row, name) for name in _KEPT}
        return StoredConnection(**kept, data_key=self._unwrapped(row.id, row.tenant, row.sealed_key))

    async def owner(self, transaction: AsyncConnection, tenant: str, connection_id: str | None) -> Owned | None:
        """A tenant's connection, or nobody where no connection is named; None where the connection is gone."""
        if connection_id is None:
            return Owned("", tenant, None)
        sealed: bytes | None = await transaction.scalar(_SEALED_KEY, {"of_id": connection_id, "of_tenant": tenant})
        return None if sealed is None else Owned(connection_id, tenant, self._unwrapped(connection_id, tenant, sealed))

    def _unwrapped(self, id: str, tenant: str, sealed: bytes) -> Secret | None:
        try:
            return self.ring.unwrap(sealed, tenant=tenant, connection=id)
        except CannotOpen:
            # Whoever needs its secrets is told; whoever only lists connections need not be.
            return None

    def _key_of(self, owner: Owner) -> DataKey:
        if owner.data_key is None:
            raise CannotOpen(f"The data key of connection {owner.id} is not one that this ring opens.")
        return self.ring.data_key(owner.data_key, tenant=owner.tenant, connection=owner.id)


def _unopened(owner: Owner) -> Problem:
    whose = f"connection {owner.id}" if owner.id else "a kept answer"
    return Problem("storage_unavailable", f"What is stored of {whose} cannot be opened with Polder's encryption keys.")
