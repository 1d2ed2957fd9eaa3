"""Worlds of some seeds, in which every promise is kept; ``./dev chaos interleavings`` is the long form."""

from functools import cache

import pytest

from tests.house import emulated
from tests.simulation.run import PLAYERS, Told, simulate

SEEDS = (16, 24)


@cache
def told_first(system: str, seed: int) -> Told:
    return simulate(seed, emulated()[system])


@pytest.mark.parametrize("system", PLAYERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_is_kept(system: str, seed: int) -> None:
    told = told_first(system, seed)
    assert not told.broken, str(told)
    assert told.writes > told.manual


def test_nearly_every_system_plays() -> None:
    assert len(PLAYERS) > 3


def test_a_seed_tells_the_same_story_again() -> None:
    again = simulate(SEEDS[1], emulated()["memory"])
    assert again.happened == told_first("memory", SEEDS[1]).happened
