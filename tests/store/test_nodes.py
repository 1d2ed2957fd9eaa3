"""Nodes that tell each other of ended generations: what none may believe any more, whatever happens in between."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Protocol

import pytest
from redis.asyncio import Redis

from gateway.contract.clock import Clock
from gateway.engine.clock import SystemClock
from gateway.engine.generations import Mark, in_memory, slot_of
from gateway.store.nodes import LEASE, NodeGenerations
from tests.services import Valkey

PLACE = "con_1"


class Node(NodeGenerations):
    """A node that can stop taking part without a word, as one that hangs or is killed."""

    async def hang(self) -> None:
        await self._stop_listening()

    def wake(self) -> None:
        self._leaving = False
        self._loop = asyncio.create_task(self._run())

    @property
    def number(self) -> int | None:
        """What it would answer from memory by; None where it would ask the system."""
        return self.of(PLACE, "answers") if self.vouched else None


class Unhurried(SystemClock):
    """A clock that goes at a quarter of the speed: no lease runs out because the machine is busy for a second."""

    def monotonic(self) -> float:
        return super().monotonic() / 4


USUAL: Clock = SystemClock()


class Join(Protocol):
    """Starts a node."""

    async def __call__(self, clock: Clock = USUAL) -> Node: ...


@pytest.fixture
async def join(valkey: Valkey) -> AsyncIterator[Join]:
    """Starts nodes, which leave after the test."""
    nodes: list[Node] = []

    async def start(clock: Clock = USUAL) -> Node:
        dice = random.Random(len(nodes))
        nodes.append(Node(valkey.url, in_memory(dice), clock, dice))
        await nodes[-1].start()
        return nodes[-1]

    yield start
    for node in nodes:
        await node.close()


async def vouching(*nodes: Node) -> None:
    """Wait until they all answer from memory."""
    async with asyncio.timeout(20):
        while not all(node.vouched for node in nodes):
            await asyncio.sleep(0.01)


async def test_what_one_ends_all_have_ended_when_it_returns(join: Join) -> None:
    nodes = [await join(Unhurried()) for _ in range(3)]
    for round in range(100):
        before = [node.number for node in nodes]
        assert None not in before
        ended = await nodes[round % 3].end(PLACE, "answers", "links")
        assert not {node.number for node in nodes} & set(before)
        assert ended["links"].after == nodes[round % 3].of(PLACE, "links")


async def test_ends_at_once_are_all_heard(join: Join) -> None:
    nodes = [await join() for _ in range(3)]
    places = [f"con_{number}" for number in range(60)]
    before = {(node, place): node.of(place, "answers") for node in nodes for place in places}
    await asyncio.gather(*(nodes[number % 3].end(place, "answers") for number, place in enumerate(places)))
    assert not [one for one, number in before.items() if one[0].of(one[1], "answers") == number]


async def test_who_hangs_is_waited_for_no_longer_than_its_lease(join: Join) -> None:
    node, hanging = await join(), await join()
    await vouching(node, hanging)
    before = hanging.number
    await hanging.hang()
    await node.end(PLACE, "answers")
    assert hanging.number is None
    hanging.wake()
    await vouching(hanging)
    assert hanging.number not in (None, before)


async def test_one_that_died_is_struck_off_and_all_forget(join: Join, redis: Redis) -> None:
    node, other, dying = await join(), await join(), await join()
    await vouching(node, other, dying)
    before = node.number, other.number
    await dying.hang()
    async with asyncio.timeout(20):
        while node.number in before or other.number in before or await redis.hlen("{polder}:nodes") != 2:
            await asyncio.sleep(0.01)


async def test_all_forget_one_that_died_though_whoever_struck_it_off_dies_of_it_too(
    join: Join, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, other, dying = await join(), await join(), await join()
    await vouching(node, other, dying)
    before, call = other.number, node._call

    async def last_call(of: Awaitable[Any]) -> Any:
        answer = await call(of)
        if not await redis.hexists("{polder}:nodes", dying._name):
            node._leaving = True
            raise ConnectionError
        return answer

    async def leave_it() -> None:
        """Another was quicker."""

    monkeypatch.setattr(node, "_call", last_call)
    monkeypatch.setattr(other, "_bury", leave_it)
    await dying.hang()
    async with asyncio.timeout(10):
        while node._leaving is False or not other.vouched or other.number == before:
            await asyncio.sleep(0.01)


async def test_one_that_leaves_is_waited_for_no_more(join: Join, redis: Redis) -> None:
    await join()
    leaving = await join()
    await leaving.close()
    assert await redis.hlen("{polder}:nodes") == 1
    assert leaving.number is None


async def test_without_a_server_nobody_vouches_and_nothing_fails(join: Join, valkey: Valkey) -> None:
    nodes = [await join(), await join()]
    await vouching(*nodes)
    before = [node.number for node in nodes]
    valkey.kill()
    await nodes[0].end(PLACE, "answers")
    assert [node.number for node in nodes] == [None, None]
    assert nodes[0].of(PLACE, "answers") != nodes[0].of(PLACE, "answers"), "no two requests share an answer"
    valkey.start()
    await vouching(*nodes)
    assert not {node.number for node in nodes} & set(before)


async def test_a_server_that_starts_anew_forgets_no_lease_that_still_runs(join: Join, valkey: Valkey) -> None:
    node, hanging = await join(), await join()
    await vouching(node, hanging)
    await hanging.hang()
    valkey.kill()
    valkey.start()
    await node.end(PLACE, "answers")
    assert hanging.number is None


async def test_a_server_that_was_emptied_is_another(join: Join, redis: Redis) -> None:
    node, other = await join(), await join()
    await vouching(node, other)
    before = node.number, other.number
    await redis.flushall()
    await node.end(PLACE, "answers")
    assert {node.number, other.number}.isdisjoint(before)
    await vouching(node, other)


@pytest.mark.parametrize("key", ["meta", "log"])
async def test_a_server_that_evicted_what_was_ended_is_another(join: Join, redis: Redis, key: str) -> None:
    node, other = await join(), await join()
    await vouching(node, other)
    before = other.number
    # What one has just ended, the other has not read yet: it hears of nothing while this runs.
    await other.hang()
    known = await redis.hget("{polder}:meta", "seq")
    telling = asyncio.create_task(node.end(PLACE, "answers"))
    while await redis.hget("{polder}:meta", "seq") == known:
        await asyncio.sleep(0)
    await redis.delete(f"{{polder}}:{key}")
    other.wake()
    await telling
    assert other.number != before
    await vouching(other)
    assert other.number != before


async def test_who_was_evicted_is_waited_for_all_the_same(join: Join, redis: Redis) -> None:
    node, other = await join(), await join()
    await node.end("con_2", "answers")  # from then on nobody waits because the epoch is new
    await vouching(node, other)
    before = other.number
    await other.hang()
    await redis.delete("{polder}:nodes")
    await node.end(PLACE, "answers")
    assert other.number != before


async def test_who_missed_more_than_the_log_holds_forgets_everything(join: Join, redis: Redis) -> None:
    node, late = await join(), await join()
    await vouching(node, late)
    await late.hang()
    before = late.of("con_2", "facts")
    await node.end(PLACE, "answers")
    await redis.xtrim("{polder}:log", maxlen=0)
    await node.end("con_3", "answers")
    late.wake()
    await vouching(late)
    assert late.of("con_2", "facts") != before


async def test_what_could_not_be_told_is_told_later(join: Join, valkey: Valkey, redis: Redis) -> None:
    node = await join()
    await vouching(node)
    valkey.kill()
    await node.end(PLACE, "answers")
    valkey.start()
    await vouching(node)
    entries = await redis.xrange("{polder}:log", "1-0") or []
    assert [PLACE.encode() in (entry or {})[b"ended"] for _, entry in entries] == [True]


# Marks


def believes(node: Node, mark: Mark | None, place: str = PLACE) -> bool:
    """Whether it takes an answer for good that was asked for when the mark was made."""
    assert mark is not None
    return node.unended_since(mark, place, "answers")


async def test_a_mark_holds_on_every_node_until_that_generation_is_ended(join: Join) -> None:
    nodes = [await join(Unhurried()) for _ in range(3)]
    for round in range(10):
        before = nodes[round % 3].mark
        assert all(believes(node, before) for node in nodes)
        await nodes[(round + 1) % 3].end("con_2", "answers")
        assert all(believes(node, before) for node in nodes), "of another connection"
        await nodes[(round + 1) % 3].end(PLACE, "answers")
        assert not any(believes(node, before) for node in nodes)
        assert all(node.unended_since(before, PLACE, "facts") for node in nodes if before is not None)
        async with asyncio.timeout(20):  # it reads what it wrote there itself, as all do
            while not all(believes(node, nodes[(round + 1) % 3].mark) for node in nodes):
                await asyncio.sleep(0.001)


async def test_a_mark_is_as_far_as_this_node_has_read(join: Join) -> None:
    node, other = await join(Unhurried()), await join(Unhurried())
    await vouching(node, other)
    await node.hang()
    ending = [asyncio.create_task(other.end(PLACE, "connection", "answers"))]
    async with asyncio.timeout(20):
        while slot_of(PLACE, "answers") not in other._log.ended:
            await asyncio.sleep(0.01)
        ending.append(asyncio.create_task(node.end("con_2", "answers")))
        while slot_of("con_2", "answers") not in node._log.ended:
            await asyncio.sleep(0.01)
    # It was told how long the log is, and still goes by all that it remembers of the place.
    mark = node.mark
    node.wake()
    await asyncio.gather(*ending)
    assert not believes(node, mark)
    assert not believes(other, mark)


async def test_who_ends_a_generation_believes_no_mark_of_before_from_then_on(join: Join) -> None:
    node = await join(Unhurried())
    await node.end("con_2", "answers")  # the first of an epoch waits, and what was ended is heard of meanwhile
    before = node.mark
    ending = asyncio.create_task(node.end(PLACE, "answers"))
    while not ending.done():
        await asyncio.sleep(0)
        assert not believes(node, before)
    await ending
    assert not believes(node, before)


async def test_one_that_comes_later_believes_what_it_can_know(join: Join) -> None:
    node = await join(Unhurried())
    old = node.mark
    await node.end("con_2", "answers")
    new = node.mark
    late = await join(Unhurried())
    await vouching(late)
    assert not believes(late, old), "whoever was not there does not know what was ended"
    assert believes(late, new)


async def test_one_that_slept_believes_nothing_of_what_it_cannot_read_any_more(join: Join, redis: Redis) -> None:
    node, sleeping = await join(), await join()
    await vouching(node, sleeping)
    before = sleeping.mark
    await sleeping.hang()
    await node.end(PLACE, "answers")
    await redis.xtrim("{polder}:log", maxlen=0)
    sleeping.wake()
    await vouching(sleeping)
    assert not believes(sleeping, before)


async def test_an_end_that_is_called_off_ends_what_others_knew(join: Join) -> None:
    node = await join(Unhurried())
    before = node.mark
    ending = asyncio.create_task(node.end(PLACE, "answers"))
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)
    assert not believes(node, before)


async def test_an_end_that_is_called_off_is_told_all_the_same(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    node, other = await join(), await join()
    await vouching(node, other)
    before = other.number
    with monkeypatch.context() as patch:
        patch.setattr(node, "_publish", lambda _: asyncio.Event().wait())
        ending = asyncio.create_task(node.end(PLACE, "answers"))
        await asyncio.sleep(0)
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        assert not believes(node, node.mark)
    async with asyncio.timeout(10):
        while not other.vouched or other.number == before:
            await asyncio.sleep(0.01)


async def test_a_mark_is_of_one_server(join: Join, valkey: Valkey) -> None:
    node = await join()
    await vouching(node)
    before = node.mark
    valkey.kill()
    await asyncio.sleep(LEASE)
    assert node.mark is None
    assert not believes(node, before)
    valkey.start()
    await vouching(node)
    assert not believes(node, before)


async def test_nobody_believes_what_was_known_before_one_died(join: Join, redis: Redis) -> None:
    node, other, dying = await join(), await join(), await join()
    await vouching(node, other, dying)
    before = node.mark
    await dying.hang()
    async with asyncio.timeout(20):
        while await redis.hlen("{polder}:nodes") != 2:
            await asyncio.sleep(0.01)
    await node.end("con_2", "answers")
    assert not believes(node, before)
    assert not believes(other, before)


async def test_a_client_that_trips_costs_a_node_its_lease_for_a_moment_only(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context.get("exception")))
    node, bell, tripped = await join(), Node._bell, asyncio.Event()

    async def trip(self: Node) -> None:
        if not tripped.is_set():
            tripped.set()
            raise AttributeError("'NoneType' object has no attribute 'readline'")
        await bell(self)

    monkeypatch.setattr(Node, "_bell", trip)
    await asyncio.wait_for(tripped.wait(), 5)
    await asyncio.sleep(1.5)  # longer than the lease that it had
    await vouching(node)
    assert [type(error) for error in told] == [AttributeError]
