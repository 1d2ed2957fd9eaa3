"""What the metrics say, put to the test: Polder's own time, what became of writes, what state a process is in."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from gateway.app import build
from gateway.backup import back_up
from gateway.contract.emulator import Fault
from gateway.contract.errors import Problem
from gateway.engine.call import Answer, Call
from gateway.engine.single_flight import SingleFlight
from gateway.engine.stop_signal import StopSignal
from gateway.engine.waiting import Waiting, measured, waiting
from gateway.engine.writes.reconciliation import CHECKS
from gateway.settings import METRICS_PORT, Settings
from gateway.web.process_metrics import COUNTED_FOR, beating
from tests.house import ENCRYPTION_KEY, House, ManualClock
from tests.operations.scrape import scraped, series
from tests.web.edge import Edge, build_edge

pytestmark = pytest.mark.anyio

CONTACTS = "/v1/connections/con_1/contacts"
ROUTE = "/v1/connections/{connection_id}/contacts"
REPLAYED = {"Idempotency-Replayed": "true"}


@pytest.fixture
async def edge() -> Edge:
    return await build_edge()


# Polder's own time


def test_waits_at_the_same_time_count_once() -> None:
    clock = ManualClock()
    watch = Waiting(clock.monotonic)
    watch.begin()
    clock.advance(1)
    watch.begin()
    clock.advance(2)
    watch.end()
    clock.advance(4)
    assert watch.seconds == 7
    watch.end()
    clock.advance(8)
    assert watch.seconds == 7


async def test_who_joins_a_flight_waits_for_the_system_too() -> None:
    clock = ManualClock()
    flights: SingleFlight[int] = SingleFlight()
    landed = asyncio.Event()

    async def work() -> int:
        clock.advance(1)
        with waiting():
            await landed.wait()
        clock.advance(1)
        return 1

    async def ask() -> float:
        watch = measured(clock.monotonic)
        await flights.share(("same",), work)
        return watch.seconds

    async def arrive() -> None:
        clock.advance(5)
        landed.set()

    first, joined = asyncio.ensure_future(ask()), asyncio.ensure_future(ask())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await arrive()
    assert await first == 5
    assert await joined >= 5


async def test_a_pause_before_the_next_request_for_a_token_is_not_polders() -> None:
    clock = ManualClock()
    watch = measured(clock.monotonic)
    await StopSignal(clock).sleep(5)
    clock.advance(1)
    assert watch.seconds == 5


async def test_a_pause_before_a_lost_write_is_looked_for_is_not_polders(house: House) -> None:
    connection = await house.connect("memory")
    house.emulator("memory").fail(Fault("lost"), when=lambda seen: seen.method == "POST")
    began = house.clock.monotonic()
    body = {"company_name": "Kaasboer De Graaf B.V."}
    assert (await house.client.post(f"/v1/connections/{connection}/contacts", json=body)).status_code == 201
    assert house.clock.monotonic() - began >= CHECKS[0]
    found = scraped(house.polder.metrics)
    assert found['polder_gateway_overhead_seconds_sum{resource="contacts"}'] == 0


async def test_time_spent_waiting_is_not_polders(edge: Edge) -> None:
    def perform(call: Call) -> Answer:
        edge.clock.advance(0.003)
        with waiting():
            edge.clock.advance(20)
        return Answer(200, b"{}")

    edge.engine.next = perform
    await edge.client.get(CONTACTS)
    found = scraped(edge.metrics)
    assert found['polder_gateway_overhead_seconds_sum{resource="contacts"}'] == pytest.approx(0.003)
    assert found['polder_gateway_overhead_seconds_bucket{le="0.0025",resource="contacts"}'] == 0
    assert found['polder_gateway_overhead_seconds_bucket{le="0.005",resource="contacts"}'] == 1


async def test_time_the_caller_takes_to_send_is_not_polders(edge: Edge) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"a":'
        edge.clock.advance(5)
        yield b"1}"

    await edge.client.post(CONTACTS, content=slowly(), headers={"content-type": "application/json"})
    found = scraped(edge.metrics)
    assert found[f'polder_http_request_duration_seconds_sum{{route="{ROUTE}"}}'] == 5
    assert found['polder_gateway_overhead_seconds_sum{resource="contacts"}'] == 0


async def test_a_slow_system_does_not_make_polder_slow(house: House) -> None:
    connection = await house.connect("memory")
    house.emulator("memory").fail(Fault("slow", seconds=3.0))
    assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code == 200
    found = scraped(house.polder.metrics)
    took = 'polder_http_request_duration_seconds_sum{route="/v1/connections/{connection_id}/contacts"}'
    assert found[took] >= 3
    assert found['polder_gateway_overhead_seconds_sum{resource="contacts"}'] < 1


# Writes


@pytest.mark.parametrize(
    ("answer", "headers", "counted"),
    [
        (Answer(201, b"{}"), {}, {"outcome": "applied"}),
        (Answer(201, b"{}"), {"idempotency-key": "a"}, {"outcome": "applied", "attempt": "new"}),
        (
            Answer(201, b"{}", headers=REPLAYED),
            {"idempotency-key": "a"},
            {"attempt": "replayed"},
        ),
        (Problem("upstream_timeout", "No.", outcome="unknown"), {}, {"outcome": "unknown"}),
        (
            Problem("idempotency_in_progress", "No.", outcome="not_sent"),
            {"idempotency-key": "a"},
            {"outcome": "not_sent", "attempt": "in_progress"},
        ),
        (
            Problem("idempotency_mismatch", "No.", outcome="not_sent"),
            {"idempotency-key": "a"},
            {"outcome": "not_sent", "attempt": "mismatch"},
        ),
    ],
)
async def test_writes_are_counted_by_what_became_of_them(
    edge: Edge, answer: Answer | Problem, headers: dict[str, str], counted: dict[str, str]
) -> None:
    if isinstance(answer, Problem):
        edge.engine.raises(answer)
    else:
        edge.engine.answers(answer)
    before = scraped(edge.metrics)
    await edge.client.post(CONTACTS, json={"name": "x"}, headers=headers)
    changed = {
        name
        for name, value in scraped(edge.metrics).items()
        if value != before.get(name, 0) and name.startswith(("polder_writes", "polder_idempotency"))
    }
    expected = set()
    if "outcome" in counted:
        expected.add(f'polder_writes_total{{outcome="{counted["outcome"]}"}}')
    if "attempt" in counted:
        expected.add(f'polder_idempotency_requests_total{{outcome="{counted["attempt"]}"}}')
    assert changed == expected


async def test_reads_are_no_writes(edge: Edge) -> None:
    before = {name: value for name, value in scraped(edge.metrics).items() if name.startswith("polder_writes")}
    await edge.client.get(CONTACTS, headers={"idempotency-key": "a"})
    after = {name: value for name, value in scraped(edge.metrics).items() if name.startswith("polder_writes")}
    assert after == before


# State


async def test_what_alerts_are_about_is_there_from_the_start(edge: Edge) -> None:
    found = scraped(edge.metrics)
    for name in (
        'polder_problems_total{code="internal_error"}',
        'polder_problems_total{code="unauthenticated"}',
        'polder_token_refresh_total{outcome="config_error",provider="books"}',
        'polder_writes_total{outcome="unknown"}',
        'polder_upstream_requests_total{outcome="ok",provider="books",resource="contacts"}',
        'polder_upstream_requests_total{outcome="timeout",provider="books",resource="raw"}',
        'polder_upstream_requests_total{outcome="connect",provider="books",resource="connections"}',
        "polder_draining",
    ):
        assert found[name] == 0, name


async def test_connections_are_told_once_they_were_counted(edge: Edge) -> None:
    """An alert compares them with what they were: those of a gateway that could not count yet did not just come."""

    async def scrape() -> float | None:
        found = series((await edge.anonymous.get("/metrics")).text)
        return found.get('polder_connections{provider="books",status="needs_reauth"}')

    edge.storage.broken = True
    assert await scrape() is None
    edge.storage.broken, edge.storage.counts = False, {("books", "active"): 3}
    assert await scrape() == 0


async def test_a_scrape_looks_at_the_storage_and_survives_its_absence(edge: Edge) -> None:
    async def scrape() -> dict[str, float]:
        answer = await edge.anonymous.get("/metrics")
        assert answer.status_code == 200
        return series(answer.text)

    edge.storage.counts = {("books", "active"): 3, ("gone", "active"): 1}
    found = await scrape()
    assert found["polder_storage_up"] == 1
    assert found['polder_connections{provider="books",status="active"}'] == 3
    assert found['polder_connections{provider="gone",status="active"}'] == 1
    edge.storage.counts = {("books", "needs_reauth"): 3}
    edge.storage.broken = True
    edge.clock.advance(COUNTED_FOR + 1)
    assert (await scrape())["polder_storage_up"] == 0
    edge.storage.broken = False
    edge.clock.advance(COUNTED_FOR + 1)
    found = await scrape()
    assert found["polder_storage_up"] == 1
    assert found['polder_connections{provider="books",status="active"}'] == 0
    assert found['polder_connections{provider="books",status="needs_reauth"}'] == 3
    assert found['polder_connections{provider="gone",status="active"}'] == 0


async def test_connections_are_counted_by_provider_and_status(house: House) -> None:
    await house.connect("memory")
    await house.connect("memory", client=await house.client_for(tenant="other"))
    found = series((await house.client.get("/metrics")).text)
    assert found['polder_connections{provider="memory",status="active"}'] == 2
    assert found['polder_connections{provider="memory",status="needs_reauth"}'] == 0


async def test_the_last_backup_is_told(house: House, tmp_path: Path) -> None:
    async def scrape() -> dict[str, float]:
        return series((await house.client.get("/metrics")).text)

    assert (await scrape())["polder_last_backup_timestamp_seconds"] == 0
    back_up(house.polder.settings, tmp_path / "copy.sqlite", None, house.clock.now())
    found = await scrape()
    assert found["polder_last_backup_timestamp_seconds"] == house.clock.now().timestamp()
    assert found["polder_disk_free_bytes"] > 0


async def test_what_is_left_of_the_fullest_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database may be on another than POLDER_HOME."""
    home, apart = tmp_path / "home", tmp_path / "apart"
    settings = Settings(
        home=home, env="test", encryption_keys=SecretStr(ENCRYPTION_KEY), database_url=f"sqlite:///{apart}/polder.db"
    )
    polder = await build(settings, adapters={}, environment={})
    left = {home.resolve(): 10**11, apart.resolve(): 7}
    monkeypatch.setattr(
        "gateway.web.process_metrics.shutil.disk_usage", lambda path: SimpleNamespace(free=left[path.resolve()])
    )
    async with polder.running():
        transport = httpx2.ASGITransport(polder.telemetry)
        async with httpx2.AsyncClient(transport=transport, base_url="http://polder.test") as client:
            assert series((await client.get("/metrics")).text)["polder_disk_free_bytes"] == 7


