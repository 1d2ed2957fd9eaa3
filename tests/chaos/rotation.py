"""The keys that everything is sealed with are changed again and again, as an operator does it: while gateways serve.

For each new key, every gateway in turn is killed and started with the new key first; then ``polder rotate-keys`` is
run, and killed at a random instant, until it has been killed often enough and is let come to its end. Then nothing may
be sealed with the key before. The one after is in every gateway's list already, so that each opens what another seals.
"""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr

from gateway.app import storage_of
from gateway.settings import Settings
from gateway.store.seal import generate_key
from tests.chaos.kills import EARLIER, LATER
from tests.chaos.processes import Gateway
from tests.chaos.sites import ENVIRONMENT, Loss, Site

CONNECTIONS = 60
"""To begin with; as many more are made meanwhile."""
BLIND, AIMED = 2, 2
"""Kills of ``polder rotate-keys`` for each key: at any instant of its life, and once something is under the new key."""
FEW = 5
"""More than the values that a gateway seals anew by itself meanwhile, such as the head of the audit log."""
BEGUN_WITHIN = 10.0
"""Seconds until a rotation has begun to write."""
READERS = 4
BREATH = 0.02
"""Seconds that a reader rests at most, and that who met a dead gateway waits before he goes to another."""
GROWTH = 0.5
"""Seconds between two new connections."""
TRIES = 100


@dataclass
class Turned:
    """What came of it."""

    rotations: int = 0
    killed: int = 0
    """Rotations that were killed before their end."""
    killed_halfway: int = 0
    """Those of them that had brought some values under the new key, and not all."""
    gateways_killed: int = 0
    requests: int = 0
    repeated: int = 0
    """Requests that a gateway took with it when it was killed, and another answered."""
    failed: Counter[str] = field(default_factory=Counter)
    """Requests that were answered with anything else than a success, by the answer."""
    unopened: int = 0
    """Values that a rotation could not open."""
    left_behind: int = 0
    """Values that were still sealed with an older key after a rotation had come to its end."""
    losses: list[Loss] = field(default_factory=list)


async def rotate(
    site: Site,
    rotations: int,
    *,
    is_over: Callable[[], bool] = lambda: False,
    told: Callable[[Turned], None] = lambda turned: None,
) -> Turned:
    """Change the keys of a site on one host so many times, or fewer where it ``is_over`` before."""
    done = Turned()
    operator = _Operator(site, done)
    async with _loaded(site, done):
        while done.rotations < rotations and not is_over():
            await operator.rotate()
            done.rotations += 1
            told(done)
    await operator.retire()
    done.losses = await site.losses()
    return done


