"""The edge: what a request is, what an answer is, and the envelope between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, TypeVar

from gateway.contract.exact import Json, MalformedJson, loads

if TYPE_CHECKING:
    from adapters.thenextinvoice.emulator.state import Company, Service, User

T = TypeVar("T")

NOTHING = (b"", b"null", b"{}")


class Refusal(Exception):
    """The request is not granted: an HTTP status and the message of the envelope."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        """``retry_after`` is in seconds."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Data:
    """A JSON answer: ``value`` becomes ``data`` of the envelope."""

    value: Json
    status: int = 200


@dataclass(frozen=True, slots=True)
class Done:
    """An answer for which no body is documented."""

    status: int = 200


@dataclass(frozen=True, slots=True)
class Binary:
    """A bare file: no envelope."""

    content: bytes
    media_type: str


Answer = Data | Done | Binary


@dataclass(frozen=True, slots=True)
class Call:
    """One granted request: who asks, of which company, and what."""

    service: "Service"
    company: "Company"
    user: "User"
    by_api_token: bool
    path: Mapping[str, str]
    query: Mapping[str, str]
    content_type: str
    raw: bytes = field(repr=False)

    def json(self) -> Json:
        """The body. Refuses with 400 what is not JSON or not declared so."""
        return json_of(self.raw, self.content_type)

    def number(self, name: str = "id") -> int | None:
        """The numeric path parameter, or null where it cannot be an id."""
        return whole(self.path[name])

    def one(self, records: Mapping[int, T], message: str, status: int = 404) -> T:
        """The one whose id stands in the path. Refuses where there is none."""
        found = records.get(self.number() or 0)
        if found is None:
            raise Refusal(status, message)
        return found

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return self.service.clock.now()

    def today(self) -> date:
        """The date, in UTC."""
        return self.now().date()

    def stamp(self) -> str:
        """The time as TheNextInvoice writes it: ``2018-04-12 18:30:45``."""
        return self.now().strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class Operation:
    """One documented endpoint. ``query`` names the parameters it takes; anything else is refused with 400."""

    method: str
    path: str
    answer: Callable[[Call], Answer]
    query: frozenset[str] = frozenset()
    body: Literal["none", "json", "multipart"] = "none"


def json_of(raw: bytes, content_type: str) -> Json:
    """The JSON text ``raw``. Refuses with 400 what is not JSON or not declared so."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(400, "Content-Type must be application/json")
    try:
        return loads(raw)
    except MalformedJson:
        raise Refusal(400, "Request body is not valid JSON") from None


def whole(text: str) -> int | None:
    """The whole number that ``text`` spells, or null."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def day(value: Json, name: str) -> date:
    """The date that ``YYYY-MM-DD`` spells; refuses with 400 naming the field."""
    try:
        parsed = date.fromisoformat(value)
        exact = parsed.isoformat() == value
    except (TypeError, ValueError):
        exact = False
    if not exact:
        raise Refusal(400, f"{name} is not a valid date (YYYY-MM-DD)")
    return parsed
