"""What is carried through once it has begun, whether or not its caller still waits: writes, and what an owner gives.

A caller who leaves, or a server that calls off what is not done when it must stop, ends his wait and nothing else.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class ShieldedTasks:
    """All that is under way in this process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def to_the_end(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What comes of it."""
        task: asyncio.Task[T] = asyncio.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        finally:
            del task  # see single_flight.shared

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # a caller who left does not look at it

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
