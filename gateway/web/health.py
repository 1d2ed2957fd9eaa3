"""Whether this process should be sent requests, and whether it lives."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.single_flight import SingleFlight
from gateway.engine.storage import Storage
from gateway.web.metrics import Metrics

CHECK_WITHIN, LOOK_WITHIN = 2.0, 0.5
"""Seconds that whoever asks waits for the storage, and for a warning: less, together, than a probe's patience."""
GIVEN_UP_AFTER = 5.0
"""Seconds after which a look at the storage itself ends, though nobody waits for it any more."""
LOOKED_FOR = 15.0
"""Seconds an answer to whether there are strangers is believed."""
STRANGERS = "Other gateways use this database and hear of no write made here: set POLDER_REDIS_URL, or run one node."
CHECKED_FOR = 2.0
"""Seconds a good check is believed: probes, and anyone else who asks, must not become a load on the storage."""


class Health:
    """Alive as long as it answers; ready while its storage can be written to and it is not about to stop.

    The accounting systems have no part in it: their outage is no reason to take Polder away. A storage cannot be called
    off (SQLite waits five seconds for a lock, whatever happens), so it is looked at in a task of its own, and who asks
    meanwhile waits for the same.
    """

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        metrics: Metrics,
        strangers: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """``strangers`` says whether gateways are there that share storage but no generations with this one."""
        self._strangers = strangers
        self._warning: str | None = None
        self._looked_until = 0.0
        self._draining = False
        self._metrics = metrics
        self._storage = storage
        self._clock = clock
        self._good_until = 0.0
        self._looks: SingleFlight[None] = SingleFlight()

    def drain(self) -> None:
        """From now on it is not ready: the process is about to stop."""
        self._draining = True
        self._metrics.draining.set(1)

    async def alive(self, request: Request) -> Response:
        """``/livez`` and ``/healthz``: the event loop turns."""
        del request
        return _json({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """``/readyz``. Raises ``storage_unavailable``."""
        del request
        if self._draining:
            return _json({"status": "draining"}, 503)
        await self.check()
        warning = await self.warning()
        return _json({"status": "ok"} if warning is None else {"status": "ok", "warning": warning})

    async def warning(self, within: float = LOOK_WITHIN) -> str | None:
        """What its operator should know, though it answers; where that is not found out in so many seconds, what was
        known before.
        """
        strangers = self._strangers
        if strangers is not None and self._clock.monotonic() >= self._looked_until:
            with contextlib.suppress(Problem, TimeoutError):
                async with asyncio.timeout(within):
                    await self._looks.share(("strangers",), partial(self._look, strangers))
        return self._warning

    async def check(self) -> None:
        """Prove that the storage can be written to, unless that was done just now. Raises ``storage_unavailable``."""
        if self._clock.monotonic() < self._good_until:
            return
        try:
            async with asyncio.timeout(CHECK_WITHIN):
                await self._looks.share(("storage",), self._write)
        except TimeoutError:
            self._metrics.storage_up.set(0)
            raise Problem("storage_unavailable", f"The storage did not answer in {CHECK_WITHIN:g} seconds.") from None

    async def close(self) -> None:
        """Wait for what is still looked at: the storage is closed next."""
        await self._looks.settle()

    async def _look(self, strangers: Callable[[], Awaitable[bool]]) -> None:
        self._looked_until = self._clock.monotonic() + LOOKED_FOR
        async with asyncio.timeout(GIVEN_UP_AFTER):
            self._warning = STRANGERS if await strangers() else None

    async def _write(self) -> None:
        try:
            async with asyncio.timeout(GIVEN_UP_AFTER):
                await self._storage.check()
        except Problem:
            self._metrics.storage_up.set(0)
            raise
        self._metrics.storage_up.set(1)
        self._good_until = self._clock.monotonic() + CHECKED_FOR


def _json(body: dict[str, str], status: int = 200) -> Response:
    return JSONResponse(body, status, headers={"Cache-Control": "no-store"})
