"""What the engine tells of itself while it works: counted by ``gateway.web.metrics``, ignored by most tests."""

from typing import Literal, Protocol

UpstreamOutcome = Literal["ok", "4xx", "429", "5xx", "timeout", "connect", "invalid", "cancelled"]
TokenOutcome = Literal["ok", "transient", "rejected", "unknown", "config_error", "lost_race"]
CacheResult = Literal["hit", "miss", "stale_error"]
AttemptResult = Literal["new", "replayed", "in_progress", "mismatch"]


class Observer(Protocol):
    """Told of every event worth counting. Labels are bounded: never a connection, tenant, key, path or text."""

    def upstream(self, provider: str, operation: str, outcome: UpstreamOutcome, seconds: float) -> None:
        """One call to a provider ended."""

    def token(self, provider: str, outcome: TokenOutcome, seconds: float) -> None:
        """One request for a token ended."""

    def cache(self, resource: str, result: CacheResult) -> None:
        """The cache was asked."""


class Unobserved:
    """An observer that does not look."""

    def upstream(self, provider: str, operation: str, outcome: UpstreamOutcome, seconds: float) -> None:
        """Nothing."""

    def token(self, provider: str, outcome: TokenOutcome, seconds: float) -> None:
        """Nothing."""

    def cache(self, resource: str, result: CacheResult) -> None:
        """Nothing."""
