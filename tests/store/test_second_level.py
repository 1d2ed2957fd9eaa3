"""Answers that nodes give each other: found by the same question only, readable by nobody else, and never stale."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from gateway.engine.clock import SystemClock
from gateway.engine.generations import Mark, in_memory
from gateway.engine.reads.cache import CachedAnswer
from gateway.engine.reads.freshness import Directives
from gateway.engine.reads.second_level import Question, Shared, SharedAnswer
from gateway.store import second_level
from gateway.store.nodes import NodeGenerations
from gateway.store.second_level import ValkeyAnswers
from tests.house import ManualClock
from tests.services import Valkey

pytestmark = pytest.mark.anyio

QUESTION = Question("con_1", "contacts.list", "", "q=De+Paal")
GIVEN = SharedAnswer(
    Mark("e1", 7),
    b'{"data":[{"name":"De Paal"}]}',
    '"tag"',
    "next",
    (("Content-Type", "application/json"),),
    30.0,
    60.0,
)
Node = Callable[..., ValkeyAnswers]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is not a server that is away."""
    monkeypatch.setattr(second_level, "_WAIT", 20.0)
    monkeypatch.setattr(second_level, "_PAUSE", 20.0)


@pytest.fixture
async def node(valkey: Valkey) -> AsyncIterator[Node]:
    """Makes the second level of a node."""
    made: list[ValkeyAnswers] = []

    def make(
        key: bytes = b"k" * 32, version: str = "1", limit: int = 1_000_000, clock: ManualClock | None = None
    ) -> ValkeyAnswers:
        made.append(ValkeyAnswers(valkey.url, key, version, limit, clock or ManualClock()))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def put(level: ValkeyAnswers, question: Question = QUESTION, given: SharedAnswer = GIVEN) -> None:
    """Give an answer, and wait until it is given."""
    level.put(question, given)
    await asyncio.gather(*level._under_way)


async def lying(redis: Redis) -> list[bytes]:
    """The names of all that lies on the server."""
    return [name async for name in redis.scan_iter("*")]


async def test_what_one_node_gives_another_finds_to_the_byte(node: Node) -> None:
    await put(node())
    found = await node().get(QUESTION)
    assert found is not None
    assert 0 <= found.age < 20, "seconds that went by on the server"
    assert replace(found, age=0.0) == GIVEN


async def test_its_age_goes_on_where_it_lies(node: Node, redis: Redis) -> None:
    await put(node(), given=replace(GIVEN, age=10.0))
    [name] = await lying(redis)
    assert 0 < await redis.pttl(name) <= 20_000
    await redis.pexpire(name, 5_000)
    found = await node().get(QUESTION)
    assert found is not None
    assert 25 <= found.age <= 30
    assert found.cached(100.0).fresh_until == pytest.approx(130.0 - found.age)
    assert found.cached(100.0).stale_until == pytest.approx(190.0 - found.age)


@pytest.mark.parametrize("field", Question._fields)
async def test_only_the_same_question_finds_it(node: Node, field: str) -> None:
    level = node()
    await put(level)
    assert await level.get(QUESTION._replace(**{field: "other"})) is None


async def test_no_two_questions_are_told_alike(node: Node) -> None:
    level = node()
    await put(level, Question("con_1", "contacts.list", "a", "bc"))
    assert await level.get(Question("con_1", "contacts.list", "ab", "c")) is None


async def test_another_version_or_key_finds_nothing(node: Node) -> None:
    await put(node())
    assert await node(version="2").get(QUESTION) is None
    assert await node(key=b"x" * 32).get(QUESTION) is None


async def test_who_reads_the_server_learns_nothing(node: Node, redis: Redis) -> None:
    await put(node())
    [name] = await lying(redis)
    stored = await redis.get(name)
    assert isinstance(stored, bytes)
    for secret in (b"Paal", b"con_1", b"contacts", b"tag"):
        assert secret not in name + stored


