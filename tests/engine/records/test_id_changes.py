"""A system that gives records new ids: what is read while it does so tells no record as gone, nor under two ids."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.contract.emulator import ASGIApp, Message, Receive, Send
from gateway.contract.errors import Problem
from gateway.engine.records.id_changes import POLL, TRIES, IdChanges, Interference
from gateway.engine.records.links import SYSTEM_ID
from gateway.engine.storage import Attempt, LinkRow
from tests.engine.shelf import SHELF, Aisle, Shelf, open_aisle
from tests.house import ManualClock, open_house

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


class Elsewhere:
    """Attempts of other processes: what they have under way."""

    def __init__(self, *runs: str) -> None:
        self.runs = runs
        self.asked = 0

    async def sending(self, connection_id: str, operations: Sequence[str], now: datetime) -> Sequence[str]:
        assert (connection_id, operations) == ("con_1", ["products.update", "products.finalize"])
        self.asked += 1
        return self.runs


def moving(elsewhere: Elsewhere | None = None) -> IdChanges:
    return IdChanges(elsewhere or Elsewhere(), ManualClock())  # type: ignore[arg-type]  # what is asked of it


async def odd(_: object) -> Interference:
    return "maybe"


async def test_whose_turn_does_not_come_in_time_goes_on() -> None:
    moves = moving()
    with moves.under_way(*PLACE, "p1", "run"):
        await moves.turn(*PLACE, "p1", lambda: 0.0)
        await moves.turn(*PLACE, "p2", lambda: 30.0)


@dataclass
class Neighbour:
    """Another process on the same database, that gives a record another id: what it did so far."""

    aisle: Aisle
    attempt: Attempt

    @classmethod
    async def begun(cls, aisle: Aisle, id: str) -> "Neighbour":
        """It has sent the change, and the system has done it."""
        attempts, now = aisle.house.polder.storage.attempts, aisle.house.clock.now()
        claimed = Attempt(
            id=b"theirs",
            tenant="acme",
            connection_id=aisle.connection,
            operation="products.update",
            key="theirs",
            fingerprint=b"",
            run="theirs",
            state="claimed",
            created_at=now,
            next_check_at=now + timedelta(seconds=33),
        )
        assert await attempts.claim(claimed, forget_before=now) is None
        sending = replace(claimed, state="sending", sent_at=now)
        assert await attempts.replace(claimed, sending)
        aisle.shelf.put({**aisle.shelf.rows.pop(id), "name": "Melk"}, "moved")
        return cls(aisle, sending)

    async def ends(self, id: str) -> None:
        """It has heard so, keeps the new id, and tells everybody."""
        polder, connection = self.aisle.house.polder, self.aisle.connection
        await polder.storage.links.put(connection, "products", [LinkRow(id, SYSTEM_ID, "moved", False)])
        await polder.generations.end(connection, "answers", "links")
        ended = replace(self.attempt, state="applied", next_check_at=None)
        assert await polder.storage.attempts.replace(self.attempt, ended)


@pytest.mark.parametrize("question", ["get", "list", "change", "delete"])
async def test_what_another_process_gives_another_id_meanwhile_is_neither_gone_nor_a_stranger(
    tmp_path: Path, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_aisle(tmp_path) as aisle:
        id = (await aisle.make()).json()["id"]
        other = await Neighbour.begun(aisle, id)
        waited: list[float] = []

        async def sleep(seconds: float) -> None:
            waited.append(seconds)
            await other.ends(id)

        monkeypatch.setattr(aisle.house.clock, "sleep", sleep)
        asks: dict[str, Ask] = {
            **QUESTIONS,
            "change": lambda aisle, id: aisle.ask("PATCH", f"products/{id}", {"name": "Melk"}),
            "delete": lambda aisle, id: aisle.ask("DELETE", f"products/{id}"),
        }
        answer = await asks[question](aisle, id)
        assert waited == [POLL]
        assert answer.status_code == (204 if question == "delete" else 200), answer.text
        if question == "delete":
            assert aisle.shelf.rows == {}
        else:
            told = answer.json()
            assert [(one["id"], one["name"]) for one in told.get("data", [told])] == [(id, "Melk")]


async def test_a_list_that_shows_somebodys_own_again_costs_no_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_aisle(tmp_path) as aisle:
        await aisle.make()
        attempts, asked = aisle.house.polder.storage.attempts, 0
        honest = attempts.sending

        async def counted(*given: Any) -> Sequence[str]:
            nonlocal asked
            asked += 1
            return await honest(*given)

        monkeypatch.setattr(attempts, "sending", counted)
        for own, questions in (("by hand", 1), ("by hand", 1), ("another", 2)):
            aisle.shelf.put({"name": own, "unit": None, "archived": False}, own.replace(" ", "-"))
            told = (await aisle.ask("GET", "products", None, FRESH)).json()["data"]
            assert own in [one["name"] for one in told]
            assert asked == questions


class Gone:
    """A record that is not there, however often it is read."""

    read = 0

    async def __call__(self) -> str:
        self.read += 1
        raise Problem("not_found", "There is no such record.")


async def test_who_has_no_time_left_hears_what_there_is() -> None:
    moves, gone = moving(), Gone()
    with moves.under_way(*PLACE, "p1", "run"), pytest.raises(Problem, match="no such record"):
        await moves.read_stable(*PLACE, gone, lambda _: False, lambda: 0.0, odd)
    assert gone.read == 2


async def test_what_is_not_there_is_asked_for_once_where_nothing_moves() -> None:
    moves, gone = moving(), Gone()
    other = moves.under_way("con_2", "products", "p1", "run")
    with moves.under_way("con_1", "contacts", "p1", "run"), other, pytest.raises(Problem):
        await moves.read_stable(*PLACE, gone, lambda _: False, lambda: 30.0, odd)
    assert gone.read == 1


async def test_what_another_process_has_under_way_is_waited_for_as_long_as_there_is_time() -> None:
    elsewhere, gone = Elsewhere("theirs"), Gone()
    times = [30.0, 30.0, 0.0]
    with pytest.raises(Problem, match="no such record"):
        await moving(elsewhere).read_stable(*PLACE, gone, lambda _: False, lambda: times.pop(0) if times else 0.0, odd)
    assert gone.read == 2
    assert elsewhere.asked > 2


async def test_what_this_process_has_not_written_down_as_over_is_not_waited_for() -> None:
    moves, gone = moving(Elsewhere("ours")), Gone()
    with moves.under_way(*PLACE, "p1", "ours"):
        pass
    with pytest.raises(Problem):
        await moves.read_stable(*PLACE, gone, lambda _: False, lambda: 30.0, odd)
    assert gone.read == 1


async def test_what_is_not_odd_costs_no_question() -> None:
    async def read() -> str:
        return "a list of what is known"

    async def known(_: object) -> Interference:
        return "no"

    elsewhere = Elsewhere("theirs")
    await moving(elsewhere).read_stable(*PLACE, read, lambda _: False, lambda: 30.0, known)
    await moving(elsewhere).read_stable(*PLACE, read, lambda _: True, lambda: 30.0, odd)
    assert elsewhere.asked == 0


async def test_where_records_move_all_the_while_a_list_is_read_three_times_at_most() -> None:
    moves, read = moving(), 0

    async def disturbed() -> int:
        nonlocal read
        read += 1
        with moves.under_way(*PLACE, "p1", "run"):
            await asyncio.sleep(0)
        return read

    assert await moves.read_stable(*PLACE, disturbed, lambda _: False, lambda: 30.0, odd) == TRIES
    read = 0
    assert await moves.read_stable(*PLACE, disturbed, lambda _: True, lambda: 30.0, odd) == 1
