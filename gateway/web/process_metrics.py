"""What a process tells of its own state: looked up when it is scraped, or measured all the while."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.observe import Strain
from gateway.engine.storage import Storage
from gateway.web.health import Health
from gateway.web.metrics import Metrics
from gateway.web.routes import Page

COUNTED_FOR = 60.0
"""Seconds a count of what is kept is believed: that of the connections reads their whole table."""
COUNT_WITHIN = 3.0
BEAT = 0.25
"""Seconds between two measurements of what a process sees by itself: of several, only one is asked by a scrape."""
PATH = "/metrics"


class ProcessMetrics:
    """The metrics page, and what has to be looked up for it. A storage that is away fails no scrape: it is a metric."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        health: Health,
        metrics: Metrics,
        places: Sequence[Path],
        last_backup: Callable[[], float | None],
    ) -> None:
        """``places`` are the folders in which anything is kept."""
        self._storage = storage
        self._clock = clock
        self._health = health
        self._metrics = metrics
        self._count_at = 0.0
        self._places = places
        self._last_backup = last_backup

    def page(self) -> Page:
        """The metrics page, for the table of pages."""
        return Page(self.show)

    def application(self) -> Starlette:
        """An application that has the metrics page and nothing else, for a port of its own."""
        return Starlette(routes=[Route(PATH, self.show)])

    async def show(self, request: Request) -> Response:
        """``/metrics``, in Prometheus' text format."""
        del request
        with contextlib.suppress(OSError):
            self._metrics.disk_free.set(min(shutil.disk_usage(place).free for place in self._places))
        self._metrics.last_backup.set(self._last_backup() or 0)
        with contextlib.suppress(Problem):
            await self._health.check()
            await self._count()
        return Response(
            self._metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
        )

    async def _count(self) -> None:
        if self._clock.monotonic() < self._count_at:
            return
        self._count_at = self._clock.monotonic() + COUNTED_FOR
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COUNT_WITHIN):
                self._metrics.census(await self._storage.connections.census())
                intents, writes = await self._storage.tokens.open_intents(), await self._storage.attempts.unknown()
                self._metrics.left_open(intents, writes, self._clock.now())


@contextlib.asynccontextmanager
async def beating(metrics: Metrics, strain: Callable[[], Mapping[str, Strain]]) -> AsyncIterator[None]:
    """Tell how late the event loop comes to what is due, and how calling the providers goes, while the block runs."""
    pulse = asyncio.create_task(_beat(metrics, strain))
    try:
        yield
    finally:
        pulse.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pulse


async def _beat(metrics: Metrics, strain: Callable[[], Mapping[str, Strain]]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        metrics.strained(strain())
        metrics.fold()
        due = loop.time() + BEAT
        await asyncio.sleep(BEAT)
        metrics.loop_lag.observe(max(0.0, loop.time() - due))