async def test_who_writes_to_the_server_is_not_believed(node: Node, redis: Redis) -> None:
    level, other = node(), QUESTION._replace(connection_id="con_2")
    await put(level)
    [name] = await lying(redis)
    stored = await redis.get(name)
    assert isinstance(stored, bytes)
    await put(level, other)
    for name in await lying(redis):  # each in the place of the other, so that one is moved and one is its own
        await redis.set(name, stored, px=30_000)
    assert await level.get(other) is None
    for nonsense in (b"", b"short", stored[:-1], stored[:20] + b"!" + stored[21:]):
        for name in await lying(redis):
            await redis.set(name, nonsense, px=30_000)
        assert await level.get(QUESTION) is None


async def test_who_puts_back_an_answer_later_makes_it_no_younger(node: Node, redis: Redis) -> None:
    clock = ManualClock()
    level = node(clock=clock)
    await put(level, given=replace(GIVEN, age=5.0))
    [name] = await lying(redis)
    stored = await redis.get(name)
    assert isinstance(stored, bytes)
    clock.advance(20)
    await redis.set(name, stored, px=3_600_000)
    found = await level.get(QUESTION)
    assert found is not None
    assert found.age == pytest.approx(25, abs=0.1)
    await redis.set(name, stored)  # without an end
    assert await level.get(QUESTION) is None


async def test_a_clock_that_is_behind_makes_no_answer_younger(node: Node, redis: Redis) -> None:
    ahead = ManualClock()
    ahead.advance(3600)
    await put(node(clock=ahead), given=replace(GIVEN, age=10.0))
    found = await node().get(QUESTION)
    assert found is not None
    assert found.age >= 10


async def test_a_server_that_is_away_is_asked_again_after_a_while(
    node: Node, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    level = node(clock=clock)
    await put(level)
    valkey.kill()
    assert await level.get(QUESTION) is None
    valkey.start()
    await put(level)
    assert await level.get(QUESTION) is None, "it failed a moment ago"
    clock.advance(21)
    await put(level)
    assert await level.get(QUESTION) is not None


async def test_a_server_that_hangs_is_waited_for_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_level, "_WAIT", 0.05)
    asked = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    level = ValkeyAnswers(f"redis://127.0.0.1:{port}/0", b"k" * 32, "1", 1_000_000, ManualClock())
    assert [await level.get(QUESTION) for _ in range(5)] == [None] * 5
    await put(level)
    assert asked == 1
    await level.close()
    server.close()
    await server.wait_closed()


async def test_a_process_fills_no_more_than_it_may(node: Node, redis: Redis) -> None:
    clock = ManualClock()
    level = node(limit=25_000, clock=clock)
    large = replace(GIVEN, body=b"x" * 10_000)
    lasting = replace(large, fresh_for=300.0)
    for number, given in enumerate((lasting, large, large)):
        await put(level, QUESTION._replace(id=str(number)), given)
    assert len(await lying(redis)) == 2
    clock.advance(31)  # one of them is gone by itself now
    for number in range(10, 13):
        await put(level, QUESTION._replace(id=str(number)), large)
    assert [await level.get(QUESTION._replace(id=str(number))) is not None for number in (10, 11, 12)] == [
        True,
        False,
        False,
    ]


async def test_a_very_large_answer_is_not_given(node: Node, redis: Redis) -> None:
    level = node(limit=10_000_000)
    for size in (1_000_001, 1_000_000):
        await put(level, given=replace(GIVEN, body=b"x" * size))
        assert len(await lying(redis)) == (size == 1_000_000)


async def test_too_many_at_once_are_not_given(node: Node, monkeypatch: pytest.MonkeyPatch, redis: Redis) -> None:
    monkeypatch.setattr(second_level, "_AT_ONCE", 3)
    level = node()
    for number in range(10):
        level.put(QUESTION._replace(id=str(number)), GIVEN)
    await asyncio.gather(*level._under_way)
    assert len(await lying(redis)) == 3


async def test_a_server_that_is_nearly_full_is_given_nothing(node: Node, redis: Redis) -> None:
    clock = ManualClock()
    level = node(clock=clock)
    used = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory", int(used * 1.1))
    await put(level)
    assert await lying(redis) == []
    await redis.config_set("maxmemory", 0)
    clock.advance(21)
    await put(level)
    assert len(await lying(redis)) == 1


# What nodes promise together


class Books:
    """A system's record, of which every write makes a new version; ``answered`` is the last that a writer was told."""

    def __init__(self) -> None:
        self.version = 0
        self.answered = 0


