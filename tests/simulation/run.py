"""One seed, one world: what befell it, and which promises were broken.

``./dev chaos interleavings`` tries many seeds; ``--seed 7 --system rompslomp --story`` tells all that happens in one.
"""

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from gateway.contract.adapter import Adapter
from tests.conformance.subjects import facts_of
from tests.house import EmulatorFactory, emulated
from tests.simulation.clockwork import Hung
from tests.simulation.story import Story
from tests.simulation.world import Plan, a_world
from tests.statements import compile_once

SEEDS = 100
_PLAYED = [
    f"{resource}.{verb}" for resource in ("contacts", "products", "invoices") for verb in ("list", "get", "create")
]
_NAMED = ["vat-codes.list", "ledger-accounts.list", "payment-methods.list"]
PLAYERS = sorted(emulated(*_PLAYED, *_NAMED, "payments.create", "invoices.credit"))
"""The systems that have all that a story takes for granted."""


@dataclass(frozen=True)
class Told:
    """What came of a seed."""

    seed: int
    system: str
    plan: Plan
    happened: Sequence[str]
    broken: Sequence[str]
    writes: int
    manual: int
    """Writes of which nobody can tell what became of them: their callers are told so."""

    def __str__(self) -> str:
        again = f"./dev chaos interleavings --system {self.system} --seed {self.seed} --story"
        return "\n".join([f"{self.system}, seed {self.seed} ({again})", *dict.fromkeys(self.broken)])


def simulate(seed: int, adapter: Adapter) -> Told:
    """Everything that follows from a seed."""
    dice = Random(seed)
    plan = Plan(
        processes=dice.choice([1, 1, 2]),
        faults=dice.choice([0, 2, 4, 8]),
        chance=dice.choice([0.005, 0.02, 0.05]),
        deadly=dice.random() < 0.5,
    )
    with (
        TemporaryDirectory(prefix="polder-simulated-") as home,
        a_world(seed, Path(home), adapter, _factory(adapter), plan) as world,
    ):
        story = Story(world)
        try:
            world.loop.run_until_complete(story.run())
        except Hung as error:
            world.promise(False, str(error))
        manual = sum(one.end == "manual" for one in story.errands)
        return Told(seed, adapter.name, plan, world.happened, world.broken, len(story.errands), manual)


def _factory(adapter: Adapter) -> EmulatorFactory | None:
    """The system as it usually is, or in the mode in which it rotates tokens and none need be lost."""
    return facts_of(adapter.name).modes.get("on_use")


def main(arguments: Sequence[str]) -> int:
    """The command; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="./dev chaos interleavings", description=__doc__)
    parser.add_argument("--system", action="append", choices=PLAYERS, help="all, unless named")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many, for each system (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the first of them, or the one whose story is told")
    parser.add_argument("--minutes", type=float, help="end after so long")
    parser.add_argument("--story", action="store_true", help="tell all that happens in one")
    given = parser.parse_args(arguments)
    compile_once()
    logging.disable()  # SQLAlchemy tells of sessions that broke
    ends = float("inf") if given.minutes is None else time.monotonic() + 60 * given.minutes
    seeds = [given.seed] if given.story else range(given.seed, given.seed + given.seeds)
    counted: Counter[str] = Counter()
    for seed in seeds:
        for system in given.system or PLAYERS:
            if time.monotonic() > ends:
                break
            told = simulate(seed, emulated()[system])
            counted.update(worlds=1, steps=len(told.happened), writes=told.writes, manual=told.manual)
            if given.story:
                print("\n".join(told.happened))
            if told.broken:
                counted["broken"] += 1
                print(told, flush=True)
    print(", ".join(f"{count:,} {name}" for name, count in counted.items()))
    return 1 if counted["broken"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
