"""Who carries a write out may die, or be taken for dead: what was sent is told as it is, and nothing is done twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.contract.emulator import Fault, ReceivedRequest
from gateway.engine.storage import AttemptState
from tests.engine.shelf import Aisle
from tests.house import House

PROVIDER = "memory"
DRAFT = {"company_name": "Kaasboer De Graaf B.V.", "email": "info@kaasboer.example"}
GONE = "elsewhere.1.0123456789abcdef"


async def test_an_owner_who_was_overtaken_sends_nothing(aisle: Aisle) -> None:
    """It slept for an hour between claiming and sending, and somebody took its place."""
    attempts = aisle.house.polder.storage.attempts
    opener = aisle.house.polder.engine._opener
    honest = opener.for_task

    def overtaken(*given: object, **named: object) -> object:
        aisle.house.clock.advance(3600)
        return honest(*given, **named)  # type: ignore[arg-type]  # as it was given

    opener.for_task = overtaken  # type: ignore[assignment,method-assign]  # a pause at the worst moment
    first = await aisle.ask("POST", "products", {"name": "Brood"}, {"idempotency-key": "k-1"})
    assert (first.status_code, first.json()["code"]) == (504, "upstream_timeout")
    assert first.json()["outcome"] == "not_sent"
    assert aisle.shelf.heard("POST", "/products") == 0
    assert await attempts.newest("acme", aisle.connection, "k-1") is None


@pytest.mark.parametrize(("state", "status"), [("claimed", 201), ("sending", 504)])
async def test_whose_owner_is_provably_gone_is_not_waited_for(house: House, state: AttemptState, status: int) -> None:
    """A repeat is carried out, or looked for, at once, and not when the time of the first would have been over."""
    connection, attempts = await house.connect(PROVIDER), house.polder.storage.attempts
    path, key = f"/v1/connections/{connection}/contacts", {"idempotency-key": "k-1"}
    await house.client.post(path, json=DRAFT, headers=key)
    ended = await attempts.newest("acme", connection, "k-1")
    assert ended is not None
    later = house.clock.now() + timedelta(seconds=30)
    begun = replace(ended, state=state, record_id=None, answer=None, resolved_at=None, next_check_at=later)
    assert await attempts.replace(ended, begun)
    assert (await house.client.post(path, json=DRAFT, headers=key)).status_code == 409, "its owner lives"
    assert await attempts.replace(begun, replace(begun, run=f"{GONE} 1"))
    again = await house.client.post(path, json=DRAFT, headers=key)
    assert again.status_code == status, again.text
    assert again.json().get("outcome") == (None if status == 201 else "unknown")


async def test_a_gateway_that_dies_while_sending_tells_the_truth_afterwards(house: House) -> None:
    connection = await house.connect(PROVIDER)
    emulator, engine = house.emulator(PROVIDER), house.polder.engine
    before = len(emulator.books()["contacts"])

    def dies(seen: ReceivedRequest) -> bool:
        if seen.method == "POST" and "/contacts" in seen.path:
            for task in engine._shielded._tasks:
                task.cancel()
        return False

    emulator.fail(Fault("lost"), when=dies)
    path, key = f"/v1/connections/{connection}/contacts", {"idempotency-key": "k-1"}
    with pytest.raises(asyncio.CancelledError):
        await house.client.post(path, json=DRAFT, headers=key)
    emulator.heal()
    assert (await house.client.post(path, json=DRAFT, headers=key)).status_code == 409
    made = len(emulator.books()["contacts"]) - before
    house.clock.advance(600)
    await engine.reconciliation.sweep()
    told = (await house.client.get(f"/v1/connections/{connection}/operations/k-1")).json()
    assert told["state"] == ("applied" if made else "not_executed")
    again = await house.client.post(path, json=DRAFT, headers=key)
    assert again.status_code == 201
    assert len(emulator.books()["contacts"]) == before + 1
    if made:
        assert again.headers["idempotency-replayed"] == "true"
