"""A steady, bounded load of reads and named writes through a balancer, every one of which is followed to its end.

Three kinds of callers: *readers* read; *writers* make contacts, each under a name of its own; *watchers* change a
contact that only they change, and once they are told that it is done, ask every node directly what it says.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx2

from gateway.contract.exact import dumps
from tests.chaos.processes import Gateway
from tests.chaos.sites import Site
from tests.chaos.wishes import contact, mark_of, told_by

READERS = 6
WRITERS = 6
PATIENCE = 90.0
"""Seconds that a caller goes on asking."""
LONGEST_PAUSE = 0.08
"""Seconds between two requests of one caller, at most."""
AGAIN = (0.05, 0.3)
"""Seconds between two attempts at one thing."""

_MARK = re.compile(r"W\d{6}X")


@dataclass
class Tally:
    """What became of the requests of one kind, in one stretch of time."""

    asked: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Those whose first attempt was not answered 2xx, by what it got instead."""
    attempts: int = 0
    unanswered: list[str] = field(default_factory=list)
    """Those that never were, in spite of all repetitions."""
    slowest: float = 0.0

    @property
    def failed(self) -> int:
        """How many first attempts failed."""
        return self.failures.total()


@dataclass
class Stretch:
    """A stretch of time in which one kind of thing happens to the nodes."""

    reads: Tally = field(default_factory=Tally)
    writes: Tally = field(default_factory=Tally)
    under_way: int = 0


@dataclass
class Finding:
    """What nodes that were asked directly said right after a write."""

    asked: int = 0
    hits: int = 0
    """Answers from memory: those that could be stale."""
    none: Counter[str] = field(default_factory=Counter)
    """What there was instead of an answer: most nodes that are asked are there, and one is not at times."""
    stale: list[str] = field(default_factory=list)


@dataclass
class Traffic:
    """See the module. ``names`` says of every written mark whether its writer was told that it is done."""

    site: Site
    url: str
    callers: httpx2.AsyncClient
    watched: Mapping[str, str]
    """By connection, the contact that its watcher changes."""
    stretch: Stretch = field(default_factory=Stretch)
    sight: Finding = field(default_factory=Finding)
    names: dict[str, bool] = field(default_factory=dict)
    _stopped: bool = False
    _changes: int = 0

    async def enter(self, stretch: Stretch) -> None:
        """Begin another stretch: when this returns, everything that began in the one before has its end."""
        before, self.stretch = self.stretch, stretch
        async with asyncio.timeout(PATIENCE * 2):
            while before.under_way:
                await asyncio.sleep(0.01)

    def stop(self) -> None:
        """No new requests."""
        self._stopped = True

    async def run(self) -> None:
        """Until it is stopped; then what is under way is carried to its end."""
        async with asyncio.TaskGroup() as group:
            for _ in range(READERS):
                group.create_task(self._again_and_again(self._read))
            for _ in range(WRITERS):
                group.create_task(self._again_and_again(self._write))
            for connection, watched in self.watched.items():
                group.create_task(self._again_and_again(partial(self._watch, connection, watched)))

    async def _again_and_again(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not self._stopped:
            await act()
            await asyncio.sleep(self.site.random.uniform(0, LONGEST_PAUSE))

    async def _read(self) -> None:
        connection = self.site.random.choice(self.site.connections)
        matter = self.site.random.choice((f"contacts/{self.watched[connection]}", "contacts?limit=5", "vat-codes"))
        await self._followed(self.stretch.reads, "GET", f"/v1/connections/{connection}/{matter}")

    async def _write(self) -> None:
        mark = mark_of(len(self.names))
        self.names[mark] = False
        path = f"/v1/connections/{self.site.random.choice(self.site.connections)}/contacts"
        answer = await self._followed(self.stretch.writes, "POST", path, contact(mark), key=mark)
        self.names[mark] = answer is not None

    async def _watch(self, connection: str, watched: str) -> None:
        self._changes += 1
        name = f"Wacht {self._changes}"
        path = f"/v1/connections/{connection}/contacts/{watched}"
        body = {"company_name": name}
        if await self._followed(self.stretch.writes, "PATCH", path, body, key=f"change-{self._changes}") is None:
            return
        # Twice, so that there is something in memory that the next change must put away.
        for _ in range(2):
            await asyncio.gather(*(self._look(gateway, path, name) for gateway in self.site.gateways))

    async def _look(self, gateway: Gateway, path: str, name: str) -> None:
        try:
            answer = await gateway.read(path)
        except httpx2.TransportError:
            self.sight.none["no answer"] += 1
            return
        if answer.status_code != 200:
            self.sight.none[_problem(answer)[0]] += 1
            return
        self.sight.asked += 1
        self.sight.hits += "hit" in answer.headers.get("cache-status", "")
        said = answer.json()["company_name"]
        if said != name:
            self.sight.stale.append(f"the node at {gateway.port} said {said!r}, not {name!r}")

    async def _followed(
        self, tally: Tally, method: str, path: str, body: object = None, key: str | None = None
    ) -> httpx2.Response | None:
        """Ask until it is answered 2xx; None where that never comes."""
        stretch = self.stretch
        tally.asked += 1
        stretch.under_way += 1
        began = time.monotonic()
        try:
            answer = await self._insisted(tally, began + PATIENCE, method, path, body, key)
        finally:
            stretch.under_way -= 1
        tally.slowest = max(tally.slowest, time.monotonic() - began)
        return answer

    async def _insisted(
        self, tally: Tally, until: float, method: str, path: str, body: object, key: str | None
    ) -> httpx2.Response | None:
        headers = {"authorization": f"Bearer {self.site.gateways[0].key}"}
        if key is not None:
            headers["idempotency-key"] = key
        first = True
        while True:
            tally.attempts += 1
            found = await self._attempt(method, path, body, headers)
            if isinstance(found, httpx2.Response) and found.is_success:
                return found
            failure, is_final = (found, False) if isinstance(found, str) else _problem(found)
            if first:
                tally.failures[failure] += 1
                first = False
            if is_final or time.monotonic() > until:
                tally.unanswered.append(f"{method} {path} {key}: {failure}")
                return None
            await asyncio.sleep(self.site.random.uniform(*AGAIN))

    async def _attempt(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> httpx2.Response | str:
        try:
            return await self.callers.request(method, f"{self.url}{path}", headers=headers, json=body)
        except httpx2.TransportError as error:
            return f"no answer ({type(error).__name__})"

    def made(self) -> Counter[str]:
        """How many records in the provider's books bear each mark."""
        rows = self.site.provider.emulator.books()["contacts"]
        return Counter(mark for row in rows for mark in set(_MARK.findall(dumps(row).decode())))


def _problem(answer: httpx2.Response) -> tuple[str, bool]:
    """What an answer other than 2xx says, and whether that is its last word."""
    if "x-request-id" not in answer.headers:
        return f"the balancer's own {answer.status_code}", False
    said = answer.json()
    return f"{answer.status_code} {said['code']}: {said['detail']}", told_by(answer) != "no end"
