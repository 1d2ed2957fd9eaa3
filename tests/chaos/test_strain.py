"""Short forms of what ``./dev chaos writes`` does to a gateway beside spoiling answers: see README.md, "Strain"."""

from random import Random

from tests.chaos import hangups
from tests.chaos.overload import AMPLIFICATION, FAILING, closed
from tests.chaos.strained import strained


async def test_callers_who_hang_up_leave_nothing_behind_and_no_write_half_done() -> None:
    async with strained((hangups.SYSTEM,), configured=hangups.CONFIGURED) as stand:
        stand.systems[hangups.SYSTEM].latency = hangups.LATENCY
        seen = await hangups.hung_up(stand, 150, Random(8), writes=0.3)
        assert (seen.asked, seen.wrong) == (150, [])
        assert seen.states["applied"] > 0
        assert not any((await hangups.left(stand)).values())
        assert (await stand.ask("GET", stand.read(hangups.SYSTEM))).status == 200


async def test_a_system_that_answers_503_is_hardly_asked_more_than_its_callers_ask() -> None:
    async with strained((FAILING,)) as stand:
        system = stand.systems[FAILING]
        system.down, before = True, system.asked
        load = await closed(stand, lambda: stand.read(FAILING), callers=16, seconds=1.0)
        assert load.statuses.keys() == {"503"}
        assert system.asked - before <= AMPLIFICATION * max(len(load.told), 40)
