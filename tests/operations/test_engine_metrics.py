"""What the engine's metrics say of tokens, writes and systems that fail: each is moved by what it is about."""

import asyncio
from datetime import timedelta
from typing import get_args

import httpx2
import pytest

from gateway.contract.adapter import Pace
from gateway.contract.emulator import Fault, ReceivedRequest
from gateway.contract.errors import Problem
from gateway.contract.upstream import Request
from gateway.engine.observe import Transition
from gateway.engine.storage import Backlog, Intent
from gateway.web.metrics import Metrics
from gateway.web.process_metrics import COUNTED_FOR, beating
from tests.engine.staging import Books, Stage, said
from tests.house import House
from tests.operations.scrape import scraped, series
from tests.web.edge import build_edge

pytestmark = pytest.mark.anyio

READ = Request("GET", "/contacts")
WRITE = Request("POST", "/contacts", json={"name": "x"})
PROVIDER = "memory"
OF_IT = f'{{provider="{PROVIDER}"}}'


async def looked_up(house: House) -> dict[str, float]:
    """A scrape that counts again what is kept."""
    house.clock.advance(COUNTED_FOR + 1)
    return series((await house.client.get("/metrics")).text)


def of_stage(stage: Stage, metrics: Metrics) -> dict[str, float]:
    """A scrape after a beat."""
    metrics.strained({"books": stage.way.strain("books")})
    return scraped(metrics)


def is_write(seen: ReceivedRequest) -> bool:
    return seen.method == "POST" and "/contacts" in seen.path


async def write(house: House, connection: str) -> int:
    path = f"/v1/connections/{connection}/contacts"
    return (await house.client.post(path, json={"company_name": "Kaasboer De Graaf B.V."})).status_code


# Tokens


async def test_refused_credentials_are_counted_by_what_they_make_of_a_connection(house: House) -> None:
    connection = await house.connect(PROVIDER)
    house.emulator(PROVIDER).fail(Fault("status", 401), times=100)
    assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code == 424
    found = scraped(house.polder.metrics)
    told = {
        to: found[f'polder_connection_transitions_total{{provider="memory",to="{to}"}}'] for to in get_args(Transition)
    }
    assert told == {"suspect": 1, "needs_reauth": 1, "held": 0}


async def test_many_refusals_at_once_are_counted_as_held(house: House) -> None:
    connections = [await house.connect(PROVIDER) for _ in range(8)]
    house.emulator(PROVIDER).fail(Fault("status", 401), times=1_000)
    for connection in connections:
        assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code in (424, 503)
    found = scraped(house.polder.metrics)
    assert found['polder_connection_transitions_total{provider="memory",to="held"}'] == 3


async def test_an_open_intent_is_told_with_its_age_until_it_ends(house: House) -> None:
    connection = await house.polder.storage.connections.find(await house.connect(PROVIDER))
    assert connection is not None
    found = await looked_up(house)
    assert found[f"polder_token_open_intents{OF_IT}"] == 0
    now = house.clock.now()
    tokens = house.polder.storage.tokens
    intent = Intent("dead", now, now + timedelta(seconds=35))
    assert await tokens.intend(connection, intent, await tokens.journal(connection))
    found = await looked_up(house)
    assert found[f"polder_token_open_intents{OF_IT}"] == 1
    assert found[f"polder_token_oldest_intent_age_seconds{OF_IT}"] == COUNTED_FOR + 1
    await tokens.end_intent(connection, "dead")
    found = await looked_up(house)
    assert found[f"polder_token_open_intents{OF_IT}"] == 0
    assert found[f"polder_token_oldest_intent_age_seconds{OF_IT}"] == 0


# Writes


async def test_a_write_that_was_found_again_is_counted_as_recovered(house: House) -> None:
    connection = await house.connect(PROVIDER)
    house.emulator(PROVIDER).fail(Fault("lost"), when=is_write)
    assert await write(house, connection) == 201
    found = scraped(house.polder.metrics)
    assert found['polder_writes_reconciled_total{resource="contacts",result="recovered"}'] == 1
    assert found['polder_writes_total{outcome="unknown"}'] == 0
    assert found['polder_writes_total{outcome="applied"}'] == 2, "the connection is a write too"


async def test_a_raw_write_that_their_own_failure_answers_is_of_unknown_fate(house: House) -> None:
    connection = await house.connect(PROVIDER)
    house.emulator(PROVIDER).fail(Fault("status", status=500), when=is_write)
    raw = await house.client.post(f"/v1/connections/{connection}/raw/contacts", json={})
    told = await house.client.get(f"/v1/connections/{connection}/operations/{raw.headers['idempotency-key']}")
    assert (raw.status_code, told.json()["state"]) == (500, "manual")
    found = scraped(house.polder.metrics)
    assert found['polder_writes_total{outcome="unknown"}'] == 1
    assert found['polder_writes_total{outcome="rejected"}'] == 0


