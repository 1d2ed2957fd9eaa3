"""Tokens: one asker at a time, kept before used, refused ones not asked for again at once."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from gateway.contract.auth import AccessToken
from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.network.http import Wire
from gateway.engine.storage import StoredConnection, StoredToken
from gateway.engine.tokens import Tokens
from gateway.engine.tokens.refusals import IN_A_ROW
from tests.engine.journal import Disk, MemoryOwner, MemoryStorage
from tests.engine.staging import Books, Unobserved, connection, provider, said
from tests.house import START, ManualClock

CONNECTION = connection()
PROVIDER = provider()


class Desk:
    """The token layer with a system behind it that gives out numbered tokens, good for an hour."""

    def __init__(self, *, lifetime: int | None = 3600, password: str = "right", disk: Disk | None = None) -> None:
        self.clock = ManualClock()
        self.disk = disk or Disk(credentials={"password": Secret(password), "token": Secret("static-1")})
        self.storage = MemoryStorage(self.disk)
        self.lifetime = lifetime
        self.given = 0
        self.hold: asyncio.Event | None = None
        self.books = Books(self.log_in)
        wire = Wire(self.clock, lambda origin: self.books)
        self.tokens = Tokens(self.storage.as_storage(), wire, self.clock, Unobserved(), MemoryOwner())

    async def log_in(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        if self.hold is not None:
            await self.hold.wait()
        if request.content != b"password=right":
            return said({}, 401)
        self.given += 1
        expires = {} if self.lifetime is None else {"expires_in": self.lifetime}
        return said({"token": f"t{self.given}", **expires})

    async def current(self) -> str:
        return (await self.tokens.current(self.connection, PROVIDER)).value.reveal()

    async def replace(self, text: str) -> str:
        return (await self.tokens.replace(self.connection, PROVIDER, AccessToken(Secret(text)))).value.reveal()

    @property
    def connection(self) -> StoredConnection:
        """The connection as it is looked up now."""
        return replace(CONNECTION, credentials_version=self.disk.of(CONNECTION).version)

    @property
    def kept(self) -> list[str]:
        return [row.token.value.reveal() for row in self.disk.of(CONNECTION).rows]


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def problem_of(work: Awaitable[Any]) -> Problem:
    with pytest.raises(Problem) as raised:
        await work
    return raised.value


async def test_many_callers_make_one_request(desk: Desk) -> None:
    assert await asyncio.gather(*(desk.current() for _ in range(50))) == ["t1"] * 50
    assert len(desk.books.heard) == 1
    assert await desk.current() == "t1"
    assert len(desk.books.heard) == 1


async def test_many_callers_with_a_rejected_token_make_one_request(desk: Desk) -> None:
    await desk.current()
    assert await asyncio.gather(*(desk.replace("t1") for _ in range(50))) == ["t2"] * 50
    assert len(desk.books.heard) == 2


async def test_who_comes_late_with_an_old_token_gets_the_new_one(desk: Desk) -> None:
    await desk.current()
    await desk.replace("t1")
    assert await desk.replace("t1") == "t2"
    assert len(desk.books.heard) == 2


async def test_a_token_is_kept_before_anyone_gets_it(desk: Desk) -> None:
    seen: list[list[str]] = []

    async def ask() -> None:
        token = await desk.current()
        assert token in desk.kept
        seen.append(desk.kept)

    await asyncio.gather(*(ask() for _ in range(5)))
    assert seen == [["t1"]] * 5


async def test_a_token_that_cannot_be_kept_is_given_to_nobody(desk: Desk) -> None:
    desk.disk.full = {"append": 5, "spool": 1}
    found = await asyncio.gather(*(desk.current() for _ in range(5)), return_exceptions=True)
    assert [getattr(one, "code", one) for one in found] == ["storage_unavailable"] * 5
    assert desk.kept == []


async def test_a_kept_token_is_used_after_a_restart(desk: Desk) -> None:
    await desk.current()
    again = Desk(disk=desk.disk)
    assert await again.current() == "t1"
    assert again.books.heard == []


async def test_another_nodes_newer_token_is_taken_from_the_journal(desk: Desk) -> None:
    await desk.current()
    newer = AccessToken(Secret("from-elsewhere"), START + timedelta(hours=1))
    await desk.storage.tokens.append(CONNECTION, newer, START)
    assert await desk.replace("t1") == "from-elsewhere"
    assert len(desk.books.heard) == 1


async def test_a_refusal_is_believed_for_a_minute() -> None:
    wrong = Desk(password="wrong")
    for _ in range(3):
        problem = await problem_of(wrong.current())
        assert (problem.code, problem.outcome) == ("connection_needs_reauth", None)  # only the writer knows that
    assert len(wrong.books.heard) == 1
    wrong.clock.advance(59)
    await problem_of(wrong.current())
    assert len(wrong.books.heard) == 1
    wrong.clock.advance(2)
    wrong.disk.credentials = {"password": Secret("right")}
    assert await wrong.current() == "t1"


async def test_new_credentials_are_tried_at_once() -> None:
    wrong = Desk(password="wrong")
    await problem_of(wrong.current())
    wrong.disk.credentials = {"password": Secret("right")}
    wrong.disk.of(CONNECTION).version += 1
    assert await wrong.current() == "t1"


@pytest.mark.parametrize("answer", [said({}, 503), said({}, 429), httpx2.ConnectError("x"), httpx2.ReadError("x")])
async def test_passing_trouble_is_waited_out(desk: Desk, answer: Any) -> None:
    desk.books.then(answer, answer)
    assert await desk.current() == "t1"
    assert desk.clock.monotonic() == 2.5


@pytest.mark.parametrize("answer", [said({}, 503), said({}, 429), httpx2.ConnectError("x"), httpx2.ReadError("x")])
async def test_lasting_trouble_is_no_refusal(desk: Desk, answer: Any) -> None:
    desk.books.then(*[answer] * 4)
    problem = await problem_of(desk.current())
    assert problem.code in ("upstream_unavailable", "upstream_rate_limited", "upstream_timeout")
    assert desk.disk.of(CONNECTION).status == "active"
    assert await desk.current() == "t1"


async def test_a_token_that_no_request_can_carry_is_never_kept(desk: Desk) -> None:
    desk.books.then(*[said({"token": "t\u00e9"})] * 4)
    assert (await problem_of(desk.current())).code == "upstream_malformed"
    assert desk.kept == []
    assert await desk.current() == "t1"


async def test_a_token_endpoint_that_asks_to_wait_is_heeded_or_left_alone(desk: Desk) -> None:
    desk.books.then(said({}, 429, retry_after="4"))
    assert await desk.current() == "t1"
    assert desk.clock.monotonic() == 4
    desk.clock.advance(3600)
    desk.books.then(said({}, 429, retry_after="600"))
    assert (await problem_of(desk.current())).retry_after == 600
    assert len(desk.books.heard) == 3


async def test_a_token_near_its_end_is_replaced_while_it_serves(desk: Desk) -> None:
    """Of 3600 seconds the last six minutes, give or take a fifth: surely from 3240 + 72 on, and never before 3168."""
    await desk.current()
    desk.clock.advance(3167)
    assert await desk.current() == "t1"
    await desk.tokens.settle()
    assert len(desk.books.heard) == 1
    desk.clock.advance(146)
    desk.hold = asyncio.Event()
    assert await asyncio.gather(*(desk.current() for _ in range(50))) == ["t1"] * 50
    desk.hold.set()
    await desk.tokens.settle()
    assert await desk.current() == "t2"
    assert len(desk.books.heard) == 2


async def test_while_no_new_one_can_be_had_the_old_one_serves_to_its_end(desk: Desk) -> None:
    await desk.current()
    desk.clock.advance(3400)
    desk.books.then(*[said({}, 503)] * 4)
    for _ in range(10):
        assert await desk.current() == "t1"
        await desk.tokens.settle()
    assert len(desk.books.heard) == 5, "a round of four, and then peace for a while"
    desk.clock.advance(190)
    assert await desk.current() == "t2"


async def test_connections_are_renewed_at_different_times() -> None:
    desk = Desk()
    for number in range(100):
        await desk.tokens.current(connection(f"con_{number}"), PROVIDER)
    begun = []
    for moment in range(3160, 3340, 20):
        desk.clock.advance(moment - desk.clock.monotonic())
        for number in range(100):
            await desk.tokens.current(connection(f"con_{number}"), PROVIDER)
        await desk.tokens.settle()
        begun.append(len(desk.books.heard) - 100)
    assert begun[-1] == 100
    assert max(after - before for before, after in pairwise(begun)) < 40


async def test_a_short_lived_token_is_used_for_most_of_its_life() -> None:
    desk = Desk(lifetime=100)
    await desk.current()
    desk.clock.advance(69)
    assert await desk.current() == "t1"
    await desk.tokens.settle()
    assert len(desk.books.heard) == 1
    desk.clock.advance(22)
    assert await desk.current() == "t2"


async def test_a_token_without_an_end_is_used_until_it_is_rejected() -> None:
    desk = Desk(lifetime=None)
    await desk.current()
    desk.clock.advance(10**7)
    assert await desk.current() == "t1"
    assert await desk.replace("t1") == "t2"


async def test_who_leaves_does_not_call_the_flight_off(desk: Desk) -> None:
    desk.hold = asyncio.Event()
    leaving = asyncio.ensure_future(desk.current())
    staying = asyncio.ensure_future(desk.current())
    while not desk.books.heard:
        await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    desk.hold.set()
    assert await staying == "t1"
    assert (desk.kept, len(desk.books.heard)) == (["t1"], 1)


async def test_a_flight_that_everybody_left_still_keeps_its_token(desk: Desk) -> None:
    desk.hold = asyncio.Event()
    leaving = asyncio.ensure_future(desk.current())
    while not desk.books.heard:
        await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    settling = asyncio.ensure_future(desk.tokens.settle())
    await asyncio.sleep(0)
    assert not settling.done()
    desk.hold.set()
    await settling
    assert desk.kept == ["t1"]


async def test_a_static_token_is_the_credential_itself(desk: Desk) -> None:
    static = connection(type="token")
    token = await desk.tokens.current(static, PROVIDER)
    assert (token.value.reveal(), desk.books.heard, desk.kept) == ("static-1", [], [])
    problem = await problem_of(desk.tokens.replace(static, PROVIDER, token))
    assert problem.code == "connection_needs_reauth"


async def test_a_static_token_that_was_changed_replaces_the_old_one(desk: Desk) -> None:
    static = connection(type="token")
    old = await desk.tokens.current(static, PROVIDER)
    desk.disk.credentials = {"token": Secret("static-2")}
    assert (await desk.tokens.replace(static, PROVIDER, old)).value.reveal() == "static-2"
    assert (await desk.tokens.current(static, PROVIDER)).value.reveal() == "static-2"


async def test_a_refused_static_token_is_not_given_again_for_a_minute(desk: Desk) -> None:
    static = connection(type="token")
    token = await desk.tokens.current(static, PROVIDER)
    await problem_of(desk.tokens.replace(static, PROVIDER, token))
    problem = await problem_of(desk.tokens.current(static, PROVIDER))
    assert problem.code == "connection_needs_reauth"


async def test_connections_have_tokens_of_their_own(desk: Desk) -> None:
    one = await desk.tokens.current(connection("con_1"), PROVIDER)
    two = await desk.tokens.current(connection("con_2"), PROVIDER)
    assert (one.value.reveal(), two.value.reveal()) == ("t1", "t2")


async def test_a_replacement_is_never_the_token_that_was_rejected(desk: Desk) -> None:
    journal = desk.storage.tokens
    desk.disk.put(CONNECTION, StoredToken(1, AccessToken(Secret("revoked"), START + timedelta(hours=1)), START))
    journal.gate = asyncio.Event()
    looking = asyncio.ensure_future(desk.current())
    await asyncio.sleep(0)
    replacing = asyncio.ensure_future(desk.replace("revoked"))
    await asyncio.sleep(0)
    journal.gate.set()
    await looking
    assert await replacing == "t1"


async def test_a_token_of_credentials_that_were_replaced_meanwhile_is_given_to_nobody(desk: Desk) -> None:
    desk.hold = asyncio.Event()
    flight = asyncio.ensure_future(desk.current())
    while not desk.books.heard:
        await asyncio.sleep(0)
    # What Connections.update does when the owner gives other credentials, of another administration perhaps.
    desk.disk.of(CONNECTION).version += 1
    desk.hold.set()
    assert (await problem_of(flight)).retry_after == 1
    assert desk.kept == []
    assert await desk.current() == "t2"


async def test_a_refusal_of_credentials_that_were_replaced_meanwhile_marks_nothing() -> None:
    desk = Desk(password="wrong")
    desk.hold = asyncio.Event()
    flight = asyncio.ensure_future(desk.current())
    while not desk.books.heard:
        await asyncio.sleep(0)
    desk.disk.of(CONNECTION).version += 1
    desk.disk.credentials = {"password": Secret("right")}
    desk.hold.set()
    assert (await problem_of(flight)).code == "upstream_unavailable"
    assert desk.disk.of(CONNECTION).status == "active"
    assert await desk.current() == "t1"


@pytest.mark.parametrize("type", ["login", "token"])
async def test_nor_does_one_that_is_judged_while_they_are_replaced(type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(password="wrong")
    suspect = desk.storage.tokens.suspect

    async def replaced_then(*asked: Any, **further: Any) -> Any:
        found = await suspect(*asked, **further)
        desk.disk.of(CONNECTION).version += 1
        return found

    monkeypatch.setattr(desk.storage.tokens, "suspect", replaced_then)
    asked = connection(type=type)
    refused = desk.tokens.replace(asked, PROVIDER, AccessToken(Secret("static-1")))
    problem = await problem_of(refused)
    assert (problem.code, problem.retry_after) == ("upstream_unavailable", 1)
    assert desk.disk.of(CONNECTION).status == "active"


async def test_tokens_that_are_refused_as_soon_as_they_were_given_are_not_replaced_without_end(desk: Desk) -> None:
    await desk.current()
    assert [await desk.replace(f"t{number}") for number in range(1, 4)] == ["t2", "t3", "t4"]
    for _ in range(3):
        assert (await problem_of(desk.replace("t4"))).code == "connection_needs_reauth"
    assert len(desk.books.heard) == 4
    desk.clock.advance(61)
    assert await desk.replace("t4") == "t5"


async def test_processes_that_replace_each_others_tokens_come_to_an_end(desk: Desk) -> None:
    """Each is refused what the other was just given: together they ask for no more than each may."""
    both = desk, Desk(disk=desk.disk)
    for asking, resting in 20 * [both, both[::-1]]:
        asking.given = max(asking.given, resting.given)
        with suppress(Problem):
            await asking.replace(await asking.current())
    assert sum(len(one.books.heard) for one in both) == 1 + 2 * IN_A_ROW


async def test_a_rejected_replacement_is_no_matter_where_another_process_has_a_newer_one(desk: Desk) -> None:
    await desk.current()
    assert await desk.replace("t1") == "t2"
    newer = AccessToken(Secret("from-elsewhere"), START + timedelta(hours=1))
    await desk.storage.tokens.append(CONNECTION, newer, START)
    assert await desk.replace("t2") == "from-elsewhere"
    assert await desk.current() == "from-elsewhere"
    assert len(desk.books.heard) == 2


async def test_a_rejected_replacement_that_worked_in_another_process_is_replaced_again(desk: Desk) -> None:
    await desk.current()
    for number in range(1, 4):
        await desk.replace(f"t{number}")
    rows = desk.disk.of(CONNECTION).rows
    rows[-1] = replace(rows[-1], state="used")
    assert await desk.replace("t4") == "t5"


async def test_a_token_that_worked_is_replaced_again_however_young(desk: Desk) -> None:
    """However often, too: a system may give out tokens that live for seconds, and not say so."""
    assert await desk.current() == "t1"
    for number in range(1, 9):
        assert await desk.replace(f"t{number}") == f"t{number + 1}"
        desk.tokens.worked(CONNECTION, AccessToken(Secret(f"t{number + 1}")))
    assert desk.given == 9


async def test_once_the_process_is_about_to_stop_nothing_is_asked_for(desk: Desk) -> None:
    desk.tokens.drain()
    problem = await problem_of(desk.current())
    assert (problem.code, desk.books.heard) == ("upstream_unavailable", [])


async def test_a_flight_under_way_is_finished_before_the_process_stops(desk: Desk) -> None:
    desk.hold = asyncio.Event()
    flight = asyncio.ensure_future(desk.current())
    while not desk.books.heard:
        await asyncio.sleep(0)
    desk.tokens.drain()
    settling = asyncio.ensure_future(desk.tokens.settle())
    desk.hold.set()
    await settling
    assert (await flight, desk.kept) == ("t1", ["t1"])


async def test_a_flight_between_two_requests_ends_when_the_process_stops(desk: Desk) -> None:
    desk.hold = asyncio.Event()
    desk.books.then(said({}, 503))
    desk.clock.sleep = lambda seconds: asyncio.sleep(3600)  # type: ignore[method-assign]  # nobody wakes it
    flight = asyncio.ensure_future(desk.current())
    while not desk.books.heard:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    desk.tokens.drain()
    await desk.tokens.settle()
    assert (await problem_of(flight)).code == "upstream_unavailable"
    assert len(desk.books.heard) == 1
    intent = desk.disk.of(CONNECTION).intent
    assert intent is not None, "what became of the request is not known"
    assert intent.deadline <= desk.clock.now(), "whoever comes next need not wait"
