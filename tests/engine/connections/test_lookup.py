"""Connections looked up: as few times as it takes, and none believed longer than it may be."""

import asyncio
from collections.abc import Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.contract.errors import Problem
from gateway.engine.connections.lookup import KNOWN_FOR, SOON, TOGETHER, Lookup, Lookups
from gateway.engine.generations import Slots, in_memory
from gateway.engine.storage import StoredConnection
from tests.house import ManualClock
from tests.store.making import connection


class Shelf:
    """Connections that are kept, and which of them were looked up together; a look-up waits until it may go on."""

    def __init__(self, *ids: str) -> None:
        self.kept = {id: connection(id) for id in ids}
        self.asked: list[list[str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False

    async def those(self, ids: Sequence[str]) -> Sequence[StoredConnection]:
        self.asked.append(list(ids))
        found = [self.kept[id] for id in ids if id in self.kept]
        await self.open.wait()
        if self.broken:
            raise Problem("storage_unavailable", "The disk is gone.")
        return found


class Watch:
    """Sightings of a shelf, and the time."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.clock = ManualClock()
        self.generations: Slots = in_memory(Random(7))
        storage: Any = SimpleNamespace(connections=shelf)
        self.sightings = Lookups(storage, self.generations, self.clock)

    async def see(self, *ids: str) -> Sequence[Lookup | None]:
        return await asyncio.gather(*map(self.sightings.of, ids))


@pytest.fixture
async def watch() -> Watch:
    return Watch(Shelf(*(f"con_{number}" for number in range(300))))


async def test_a_connection_is_believed_for_as_long_as_it_may_be(watch: Watch) -> None:
    (first,) = await watch.see("con_1")
    assert first is not None
    watch.shelf.kept["con_1"] = connection("con_1", name="Changed")
    watch.clock.advance(KNOWN_FOR - 0.01)
    assert await watch.see("con_1") == [first]
    watch.clock.advance(0.01)
    (second,) = await watch.see("con_1")
    assert second is not None
    assert second.connection.name == "Changed"
    assert second.until == watch.clock.monotonic() + KNOWN_FOR


async def test_what_is_not_there_is_asked_for_each_time(watch: Watch) -> None:
    assert await watch.see("con_none") == [None]
    watch.shelf.kept["con_none"] = connection("con_none")
    assert await watch.see("con_none") != [None]


async def test_a_change_ends_what_was_believed(watch: Watch) -> None:
    await watch.see("con_1")
    await watch.generations.end("con_1", "connection")
    await watch.see("con_1", "con_1")
    assert watch.shelf.asked == [["con_1"], ["con_1"]]


async def test_who_asks_while_it_is_looked_up_waits_for_that(watch: Watch) -> None:
    watch.shelf.open.clear()
    asking = asyncio.ensure_future(watch.see(*["con_1"] * 20))
    await asyncio.sleep(0)
    watch.shelf.open.set()
    assert len(set(map(id, await asking))) == 1
    assert watch.shelf.asked == [["con_1"]]


async def test_what_was_read_before_a_change_is_no_answer_after_it(watch: Watch) -> None:
    watch.shelf.open.clear()
    early = asyncio.ensure_future(watch.see("con_1"))
    await asyncio.sleep(0.001)
    watch.shelf.kept["con_1"] = connection("con_1", name="Changed")
    await watch.generations.end("con_1", "connection")
    late = asyncio.ensure_future(watch.see("con_1"))
    await asyncio.sleep(0.001)
    watch.shelf.open.set()
    names = [
        one.connection.name for found in (await early, await late, await watch.see("con_1")) for one in found if one
    ]
    assert names == ["Acme's books", "Changed", "Changed"]


async def test_who_leaves_calls_nothing_off_for_the_others(watch: Watch) -> None:
    watch.shelf.open.clear()
    leaving, staying = (asyncio.ensure_future(watch.see("con_1")) for _ in range(2))
    await asyncio.sleep(0.001)
    leaving.cancel()
    watch.shelf.open.set()
    assert await staying != [None]
    assert watch.shelf.asked == [["con_1"]]


async def test_those_that_are_asked_for_are_looked_up_together(watch: Watch) -> None:
    ids = [f"con_{number}" for number in range(50)]
    for id in ids:
        await watch.see(id)  # each looked up by itself: nobody was known before
        watch.clock.advance(SOON / 100)
    await watch.see(*ids)
    watch.clock.advance(KNOWN_FOR - SOON / 2)
    watch.shelf.asked.clear()
    await watch.see(*ids)
    assert [sorted(asked) for asked in watch.shelf.asked] == [sorted(ids)]


async def test_nobody_is_looked_up_who_was_not_asked_for_since(watch: Watch) -> None:
    await watch.see("con_1")
    await watch.see("con_2")
    await watch.see("con_2")
    watch.clock.advance(KNOWN_FOR)
    watch.shelf.asked.clear()
    await watch.see("con_3")
    assert watch.shelf.asked == [["con_3", "con_2"]]
    watch.clock.advance(KNOWN_FOR)
    await watch.see("con_4")
    assert watch.shelf.asked[1:] == [["con_4"]]


async def test_no_more_are_looked_up_at_once_than_may_be(watch: Watch) -> None:
    ids = [f"con_{number}" for number in range(250)]
    await watch.see(*ids)
    await watch.see(*ids)
    watch.clock.advance(KNOWN_FOR)
    watch.shelf.asked.clear()
    found = await watch.see(*ids)
    assert [one.connection.id for one in found if one is not None] == ids
    assert [len(asked) for asked in watch.shelf.asked] == [TOGETHER, TOGETHER, 250 - 2 * TOGETHER]
    assert sorted(id for asked in watch.shelf.asked for id in asked) == sorted(ids)


async def test_a_storage_that_fails_is_told_to_all_who_asked_and_tried_again_by_the_next(watch: Watch) -> None:
    watch.shelf.broken = True
    told = await asyncio.gather(*(watch.sightings.of("con_1") for _ in range(3)), return_exceptions=True)
    assert [one.code for one in told if isinstance(one, Problem)] == ["storage_unavailable"] * 3
    watch.shelf.broken = False
    assert await watch.see("con_1") != [None]
    assert watch.shelf.asked == [["con_1"], ["con_1"]]


async def test_who_hears_that_nothing_can_be_looked_up_hears_it_for_himself(watch: Watch) -> None:
    """A write may say that it was not sent, and a read says nothing of the kind."""
    watch.shelf.broken = True
    writer, reader = await asyncio.gather(*(watch.sightings.of("con_1") for _ in range(2)), return_exceptions=True)
    assert isinstance(writer, Problem)
    assert isinstance(reader, Problem)
    writer.as_outcome("not_sent")
    assert (watch.shelf.asked, reader.outcome) == ([["con_1"]], None)
