"""Garbage collection, put off while a process starts.

A start makes a hundred thousand things that stay. To look at them again and again while they are made costs a seventh
of the start and finds next to nothing; and later, each full look at them is a pause of every request under way.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def put_off() -> Iterator[None]:
    """Nothing is collected while the block runs, and what is there at its end is never looked at again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
