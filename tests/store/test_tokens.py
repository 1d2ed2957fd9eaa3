"""The journal of tokens: the newest counts, and one that was kept is never lost."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.engine.storage import Backlog, Intent, Journal, StoredToken, Suspicion
from gateway.store import tables
from gateway.store.sql import SqlStorage
from tests.store.making import NOON, connection, later, look, refused, secrets, token

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def kept(storage: SqlStorage) -> SqlStorage:
    await storage.connections.add(connection(), None)
    return storage


async def test_there_is_none_before_the_first(kept: SqlStorage) -> None:
    assert await kept.tokens.newest(connection()) is None


async def test_a_token_comes_back_as_it_was_received(kept: SqlStorage) -> None:
    received = token("a", expires_at=later(120), refresh="r")
    stored = await kept.tokens.append(connection(), received, NOON)
    assert stored == StoredToken(1, received, NOON)
    assert await kept.tokens.newest(connection()) == stored


async def test_the_newest_counts_even_if_it_was_received_earlier(kept: SqlStorage) -> None:
    await kept.tokens.append(connection(), token("first", refresh="r"), later(5))
    second = await kept.tokens.append(connection(), token("second"), NOON)
    assert await kept.tokens.newest(connection()) == second
    assert second.seq == 2


async def test_only_the_last_four_are_kept_of_each_connection(
    opened: Callable[[str], SqlStorage], sqlite_url: str
) -> None:
    storage = opened(sqlite_url)
    for each in (connection(), connection("con_2")):
        await storage.connections.add(each, None)
    await storage.tokens.append(connection("con_2"), token(), NOON)
    for number in range(7):
        await storage.tokens.append(connection(), token(str(number)), NOON)
    rows = look(sqlite_url, "SELECT connection_id, seq FROM tokens ORDER BY connection_id, seq")
    assert rows == [("con_1", 4), ("con_1", 5), ("con_1", 6), ("con_1", 7), ("con_2", 1)]


# Intents


def intent(owner: str = "one", *, minutes: int = 0) -> Intent:
    return Intent(owner, later(minutes), later(minutes + 1))


async def intend(storage: SqlStorage, mine: Intent, id: str = "con_1") -> bool:
    """Keep an intent, in the knowledge of everything there is."""
    return await storage.tokens.intend(connection(id), mine, await storage.tokens.journal(connection(id)))


async def test_an_intent_is_kept_until_its_owners_token_ends_it(kept: SqlStorage) -> None:
    assert await intend(kept, intent())
    assert (await kept.tokens.journal(connection())).intent == intent()
    assert await kept.tokens.open_intents() == {connection().provider: Backlog(1, intent().started_at)}
    await kept.tokens.append(connection(), token(), NOON, owner="one")
    assert (await kept.tokens.journal(connection())).intent is None
    assert await kept.tokens.open_intents() == {}


async def test_nobody_ends_the_intent_of_another(kept: SqlStorage) -> None:
    await intend(kept, intent("two"))
    await kept.tokens.append(connection(), token(), NOON, owner="one")
    await kept.tokens.append(connection(), token(), NOON)
    await kept.tokens.suspect(connection(), NOON, since=NOON, version=0, owner="one")
    await kept.tokens.end_intent(connection(), "one")
    await kept.tokens.end_intent(connection(), "one", NOON)
    assert (await kept.tokens.journal(connection())).intent == intent("two")
    await kept.tokens.suspect(connection(), NOON, since=NOON, version=0, owner="two")
    assert (await kept.tokens.journal(connection())).intent is None


async def test_an_intent_is_kept_in_place_of_what_is_known_and_of_nothing_else(kept: SqlStorage) -> None:
    nothing = await kept.tokens.journal(connection())
    assert await kept.tokens.intend(connection(), intent("one"), nothing)
    assert not await kept.tokens.intend(connection(), intent("two"), nothing), "there is an intent by now"
    first = await kept.tokens.journal(connection())
    assert await kept.tokens.intend(connection(), intent("one", minutes=1), first)
    assert not await kept.tokens.intend(connection(), intent("two"), first), "the same owner's, but not the same"
    second = await kept.tokens.journal(connection())
    await kept.tokens.end_intent(connection(), "one", NOON)
    assert await kept.tokens.intend(connection(), intent("one", minutes=1), second), "given up, and still its own"
    await kept.tokens.append(connection(), token(), NOON, owner="one")
    assert not await kept.tokens.intend(connection(), intent("two"), nothing), "there is a newer token"
    await kept.connections.replace_credentials(connection(), lambda now: now, secrets(token="new"))
    assert not await kept.tokens.intend(connection(), intent("two"), nothing), "there are other credentials"
    assert await intend(kept, intent("two"))


async def test_of_many_processes_that_may_hold_a_lost_lock_one_keeps_its_intent(
    opened: Callable[[str], SqlStorage], url: str
) -> None:
    storages = [opened(url), opened(url)]
    await storages[0].connections.add(connection(), None)
    known = await storages[0].tokens.journal(connection())
    kept = await asyncio.gather(
        *(storages[n % 2].tokens.intend(connection(), intent(str(n)), known) for n in range(10))
    )
    assert sum(kept) == 1


async def test_an_intent_that_came_to_nothing_is_forgotten_and_one_of_unknown_fate_is_overdue(kept: SqlStorage) -> None:
    await intend(kept, intent())
    await kept.tokens.end_intent(connection(), "one", NOON)
    assert await kept.tokens.unsettled(10) == [(connection(), Intent("one", intent().started_at, NOON))]
    await kept.tokens.end_intent(connection(), "one")
    assert await kept.tokens.unsettled(10) == []


async def test_the_oldest_intent_is_unsettled_first(kept: SqlStorage) -> None:
    await kept.connections.add(connection("con_2"), None)
    await intend(kept, intent(minutes=5))
    await intend(kept, intent(minutes=1), "con_2")
    both = [(connection("con_2"), intent(minutes=1)), (connection(), intent(minutes=5))]
    assert await kept.tokens.unsettled(10) == both
    assert await kept.tokens.unsettled(1) == both[:1]


async def test_nothing_is_kept_of_a_connection_that_is_gone(kept: SqlStorage) -> None:
    await kept.connections.destroy(connection())
    for work in (
        kept.tokens.intend(connection(), intent(), Journal(0)),
        kept.tokens.journal(connection()),
        kept.tokens.suspect(connection(), NOON, since=NOON, version=None, owner=None),
    ):
        with refused("not_found"):
            await work


# What a token is known by


async def test_a_token_that_worked_is_marked_and_what_it_was_made_from_forgotten(kept: SqlStorage) -> None:
    for value in ("a", "b", "c"):
        await kept.tokens.append(connection(), token(value), NOON)
    await kept.tokens.use(connection(), 2)
    found = (await kept.tokens.journal(connection())).tokens
    assert [(row.seq, row.state) for row in found] == [(3, "unused"), (2, "used")]
    await kept.tokens.use(connection(), 2)
    await kept.tokens.use(connection(), 1)
    assert len((await kept.tokens.journal(connection())).tokens) == 2


async def test_a_refused_token_is_marked_and_stays(kept: SqlStorage) -> None:
    await kept.tokens.append(connection(), token("a"), NOON)
    await kept.tokens.reject(connection(), 1)
    newest = await kept.tokens.newest(connection())
    assert newest is not None
    assert newest.state == "rejected"
    await kept.tokens.use(connection(), 1)
    assert await kept.tokens.newest(connection()) == newest


async def test_suspicion_counts_the_connections_of_one_provider_and_lasts_until_a_token_comes(kept: SqlStorage) -> None:
    await kept.connections.add(connection("con_2"), None)
    await kept.connections.add(connection("con_3", provider="another"), None)
    await kept.tokens.suspect(connection("con_3"), NOON, since=NOON, version=0, owner=None)
    assert await kept.tokens.suspect(connection(), NOON, since=NOON, version=0, owner=None) == Suspicion(NOON, 1, 2)
    assert await kept.tokens.suspect(connection("con_2"), later(1), since=NOON, version=0, owner=None) == Suspicion(
        later(1), 2, 2
    )
    assert await kept.tokens.suspect(connection(), later(9), since=later(5), version=0, owner=None) == Suspicion(
        NOON, 1, 2
    )
    suspects = [connection("con_2"), connection("con_3", provider="another")]
    assert await kept.tokens.suspects(later(2), 10) == suspects
    assert await kept.tokens.suspects(later(2), 10, "con_2") == suspects[1:]
    await kept.tokens.append(connection(), token(), later(10))
    journal = await kept.tokens.journal(connection())
    assert (journal.suspect_since, journal.refused_at) == (None, None)


async def test_who_needed_its_owner_is_active_with_its_next_token(kept: SqlStorage) -> None:
    await kept.connections.amend("con_1", later(1), status="needs_reauth", version=0)
    await kept.tokens.append(connection(), token(), later(2))
    found = await kept.connections.find("con_1")
    assert found is not None
    assert found.status == "active"


async def test_who_is_active_again_is_no_suspect(kept: SqlStorage) -> None:
    await kept.tokens.suspect(connection(), NOON, since=NOON, version=None, owner=None)
    await kept.connections.amend("con_1", later(1), status="active", version=0)
    assert (await kept.tokens.journal(connection())).refused_at is None


async def test_a_token_that_older_credentials_bought_is_not_kept(kept: SqlStorage) -> None:
    before = (await kept.tokens.journal(connection())).version
    _, first = await kept.connections.replace_credentials(
        connection(), lambda now: now, {}, token("first", refresh="r"), NOON
    )
    assert first is not None
    assert (await kept.tokens.journal(connection())).tokens == [first]
    with refused("conflict"):
        await kept.tokens.append(connection(), token("late"), NOON, before)
    with refused("conflict"):
        await kept.tokens.suspect(connection(), NOON, since=NOON, version=before, owner=None)
    assert (await kept.tokens.journal(connection())).tokens == [first]


@pytest.mark.parametrize("ending", ["replaced", "destroyed"])
async def test_a_token_that_works_stands_in_nobodys_way(
    opened: Callable[[str], SqlStorage], postgres_url: str, ending: str
) -> None:
    """Whoever forgets all tokens meanwhile, one after the other, is kept at the second until both have begun."""
    storage, another = opened(postgres_url), opened(postgres_url)
    await storage.connections.add(connection(), None)
    for number in range(1, 5):
        await storage.tokens.append(connection(), token(str(number), refresh="r"), NOON)
    second = select(tables.tokens.c.seq).where(tables.tokens.c.seq == 2).with_for_update()
    async with another._database.writing() as transaction:
        await transaction.execute(second)
        forgets: Awaitable[object] = (
            another.connections.destroy(connection())
            if ending == "destroyed"
            else another.connections.replace_credentials(connection(), lambda now: now, {})
        )
        forgetting = asyncio.ensure_future(forgets)
        await asyncio.sleep(0.2)
        using = asyncio.ensure_future(storage.tokens.use(connection(), 4))
        await asyncio.sleep(0.2)
    await asyncio.gather(forgetting, using)


async def test_only_what_can_be_refreshed_and_was_not_for_long_is_idle(kept: SqlStorage) -> None:
    for name in ("con_3", "con_4"):
        await kept.connections.add(connection(name), None)
    suspended = connection("con_2", suspended_at=later(3))
    await kept.connections.add(suspended, None)
    await kept.tokens.append(connection(), token("older", refresh="r"), later(1))
    await kept.tokens.append(connection(), token("newer", refresh="r"), later(9))
    await kept.tokens.append(connection("con_2"), token(refresh="r"), later(2))
    await kept.tokens.append(connection("con_3"), token(), later(2))
    await kept.tokens.append(connection("con_4"), token(refresh="r"), later(2))
    await kept.connections.amend("con_4", NOON, status="revoked", version=0)
    assert await kept.tokens.idle(later(5), 10) == [suspended]
    assert await kept.tokens.idle(later(10), 10) == [connection(), suspended]
    assert await kept.tokens.idle(later(10), 1) == [connection()]
    assert await kept.tokens.idle(later(10), 10, connection().id) == [suspended]


async def test_two_processes_appending_at_once_never_share_a_seq(opened: Callable[[str], SqlStorage], url: str) -> None:
    storages = [opened(url), opened(url)]
    await storages[0].connections.add(connection(), None)
    stored = await asyncio.gather(
        *(storages[n % 2].tokens.append(connection(), token(str(n)), NOON) for n in range(20))
    )
    assert sorted(each.seq for each in stored) == list(range(1, 21))
    newest = await storages[1].tokens.newest(connection())
    assert newest == max(stored, key=lambda each: each.seq)


DIES_AFTER_APPENDING = """
import asyncio, os, sys
from gateway.store import open_storage
from gateway.store.seal import KeyRing
from tests.store.making import NOON, connection, token

async def main():
    storage = open_storage(sys.argv[1], KeyRing.parse(os.environ["KEYS"], environment="test"))
    await storage.tokens.append(connection(), token("bought"), NOON)
    os._exit(9)

asyncio.run(main())
"""


async def test_a_token_survives_the_process_that_kept_it(kept: SqlStorage, url: str, keys: str) -> None:
    environment = {**os.environ, "KEYS": keys, "PYTHONPATH": str(ROOT)}
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", DIES_AFTER_APPENDING, url], env=environment, check=False
    )
    assert died.returncode == 9
    assert await kept.tokens.newest(connection()) == StoredToken(1, token("bought"), NOON)
