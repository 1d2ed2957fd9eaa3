"""Tokens: one asker at a time, kept before used, refused ones not asked for again at once."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, cast

import httpx2
import pytest

from gateway.contract.auth import AccessToken
from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.http import Wire
from gateway.engine.observe import Unobserved
from gateway.engine.storage import Storage, StoredToken
from gateway.engine.tokens import Tokens
from tests.engine.staging import Books, MemoryStorage, connection, provider, said
from tests.house import START, ManualClock

CONNECTION = connection()
PROVIDER = provider()


class Desk:
    """The token layer with a system behind it that gives out numbered tokens, good for an hour."""

    def __init__(self, *, lifetime: int | None = 3600, password: str = "right") -> None:
        self.clock = ManualClock()
        self.storage = MemoryStorage(password=password, token="static-1")
        self.lifetime = lifetime
        self.given = 0
        self.hold: asyncio.Event | None = None
        self.books = Books(self.log_in)
        wire = Wire(self.clock, lambda origin: self.books)
        self.tokens = Tokens(cast(Storage, self.storage), wire, self.clock, Unobserved())

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
        return (await self.tokens.current(CONNECTION, PROVIDER)).value.reveal()

    async def replace(self, text: str) -> str:
        return (await self.tokens.replace(CONNECTION, PROVIDER, AccessToken(Secret(text)))).value.reveal()

    @property
    def kept(self) -> list[str]:
        return [row.token.value.reveal() for row in self.storage.tokens.rows.get(CONNECTION.id, [])]


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
    desk.storage.tokens.fails = True
    found = await asyncio.gather(*(desk.current() for _ in range(5)), return_exceptions=True)
    assert {one.code for one in found if isinstance(one, Problem)} == {"storage_unavailable"}
    assert len(found) == len([one for one in found if isinstance(one, Problem)])
    desk.storage.tokens.fails = False
    assert await desk.current() == "t2"
    assert desk.kept == ["t2"]


async def test_a_kept_token_is_used_after_a_restart(desk: Desk) -> None:
    await desk.current()
    again = Desk()
    again.storage = desk.storage
    again.tokens = Tokens(
        cast(Storage, desk.storage), Wire(again.clock, lambda origin: again.books), again.clock, Unobserved()
    )
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
        assert (problem.code, problem.outcome) == ("connection_needs_reauth", "not_sent")
    assert len(wrong.books.heard) == 1
    wrong.clock.advance(59)
    await problem_of(wrong.current())
    assert len(wrong.books.heard) == 1
    wrong.clock.advance(2)
    wrong.storage.connections.fields = {"password": Secret("right")}
    assert await wrong.current() == "t1"


async def test_new_credentials_are_tried_at_once() -> None:
    wrong = Desk(password="wrong")
    await problem_of(wrong.current())
    wrong.storage.connections.fields = {"password": Secret("right")}
    wrong.tokens.forget(CONNECTION.id)
    assert await wrong.current() == "t1"


@pytest.mark.parametrize("answer", [said({}, 503), said({}, 429), httpx2.ConnectError("x"), httpx2.ReadError("x")])
async def test_passing_trouble_is_no_refusal(desk: Desk, answer: Any) -> None:
    desk.books.then(answer)
    problem = await problem_of(desk.current())
    assert problem.code in ("upstream_unavailable", "upstream_rate_limited", "upstream_timeout")
    assert await desk.current() == "t1"


@pytest.mark.parametrize(("age", "asked"), [(3299, 1), (3301, 2), (3599, 2), (7200, 2)])
async def test_a_token_is_renewed_in_its_last_tenth(desk: Desk, age: int, asked: int) -> None:
    """3600 seconds less the smaller of five minutes and a tenth: here 300, so from 3300 on."""
    await desk.current()
    desk.clock.advance(age)
    await desk.current()
    assert len(desk.books.heard) == asked


async def test_a_short_lived_token_is_used_for_most_of_its_life() -> None:
    desk = Desk(lifetime=100)
    await desk.current()
    desk.clock.advance(89)
    assert await desk.current() == "t1"
    desk.clock.advance(2)
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
    desk.storage.connections.fields = {"token": Secret("static-2")}
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
    journal.rows[CONNECTION.id] = [StoredToken(1, AccessToken(Secret("revoked"), START + timedelta(hours=1)), START)]
    journal.gate = asyncio.Event()
    looking = asyncio.ensure_future(desk.current())
    await asyncio.sleep(0)
    replacing = asyncio.ensure_future(desk.replace("revoked"))
    await asyncio.sleep(0)
    journal.gate.set()
    await looking
    assert await replacing == "t1"


async def test_a_token_of_credentials_that_were_replaced_meanwhile_is_not_used(desk: Desk) -> None:
    desk.hold = asyncio.Event()
    flight = asyncio.ensure_future(desk.current())
    while not desk.books.heard:
        await asyncio.sleep(0)
    # What Connections.update does when the owner gives other credentials, of another administration perhaps.
    desk.storage.tokens.rows.pop(CONNECTION.id, None)
    desk.tokens.forget(CONNECTION.id)
    desk.hold.set()
    await asyncio.gather(flight, return_exceptions=True)
    assert await desk.current() == "t2", "the token of the old credentials is still in use"
