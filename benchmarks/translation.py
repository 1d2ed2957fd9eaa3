"""How long it takes to make our 50 invoices of a system's: beside reading and writing the same bytes and no more, and
beside making 200.
"""

import asyncio
import functools
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import orjson

from benchmarks.conversation import INVOICES, MANY_INVOICES, Conversation, Said
from gateway import registry
from gateway.contract.adapter import Adapter
from gateway.contract.exact import loads
from gateway.contract.operations import BY_NAME
from gateway.contract.plan import Plan
from gateway.contract.upstream import Facts, Reply, Request
from gateway.engine.clock import SystemClock, dutch_date
from gateway.engine.cursors import Cursors
from gateway.engine.inputs import read_query
from gateway.engine.reads.reading import Reader
from gateway.engine.records.id_changes import IdChanges
from gateway.engine.records.links import Book
from gateway.engine.records.recording import Recording

_TIMES = 300
"""Half a second of work: a host that is slower for a part of that is so for ours and for theirs."""
_OPERATION = BY_NAME["invoices.list"]
Work = Callable[[], Coroutine[Any, Any, object]]
T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")


class Recorded:
    """A way out that answers what was recorded, at no cost: what is left is translation."""

    def __init__(self, replies: Mapping[str, Said], adapter: Adapter, facts: Facts) -> None:
        self.facts = facts
        self.creation_key = UUID(int=0)
        self.plan = Plan()
        # The conversation was recorded just now, and some systems are asked by what is due today.
        self.now = SystemClock().now()
        self.today = dutch_date(self.now)
        self._adapter = adapter
        self._replies = {
            target: Reply(status, {name.lower(): value for name, value in headers.items()}, body)
            for target, (status, headers, body) in replies.items()
        }
        self._known: dict[str, Any] = {}

    async def call(self, request: Request) -> Reply:
        return self._replies[f"{request.method} {request.target}"]

    async def data(self, request: Request) -> Any:
        return self._adapter.read_envelope(await self.call(request))

    async def gather(self, first: Awaitable[T1], second: Awaitable[T2]) -> tuple[T1, T2]:
        return await first, await second

    async def each(self, waits: Sequence[Awaitable[T]]) -> list[T]:
        return [await one for one in waits]

    async def known(self, name: str, load: Callable[[], Awaitable[T]], *, fresh: bool = False) -> T:
        del fresh
        if name not in self._known:
            self._known[name] = await load()
        known: T = self._known[name]
        return known


class _NoBooks:
    """Nothing is kept of any record."""

    async def of(self, connection_id: str, resource: str) -> Book:
        del connection_id, resource
        return Book(())

    async def of_each(self, connection_id: str, resources: Iterable[str]) -> Mapping[str, Book]:
        del connection_id
        return {resource: Book(()) for resource in resources}


def beside_the_floor(conversation: Conversation, *, unseen: bool = False) -> float:
    """Seconds of a list of 50 invoices from bytes to bytes, over those of orjson reading and writing the same bytes.

    The page is one that was read before, of which an invoice or two changed since: most of its amounts are remembered.
    ``unseen``: as if no amount of it, no date and no line had ever been seen.
    """
    bodies = [conversation.replies[f"GET {target}"][2] for target in conversation.list_targets]
    read = _reader(conversation, conversation.replies, INVOICES)
    return asyncio.run(_ratio(read, partial(_floor, bodies), _memories() if unseen else ()))


def _memories() -> Sequence["functools._lru_cache_wrapper[Any]"]:
    """What Polder remembers a bounded number of: what it made of texts that it saw before."""
    found = [one for one in gc.get_objects() if isinstance(one, functools._lru_cache_wrapper)]
    return [one for one in found if one.cache_parameters()["maxsize"] is not None]


def growth(conversation: Conversation) -> float:
    """Seconds of an invoice in a page of 200, over those of one in a page of 50."""
    longer = _reader(conversation, conversation.larger, MANY_INVOICES)
    ratio = asyncio.run(_ratio(longer, _reader(conversation, conversation.replies, INVOICES)))
    return ratio * INVOICES / MANY_INVOICES


async def _ratio(ours: Work, theirs: Work, forgotten: Sequence["functools._lru_cache_wrapper[Any]"] = ()) -> float:
    ratios = []
    for _ in range(_TIMES):
        for memory in forgotten:
            memory.cache_clear()
        ratios.append(await _timed(ours) / await _timed(theirs))
    return statistics.median(ratios)


async def _timed(work: Work) -> float:
    began = time.process_time()
    await work()
    return time.process_time() - began


def _reader(
    conversation: Conversation, replies: Mapping[str, Said], count: int
) -> Callable[[], Coroutine[Any, Any, bytes]]:
    """What makes a page of so many invoices, once it was seen to make a right one."""
    adapter = registry.discover()[conversation.provider]
    facts = Facts("con_bench", conversation.company_id, next(iter(adapter.credentials)).type, {})
    up: Any = Recorded(replies, adapter, facts)
    books: Any = _NoBooks()
    attempts: Any = None  # nothing moves
    asked = read_query(_OPERATION, (("limit", str(count)), ("include", "lines")))

    async def read() -> bytes:
        recording = Recording(books, facts.connection_id, _OPERATION, adapter.resources["invoices"])
        reader = Reader(up, recording, Cursors(bytes(32)), IdChanges(attempts, SystemClock()), adapter.name)
        return (await reader.list(asked)).body

    listed = loads(asyncio.run(read()))["data"]
    assert len(listed) == count
    assert all(len(one["lines"]) and Decimal(one["totals"]["gross"]) for one in listed)
    return read


async def _floor(bodies: Sequence[bytes]) -> None:
    for body in bodies:
        orjson.dumps(orjson.loads(body))
