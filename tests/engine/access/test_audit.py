"""What the audit log tells: who did what to which connection, from where, and what came of it; and no secret."""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.contract.errors import Problem
from gateway.engine.access.audit import Auditor, Origin, on_behalf_of
from gateway.engine.storage import Audit, AuditEntry
from tests.house import START, House, ManualClock

pytestmark = pytest.mark.anyio

PROVIDER = "memory"
REQUEST = {"x-request-id": "req-7"}


async def entries(house: House) -> list[AuditEntry]:
    """What was recorded of connections; the log is whole."""
    log = house.polder.storage.audit
    assert (await log.verify()).fault is None
    found = [row.entry for row in await log.page(after=0, size=1000)]
    return [entry for entry in found if entry.action.startswith("connections.")]


def told(entry: AuditEntry) -> tuple[str, str | None, str]:
    return entry.action, entry.object, entry.outcome


def draft(house: House, **changes: Any) -> Mapping[str, Any]:
    return {
        "provider": PROVIDER,
        "name": "Books",
        "credentials": dict(house.emulator(PROVIDER).credentials()),
        **changes,
    }


async def test_the_life_of_a_connection_is_recorded(house: House) -> None:
    connection = await house.connect(PROVIDER)
    path = f"/v1/connections/{connection}"
    assert (await house.client.patch(path, json={"name": "Other"}, headers=REQUEST)).status_code == 200
    assert (await house.client.post(f"{path}/link")).status_code == 200
    assert (await house.client.get(path)).status_code == 200
    assert (await house.client.delete(path)).status_code == 204
    found = await entries(house)
    assert [told(one) for one in found[-4:]] == [
        (f"connections.{action}", connection, "done") for action in ("create", "update", "link", "delete")
    ]
    update = found[-3]
    assert (update.tenant, update.at, update.request_id, update.ip) == ("acme", START, "req-7", "127.0.0.1")
    (key,) = await house.polder.storage.keys.all("acme")
    assert update.actor == key.id


async def test_what_was_refused_is_recorded_too(house: House) -> None:
    wrong = {name: "wrong" if name != "type" else value for name, value in draft(house)["credentials"].items()}
    answer = await house.client.post("/v1/connections", json=draft(house, credentials=wrong))
    assert answer.status_code == 422
    assert told((await entries(house))[-1]) == ("connections.create", None, "credentials_rejected")


async def test_the_owner_who_came_by_a_link_is_told_apart_from_the_keys(house: House) -> None:
    waiting = (await house.client.post("/v1/connections", json={"provider": PROVIDER, "name": "Books"})).json()["id"]
    url = (await house.client.post(f"/v1/connections/{waiting}/link")).json()["url"]
    form = {name: str(value) for name, value in house.emulator(PROVIDER).credentials().items()}
    browser = await house.anonymous()
    assert (await browser.post(url, data=form, headers=REQUEST)).status_code == 422
    found = (await entries(house))[-1]
    assert told(found) == ("connections.authorize", waiting, "company_required")
    assert (found.actor, found.tenant, found.request_id, found.ip) == ("owner", "acme", "req-7", "127.0.0.1")


async def test_no_secret_and_nothing_of_a_person_is_in_it(house: House) -> None:
    name, ref = "Jansen-4711", "jansen@example.org"
    answer = await house.client.post("/v1/connections", json=draft(house, name=name, external_ref=ref))
    listed = answer.json().get("companies")
    body = {**draft(house, name=name, external_ref=ref), **({"company_id": listed[0]["id"]} if listed else {})}
    assert (await house.client.post("/v1/connections", json=body)).status_code in (201, 409)
    text = repr(await entries(house))
    for canary in (name, ref, *house.emulator(PROVIDER).credentials().values()):
        if canary != house.emulator(PROVIDER).credentials()["type"]:
            assert str(canary) not in text


async def test_keys_that_are_made_are_recorded(house: House) -> None:
    await house.client_for(tenant="other")
    row = (await house.polder.storage.audit.page(after=0, size=10))[-1]
    (key,) = await house.polder.storage.keys.all("other")
    assert (row.entry.action, row.entry.object, row.entry.actor) == ("keys.create", key.id, "operator")


class Away:
    """An audit log that cannot be written."""

    async def append(self, entry: AuditEntry) -> None:
        raise Problem("storage_unavailable", "The storage is away.")


class Kept:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def append(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


def auditor(audit: Audit) -> Auditor:
    return Auditor(audit, ManualClock())


async def test_what_was_done_and_cannot_be_recorded_is_told_as_applied() -> None:
    with pytest.raises(Problem) as caught:
        async with auditor(Away()).recording("connections.delete", "acme", "con_1"):
            pass
    assert (caught.value.code, caught.value.outcome) == ("storage_unavailable", "applied")


async def test_a_problem_is_told_as_it_is_where_it_cannot_be_recorded() -> None:
    with pytest.raises(Problem, match="not_found"):
        async with auditor(Away()).recording("connections.delete", "acme", "con_1"):
            raise Problem("not_found", "gone")


async def test_what_broke_is_recorded_as_an_error_of_polder() -> None:
    kept = Kept()
    with pytest.raises(ZeroDivisionError):
        async with auditor(kept).recording("connections.delete", "acme", "con_1"):
            raise ZeroDivisionError
    assert [one.outcome for one in kept.entries] == ["internal_error"]


async def test_who_asks_is_whoever_asked_last_and_only_while_it_lasts() -> None:
    kept = Kept()
    with on_behalf_of(Origin("key_1", "req_1", "192.0.2.1")):
        async with auditor(kept).recording("connections.create", "acme") as subject:
            subject.object = "con_1"
    async with auditor(kept).recording("keys.rotate", None, "k1"):
        pass
    first, second = kept.entries
    assert (first.actor, first.request_id, first.ip, first.object) == ("key_1", "req_1", "192.0.2.1", "con_1")
    assert (second.actor, second.request_id, second.ip) == ("operator", None, None)
