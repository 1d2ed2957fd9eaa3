"""Who is asking the same at this moment: equal work is done once, for all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from gateway.contract.errors import Problem
from gateway.engine.waiting import waiting

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Equal work under way is done once: the first asker starts it, the others wait for the same result.

    The work runs in a task of its own, so that an asker who leaves cancels nothing for the others.
    """

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, ...], asyncio.Task[T]] = {}

    async def share(self, key: tuple[str, ...], work: Callable[[], Awaitable[T]]) -> T:
        """The result of ``work``, or of the same work already under way. Each asker gets a ``Problem`` of his own."""
        if key not in self._tasks:
            return await shared(self.begin(key, work))
        with waiting():
            return await shared(self.begin(key, work))

    def begin(self, key: tuple[str, ...], work: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """Have ``work`` done, unless the same is under way; nobody need wait for it."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(_run(work))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        return task

    def _land(self, key: tuple[str, ...], task: asyncio.Task[T]) -> None:
        self._tasks.pop(key, None)
        if not task.cancelled():
            task.exception()  # every asker may have left: then nobody else would look at it

    async def settle(self, within: float | None = None) -> None:
        """Wait until nothing is under way, or so many seconds; what takes longer is not called off."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=within)


async def shared(task: asyncio.Task[T]) -> T:
    """The result of a task that others wait for too: who leaves calls nothing off for them, and each hears a
    ``Problem`` of his own, of which he may say what is true of himself only.
    """
    try:
        return await asyncio.shield(task)
    except Problem as problem:
        own = problem.copy()
    finally:
        del task  # it holds its error, and the error this frame: garbage, which is looked for seldom
    try:
        raise own  # not above, where it would hold the other, and that one's frames
    finally:
        del own


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
