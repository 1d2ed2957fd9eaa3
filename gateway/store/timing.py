"""How long the database takes, and how many of the sessions with it are in use: told to whoever keeps the metrics."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.contract.errors import Problem
from gateway.engine.observe import Statement, StorageObserver, UnobservedStorage

_KINDS: dict[str, Statement] = {
    "SELECT": "read",
    "WITH": "read",
    "INSERT": "write",
    "UPDATE": "write",
    "DELETE": "write",
}
"""Statements by their first word; of others (settings, and the begin of a transaction) nothing is told."""


class Measuring:
    """A stopwatch, and whom to tell."""

    def __init__(self, observer: StorageObserver, monotonic: Callable[[], float]) -> None:
        self._observer = observer
        self.now = monotonic

    def waited(self, since: float) -> None:
        """Somebody asked for a session then, and has it now."""
        self._observer.storage_waited(self.now() - since)

    def executed(self, statement: str, since: float) -> None:
        """A statement was begun then, and has ended now."""
        kind = _KINDS.get(statement.partition(" ")[0])
        if kind is not None:
            self.took(kind, since)

    def took(self, kind: Statement, since: float) -> None:
        """The same, of one whose kind is known."""
        self._observer.storage_took(kind, self.now() - since)

    def in_use(self, sessions: int, limit: int) -> None:
        """So many sessions are in use, of those that there may be."""
        self._observer.storage_sessions(sessions, limit)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Tell of it where the block ends in ``storage_unavailable``."""
        try:
            yield
        except Problem as problem:
            if problem.code == "storage_unavailable":
                self._observer.storage_failed()
            raise


UNMEASURED = Measuring(UnobservedStorage(), lambda: 0.0)
