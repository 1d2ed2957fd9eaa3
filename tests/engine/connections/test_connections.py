"""Connections: what is given for them is checked before it can do harm, and nothing of them is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.contract.emulator import ASGIApp, Emulator, Fault, Message, Receive, Send
from gateway.contract.errors import Problem
from gateway.contract.exact import dumps
from gateway.contract.models import ConnectionDraft
from gateway.contract.secret import Secret
from gateway.engine.call import Answer, Call, Caller
from gateway.engine.storage import StoredConnection
from tests.house import House, emulated, open_house

OAUTH = "rompslomp"
"""A system whose owners authorize, or bring a pair of tokens along."""
TOKEN = "memory"
"""A system that is opened with a token as it is."""


def body(provider: str, **fields: Any) -> dict[str, Any]:
    return {"provider": provider, "name": "Webshop", **fields}


async def made(house: House, provider: str, **fields: Any) -> str:
    answer = await house.client.post("/v1/connections", json=body(provider, **fields))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def shown(house: House, connection: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await house.client.get(f"/v1/connections/{connection}")).json()
    return answer


async def link(house: House, connection: str) -> str:
    return str((await house.client.post(f"/v1/connections/{connection}/link")).json()["url"])


def pointed_at(answer: httpx2.Response) -> tuple[int, list[str]]:
    return answer.status_code, [one["pointer"] for one in answer.json()["errors"]]


# What is given


@pytest.mark.parametrize("provider", emulated())
async def test_a_setting_is_a_list_only_where_it_may_be_several(house: House, provider: str) -> None:
    """An adapter that wants an id would trip over a list of them, in the middle of somebody's invoice."""
    connection, settings = await house.connect(provider), emulated()[provider].settings
    for one in settings:
        answer = await patched(house, connection, settings={one.name: ["1", "2"]})
        if one.several:
            assert answer.json()["settings"] == {one.name: ["1", "2"]}
        else:
            assert pointed_at(answer) == (422, [f"/settings/{one.name}"])
    assert (await shown(house, connection))["settings"].keys() == {one.name for one in settings if one.several}


