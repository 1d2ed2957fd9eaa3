"""What only Polder knows of records: one value, one record, whoever writes at the same time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.contract.errors import Problem
from gateway.engine.storage import LinkRow, Links, LinkState
from gateway.store.sql import SqlStorage
from tests.store.making import connection, refused

pytestmark = pytest.mark.anyio


def ref(record_id: str, value: str) -> LinkRow:
    return LinkRow(record_id, "external_ref", value, unique=True)


async def links_of(links: Links, connection_id: str, resource: str) -> Sequence[LinkRow]:
    return (await links.of(connection_id)).get(resource, [])


@pytest.fixture
async def kept(storage: SqlStorage) -> SqlStorage:
    for id in ("con_1", "con_2"):
        await storage.connections.add(connection(id), None)
    return storage


async def test_links_come_back_by_record_and_field(kept: SqlStorage) -> None:
    rows = [ref("2", "b"), LinkRow("1", "first_id", "9", unique=False), ref("1", "a")]
    await kept.links.put("con_1", "contacts", rows)
    assert await links_of(kept.links, "con_1", "contacts") == [rows[2], rows[1], rows[0]]
    assert await links_of(kept.links, "con_1", "products") == []
    assert await links_of(kept.links, "con_2", "contacts") == []


async def test_a_field_of_a_record_holds_its_last_value(kept: SqlStorage) -> None:
    await kept.links.put("con_1", "contacts", [ref("1", "a"), LinkRow("1", "note", "n", unique=False)])
    await kept.links.put("con_1", "contacts", [ref("1", "b"), ref("1", "c")])
    assert await links_of(kept.links, "con_1", "contacts") == [ref("1", "c"), LinkRow("1", "note", "n", unique=False)]
    await kept.links.put("con_1", "contacts", [ref("2", "a")])


async def test_a_unique_value_belongs_to_one_record(kept: SqlStorage) -> None:
    await kept.links.put("con_1", "contacts", [ref("1", "a")])
    with pytest.raises(Problem, match="conflict: The external_ref 'a' belongs to another record of contacts"):
        await kept.links.put("con_1", "contacts", [ref("2", "b"), ref("3", "a")])
    assert await links_of(kept.links, "con_1", "contacts") == [ref("1", "a")]


async def test_two_records_in_one_call_cannot_share_a_value(kept: SqlStorage) -> None:
    with refused("conflict"):
        await kept.links.put("con_1", "contacts", [ref("1", "a"), ref("2", "a")])
    assert await links_of(kept.links, "con_1", "contacts") == []


async def test_two_records_may_swap_their_values(kept: SqlStorage) -> None:
    await kept.links.put("con_1", "contacts", [ref("1", "a"), ref("2", "b")])
    await kept.links.put("con_1", "contacts", [ref("1", "b"), ref("2", "a")])
    assert await links_of(kept.links, "con_1", "contacts") == [ref("1", "b"), ref("2", "a")]


async def test_a_value_is_free_elsewhere(kept: SqlStorage) -> None:
    await kept.links.put("con_1", "contacts", [ref("1", "a")])
    await kept.links.put("con_2", "contacts", [ref("2", "a")])
    await kept.links.put("con_1", "products", [ref("2", "a")])
    await kept.links.put("con_1", "contacts", [LinkRow("2", "code", "a", unique=True)])
    await kept.links.put("con_1", "contacts", [LinkRow("3", "external_ref", "a", unique=False)])
    assert len(await links_of(kept.links, "con_1", "contacts")) == 3


async def test_what_is_removed_is_free_again(kept: SqlStorage) -> None:
    note = LinkRow("1", "note", "n", unique=False)
    await kept.links.put("con_1", "contacts", [ref("1", "a"), note])
    await kept.links.remove("con_1", "contacts", "1", "external_ref")
    assert await links_of(kept.links, "con_1", "contacts") == [note]
    await kept.links.put("con_1", "contacts", [ref("2", "a")])
    await kept.links.remove("con_1", "contacts", "1")
    assert await links_of(kept.links, "con_1", "contacts") == [ref("2", "a")]


async def test_a_record_is_removed_only_while_it_is_as_it_was_seen(kept: SqlStorage) -> None:
    note = LinkRow("1", "note", "n", unique=False)
    await kept.links.put("con_1", "contacts", [ref("1", "a"), note, ref("2", "b")])
    assert not await kept.links.remove_if("con_1", "contacts", LinkState("1", "note", "m"))
    assert not await kept.links.remove_if("con_1", "products", LinkState("1", "note", "n"))
    assert len(await links_of(kept.links, "con_1", "contacts")) == 3
    assert await kept.links.remove_if("con_1", "contacts", LinkState("1", "note", "n"))
    assert await links_of(kept.links, "con_1", "contacts") == [ref("2", "b")]


async def test_nothing_to_put_is_nothing_done(kept: SqlStorage) -> None:
    await kept.links.put("con_1", "contacts", [])
    assert await links_of(kept.links, "con_1", "contacts") == []


async def test_of_two_processes_claiming_a_value_one_gets_it(opened: Callable[[str], SqlStorage], url: str) -> None:
    storages = [opened(url), opened(url)]
    await storages[0].connections.add(connection(), None)
    outcomes = await asyncio.gather(
        *(storages[n % 2].links.put("con_1", "contacts", [ref(str(n), "a")]) for n in range(10)),
        return_exceptions=True,
    )
    assert sorted(getattr(outcome, "code", "kept") for outcome in outcomes) == ["conflict"] * 9 + ["kept"]
    assert await links_of(storages[1].links, "con_1", "contacts") == [ref(str(outcomes.index(None)), "a")]


rows = st.builds(LinkRow, st.sampled_from("123"), st.sampled_from("fg"), st.sampled_from("abc"), st.booleans())
Model = dict[tuple[str, str], LinkRow]


def allowed(model: Mapping[tuple[str, str], LinkRow]) -> bool:
    claims = [(row.field, row.value) for row in model.values() if row.unique]
    return len(claims) == len(set(claims))


fresh = count(10)


# Every example works on a connection of its own, so they may share the database.
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(puts=st.lists(st.lists(rows, min_size=1, max_size=4), max_size=6))
async def test_puts_are_all_or_nothing_and_keep_claims_unique(kept: SqlStorage, puts: list[list[LinkRow]]) -> None:
    id = f"con_{next(fresh)}"
    await kept.connections.add(connection(id), None)
    model: Model = {}
    for put in puts:
        wanted = model | {(row.record_id, row.field): row for row in put}
        if allowed(wanted):
            await kept.links.put(id, "contacts", put)
            model = wanted
        else:
            with refused("conflict"):
                await kept.links.put(id, "contacts", put)
        assert await links_of(kept.links, id, "contacts") == [model[place] for place in sorted(model)]
