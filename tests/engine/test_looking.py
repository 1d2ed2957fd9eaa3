"""One look at what a write did: what it finds in a record, and what it gives back."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gateway.contract.emulator import Fault
from gateway.engine.looking import says_back
from tests.engine.shelf import Aisle


async def test_a_reference_of_what_did_not_happen_is_free_again(aisle: Aisle) -> None:
    aisle.shelf.fail(Fault("status", status=502), when=lambda seen: seen.method == "POST")
    body = {"name": "Brood", "external_ref": "r-1"}
    lost = await aisle.ask("POST", "products", body, {"idempotency-key": "k-1"})
    assert lost.json()["outcome"] == "unknown"
    attempts = aisle.house.polder.storage.attempts
    attempt = await attempts.newest("acme", aisle.connection, "k-1")
    assert attempt is not None
    reconciling = aisle.house.polder.engine.reconciling
    await reconciling._looker.let_go(replace(attempt, state="not_executed"))
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
    assert says_back(said, sent) == same
