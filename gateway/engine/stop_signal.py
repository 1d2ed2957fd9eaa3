"""The process is about to stop: whoever waits does so no longer."""

import asyncio

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.waiting import waiting


class StopSignal:
    """Waits between two requests, or looks; once it is set nobody waits, and no token is asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stopping = asyncio.Event()

    def set(self) -> None:
        """From now on nobody waits, and nobody asks."""
        self._stopping.set()

    @property
    def is_set(self) -> bool:
        """Whether the process is about to stop."""
        return self._stopping.is_set()

    def refuse_if_set(self) -> None:
        """Raises ``upstream_unavailable`` where the process is about to stop."""
        if self.is_set:
            raise Problem(
                "upstream_unavailable", "This Polder is about to stop and asks for no more tokens.", retry_after=1
            )

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds. Raises ``upstream_unavailable`` as soon as the process is about to stop."""
        await self.slept(seconds)
        self.refuse_if_set()

    async def slept(self, seconds: float) -> bool:
        """Wait that many seconds; False, without waiting any longer, where the process is about to stop."""
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            with waiting():
                await asyncio.wait((sleeping, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            stopping.cancel()
        return not self.is_set

    async def wait(self, at_most: float) -> bool:
        """Wait for the end, so many real seconds at most; whether it came."""
        try:
            async with asyncio.timeout(at_most):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True
