"""What came out: ratios by name, beside those that are recorded in the repository."""

import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import Asked, Round

RECORDED = Path(__file__).parent / "ratios.json"
TOLERANCE = 0.8
"""A ratio that is worse than the recorded one by more than this is a regression: runs on a shared machine differ."""
LESS_IS_BETTER = frozenset({"added_latency_vs_passthrough", "translate_vs_json_floor"})
TARGETS: Mapping[str, float] = {
    "cached_list_vs_hello": 0.65,
    "cached_get_vs_hello": 0.65,
    "not_modified_vs_hello": 0.85,
    "list_vs_httpx_passthrough": 2.5,
    "list_vs_httpx2_passthrough": 1.0,
    "unchanged_list_vs_httpx_passthrough": 6.0,
    "get_vs_httpx2_passthrough": 0.8,
    "added_latency_vs_passthrough": 1.5,
    "translate_vs_json_floor": 4.0,
    "hundred_thousand_connections": 0.9,
}
"""What we want to reach; README.md says what was reached."""


@dataclass(frozen=True, slots=True)
class Case:
    """One ratio: requests a second of ours over theirs, or for a latency milliseconds of ours over theirs."""

    name: str
    ours: Asked
    theirs: Asked
    fresh: bool = False
    latency: bool = False
    system: str | None = None
    counts: bool = True
    """Whether it counts for the ratio of its name; a system whose lists carry no lines is shown all the same."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came out for one case at one concurrency."""

    case: Case
    concurrency: int
    ours: Sequence[Round]
    theirs: Sequence[Round]

    @property
    def ratios(self) -> Sequence[float]:
        """One for each pair of rounds."""
        pairs = zip(self.ours, self.theirs, strict=True)
        if self.case.latency:
            return [mine.p50 / other.p50 for mine, other in pairs]
        return [mine.rate / other.rate for mine, other in pairs]

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.ratios)

    @property
    def cpu_ratio(self) -> float:
        """Their processor time for a request over ours, by medians."""
        return statistics.median(one.cpu for one in self.theirs) / statistics.median(one.cpu for one in self.ours)

    def row(self) -> str:
        """A line of the table."""
        name = self.case.name if self.case.system is None else f"{self.case.name} ({self.case.system})"
        mine, other = (statistics.median(one.rate for one in rounds) for rounds in (self.ours, self.theirs))
        spread = f"{min(self.ratios):.2f} to {max(self.ratios):.2f}"
        rates = f"{mine:7.0f}/s beside {other:7.0f}/s"
        return f"{name:<56} c={self.concurrency:<3} {self.ratio:6.2f}  ({spread})  {rates}, by cpu {self.cpu_ratio:.2f}"


def by_name(results: Iterable[Result]) -> dict[str, float]:
    """The ratio of each name: the worst of its systems and concurrencies."""
    found: dict[str, list[float]] = {}
    for one in results:
        if one.case.counts:
            found.setdefault(one.case.name, []).append(one.ratio)
    return {name: round((max if name in LESS_IS_BETTER else min)(several), 3) for name, several in found.items()}


def recorded() -> dict[str, float]:
    """The ratios that the repository holds; empty where it holds none."""
    return json.loads(RECORDED.read_text())["ratios"] if RECORDED.exists() else {}


def regressions(now: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    """What became worse by more than two runs differ, in words."""
    told = []
    for name, ratio in now.items():
        known = before.get(name)
        if known is None:
            continue
        worse = ratio > known / TOLERANCE if name in LESS_IS_BETTER else ratio < known * TOLERANCE
        if worse:
            told.append(f"{name}: {ratio} where {known} is recorded")
    return told


def reached(name: str, ratio: float) -> bool:
    """Whether a ratio is what we want."""
    target = TARGETS[name]
    return ratio <= target if name in LESS_IS_BETTER else ratio >= target


def told(results: Sequence[Result], ratios: Mapping[str, float], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, as JSON."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "ratios": dict(ratios),
        "facts": dict(facts),
        "commit": commit or None,
        "python": sys.version.split()[0],
        "machine": platform.platform(),
        "cases": [
            {
                "name": one.case.name,
                "system": one.case.system,
                "concurrency": one.concurrency,
                "ratio": round(one.ratio, 3),
                "cpu_ratio": round(one.cpu_ratio, 3),
                "ratios": [round(ratio, 3) for ratio in one.ratios],
                "ours": [vars_of(measured) for measured in one.ours],
                "theirs": [vars_of(measured) for measured in one.theirs],
            }
            for one in results
        ],
    }


def vars_of(measured: Round) -> dict[str, float]:
    """A round as JSON: requests a second, milliseconds, and microseconds of processor time for a request."""
    return {
        "rate": round(measured.rate, 1),
        "p50_ms": measured.p50,
        "p99_ms": measured.p99,
        "cpu_us": round(measured.cpu, 1),
    }