class Gateway:
    """As much of a node as a cache has: a memory by generation, which forgets, the second level, then the system."""

    def __init__(self, valkey: Valkey, seed: int) -> None:
        self._dice = random.Random(seed)
        self.generations = NodeGenerations(valkey.url, in_memory(self._dice), SystemClock(), self._dice)
        self.level = ValkeyAnswers(valkey.url, b"k" * 32, "1", 1_000_000, SystemClock())
        self._memory: dict[int, CachedAnswer] = {}
        self.found: list[str] = []

    async def start(self) -> None:
        await self.generations.start()

    async def close(self) -> None:
        await self.generations.close()
        await self.level.close()

    async def read(self, books: Books) -> int:
        generation = self.generations.of(QUESTION.connection_id, "answers")
        forgets = self._dice.random() < 0.3
        kept = None if forgets else self._memory.get(generation)
        self.found.append("hit")
        if kept is None:
            shared = Shared(self.level, self.generations, SystemClock(), QUESTION, "answers")
            kept = await shared.recall(Directives())
            self.found[-1] = "miss" if kept is None else "shared"
            if kept is None:
                await asyncio.sleep(self._dice.random() / 200)
                said = str(books.version).encode()
                await asyncio.sleep(self._dice.random() / 200)
                now = SystemClock().monotonic()
                kept = CachedAnswer(said, '"e"', None, (), now, now + 30, now + 30)
                shared.publish(kept)
            self._memory[generation] = kept
        return int(kept.body)

    async def write(self, books: Books) -> None:
        await asyncio.sleep(self._dice.random() / 200)
        books.version += 1
        written = books.version
        await asyncio.sleep(self._dice.random() / 200)
        await self.generations.end(QUESTION.connection_id, "answers")
        books.answered = max(books.answered, written)


@pytest.fixture
async def gateways(valkey: Valkey) -> AsyncIterator[list[Gateway]]:
    nodes = [Gateway(valkey, seed) for seed in range(3)]
    for node in nodes:
        await node.start()
    yield nodes
    for node in nodes:
        await node.close()


async def test_a_write_through_any_node_is_in_the_next_read_through_any(gateways: list[Gateway]) -> None:
    books, dice, stale = Books(), random.Random(11), []
    await gateways[0].write(books)  # the first write of an epoch waits for leases of the one before

    async def reads(node: Gateway, writing: asyncio.Future[None]) -> None:
        while not writing.done():
            answered = books.answered
            said = await node.read(books)
            if said < answered:
                stale.append((said, answered))
            await asyncio.sleep(dice.random() / 100)

    async def writes() -> None:
        for _ in range(40):
            await dice.choice(gateways).write(books)
            await asyncio.sleep(dice.random() / 20)

    writing = asyncio.create_task(writes())
    await asyncio.gather(writing, *(reads(node, writing) for node in gateways for _ in range(3)))
    assert stale == []
    found = [one for node in gateways for one in node.found]
    assert min(found.count(way) for way in ("hit", "shared", "miss")) > 10, "each way was gone"


async def test_a_read_that_began_before_a_write_is_given_to_nobody(gateways: list[Gateway]) -> None:
    one, other, _ = gateways
    began = Shared(one.level, one.generations, SystemClock(), QUESTION, "answers")
    await other.generations.end(QUESTION.connection_id, "answers")
    now = SystemClock().monotonic()
    began.publish(CachedAnswer(b"of before", '"e"', None, (), now, now + 30, now + 30))
    await asyncio.gather(*one.level._under_way)
    assert await one.level.get(QUESTION) is not None
    for node in gateways:
        shared = Shared(node.level, node.generations, SystemClock(), QUESTION, "answers")
        assert await shared.recall(Directives()) is None


async def test_who_wants_it_fresh_is_given_nothing_of_others(gateways: list[Gateway]) -> None:
    one, other, _ = gateways
    await one.read(Books())
    await asyncio.gather(*one.level._under_way)

    def shared() -> Shared:
        return Shared(other.level, other.generations, SystemClock(), QUESTION, "answers")

    assert await shared().recall(Directives("no-cache", 0)) is None
    assert await shared().recall(Directives("max-age=25", 25)) is not None
