"""Whether this process should be sent requests, and whether it lives."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.storage import Storage
from gateway.web.metrics import Metrics

CHECK_WITHIN = 3.0
LOOKED_FOR = 15.0
"""Seconds an answer to whether there are strangers is believed."""
STRANGERS = "Other gateways use this database and hear of no write made here: set POLDER_REDIS_URL, or run one node."
CHECKED_FOR = 2.0
"""Seconds a good check is believed: probes, and anyone else who asks, must not become a load on the storage."""


class Health:
    """Alive as long as it answers; ready while its storage can be written to and it is not about to stop.

    The accounting systems have no part in it: their outage is no reason to take Polder away.
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

    def drain(self) -> None:
        """From now on it is not ready: the process is about to stop."""
        self._draining = True
        self._metrics.draining.set(1)

    async def alive(self, request: Request) -> Response:
        """``/livez`` and ``/healthz``: the event loop turns."""
        del request
        return _said({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """``/readyz``. Raises ``storage_unavailable``."""
        del request
        if self._draining:
            return _said({"status": "draining"}, 503)
        await self.check()
        warning = await self.warning()
        return _said({"status": "ok"} if warning is None else {"status": "ok", "warning": warning})

    async def warning(self) -> str | None:
        """What its operator should know, though it answers; where that cannot be found out, what was known before."""
        if self._strangers is not None and self._clock.monotonic() >= self._looked_until:
            self._looked_until = self._clock.monotonic() + LOOKED_FOR
            with contextlib.suppress(Problem, TimeoutError):
                async with asyncio.timeout(CHECK_WITHIN):
                    self._warning = STRANGERS if await self._strangers() else None
        return self._warning

    async def check(self) -> None:
        """Prove that the storage can be written to, unless that was done just now. Raises ``storage_unavailable``."""
        if self._clock.monotonic() < self._good_until:
            return
        try:
            await self._write()
        except Problem:
            self._metrics.storage_up.set(0)
            raise
        self._metrics.storage_up.set(1)
        self._good_until = self._clock.monotonic() + CHECKED_FOR

    async def _write(self) -> None:
        try:
            async with asyncio.timeout(CHECK_WITHIN):
                await self._storage.check()
        except TimeoutError:
            raise Problem("storage_unavailable", f"The storage did not answer in {CHECK_WITHIN:g} seconds.") from None


def _said(body: dict[str, str], status: int = 200) -> Response:
    return JSONResponse(body, status, headers={"Cache-Control": "no-store"})
