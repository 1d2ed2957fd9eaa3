"""The five calls that every kind of record has which a company can make, change and delete."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.responses import Response

from adapters.rompslomp.emulator.answers import answer, no_content
from adapters.rompslomp.emulator.call import Call, Endpoint
from adapters.rompslomp.emulator.records import Identified, Table
from adapters.rompslomp.emulator.state import Company
from gateway.contract.exact import Json

R = TypeVar("R", bound=Identified)


def _nothing(call: Call, record: Identified) -> None:
    del call, record


@dataclass(frozen=True, kw_only=True)
class Noun(Generic[R]):
    """A kind of record. ``root`` is the key of one, ``many`` that of a list, and the path; ``name`` is for refusals."""

    root: str
    many: str
    name: str
    table: Callable[[Company], Table[R]]
    found: Callable[[Call], Sequence[R]]
    """What a list holds, filtered."""
    shown: Callable[[Call, R], Json]
    book: Callable[[Call, R | None], R]
    """Make a record of the body, or change one by it."""
    let_go: Callable[[Call, R], None] = _nothing
    """Refuse to delete a record, or do what that brings with it."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Its calls, under the scope of its name."""
        scope, one = (f"manage:{self.many}",), f"/{self.many}/{{id}}"
        return (
            Endpoint("GET", f"/{self.many}", self._list, scope),
            Endpoint("POST", f"/{self.many}", self.create, scope),
            Endpoint("GET", one, self._show, scope),
            Endpoint("PATCH", one, self._update, scope),
            Endpoint("DELETE", one, self._delete, scope),
        )

    def create(self, call: Call) -> Response:
        """Make one, and show it."""
        return answer({self.root: self.shown(call, self.book(call, None))}, 201)

    def _list(self, call: Call) -> Response:
        return call.listed(self.many, self.found(call), lambda record: self.shown(call, record))

    def _show(self, call: Call) -> Response:
        return answer({self.root: self.shown(call, self._one(call))})

    def _update(self, call: Call) -> Response:
        return answer({self.root: self.shown(call, self.book(call, self._one(call)))})

    def _delete(self, call: Call) -> Response:
        record = self._one(call)
        self.let_go(call, record)
        self.table(call.company).remove(record)
        return no_content()

    def _one(self, call: Call) -> R:
        return call.record(self.table(call.company), self.name)
