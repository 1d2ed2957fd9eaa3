"""``./dev chaos writes``: nothing is done twice, lost silently, or told otherwise than it is. See README.md."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from tests.chaos import hangups, malformed, nodes, overload, rounds, twins
from tests.chaos.report import Parameters, Report, begun, concluded

Part = Callable[[Parameters, Report], Awaitable[None]]
"""Does its worst, and adds its rows to the report as soon as it has them."""

PARTS: Mapping[str, Part] = {
    "ambiguous": rounds.measured,
    "twins": twins.measured,
    "failing": overload.failing,
    "hanging": overload.hanging,
    "overload": overload.overloaded,
    "restarts": nodes.restarted,
    "hangups": hangups.measured,
    "malformed": malformed.measured,
}


def main(arguments: Sequence[str]) -> int:
    """Run it; 0 where everything is as promised."""
    asked, report = begun("writes", __doc__, arguments, tuple(PARTS), malformed.SYSTEMS)
    asyncio.run(_run(asked, report))
    return concluded(report)


async def _run(asked: Parameters, report: Report) -> None:
    for part in asked.only:
        await PARTS[part](asked, report)
