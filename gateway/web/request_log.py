"""What is told of requests that ended: counts, and a line each, for all that ended in one turn of the event loop.

Many end in one turn when many are answered from memory. One call of the operating system then writes all their lines,
and what would be done between two answers is done many times in a row, which takes half as long.
"""

import asyncio
from dataclasses import dataclass

from gateway.contract.clock import Clock
from gateway.contract.errors import Outcome
from gateway.contract.operations import Operation
from gateway.engine.access.rate_limit import Allowance
from gateway.engine.call import Standing
from gateway.engine.observe import AttemptResult
from gateway.engine.waiting import Waiting
from gateway.web.logs import Line, Log, broken
from gateway.web.metrics import UNMATCHED, Metrics
from gateway.web.pages import QUIET

CLIENT_LEFT = 499
"""How a request that nobody waits for any more is counted; nothing is sent."""
_AT_ONCE = 1_000
"""Requests that are told of in one go at most."""


@dataclass(slots=True)
class RequestEntry:
    """One request, as its log line tells it. ``seconds`` and ``waited`` are set when it has ended."""

    method: str
    started: float
    route: str = UNMATCHED
    operation: Operation | None = None
    key_id: str | None = None
    standing: Standing | None = None
    allowance: Allowance | None = None
    watch: Waiting | None = None
    named: bool = False
    replayed: bool = False
    outcome: Outcome | None = None
    received: int = 0
    sent: int = 0
    trace_id: str | None = None
    request_id: str = ""
    status: int = CLIENT_LEFT
    code: str | None = None
    error: BaseException | None = None
    seconds: float = 0.0
    waited: float = 0.0


class RequestLog:
    """Tells of requests. What was not told yet counts as a tally: whoever looks at the metrics has it told first."""

    def __init__(self, metrics: Metrics, log: Log, clock: Clock) -> None:
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._ended: list[RequestEntry] = []
        self._closed = False
        metrics.also(self)

    def ended(self, entry: RequestEntry) -> None:
        """A request ended just now."""
        entry.seconds = self._clock.monotonic() - entry.started
        if entry.watch is not None:
            entry.waited = entry.watch.seconds
        self._ended.append(entry)
        if self._closed or len(self._ended) >= _AT_ONCE:
            self.fold()
        elif len(self._ended) == 1:
            asyncio.get_running_loop().call_soon(self.fold)

    def fold(self) -> None:
        """Tell of all that ended and was not told of."""
        ended, self._ended = self._ended, []
        for entry in ended:
            self._count(entry)
        self._log.write(*(_line(entry) for entry in ended if entry.route not in QUIET or entry.status >= 400))

    def close(self) -> None:
        """The event loop is about to end: tell of what ended, and from now on of each as it ends."""
        self._closed = True
        self.fold()

    def _count(self, entry: RequestEntry) -> None:
        self._metrics.answered(entry.route, entry.method, entry.status, entry.seconds)
        if entry.operation is None:
            return
        self._metrics.spent(entry.operation.resource, entry.seconds - entry.waited)
        self._metrics.carried(entry.received, entry.sent)
        if entry.code is not None:
            self._metrics.problem(entry.code)
        if not entry.operation.is_write or entry.status == CLIENT_LEFT:
            return
        if entry.named:
            self._metrics.attempted(_attempt_of(entry))
        if not entry.replayed:
            self._metrics.wrote(entry.outcome or outcome_of(entry.status))


def _line(entry: RequestEntry) -> Line:
    line = Line(
        level="info" if entry.status < 500 else "warning" if entry.error is None else "error",
        event="request",
        method=entry.method if entry.method.isascii() and len(entry.method) <= 20 else "OTHER",
        route=entry.route,
        status=entry.status,
        ms=round(entry.seconds * 1000, 2),
        request_id=entry.request_id,
        trace_id=entry.trace_id,
        operation=None if entry.operation is None else entry.operation.name,
        key_id=entry.key_id,
        code=entry.code,
    )
    if entry.error is not None:
        line.exception, line.traceback = broken(entry.error)
    return line


def _attempt_of(entry: RequestEntry) -> AttemptResult:
    if entry.code == "idempotency_in_progress":
        return "in_progress"
    if entry.code == "idempotency_mismatch":
        return "mismatch"
    return "replayed" if entry.replayed else "new"


def outcome_of(status: int) -> Outcome:
    """What became of a write that no problem tells of: a raw one may be refused, or fail, in the system's own words."""
    return "applied" if status < 400 else "rejected" if status < 500 else "unknown"
