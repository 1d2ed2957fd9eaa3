"""Every sealed cell opens in its own place only, and not at all once a byte of it is another."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from gateway.contract.secret import Secret
from gateway.store import tables
from gateway.store.rotation import OF_CONNECTIONS, OF_NOBODY
from gateway.store.seal import CannotOpen, KeyRing
from gateway.store.sql import SqlStorage
from tests.store.filling import fill, sealed_columns

pytestmark = pytest.mark.anyio


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


@pytest.fixture
async def cells(storage: SqlStorage, ring: KeyRing) -> list[Cell]:
    await fill(storage)
    return await cells_of(storage, ring)


def opens(cell: Cell, ring: KeyRing, sealed: bytes) -> bool:
    try:
        cell.open(ring, sealed)
    except CannotOpen:
        return False
    return True


def test_every_sealed_column_is_known_to_the_rotation() -> None:
    known = {str(one.column) for one in (*OF_CONNECTIONS, *OF_NOBODY)} | {"connections.sealed_key"}
    assert known == sealed_columns()


async def test_a_cell_opens_in_its_own_place_only(cells: list[Cell], ring: KeyRing) -> None:
    assert len(cells) > 40
    for here in cells:
        for there in cells:
            assert opens(here, ring, there.sealed) == (here is there), f"{there.place} in the place of {here.place}"


async def test_no_cell_opens_in_another_environment(cells: list[Cell], keys: str) -> None:
    staging = KeyRing.parse(keys, environment="staging")
    assert not any(opens(cell, staging, cell.sealed) for cell in cells)


async def test_no_cell_opens_with_any_byte_of_it_changed(cells: list[Cell], ring: KeyRing) -> None:
    tried = 0
    for cell in cells:
        for position in range(len(cell.sealed)):
            altered = bytearray(cell.sealed)
            altered[position] ^= 1 + tried % 255
            assert not opens(cell, ring, bytes(altered)), f"{cell.place}, byte {position}"
            tried += 1
    assert tried > 2_000


async def test_what_does_not_open_is_told_alike_and_tells_nothing(cells: list[Cell], ring: KeyRing) -> None:
    for cell in cells:
        with pytest.raises(CannotOpen, match="was altered") as caught:
            cell.open(ring, cell.sealed[:-1] + bytes((cell.sealed[-1] ^ 1,)))
        assert caught.value.__cause__ is None
