"""An event loop whose order of things follows from a seed: time passes when nobody has anything to do, and at once.

Nothing here waits for the machine: there are no sockets and no threads. What belongs to a process (``PROCESS`` in its
context) stops in the middle of whatever it does when that process dies, as under SIGKILL.
"""

import asyncio
import contextvars
import os
import random
import selectors
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from unittest.mock import patch


class Hung(AssertionError):
    """Somebody waits for what will never happen."""


class Mortal(Protocol):
    """What can die."""

    @property
    def alive(self) -> bool:
        """Whether it has not died yet."""


PROCESS: contextvars.ContextVar[Mortal | None] = contextvars.ContextVar("process", default=None)
"""Whose doing this is; None for the world outside."""


class _Skipping(selectors.DefaultSelector):
    """Waits for no file: the time until the next thing is skipped."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Hung("Everybody waits, and nothing will ever happen.")
        self.now += timeout
        return []


class Clockwork(asyncio.SelectorEventLoop):
    """The loop. ``stumbled`` holds what went wrong where nobody waited for it."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)
        self.stumbled: list[str] = []
        self._frozen: list[tuple[contextvars.Context, Callable[..., object], tuple[Any, ...]]] = []
        self._pending: set[asyncio.Task[Any]] = set()
        self.set_exception_handler(self._note)
        self.set_task_factory(self._begun)

    def time(self) -> float:
        return self._skipping.now

    def call_soon(  # type: ignore[override]  # whatever is called
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return super().call_soon(self._unless_dead, callback, args, context=context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return super().call_at(when, self._unless_dead, callback, args, context=context)

    def run_in_executor(  # type: ignore[override]  # as above
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """What a thread would do is done in one go, a moment later."""
        done = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except BaseException as error:
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        self.call_later(0.001, work)
        return done

    def bury(self) -> None:
        """End what the dead had under way and everybody else has, before the loop is closed."""
        for context, callback, args in self._frozen:
            super().call_soon(callback, *args, context=context)
        self._frozen.clear()
        for _ in range(100):
            if not self._pending:
                break
            for task in self._pending:
                task.cancel()
            self.run_until_complete(self._moment())

    async def _moment(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        self._pending.discard(_this_task())

    def _unless_dead(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        process = PROCESS.get()
        if process is None or process.alive:
            callback(*args)
        else:
            self._frozen.append((contextvars.copy_context(), callback, args))

    def _begun(self, loop: asyncio.AbstractEventLoop, coro: Any, **how: Any) -> asyncio.Task[Any]:
        """A task, kept from being forgotten: what the dead had under way stays as it was."""
        task = asyncio.Task(coro, loop=loop, **how)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard, context=contextvars.Context())
        return task

    def _note(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        del loop
        error = context.get("exception")
        if "asynchronous generator" in str(error):
            return  # of the dead: Python tidies up what they had begun, where a kernel would not
        self.stumbled.append(f"{context.get('message')} {error!r}")


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


@contextmanager
def loaded_dice(seed: int) -> Iterator[None]:
    """Whatever is drawn at random while the block runs follows from the seed, secrets too."""
    urandom = random.Random(seed).randbytes
    with patch.object(os, "urandom", urandom), patch.object(random, "_urandom", urandom):
        yield
