"""Short runs of `./dev chaos writes`: real sockets, real processes, some of which die."""

import asyncio

from tests.chaos import ambiguous, twins
from tests.chaos.rounds import SYSTEMS
from tests.chaos.spoiling import SHAPES

WISHES = 12
HASTY = ambiguous.Times(deadline=4.0, zombie=10.0)


async def test_ambiguous_writes_are_done_once_and_told_truly() -> None:
    rounds = [ambiguous.play(system, seed=20, wishes=WISHES, times=HASTY) for system in SYSTEMS]
    for result in await asyncio.gather(*rounds):
        assert result.bad == 0, result
        assert result.succeeded + result.manual.total() == WISHES
        assert set(result.shapes) <= {*SHAPES, "killed"}
        assert result.doubted >= 3


async def test_what_is_asked_for_many_times_at_once_is_made_once() -> None:
    result = await twins.play(keys=2, seed=20)
    assert (result.keys, result.creates, result.wrong) == (2, 2, 0)
    assert result.told.total() == 2 * twins.AT_ONCE