async def test_a_write_of_unknown_fate_is_told_with_its_age_until_it_is_known(house: House) -> None:
    connection = await house.connect(PROVIDER)
    emulator = house.emulator(PROVIDER)
    emulator.fail(Fault("status", status=502), when=is_write)
    emulator.fail(Fault("status", status=500), times=200, when=lambda seen: seen.method == "GET")
    assert await write(house, connection) == 503
    found = await looked_up(house)
    assert found[f"polder_writes_unknown_open{OF_IT}"] == 1
    assert found[f"polder_writes_oldest_unknown_age_seconds{OF_IT}"] >= COUNTED_FOR
    assert found['polder_writes_total{outcome="unknown"}'] == 1
    emulator.heal()
    house.clock.advance(3600)
    await house.polder.engine.reconciliation.sweep()
    found = await looked_up(house)
    assert found[f"polder_writes_unknown_open{OF_IT}"] == 0
    assert found[f"polder_writes_oldest_unknown_age_seconds{OF_IT}"] == 0
    assert found['polder_writes_reconciled_total{resource="contacts",result="not_executed"}'] == 1


async def test_a_backlog_of_a_provider_that_is_gone_ends() -> None:
    edge = await build_edge()
    edge.storage.intents = {"gone": Backlog(2, edge.clock.now() - timedelta(seconds=5))}
    found = series((await edge.anonymous.get("/metrics")).text)
    assert found['polder_token_open_intents{provider="gone"}'] == 2
    assert found['polder_token_oldest_intent_age_seconds{provider="gone"}'] == 5
    edge.storage.intents = {}
    edge.clock.advance(COUNTED_FOR + 1)
    found = series((await edge.anonymous.get("/metrics")).text)
    assert found['polder_token_open_intents{provider="gone"}'] == 0


# Systems that fail


async def test_a_breaker_that_opens_shows_and_what_it_holds_back_is_counted() -> None:
    state = {"down": True}

    async def handle(request: httpx2.Request) -> httpx2.Response:
        return said({}, 503) if state["down"] else said({"ok": True})

    metrics = Metrics("1.2.3", ["books"])
    stage = Stage(Books(handle), observer=metrics)
    for _ in range(100):
        with pytest.raises(Problem):
            await stage.outbound().data(WRITE)
    found = of_stage(stage, metrics)
    assert found['polder_breaker_state{provider="books"}'] == 2
    assert found['polder_upstream_held_back_total{provider="books",reason="breaker"}'] >= 75
    stage.clock.advance(7)
    assert of_stage(stage, metrics)['polder_breaker_state{provider="books"}'] == 1
    state["down"] = False
    assert await stage.outbound().data(READ) == {"ok": True}
    assert of_stage(stage, metrics)['polder_breaker_state{provider="books"}'] == 0


async def test_retries_that_are_used_up_show_and_are_not_made() -> None:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        return said({}, 503)

    metrics = Metrics("1.2.3", ["books"])
    stage = Stage(Books(handle), observer=metrics)
    while stage.way.states["books"].budget.spend():
        pass
    assert of_stage(stage, metrics)['polder_retry_budget_remaining_ratio{provider="books"}'] < 0.1
    with pytest.raises(Problem):
        await stage.outbound().data(READ)
    assert of_stage(stage, metrics)['polder_upstream_held_back_total{provider="books",reason="budget"}'] == 1


async def test_calls_under_way_and_in_the_queue_show_and_what_is_too_much_is_counted() -> None:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(60)
        return said({})

    metrics = Metrics("1.2.3", ["books"])
    stage = Stage(Books(handle), pace=Pace(per_connection=4, per_provider=6), observer=metrics)
    tasks = [asyncio.ensure_future(stage.outbound(f"con_{number % 2}").data(READ)) for number in range(600)]
    for _ in range(20):
        await asyncio.sleep(0)
    found = of_stage(stage, metrics)
    assert found['polder_bulkhead_in_flight{provider="books"}'] == 6
    assert found['polder_bulkhead_queue_depth{provider="books"}'] == 2
    assert found['polder_upstream_held_back_total{provider="books",reason="queue"}'] == 600 - 2 * (4 + 4 * 64)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert of_stage(stage, metrics)['polder_bulkhead_in_flight{provider="books"}'] == 0


async def test_every_beat_tells_how_calling_each_provider_goes(house: House) -> None:
    async with beating(house.polder.metrics, house.polder.engine.strain):
        await asyncio.sleep(0)
    found = scraped(house.polder.metrics)
    for provider in house.emulators:
        assert found[f'polder_breaker_state{{provider="{provider}"}}'] == 0
        assert found[f'polder_retry_budget_remaining_ratio{{provider="{provider}"}}'] == 1


async def test_what_alerts_are_about_is_there_before_it_happens() -> None:
    found = scraped((await build_edge()).metrics)
    for name, value in {
        'polder_connection_transitions_total{provider="books",to="held"}': 0,
        'polder_token_oldest_intent_age_seconds{provider="books"}': 0,
        'polder_writes_reconciled_total{resource="invoices",result="duplicate"}': 0,
        'polder_writes_oldest_unknown_age_seconds{provider="books"}': 0,
        'polder_upstream_held_back_total{provider="books",reason="queue"}': 0,
        'polder_breaker_state{provider="books"}': 0,
        'polder_bulkhead_queue_depth{provider="books"}': 0,
        'polder_retry_budget_remaining_ratio{provider="books"}': 1,
    }.items():
        assert found[name] == value, name
