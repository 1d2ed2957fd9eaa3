"""A system that gives records new ids: what is read while it does so tells no record as gone, nor under two ids."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from gateway.contract.emulator import ASGIApp, Message, Receive, Send
from gateway.contract.errors import Problem
from gateway.engine.moves import TRIES, Moves
from tests.engine.shelf import SHELF, Aisle, Shelf
from tests.house import open_house

FRESH = {"cache-control": "no-cache"}
PLACE = "con_1", "products"


class Held:
    """A shelf that has done every change at once, and says so only when it is let go."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.done, self.let_go = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        said: list[Message] = []

        async def note(message: Message) -> None:
            said.append(message)

        await self._app(scope, receive, note)
        if scope["method"] == "PUT":
            self.done.set()
            await self.let_go.wait()
        for message in said:
            await send(message)


@asynccontextmanager
async def held(home: Path) -> AsyncIterator[tuple[Aisle, Held]]:
    """An aisle whose shelf gives new ids."""
    between: list[Held] = []

    def hold(app: ASGIApp) -> Held:
        between.append(Held(app))
        return between[0]

    shelves = {"adapters": {"shelf": SHELF}, "emulators": {"shelf": Shelf}}
    async with open_house(home, **shelves, between=hold) as house:  # type: ignore[arg-type]  # two of its arguments
        aisle = Aisle(house, await house.connect("shelf"))
        aisle.shelf.new_ids = True
        yield aisle, between[0]


Ask = Callable[[Aisle, str], Awaitable[httpx2.Response]]
QUESTIONS: dict[str, Ask] = {
    "get": lambda aisle, id: aisle.ask("GET", f"products/{id}", headers=FRESH),
    "list": lambda aisle, id: aisle.ask("GET", "products", headers=FRESH),
    "by reference": lambda aisle, id: aisle.ask("GET", "products", headers=FRESH, external_ref="a"),
}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_what_is_read_while_a_record_gets_another_id_has_it_under_its_first(
    tmp_path: Path, question: str
) -> None:
    async with held(tmp_path) as (aisle, shelf):
        id = (await aisle.make(external_ref="a")).json()["id"]
        changing = asyncio.ensure_future(aisle.ask("PATCH", f"products/{id}", {"name": "Melk"}))
        await shelf.done.wait()
        asking = asyncio.ensure_future(QUESTIONS[question](aisle, id))
        while not any(seen.method == "GET" for seen in aisle.shelf.journal[-1:]):
            await asyncio.sleep(0)
        shelf.let_go.set()
        answer = await asking
        assert (await changing).status_code == 200
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert [(one["id"], one["name"]) for one in told.get("data", [told])] == [(id, "Melk")]


async def test_who_writes_to_a_record_while_it_gets_another_id_has_his_turn_after_that(tmp_path: Path) -> None:
    async with held(tmp_path) as (aisle, shelf):
        id = (await aisle.make(external_ref="a")).json()["id"]
        first = asyncio.ensure_future(aisle.ask("PATCH", f"products/{id}", {"name": "Melk"}))
        await shelf.done.wait()
        second = asyncio.ensure_future(aisle.ask("PATCH", f"products/{id}", {"unit": "pak"}))
        gone = asyncio.ensure_future(aisle.ask("DELETE", f"products/{id}"))
        other = await aisle.make(external_ref="b")
        assert other.status_code == 201, "nobody else waits"
        assert not second.done()
        assert not gone.done()
        shelf.let_go.set()
        assert (await first).status_code == 200
        assert (await gone).status_code == 204
        assert (await second).status_code in (200, 404)
        assert [row["id"] for row in aisle.shelf.rows.values()] == [other.json()["id"]]


async def test_whose_turn_does_not_come_in_time_goes_on() -> None:
    moves = Moves()
    with moves.under_way(*PLACE, "p1"):
        await moves.turn(*PLACE, "p1", lambda: 0.0)
        await moves.turn(*PLACE, "p2", lambda: 30.0)


class Gone:
    """A record that is not there, however often it is read."""

    read = 0

    async def __call__(self) -> str:
        self.read += 1
        raise Problem("not_found", "There is no such record.")


async def test_who_has_no_time_left_hears_what_there_is() -> None:
    moves, gone = Moves(), Gone()
    with moves.under_way(*PLACE, "p1"), pytest.raises(Problem, match="no such record"):
        await moves.beside(*PLACE, gone, lambda _: False, lambda: 0.0)
    assert gone.read == 2


async def test_what_is_not_there_is_asked_for_once_where_nothing_moves() -> None:
    moves, gone = Moves(), Gone()
    with moves.under_way("con_1", "contacts", "p1"), moves.under_way("con_2", "products", "p1"), pytest.raises(Problem):
        await moves.beside(*PLACE, gone, lambda _: False, lambda: 30.0)
    assert gone.read == 1


async def test_where_records_move_all_the_while_a_list_is_read_three_times_at_most() -> None:
    moves, read = Moves(), 0

    async def moving() -> int:
        nonlocal read
        read += 1
        with moves.under_way(*PLACE, "p1"):
            await asyncio.sleep(0)
        return read

    assert await moves.beside(*PLACE, moving, lambda _: False, lambda: 30.0) == TRIES
    read = 0
    assert await moves.beside(*PLACE, moving, lambda _: True, lambda: 30.0) == 1
