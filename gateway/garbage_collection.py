"""What a process holds of memory: garbage is collected seldom, not while it starts, and what is free goes back.

A start makes a hundred thousand things that stay. To look at them again and again while they are made costs a seventh
of the start and finds next to nothing; and later, each full look at them is a pause of every request under way.

After it, what 64 requests under way hold are more than the 700 things after which Python looks: nearly all of it is
alive, and is looked at again and again. That took a tenth of the time of an uncached answer. Next to no garbage needs
collecting: what nobody refers to is freed at once, and a hundred thousand things that refer to each other take 20 MB.
They also take a tenth of a second to look at, in which nobody is answered. So requests leave none, those that fail
neither: an error holds every frame that it came through, and none of those may hold it (tests/engine/test_garbage.py).
"""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

YOUNG = 100_000
"""Things made, and not yet freed, after which there is a look at whether they are garbage."""
EVERY = 60.0
"""Seconds between two times that free memory goes back."""


@contextmanager
def put_off() -> Iterator[None]:
    """Nothing is collected while the block runs, and seldom after it; what is there at its end is never looked at."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(YOUNG)
        gc.enable()


def trim_heap() -> None:
    """Let the system have what is free in the middle of the heap, where it runs on glibc; elsewhere do nothing.

    glibc keeps that, and answers of all sizes that come and go between those that are kept leave more of it every hour.
    """
    # libffi may keep a file of its own open from here on, which must not take the place of a standard stream.
    import ctypes  # noqa: PLC0415

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


@asynccontextmanager
async def trimming(every: float = EVERY) -> AsyncIterator[None]:
    """Give back now and then while the block runs; it takes a few milliseconds."""

    async def rounds() -> None:
        while True:
            await asyncio.sleep(every)
            trim_heap()

    task = asyncio.create_task(rounds())
    try:
        yield
    finally:
        task.cancel()
