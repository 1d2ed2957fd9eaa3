"""Questions that the cache answered lately are answered again before anything is routed or read.

The table remembers how a question got its answer, and no body: the engine is asked every time whether all that the
answer stands on still holds (``Engine.recall``), and gives the body from its cache; the key's holder is asked for every
time too. Whatever a request says that could make another answer of it sends it the long way, and so does whatever does
not hold any more.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol
from weakref import ReferenceType, ref

from starlette.types import Scope

from gateway.engine.access.keys import fingerprint_of
from gateway.engine.call import Caller, Network, Standing
from gateway.engine.reads.cache import CachedAnswer
from gateway.engine.reads.freshness import answer_of, etag_matches, hit
from gateway.web.addresses import address_of
from gateway.web.bodies import MOST_HEADER_BYTES, MOST_HEADERS, field_text, is_addressed, query_of
from gateway.web.replies import Reply, replied

SIZE = 4_096
"""Questions that are remembered at most; the one that was put in first is forgotten first."""

_BEARER = b"Bearer "
_HEEDED: Mapping[bytes, bool] = {
    b"authorization": True,
    b"host": True,
    b"if-none-match": True,
    b"traceparent": True,
    b"x-forwarded-for": True,
    b"x-request-id": True,
    **dict.fromkeys((b"accept-language", b"cache-control", b"content-length", b"expect", b"idempotency-key"), False),
    **dict.fromkeys((b"pragma", b"range", b"transfer-encoding", b"x-api-key"), False),
}
"""Headers that the long way heeds: those that are heeded here too, and those that send a request there."""


class Recalling(Protocol):
    """What knows whether an answer still stands."""

    def recall(self, standing: Standing, now: float) -> CachedAnswer | None:
        """What is kept of it, if it does."""


class KnownCallers(Protocol):
    """What knows whose a key is without looking anything up."""

    def known(self, fingerprint: bytes, now: float) -> Caller | None:
        """The caller whose key has this fingerprint, if that is known."""


class Question(NamedTuple):
    """What a request asks, as bytes; and what it says beside, by lower-case name."""

    raw_path: bytes
    query: bytes
    fingerprint: bytes
    headers: Mapping[bytes, bytes]

    def header(self, name: bytes) -> str | None:
        """A header that is heeded, as text."""
        value = self.headers.get(name)
        return None if value is None else field_text(value)


class Replayed(NamedTuple):
    """A question answered again: the reply, and what its log line and metrics tell."""

    reply: Reply
    route: str
    standing: Standing


class _Heads:
    """The head of one kept answer at one age, with its body or without."""

    __slots__ = ("age", "cached", "head", "ttl")

    def __init__(self, cached: CachedAnswer, age: int, ttl: int, head: bytes) -> None:
        # By itself the cache decides how long a body stays in memory.
        self.cached: ReferenceType[CachedAnswer] = ref(cached)
        self.age = age
        self.ttl = ttl
        self.head = head


class _Remembered:
    """How a question was answered. Its two replies' heads are made anew when a second has passed."""

    __slots__ = ("heads", "route", "standing")

    def __init__(self, route: str, standing: Standing) -> None:
        self.route = route
        self.standing = standing
        self.heads: dict[bool, _Heads] = {}


class Replays:
    """The table. ``proxies`` are the networks whose ``X-Forwarded-For`` is believed."""

    def __init__(
        self,
        engine: Recalling,
        callers: KnownCallers,
        public_url: str,
        proxies: Sequence[Network],
        size: int = SIZE,
    ) -> None:
        self._engine = engine
        self._callers = callers
        self._public_url = public_url
        self._proxies = proxies
        self._size = size
        self._remembered: dict[tuple[bytes, bytes, bytes], _Remembered] = {}

    def remember(self, question: Question, route: str, standing: Standing) -> None:
        """The cache answered this question, and the answer stands on that."""
        self._remembered.pop(question[:3], None)
        if len(self._remembered) >= self._size:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[question[:3]] = _Remembered(route, standing)

    def answer(self, question: Question, scope: Scope, now: float) -> Replayed | None:
        """The same reply that the long way would give ``now`` (monotonic); None where only the long way can tell."""
        remembered = self._remembered.get(question[:3])
        if remembered is None:
            return None
        standing = remembered.standing
        if self._callers.known(question.fingerprint, now) is not standing.caller:
            return None
        if standing.caller.networks is not None:
            address = address_of(scope, question.header(b"x-forwarded-for"), self._proxies)
            if not standing.caller.may_call_from(address):
                return None
        cached = self._engine.recall(standing, now)
        if cached is None:
            del self._remembered[question[:3]]
            return None
        return Replayed(self._reply(question, remembered, cached, now), remembered.route, standing)

    def _reply(self, question: Question, remembered: _Remembered, cached: CachedAnswer, now: float) -> Reply:
        unchanged = etag_matches(question.header(b"if-none-match"), cached.etag)
        age, ttl = cached.age(now), cached.ttl(now)
        heads = remembered.heads.get(unchanged)
        if heads is None or heads.age != age or heads.ttl != ttl or heads.cached() is not cached:
            answer = answer_of(cached, hit(cached, now), now, unchanged=unchanged)
            operation, pairs = remembered.standing.operation, query_of(question.query)
            made = replied(answer, operation, self._public_url, question.raw_path, pairs)
            heads = remembered.heads[unchanged] = _Heads(cached, age, ttl, made.head)
        return Reply(304, heads.head, b"") if unchanged else Reply(200, heads.head, cached.body)


def question_of(scope: Scope, raw_path: bytes) -> Question | None:
    """What a request asks; None where that, or anything it says, is for the long way to judge."""
    if scope["method"] != "GET":
        return None
    headers: dict[bytes, bytes] = {}
    size = 0
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        heeded = _HEEDED.get(name)
        if heeded is None:
            continue
        if not heeded or name in headers:
            return None
        headers[name] = value
    credential = headers.get(b"authorization", b"")
    too_many = len(scope["headers"]) > MOST_HEADERS or size > MOST_HEADER_BYTES
    if too_many or not credential.startswith(_BEARER):
        return None
    host = headers.get(b"host")
    if not is_addressed(scope.get("http_version"), None if host is None else field_text(host)):
        return None
    return Question(raw_path, scope["query_string"], fingerprint_of(credential[len(_BEARER) :]), headers)
