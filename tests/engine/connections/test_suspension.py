"""A suspended connection: its callers get nothing, Polder keeps it alive, and nothing but resuming it lifts that."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from gateway.contract.emulator import Emulator, Fault
from gateway.contract.models.connections import ConnectionStatus
from gateway.engine.connections.suspension import Suspension, resume, suspend
from gateway.engine.storage import StoredConnection
from tests.house import House

OAUTH = "rompslomp"
"""A system whose tokens end."""
TOKEN = "memory"
"""A system that is opened with a token as it is."""
CONTACT = {"company_name": "Kaasboer De Graaf B.V."}

pytestmark = pytest.mark.anyio


async def suspended(house: House, connection: str) -> Suspension:
    polder = house.polder
    done = await suspend(polder.storage, polder.generations, house.clock, connection)
    assert done is not None
    return done


async def resumed(house: House, connection: str) -> Suspension:
    polder = house.polder
    done = await resume(polder.storage, polder.generations, house.clock, connection)
    assert done is not None
    return done


async def stored(house: House, connection: str) -> StoredConnection:
    found = await house.polder.storage.connections.find(connection)
    assert found is not None
    return found


async def status(house: House, connection: str) -> str:
    answer = await house.client.get(f"/v1/connections/{connection}")
    return str(answer.json()["status"])


def refused(answer: httpx2.Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (424, "connection_suspended")


def posted(system: Emulator) -> bool:
    return any(seen.method == "POST" for seen in system.journal)


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("GET", "contacts", None),
        ("GET", "vat-codes", None),
        ("GET", "contacts/{contact}", None),
        ("POST", "contacts", CONTACT),
        ("POST", "contacts?dry_run=true", CONTACT),
        ("PATCH", "contacts/{contact}", CONTACT),
        ("DELETE", "contacts/{contact}", None),
        ("GET", "raw/contacts", None),
        ("POST", "raw/contacts", CONTACT),
        ("GET", "companies", None),
        ("GET", "schemas/contacts", None),
    ],
)
async def test_its_callers_get_nothing_and_nothing_is_sent(
    house: House, method: str, path: str, fields: Mapping[str, Any] | None
) -> None:
    place = f"/v1/connections/{await house.connect(TOKEN)}"
    contact = (await house.client.post(f"{place}/contacts", json=CONTACT)).json()["id"]
    url = f"{place}/{path.format(contact=contact)}"
    if method == "GET":
        assert (await house.client.get(url)).status_code == 200, "it may be in the cache by now"
    await suspended(house, place.rpartition("/")[2])
    before = len(house.emulator(TOKEN).journal)
    answer = await house.client.request(method, url, json=fields)
    assert refused(answer)
    assert method == "GET" or answer.json()["outcome"] == "not_sent"
    assert len(house.emulator(TOKEN).journal) == before


async def test_a_write_that_was_done_is_not_told_again_until_it_is_resumed(house: House) -> None:
    connection = await house.connect(TOKEN)
    url, named = f"/v1/connections/{connection}/contacts", {"idempotency-key": "once"}
    made = await house.client.post(url, json=CONTACT, headers=named)
    await suspended(house, connection)
    assert refused(await house.client.post(url, json=CONTACT, headers=named))
    assert (await house.client.get(f"/v1/connections/{connection}/operations/once")).json()["state"] == "applied"
    await resumed(house, connection)
    assert (await house.client.post(url, json=CONTACT, headers=named)).json() == made.json()


@pytest.mark.parametrize("before", ["active", "pending", "needs_reauth"])
async def test_who_resumes_it_finds_what_it_was(house: House, before: ConnectionStatus) -> None:
    if before == "pending":
        body = {"provider": TOKEN, "name": "Later"}
        connection = str((await house.client.post("/v1/connections", json=body)).json()["id"])
    else:
        connection, now = await house.connect(TOKEN), house.clock.now()
        await house.polder.storage.connections.amend(connection, now, status=before, version=0)
    await suspended(house, connection)
    assert await status(house, connection) == "suspended"
    assert refused(await house.client.get(f"/v1/connections/{connection}/contacts"))
    done = await resumed(house, connection)
    assert (done.before.effective_status, done.now.effective_status) == ("suspended", before)
    assert await status(house, connection) == before


async def test_to_say_it_again_changes_nothing_and_is_written_down(house: House) -> None:
    connection = await house.connect(TOKEN)
    first = await suspended(house, connection)
    house.clock.advance(60)
    again = await suspended(house, connection)
    assert (first.before.suspended_at, again.before) == (None, first.now)
    assert again.now == first.now
    back = await resumed(house, connection)
    assert (await resumed(house, connection)).now == back.now
    rows = await house.polder.storage.audit.page(after=0, size=100, tenant="acme")
    said = [(row.entry.action, row.entry.actor) for row in rows if row.entry.object == connection][1:]
    assert said == [(f"connections.{one}", "operator") for one in ("suspend", "suspend", "resume", "resume")]


async def test_one_that_is_not_there_is_neither_suspended_nor_resumed(house: House) -> None:
    polder = house.polder
    for work in (suspend, resume):
        assert await work(polder.storage, polder.generations, house.clock, "con_1") is None


async def test_what_is_changed_of_it_meanwhile_stays_and_lifts_nothing(house: House) -> None:
    connection = await house.connect(TOKEN)
    place = f"/v1/connections/{connection}"
    await suspended(house, connection)
    given = {"credentials": dict(house.emulator(TOKEN).credentials()), "name": "Another"}
    answer = await house.client.patch(place, json=given)
    assert (answer.status_code, answer.json()["status"], answer.json()["name"]) == (200, "suspended", "Another")
    assert (await house.client.post(f"{place}/link")).status_code == 200
    assert (await house.client.get(f"{place}/capabilities")).status_code == 200
    assert refused(await house.client.get(f"{place}/contacts"))
    await resumed(house, connection)
    assert (await house.client.get(f"{place}/contacts")).status_code == 200
    await suspended(house, connection)
    assert (await house.client.delete(place)).status_code == 204
    assert (await house.client.get(place)).status_code == 404


async def test_credentials_that_an_owner_gives_meanwhile_count_once_it_is_resumed(house: House) -> None:
    body = {"provider": TOKEN, "name": "Later", "company_id": "m1"}
    connection = str((await house.client.post("/v1/connections", json=body)).json()["id"])
    place, browser = f"/v1/connections/{connection}", await house.anonymous()
    emulator: Any = house.emulator(TOKEN)
    url = str((await house.client.post(f"{place}/link")).json()["url"])
    await suspended(house, connection)
    assert (await browser.post(url, data=dict(emulator.token_credentials()))).status_code == 200
    assert await status(house, connection) == "suspended"
    assert refused(await house.client.get(f"{place}/contacts"))
    await resumed(house, connection)
    assert await status(house, connection) == "active"
    assert (await house.client.get(f"{place}/contacts")).status_code == 200


async def test_it_is_found_and_counted_as_suspended(house: House) -> None:
    connection, other = await house.connect(TOKEN), await house.connect(TOKEN)
    await house.client.get(f"/v1/connections/{connection}/contacts")
    await suspended(house, connection)

    async def found(wanted: str) -> list[str]:
        answer = await house.client.get("/v1/connections", params={"status": wanted})
        return [one["id"] for one in answer.json()["data"]]

    assert (await found("suspended"), await found("active")) == ([connection], [other])
    busiest = (await house.client.get("/v1/connections/busiest")).json()["data"]
    assert [one["status"] for one in busiest] == ["suspended"]
    assert await house.polder.storage.connections.census() == {(TOKEN, "suspended"): 1, (TOKEN, "active"): 1}


async def test_its_tokens_are_kept_alive(house: House) -> None:
    emulator: Any = house.emulator(OAUTH)
    connection = await house.connect(OAUTH, credentials=emulator.oauth_credentials())
    await house.client.get(f"/v1/connections/{connection}/contacts")
    await suspended(house, connection)
    before = await house.polder.storage.tokens.newest(await stored(house, connection))
    house.clock.advance(timedelta(days=8).total_seconds())
    await house.polder.engine.sweeper.round()
    after = await house.polder.storage.tokens.newest(await stored(house, connection))
    assert before is not None
    assert after is not None
    assert after.seq > before.seq
    assert await status(house, connection) == "suspended"
    await resumed(house, connection)
    assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code == 200


async def test_what_became_of_its_writes_is_found_out(house: House) -> None:
    connection, system = await house.connect(TOKEN), house.emulator(TOKEN)
    place = f"/v1/connections/{connection}"
    assert (await house.client.get(f"{place}/contacts")).status_code == 200, "it has a token"
    system.journal.clear()
    system.fail(Fault("lost"), when=lambda seen: seen.method == "POST")
    system.fail(Fault("status", status=500), times=99, when=lambda _: posted(system))
    lost = await house.client.post(f"{place}/contacts", json=CONTACT, headers={"idempotency-key": "doubted"})
    assert lost.status_code == 504
    system.heal()
    await suspended(house, connection)
    house.clock.advance(3600)
    await house.polder.engine.reconciliation.sweep()
    assert (await house.client.get(f"{place}/operations/doubted")).json()["state"] == "applied"
