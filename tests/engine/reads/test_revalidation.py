"""An answer whose conversation was only held again is the answer that a translation would have given, at the same cost.

Adapters are programs here, drawn at random: they ask one after another or at once, go on by what they hear, look at
some headers, use slow facts, settings, the date and the books. Twins are told the same by systems that change alike:
one translates every time, the other listens.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.errors import Problem
from gateway.contract.exact import dumps
from gateway.contract.upstream import Facts, Request
from gateway.engine.generations import in_memory
from gateway.engine.outbound.facts import KnownFacts
from gateway.engine.outbound.upstream import Outbound
from gateway.engine.reads.conversation import Conversation
from gateway.engine.reads.revalidation import ReadOutbound
from tests.engine.shelf import Aisle, ShelfProducts
from tests.engine.staging import STATIC, Books, Stage

Program = tuple[Any, ...]
PLACES = 4
HEADERS = ("x-total", "x-page")


def programs() -> st.SearchStrategy[Program]:
    places = st.integers(0, PLACES - 1)
    leaves = st.one_of(
        st.tuples(st.just("ask"), places, st.sampled_from([(), ("x-total",), HEADERS, ("missing",)])),
        st.tuples(st.just("ask"), places, st.just(())),
        st.tuples(st.just("ahead"), places),
        st.tuples(st.just("headers"), places),
        st.tuples(st.just("known"), st.sampled_from("ab"), places),
        st.tuples(st.just("fresh"), st.sampled_from("ab"), places),
        st.sampled_from([("today",), ("now",), ("settings",), ("books",)]),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.just("then"), inner, inner),
            st.tuples(st.just("both"), inner, inner),
            st.tuples(st.just("each"), st.lists(inner, min_size=1, max_size=4)),
            st.tuples(st.just("if"), inner, inner, inner),
            st.tuples(st.just("try"), inner),
        ),
        max_leaves=8,
    )


@dataclass
class World:
    """What can change: replies, and what stands beside them."""

    bodies: list[bytes] = field(default_factory=lambda: [b"0", b"1", b"2", b"3"])
    statuses: list[int] = field(default_factory=lambda: [200] * PLACES)
    headers: dict[str, str] = field(default_factory=lambda: dict.fromkeys(HEADERS, "0"))
    settings: dict[str, object] = field(default_factory=dict)
    links: int = 0
    told: int = 0

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.told += 1
        place = int(request.url.path.removeprefix("/"))
        await asyncio.sleep(0)
        headers = {**self.headers, "date": str(self.told)}  # another one in every reply
        return httpx2.Response(self.statuses[place], headers=headers, content=self.bodies[place])


class Twin:
    """A system, and a way to it that knows slow facts."""

    def __init__(self) -> None:
        self.world = World()
        self.books = Books(self.world.answer)
        self.stage = Stage(self.books)
        self.generations = in_memory(random.Random(1))
        self.stage.way.facts = KnownFacts(self.stage.clock, self.generations)

    def way_out(self, kind: type[Outbound]) -> Outbound:
        return kind(
            self.stage.way,
            self.stage.provider,
            STATIC,
            Facts("con_1", "c1", "token", dict(self.world.settings)),
            self.stage.tokens.source,
            operation="contacts.list",
            deadline=self.stage.clock.monotonic() + 30,
        )

    async def change(self, change: tuple[Any, ...]) -> None:
        what, *more = change
        world = self.world
        if what == "body":
            world.bodies[more[0]] = more[1]
        elif what == "status":
            world.statuses[more[0]] = more[1]
        elif what == "header":
            world.headers[more[0]] = more[1]
        elif what == "settings":
            world.settings = {"layout": more[0]}
        elif what == "links":
            world.links += 1
        elif what == "time":
            self.stage.clock.advance(more[0])
        elif what == "facts":
            await self.generations.end("con_1", "facts")

    def heard(self) -> Counter[str]:
        heard = Counter(str(request.url) for request in self.books.heard)
        self.books.heard.clear()
        return heard

    async def run(self, up: Outbound, program: Program) -> Any:
        what, *more = program
        if what == "ask":
            reply = await up.call(Request("GET", f"/{more[0]}", (("p", "1"),)))
            return reply.status, reply.body, [reply.headers.get(name) for name in more[1]]
        if what == "ahead":
            reply = await up.call(Request("GET", f"/{more[0]}", (("p", "1"),), ahead=True))
            return reply.status, reply.body
        if what == "headers":
            reply = await up.call(Request("GET", f"/{more[0]}"))
            return sorted((name, text) for name, text in reply.headers.items() if name != "date")
        if what in ("known", "fresh"):
            return await up.known(more[0], lambda: self.run(up, ("ask", more[1], ())), fresh=what == "fresh")
        if what == "then":
            return await self.run(up, more[0]), await self.run(up, more[1])
        if what == "both":
            return await up.gather(self.run(up, more[0]), self.run(up, more[1]))
        if what == "each":
            return await up.each([self.run(up, one) for one in more[0]])
        if what == "if":
            return await self.run(up, more[1] if "1" in repr(await self.run(up, more[0])) else more[2])
        if what == "try":
            try:
                return await self.run(up, more[0])
            except Problem as problem:
                return problem.code
        beside = {"today": up.today, "settings": dumps(up.facts.settings), "books": self.world.links}
        return up.now if what == "now" else beside[what]

    async def told(self, up: Outbound, program: Program) -> Any:
        """What comes of it, be it a problem."""
        try:
            return await self.run(up, program)
        except Problem as problem:
            return problem.code


@dataclass
class Listener:
    """What the engine does with a way out that listens."""

    twin: Twin
    program: Program
    before: tuple[Conversation | None, Any] = (None, None)
    translations: int = 0

    async def read(self) -> Any:
        up = self.twin.way_out(ReadOutbound)
        assert isinstance(up, ReadOutbound)
        conversation, answer = self.before
        links = (self.twin.world.links, 0)
        try:
            if conversation is None or not await up.repeats(conversation, links):
                self.translations += 1
                answer = await self.twin.told(up, self.program)
                self.before = up.conversation(links), answer
        finally:
            await up.let_go()
        return answer


CHANGES = st.one_of(
    st.just(("nothing",)),
    st.tuples(st.just("body"), st.integers(0, PLACES - 1), st.binary(max_size=3)),
    st.tuples(st.just("status"), st.integers(0, PLACES - 1), st.sampled_from([200, 201, 404])),
    st.tuples(st.just("header"), st.sampled_from(HEADERS), st.sampled_from("01")),
    st.tuples(st.just("settings"), st.sampled_from([1, True, "1", None])),
    st.tuples(st.just("time"), st.sampled_from([1, 200, 86_400])),
    st.sampled_from([("links",), ("facts",)]),
)


@settings(max_examples=300, deadline=None)
@given(programs(), st.lists(CHANGES, min_size=1, max_size=8))
def test_who_listens_answers_as_who_translates(program: Program, changes: list[tuple[Any, ...]]) -> None:
    async def both_told() -> None:
        plain, listening = Twin(), Twin()
        listener = Listener(listening, program)
        for change in [("nothing",), ("nothing",), *changes]:
            await plain.change(change)
            await listening.change(change)
            wanted = await plain.told(plain.way_out(Outbound), program)
            assert await listener.read() == wanted
            asked, needed = listening.heard(), plain.heard()
            if 404 not in plain.world.statuses:  # where one of several fails, chance says which others were sent
                assert needed <= asked
                assert (asked - needed).total() <= ("ahead" in repr(program)), "one call in vain, where it may be"

    asyncio.run(both_told())


LIST = ("then", ("ask", 0, ("x-total",)), ("both", ("ask", 1, ()), ("ask", 2, ())))


@pytest.fixture
async def listener() -> Listener:
    """Who has heard a list of three calls once."""
    found = Listener(Twin(), LIST)
    await found.read()
    found.twin.heard()
    return found


async def test_the_same_words_are_translated_once(listener: Listener) -> None:
    for _ in range(3):
        await listener.read()
        assert listener.twin.heard().total() == 3
    assert listener.translations == 1


async def test_what_was_asked_at_once_is_asked_at_once_again(listener: Listener) -> None:
    for change in (("nothing",), ("body", 1, b"new"), ("nothing",), ("body", 0, b"new"), ("nothing",)):
        await listener.twin.change(change)
        listener.twin.books.most_in_flight = 0
        await listener.read()
        assert listener.twin.books.most_in_flight == 2


async def test_nothing_is_asked_that_only_the_answer_of_before_led_to(listener: Listener) -> None:
    listener.program = ("if", ("ask", 0, ()), ("ask", 1, ()), ("ask", 2, ()))
    listener.before = (None, None)
    await listener.read()
    listener.twin.heard()
    await listener.twin.change(("body", 0, b"1"))
    await listener.read()
    assert [url.partition("?")[0][-1] for url in listener.twin.heard()] == ["0", "1"]


AHEAD = ("then", ("ask", 0, ()), ("ahead", 1))


async def read_once(program: Program) -> Listener:
    found = Listener(Twin(), program)
    await found.read()
    found.twin.heard()
    found.twin.books.most_in_flight = 0
    return found


async def test_what_may_be_asked_ahead_is_asked_beside_what_comes_before_it() -> None:
    listener = await read_once(AHEAD)
    for change in (("nothing",), ("body", 0, b"new"), ("body", 1, b"new")):
        await listener.twin.change(change)
        await listener.read()
        assert listener.twin.heard().total() == 2
    assert (listener.translations, listener.twin.books.most_in_flight) == (3, 2)


async def test_what_was_asked_ahead_in_vain_costs_one_call() -> None:
    listener = await read_once(("if", ("ask", 0, ()), ("ask", 2, ()), ("then", ("ahead", 1), ("ahead", 3))))
    await listener.twin.change(("body", 0, b"1"))
    assert await listener.read() == (200, b"2", [])
    assert [url.partition("?")[0][-1] for url in listener.twin.heard()] == ["0", "1", "2"]


async def test_what_was_asked_ahead_and_failed_is_asked_anew() -> None:
    """It may have been held back for what went before it, which went well."""
    listener = await read_once(AHEAD)
    answer, heard = listener.twin.world.answer, Counter[str]()

    failed = asyncio.Event()

    async def failing_at_first(request: httpx2.Request) -> httpx2.Response:
        heard[request.url.path] += 1
        if request.url.path == "/1" and heard["/1"] == 1:
            failed.set()
            raise httpx2.ReadTimeout("slow")
        await failed.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        return await answer(request)

    listener.twin.books._handle = failing_at_first
    await listener.twin.change(("body", 0, b"new"))
    assert await listener.read() == ((200, b"new", []), (200, b"1"))
    assert heard == {"/0": 1, "/1": 2}


async def test_a_reply_that_does_not_come_is_the_adapters_to_hear_of(listener: Listener) -> None:
    listener.twin.books.then(*[httpx2.ReadError("reset")] * 3)
    assert await listener.read() == "upstream_unavailable"
    assert listener.twin.heard().total() == 3, "one call, tried three times, is not begun again"
    assert isinstance(await listener.read(), tuple)


async def test_who_leaves_calls_off_what_is_on_its_way(listener: Listener) -> None:
    hold = asyncio.Event()
    answer = listener.twin.world.answer

    async def held(request: httpx2.Request) -> httpx2.Response:
        await hold.wait()
        return await answer(request)

    listener.twin.books._handle = held
    reading = asyncio.ensure_future(listener.read())
    while not listener.twin.books.in_flight:
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert listener.twin.books.in_flight == 0


@pytest.mark.parametrize(
    "program",
    [("now",), ("headers", 0), ("fresh", "a", 0), ("known", "a", 0), ("try", ("ask", 0, ()))],
    ids=["the time", "all headers", "a fact now", "a fact that is loaded", "a refusal"],
)
async def test_a_conversation_is_not_kept_where_it_might_not_lead_to_the_same(program: Program) -> None:
    listener = Listener(Twin(), program)
    if program[0] == "try":
        listener.twin.books.then(*[httpx2.ReadError("reset")] * 3)
    await listener.read()
    assert listener.before[0] is None


async def test_a_write_is_never_repeated() -> None:
    up = Twin().way_out(ReadOutbound)
    assert isinstance(up, ReadOutbound)
    await up.call(Request("POST", "/0", json={"name": "x"}))
    assert up.conversation((0, 0)) is None


def test_what_a_conversation_takes_is_bounded() -> None:
    async def of(calls: int) -> Conversation | None:
        up = Twin().way_out(ReadOutbound)
        assert isinstance(up, ReadOutbound)
        for _ in range(calls):
            await up.call(Request("GET", "/0", (("q", "x" * 1000),)))
        return up.conversation((0, 0))

    short, long, endless = (asyncio.run(of(calls)) for calls in (1, 200, 201))
    assert short is not None
    assert long is not None
    assert 1_000 < short.size < 3_000
    assert 200_000 < long.size < 500_000
    assert endless is None


# Through the whole of Polder


@dataclass
class Counted:
    """How often products were translated."""

    times: int = 0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    found = Counted()
    listing = ShelfProducts.list

    async def list_counted(*given: Any) -> Any:
        found.times += 1
        return await listing(*given)

    monkeypatch.setattr(ShelfProducts, "list", list_counted)
    return found


async def _listed(aisle: Aisle) -> tuple[bytes, Mapping[str, str]]:
    answer = await aisle.ask("GET", "products", headers={"cache-control": "no-cache"})
    assert answer.status_code == 200
    return answer.content, answer.headers


async def test_a_list_that_did_not_change_is_asked_for_and_not_translated(aisle: Aisle, counted: Counted) -> None:
    body, headers = await _listed(aisle)
    before = aisle.shelf.heard("GET", "/products")
    aisle.house.clock.advance(40)
    again, later = await _listed(aisle)
    assert (again, later["etag"], later["age"]) == (body, headers["etag"], "0")
    assert aisle.shelf.heard("GET", "/products") == before + 1
    assert counted.times == 1
    cached = await aisle.ask("GET", "products")
    assert "hit" in cached.headers["cache-status"], "what was heard again is fresh again"


async def test_a_list_that_changed_in_the_system_is_translated(aisle: Aisle, counted: Counted) -> None:
    await _listed(aisle)
    aisle.shelf.put({"name": "Other"})
    assert b"Other" in (await _listed(aisle))[0]
    assert counted.times == 2


async def test_what_polder_keeps_itself_is_in_the_answer_although_the_system_says_the_same(aisle: Aisle) -> None:
    id = aisle.shelf.put({"name": "Brood"})["id"]
    await _listed(aisle)
    changed = await aisle.ask("PATCH", f"products/{id}", {"external_ref": "SKU-1"})
    assert changed.status_code == 200, changed.text
    assert b"SKU-1" in (await _listed(aisle))[0]