@pytest.mark.parametrize("member", ["settings", "credentials"])
@pytest.mark.parametrize("depth", [28, 300, 900])
async def test_what_is_nested_deep_is_refused_and_breaks_nothing(house: House, member: str, depth: int) -> None:
    connection = await house.connect("memory")
    body = f'{{"{member}":{{"type":{"[" * depth}{"]" * depth}}}}}'.encode()
    answer = await house.client.patch(
        f"/v1/connections/{connection}", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["outcome"] == "not_sent"


async def test_a_company_whose_name_no_database_keeps_is_nonsense_of_the_systems(house: House) -> None:
    """And not told as trouble of Polder's own storage."""
    emulator = house.emulator("memory")
    company = {"id": "m1", "name": "Jan\0sen", "accessible": True, "allowedScopes": []}
    said = {"ok": True, "result": {"items": [company], "total": 1}}
    fault = Fault("status", 200, {"content-type": "application/json"}, dumps(said))
    emulator.fail(fault, when=lambda seen: seen.path.endswith("companies"))
    body = {"provider": "memory", "name": "x", "credentials": emulator.token_credentials()}  # type: ignore[attr-defined]
    answer = await house.client.post("/v1/connections", json=body)
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_malformed")
    assert "NUL" in answer.json()["detail"]


async def test_a_delete_that_says_more_than_that_deletes_nothing(house: House) -> None:
    url = f"/v1/connections/{await house.connect(TOKEN)}"
    refused = await house.client.request("DELETE", url, json={"only": "the credentials"})
    assert (refused.status_code, refused.json()["outcome"]) == (422, "not_sent")
    assert (await house.client.get(url)).status_code == 200
    assert (await house.client.request("DELETE", url, json={})).status_code == 204


async def test_a_token_endpoint_that_breaks_off_is_not_said_to_be_late(house: House) -> None:
    memory = house.emulator(TOKEN)
    memory.fail(Fault("lost"), times=9, when=memory.is_token_request)
    given = dict(memory.credentials())
    told = (await house.client.post("/v1/connections", json=body(TOKEN, credentials=given))).json()
    assert (told["code"], told["detail"]) == ("upstream_unavailable", "Memory Books broke off its answer.")
    memory.heal()
    memory.fail(Fault("slow", seconds=31), times=9, when=memory.is_token_request)
    told = (await house.client.post("/v1/connections", json=body(TOKEN, credentials=given))).json()
    assert (told["code"], told["detail"]) == ("upstream_timeout", "Memory Books gave no token in time.")


UNWRITABLE = [
    (OAUTH, {"type": "oauth2", "access_token": "caf\u00e9", "refresh_token": "r"}, "access_token"),
    (TOKEN, {"type": "api_token", "api_token": "caf\u00e9"}, "api_token"),
]
"""Credentials that would become a header, and cannot."""


@pytest.mark.parametrize(("provider", "credentials", "field"), UNWRITABLE)
async def test_a_credential_that_no_request_can_carry_is_refused_as_it_is_given(
    house: House, provider: str, credentials: dict[str, str], field: str
) -> None:
    waiting = await made(house, provider)
    connection = await house.connect(provider)
    before = await shown(house, connection)
    for _ in range(6):
        refused = await house.client.post("/v1/connections", json=body(provider, credentials=credentials))
        assert pointed_at(refused) == (422, [f"/credentials/{field}"])
        refused = await house.client.patch(f"/v1/connections/{connection}", json={"credentials": credentials})
        assert pointed_at(refused) == (422, [f"/credentials/{field}"])
        page = await (await house.anonymous()).post(await link(house, waiting), data=credentials)
        assert page.status_code == 422
        assert 'role="alert"' in page.text
    assert await shown(house, connection) == before
    assert (await house.client.get("/v1/connections")).json()["total_count"] == 2
    answer = await house.client.get(f"/v1/connections/{connection}/contacts")
    assert answer.status_code == 200, "the system is not shut for others"


IMPOSSIBLE = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", "2026-03-02T09:00:00"]


@pytest.mark.parametrize("expires_at", IMPOSSIBLE)
async def test_a_moment_that_cannot_be_is_refused_and_nothing_stays(house: House, expires_at: str) -> None:
    pair = {"type": "oauth2", "access_token": "a", "refresh_token": "r", "expires_at": expires_at}
    refused = await house.client.post("/v1/connections", json=body(OAUTH, external_ref="shop", credentials=pair))
    assert pointed_at(refused) == (422, ["/credentials/expires_at"])
    assert (await house.client.get("/v1/connections")).json()["total_count"] == 0
    await made(house, OAUTH, external_ref="shop")


async def test_a_moment_is_taken_at_its_offset(house: House) -> None:
    oauth: Any = house.emulator(OAUTH)
    pair = {**oauth.oauth_credentials(), "expires_at": "0001-01-01T14:00:00+14:00"}
    connection = await made(house, OAUTH, credentials=pair, company_id=oauth.company_id)
    assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code == 200


@pytest.mark.parametrize("error", [asyncio.CancelledError, RuntimeError])
async def test_a_connection_whose_making_breaks_off_does_not_stay(
    house: House, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    async def broken(*asked: object) -> None:
        raise error

    monkeypatch.setattr(house.polder.engine.connections._verifier, "reached", broken)
    draft = ConnectionDraft.model_validate(
        body(OAUTH, external_ref="shop", credentials={"type": "oauth2", "access_token": "a", "refresh_token": "r"})
    )
    with pytest.raises(error):
        await house.polder.engine.connections.create(Caller("key_1", "acme", frozenset("*")), draft)
    await made(house, OAUTH, external_ref="shop")


async def test_a_connection_that_cannot_be_taken_back_is_not_told_as_never_made(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*asked: object) -> None:
        raise Problem("storage_unavailable", "The disk is gone.")

    pair = {"type": "oauth2", "access_token": "a", "refresh_token": "r"}
    with monkeypatch.context() as outage:
        outage.setattr(house.polder.storage.connections, "replace_credentials", down)
        outage.setattr(house.polder.storage.connections, "destroy", down)
        answer = await house.client.post("/v1/connections", json=body(OAUTH, external_ref="shop", credentials=pair))
    told = answer.json()
    assert (answer.status_code, told["code"], told["outcome"]) == (503, "storage_unavailable", "unknown")
    assert (await shown(house, told["connection_id"]))["external_ref"] == "shop"


# Waiting for the owner


async def test_what_is_asked_of_a_connection_that_waits_leaves_its_link_open(house: House) -> None:
    connection = await made(house, OAUTH, credentials={"type": "oauth2"})
    url, browser = await link(house, connection), await house.anonymous()
    with pytest.raises(Problem) as raised:
        await house.polder.engine.connections.companies(await stored(house, connection))
    assert raised.value.code == "connection_pending"
    answer = await patched(house, connection, company_id="1")
    assert (answer.status_code, answer.json()["code"]) == (424, "connection_pending")
    assert (await shown(house, connection))["status"] == "pending"
    assert (await browser.get(url)).status_code == 200
    assert not house.emulator(OAUTH).journal


async def test_to_say_again_what_a_connection_is_changes_nothing(house: House) -> None:
    connection = await made(house, OAUTH, settings={"default_ledger_account_id": "1"})
    url, browser, before = await link(house, connection), await house.anonymous(), await shown(house, connection)
    for said in ({}, {"name": "Webshop"}, {"settings": {"default_ledger_account_id": "1"}}):
        house.clock.advance(1)
        answer = await patched(house, connection, **said)
        assert (answer.status_code, answer.json()) == (200, before)
    assert (await browser.get(url)).status_code == 200
    assert (await patched(house, connection, name="Shop")).json()["updated_at"] != before["updated_at"]
    assert (await browser.get(url)).status_code == 200, "a name is not what it is for"


@pytest.mark.parametrize("provider", sorted(emulated()))
async def test_a_link_stays_open_while_the_old_credentials_are_still_tried(house: House, provider: str) -> None:
    """An application goes on calling until the owner has given others, also where he withdrew the old ones first."""
    connection = await house.connect(provider)
    url, browser = await link(house, connection), await house.anonymous()
    house.emulator(provider).fail(Fault("status", 401), times=100)
    contacts = f"/v1/connections/{connection}/contacts"
    assert (await house.client.get(contacts)).status_code == 424
    assert (await shown(house, connection))["status"] == "needs_reauth"
    for _ in range(3):
        house.clock.advance(61)
        assert (await house.client.get(contacts)).status_code == 424
    assert (await browser.get(url)).status_code == 200


# Changes at the same time


@dataclass
class Held:
    """A house whose system answers only while the ``gate`` is open; who asks it has ``knocked``."""

    house: House
    gate: asyncio.Event
    knocked: asyncio.Event

    async def meanwhile(self, slow: Awaitable[httpx2.Response], quick: Awaitable[Any]) -> tuple[httpx2.Response, Any]:
        """What comes of both, where the quick one begins and ends while the system keeps the slow one waiting."""
        self.gate.clear()
        self.knocked.clear()
        waiting = asyncio.ensure_future(slow)
        await self.knocked.wait()
        done = await quick
        self.gate.set()
        return await waiting, done


@asynccontextmanager
async def hold(home: Path, provider: str) -> AsyncIterator[Held]:
    gate, knocked = asyncio.Event(), asyncio.Event()
    gate.set()

    def between(emulator: Emulator) -> ASGIApp:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            knocked.set()
            await gate.wait()
            await emulator(scope, receive, send)

        return app

    async with open_house(home, adapters={provider: emulated()[provider]}, between=between) as house:
        yield Held(house, gate, knocked)


def patched(house: House, connection: str, **fields: Any) -> Awaitable[httpx2.Response]:
    return house.client.patch(f"/v1/connections/{connection}", json=fields)


async def stored(house: House, connection: str) -> StoredConnection:
    found = await house.polder.storage.connections.find(connection)
    assert found is not None
    return found


def token_for(house: House) -> dict[str, str]:
    """Credentials that open one company of it, at once."""
    emulator: Any = house.emulator(TOKEN)
    return dict(emulator.token_credentials())


async def token_of(house: House, connection: str) -> Mapping[str, Secret]:
    return await house.polder.storage.connections.credentials(await stored(house, connection))


async def test_changes_of_different_fields_all_stay(house: House) -> None:
    connection = await house.connect(TOKEN)
    for number in range(10):
        setting = {"default_ledger_account_id": f"{number}"}
        rounding = {"rounding_ledger_account_id": f"{number}"}
        answers = await asyncio.gather(
            patched(house, connection, name=f"Shop {number}"),
            patched(house, connection, settings=setting),
            patched(house, connection, settings=rounding),
        )
        assert [answer.status_code for answer in answers] == [200] * 3
        found = await shown(house, connection)
        assert (found["name"], found["settings"]) == (f"Shop {number}", setting | rounding)


@pytest.mark.parametrize("provider", [TOKEN, OAUTH])
async def test_another_company_and_another_name_both_stay(tmp_path: Path, provider: str) -> None:
    async with hold(tmp_path, provider) as held:
        house = held.house
        oauth = getattr(house.emulator(provider), "oauth_credentials", house.emulator(provider).credentials)
        connection = await house.connect(provider, credentials=oauth())
        companies = (await house.client.get(f"/v1/connections/{connection}/companies")).json()["data"]
        wanted = [one["id"] for one in companies if one["accessible"]][-1]
        assert (await shown(house, connection))["company"]["id"] != wanted
        answers = await held.meanwhile(
            patched(house, connection, company_id=wanted), patched(house, connection, name="Renamed")
        )
        assert [answer.status_code for answer in answers] == [200, 200]
        found = await shown(house, connection)
        assert (found["name"], found["company"]["id"]) == ("Renamed", wanted)
        assert (answers[0].json()["name"], answers[0].json()["company"]["id"]) == ("Renamed", wanted)


async def test_a_change_while_new_credentials_are_tried_stays(tmp_path: Path) -> None:
    async with hold(tmp_path, TOKEN) as held:
        connection = await held.house.connect(TOKEN)
        credentials = token_for(held.house)
        tried, renamed = await held.meanwhile(
            patched(held.house, connection, credentials=credentials), patched(held.house, connection, name="Renamed")
        )
        assert (tried.status_code, renamed.status_code) == (200, 200)
        assert (await shown(held.house, connection))["name"] == "Renamed"
        assert await token_of(held.house, connection) == {"api_token": Secret(credentials["api_token"])}


async def test_a_company_is_asked_for_anew_where_the_credentials_were_replaced_meanwhile(tmp_path: Path) -> None:
    """The new ones do not reach it: then neither they nor the company they are for are undone."""
    async with hold(tmp_path, TOKEN) as held:
        connection = await held.house.connect(TOKEN)
        credentials = token_for(held.house)
        token = {"api_token": Secret(credentials["api_token"])}
        companies = (await held.house.client.get(f"/v1/connections/{connection}/companies")).json()["data"]
        before = await stored(held.house, connection)

        async def replaced() -> None:
            def changing(now: StoredConnection) -> StoredConnection:
                later = now.updated_at + timedelta(microseconds=1)
                return replace(now, credential_type="api_token", updated_at=later)

            await held.house.polder.storage.connections.replace_credentials(before, changing, token)

        answer, _ = await held.meanwhile(
            patched(held.house, connection, company_id=companies[-1]["id"], name="New"), replaced()
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "company_not_accessible")
        after = await stored(held.house, connection)
        assert (after.company_id, after.name, after.credential_type) == (before.company_id, before.name, "api_token")
        assert await token_of(held.house, connection) == token


async def test_a_link_is_used_once_however_many_use_it_at_once(tmp_path: Path) -> None:
    async with hold(tmp_path, TOKEN) as held:
        url = await link(held.house, await made(held.house, TOKEN))
        browser = await held.house.anonymous()
        form = token_for(held.house)

        async def two_more() -> Sequence[asyncio.Future[httpx2.Response]]:
            begun = [asyncio.ensure_future(browser.post(url, data=form)) for _ in range(2)]
            await asyncio.sleep(0.05)
            return begun

        first, others = await held.meanwhile(browser.post(url, data=form), two_more())
        pages = [first, *await asyncio.gather(*others)]
        assert sorted(page.status_code for page in pages) == [200, 404, 404]
        assert sum("This link does not work any more" in page.text for page in pages) == 2


async def test_a_link_that_a_change_overtakes_changes_nothing(tmp_path: Path) -> None:
    async with hold(tmp_path, TOKEN) as held:
        connection = await made(held.house, TOKEN)
        url, browser = await link(held.house, connection), await held.house.anonymous()
        storage, found = held.house.polder.storage.connections, await stored(held.house, connection)
        others = {"api_token": Secret("given otherwise")}
        page, _ = await held.meanwhile(
            browser.post(url, data=token_for(held.house)),
            storage.replace_credentials(found, lambda current: current, others),
        )
        assert page.status_code == 404
        assert (await shown(held.house, connection))["status"] == "pending"
        assert await token_of(held.house, connection) == others


async def test_a_call_that_ends_late_does_not_activate_what_waits_for_its_owner_by_now(tmp_path: Path) -> None:
    async with hold(tmp_path, OAUTH) as held:
        connection = await held.house.connect(OAUTH)
        now = held.house.clock.now()
        await held.house.polder.storage.connections.amend(connection, now, status="needs_reauth", version=0)
        held.house.clock.advance(10)  # until that is seen
        url = f"/v1/connections/{connection}/contacts"
        called, waits = await held.meanwhile(
            held.house.client.get(url), patched(held.house, connection, credentials={"type": "oauth2"})
        )
        assert (called.status_code, waits.json()["status"]) == (200, "pending")
        assert (await shown(held.house, connection))["status"] == "pending"
        assert (await held.house.client.get(url)).json()["code"] == "connection_pending"


@pytest.mark.parametrize(
    ("first", "then"),
    [("credentials", "token_credentials"), ("token_credentials", "credentials"), ("token_credentials", None)],
)
async def test_a_call_under_way_is_told_that_its_credentials_are_gone(
    house: House, first: str, then: str | None
) -> None:
    """They are of another kind by now, or it was deleted: nobody answered nonsense."""
    emulator: Any = house.emulator(TOKEN)
    connection = await house.connect(TOKEN, credentials=getattr(emulator, first)())
    begun = await stored(house, connection)
    if then is None:
        assert (await house.client.delete(f"/v1/connections/{connection}")).status_code == 204
    else:
        assert (await patched(house, connection, credentials=getattr(emulator, then)())).status_code == 200
    with pytest.raises(Problem) as raised:
        await house.polder.engine.connections.companies(begun)
    assert (raised.value.code, raised.value.retry_after) == ("upstream_unavailable", 1)


# How long it may take

SECONDS = 6.0
"""What the system takes for an answer: more than these callers wait."""


@pytest.mark.parametrize(
    ("provider", "method", "path", "fields"),
    [
        (TOKEN, "POST", "", body(TOKEN, credentials={"type": "login", "user": "u", "password": "p"})),
        (TOKEN, "POST", "", body(TOKEN, credentials={"type": "api_token", "api_token": "t"})),
        (TOKEN, "PATCH", "/{id}", {"credentials": {"type": "api_token", "api_token": "t"}}),
        (TOKEN, "PATCH", "/{id}", {"company_id": "m2"}),
        (OAUTH, "PATCH", "/{id}", {"company_id": "other"}),
        (OAUTH, "POST", "", body(OAUTH, credentials={"type": "oauth2", "access_token": "a", "refresh_token": "r"})),
        (OAUTH, "GET", "/{id}/companies", None),
        ("snelstart", "GET", "/{id}/schemas/contacts", None),
    ],
)
async def test_what_is_asked_for_a_connection_ends_with_the_callers_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str, method: str, path: str, fields: object
) -> None:
    taking = 0.0

    def between(emulator: Emulator) -> ASGIApp:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            house.clock.advance(taking)
            await emulator(scope, receive, send)

        return app

    async with open_house(tmp_path, adapters={provider: emulated()[provider]}, between=between) as house:
        oauth = getattr(house.emulator(provider), "oauth_credentials", house.emulator(provider).credentials)
        connection = await house.connect(provider, credentials=oauth())
        perform = house.polder.engine.perform

        async def hurried(call: Call) -> Answer:
            return await perform(replace(call, deadline=house.clock.monotonic() + SECONDS - 1))

        monkeypatch.setattr(house.polder.engine, "perform", hurried)
        taking, began = SECONDS, house.clock.monotonic()
        url = f"/v1/connections{path.format(id=connection)}"
        answer = await house.client.request(method, url, json=fields)
        assert (answer.status_code, answer.json()["code"]) == (504, "upstream_timeout")
        assert house.clock.monotonic() - began == SECONDS, "nobody is asked a second time"