class _Operator:
    """Who changes the keys."""

    def __init__(self, site: Site, done: Turned) -> None:
        self._site = site
        self._done = done
        self._runs = 0
        self._window = 0.3
        self._old = ""
        self._new = site.gateways[0].environment["POLDER_ENCRYPTION_KEYS"]
        self._next = generate_key()

    async def rotate(self) -> None:
        """Bring everything under the next key."""
        self._old, self._new, self._next = self._new, self._next, generate_key()
        # At first nobody knows the new key yet: whoever is still to be restarted must be able to open what it seals.
        if self._done.rotations == 0:
            await self._restart_all(self._old, self._new)
        await self._restart_all(self._new, self._old, self._next)
        for number in range(BLIND + AIMED):
            await self._rotate_and_kill(aimed=number >= BLIND)
        await self._rotate_to_the_end(self._new, self._old)

    async def retire(self) -> None:
        """Go on with nothing but the newest key."""
        await self._restart_all(self._new)
        await self._rotate_to_the_end(self._new)

    async def _restart_all(self, *keys: str) -> None:
        for gateway in self._site.gateways:
            gateway.strike()
            status = await gateway.bury()
            assert status == -signal.SIGKILL, f"a gateway had ended by itself, with {status}"
            self._done.gateways_killed += 1
            gateway.environment = {**gateway.environment, "POLDER_ENCRYPTION_KEYS": ",".join(keys)}
            await gateway.start()

    async def _rotate_and_kill(self, *, aimed: bool) -> None:
        async with self._counting() as left:
            before = await left()
            pid, _ = await self._begun(self._new, self._old)
            if aimed:
                until = time.monotonic() + BEGUN_WITHIN
                while await left() >= before - FEW and time.monotonic() < until:
                    await asyncio.sleep(0)
            else:
                await asyncio.sleep(self._site.random.uniform(0, self._window))
            os.kill(pid, signal.SIGKILL)
            hit = await self._site.gateways[0].starter.reap(pid) == -signal.SIGKILL
            self._done.killed += hit
            self._done.killed_halfway += hit and 0 < await left() < before - FEW
        if not aimed:
            self._window *= LATER if hit else EARLIER

    async def _rotate_to_the_end(self, *keys: str) -> None:
        pid, log = await self._begun(*keys)
        status = await self._site.gateways[0].starter.reap(pid)
        said: dict[str, Any] = json.loads(log.read_text())
        assert status == (1 if said["unopened"] else 0), log.read_text()
        self._done.unopened += said["unopened"]
        self._done.left_behind += sum(count for key, count in said["in_use"].items() if key != said["primary"])

    async def _begun(self, *keys: str) -> tuple[int, Path]:
        self._runs += 1
        gateway = self._site.gateways[0]
        log = gateway.home / f"rotation-{self._runs}.log"
        own = {"POLDER_HOME": str(gateway.home), "POLDER_ENCRYPTION_KEYS": ",".join(keys)}
        pid = await gateway.starter.start({**gateway.environment, **own}, log, None, ("rotate-keys", "--json"))
        return pid, log

    @asynccontextmanager
    async def _counting(self) -> AsyncIterator[Callable[[], Awaitable[int]]]:
        """What counts the values that are still sealed with the old key."""
        keys = SecretStr(f"{self._new},{self._old}")
        storage = storage_of(Settings(env=ENVIRONMENT, home=self._site.gateways[0].home, encryption_keys=keys))
        old = self._old.partition(":")[0]

        async def left() -> int:
            return (await storage.rotation.in_use()).get(old, 0)

        try:
            yield left
        finally:
            await storage.close()


@asynccontextmanager
async def _loaded(site: Site, done: Turned) -> AsyncIterator[None]:
    """Have every connection called, and new ones made, while the block runs; what is under way then is finished."""
    stopped = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(READERS):
            group.create_task(_read(site, done, stopped))
        group.create_task(_grow(site, done, stopped))
        try:
            yield
        finally:
            stopped.set()


async def _read(site: Site, done: Turned, stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        connection = site.random.choice(site.connections)
        await _insisted(site, done, "GET", f"/v1/connections/{connection}/{site.provider.kind.path}")
        await asyncio.sleep(site.random.uniform(0, BREATH))


async def _grow(site: Site, done: Turned, stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), GROWTH)
        if len(site.connections) < 2 * CONNECTIONS:
            made = await _insisted(site, done, "POST", "/v1/connections", site.another())
            if made is not None:
                site.connections.append(made.json()["id"])


async def _insisted(site: Site, done: Turned, method: str, path: str, body: object = None) -> httpx2.Response | None:
    """A success; None where there is none. Whoever meets a gateway that is killed, or just was, goes to another."""
    done.requests += 1
    answer = await _answered(site, done, method, path, body)
    if answer is not None and answer.is_success:
        return answer
    done.failed["no answer" if answer is None else f"{answer.status_code} {answer.text}"] += 1
    return None


async def _answered(site: Site, done: Turned, method: str, path: str, body: object) -> httpx2.Response | None:
    for _ in range(TRIES):
        try:
            return await _live(site).ask(method, path, body)
        except httpx2.TransportError:
            done.repeated += 1
            await asyncio.sleep(BREATH)
    return None


def _live(site: Site) -> Gateway:
    return site.random.choice([one for one in site.gateways if one.pid is not None])
