"""What a trace is told of: one span for each request, and below it one for each call that leaves.

``gateway.web.tracing`` tells it to OpenTelemetry; without that nobody looks, and it costs next to nothing. A span holds
names that are written in the code and in the configuration, and numbers: never an id, a path, a text or a secret.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class RequestSpan(Protocol):
    """The work for one request of a caller."""

    @property
    def trace_id(self) -> str | None:
        """The trace it is part of, in 32 hexadecimal digits; None where nobody looks."""

    def ended(self, *, route: str | None, status: int, operation: str | None, code: str | None) -> None:
        """How it ended. ``route`` is a template, or None for what is no address of ours; ``code`` is the problem's."""


class CallSpan(Protocol):
    """One call to an accounting system, its token endpoint too."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What the call carries of the trace; nothing where the system is not to be told."""

    def ended(self, status: int) -> None:
        """It was answered."""

    def failed(self, kind: str) -> None:
        """It was not. ``kind`` is the name of what went wrong."""


class Tracer(Protocol):
    """Opens spans; a span lasts as long as its block."""

    def request(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[RequestSpan]:
        """The span of a request; its ``traceparent`` says which trace it belongs to."""

    def call(self, method: str, origin: str) -> AbstractContextManager[CallSpan]:
        """The span of a call to a configured origin, below that of the request it is made for."""

    async def close(self) -> None:
        """Hand over what was seen last."""


class Untraced:
    """A tracer that does not look; it is its own span, too."""

    trace_id: str | None = None
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._itself = nullcontext(self)

    def request(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager["Untraced"]:
        """Nothing is opened."""
        del method, headers
        return self._itself

    def call(self, method: str, origin: str) -> AbstractContextManager["Untraced"]:
        """Nothing is opened."""
        del method, origin
        return self._itself

    def ended(self, *facts: object, **named: object) -> None:
        """Nothing."""

    def failed(self, kind: str) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""


UNTRACED = Untraced()
