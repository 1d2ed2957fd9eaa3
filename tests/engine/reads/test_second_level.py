"""What a node does with what others were answered: it answers with it, keeps it, and gives what it was told itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.contract.emulator import Fault
from gateway.engine.generations import Mark, Slots
from gateway.engine.reads.cache import AnswerCache
from gateway.engine.reads.second_level import Question, SharedAnswer
from gateway.engine.storage import StoredConnection
from tests.engine.shelf import Aisle

PRODUCTS = ("GET", "/products")
DOWN = Fault("status", 503)


class Neighbour:
    """A second level of the cache in which everything given is found."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, aisle: Aisle) -> None:
        self.given: dict[Question, SharedAnswer] = {}
        self._reads = aisle.house.polder.engine._reads
        monkeypatch.setattr(self._reads, "_second_level", self)
        monkeypatch.setattr(Slots, "mark", Mark("e", 1))
        monkeypatch.setattr(Slots, "unended_since", lambda *_: True)
        self._monkeypatch = monkeypatch

    async def get(self, question: Question) -> SharedAnswer | None:
        found = self.given.get(question)
        return None if found is None else replace(found, age=12.0)

    def put(self, question: Question, given: SharedAnswer) -> None:
        self.given[question] = given

    async def close(self) -> None:
        """Nothing."""

    def forget_here(self) -> None:
        """Have this node know nothing, as one that was not asked yet."""
        self._monkeypatch.setattr(self._reads, "_cache", AnswerCache())


@pytest.fixture
def neighbour(monkeypatch: pytest.MonkeyPatch, aisle: Aisle) -> Neighbour:
    return Neighbour(monkeypatch, aisle)


async def test_what_another_node_was_answered_is_answered_here(aisle: Aisle, neighbour: Neighbour) -> None:
    await aisle.make()
    first = await aisle.ask("GET", "products", limit="5")
    neighbour.forget_here()
    second = await aisle.ask("GET", "products", limit="5")
    assert second.headers["cache-status"] == "polder-shared; hit; ttl=18, polder; fwd=miss; stored"
    assert (second.content, second.headers["etag"]) == (first.content, first.headers["etag"])
    assert second.headers["age"] == "12"
    third = await aisle.ask("GET", "products", limit="5")
    assert third.headers["cache-status"] == "polder; hit; ttl=18"
    assert aisle.shelf.heard(*PRODUCTS) == 1
    counted = (await aisle.house.client.get("/metrics")).text
    assert 'polder_cache_requests_total{resource="products",result="shared"} 1.0' in counted


async def test_of_another_node_nothing_is_taken_that_is_too_old_for_the_caller(
    aisle: Aisle, neighbour: Neighbour
) -> None:
    await aisle.ask("GET", "products")
    for said, calls in (("no-cache", 2), ("max-age=12", 3), ("max-age=13", 3)):
        neighbour.forget_here()
        await aisle.ask("GET", "products", headers={"cache-control": said})
        assert aisle.shelf.heard(*PRODUCTS) == calls


async def test_what_failed_is_given_to_nobody(aisle: Aisle, neighbour: Neighbour) -> None:
    aisle.shelf.fail(DOWN, times=3)
    assert (await aisle.ask("GET", "products")).status_code == 503
    assert neighbour.given == {}


async def test_what_the_system_says_again_is_known_though_another_node_had_it_meanwhile(
    aisle: Aisle, neighbour: Neighbour
) -> None:
    await aisle.make()
    first = await aisle.ask("GET", "products")
    aisle.house.clock.advance(31)
    shared = await aisle.ask("GET", "products")
    assert shared.headers["cache-status"].startswith("polder-shared")
    [kept] = [
        entry for key, entry in aisle.house.polder.engine._reads._cache._entries.items() if "products.list" in key
    ]
    assert kept.conversation is not None, "translated once, and known by its words from then on"
    assert shared.content == first.content


# What a change of the connection ends


@pytest.fixture
async def overtaken(aisle: Aisle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The company was asked for, by a connection that others changed while it was being looked up."""
    connections, generations = aisle.house.polder.storage.connections, aisle.house.polder.generations
    those, found, changed = connections.those, asyncio.Event(), asyncio.Event()

    async def slowly(ids: Sequence[str]) -> Sequence[StoredConnection]:
        before = await those(ids)
        found.set()
        await changed.wait()
        return before

    connection = await connections.find(aisle.connection)
    assert connection is not None
    aisle.house.clock.advance(6)  # what was looked up before is not believed any more
    monkeypatch.setattr(connections, "those", slowly)
    asked = asyncio.create_task(aisle.ask("GET", "company"))
    await found.wait()
    await connections.change(connection, lambda current: replace(current, company_id="c2"))
    await generations.end(aisle.connection, "answers", "facts", "connection")
    changed.set()
    assert (await asked).json()["id"] == "c1"


@pytest.mark.usefixtures("overtaken")
async def test_an_answer_of_what_the_connection_was_before_is_not_kept(aisle: Aisle) -> None:
    assert (await aisle.ask("GET", "company")).json()["id"] == "c2"


async def test_an_answer_of_what_the_connection_was_before_is_given_to_nobody(
    neighbour: Neighbour, overtaken: None
) -> None:
    assert neighbour.given == {}
