"""A connection that is made under a key is made once, whenever the process that makes it ends."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway.contract.errors import Problem
from gateway.engine.storage import Attempt
from gateway.store.attempts import SqlAttempts
from gateway.store.sql import SqlConnections
from tests.house import House

PROVIDER = "memory"
KEY = {"idempotency-key": "k-1"}


@contextmanager
def unsettled(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Iterator[None]:
    """That it was done cannot be written down: the store fails, or the process dies."""
    honest = SqlAttempts.replace

    async def replace(self: SqlAttempts, before: Attempt, after: Attempt) -> bool:
        if after.state == "applied":
            raise error
        return await honest(self, before, after)

    with monkeypatch.context() as outage:
        outage.setattr(SqlAttempts, "replace", replace)
        yield


async def connections_of(house: House) -> list[str]:
    return [one["id"] for one in (await house.client.get("/v1/connections")).json()["data"]]


@pytest.mark.parametrize("ref", [{}, {"external_ref": "shop"}], ids=["plain", "with a reference"])
async def test_a_connection_is_made_once_though_nobody_could_write_down_that_it_was(
    house: House, monkeypatch: pytest.MonkeyPatch, ref: dict[str, str]
) -> None:
    body: dict[str, Any] = {"provider": PROVIDER, "name": "Books", "company_id": "m1", **ref}
    body |= {"credentials": dict(house.emulator(PROVIDER).credentials())}
    with unsettled(monkeypatch, Problem("storage_unavailable", "The disk is gone.")):
        first = await house.client.post("/v1/connections", json=body, headers=KEY)
    house.clock.advance(60)
    await house.polder.engine.reconciliation.sweep()
    again = [await house.client.post("/v1/connections", json=body, headers=KEY) for _ in range(2)]
    assert [(one.status_code, one.json()["id"]) for one in again] == [(201, first.json()["id"])] * 2
    assert again[1].headers["idempotency-replayed"] == "true"
    assert await connections_of(house) == [first.json()["id"]]
    other = await house.client.post(
        "/v1/connections", json={**body, "external_ref": "two"}, headers={"idempotency-key": "k-2"}
    )
    assert other.status_code == 201
    assert len(await connections_of(house)) == 2


@pytest.mark.parametrize("far", ["made", "kept", "traded"])
async def test_a_pair_of_tokens_that_was_brought_along_is_not_put_over_what_it_became(
    house: House, monkeypatch: pytest.MonkeyPatch, far: str
) -> None:
    """The process dies before the pair is kept, or after, or when it has been traded for another."""
    oauth: Any = house.emulator("rompslomp")
    body = {"provider": "rompslomp", "name": "Books", "company_id": oauth.company_id}
    body |= {"credentials": oauth.oauth_credentials()}

    async def dead(*given: object) -> None:
        raise asyncio.CancelledError

    with unsettled(monkeypatch, asyncio.CancelledError()), monkeypatch.context() as dying:
        if far != "traded":
            dying.setattr(house.polder.engine.connections, "_settled" if far == "kept" else "authorize", dead)
            dying.setattr(house.polder.storage.connections, "destroy", dead)
        with pytest.raises(asyncio.CancelledError):
            await house.client.post("/v1/connections", json=body, headers=KEY)
    [connection] = await connections_of(house)
    if far == "traded":
        oauth.expire_tokens()
        assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code == 200
    house.clock.advance(60)
    again = await house.client.post("/v1/connections", json=body, headers=KEY)
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (201, connection, "active")
    assert await connections_of(house) == [connection]
    oauth.expire_tokens()
    assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code == 200


@pytest.mark.parametrize("key", [KEY, {}], ids=["under a key", "without"])
async def test_a_pair_that_is_given_again_is_not_put_over_what_it_became(
    house: House, monkeypatch: pytest.MonkeyPatch, key: dict[str, str]
) -> None:
    """The process dies before it could say that it has the pair; which is traded, before its caller repeats himself."""
    oauth: Any = house.emulator("rompslomp")
    connection = await house.connect("rompslomp")
    url, change = f"/v1/connections/{connection}", {"name": "Shop", "credentials": oauth.oauth_credentials()}

    async def dead(*given: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as dying:
        dying.setattr(house.polder.engine.connections, "_settled", dead)
        with pytest.raises(asyncio.CancelledError):
            await house.client.patch(url, json=change, headers=key)
    oauth.expire_tokens()
    assert (await house.client.get(f"{url}/contacts")).status_code == 200
    house.clock.advance(60)
    again = await house.client.patch(url, json=change, headers=key)
    assert again.status_code == 200, again.text
    assert (again.json()["status"], again.json()["name"]) == ("active", "Shop")
    oauth.expire_tokens()
    fresh = {"cache-control": "no-cache"}
    assert (await house.client.get(f"{url}/contacts", headers=fresh)).status_code == 200
    other = await house.client.patch(url, json={"credentials": oauth.oauth_credentials()})
    assert (other.status_code, other.json()["status"]) == (200, "active")


@pytest.mark.parametrize("key", [KEY, {}], ids=["under a key", "without"])
async def test_a_connection_whose_keeping_was_done_and_not_answered_is_made(
    house: House, monkeypatch: pytest.MonkeyPatch, key: dict[str, str]
) -> None:
    """A server that goes away as it answers a commit has done it, or has not."""
    honest = SqlConnections.add

    async def add(self: SqlConnections, *given: Any) -> None:
        await honest(self, *given)
        raise Problem("storage_unavailable", "The server is gone.")

    async def refused(self: SqlConnections, *given: object) -> None:
        raise Problem("storage_unavailable", "The server is gone.")

    body = {"provider": PROVIDER, "name": "Books", "external_ref": "shop"}
    with monkeypatch.context() as outage:
        outage.setattr(SqlConnections, "add", refused)
        failed = await house.client.post("/v1/connections", json=body, headers=key)
        assert (failed.status_code, failed.json()["outcome"]) == (503, "not_sent")
        outage.setattr(SqlConnections, "add", add)
        made = await house.client.post("/v1/connections", json=body, headers=key)
    assert made.status_code == 201, made.text
    assert await connections_of(house) == [made.json()["id"]]
