"""What the engine tells of itself while it works: counted by ``gateway.web.metrics``."""

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

UpstreamOutcome = Literal["ok", "4xx", "429", "5xx", "timeout", "connect", "invalid", "cancelled"]
TokenOutcome = Literal["ok", "transient", "rejected", "unknown", "config_error", "lost_race"]
Transition = Literal["suspect", "needs_reauth", "held"]
"""What refused credentials make of a connection; ``held`` where too many of its provider's are refused at once."""
WriteResult = Literal["recovered", "not_executed", "manual", "duplicate"]
HeldBack = Literal["breaker", "queue", "budget"]
CacheResult = Literal["hit", "shared", "miss", "stale_error"]
"""``shared`` is what another node had."""
Statement = Literal["read", "write", "commit"]
AttemptResult = Literal["new", "replayed", "in_progress", "mismatch"]


@dataclass(frozen=True, slots=True)
class Strain:
    """How calling one provider goes, as this process sees it.

    ``breaker`` is 0 where it is closed, 1 half-open, 2 open, of the worst of its origins; ``budget`` is what is left of
    the retries that can be saved up, as a share; so many calls are ``inside``, and so many ``waiting`` for a place.
    """

    breaker: int
    budget: float
    inside: int
    waiting: int


class Observer(Protocol):
    """Told of every event worth counting. Labels are bounded: never a connection, tenant, key, path or text."""

    def upstream(self, provider: str, operation: str, outcome: UpstreamOutcome, seconds: float) -> None:
        """One call to a provider ended."""

    def token(self, provider: str, outcome: TokenOutcome, seconds: float) -> None:
        """One request for a token ended."""

    def transition(self, provider: str, to: Transition) -> None:
        """A connection's credentials were refused."""

    def cache(self, resource: str, result: CacheResult) -> None:
        """The cache was asked."""

    def reconciled(self, operation: str, result: WriteResult) -> None:
        """The fate of a write whose answer never came was found out, or given up."""

    def held_back(self, provider: str, reason: HeldBack) -> None:
        """A call was not sent: the system is failing, too much waits already, or enough was repeated."""


class StorageObserver(Protocol):
    """Told how the storage does."""

    def storage_took(self, kind: Statement, seconds: float) -> None:
        """A statement ended."""

    def storage_waited(self, seconds: float) -> None:
        """Somebody had to wait for a session this long, or for nothing."""

    def storage_sessions(self, in_use: int, limit: int) -> None:
        """So many sessions are in use now, of those that there may be."""

    def storage_failed(self) -> None:
        """Something was asked of it in vain."""


def stumbled(error: Exception) -> None:
    """Tell of what went wrong where nobody waits for it, and nobody thought it could: whoever runs the loop logs it."""
    asyncio.get_running_loop().call_exception_handler({"message": "in the background", "exception": error})


class UnobservedStorage:
    """An observer of the storage that does not look."""

    def storage_took(self, kind: Statement, seconds: float) -> None:
        """Nothing."""

    def storage_waited(self, seconds: float) -> None:
        """Nothing."""

    def storage_sessions(self, in_use: int, limit: int) -> None:
        """Nothing."""

    def storage_failed(self) -> None:
        """Nothing."""
