"""What a process that died left behind is settled by the next one, before its first request; and what nobody uses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adapters.rompslomp import ADAPTER
from adapters.rompslomp.emulator import Emulator, Switches
from gateway.app import Polder, build
from gateway.contract.emulator import Fault
from gateway.contract.secret import Secret
from gateway.engine.storage import Intent, StoredConnection, StoredToken
from gateway.engine.tokens import Sweeper
from gateway.engine.tokens.sweeper import AT_ONCE
from gateway.settings import variable
from gateway.store.tokens import SqlTokens
from tests.house import House, open_house

PROVIDER = "rompslomp"
DEAD = "host.1.0123456789abcdef"
"""A process that has no lock any more."""


@pytest.fixture(params=["immediate", "on_use"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    def make(clock: object) -> Emulator:
        return Emulator(clock, switches=Switches(refresh_rotation=request.param))  # type: ignore[arg-type]  # a clock

    async with open_house(tmp_path, adapters={PROVIDER: ADAPTER}, emulators={PROVIDER: make}) as opened:
        yield opened


@asynccontextmanager
async def another_process(house: House) -> AsyncIterator[Polder]:
    """A second Polder on the same home, in front of the same provider."""
    emulator = house.emulator(PROVIDER)
    polder = await build(
        house.polder.settings,
        clock=house.clock,
        adapters={PROVIDER: ADAPTER},
        transport_for=lambda origin: httpx2.ASGITransport(emulator),
        environment={variable(ADAPTER, name): text for name, text in emulator.operator_settings().items()},
    )
    try:
        yield polder
    finally:
        await polder.close()


async def connected(house: House) -> StoredConnection:
    emulator = house.emulator(PROVIDER)
    assert isinstance(emulator, Emulator)
    id = await house.connect(PROVIDER, credentials=emulator.oauth_credentials(), company_id=emulator.company_id)
    found = await house.polder.storage.connections.find(id)
    assert found is not None
    return found


def refreshes(house: House) -> int:
    return sum(b"grant_type=refresh_token" in seen.body for seen in house.emulator(PROVIDER).journal)


async def intend(house: House, connection: StoredConnection, owner: str = DEAD) -> None:
    now, tokens = house.clock.now(), house.polder.storage.tokens
    intent = Intent(owner, now, now + timedelta(seconds=35))
    assert await tokens.intend(connection, intent, await tokens.journal(connection))


async def test_a_start_settles_what_was_under_way_before_the_first_request(house: House) -> None:
    connection = await connected(house)
    await intend(house, connection)
    async with another_process(house) as polder:
        await polder.start()
        journal = await polder.storage.tokens.journal(connection)
    assert journal.intent is None
    assert refreshes(house) == 1
    answer = await house.client.get(f"/v1/connections/{connection.id}/contacts")
    assert answer.status_code == 200, "this process too finds the newer token"


async def test_a_start_settles_more_than_may_be_begun_at_once(house: House) -> None:
    connections = [await connected(house) for _ in range(AT_ONCE + 5)]
    for connection in connections:
        await intend(house, connection)
    async with another_process(house) as polder:
        await polder.start()
        assert await polder.storage.tokens.open_intents() == {}
    assert refreshes(house) == AT_ONCE + 5


async def test_a_start_reads_the_spool(house: House) -> None:
    connection = await connected(house)
    tokens = house.polder.storage.tokens
    newest = await tokens.newest(connection)
    assert newest is not None
    received = replace(newest.token, value=Secret("received"))
    await tokens.spool(connection, received, house.clock.now(), (await tokens.journal(connection)).version, owner=DEAD)
    async with another_process(house) as polder:
        await polder.start()
        after = await polder.storage.tokens.newest(connection)
    assert after is not None
    assert after.token == received


async def test_a_start_in_front_of_a_dead_provider_is_a_start_all_the_same(house: House) -> None:
    connection = await connected(house)
    await intend(house, connection)
    house.emulator(PROVIDER).fail(Fault("status", status=503), times=100)
    async with another_process(house) as polder:
        await polder.start()
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(polder.asgi), base_url="http://polder.test"
        ) as any_:
            assert (await any_.get("/readyz")).status_code == 200
    assert (await house.polder.storage.tokens.journal(connection)).intent is not None, "it is left for the next round"


async def test_a_start_waits_for_an_answer_but_not_until_a_refusal_is_asked_about_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await connected(house)
    await house.client.get(f"/v1/connections/{connection.id}/contacts")
    await intend(house, connection)
    refusal = Fault(
        "status", status=400, headers={"content-type": "application/json"}, body=b'{"error":"invalid_grant"}'
    )
    house.emulator(PROVIDER).fail(refusal, times=1)
    monkeypatch.setattr(house.clock, "sleep", asyncio.sleep)
    async with another_process(house) as polder:
        async with asyncio.timeout(10):
            await polder.start()
        journal = await polder.storage.tokens.journal(connection)
    assert (journal.intent, journal.refused_at) == (None, house.clock.now())
    assert refreshes(house) == 1


def sweeper(house: House) -> Sweeper:
    return house.polder.engine.sweeper


async def test_a_round_settles_what_was_left_open_by_one_who_lives(house: House) -> None:
    connection = await connected(house)
    async with another_process(house) as polder:
        await polder.start()
        await intend(house, connection, polder.owner.name)
        await sweeper(house).round()
        assert refreshes(house) == 0, "until its deadline its request may be under way"
        house.clock.advance(36)
        await sweeper(house).round()
    assert refreshes(house) == 1
    assert (await house.polder.storage.tokens.journal(connection)).intent is None


async def test_a_round_settles_what_the_dead_left_at_once(house: House) -> None:
    connection = await connected(house)
    await intend(house, connection)
    await sweeper(house).round()
    assert refreshes(house) == 1
    assert (await house.polder.storage.tokens.journal(connection)).intent is None


async def test_a_connection_that_nobody_uses_for_a_week_is_kept_alive(house: House) -> None:
    await connected(house)
    for _ in range(3):
        house.clock.advance(timedelta(days=6).total_seconds())
        await sweeper(house).round()
    assert refreshes(house) == 1
    house.clock.advance(timedelta(days=8).total_seconds())
    await sweeper(house).round()
    assert refreshes(house) == 2


async def test_a_round_in_front_of_a_dead_provider_ends_and_the_next_comes_later(house: House) -> None:
    await connected(house)
    house.clock.advance(timedelta(days=8).total_seconds())
    house.emulator(PROVIDER).fail(Fault("status", status=503), times=100)
    await sweeper(house).round()
    asked = refreshes(house)
    assert asked == 4
    await sweeper(house).round()
    assert refreshes(house) == asked
    house.emulator(PROVIDER).heal()
    house.clock.advance(61)
    await sweeper(house).round()
    assert refreshes(house) == asked + 1


async def test_the_whole_is_ready_until_it_is_about_to_stop(house: House) -> None:
    connection = await connected(house)
    path, fresh = f"/v1/connections/{connection.id}/contacts", {"cache-control": "no-cache"}
    house.clock.advance(3 * 3600)
    house.polder.asgi.drain()
    anonymous = await house.anonymous()
    assert (await anonymous.get("/readyz")).status_code == 503
    assert (await house.client.get(path, headers=fresh)).status_code == 200
    assert refreshes(house) == 1
    house.clock.advance(3 * 3600)
    house.polder.engine.drain()
    answer = await house.client.get(path, headers=fresh)
    assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable")
    assert refreshes(house) == 1


async def test_a_pair_that_comes_for_a_connection_that_was_deleted_meanwhile_is_revoked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await connected(house)
    house.clock.advance(3 * 3600)
    append = SqlTokens.append

    async def deleted_first(self: SqlTokens, *kept: Any, **further: Any) -> StoredToken:
        assert (await house.client.delete(f"/v1/connections/{connection.id}")).status_code == 204
        return await append(self, *kept, **further)

    monkeypatch.setattr(SqlTokens, "append", deleted_first)
    answer = await house.client.get(f"/v1/connections/{connection.id}/contacts")
    assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable")
    assert (await house.client.get(f"/v1/connections/{connection.id}/contacts")).status_code == 404
    revoked = [seen.body for seen in house.emulator(PROVIDER).journal if seen.path == "/oauth/revoke"]
    assert len(set(revoked)) == 2, "the pair before, and the one that came"


async def test_a_connection_that_was_refused_but_not_given_up_is_asked_for_again_after_a_while(house: House) -> None:
    connection = await connected(house)
    tokens, now = house.polder.storage.tokens, house.clock.now()
    await tokens.suspect(connection, now, since=now, version=None, owner=None)
    house.clock.advance(299)
    await sweeper(house).round()
    assert refreshes(house) == 0
    house.clock.advance(2)
    await sweeper(house).round()
    assert refreshes(house) == 1
    assert (await tokens.journal(connection)).suspect_since is None
