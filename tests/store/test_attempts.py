"""Attempts at writes: claimed once, replaced only by who still owns them, found when they are due."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.contract.secret import Secret
from gateway.engine.storage import Attempt, Backlog
from gateway.store import tables
from gateway.store.seal import KeyRing, generate_key
from gateway.store.sql import SqlStorage
from tests.store.making import NOON, connection, later, look, refused

pytestmark = pytest.mark.anyio
LONG_AGO = NOON - timedelta(hours=72)


def attempt(key: str = "k-1", **changes: object) -> Attempt:
    one = Attempt(
        id=f"con_1 {key}".encode(),
        tenant="acme",
        connection_id="con_1",
        operation="contacts.create",
        key=key,
        fingerprint=b"f",
        run="r-1",
        state="claimed",
        created_at=NOON,
        next_check_at=later(1),
    )
    return replace(one, **changes)  # type: ignore[arg-type]  # as the test names them


@pytest.fixture
async def kept(storage: SqlStorage) -> SqlStorage:
    await storage.connections.add(connection("con_1", company_id="7"), None)
    return storage


async def test_one_of_many_claims_it(kept: SqlStorage) -> None:
    runs = [attempt(run=f"r-{number}") for number in range(16)]
    found = await asyncio.gather(*(kept.attempts.claim(one, forget_before=LONG_AGO) for one in runs))
    assert found.count(None) == 1
    (winner,) = {one.run for one in found if one is not None}
    assert runs[found.index(None)].run == winner


async def test_a_key_given_back_while_one_looks_whose_it_is_is_claimed(
    kept: SqlStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, find = attempt(), kept.attempts.find
    assert await kept.attempts.claim(first, forget_before=LONG_AGO) is None

    async def too_late(id: bytes) -> Attempt | None:
        await kept.attempts.release(first)
        return await find(id)

    monkeypatch.setattr(kept.attempts, "find", too_late)
    assert await kept.attempts.claim(attempt(run="r-2"), forget_before=LONG_AGO) is None


async def test_everything_of_it_comes_back(kept: SqlStorage) -> None:
    whole = attempt(
        state="applied",
        sent_at=later(2),
        checks=3,
        status=201,
        record_id="c1",
        resolved_at=later(3),
        evidence=Secret("what was sent"),
        answer=Secret("what was answered"),
    )
    await kept.attempts.claim(whole, forget_before=LONG_AGO)
    assert await kept.attempts.find(whole.id) == whole
    assert await kept.attempts.newest("acme", "con_1", "k-1") == whole
    assert await kept.attempts.find(b"other") is None


async def test_only_what_it_still_is_can_be_replaced(kept: SqlStorage) -> None:
    first = attempt()
    await kept.attempts.claim(first, forget_before=LONG_AGO)
    sending = replace(first, state="sending")
    assert await kept.attempts.replace(first, sending)
    assert not await kept.attempts.replace(first, replace(first, state="applied")), "its state has changed"
    other = replace(sending, run="r-2")
    assert not await kept.attempts.replace(other, other), "it is another one's"
    moved = replace(sending, next_check_at=later(5))
    assert await kept.attempts.replace(sending, moved)
    assert not await kept.attempts.replace(sending, sending), "somebody looks already"
    over = replace(moved, state="applied", next_check_at=None)
    assert await kept.attempts.replace(moved, over)
    assert await kept.attempts.replace(over, over), "nothing set is as good as anything set"
    assert await kept.attempts.find(first.id) == over


async def test_of_many_who_replace_one_does(kept: SqlStorage) -> None:
    first = attempt()
    await kept.attempts.claim(first, forget_before=LONG_AGO)
    takers = [attempt(run=f"r-{number}") for number in range(2, 18)]
    done = await asyncio.gather(*(kept.attempts.replace(first, one) for one in takers))
    assert done.count(True) == 1


async def test_a_run_releases_only_itself(kept: SqlStorage) -> None:
    first = attempt()
    await kept.attempts.claim(first, forget_before=LONG_AGO)
    await kept.attempts.release(replace(first, run="r-0"))
    assert await kept.attempts.find(first.id) is not None
    await kept.attempts.release(first)
    assert await kept.attempts.find(first.id) is None


async def test_what_is_due_is_found_longest_due_first(kept: SqlStorage) -> None:
    kinds = [("a", "unknown", 3), ("b", "sending", 1), ("c", "claimed", 2), ("d", "manual", 0), ("e", "unknown", 9)]
    for key, state, minutes in kinds:
        await kept.attempts.claim(attempt(key, state=state, next_check_at=later(minutes)), forget_before=LONG_AGO)
    assert [one.key for one in await kept.attempts.due(later(3), 10, absurd=later(99))] == ["b", "c", "a"]
    assert [one.key for one in await kept.attempts.due(later(3), 1, absurd=later(99))] == ["b"]


async def test_those_whose_key_is_not_here_hold_up_no_other(
    kept: SqlStorage, opened: Callable[..., SqlStorage], url: str
) -> None:
    elsewhere = opened(url, KeyRing.parse(generate_key(), environment="test"))
    await elsewhere.connections.add(connection("con_2"), None)
    for number in range(5):
        theirs = attempt(f"t-{number}", connection_id="con_2", evidence=Secret("sent"), next_check_at=later(number))
        await elsewhere.attempts.claim(theirs, forget_before=LONG_AGO)
    for key, due in (("a", 5), ("b", 6), ("c", 7)):
        ours = attempt(key, evidence=Secret("sent"), next_check_at=later(due))
        await kept.attempts.claim(ours, forget_before=LONG_AGO)
    assert [one.key for one in await kept.attempts.due(later(9), 2, absurd=later(99))] == ["a", "b"]


async def test_others_are_those_on_the_same_books_that_matter(kept: SqlStorage) -> None:
    await kept.connections.add(connection("con_2", company_id="7"), None)
    await kept.connections.add(connection("con_3", company_id="8"), None)
    mine = attempt()
    others = [
        attempt("same-words", fingerprint=b"f"),
        attempt("same-record", fingerprint=b"g", record_id="c1"),
        attempt("neither", fingerprint=b"h", record_id="c2"),
        attempt("other-operation", operation="products.create", record_id="c1"),
        attempt("same-company", connection_id="con_2", record_id="c1"),
        attempt("other-company", connection_id="con_3", record_id="c1"),
    ]
    for one in (mine, *others):
        await kept.attempts.claim(one, forget_before=LONG_AGO)
    found = {one.key for one in await kept.attempts.others(mine, ["c1"])}
    assert found == {"same-words", "same-record", "same-company"}


async def test_what_is_being_sent_is_known_by_its_runs(kept: SqlStorage) -> None:
    await kept.connections.add(connection("con_2"), None)
    cases: dict[str, dict[str, Any]] = {
        "sent": {"run": "r-7"},
        "other-operation": {"operation": "contacts.delete"},
        "other-connection": {"connection_id": "con_2"},
        "claimed": {"state": "claimed"},
        "unknown": {"state": "unknown"},
        "its-owner-is-gone": {"next_check_at": later(1)},
        "over": {"next_check_at": None},
    }
    for key, more in cases.items():
        one = attempt(key, **{"state": "sending", "next_check_at": later(3), **more})
        await kept.attempts.claim(one, forget_before=LONG_AGO)
    mine = attempt()
    assert mine.connection_id is not None
    assert await kept.attempts.sending(mine.connection_id, [mine.operation, "contacts.finalize"], later(2)) == ["r-7"]


async def test_what_is_unknown_is_told_by_provider_with_the_oldest(kept: SqlStorage) -> None:
    assert await kept.attempts.unknown() == {}
    for one in (
        attempt("young", state="unknown", sent_at=later(2)),
        attempt("old", state="unknown", sent_at=later(1)),
        attempt("sending", state="sending", sent_at=NOON),
        attempt("given up", state="manual", sent_at=NOON, next_check_at=None),
    ):
        await kept.attempts.claim(one, forget_before=LONG_AGO)
    assert await kept.attempts.unknown() == {connection("con_1").provider: Backlog(2, later(1))}


async def test_what_is_old_is_forgotten_a_part_at_a_time(kept: SqlStorage) -> None:
    old = [attempt(f"old {number}", created_at=NOON + timedelta(seconds=number)) for number in range(5)]
    for one in old:
        await kept.attempts.claim(one, forget_before=LONG_AGO)
    young = attempt("young", created_at=later(20))
    await kept.attempts.claim(young, forget_before=LONG_AGO)
    assert [await kept.attempts.forget(later(10), 2) for _ in range(4)] == [2, 2, 1, 0]
    assert [await kept.attempts.find(one.id) for one in (*old, young)] == [*[None] * 5, young]


async def test_a_key_whose_attempt_is_old_is_claimed_again(kept: SqlStorage) -> None:
    await kept.attempts.claim(attempt(), forget_before=LONG_AGO)
    again = attempt(run="r-2", created_at=later(20))
    assert await kept.attempts.claim(again, forget_before=later(10)) is None
    assert await kept.attempts.find(again.id) == again


async def test_who_forgets_and_the_end_of_a_connection_stand_in_nobodys_way(
    opened: Callable[[str], SqlStorage], postgres_url: str
) -> None:
    """Both have old attempts to forget; one of these is kept from them until both have begun."""
    storage, another = opened(postgres_url), opened(postgres_url)
    await storage.connections.add(connection("con_1"), None)
    old = [attempt(f"old {number}") for number in range(3)]
    for one in old:
        await storage.attempts.claim(one, forget_before=LONG_AGO)
    table = tables.attempts
    async with another._database.writing() as transaction:
        await transaction.execute(select(table.c.id).where(table.c.id == old[1].id).with_for_update())
        forgetting = asyncio.ensure_future(storage.attempts.forget(later(10), 10))
        await asyncio.sleep(0.2)
        ending = asyncio.ensure_future(another.connections.destroy(connection("con_1")))
        await asyncio.sleep(0.2)
    forgotten, _ = await asyncio.gather(forgetting, ending)
    assert forgotten == 2


async def test_attempts_go_with_their_connection_save_one_that_outlives_it(kept: SqlStorage) -> None:
    await kept.attempts.claim(attempt("k-1"), forget_before=LONG_AGO)
    outliving = attempt("k-2", connection_id=None)
    await kept.attempts.claim(outliving, forget_before=LONG_AGO)
    await kept.connections.destroy(connection("con_1"))
    assert await kept.attempts.find(attempt("k-1").id) is None
    assert await kept.attempts.find(outliving.id) == outliving
    with refused("not_found"):
        await kept.attempts.claim(attempt("k-3"), forget_before=LONG_AGO)


async def test_what_was_sent_and_answered_is_sealed(opened: Callable[[str], SqlStorage], sqlite_url: str) -> None:
    storage = opened(sqlite_url)
    await storage.connections.add(connection("con_1"), None)
    whole = attempt(evidence=Secret("canary-1"), answer=Secret("canary-2"))
    await storage.attempts.claim(whole, forget_before=LONG_AGO)
    (row,) = look(sqlite_url, "SELECT sealed_evidence, sealed_answer FROM attempts")
    assert all(sealed and b"canary" not in sealed for sealed in row)
