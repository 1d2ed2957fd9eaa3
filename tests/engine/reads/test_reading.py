"""Lists of a system whose records move while its pages are read."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.adapter import Listing, Products, Record
from gateway.contract.exact import loads
from gateway.contract.models import Product
from gateway.contract.operations import BY_NAME
from gateway.contract.paging import Page, SkipTop
from gateway.contract.upstream import Upstream
from gateway.engine.inputs import Parameters
from gateway.engine.reads.reading import Reader

pytestmark = pytest.mark.anyio


class Moving(Products):
    """Products in the order of their names, ``cap`` to a page; behind the ``after``-th page one gets a name."""

    def __init__(self, names: dict[str, str], cap: int, after: int, moved: str, name: str) -> None:
        self._names = names
        self._cap = cap
        self._left = after
        self._moved = {moved: name}

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Product]]:
        return await SkipTop(self._fetch, self._cap).read(listing.window)

    async def _fetch(self, skip: int, top: int) -> Sequence[Record[Product]]:
        rows = sorted(self._names.items(), key=lambda row: row[1])[skip : skip + top]
        self._left -= 1
        if self._left == 0:
            self._names.update(self._moved)
        return [
            Record(Product(id=id, name=name, type="goods", price_includes_tax=False, archived=False), {})
            for id, name in rows
        ]


class _Plain(msgspec.Struct):
    """What a reader asks of a connection without books."""

    resource: Moving
    operation: Any = BY_NAME["products.list"]
    facts: Any = None
    connection_id: str = "con_1"

    async def incoming(self, records: Sequence[Record[Any]]) -> Sequence[Record[Any]]:
        return records


async def listed(resource: Moving) -> list[dict[str, Any]]:
    plain: Any = _Plain(resource)
    plain.facts = plain
    read = await Reader(plain, plain, plain, plain, "moving").list(Parameters())
    rows: list[dict[str, Any]] = loads(read.body)["data"]
    return rows


@given(
    count=st.integers(2, 9),
    cap=st.integers(1, 4),
    after=st.integers(1, 9),
    moved=st.integers(0, 8),
    to=st.integers(0, 9),
)
async def test_a_record_that_moves_between_two_pages_is_told_once_and_hides_no_other(
    count: int, cap: int, after: int, moved: int, to: int
) -> None:
    """One that moves on stands on both pages, and the first of the second page on none; one that moves back on none."""
    names = {f"p{number}": f"{number}0" for number in range(count)}
    told = await listed(Moving(dict(names), cap, after, f"p{moved % count}", f"{to}5"))
    assert sorted(row["id"] for row in told) == sorted(names)


async def test_one_that_comes_before_the_others_doubles_none() -> None:
    names = {f"p{number}": f"{number}0" for number in range(4)}
    assert [row["id"] for row in await listed(Moving(names, 2, 1, "new", "!"))] == ["new", "p0", "p1", "p2", "p3"]
