"""A start collects no garbage; a process that has started does, whatever became of the start, and gives back memory."""

import asyncio
import gc
import sys
from pathlib import Path

import pytest

from gateway import garbage_collection
from gateway.garbage_collection import YOUNG, put_off, trim_heap, trimming


def test_collection_is_put_off_for_a_start_and_what_is_there_then_is_left_alone() -> None:
    with put_off():
        assert not gc.isenabled()
        made: list[list[object]] = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(made)
    assert gc.get_threshold()[0] == YOUNG


def test_a_start_that_fails_leaves_collection_on() -> None:
    with pytest.raises(ZeroDivisionError), put_off():
        raise ZeroDivisionError
    assert gc.isenabled()


def _megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps what is free and can be asked for it")
def test_what_is_free_between_what_is_kept_goes_back() -> None:
    trim_heap()
    blocks = [bytes(16 * 1024) for _ in range(4_000)]
    kept = blocks[::20]
    full = _megabytes()
    del blocks
    trim_heap()
    assert full - _megabytes() > 40
    assert len(kept) == 200


async def test_memory_is_given_back_again_and_again_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[int] = []
    monkeypatch.setattr(garbage_collection, "trim_heap", lambda: times.append(1))
    async with trimming(every=0.001):
        async with asyncio.timeout(10):
            while len(times) < 3:
                await asyncio.sleep(0.001)
    before = len(times)
    await asyncio.sleep(0.02)
    assert len(times) == before
