"""Counters, gauges and histograms (reliability: bounded labels, never a connection, tenant, key, raw path or text).

A scrape is at most 3,000 series, whatever the callers do; ``tests/operations/`` makes every series there can be.
What an alert is about is there from the start, as 0: a counter's first step would otherwise be missed.
"""

import os
import platform
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import product
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

from gateway.contract.errors import Outcome
from gateway.contract.models.connections import ConnectionStatus
from gateway.contract.operations import OPERATIONS
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
from gateway.web.counters import Count, Folding, Spread, Tally
from gateway.web.problems import ALL_KINDS

UNMATCHED = "unmatched"
"""The route of a path that is none of ours."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "OTHER"
"""Any method that is none of those: a caller may send any word."""

WORKER_DEATHS = "polder_worker_deaths", "Workers that ended though nobody had told them to."
"""A counter's name and help: only whoever starts workers counts in it."""
ASKING = sorted({operation.resource for operation in OPERATIONS} - {"providers"})
"""Resources for which accounting systems are called."""

_Together = Literal["livesum", "livemax", "livemin", "livemostrecent"]
"""How a gauge of several processes that are scraped as one is told; what a scrape looks up, only one has just seen."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_UPSTREAM_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30)
_OVERHEAD_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
_TOKEN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_STORAGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10)
_LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_BYTES = tuple(256 * 4**power for power in range(9))  # 256 B to 16 MiB

# A _created series beside every counter and histogram would double what is scraped, for nothing an alert uses.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it without annotations


class Metrics:
    """One application's metrics, in a registry of its own; also the engine's ``Observer``.

    What every request counts is tallied, and handed to the registry by ``fold``. The labelled children are looked up
    once and kept, because looking one up costs more than counting. ``providers`` are the accounting systems there are,
    by name. ``in_flight`` is how many requests are being answered.
    """

    def __init__(self, version: str, providers: Iterable[str] = ()) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.in_flight = 0
        self._in_flight = self._gauge("polder_http_requests_in_flight", "Requests being answered.", workers="livesum")
        self._tallies: list[Tally] = []
        self._first: list[Tally] = []
        self.loop_lag = self._histogram(
            "polder_event_loop_lag_seconds", "How late the event loop comes to what is due.", _LAG_SECONDS
        )
        self.storage_up = self._gauge(
            "polder_storage_up", "Whether the storage could be written to when last tried.", workers="livemostrecent"
        )
        self.disk_free = self._gauge(
            "polder_disk_free_bytes",
            "What is left where POLDER_HOME is, or the embedded database: the least.",
            workers="livemostrecent",
        )
        self.last_backup = self._gauge(
            "polder_last_backup_timestamp_seconds",
            "When the embedded database was last backed up; 0 for never.",
            workers="livemostrecent",
        )
        self.draining = self._gauge("polder_draining", "Whether this process is about to stop.")
        self.background = self._gauge(
            "polder_background_work", "Whether this process does what nobody waits for.", workers="livemax"
        )
        self._counter(*WORKER_DEATHS)
        self._connections = self._gauge(
            "polder_connections", "Connections kept.", "provider", "status", workers="livemostrecent"
        )
        self._requests = self._counter("polder_http_requests", "Requests answered.", "route", "method", "code")
        self._problems = self._counter(
            "polder_problems", "Operations that ended in a problem, by what went wrong.", "code"
        )
        self._request_seconds = self._histogram(
            "polder_http_request_duration_seconds", "From request to answer.", _SECONDS, "route"
        )
        self._overhead_seconds = self._histogram(
            "polder_gateway_overhead_seconds",
            "The part of it that was not spent waiting for an accounting system, or for the caller's body.",
            _OVERHEAD_SECONDS,
            "resource",
        )
        self._request_bytes = self._spread(
            self._histogram("polder_http_request_body_bytes", "Bodies received.", _BYTES)
        )
        self._response_bytes = self._spread(self._histogram("polder_http_response_body_bytes", "Bodies sent.", _BYTES))
        self._upstream = self._counter(
            "polder_upstream_requests", "Calls to accounting systems.", "provider", "resource", "outcome"
        )
        self._upstream_seconds = self._histogram(
            "polder_upstream_request_duration_seconds", "One such call.", _UPSTREAM_SECONDS, "provider"
        )
        self._tokens = self._counter("polder_token_refresh", "Requests for a token.", "provider", "outcome")
        self._token_seconds = self._histogram(
            "polder_token_refresh_duration_seconds", "One such request.", _TOKEN_SECONDS, "provider"
        )
        self._transitions = self._counter(
            "polder_connection_transitions", "Refusals of credentials, by what they made of it.", "provider", "to"
        )
        self._intents = self._backlog(
            "polder_token_open_intents",
            "polder_token_oldest_intent_age_seconds",
            "requests for tokens under way or of unknown fate",
        )
        self._unknown = self._backlog(
            "polder_writes_unknown_open", "polder_writes_oldest_unknown_age_seconds", "writes whose fate is looked for"
        )
        self._cache = self._counter("polder_cache_requests", "Questions to the cache.", "resource", "result")
        self._reconciled = self._counter(
            "polder_writes_reconciled", "Writes whose answer never came and that were looked for.", "resource", "result"
        )
        self._held_back = self._counter(
            "polder_upstream_held_back", "Calls and repetitions that were not sent, by reason.", "provider", "reason"
        )
        self._breaker = self._gauge(
            "polder_breaker_state", "0 closed, 1 half-open, 2 open; the worst of its origins.", "provider"
        )
        self._budget = self._gauge(
            "polder_retry_budget_remaining_ratio",
            "What is left of the retries that can be saved up.",
            "provider",
            workers="livemin",
        )
        self._inside = self._gauge("polder_bulkhead_in_flight", "Calls under way.", "provider", workers="livesum")
        self._waiting = self._gauge(
            "polder_bulkhead_queue_depth", "Calls that wait for a place.", "provider", workers="livesum"
        )
        self._storage_seconds = self._histogram(
            "polder_db_operation_duration_seconds", "One statement, or the commit of several.", _STORAGE_SECONDS, "op"
        )
        self._storage_wait = self._histogram(
            "polder_db_pool_wait_seconds", "How long somebody waited for a session, and to write.", _STORAGE_SECONDS
        )
        self._storage_sessions = self._gauge(
            "polder_db_pool_in_use", "Sessions with the database that are in use.", workers="livesum"
        )
        self._storage_limit = self._gauge(
            "polder_db_pool_limit", "Sessions with the database that there may be.", workers="livesum"
        )
        self._storage_errors = self._counter("polder_db_errors", "What the database was asked in vain.")
        self._writes = self._counter("polder_writes", "Writes, by what is known to have become of them.", "outcome")
        self._attempts = self._counter("polder_idempotency_requests", "Writes with an idempotency key.", "outcome")
        info = self._gauge("polder_build_info", "What runs; always 1.", "version", "python")
        info.labels(version, platform.python_version()).set(1)
        self._providers = tuple(providers)
        self._counted: set[tuple[str, str]] = set()
        self._opened = set(self._providers)
        self._begin_at_zero()
        self._answered: dict[tuple[str, str, int], tuple[Count, Spread]] = {}
        self._took: dict[str, Spread] = {}
        self._spent: dict[str, Spread] = {}
        self._called: dict[tuple[str, str, str], tuple[Count, Spread]] = {}
        self._lasted: dict[str, Spread] = {}
        self._cache_counts: dict[tuple[str, str], Count] = {}

    def _begin_at_zero(self) -> None:
        for code in ALL_KINDS:
            self._problems.labels(code)
        for outcome in get_args(Outcome):
            self._writes.labels(outcome)
        for result in get_args(AttemptResult):
            self._attempts.labels(result)
        for kind in get_args(Statement):
            self._storage_seconds.labels(kind)
        for resource in sorted({operation.resource for operation in OPERATIONS if operation.is_write}):
            for fate in get_args(WriteResult):
                self._reconciled.labels(resource, fate)
        self.strained(dict.fromkeys(self._providers, Strain(breaker=0, budget=1.0, inside=0, waiting=0)))
        for provider in self._providers:
            for backlog in (*self._intents, *self._unknown):
                backlog.labels(provider)
            for to in get_args(Transition):
                self._transitions.labels(provider, to)
            for reason in get_args(HeldBack):
                self._held_back.labels(provider, reason)
            for resource, upstream_outcome in product(ASKING, get_args(UpstreamOutcome)):
                # A share of nothing is no share at all: whoever takes the least of all providers' would pass it over.
                self._upstream.labels(provider, resource, upstream_outcome)
            self._upstream_seconds.labels(provider)
            self._token_seconds.labels(provider)
            for token_outcome in get_args(TokenOutcome):
                self._tokens.labels(provider, token_outcome)
            # Not 0 before they are counted: whoever compares would take the first count for a rise.
            self._counted |= {(provider, status) for status in get_args(ConnectionStatus)}

    # --- the edge

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request of ours ended. ``route`` is a template or ``UNMATCHED``."""
        key = (route, method if method in METHODS else OTHER, status)
        bound = self._answered.get(key)
        if bound is None:
            took = self._took.get(route)
            if took is None:
                took = self._took[route] = self._spread(self._request_seconds.labels(route))
            bound = self._answered[key] = self._count(self._requests.labels(key[0], key[1], str(status))), took
        bound[0].step()
        bound[1].observe(seconds)

    def spent(self, resource: str, seconds: float) -> None:
        """An operation took this long, not counting what it waited for an accounting system."""
        bound = self._spent.get(resource)
        if bound is None:
            bound = self._spent[resource] = self._spread(self._overhead_seconds.labels(resource))
        bound.observe(seconds)

    def carried(self, received: int, sent: int) -> None:
        """An operation's bodies had so many bytes."""
        self._request_bytes.observe(received)
        self._response_bytes.observe(sent)

    def problem(self, code: str) -> None:
        """An operation ended in a problem."""
        self._problems.labels(code).inc()

    def wrote(self, outcome: Outcome) -> None:
        """A write ended, and this is what is known of it."""
        self._writes.labels(outcome).inc()

    def attempted(self, result: AttemptResult) -> None:
        """A write came with an idempotency key."""
        self._attempts.labels(result).inc()

    def census(self, connections: Mapping[tuple[str, str], int]) -> None:
        """So many connections there are, by provider and status."""
        self._counted |= connections.keys()
        for provider, status in self._counted:
            self._connections.labels(provider, status).set(connections.get((provider, status), 0))

    def left_open(self, intents: Mapping[str, Backlog], writes: Mapping[str, Backlog], now: datetime) -> None:
        """Requests for tokens whose end is not known, and writes of unknown fate, by provider."""
        self._opened |= intents.keys() | writes.keys()
        for (count, age), backlogs in ((self._intents, intents), (self._unknown, writes)):
            for provider in self._opened:
                backlog = backlogs.get(provider)
                count.labels(provider).set(0 if backlog is None else backlog.count)
                age.labels(provider).set(0 if backlog is None else max(0.0, (now - backlog.since).total_seconds()))

    def strained(self, strains: Mapping[str, Strain]) -> None:
        """How calling each provider goes in this process."""
        for provider, strain in strains.items():
            self._breaker.labels(provider).set(strain.breaker)
            self._budget.labels(provider).set(strain.budget)
            self._inside.labels(provider).set(strain.inside)
            self._waiting.labels(provider).set(strain.waiting)

    # --- the engine

    def upstream(self, provider: str, operation: str, outcome: UpstreamOutcome, seconds: float) -> None:
        """One call to a provider ended."""
        key = (provider, operation, outcome)
        bound = self._called.get(key)
        if bound is None:
            lasted = self._lasted.get(provider)
            if lasted is None:
                lasted = self._lasted[provider] = self._spread(self._upstream_seconds.labels(provider))
            counter = self._upstream.labels(provider, operation.partition(".")[0], outcome)
            bound = self._called[key] = self._count(counter), lasted
        bound[0].step()
        bound[1].observe(seconds)

    def token(self, provider: str, outcome: TokenOutcome, seconds: float) -> None:
        """One request for a token ended."""
        self._tokens.labels(provider, outcome).inc()
        self._token_seconds.labels(provider).observe(seconds)

    def transition(self, provider: str, to: Transition) -> None:
        """A connection's credentials were refused."""
        self._transitions.labels(provider, to).inc()

    def cache(self, resource: str, result: CacheResult) -> None:
        """The cache was asked."""
        bound = self._cache_counts.get((resource, result))
        if bound is None:
            bound = self._cache_counts[resource, result] = self._count(self._cache.labels(resource, result))
        bound.step()

    def reconciled(self, operation: str, result: WriteResult) -> None:
        """The fate of a write whose answer never came was found out, or given up."""
        self._reconciled.labels(operation.partition(".")[0], result).inc()

    def held_back(self, provider: str, reason: HeldBack) -> None:
        """A call was not sent."""
        self._held_back.labels(provider, reason).inc()

    # --- the storage

    def storage_took(self, kind: Statement, seconds: float) -> None:
        """A statement ended."""
        self._storage_seconds.labels(kind).observe(seconds)

    def storage_waited(self, seconds: float) -> None:
        """Somebody had to wait for a session this long, or for nothing."""
        self._storage_wait.observe(seconds)

    def storage_sessions(self, in_use: int, limit: int) -> None:
        """So many sessions are in use now, of those that there may be."""
        self._storage_sessions.set(in_use)
        self._storage_limit.set(limit)

    def storage_failed(self) -> None:
        """Something was asked of it in vain."""
        self._storage_errors.inc()

    # --- the scrape

    def also(self, tally: Tally) -> None:
        """Fold this in too, and first: it counts here."""
        self._first.append(tally)

    def fold(self) -> None:
        """Hand all that was tallied to the registry: before a scrape, now and then for another worker's, at the end."""
        self._in_flight.set(self.in_flight)
        for tally in self._first:
            tally.fold()
        for tally in self._tallies:
            tally.fold()

    def exposition(self) -> bytes:
        """All of it, as Prometheus scrapes it: of all workers together where there are several."""
        self.fold()
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # the library leaves it without annotations
        return generate_latest(together)

    def _backlog(self, count: str, age: str, what: str) -> tuple[Gauge, Gauge]:
        """How many there are of something that should not stay open, and for how long the oldest is; by provider."""
        return (
            self._gauge(count, f"How many there are of {what}.", "provider", workers="livemostrecent"),
            self._gauge(age, f"Age of the oldest of {what}; 0 for none.", "provider", workers="livemostrecent"),
        )

    def _gauge(self, name: str, help: str, *labels: str, workers: _Together = "livemax") -> Gauge:
        return Gauge(name, help, labels, registry=self.registry, multiprocess_mode=workers)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(name, help, labels, registry=self.registry)

    def _histogram(self, name: str, help: str, buckets: tuple[float, ...], *labels: str) -> Folding:
        return Folding(name, help, labels, buckets=buckets, registry=self.registry)

    def _count(self, counter: Counter) -> Count:
        tally = Count(counter)
        self._tallies.append(tally)
        return tally

    def _spread(self, histogram: Folding) -> Spread:
        tally = Spread(histogram)
        self._tallies.append(tally)
        return tally
