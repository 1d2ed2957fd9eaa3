"""A provider that rotates its tokens in one of the five ways, and a process of ours that calls it with them."""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx2

from gateway.contract.auth import AccessToken
from gateway.contract.secret import Secret
from gateway.engine.network.http import Wire
from gateway.engine.storage import StoredConnection, StoredToken
from gateway.engine.tokens import Tokens
from tests.engine.journal import Disk, MemoryOwner, MemoryStorage, Steps
from tests.engine.staging import Unobserved, connection, provider, said
from tests.house import START, ManualClock
from tests.model.issuers import Issuer, Mode, refreshed, used

LIFETIME = 7200
PROVIDER = provider()
Fault = Callable[[], httpx2.Response | Exception]


def oauth_connection(id: str = "con_1") -> StoredConnection:
    return connection(id, type="oauth")


def pair(id: str, access: int, refresh: int, *, lifetime: int = LIFETIME) -> AccessToken:
    """Pair of that number, as its connection was given it at the start."""
    expires_at = START + timedelta(seconds=lifetime)
    return AccessToken(Secret(f"{id}/a{access}"), expires_at, Secret(f"{id}/r{refresh}"))


class RotatingProvider(httpx2.AsyncBaseTransport):
    """The token endpoint, and what a used access token does.

    ``then`` holds what comes of the next requests instead of an answer: ``lost`` once the work was done, ``unheard``
    before, or any answer; ``always`` holds what comes of every one.
    """

    def __init__(self, mode: Mode, *, lifetime: int = LIFETIME) -> None:
        self.mode = mode
        self.issuers: dict[str, Issuer] = {}
        self.asked: list[str] = []
        self.in_flight: dict[str, int] = {}
        self.most_in_flight = 0
        self.then: list[str | httpx2.Response] = []
        self.always: Callable[[], httpx2.Response] | None = None
        self.steps = Steps()
        self.hold: asyncio.Event | None = None
        self._lifetime = lifetime

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        token = parse_qs(request.content.decode())["refresh_token"][0]
        id, _, number = token.rpartition("/r")
        self.asked.append(token)
        self.in_flight[id] = self.in_flight.get(id, 0) + 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight[id])
        try:
            return await self._answered(id, int(number))
        finally:
            self.in_flight[id] -= 1

    async def _answered(self, id: str, number: int) -> httpx2.Response:
        self.steps.done("request")
        await asyncio.sleep(0)
        if self.hold is not None:
            await self.hold.wait()
        if self.always is not None:
            return self.always()
        instead = self.then.pop(0) if self.then else None
        if isinstance(instead, httpx2.Response):
            return instead
        if instead == "unheard":
            raise httpx2.ReadError("reset")
        answer = self.refresh(id, number)
        self.steps.done("the provider answers")
        if instead == "lost":
            raise httpx2.ReadError("reset")
        self.steps.done("answer")
        return answer

    def refresh(self, id: str, number: int) -> httpx2.Response:
        """Do the work, and give what would be answered."""
        issuer, given = refreshed(self.mode, self.issuers.get(id, Issuer()), number)
        self.issuers[id] = issuer
        if given is None:
            return refusal()
        body: dict[str, object] = {"access_token": f"{id}/a{given.access}", "expires_in": self._lifetime}
        if self.mode is not Mode.STATIC:
            body["refresh_token"] = f"{id}/r{given.refresh}"
        return said(body)

    def use(self, token: AccessToken) -> None:
        """The API is called with it."""
        id, _, number = token.value.reveal().rpartition("/a")
        self.steps.done("use")
        self.issuers[id] = used(self.mode, self.issuers.get(id, Issuer()), int(number))


def refusal(error: str = "invalid_grant", status: int = 400) -> httpx2.Response:
    return said({"error": error}, status)


class Timeline(ManualClock):
    """Time that passes only when nobody has anything to do before it does: sleepers wake in the order of their time."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.monotonic() + seconds, self._count, woken))
        await woken

    async def pass_until(self, done: asyncio.Future[Any], *, idle_turns: int = 200) -> None:
        """Let time pass until that is done; a turn of the loop in which nobody sleeps any less counts as idle."""
        turns = 0
        while not done.done():
            before = self._count
            await asyncio.sleep(0)
            turns = turns + 1 if self._count == before else 0
            if turns > idle_turns and self._sleepers:
                until, _, woken = heapq.heappop(self._sleepers)
                self.advance(max(0.0, until - self.monotonic()))
                if not woken.done():
                    woken.set_result(None)
                turns = 0


@dataclass
class Life:
    """One process: the token layer on a disk that may outlive it, and a provider that surely does."""

    books: RotatingProvider
    disk: Disk = field(default_factory=Disk)
    clock: ManualClock = field(default_factory=ManualClock)
    steps: Steps = field(default_factory=Steps)
    owner: str = "one"
    observer: Unobserved = field(default_factory=Unobserved)

    def __post_init__(self) -> None:
        self.books.steps = self.steps
        self.storage = MemoryStorage(self.disk, self.steps)
        wire = Wire(self.clock, lambda origin: self.books)
        self.process = MemoryOwner(self.owner, lambda name: name not in self.disk.living)
        self.tokens = Tokens(self.storage.as_storage(), wire, self.clock, self.observer, self.process)

    def begin(self, id: str = "con_1", *, lifetime: int = LIFETIME) -> StoredConnection:
        """A connection with its first pair, whose access token was used."""
        made = oauth_connection(id)
        self.disk.put(made, StoredToken(1, pair(id, 0, 0, lifetime=lifetime), START, "used"))
        self.books.issuers[id] = Issuer()
        return made

    async def call(self, made: StoredConnection) -> str:
        """Use the API once: the access token it was called with."""
        token = await self.tokens.current(made, PROVIDER)
        self.books.use(token)
        self.tokens.worked(made, token)
        await self.tokens.settle()
        return token.value.reveal().rpartition("/")[2]

    def refreshes(self) -> list[str]:
        """The refresh tokens that the provider was asked with."""
        return [token.rpartition("/")[2] for token in self.books.asked]
