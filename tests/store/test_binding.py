"""Every sealed cell opens in its own place only, and not at all once a byte of it is another."""

import pytest

from gateway.store.rotation import OF_CONNECTIONS, OF_NOBODY
from gateway.store.seal import CannotOpen, KeyRing
from gateway.store.sql import SqlStorage
from tests.store.filling import Cell, cells_of, fill, sealed_columns

pytestmark = pytest.mark.anyio


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
