"""What Prometheus would have seen of a Polder, scrape by scrape, and which alerts it would have raised.

The scrapes are real, and so are the rules: promtool, Prometheus' own, evaluates each alert's own expression on them.
"""

import re
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.house import House
from tests.operations.prometheus import alerts, metrics_named, rules
from tests.operations.scrape import series

EVERY = 60
"""Seconds between scrapes, unless a watch says otherwise; Prometheus' own default."""
OF_A_SCRAPE = 'job="polder",namespace="polder",instance="a"'
DISK = {"PolderDiskFillsIn24h", "PolderDiskFull"}
OF_THIS_MACHINE = DISK | {
    "PolderEventLoopBlocked",
    "PolderStorageCrowded",
    "PolderMemoryHigh",
    "PolderFileDescriptorsHigh",
}
"""What may come about by itself, where much else runs. A wait for the database is one: a thread works on while the
clock of a drill leaps."""
_SAID_OF = re.compile(r"alertname: (\w+), time: \S+,\s+exp:\[\],\s+got:\[", re.DOTALL)
_WATCHED = {name for rule in rules() for name in metrics_named(rule["expr"])}


@dataclass
class Watch:
    """The scrapes so far; ``began`` is one interval before the first, and the moment that promtool calls 0."""

    began: float = 0.0
    every: int = EVERY
    scrapes: list[dict[str, float] | None] = field(default_factory=lambda: [None])

    def saw(self, exposition: str | None) -> None:
        """A scrape's text, or that nobody answered it."""
        found = None if exposition is None else series(exposition)
        kept = found and {one: value for one, value in found.items() if one.partition("{")[0] in _WATCHED}
        self.scrapes.append(kept)

    def firing(self, folder: Path) -> set[str]:
        """The alerts that fire after the last scrape because of what was done."""
        return self.firing_at_all(folder) - OF_THIS_MACHINE

    def firing_at_all(self, folder: Path) -> set[str]:
        """Those too that this machine may have brought about: who drills one of them asks for that one only."""
        test, file = folder / "watched.yaml", folder / "alerts.yaml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": [_bare(rule) for rule in rules()]}]}))
        asked = [
            {"eval_time": f"{self.every * (len(self.scrapes) - 1)}s", "alertname": name, "exp_alerts": []}
            for name in alerts()
        ]
        # Between scrapes, as in life: what falls on one is not extrapolated. A value is known for five minutes.
        evaluated = self.every - 1 if self.every < 300 else self.every
        told = {
            "interval": f"{self.every}s",
            "input_series": [{"series": one, "values": values} for one, values in self._told().items()],
            "alert_rule_test": asked,
        }
        test.write_text(
            yaml.dump(
                {"rule_files": [file.name], "evaluation_interval": f"{evaluated}s", "tests": [told]},
                Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
            )
        )
        done = subprocess.run(
            ["promtool", "test", "rules", test], capture_output=True, text=True, timeout=120, check=False
        )
        found = set(_SAID_OF.findall(done.stdout + done.stderr))
        assert bool(found) == bool(done.returncode), done.stdout + done.stderr
        return found

    def _told(self) -> dict[str, str]:
        """Every series as promtool has it: a value for each moment, or ``_`` for none."""
        names = sorted({name for scrape in self.scrapes if scrape is not None for name in scrape})
        columns = {f"up{{{OF_A_SCRAPE}}}": " ".join(["_", *(f"{int(one is not None)}" for one in self.scrapes[1:])])}
        for name in names:
            values = (
                "_" if one is None or name not in one else f"{self._moment(name, one[name])!r}" for one in self.scrapes
            )
            columns[_labelled(name)] = " ".join(values)
        return columns

    def _moment(self, name: str, value: float) -> float:
        return value - self.began if value and name.endswith("_timestamp_seconds") else value


def _labelled(name: str) -> str:
    metric, _, labels = name.rstrip("}").partition("{")
    return f"{metric}{{{OF_A_SCRAPE}{',' if labels else ''}{labels}}}"


def _bare(rule: dict[str, object]) -> dict[str, object]:
    """Without annotations: promtool would want each test to repeat them."""
    return {key: value for key, value in rule.items() if key != "annotations"}


async def nothing() -> None:
    """Nobody does anything."""


@dataclass
class Drill:
    """A house whose time passes, with what works in the background, and who watches it.

    Each round somebody does something, what is due in the background is done, and the house is scraped, but for what it
    says of its process: that one runs tests.
    """

    house: House
    watch: Watch

    @classmethod
    def of(cls, house: House, every: int = EVERY) -> "Drill":
        """One that begins now."""
        return cls(house, Watch(house.clock.now().timestamp() - every, every))

    async def goes_on(self, minutes: float, doing: Callable[[], Awaitable[object]] = nothing) -> None:
        """Let so much time pass."""
        polder = self.house.polder
        for _ in range(round(minutes * 60 / self.watch.every)):
            await doing()
            await polder.engine.sweeper.round()
            await polder.engine.reconciliation.sweep()
            due = self.watch.began + self.watch.every * len(self.watch.scrapes)
            self.house.clock.advance(max(0.0, due - self.house.clock.now().timestamp()))
            polder.metrics.strained(polder.engine.strain())
            said = (await self.house.client.get("/metrics")).text
            self.watch.saw("\n".join(line for line in said.splitlines() if not line.startswith("process_")))
