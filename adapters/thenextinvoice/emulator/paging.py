"""Pages of a search, and their limits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from adapters.thenextinvoice.emulator.wire import Call, Refusal, whole

MAXIMUM = 100
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of a list. Pages count from 1, and an empty list has one empty page."""

    items: Sequence[Item]
    current: int
    last: int
    limit: int
    total: int

    @property
    def previous(self) -> int:
        """The page before, or the first."""
        return max(1, min(self.current - 1, self.last))

    @property
    def next(self) -> int:
        """The page after, or the last."""
        return min(self.current + 1, self.last)


def page_of(call: Call, items: Sequence[Item], default_limit: int, first_page: int = 1) -> Page[Item]:
    """The page that ``limit`` and ``page`` of the query ask for. ``first_page`` 0 lets page 0 stand for page 1."""
    limit = positive(call.query, "limit", default_limit)
    if limit > MAXIMUM:
        if call.service.switches.over_limit == "refuse":
            raise Refusal(400, f"limit can be at most {MAXIMUM}")
        limit = MAXIMUM
    current = max(1, positive(call.query, "page", max(1, first_page), least=first_page))
    last = max(1, -(-len(items) // limit))
    if current > last and call.service.switches.past_end == "last":
        current = last
    start = (current - 1) * limit
    return Page(items[start : start + limit], current, last, limit, len(items))


def positive(query: Mapping[str, str], name: str, default: int, least: int = 1) -> int:
    """The whole number ``name`` of the query, at least ``least``; refuses with 400 anything else."""
    if not query.get(name):
        return default
    number = whole(query[name])
    if number is None or number < least:
        raise Refusal(400, f"{name} is invalid")
    return number


def flag(query: Mapping[str, str], name: str) -> bool:
    """The boolean ``name`` of the query, false by default; refuses with 400 what is neither true nor false."""
    text = query.get(name) or "false"
    if text not in ("true", "false"):
        raise Refusal(400, f"{name} must be true or false")
    return text == "true"


def ordered(
    call: Call, items: Sequence[Item], key: Callable[[Item], Any], identity: Callable[[Item], int]
) -> list[Item]:
    """The items by ``key`` (any sortable value), reversed on request; ties as the switch says."""
    result = sorted(items, key=identity)
    if call.service.switches.ties == "shuffled":
        call.service.random.shuffle(result)
    result.sort(key=key, reverse=flag(call.query, "reverse"))
    return result
