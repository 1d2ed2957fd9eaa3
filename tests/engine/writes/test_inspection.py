"""One look at what a write did: what it finds in a record, and what it gives back."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gateway.contract.adapter import Record
from gateway.contract.emulator import Fault
from gateway.contract.models import Product
from gateway.contract.upstream import Request, Upstream
from gateway.engine.writes.evidence import Evidence
from gateway.engine.writes.inspection import echoes
from tests.engine.shelf import Aisle, ShelfProducts, product_of
from tests.house import House


async def test_a_reference_of_what_did_not_happen_is_free_again(aisle: Aisle) -> None:
    aisle.shelf.fail(Fault("status", status=502), when=lambda seen: seen.method == "POST")
    body = {"name": "Brood", "external_ref": "r-1"}
    lost = await aisle.ask("POST", "products", body, {"idempotency-key": "k-1"})
    assert lost.json()["outcome"] == "unknown"
    attempts = aisle.house.polder.storage.attempts
    attempt = await attempts.newest("acme", aisle.connection, "k-1")
    assert attempt is not None
    reconciliation = aisle.house.polder.engine.reconciliation
    await reconciliation._inspector.let_go(replace(attempt, state="not_executed"))
    made = await aisle.ask("POST", "products", body, {"idempotency-key": "k-2"})
    assert made.status_code == 201


async def lost(aisle: Aisle, fault: Fault, method: str, path: str, body: object = None) -> Any:
    aisle.shelf.fail(fault, when=lambda seen: seen.method == method)
    return await aisle.ask({"PUT": "PATCH"}.get(method, method), path, body, {"idempotency-key": "k-1"})


async def test_what_polder_keeps_itself_is_not_looked_for_in_the_record(aisle: Aisle) -> None:
    made = (await aisle.make()).json()
    change = {"name": "Koek", "external_ref": "r-1"}
    answer = await lost(aisle, Fault("lost"), "PUT", f"products/{made['id']}", change)
    assert (answer.status_code, answer.json()["name"], answer.json()["external_ref"]) == (200, "Koek", "r-1")
    assert aisle.shelf.heard("PUT", f"/products/{made['id']}") == 1


async def test_a_delete_that_was_found_out_gives_back_what_the_record_held(aisle: Aisle) -> None:
    made = (await aisle.make(external_ref="r-1")).json()
    assert (await lost(aisle, Fault("lost"), "DELETE", f"products/{made['id']}")).status_code == 204
    assert (await aisle.make(external_ref="r-1")).status_code == 201


async def test_a_reference_that_another_got_meanwhile_is_told_to_be_lacking(house: House) -> None:
    connection, system = await house.connect("rompslomp"), house.emulator("rompslomp")
    path, key = f"/v1/connections/{connection}/contacts", {"idempotency-key": "k-1"}
    body = {"company_name": "Bakker", "external_ref": "r-1"}
    system.fail(Fault("lost"), when=lambda seen: seen.method == "POST")
    system.journal.clear()
    system.fail(
        Fault("status", status=500), times=99, when=lambda _: any(one.method == "POST" for one in system.journal)
    )
    assert (await house.client.post(path, json=body, headers=key)).json()["outcome"] == "unknown"
    system.heal()
    other = (await house.client.post(path, json={"company_name": "Slager"})).json()
    assert (await house.client.patch(f"{path}/{other['id']}", json={"external_ref": "r-1"})).status_code == 200
    house.clock.advance(3600)
    told = await house.client.post(path, json=body, headers=key)
    assert (told.status_code, told.json()["external_ref"]) == (201, None), told.text
    assert [(one["code"], one["pointer"]) for one in told.json()["warnings"]] == [("not_kept", "/external_ref")]


@pytest.mark.parametrize(
    ("others", "state"),
    [([], "applied"), ([{"external_ref": "r-2"}], "applied"), ([{}], "manual")],
    ids=["one", "one and another's", "two"],
)
async def test_a_record_that_a_lost_answer_gave_another_id_is_what_its_adapter_finds_and_nobody_elses(
    aisle: Aisle, monkeypatch: pytest.MonkeyPatch, others: list[dict[str, str]], state: str
) -> None:
    async def find_renamed(_: object, up: Upstream, id: str, sent: Request) -> list[Record[Product]]:
        rows = await up.data(Request("GET", "/products", [("skip", "0"), ("top", "99")]))
        return [product_of(row) for row in rows if row["id"] != id and row["name"] == sent.json["name"]]

    monkeypatch.setattr(ShelfProducts, "find_renamed", find_renamed)
    aisle.shelf.new_ids = True
    made = (await aisle.make(external_ref="r-1")).json()
    for other in others:
        await aisle.make(name="Koek", **other)
    answer = await lost(aisle, Fault("lost"), "PUT", f"products/{made['id']}", {"name": "Koek"})
    assert (await aisle.ask("GET", "operations/k-1")).json()["state"] == state
    if state == "applied":
        assert (answer.json()["id"], answer.json()["name"], answer.json()["external_ref"]) == (
            made["id"],
            "Koek",
            "r-1",
        )
        assert (await aisle.ask("GET", f"products/{made['id']}")).json() == answer.json()
    else:
        assert len(answer.json()["candidates"]) == 2


async def test_where_nothing_tells_what_a_record_is_called_now_a_person_must_look(aisle: Aisle) -> None:
    aisle.shelf.new_ids = True
    made = (await aisle.make()).json()
    answer = await lost(aisle, Fault("lost"), "PUT", f"products/{made['id']}", {"name": "Koek"})
    assert (answer.json()["state"], answer.json()["candidates"]) == ("manual", [])


@pytest.mark.parametrize("forgotten", ["notes", "query", "body"])
async def test_what_an_older_release_wrote_down_and_this_one_cannot_use_is_left_to_a_person(
    house: House, forgotten: str
) -> None:
    """Not looked for again and again: that ends when it is forgotten, and nobody ever heard."""
    connection = await house.connect("rompslomp")
    system = house.emulator("rompslomp")
    system.journal.clear()
    system.fail(Fault("lost"), when=lambda seen: seen.method == "POST")
    system.fail(
        Fault("status", status=500), times=99, when=lambda _: any(one.method == "POST" for one in system.journal)
    )
    path = f"/v1/connections/{connection}/contacts"
    answer = await house.client.post(path, json={"company_name": "Bakker"}, headers={"idempotency-key": "k-1"})
    assert answer.json()["state"] == "unknown"
    system.heal()
    attempts = house.polder.storage.attempts
    doubted = await attempts.newest("acme", connection, "k-1")
    assert doubted is not None
    assert doubted.evidence is not None
    evidence = Evidence.opened(doubted.evidence)
    said = {**evidence.call, "query": [["was", "allowed"]]} if forgotten == "query" else evidence.call
    said = {**said, "body": '{"was":"a field"}'} if forgotten == "body" else said
    older = replace(evidence, call=said, notes={} if forgotten == "notes" else evidence.notes)
    assert await attempts.replace(doubted, replace(doubted, evidence=older.sealed()))
    house.clock.advance(3600)
    await house.polder.engine.reconciliation.sweep()
    told = await house.client.get(f"/v1/connections/{connection}/operations/k-1")
    assert told.json()["state"] == "manual"


@pytest.mark.parametrize(
    ("said", "sent", "same"),
    [
        ({"city": "Delft", "land": {"id": "1", "uri": "/1"}}, {"city": "Delft", "land": {"id": "1"}}, True),
        ({"city": "Delft"}, {"city": "Delft", "street": "Kade"}, False),
        (
            {"price": "10.0", "person": "1", "phone": None},
            {"price": Decimal("10.00"), "person": True, "phone": ""},
            True,
        ),
        ({"person": "0", "phone": "0"}, {"person": False, "phone": None}, False),
        ({"lines": [{"id": 1, "price": "1"}]}, {"lines": [{"price": "1"}]}, True),
        ({"lines": [{"id": 1, "price": "1"}]}, {"lines": [{"price": "1"}, {"price": "2"}]}, False),
    ],
)
def test_a_system_says_back_what_was_sent_as_it_spells_it(said: object, sent: object, same: bool) -> None:
    assert echoes(said, sent) == same
