"""A scrape stays small whatever callers do: at most 3,000 series, every one that can ever be among them."""

from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from gateway.contract.errors import Outcome, Problem
from gateway.contract.models.connections import ConnectionStatus
from gateway.contract.operations import OPERATIONS
from gateway.engine.call import Answer, Call
from gateway.engine.observe import (
    AttemptResult,
    CacheResult,
    HeldBack,
    Statement,
    Strain,
    TokenOutcome,
    Transition,
    UpstreamOutcome,
    WriteResult,
)
from gateway.engine.storage import Backlog
from gateway.registry import discover
from gateway.web.connect import connect_pages
from gateway.web.health import Health
from gateway.web.metrics import METHODS, OTHER, UNMATCHED, Metrics
from gateway.web.pages import all_pages
from gateway.web.problems import ALL_KINDS, EDGE_KINDS
from gateway.web.process_metrics import PATH, ProcessMetrics
from gateway.web.routes import Page, Routes
from tests.house import House
from tests.operations.scrape import names, scraped
from tests.web.edge import build_edge, send_raw

pytestmark = pytest.mark.anyio

BUDGET = 3000
PROVIDERS = sorted(name for name, adapter in discover().items() if not adapter.example)
FAILURES = {kind.status for kind in ALL_KINDS.values()} - {405, 408, 431}
"""What an operation can end in; a wrong method is refused before there is one, as is a request that cannot be read."""


def all_page_templates() -> dict[str, Page]:
    """Every page there is; nobody looks at one here, so that nothing need stand behind them."""
    nothing: Any = None
    health = Health(nothing, nothing, Metrics("1.2.3"))
    vitals = ProcessMetrics(nothing, nothing, health, Metrics("1.2.3"), [Path()], lambda: None)
    return {**all_pages(health, ""), **connect_pages(nothing, nothing, ""), PATH: vitals.page()}


def everything_that_can_happen() -> Metrics:
    """Every label there is, with every other it can stand beside."""
    metrics = Metrics("1.2.3", PROVIDERS)
    for route in Routes(OPERATIONS, all_page_templates()).all:
        for method in METHODS | {OTHER}:
            metrics.answered(route.template, method, 204 if method == "OPTIONS" else 405, 1)
        for method, operation in route.operations.items():
            for status in FAILURES | {operation.status, 499}:
                metrics.answered(route.template, method, status, 1)
        for status in (200, 503) if route.page else ():
            metrics.answered(route.template, "GET", status, 1)
    for method, status in product(METHODS | {OTHER}, (404, 408, 431)):
        metrics.answered(UNMATCHED, method, status, 1)
    for resource in {operation.resource for operation in OPERATIONS}:
        metrics.spent(resource, 1)
        for result in get_args(CacheResult):
            metrics.cache(resource, result)
    for code in ALL_KINDS:
        metrics.problem(code)
    for outcome in get_args(Outcome):
        metrics.wrote(outcome)
    for attempt in get_args(AttemptResult):
        metrics.attempted(attempt)
    for statement in get_args(Statement):
        metrics.storage_took(statement, 1)
    metrics.storage_waited(1)
    metrics.storage_sessions(1, 15)
    metrics.storage_failed()
    metrics.census(dict.fromkeys(product(PROVIDERS, get_args(ConnectionStatus)), 1))
    for provider, operation, came in product(PROVIDERS, OPERATIONS, get_args(UpstreamOutcome)):
        metrics.upstream(provider, operation.name, came, 1)
    for provider, asked in product(PROVIDERS, get_args(TokenOutcome)):
        metrics.token(provider, asked, 1)
    for provider, to in product(PROVIDERS, get_args(Transition)):
        metrics.transition(provider, to)
    for provider, reason in product(PROVIDERS, get_args(HeldBack)):
        metrics.held_back(provider, reason)
    for operation, fate in product(OPERATIONS, get_args(WriteResult)):
        metrics.reconciled(operation.name, fate)
    backlogs = dict.fromkeys(PROVIDERS, Backlog(1, datetime(2026, 3, 2, tzinfo=UTC)))
    metrics.left_open(backlogs, backlogs, datetime(2026, 3, 3, tzinfo=UTC))
    metrics.strained(dict.fromkeys(PROVIDERS, Strain(breaker=2, budget=0.0, inside=1, waiting=1)))
    return metrics


def test_all_that_can_happen_fits() -> None:
    found = scraped(everything_that_can_happen())
    assert len(found) <= BUDGET
    assert names(scraped(Metrics("1.2.3", PROVIDERS))) <= names(found)


async def test_ten_thousand_connections_make_no_series() -> None:
    """Each calls once, and its call does what the engine would tell of; every seventh goes wrong somehow."""
    edge = await build_edge()
    codes = sorted(ALL_KINDS.keys() - EDGE_KINDS.keys())
    calls = 0

    def perform(call: Call) -> Answer:
        nonlocal calls
        calls += 1
        provider, operation = PROVIDERS[calls % len(PROVIDERS)], call.operation
        edge.metrics.upstream(provider, operation.name, get_args(UpstreamOutcome)[calls % 8], 0.1)
        edge.metrics.token(provider, get_args(TokenOutcome)[calls % 6], 0.1)
        edge.metrics.cache(operation.resource, get_args(CacheResult)[calls % 3])
        if calls % 7 == 0:
            raise Problem(codes[calls % len(codes)], "No.")
        return Answer(operation.status, b"{}")

    edge.engine.next = perform
    on_connections = [one for one in OPERATIONS if "{connection_id}" in one.path]
    for number in range(10_000):
        operation = on_connections[number % len(on_connections)]
        path = operation.path.replace("{connection_id}", f"con_{number:016}")
        path = path.replace("{id}", str(number)).replace("{key}", f"key{number}").replace("{path}", f"any/{number}")
        path = path.replace("{resource}", "contacts")
        await send_raw(edge, operation.method, path.encode())
    assert calls == 10_000
    found = scraped(edge.metrics)
    assert len(found) <= BUDGET
    assert sum(value for name, value in found.items() if name.startswith("polder_http_requests_total")) == 10_000
    assert [name for name in found if "con_" in name or "key1" in name] == []


async def test_the_engine_labels_nothing_with_a_connection(house: House) -> None:
    before = names(scraped(house.polder.metrics))
    connections = [await house.connect("memory") for _ in range(5)]
    for connection in connections:
        for resource in ("contacts", "invoices", "company", "contacts/987654"):
            await house.client.get(f"/v1/connections/{connection}/{resource}")
    found = scraped(house.polder.metrics)
    assert names(found) >= before
    assert found['polder_upstream_requests_total{outcome="ok",provider="memory",resource="contacts"}'] >= 5
    assert [name for name in found if any(connection in name for connection in connections)] == []
