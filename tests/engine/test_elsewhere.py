"""What another process changed is heeded here: the test plays the other, on the database and generations they share."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.contract.secret import Secret
from gateway.engine.storage import LinkRow, StoredConnection
from gateway.store.generations import SharedSlots
from gateway.store.tokens import SqlTokens
from tests.house import House
from tests.nodes.gateways import company


async def stored(house: House, id: str) -> StoredConnection:
    found = await house.polder.storage.connections.find(id)
    assert found is not None
    return found


async def replaced_by_wrong_ones(house: House, id: str) -> None:
    """What another process does when it is given other credentials."""
    connections = house.polder.storage.connections
    before = await stored(house, id)
    wrong = {name: Secret("wrong") for name in await connections.credentials(before)}
    later = before.updated_at + timedelta(seconds=1)
    await connections.replace_credentials(before, lambda now: replace(now, updated_at=later), wrong)


async def test_other_credentials_are_used_at_once(house: House) -> None:
    id = await house.connect("memory")
    contacts = f"/v1/connections/{id}/contacts"
    assert (await house.client.get(contacts)).status_code == 200
    await replaced_by_wrong_ones(house, id)
    await house.polder.generations.end(id, "answers", "facts", "connection")
    answer = await house.client.get(contacts)
    assert (answer.status_code, answer.json()["code"]) == (424, "connection_needs_reauth")


async def test_so_they_are_by_who_was_asked_for_nothing_yet(house: House) -> None:
    # A token may be at hand that no request asked for: it was renewed behind them, or used to look after a write.
    id = await house.connect("memory")
    await house.polder.engine.connections.companies(await stored(house, id))
    await replaced_by_wrong_ones(house, id)
    await house.polder.generations.end(id, "answers", "facts", "connection")
    assert (await house.client.get(f"/v1/connections/{id}/contacts")).status_code == 424


async def test_so_they_are_where_nobody_tells_of_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    # A worker is asked for nothing, and a gateway without its Valkey hears of nothing; both look connections up.
    id = await house.connect("memory")
    contacts = f"/v1/connections/{id}/contacts"
    monkeypatch.setattr(SharedSlots, "vouched", False)
    monkeypatch.setattr(SharedSlots, "of", lambda *_: random.getrandbits(64))
    assert (await house.client.get(contacts)).status_code == 200
    await replaced_by_wrong_ones(house, id)
    assert (await house.client.get(contacts)).status_code == 424


async def test_a_token_is_kept_where_only_the_rest_of_a_connection_changed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await house.connect("memory")
    contacts = f"/v1/connections/{id}/contacts"
    assert (await house.client.get(contacts)).status_code == 200
    house.polder.generations.forsake()
    await house.polder.storage.connections.change(await stored(house, id), lambda now: replace(now, name="Renamed"))

    async def unexpected(*asked: object) -> None:
        raise AssertionError("a token was looked for")

    monkeypatch.setattr(SqlTokens, "newest", unexpected)
    assert (await house.client.get(contacts)).status_code == 200


async def test_another_name_is_told_at_once(house: House) -> None:
    id = await house.connect("memory")
    assert (await house.client.get(f"/v1/connections/{id}")).json()["name"] == "Test memory"
    before = await stored(house, id)
    await house.polder.storage.connections.change(before, lambda now: replace(now, name="Renamed"))
    await house.polder.generations.end(id, "connection")
    assert (await house.client.get(f"/v1/connections/{id}")).json()["name"] == "Renamed"


async def test_what_another_process_keeps_of_a_record_is_shown_at_once(house: House) -> None:
    id = await house.connect("thenextinvoice")
    contacts = f"/v1/connections/{id}/contacts"
    made = (await house.client.post(contacts, json=company("A"))).json()
    assert (await house.client.get(f"{contacts}/{made['id']}")).json()["external_ref"] is None
    await house.polder.storage.links.put(id, "contacts", [LinkRow(made["id"], "external_ref", "x", unique=True)])
    await house.polder.generations.end(id, "answers", "links")
    assert (await house.client.get(f"{contacts}/{made['id']}")).json()["external_ref"] == "x"
