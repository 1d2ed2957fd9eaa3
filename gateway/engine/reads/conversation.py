"""What was said with an accounting system to make an answer: heard again, it makes the same answer.

A translation is a function of the replies and of a few things beside them. So where the system says to the byte what
it said before, and nothing else that counted is different, the answer of then is the answer of now. A conversation
holds the requests, and of each reply a hash and the headers that were looked at: no customer's data but the targets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.contract.upstream import Reply, Request
from gateway.engine.gmac import gmac

LONGEST = 200
"""Requests of a conversation that is worth keeping."""
_hash = gmac(AESGCM.generate_key(128))
_STEP = 400
"""Bytes that a step takes beside its texts."""


@dataclass(frozen=True, slots=True)
class ReplyDigest:
    """A reply came: to the request of that place, with these bytes and, of its headers, these."""

    place: int
    status: int
    body: bytes
    """``hash_of`` it."""
    headers: tuple[tuple[str, str | None], ...]

    def matches(self, reply: Reply, body: bytes) -> bool:
        """Whether a reply says the same, as far as anybody looked; ``body`` is the hash of its own."""
        return (
            body == self.body
            and reply.status == self.status
            and all(reply.headers.get(name) == text for name, text in self.headers)
        )


Step = Request | ReplyDigest


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a translation stood on beside the replies; all of it is compared, whether it was looked at or not.

    ``facts`` are the connection's, written out; ``links`` is the state of its books.
    """

    facts: bytes
    today: date
    links: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Requests and replies in the order of then: what was asked before a reply was there is asked so again.

    ``known`` names the slow facts that were used, each with the number of its loading.
    """

    steps: tuple[Step, ...]
    grounds: Grounds
    known: Mapping[str, int]

    @property
    def size(self) -> int:
        """Bytes it takes, about."""
        return _STEP + sum(_STEP + len(step.path) if isinstance(step, Request) else _STEP for step in self.steps)


def hash_of(body: bytes) -> bytes:
    """What tells a reply's body from any other, in this process: its GMAC under a key that it drew.

    Nobody sees one, so nobody can find two bodies that are told alike.
    """
    return _hash(body)
