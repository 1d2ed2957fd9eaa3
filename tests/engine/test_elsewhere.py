"""What another process changed is heeded here: the test plays the other, on the database and generations they share."""

from dataclasses import replace
from datetime import timedelta

from gateway.contract.secret import Secret
from gateway.engine.storage import LinkRow, StoredConnection
from tests.house import House
from tests.nodes.gateways import company


async def stored(house: House, id: str) -> StoredConnection:
    found = await house.polder.storage.connections.find(id)
    assert found is not None
    return found


async def test_other_credentials_are_used_at_once(house: House) -> None:
    id = await house.connect("memory")
    contacts = f"/v1/connections/{id}/contacts"
    assert (await house.client.get(contacts)).status_code == 200
    before = await stored(house, id)
    changed = replace(before, updated_at=before.updated_at + timedelta(seconds=1))
    wrong = {name: Secret("wrong") for name in await house.polder.storage.connections.credentials(before)}
    await house.polder.storage.connections.replace_credentials(before, lambda _: changed, wrong)
    await house.polder.generations.end(id, "answers", "facts", "connection", "credentials")
    answer = await house.client.get(contacts)
    assert (answer.status_code, answer.json()["code"]) == (424, "connection_needs_reauth")


async def test_a_token_is_kept_where_only_the_rest_of_a_connection_changed(house: House) -> None:
    id = await house.connect("memory")
    contacts = f"/v1/connections/{id}/contacts"
    assert (await house.client.get(contacts)).status_code == 200
    house.polder.generations.forsake()
    before = await stored(house, id)
    wrong = {name: Secret("wrong") for name in await house.polder.storage.connections.credentials(before)}
    await house.polder.storage.connections.replace_credentials(before, lambda _: before, wrong)
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
