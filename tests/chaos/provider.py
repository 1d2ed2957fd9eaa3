"""The provider as an oracle: an emulator on a loopback socket that tells what it issued and who still holds it.

It lives in the process of the harness, on a real socket: the harness then knows without asking what the provider has
done at the very instant of a kill, and no control protocol stands between them.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Literal

from adapters.rompslomp import emulator as rompslomp
from adapters.thenextinvoice import emulator as thenextinvoice
from gateway.contract.clock import Clock
from gateway.contract.emulator import Emulator, Message, Receive, Send
from gateway.contract.exact import MalformedJson, loads
from gateway.demo import pointed_at
from gateway.engine.clock import SystemClock
from gateway.registry import discover
from gateway.serve import listen, port_of, serving

Mode = Literal["M0", "M1", "M2", "M3", "M4"]
LOSS_FREE: tuple[Mode, ...] = ("M0", "M1", "M2")
"""Where the provider gives a client that crashed a second chance, so that it has no excuse for a loss."""
LOSSY: tuple[Mode, ...] = ("M3", "M4")
"""Where a crash between the provider's commit and our own loses the connection, whatever a client does."""
SHORT = 10
"""Seconds an access token lives where it may run out by itself: more than it may take to use one on a busy machine."""
LONG = 7200
"""The same where it must not."""
LATENCY = 0.003
"""Seconds that a token request takes at most before the provider commits, and again before its answer leaves."""


@dataclass(frozen=True)
class Kind:
    """A provider of one mode: its adapter, how its emulator is made, and the credentials of a new connection."""

    adapter: str
    make: Callable[[Clock], Emulator]
    connection: Callable[[Emulator], Mapping[str, Any]]
    """What ``POST /v1/connections`` takes, beside a name."""
    path: str = "contacts?limit=1"


def _rompslomp(rotation: rompslomp.Rotation, lifetime: int) -> Kind:
    def make(clock: Clock) -> Emulator:
        switches = rompslomp.Switches(refresh_rotation=rotation, access_token_seconds=lifetime)
        return rompslomp.Emulator(clock, switches=switches)

    def connection(emulator: Emulator) -> Mapping[str, Any]:
        assert isinstance(emulator, rompslomp.Emulator)
        return {"credentials": emulator.oauth_credentials(), "company_id": emulator.company_id}

    return Kind("rompslomp", make, connection)


def _log_in(lifetime: int) -> Kind:
    def make(clock: Clock) -> Emulator:
        return thenextinvoice.Emulator(clock, token_lifetime=timedelta(seconds=lifetime))

    def connection(emulator: Emulator) -> Mapping[str, Any]:
        assert isinstance(emulator, thenextinvoice.Emulator)
        return {"credentials": emulator.password_credentials(), "company_id": str(emulator.company.id)}

    return Kind("thenextinvoice", make, connection)


KINDS: Mapping[Mode, Callable[[int], Kind]] = {
    "M0": _log_in,
    "M1": lambda lifetime: _rompslomp("on_use", lifetime),
    "M2": lambda lifetime: _rompslomp("grace", lifetime),
    "M3": lambda lifetime: _rompslomp("immediate", lifetime),
    "M4": lambda lifetime: _rompslomp("reuse_detection", lifetime),
}
MEANING: Mapping[Mode, str] = {
    "M0": "credentials buy tokens, again and again",
    "M1": "old pair dies when the new one is used",
    "M2": "old pair lives half a minute longer",
    "M3": "old pair dies at once",
    "M4": "old pair dies at once; its reuse kills the family",
}


@dataclass
class Provider:
    """A provider that runs. ``waiting`` counts token requests in its hands; ``unused`` are tokens nobody presented."""

    kind: Kind
    emulator: Emulator
    random: Random
    url: str = ""
    counted: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    most_waiting: int = 0
    unused: set[str] = field(default_factory=set)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """The first token request since all tokens ran out."""
    used: asyncio.Event = field(default_factory=asyncio.Event)
    """The first use of a token that was given since then."""
    calm_since: float = 0.0
    """When the last token that was asked for was used, or refused: by the monotonic clock."""
    latency: float = LATENCY
    pause: float = 0.0
    """Seconds that any other answer takes at most to leave, once what was asked is done."""

    @property
    def token_requests(self) -> int:
        """How many there were, ever."""
        return self.counted["tokens"]

    def _noted(self) -> None:
        """Note when nothing is under way any more."""
        if not self.refreshing:
            self.calm_since = time.monotonic()

    @property
    def refreshes(self) -> int:
        """How many tokens are asked for at this instant, or were given and not used yet."""
        return self.waiting + len(self.unused)

    @property
    def refreshing(self) -> bool:
        """Whether there is any such."""
        return self.refreshes > 0

    def environment(self) -> dict[str, str]:
        """What takes a gateway here."""
        return pointed_at(discover()[self.kind.adapter], self.url, self.emulator)

    def expire(self) -> None:
        """Make every access token worthless, and watch for the next token request."""
        self.emulator.expire_tokens()
        self.emulator.journal.clear()
        self.unused.clear()
        self.arrived.clear()
        self.used.clear()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].removesuffix(".json") in ("/oauth/token", "/api/v1/session/jwt"):
            await self._token(scope, receive, send)
            return
        for name, value in scope["headers"]:
            if name == b"authorization":
                self._is_used(value.decode("latin-1").partition(" ")[2])
        await self.emulator(scope, receive, self._late(send))

    def _is_used(self, token: str) -> None:
        if token in self.unused:
            self.unused.discard(token)
            self.used.set()
            self._noted()

    def _late(self, send: Send) -> Send:
        async def late(message: Message) -> None:
            if message["type"] == "http.response.start" and self.pause:
                await asyncio.sleep(self.random.uniform(0, self.pause))
            await send(message)

        return late

    async def _token(self, scope: Message, receive: Receive, send: Send) -> None:
        self.counted["tokens"] += 1
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        self.arrived.set()

        async def late(message: Message) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(self.random.uniform(0, self.latency))
            elif given := _token_in(message.get("body", b"")):
                self.unused.add(given)
            await send(message)

        try:
            await asyncio.sleep(self.random.uniform(0, self.latency))
            await self.emulator(scope, receive, late)
        finally:
            self.waiting -= 1
            self._noted()


def _token_in(body: bytes) -> str | None:
    try:
        said: Any = loads(body)
    except MalformedJson:
        return None
    inner = said.get("data", said) if isinstance(said, dict) else {}
    return inner.get("access_token") or inner.get("token") if isinstance(inner, dict) else None


@asynccontextmanager
async def provided(mode: Mode, random: Random, *, lifetime: int = SHORT) -> AsyncIterator[Provider]:
    """A provider of a mode, on a loopback socket while the block runs."""
    kind = KINDS[mode](lifetime)
    provider = Provider(kind, kind.make(SystemClock()), random)
    listener = listen("127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{port_of(listener)}"
    async with serving(provider, listener):
        yield provider
