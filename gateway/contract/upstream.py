"""The way out, as an adapter sees it: requests, replies, and the ``Upstream`` it is handed.

An adapter says *what* to ask; token, pacing, retries, deadlines and the classification of failures happen behind
``Upstream``. A path is always given as segments, so that an id cannot leave its place.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from math import ceil
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from gateway.contract.errors import Problem, malformed, not_found
from gateway.contract.exact import MalformedJson, Unread, is_text, loads
from gateway.contract.models.base import ID_PATTERN, LONGEST_ID
from gateway.contract.plan import Plan

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")

Query = Sequence[tuple[str, str]]

_ID = re.compile(ID_PATTERN)
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_QUOTA_HEADERS = ("ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining")
_ALL_QUOTA_HEADERS = frozenset({*_QUOTA_HEADERS, "ratelimit"})
_COUNT = re.compile(r"\s*([0-9]{1,9})\s*")
_LONGEST_WAIT = 3600
_DELAY = re.compile(r"[0-9]{1,9}(\.[0-9]{1,20})?")
_SINCE_1970 = re.compile(r"([0-9]{10})([0-9]{3})?")
_COUNT_OF_POLICY = re.compile(r";\s*r=([0-9]{1,9})(?=[\s;,]|$)")


def is_id(text: str) -> bool:
    """Whether text may stand in a path as an id: letters, digits, ``_``, ``-`` and inner dots; at most 100."""
    return len(text) <= LONGEST_ID and _has_form(text)


@lru_cache(10_000)
def _has_form(text: str) -> bool:
    # Every record's id is looked at as it comes in and as it goes out, and polled lists show the same ones.
    return _ID.fullmatch(text) is not None


def is_number(text: str) -> bool:
    """Whether text may be the id of a record of a system that counts them: each has one spelling."""
    return _NUMBER.fullmatch(text) is not None


def number_in_path(id: str) -> str:
    """An id of such a system as it may stand in a path. Raises ``not_found`` for what is no number.

    Beside the records live other endpoints (``customer/search``), and some systems read ``12abc`` as 12.
    """
    return id if is_number(id) else not_found()


def path_of(*segments: str) -> str:
    """Join path segments, none of which holds what would have to be quoted. Raises ``not_found`` for an unsafe one.

    A comma, a slash, a dot segment or an empty one is no id of any system we speak to, and some would read it as a
    list of ids or another endpoint.
    """
    for segment in segments:
        if not is_id(segment):
            not_found()
    return "/" + "/".join(segments)


async def found_or_none(pending: Awaitable[T]) -> T | None:
    """What is asked for; None where the system has no such record."""
    try:
        return await pending
    except Problem as problem:
        if problem.code != "not_found":
            raise
        return None


def _moment_of(text: str) -> datetime | None:
    """The moment of an HTTP date; None for what is none."""
    try:
        found = parsedate_to_datetime(text)
    except (IndexError, OverflowError, TypeError, ValueError):  # the parser's own, for what is far from a date
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a provider. ``path`` is below the origin and starts with a slash; at most one kind of body."""

    method: str
    path: str
    query: Query = ()
    json: Any = None
    form: Mapping[str, str] | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    origin: str = "api"
    ahead: bool = False
    """Whether this read may be answered before the one that was asked before it.

    Then it is asked beside that one, where the same was asked the last time: that spares a round trip, and costs a call
    in vain where it is another one now.
    """

    @property
    def target(self) -> str:
        """Path and query as they go on the wire."""
        return f"{self.path}?{_encoded(tuple(self.query))}" if self.query else self.path

    @property
    def is_write(self) -> bool:
        """Whether sending it twice may do something twice."""
        return self.method not in ("GET", "HEAD")