async def test_a_process_that_drains_says_so(edge: Edge) -> None:
    assert (await edge.anonymous.get("/readyz")).status_code == 200
    edge.app.drain()
    assert (await edge.anonymous.get("/readyz")).json() == {"status": "draining"}
    assert (await edge.anonymous.get("/livez")).status_code == 200
    assert scraped(edge.metrics)["polder_draining"] == 1


async def test_a_blocked_event_loop_shows(edge: Edge) -> None:
    async with beating(edge.metrics, dict):
        for _ in range(200):
            await asyncio.sleep(0.01)
            if scraped(edge.metrics)["polder_event_loop_lag_seconds_count"]:
                break
    assert scraped(edge.metrics)["polder_event_loop_lag_seconds_count"] >= 1


# Where they are


def test_metrics_have_a_port_of_their_own_in_production() -> None:
    def at(**given: Any) -> tuple[int, bool]:
        settings = Settings(**given)
        return settings.metrics_at, settings.has_metrics_apart

    assert at(env="production") == (METRICS_PORT, True)
    assert at(env="local", port=8080) == (8080, False)
    assert at(env="local", port=8080, metrics_port=9999) == (9999, True)
    assert at(env="production", port=8080, metrics_port=8080) == (8080, False)


async def test_metrics_on_a_port_of_their_own_are_not_on_the_other(tmp_path: Path) -> None:
    polder = await build(Settings(home=tmp_path, env="test", metrics_port=9999), environment={})
    try:
        for app, path, status in (
            (polder.asgi, "/metrics", 404),
            (polder.asgi, "/livez", 200),
            (polder.telemetry, "/metrics", 200),
            (polder.telemetry, "/v1/providers", 404),
        ):
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://polder.test") as client:
                assert (await client.get(path)).status_code == status, path
    finally:
        await polder.close()
