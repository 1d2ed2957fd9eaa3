"""``./dev chaos writes``: nothing is done twice, lost silently, or told otherwise than it is. See README.md."""

import argparse
import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from tests.chaos import hangups, malformed, nodes, overload, rounds, twins
from tests.chaos.report import HEADING, Asked, Report

Part = Callable[[Asked, Report], Awaitable[None]]
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
    parser = argparse.ArgumentParser(prog="./dev chaos writes", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the figures that are published")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--seed", type=int, help="repeat the choices of another run")
    parser.add_argument("--minutes", type=float, help="end every part after so long, with what it has by then")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given more than once")
    given = parser.parse_args(arguments)
    report = Report(given.seed if given.seed is not None else secrets.randbits(32), given.full)
    print(f"seed {report.seed}\n\n{HEADING}", flush=True)
    try:
        asyncio.run(_run(Asked(given.full, report.seed, given.minutes), report, given.only or tuple(PARTS)))
    finally:
        if given.json is not None:
            report.write(given.json)
    print("\nAll as promised." if report.kept else "\nNot as promised: see BROKEN above.")
    return 0 if report.kept else 1


async def _run(asked: Asked, report: Report, parts: Sequence[str]) -> None:
    for part in parts:
        await PARTS[part](asked, report)
