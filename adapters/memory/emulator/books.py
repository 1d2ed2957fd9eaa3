"""What Memory Books knows: users, their tokens, and the books of each company. A record is kept as it is sent."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Literal

from gateway.contract.clock import Clock
from gateway.contract.exact import Json
from gateway.contract.models import instant_text

Row = dict[str, Json]

ALL_SCOPES = tuple(
    f"{verb}:{subject}"
    for subject in ("contacts", "invoices", "products", "payments", "settings")
    for verb in ("read", "write")
    if (verb, subject) != ("write", "settings")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What Memory Books leaves open; an adapter must work whichever way each one stands.

    - ``refusal_status``: the status of a refusal that is about the content of a request.
    - ``past_end``: a page past the end is empty, or the last page again.
    - ``requests_per_minute``: how many a token may make before 429; null for as many as it likes.
    - ``token_lifetime``: how long a log-in is good.
    """

    refusal_status: Literal[200, 422] = 200
    past_end: Literal["empty", "last"] = "empty"
    requests_per_minute: int | None = None
    token_lifetime: timedelta = timedelta(hours=1)


class Refused(Exception):
    """Why not. ``status`` is null where the refusal is about the content of a request: then a switch decides."""

    def __init__(
        self, code: str, message: str, english: str, *, field: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(english)
        self.code = code
        self.message = message
        self.english = english
        self.field = field
        self.status = status


def nothing_there() -> Refused:
    """There is no such record, company or endpoint."""
    return Refused("not_found", "Niet gevonden.", "Not found.", status=404)


@dataclass(slots=True)
class Company:
    """One administration. ``rows`` holds, by noun and id, what was not deleted."""

    details: Row
    clock: Clock
    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    next_number: int = 20260001

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.details["id"])

    @property
    def today(self) -> date:
        """The date."""
        return self.clock.now().date()

    def stamp(self) -> str:
        """The time as it is written."""
        return instant_text(self.clock.now())

    def all(self, noun: str) -> dict[str, Row]:
        """The live records of one noun, by id, oldest first."""
        return self.rows.setdefault(noun, {})

    def one(self, noun: str, id: str) -> Row:
        """One record. Refuses with 404."""
        row = self.all(noun).get(id)
        if row is None:
            raise nothing_there()
        return row

    def new_id(self, noun: str) -> str:
        """An id that was never used: the first two letters of the noun and a number."""
        self.counted[noun] += 1
        return f"{noun[:2]}{1000 + self.counted[noun]}"

    def keep_unique(self, noun: str, row: Row, names: Iterable[str]) -> None:
        """Refuse a value that another record of the noun has already."""
        for name in names:
            for other in self.all(noun).values():
                if row[name] is not None and other[name] == row[name] and other["id"] != row.get("id"):
                    raise Refused("duplicate", f"{name} bestaat al.", f"{name} is taken already.", field=name)


@dataclass(frozen=True, slots=True)
class Session:
    """What a token opens, and until when; null is for ever."""

    companies: tuple[str, ...]
    until: datetime | None


class Service:
    """All of Memory Books."""

    def __init__(self, clock: Clock, chance: Random, switches: Switches) -> None:
        self.clock = clock
        self.random = chance
        self.switches = switches
        self.companies: dict[str, Company] = {}
        self.passwords: dict[str, str] = {}
        self.sessions: dict[str, Session] = {}
        self._asked: Counter[tuple[str, int]] = Counter()

    def log_in(self, user: str, password: str) -> Row:
        """A new token. Refuses with 401."""
        if self.passwords.get(user) != password:
            raise Refused("unauthorized", "Inloggen mislukt.", "Login failed.", status=401)
        until = self.clock.now().replace(microsecond=0) + self.switches.token_lifetime
        token = f"mb_{self.random.getrandbits(128):032x}"
        self.sessions[token] = Session(tuple(self.companies), until)
        return {"token": token, "validUntil": instant_text(until)}

    def allow(self, token: str, companies: tuple[str, ...]) -> None:
        """Let an API token open some companies, for ever."""
        self.sessions[token] = Session(companies, None)

    def whoever(self, authorization: str) -> Session:
        """What the bearer of a token may open. Refuses with 401, or with 429 who asks too often."""
        scheme, _, token = authorization.partition(" ")
        session = self.sessions.get(token) if scheme == "Bearer" else None
        if session is None or (session.until is not None and session.until <= self.clock.now()):
            raise Refused("unauthorized", "Token onbekend of verlopen.", "Unknown or expired token.", status=401)
        minute = (token, int(self.clock.now().timestamp()) // 60)
        self._asked[minute] += 1
        allowed = self.switches.requests_per_minute
        if allowed is not None and self._asked[minute] > allowed:
            raise Refused("slow_down", "Te veel verzoeken.", "Too many requests.", status=429)
        return session

    def forget_sessions(self) -> None:
        """End every log-in; API tokens stay."""
        self.sessions = {token: session for token, session in self.sessions.items() if session.until is None}