@lru_cache(4096)
def _encoded(query: tuple[tuple[str, str], ...]) -> str:
    # The same is asked again and again, and encoding it takes ten times as long as looking it up.
    return urlencode(query)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a provider. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """``application/json``, without parameters, lower case; empty where nothing is said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def retry_after(self) -> int | None:
        """Seconds that ``Retry-After`` asks to wait, at most an hour; None where it is missing or makes no sense.

        A date is one by the clock of whoever sends it, which ``Date`` tells (RFC 9110, 10.2.3 and 6.6.1). Beyond that
        standard some send parts of a second, or the moment in seconds or milliseconds since 1970.
        """
        text = self.headers.get("retry-after", "").strip()
        if not text:
            return None  # as nearly always
        if _DELAY.fullmatch(text):
            return min(ceil(float(text)), _LONGEST_WAIT)
        since = _SINCE_1970.fullmatch(text)
        then = _moment_of(text) if since is None else datetime.fromtimestamp(int(since[1]), UTC)
        now = _moment_of(self.headers.get("date", ""))
        return None if then is None or now is None else min(max(0, ceil((then - now).total_seconds())), _LONGEST_WAIT)

    @property
    def quota_left(self) -> int | None:
        """How many requests may still be sent before the provider refuses some; None where it does not say.

        Read from the headers that are in use (``X-RateLimit-Remaining`` and its like) and from those of the coming
        standard (draft-ietf-httpapi-ratelimit-headers). Where several limits are told, it is the nearest.
        """
        if self.headers.keys().isdisjoint(_ALL_QUOTA_HEADERS):
            return None  # as nearly always: none of today's systems documents that it tells
        texts = [text for name in _QUOTA_HEADERS if name in self.headers for text in self.headers[name].split(",")]
        counts = [found[1] for text in texts if (found := _COUNT.fullmatch(text))]
        counts += _COUNT_OF_POLICY.findall(self.headers["ratelimit"]) if "ratelimit" in self.headers else []
        return min(map(int, counts), default=None)

    def json(self) -> Any:
        """The body as JSON, numbers exact. Raises ``upstream_malformed``."""
        try:
            return loads(self.body)
        except MalformedJson as error:
            raise malformed(f"The accounting system's answer is not JSON: {error}.") from error

    def json_or_none(self) -> Any:
        """The body as JSON; None for what is none, as a refusal may have."""
        try:
            return loads(self.body)
        except MalformedJson:
            return None

    def unread(self) -> Unread:
        """The body as JSON, not read yet and with nothing around it.

        Raises ``upstream_malformed`` for what is no UTF-8, wherever it is not.
        """
        if not is_text(self.body):
            raise malformed("The accounting system's answer is not UTF-8.")
        return Unread(self.body.strip())


@dataclass(frozen=True, slots=True)
class Facts:
    """What an adapter may know of the connection it works for."""

    connection_id: str
    company_id: str | None
    credential_type: str
    settings: Mapping[str, Any]


class Refuse(Protocol):
    """``Upstream.unsupported``, for who is handed nothing else of it."""

    def __call__(self, pointer: str, *, en: str, nl: str) -> None:
        """Raise, or let the value be left out."""


class Upstream(Protocol):
    """The only way out, bound to one connection and one request of ours.

    Every call raises ``Problem`` when the provider does not answer with success; what the adapter's ``read_error``
    made of the reply is what is raised.
    """

    @property
    def facts(self) -> Facts:
        """The connection."""

    @property
    def now(self) -> datetime:
        """The time this request came in, in UTC."""

    @property
    def today(self) -> date:
        """The date in the Netherlands: what "today" means in Dutch books."""

    @property
    def creation_key(self) -> UUID:
        """A token for this create: the same for a repeat of the same idempotency key or ``external_ref``."""

    @property
    def plan(self) -> Plan:
        """Where an adapter notes what it settles for the caller: a dry run tells it."""

    async def call(self, request: Request) -> Reply:
        """Send it, and give the reply if it is a success; for answers that are not JSON."""

    async def data(self, request: Request) -> Any:
        """Send it, and give what the adapter's envelope holds: exact JSON, read or unread."""

    async def gather(self, first: Awaitable[T1], second: Awaitable[T2]) -> tuple[T1, T2]:
        """Wait for both at once."""

    async def each(self, waits: Sequence[Awaitable[T]]) -> list[T]:
        """Wait for all at once, no more of them in flight than the provider's pace allows; results in their order."""

    async def known(self, name: str, load: Callable[[], Awaitable[T]], *, fresh: bool = False) -> T:
        """A slow-changing fact of this connection (its VAT codes): loaded every few minutes at most, or now."""

    def note(self, name: str, value: str) -> None:
        """Remember something beside the write that comes next, such as what was there before it.

        It is kept durably before the write leaves, and handed to ``Resource.find_written`` where its fate is unknown.
        """

    async def id_changed(self, id: str) -> None:
        """Say that the system calls the record of this write so from now on (``Resource.changes_ids``).

        Said as soon as the system's answer names the id: it is kept at once, and nothing that goes wrong after it, such
        as reading the record back, loses the record.
        """

    def unsupported(self, pointer: str, *, en: str, nl: str, same_amount: bool = False) -> None:
        """Say in two languages that the system cannot hold what stands at a pointer.

        Raises ``field_unsupported``; with ``on_unsupported=drop`` it warns and returns, and the adapter leaves it out.
        What gives an amount its meaning is refused all the same, unless the adapter sees to it that none changes.
        """

    def warn(self, code: str, pointer: str | None = None, *, en: str, nl: str) -> None:
        """Tell the caller something with the answer, and with a dry run in the language he asks for."""
