"""A short run of `tests.chaos.ambiguous`: real sockets, real processes, one kill."""

from tests.chaos.ambiguous import run
from tests.chaos.spoiling import SHAPES


async def test_ambiguous_writes_are_done_once_and_told_truly() -> None:
    result = await run(wishes=24, seed=20, kills=1)
    assert result.is_good, result
    assert result.succeeded + result.manual == 24
    assert result.kills == 1
    assert set(result.spoiled) <= set(SHAPES)
    assert sum(result.spoiled.values()) >= 3
