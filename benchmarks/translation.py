"""How long it takes to make our 50 invoices of a system's, beside reading and writing the same bytes and no more."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import orjson

from benchmarks.conversation import INVOICES, Conversation
from gateway import registry
from gateway.contract.adapter import Adapter
from gateway.contract.exact import loads
from gateway.contract.operations import BY_NAME
from gateway.contract.plan import Plan
from gateway.contract.upstream import Facts, Reply, Request
from gateway.engine.asked import read_query
from gateway.engine.clock import SystemClock, dutch_date
from gateway.engine.cursors import Cursors
from gateway.engine.links import Book
from gateway.engine.reading import Reader
from gateway.engine.recording import Recording

_TIMES = 60
_OPERATION = BY_NAME["invoices.list"]
_ASKED = read_query(_OPERATION, (("limit", str(INVOICES)), ("include", "lines")))
T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")


class Recorded:
    """A way out that answers what was recorded, at no cost: what is left is translation."""

    def __init__(self, conversation: Conversation, adapter: Adapter, facts: Facts) -> None:
        self.facts = facts
        self.creation_key = UUID(int=0)
        self.plan = Plan()
        # The conversation was recorded just now, and some systems are asked by what is due today.
        self.now = SystemClock().now()
        self.today = dutch_date(self.now)
        self._adapter = adapter
        self._replies = {
            target: Reply(status, {name.lower(): value for name, value in headers.items()}, body)
            for target, (status, headers, body) in conversation.replies.items()
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


def beside_the_floor(conversation: Conversation) -> float:
    """Seconds of a list of 50 invoices from bytes to bytes, over those of orjson reading and writing the same bytes."""
    read = _reader(conversation)
    listed = loads(asyncio.run(read()))["data"]
    assert len(listed) == INVOICES
    assert all(len(one["lines"]) and Decimal(one["totals"]["gross"]) for one in listed)
    bodies = [conversation.replies[f"GET {target}"][2] for target in conversation.list_targets]
    return asyncio.run(_measured(read, bodies))


async def _measured(read: Callable[[], Coroutine[Any, Any, bytes]], bodies: Sequence[bytes]) -> float:
    ours, floor = [], []
    for _ in range(_TIMES):
        began = time.process_time()
        await read()
        ours.append(time.process_time() - began)
        floor.append(_floor(bodies))
    return sorted(ours)[_TIMES // 2] / sorted(floor)[_TIMES // 2]


def _reader(conversation: Conversation) -> Callable[[], Coroutine[Any, Any, bytes]]:
    adapter = registry.discover()[conversation.provider]
    facts = Facts("con_bench", conversation.company_id, next(iter(adapter.credentials)).type, {})
    up: Any = Recorded(conversation, adapter, facts)
    books: Any = _NoBooks()

    async def read() -> bytes:
        recording = Recording(books, facts.connection_id)
        reader = Reader(_OPERATION, adapter.resources["invoices"], up, recording, Cursors(bytes(32)), adapter.name)
        return (await reader.list(_ASKED)).body

    return read


def _floor(bodies: Sequence[bytes]) -> float:
    began = time.process_time()
    for body in bodies:
        orjson.dumps(orjson.loads(body))
    return time.process_time() - began
