"""A start collects no garbage; a process that has started does, whatever became of the start."""

import gc

import pytest

from gateway.collecting import put_off


def test_collection_is_put_off_for_a_start_and_what_is_there_then_is_left_alone() -> None:
    with put_off():
        assert not gc.isenabled()
        made: list[list[object]] = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(made)


def test_a_start_that_fails_leaves_collection_on() -> None:
    with pytest.raises(ZeroDivisionError), put_off():
        raise ZeroDivisionError
    assert gc.isenabled()
