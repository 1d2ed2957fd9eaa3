"""A store with something sealed in every column that has sealed values, of two tenants."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select, update

from gateway.contract.secret import Secret
from gateway.engine.storage import Attempt, AttemptState, AuditEntry, Authorization, StoredConnection
from gateway.store import tables
from gateway.store.rotation import OF_CONNECTIONS, OF_NOBODY, Sealed
from gateway.store.seal import KeyRing
from gateway.store.sql import SqlStorage
from tests.store.making import NOON, connection, key, later, secrets, token

CONNECTIONS = tuple(
    connection(f"con_{tenant}_{number}", tenant=tenant) for tenant in ("acme", "other") for number in (1, 2)
)


def attempt(tenant: str, connection_id: str | None, state: AttemptState = "claimed") -> Attempt:
    """The write of that tenant on that connection; with all that is sealed of one, unless it is just claimed."""
    return Attempt(
        id=hashlib.sha256(f"{tenant} {connection_id}".encode()).digest(),
        tenant=tenant,
        connection_id=connection_id,
        operation="contacts.create",
        key="once",
        fingerprint=b"",
        run="r-1",
        state=state,
        created_at=NOON,
        evidence=None if state == "claimed" else Secret(f"sent by {connection_id} of {tenant}"),
        answer=None if state == "claimed" else Secret(f"answered to {connection_id} of {tenant}"),
    )


def authorization(of: StoredConnection) -> Authorization:
    return Authorization(of.id, b"browser", Secret(f"verifier of {of.id}"), later(10))


def state_of(of: StoredConnection) -> bytes:
    return hashlib.sha256(of.id.encode()).digest()


async def fill(storage: SqlStorage) -> None:
    """Put something everywhere."""
    for each in CONNECTIONS:
        await storage.connections.add(each, secrets(one=f"one of {each.id}", two="two"))
        for number in (1, 2):
            await storage.tokens.append(each, token(f"token {number} of {each.id}", refresh="refresh"), NOON)
        await storage.attempts.claim(attempt(each.tenant, each.id), forget_before=NOON)
        mine = attempt(each.tenant, each.id)
        assert await storage.attempts.replace(mine, attempt(each.tenant, each.id, "manual"))
        await storage.authorizations.put(state_of(each), authorization(each))
    for tenant in ("acme", "other"):
        await storage.keys.add(key(f"key_{tenant}", tenant=tenant, digest=tenant.encode()))
        await storage.attempts.claim(attempt(tenant, None), forget_before=NOON)
        assert await storage.attempts.replace(attempt(tenant, None), attempt(tenant, None, "manual"))
    await storage.audit.append(AuditEntry(at=NOON, actor="key_acme", action="connections.create", outcome="done"))


async def prove_filled(storage: SqlStorage) -> None:
    """Read everything, as it was put; authorizations are taken, so this can be done once."""
    for each in CONNECTIONS:
        assert await storage.connections.find(each.id) == each
        assert await storage.connections.credentials(each) == secrets(one=f"one of {each.id}", two="two")
        newest = await storage.tokens.newest(each)
        assert newest is not None
        assert newest.token.value == Secret(f"token 2 of {each.id}")
        assert newest.token.refresh_token == Secret("refresh")
        assert await storage.attempts.newest(each.tenant, each.id, "once") == attempt(each.tenant, each.id, "manual")
        assert await storage.authorizations.take(state_of(each)) == authorization(each)
    for tenant in ("acme", "other"):
        kept = await storage.keys.find(f"key_{tenant}")
        assert kept is not None
        assert kept.digest == tenant.encode()
        again = await storage.attempts.claim(attempt(tenant, None), forget_before=NOON)
        assert again == attempt(tenant, None, "manual")
    assert (await storage.audit.verify()).fault is None


async def make_old(storage: SqlStorage, ring: KeyRing) -> int:
    """Seal everything as it was before there were data keys, under that ring; how many values that is."""
    count = 0
    for one in OF_CONNECTIONS:
        count += await _make_old(storage, ring, one)
    return count


async def _make_old(storage: SqlStorage, ring: KeyRing, one: Sealed) -> int:
    table = one.column.table
    owners = {each.id: each for each in CONNECTIONS}
    vault = storage.connections._vault
    async with storage._database.writing() as transaction:
        query = select(table).where(table.c.connection_id.is_not(None), one.column.is_not(None))
        rows = (await transaction.execute(query)).all()
        for row in rows:
            owner, field = owners[row.connection_id], one.field(row)
            plaintext = vault.open(owner, field, row._mapping[one.column.name]).reveal().encode()
            old = ring.seal(plaintext, tenant=owner.tenant, connection=owner.id, field=field)
            same = [column == row._mapping[column.name] for column in one.primary_key]
            await transaction.execute(update(table).where(*same).values({one.column.name: old}))
    return len(rows)


def sealed_columns() -> set[str]:
    """Every column whose name says that it is sealed."""
    return {
        f"{table.name}.{column.name}"
        for table in tables.metadata.sorted_tables
        for column in table.columns
        if column.name.startswith("sealed")
    }


@dataclass(frozen=True)
class Cell:
    """A sealed value, where it stands, and what opens it there."""

    place: str
    sealed: bytes
    open: Callable[[KeyRing, bytes], object]


def by_the_ring(tenant: str, connection: str, field: str) -> Callable[[KeyRing, bytes], object]:
    return lambda ring, sealed: ring.open(sealed, tenant=tenant, connection=connection, field=field)


def by_a_data_key(key: Secret, tenant: str, connection: str, field: str) -> Callable[[KeyRing, bytes], object]:
    def open(ring: KeyRing, sealed: bytes) -> object:
        return ring.data_key(key, tenant=tenant, connection=connection).open(sealed, field=field)

    return open


async def cells_of(storage: SqlStorage, ring: KeyRing) -> list[Cell]:
    """Every sealed cell of the database."""
    found: list[Cell] = []
    async with storage._database.reading() as transaction:
        keys: dict[str, tuple[str, Secret]] = {}
        for row in (await transaction.execute(select(tables.connections))).all():
            keys[row.id] = row.tenant, ring.unwrap(row.sealed_key, tenant=row.tenant, connection=row.id)
            opens = by_the_ring(row.tenant, row.id, "connections.sealed_key")
            found.append(Cell(f"the data key of {row.id}", row.sealed_key, opens))
        for one in OF_CONNECTIONS:
            table = one.column.table
            query = select(table).where(table.c.connection_id.is_not(None))
            for row in (await transaction.execute(query)).all():
                tenant, key = keys[row.connection_id]
                opens = by_a_data_key(key, tenant, row.connection_id, one.field(row))
                found.append(Cell(f"{one.column} {row}", row._mapping[one.column.name], opens))
        for one in OF_NOBODY:
            query = select(one.column.table)
            if "connection_id" in one.column.table.c:
                query = query.where(one.column.table.c.connection_id.is_(None))
            for row in (await transaction.execute(query)).all():
                opens = by_the_ring(row._mapping.get("tenant", ""), "", one.field(row))
                found.append(Cell(f"{one.column} {row}", row._mapping[one.column.name], opens))
    return found
