"""Worlds of some seeds, in which every promise is kept; ``./dev chaos interleavings`` is the long form."""

import pytest

from tests.house import emulated
from tests.simulation.run import simulate

SEEDS = (16, 24)


@pytest.mark.parametrize("system", sorted(emulated()))
@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_is_kept(system: str, seed: int) -> None:
    told = simulate(seed, emulated()[system])
    assert not told.broken, str(told)
    assert told.writes > told.manual


def test_a_seed_tells_the_same_story_again() -> None:
    first, again = (simulate(SEEDS[1], emulated()["memory"]) for _ in range(2))
    assert first.happened == again.happened
