"""The HTTP edge on its own: an engine that only remembers what it was asked, and keys kept in memory."""

import asyncio
import io
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, cast

import httpx2
import msgspec

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.access.keys import Callers, mint
from gateway.engine.access.rate_limit import RateLimiter
from gateway.engine.call import Answer, Call, Network, Standing
from gateway.engine.generations import in_memory
from gateway.engine.reads.cache import CachedAnswer
from gateway.engine.storage import Backlog, Storage, StoredKey
from gateway.web.app import Application, Limits
from gateway.web.health import Health
from gateway.web.logs import Log
from gateway.web.metrics import Metrics
from gateway.web.process_metrics import PATH, ProcessMetrics
from tests.house import ManualClock

PUBLIC_URL = "https://polder.test"


class KeysInMemory:
    """The ``Keys`` protocol, counting look-ups."""

    def __init__(self) -> None:
        self.kept: dict[str, StoredKey] = {}
        self.looked_up = 0
        self.writes_of_uses: list[dict[str, datetime]] = []
        self.broken = False

    async def add(self, key: StoredKey) -> None:
        self.kept[key.id] = key

    async def find(self, id: str) -> StoredKey | None:
        self.looked_up += 1
        if self.broken:
            raise Problem("storage_unavailable", "The storage is away.")
        return self.kept.get(id)

    async def all(self, tenant: str | None) -> Sequence[StoredKey]:
        return [key for key in self.kept.values() if tenant in (None, key.tenant)]

    async def revoke(self, id: str, at: datetime) -> bool:
        if id not in self.kept:
            return False
        self.kept[id] = replace(self.kept[id], revoked_at=at)
        return True

    async def used(self, at: Mapping[str, datetime]) -> None:
        if self.broken:
            raise Problem("storage_unavailable", "The storage is away.")
        self.writes_of_uses.append(dict(at))


class CheckedStorage:
    """As much of a storage as ``/readyz`` looks at."""

    def __init__(self) -> None:
        self.checks = 0
        self.broken = False
        self.connections = self.tokens = self.attempts = self
        self.counts: dict[tuple[str, str], int] = {}
        self.intents: dict[str, Backlog] = {}
        self.doubts: dict[str, Backlog] = {}

    async def census(self) -> dict[tuple[str, str], int]:
        return self.counts

    async def open_intents(self) -> dict[str, Backlog]:
        return self.intents

    async def unknown(self) -> dict[str, Backlog]:
        return self.doubts

    async def check(self) -> None:
        self.checks += 1
        if self.broken:
            raise Problem("storage_unavailable", "The storage is away.")


class RememberingEngine:
    """Answers with whatever a test put into ``next``, and remembers the calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.next: Callable[[Call], Answer] = lambda call: Answer(200, b'{"said":"ok"}')

    async def perform(self, call: Call) -> Answer:
        self.calls.append(call)
        return self.next(call)

    def recall(self, standing: Standing, now: float) -> CachedAnswer | None:
        raise AssertionError("nothing was answered from a cache")

    def raises(self, error: Exception) -> None:
        def fail(call: Call) -> Answer:
            raise error

        self.next = fail

    def answers(self, answer: Answer) -> None:
        self.next = lambda call: answer


@dataclass
class Edge:
    """An application and all that stands around it. ``client`` carries a good key."""

    app: Application
    engine: RememberingEngine
    keys: KeysInMemory
    storage: CheckedStorage
    metrics: Metrics
    clock: ManualClock
    written: io.BytesIO
    key: str
    client: httpx2.AsyncClient
    anonymous: httpx2.AsyncClient

    async def another_key(self) -> str:
        """A good key beside the client's."""
        key, stored = mint(tenant="acme", name="other", scopes=["*"], now=self.clock.now(), random=Random(4))
        await self.keys.add(stored)
        return key

    def told(self) -> bytes:
        """All that was logged."""
        self.metrics.fold()
        return self.written.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.told().splitlines()]


def client_of(app: Application, headers: dict[str, str]) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=PUBLIC_URL, headers=headers)


async def build_edge(
    limits: Limits | None = None,
    proxies: Sequence[Network] = (),
    limiter: Callable[[Clock], RateLimiter] | None = None,
) -> Edge:
    clock, engine, keys, storage = ManualClock(), RememberingEngine(), KeysInMemory(), CheckedStorage()
    written, metrics = io.BytesIO(), Metrics("1.2.3", ["books"])
    health = Health(cast(Storage, storage), clock, metrics)
    key, stored = mint(tenant="acme", name="test", scopes=["*"], now=clock.now(), random=Random(1))
    await keys.add(stored)
    app = Application(
        engine,
        Callers(keys, clock, in_memory(Random(3))),
        health,
        clock=clock,
        random=Random(2),
        metrics=metrics,
        log=Log(written, clock),
        public_url=PUBLIC_URL,
        limits=limits,
        rate_limiter=None if limiter is None else limiter(clock),
        further_pages={
            PATH: ProcessMetrics(cast(Storage, storage), clock, health, metrics, [Path()], lambda: None).page()
        },
        proxies=proxies,
    )
    client = client_of(app, {"authorization": f"Bearer {key}"})
    return Edge(app, engine, keys, storage, metrics, clock, written, key, client, client_of(app, {}))


@dataclass
class Sent:
    """What an application sent, taken down below any HTTP client."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def problem(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded


async def send_raw(
    edge: Edge,
    method: str,
    raw_path: bytes,
    *,
    query: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
    chunks: Sequence[bytes] = (b"",),
    authorized: bool = True,
    at_leisure: bool = False,
) -> Sent:
    """A request exactly as bytes, which no client has put in order first; ``at_leisure``, others go before a chunk."""
    given = [*headers, *([(b"authorization", f"Bearer {edge.key}".encode())] if authorized else [])]
    scope = {
        "type": "http",
        "method": method,
        "path": raw_path.decode("latin-1"),
        "raw_path": raw_path,
        "query_string": query,
        "headers": given,
    }
    waiting = list(chunks)

    async def receive() -> dict[str, Any]:
        if at_leisure:
            await asyncio.sleep(0)
        if not waiting:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await edge.app(scope, receive, send)
    if not sent:
        return Sent(0, [], b"")
    headers_sent = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return Sent(sent[0]["status"], headers_sent, b"".join(message.get("body", b"") for message in sent[1:]))
