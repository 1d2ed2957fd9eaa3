"""One request to Polder and its answer, as the engine sees them: no framework's types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.contract.operations import Operation

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds an API key. ``connections`` is None where the key is bound to none in particular."""

    key_id: str
    tenant: str
    scopes: frozenset[str]
    connections: frozenset[str] | None = None

    def may(self, scope: str | None) -> bool:
        """Whether the key carries a scope."""
        return scope is None or scope in self.scopes or EVERYTHING in self.scopes

    def reaches(self, connection_id: str) -> bool:
        """Whether the key is allowed near a connection of its tenant."""
        return self.connections is None or connection_id in self.connections


@dataclass(frozen=True, slots=True)
class Call:
    """One request. Path parameters and query are decoded; header names are lower case; ``deadline`` is monotonic."""

    operation: Operation
    caller: Caller
    path: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    deadline: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. ``next_cursor`` is that of a list, so that the edge can write a Link header."""

    status: int
    body: bytes
    media_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    next_cursor: str | None = None
