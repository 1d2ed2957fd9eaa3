"""Slow-changing facts of connections: what adapters translate with, loaded once and believed for a while."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from sys import getsizeof
from typing import Any, TypeVar

from cachetools import TLRUCache

from gateway.contract.clock import Clock
from gateway.contract.exact import Unread
from gateway.engine.generations import Generations
from gateway.engine.single_flight import SingleFlight

T = TypeVar("T")

BELIEVED = 300.0
"""Seconds for which a slow-changing fact is believed."""
DOUBTED = 5.0
"""Seconds for which one is believed that came with nonsense: as long as a breaker first stays open."""
MAX_FACT_BYTES = 96 * 1024 * 1024
"""What the facts that are kept take together, about."""
_OVERHEAD_OF_A_FACT = 1_000


@dataclass(frozen=True, slots=True)
class _Fact:
    number: int
    value: Any
    size: int
    believed_for: float = BELIEVED


def _size_of_fact(fact: _Fact) -> int:
    return min(fact.size + _OVERHEAD_OF_A_FACT, MAX_FACT_BYTES)


def size_of(value: object) -> int:
    """Bytes that a fact takes with all it holds, each thing counted once.

    It is weighed, because the length of what it was read from says little: VAT codes take four times their JSON.
    """
    seen: dict[int, object] = {}
    left = [value]
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen[id(one)] = one
            left += _held_by(one)
    return sum(map(_size_alone, seen.values()))


def _size_alone(value: object) -> int:
    # Of a record's unread text, ``getsizeof`` tells nonsense (msgspec 0.22); it is a part of a reply, which it keeps.
    return memoryview(value).nbytes if isinstance(value, Unread) else getsizeof(value)


def _held_by(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in fields(value)]
    return [getattr(value, name) for name in getattr(value, "__struct_fields__", ())]


def _believed_until(key: tuple[str, ...], fact: _Fact, now: float) -> float:
    del key
    return now + fact.believed_for


class KnownFacts:
    """Slow-changing facts of connections that adapters translate with, for five minutes; bounded in bytes.

    A large administration's are a quarter of a megabyte, and thousands of administrations may be asked in five minutes.
    """

    def __init__(self, clock: Clock, generations: Generations) -> None:
        self._generations = generations
        self._facts: TLRUCache[tuple[str, ...], _Fact] = TLRUCache(
            MAX_FACT_BYTES, _believed_until, timer=clock.monotonic, getsizeof=_size_of_fact
        )
        self._loaded = 0
        self._flights: SingleFlight[_Fact] = SingleFlight()

    async def get(self, connection_id: str, name: str, load: Callable[[], Awaitable[T]], *, fresh: bool) -> T:
        """The fact, loaded if it is not known, or if ``fresh``."""
        key = self._key(connection_id, name)
        known = None if fresh else self._believed(key)
        if known is not None:
            found: T = known.value
            return found

        async def loaded() -> _Fact:
            value = await load()
            self._loaded += 1
            return _Fact(self._loaded, value, size_of(value))

        fact = await self._flights.share(key, loaded)
        if fact.value is None:
            self._facts.pop(key, None)
        else:
            self._facts[key] = fact
        new: T = fact.value
        return new

    def doubt(self, connection_id: str, names: Iterable[str]) -> None:
        """An answer that made no sense stood on these: one of them may be the nonsense."""
        for name in names:
            key = self._key(connection_id, name)
            known = self._believed(key)
            if known is not None and known.believed_for == BELIEVED:
                self._facts[key] = replace(known, believed_for=DOUBTED)

    def stamp(self, connection_id: str, name: str) -> int | None:
        """The number of the loading that the fact came with, which no other has; null where it must be loaded."""
        known = self._believed(self._key(connection_id, name))
        return None if known is None else known.number

    def _believed(self, key: tuple[str, ...]) -> _Fact | None:
        try:  # get() looks twice
            fact: _Fact = self._facts[key]
        except KeyError:
            return None
        return fact

    def _key(self, connection_id: str, name: str) -> tuple[str, ...]:
        return connection_id, str(self._generations.of(connection_id, "facts")), name
