"""Counters and histograms (reliability: bounded labels, never a connection, tenant, key, raw path or text)."""

import os
import platform
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

from gateway.engine.observe import CacheResult, HeldBack, TokenOutcome, Transition, UpstreamOutcome, WriteResult

UNMATCHED = "unmatched"
"""The route of a path that is none of ours."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "OTHER"
"""Any method that is none of those: a caller may send any word."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_UPSTREAM_SECONDS = (*_SECONDS, 30)
_TOKEN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

# A _created series beside every counter and histogram would double what is scraped, for nothing an alert uses.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it without annotations


class Metrics:
    """One application's metrics, in a registry of its own; also the engine's ``Observer``.

    The labelled children are looked up once and kept, because looking one up costs more than counting.
    """

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.in_flight = Gauge(
            "polder_http_requests_in_flight",
            "Requests being answered.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._requests = self._counter("polder_http_requests", "Requests answered.", "route", "method", "code")
        self._request_seconds = self._histogram(
            "polder_http_request_duration_seconds", "From request to answer.", _SECONDS, "route"
        )
        self._upstream = self._counter(
            "polder_upstream_requests", "Calls to accounting systems.", "provider", "operation", "outcome"
        )
        self._upstream_seconds = self._histogram(
            "polder_upstream_request_duration_seconds", "One such call.", _UPSTREAM_SECONDS, "provider", "operation"
        )
        self._tokens = self._counter("polder_token_refresh", "Requests for a token.", "provider", "outcome")
        self._token_seconds = self._histogram(
            "polder_token_refresh_duration_seconds", "One such request.", _TOKEN_SECONDS, "provider"
        )
        self._transitions = self._counter(
            "polder_token_transitions", "Connections whose credentials were refused.", "provider", "to"
        )
        self._intents = Gauge(
            "polder_token_open_intents",
            "Requests for tokens under way or of unknown fate.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self._cache = self._counter("polder_cache_requests", "Questions to the cache.", "resource", "result")
        self._doubted = self._counter("polder_writes_unknown", "Writes whose answer never came.", "operation")
        self._reconciled = self._counter(
            "polder_writes_reconciled", "Such writes whose fate was found out or given up.", "operation", "result"
        )
        self._held_back = self._counter("polder_calls_held_back", "Calls not sent, by reason.", "provider", "reason")
        info = Gauge(
            "polder_build_info",
            "What runs; always 1.",
            ["version", "python"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        info.labels(version, platform.python_version()).set(1)
        self._answered: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}
        self._called: dict[tuple[str, str, str], tuple[Callable[[], None], Callable[[float], None]]] = {}
        self._asked: dict[tuple[str, str], Callable[[], None]] = {}

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request of ours ended. ``route`` is a template or ``UNMATCHED``."""
        key = (route, method if method in METHODS else OTHER, status)
        bound = self._answered.get(key)
        if bound is None:
            counter = self._requests.labels(key[0], key[1], str(status))
            bound = self._answered[key] = counter.inc, self._request_seconds.labels(route).observe
        bound[0]()
        bound[1](seconds)

    def upstream(self, provider: str, operation: str, outcome: UpstreamOutcome, seconds: float) -> None:
        """One call to a provider ended."""
        key = (provider, operation, outcome)
        bound = self._called.get(key)
        if bound is None:
            counter = self._upstream.labels(*key)
            bound = self._called[key] = counter.inc, self._upstream_seconds.labels(provider, operation).observe
        bound[0]()
        bound[1](seconds)

    def token(self, provider: str, outcome: TokenOutcome, seconds: float) -> None:
        """One request for a token ended."""
        self._tokens.labels(provider, outcome).inc()
        self._token_seconds.labels(provider).observe(seconds)

    def transition(self, provider: str, to: Transition) -> None:
        """A connection's credentials were refused."""
        self._transitions.labels(provider, to).inc()

    def open_intents(self, count: int) -> None:
        """So many requests for tokens are under way or of unknown fate, on all nodes."""
        self._intents.set(count)

    def cache(self, resource: str, result: CacheResult) -> None:
        """The cache was asked."""
        bound = self._asked.get((resource, result))
        if bound is None:
            bound = self._asked[resource, result] = self._cache.labels(resource, result).inc
        bound()

    def doubted(self, operation: str) -> None:
        """A write was sent and nobody knows its fate."""
        self._doubted.labels(operation).inc()

    def reconciled(self, operation: str, result: WriteResult) -> None:
        """The fate of such a write was found out, or given up."""
        self._reconciled.labels(operation, result).inc()

    def held_back(self, provider: str, reason: HeldBack) -> None:
        """A call was not sent."""
        self._held_back.labels(provider, reason).inc()

    def exposition(self) -> bytes:
        """All of it, as Prometheus scrapes it: of all workers together where there are several."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # the library leaves it without annotations
        return generate_latest(together)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(name, help, labels, registry=self.registry)

    def _histogram(self, name: str, help: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, help, labels, buckets=buckets, registry=self.registry)
