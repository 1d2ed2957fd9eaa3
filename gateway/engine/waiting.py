"""How much of a request's time Polder waited for an accounting system, or for its caller's body: the rest is its own.

The edge begins a stopwatch for each request, and whoever waits says so. It travels with the request's context, into the
tasks that work for it, so that nothing in between need hand it on.
"""

from collections.abc import Callable
from contextvars import ContextVar


class Waiting:
    """Seconds during which at least one wait was under way: waits at the same time count once."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._under_way = 0
        self._since = 0.0
        self._ended = 0.0

    @property
    def seconds(self) -> float:
        """How long in all, up to now."""
        return self._ended + (self._monotonic() - self._since if self._under_way else 0.0)

    def begin(self) -> None:
        """Somebody starts to wait."""
        if not self._under_way:
            self._since = self._monotonic()
        self._under_way += 1

    def end(self) -> None:
        """Somebody waits no more."""
        self._under_way -= 1
        if not self._under_way:
            self._ended += self._monotonic() - self._since


_CURRENT: ContextVar[Waiting | None] = ContextVar("waiting", default=None)


def measured(monotonic: Callable[[], float]) -> Waiting:
    """A stopwatch for the request whose work begins here."""
    watch = Waiting(monotonic)
    _CURRENT.set(watch)
    return watch


def unmeasured() -> None:
    """This task works for nobody who waits, from here on: what it waits for counts for no request."""
    _CURRENT.set(None)


class waiting:  # noqa: N801  # read as a word at a ``with``, as ``suppress`` is
    """The block waits for others, on behalf of the request under way; outside of one nothing is counted."""

    __slots__ = ("_watch",)

    def __enter__(self) -> None:
        self._watch = _CURRENT.get()
        if self._watch is not None:
            self._watch.begin()

    def __exit__(self, *failure: object) -> None:
        if self._watch is not None:
            self._watch.end()
