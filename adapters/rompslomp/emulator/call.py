"""One call of the API as an endpoint sees it: who asks, of which company, for what; and the answers it can give."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf
from string import ascii_lowercase, ascii_uppercase
from typing import TypeVar
from urllib.parse import parse_qsl

from starlette.responses import Response

from adapters.rompslomp.emulator.access import authorize_company, authorize_token
from adapters.rompslomp.emulator.answers import answer
from adapters.rompslomp.emulator.errors import no_such_record
from adapters.rompslomp.emulator.fields import Reader, date_in
from adapters.rompslomp.emulator.identifiers import id_in
from adapters.rompslomp.emulator.records import Identified, Table
from adapters.rompslomp.emulator.state import Company, State
from adapters.rompslomp.emulator.switches import Switches
from adapters.rompslomp.emulator.tokens import TokenRow
from gateway.contract.exact import Json, MalformedJson, loads

DEFAULT_PER_PAGE = 40
MOST_PER_PAGE = 100

T = TypeVar("T")
R = TypeVar("R", bound=Identified)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was let in."""

    state: State
    token: TokenRow
    asked_company: Company | None
    path: Mapping[str, str]
    query_string: str
    content_type: str
    body: bytes

    @property
    def company(self) -> Company:
        """The company of the path."""
        if self.asked_company is None:
            raise LookupError("this endpoint belongs to no company")
        return self.asked_company

    @property
    def switches(self) -> Switches:
        return self.state.switches

    @property
    def reader(self) -> Reader:
        return self.state.reader

    @property
    def today(self) -> date:
        return self.state.today()

    def query(self, name: str) -> str | None:
        """A query parameter's last value. Any name that no endpoint asks for is ignored, as Rails ignores it."""
        return next((value for key, value in reversed(self._pairs()) if key == name), None)

    def query_all(self, name: str) -> list[str]:
        """Every value of ``name[]``."""
        return [value for key, value in self._pairs() if key == f"{name}[]"]

    def query_date(self, name: str) -> date | None:
        """A date asked for; one that is none is refused."""
        text = self.query(name)
        if not text:
            return None
        day = date_in(text)
        if day is None:
            raise self.reader.refusal("invalid_parameter_value", f"De waarde van {name} is ongeldig.")
        return day

    def selection(self, *known: str, default: str | None = None) -> str:
        """The selection asked for. ``default`` is None where Rompslomp demands one."""
        selected = self.query("selection") or default
        if selected is None:
            raise self.reader.refusal("missing_parameter", "param is missing or the value is empty: selection")
        if selected in known:
            return selected
        if self.switches.unknown_selection == "all":
            return "all"
        raise self.reader.refusal("invalid_parameter_value", "De waarde van selection is ongeldig.")

    def record(self, table: Table[R], name: str, parameter: str = "id") -> R:
        """The record of the path; 404 where there is none."""
        found = table.find(self.identity(parameter))
        if found is None:
            raise no_such_record(name)
        return found

    def identity(self, parameter: str) -> int:
        return id_in(self.path[parameter], self.switches.id_in_path)

    def json(self) -> Json:
        """The body, where it says it is JSON; nothing otherwise, as Rails reads no other body here."""
        if not self.body or not self.content_type.startswith("application/json"):
            return {}
        try:
            return loads(self.body)
        except MalformedJson as error:
            raise self.reader.refusal("malformed_json", "De JSON in het verzoek is ongeldig.") from error

    def wrapped(self, root: str) -> Json:
        """What the body holds under its root key; an empty object counts as missing (Rails' ``require``)."""
        body = self.json()
        inside = body.get(root) if isinstance(body, dict) else None
        if not inside:
            raise self.reader.refusal("missing_parameter", f"param is missing or the value is empty: {root}")
        return inside

    def demand(self, scope: str) -> None:
        """Refuse a call whose token or company lacks a scope that the endpoint's own does not cover."""
        authorize_token(self.token, (scope,), self.switches)
        authorize_company(self.company, (scope,), self.switches)

    def listed(self, root: str, records: Sequence[T], shown: Callable[[T], Json]) -> Response:
        """A page of a list, with the headers that tell where it lies."""
        page = self._counted("page", 1, at_least=1, at_most=inf)
        at_most = inf if self.switches.per_page_over_100 == "clamp" else MOST_PER_PAGE
        per_page = min(self._counted("per_page", DEFAULT_PER_PAGE, at_least=0, at_most=at_most), MOST_PER_PAGE)
        start = (page - 1) * per_page
        items = [shown(record) for record in records[start : start + per_page]]
        headers = {"X-Page": str(page), "X-Per-Page": str(per_page), "X-Total": str(len(records))}
        return answer({root: items}, headers=headers)

    def _counted(self, name: str, default: int, *, at_least: int, at_most: float) -> int:
        text = self.query(name)
        if text is None:
            return default
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else -1
        if not at_least <= number <= at_most:
            raise self.reader.refusal("invalid_parameter_value", f"De waarde van {name} is ongeldig.")
        return number

    def _pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query_string, keep_blank_values=True)


Act = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and path of the API, the scopes of which one is needed, and what it does.

    Without ``any_scope`` a valid token is enough.
    """

    method: str
    path: str
    act: Act
    any_scope: tuple[str, ...] = ()


_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
_FOLDINGS: Mapping[str, Callable[[str], str]] = {
    "ignored": str.casefold,
    "ignored_in_ascii": lambda text: text.translate(_SMALL),
    "heeded": str,
}
"""A text as a search takes it, by the switch ``q_case``."""


def matches(query: str, texts: Iterable[str | None], switches: Switches) -> bool:
    """Whether ``search[q]`` finds a record with these texts."""
    fold = _FOLDINGS[switches.q_case]
    fields = [fold(text) for text in texts if text]
    wanted = [fold(query)] if switches.q_matching == "phrase" else fold(query).split()
    return all(any(word in text for text in fields) for word in wanted)
