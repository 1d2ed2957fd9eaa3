"""One request to Polder and its answer, as the engine sees them: no framework's types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlencode

from gateway.contract.operations import Operation
from gateway.engine.generations import Matter

EVERYTHING = "*"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds an API key. ``connections`` and ``networks`` are None where it is bound to none in particular."""

    key_id: str
    tenant: str
    scopes: frozenset[str]
    connections: frozenset[str] | None = None
    networks: tuple[Network, ...] | None = None

    def may(self, scope: str | None) -> bool:
        """Whether the key carries a scope."""
        return scope is None or scope in self.scopes or EVERYTHING in self.scopes

    def reaches(self, connection_id: str) -> bool:
        """Whether the key is allowed near a connection of its tenant."""
        return self.connections is None or connection_id in self.connections

    def may_call_from(self, address: Address | None) -> bool:
        """Whether the key may be used from an address; one that is not known is in no network."""
        if self.networks is None:
            return True
        return address is not None and any(address in network for network in self.networks)


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

    @property
    def what(self) -> tuple[str, str]:
        """The record and the query that a read asks for: the same for the same question."""
        return self.path.get("id", ""), _canonical(tuple(self.query))


@lru_cache(1024)
def _canonical(query: tuple[tuple[str, str], ...]) -> str:
    """The same text for the same question, and no other's: quoted, so that no value can pass for a parameter."""
    return urlencode(sorted(query))


@dataclass(frozen=True, slots=True)
class Standing:
    """What an answer of the cache stands on: as long as all of it holds, the same question has the same answer.

    The caller, who may ask that; generations of the connection, taken before it was looked at; how long what was seen
    of the connection is believed (monotonic seconds); and where the cache keeps the answer.
    """

    caller: Caller
    operation: Operation
    connection_id: str
    generations: tuple[tuple[Matter, int], ...]
    until: float
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. ``next_cursor`` is that of a list, so that the edge can write a Link header.

    ``standing`` is given where the cache answered.
    """

    status: int
    body: bytes
    media_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    next_cursor: str | None = None
    standing: Standing | None = None
