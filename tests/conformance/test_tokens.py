"""Laws of getting in: one token request however many wait for it, one new token for a refused one, and an end to it."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx2
import pytest

from gateway.contract.auth import StaticToken
from gateway.contract.emulator import Fault, ReceivedRequest
from tests.conformance.subject import Subject, body_of, problem_of
from tests.conformance.test_reconciliation import wish

FRESH = {"cache-control": "no-cache"}
ASKERS = 20


async def exchanging(subject: Subject) -> str:
    """A connection whose credentials buy short-lived tokens."""
    credentials = subject.widest_credentials()
    kind = subject.adapter.credential(credentials["type"])
    assert kind is not None
    if isinstance(kind.scheme, StaticToken):
        pytest.skip(f"{subject.name}: its tokens live for ever")
    return await subject.house.connect(subject.name, credentials=credentials)


def token_requests(subject: Subject) -> int:
    return sum(1 for seen in subject.emulator.journal if subject.emulator.is_token_request(seen))


async def ask_at_once(subject: Subject, connection: str) -> list[int]:
    """Different questions, all at the same time; their statuses."""
    asked = [
        subject.ask("GET", "contacts", connection=connection, headers=FRESH, limit=str(limit + 1))
        for limit in range(ASKERS)
    ]
    return [answer.status_code for answer in await asyncio.gather(*asked)]


async def test_many_askers_of_an_expired_token_cause_one_request(subject: Subject) -> None:
    connection = await exchanging(subject)
    assert set(await ask_at_once(subject, connection)) == {200}
    before = token_requests(subject)
    subject.house.clock.advance(400 * 24 * 3600)
    assert set(await ask_at_once(subject, connection)) == {200}
    assert token_requests(subject) == before + 1


async def test_a_token_refused_before_its_time_is_replaced_once(subject: Subject) -> None:
    connection = await exchanging(subject)
    assert set(await ask_at_once(subject, connection)) == {200}
    before = token_requests(subject)
    subject.emulator.expire_tokens()
    assert set(await ask_at_once(subject, connection)) == {200}
    assert token_requests(subject) == before + 1


@pytest.mark.parametrize("times", [1, 2])
async def test_a_refused_token_is_replaced_for_a_write_too(subject: Subject, times: int) -> None:
    """The token dies while the write is on its way: what comes with it is refused unread, and is sent once more. So
    does the next one, before it opened anything: nobody needs the owner while a new token will do.
    """
    connection = await exchanging(subject)
    draft = await subject.draft("contacts")
    books = len(subject.books("contacts"))
    writes: list[ReceivedRequest] = []

    def ends_the_token(seen: ReceivedRequest) -> bool:
        if seen.method != "GET" and not subject.emulator.is_token_request(seen):
            if len(writes) < times:
                subject.emulator.expire_tokens()
            writes.append(seen)
        return False

    subject.emulator.fail(Fault("status"), when=ends_the_token)
    answer = await subject.ask("POST", "contacts", body=draft, connection=connection)
    assert answer.status_code == 201, answer.text
    assert len(subject.books("contacts")) == books + 1
    assert len(writes) == times + 1
    assert len({(write.path, write.body) for write in writes}) == 1


async def test_a_write_that_no_token_could_be_had_for_was_not_sent(subject: Subject) -> None:
    connection = await exchanging(subject)
    asked = await contact_of(subject, connection, "k-1")
    subject.emulator.expire_tokens()
    subject.emulator.fail(Fault("status", status=503), times=1_000, when=subject.emulator.is_token_request)
    refused = problem_of(await asked())
    assert (refused["code"], refused["outcome"]) == ("upstream_unavailable", "not_sent")
    books = len(subject.books("contacts"))
    subject.emulator.heal()
    subject.house.clock.advance(120)
    assert ((await asked()).status_code, len(subject.books("contacts"))) == (201, books + 1)


@pytest.mark.parametrize("what", ["contacts", "invoices", "payments"])
async def test_a_write_that_was_done_is_not_called_unsent_for_want_of_a_token(subject: Subject, what: str) -> None:
    """The token dies behind the write, and no other can be had for what is read back: it is not done a second time."""
    subject.connection = await exchanging(subject)
    asked = await wish(subject, what)
    behind: list[ReceivedRequest] = []

    def is_asked_behind_the_write(seen: ReceivedRequest) -> bool:
        return asked.made > 0 and subject.emulator.is_token_request(seen)

    def ends_the_token(seen: ReceivedRequest) -> bool:
        if asked.made > 0 and not subject.emulator.is_token_request(seen):
            behind.append(seen)
            subject.emulator.expire_tokens()
        return False

    subject.emulator.fail(Fault("status", status=503), times=1_000, when=is_asked_behind_the_write)
    subject.emulator.fail(Fault("status"), when=ends_the_token)
    status, first = await asked.ask()
    if not behind:
        pytest.skip(f"{subject.name}: nothing is read behind what makes {what}")
    assert status == 201 or first["outcome"] == "applied", first
    subject.emulator.heal()
    subject.house.clock.advance(120)
    again, told = await asked.ask()
    assert (again, asked.made) == (201, 1), told


async def test_who_waits_for_the_same_token_hears_of_his_own_write_only(subject: Subject) -> None:
    """One write was done and wants to read, another was not sent: both wait for the token that nobody gets."""
    connection = await exchanging(subject)
    asked, other = await contact_of(subject, connection, "k-1"), await contact_of(subject, connection, "k-2")
    books = len(subject.books("contacts"))
    others: list[asyncio.Future[httpx2.Response]] = []

    def is_asked_behind_the_write(seen: ReceivedRequest) -> bool:
        return len(subject.books("contacts")) > books and subject.emulator.is_token_request(seen)

    def ends_the_token(seen: ReceivedRequest) -> bool:
        if len(subject.books("contacts")) > books and not subject.emulator.is_token_request(seen):
            subject.emulator.expire_tokens()
            if not others:
                others.append(asyncio.ensure_future(other()))
        return False

    subject.emulator.fail(Fault("status", status=503), times=1_000, when=is_asked_behind_the_write)
    subject.emulator.fail(Fault("status"), when=ends_the_token)
    first = await asked()
    assert first.status_code == 201 or problem_of(first)["outcome"] == "applied"
    assert problem_of(await others[0] if others else await other())["outcome"] == "not_sent"
    subject.emulator.heal()
    subject.house.clock.advance(120)
    assert [(await one()).status_code for one in (asked, other)] == [201, 201]
    assert len(subject.books("contacts")) == books + 2


async def contact_of(subject: Subject, connection: str, key: str) -> Callable[[], Awaitable[httpx2.Response]]:
    """A contact that can be asked for again and again under one key."""
    draft = await subject.draft("contacts")

    async def asked() -> httpx2.Response:
        headers = {"idempotency-key": key}
        return await subject.ask("POST", "contacts", body=draft, connection=connection, headers=headers)

    return asked


async def test_a_fresh_token_is_used_again(subject: Subject) -> None:
    connection = await exchanging(subject)
    await ask_at_once(subject, connection)
    before = token_requests(subject)
    for _ in range(3):
        await ask_at_once(subject, connection)
    await subject.house.polder.engine._tokens.settle()  # what is renewed while it serves is renewed behind the answers
    assert token_requests(subject) == before


async def test_refusal_without_end_has_an_end(subject: Subject) -> None:
    """A system that refuses every token is asked a bounded number of times, and the owner must act."""
    connection = await exchanging(subject)
    await ask_at_once(subject, connection)

    def any_work(seen: ReceivedRequest) -> bool:
        return not subject.emulator.is_token_request(seen)

    before, tokens = len(subject.emulator.journal), token_requests(subject)
    subject.emulator.fail(unauthorized(), times=1_000, when=any_work)
    answer = await subject.ask("GET", "contacts", connection=connection, headers=FRESH)
    assert answer.status_code in (424, 502), answer.text
    assert len(subject.emulator.journal) - before <= 5
    for _ in range(5):
        answer = await subject.ask("GET", "contacts", connection=connection, headers=FRESH)
        assert answer.status_code in (424, 502), answer.text
    assert token_requests(subject) - tokens <= 3
    subject.emulator.heal()
    subject.house.clock.advance(120)
    assert (await subject.ask("GET", "contacts", connection=connection, headers=FRESH)).status_code == 200


def unauthorized() -> Fault:
    """A refusal, in the words a token endpoint has for it (RFC 6749 §5.2)."""
    body = b'{"error":"invalid_grant"}'
    return Fault("status", status=401, headers={"content-type": "application/json"}, body=body)


async def test_refused_credentials_need_their_owner(subject: Subject) -> None:
    """Once a system refuses the credentials, the connection says so, and the system is left in peace for a while."""

    def any_work(seen: ReceivedRequest) -> bool:
        return True

    assert (await subject.ask("GET", "contacts", headers=FRESH)).status_code == 200
    subject.emulator.expire_tokens()
    subject.emulator.fail(unauthorized(), times=1_000, when=any_work)
    await subject.refused(424, "connection_needs_reauth", "GET", "contacts", headers=FRESH)
    assert body_of(await subject.ask("GET", ""))["status"] == "needs_reauth"
    before = token_requests(subject)
    for _ in range(5):
        answer = await subject.ask("GET", "contacts", headers=FRESH)
        assert problem_of(answer)["fix"] == "owner"
    assert token_requests(subject) <= before + 1
    subject.emulator.heal()
    subject.house.clock.advance(120)
    assert (await subject.ask("GET", "contacts", headers=FRESH)).status_code == 200
    assert body_of(await subject.ask("GET", ""))["status"] == "active"


async def test_credentials_are_tried_before_they_are_stored(subject: Subject) -> None:
    wrong = {
        name: value if name == "type" else f"verkeerd-{value}" for name, value in subject.emulator.credentials().items()
    }
    body = {"provider": subject.name, "name": "Verkeerd", "credentials": wrong}
    answer = await subject.house.client.post("/v1/connections", json=body)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (422, "credentials_rejected"), answer.text
    listed = (await subject.house.client.get("/v1/connections")).json()["data"]
    assert [one["id"] for one in listed] == [subject.connection]


async def test_new_credentials_that_fail_replace_nothing(subject: Subject) -> None:
    wrong = {
        name: value if name == "type" else f"verkeerd-{value}" for name, value in subject.emulator.credentials().items()
    }
    await subject.refused(422, "credentials_rejected", "PATCH", "", body={"credentials": wrong})
    assert (await subject.get(""))["status"] == "active"
    assert (await subject.ask("GET", "contacts", headers=FRESH)).status_code == 200
