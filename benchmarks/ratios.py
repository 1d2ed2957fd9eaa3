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

from benchmarks.load import Parameters, Round

RECORDED = Path(__file__).parent / "ratios.json"
TOLERANCE = 0.8
"""A ratio that is worse than the recorded one by more than this is a regression: runs on a shared machine differ."""
ENOUGH = 2
"""Pairs of undisturbed rounds that are needed to go by rates."""
LESS_IS_BETTER = frozenset(
    {
        "added_latency_vs_passthrough",
        "translate_vs_json_floor",
        "translate_unseen_vs_json_floor",
        "growth_with_page_size",
        "memory_of_1000_connections",
        "memory_of_100000_connections",
        "memory_of_a_soak",
    }
)
TARGETS: Mapping[str, float | None] = {
    "cached_list_vs_hello": 0.65,
    "cached_get_vs_hello": 0.65,
    "not_modified_vs_hello": 0.85,
    "cached_list_vs_nginx_proxy": None,
    "list_vs_httpx_passthrough": 2.5,
    "list_vs_httpx2_passthrough": 1.0,
    "unchanged_list_vs_httpx_passthrough": 6.0,
    "get_vs_httpx2_passthrough": 0.8,
    "added_latency_vs_passthrough": 1.5,
    "create_vs_httpx2_passthrough": None,
    "filter_of_5000_vs_httpx2_passthrough": None,
    "hundred_thousand_connections": 0.9,
    "translate_vs_json_floor": 4.0,
    "translate_unseen_vs_json_floor": None,
    "growth_with_page_size": 1.2,
    "memory_of_1000_connections": None,
    "memory_of_100000_connections": None,
    "memory_of_a_soak": 1.05,
}
"""What we want to reach, None where nothing was set; README.md says what was reached."""


@dataclass(frozen=True, slots=True)
class Case:
    """One ratio: requests a second of ours over theirs, or for a latency milliseconds of ours over theirs."""

    name: str
    ours: Parameters
    theirs: Parameters
    fresh: bool = False
    latency: bool = False
    """Whether what counts is the time of a single request, with no other under way."""
    alone: bool = False
    """Whether one request is under way at a time: its answer takes long, or much memory."""
    system: str | None = None
    warmth: int = 1
    """How often every path is asked before anything is measured."""
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
    def is_quiet(self) -> bool:
        """Whether enough rounds were free of other work on the machine to count as they are."""
        return len(self._quiet()) >= ENOUGH

    @property
    def ratios(self) -> Sequence[float]:
        """One for each pair of rounds.

        Of those without other work on the machine, if there are enough. Else all count: a rate then by the processor
        time of a request, a latency as it is.
        """
        pairs = self._quiet() if self.is_quiet else list(zip(self.ours, self.theirs, strict=True))
        if self.case.latency:
            return [mine.p50 / other.p50 for mine, other in pairs]
        if self.is_quiet:
            return [mine.rate / other.rate for mine, other in pairs]
        return [other.cost / max(1.0, mine.cost) for mine, other in pairs]

    def _quiet(self) -> list[tuple[Round, Round]]:
        pairs = zip(self.ours, self.theirs, strict=True)
        return [(mine, other) for mine, other in pairs if mine.is_quiet and other.is_quiet]

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.ratios)

    def row(self) -> str:
        """A line of the table."""
        name = self.case.name if self.case.system is None else f"{self.case.name} ({self.case.system})"
        mine, other = (statistics.median(one.rate for one in rounds) for rounds in (self.ours, self.theirs))
        costs = [statistics.median(one.cost for one in rounds) for rounds in (self.ours, self.theirs)]
        spread = f"{min(self.ratios):.2f} to {max(self.ratios):.2f}"
        busy = "" if self.is_quiet else "  busy" if self.case.latency else "  busy: by processor time"
        return (
            f"{name:<56} c={self.concurrency:<3} {self.ratio:6.2f}  ({spread})  {mine:7.0f}/s beside {other:7.0f}/s,"
            f" {costs[0]:7.0f} µs beside {costs[1]:7.0f} µs{busy}"
        )


def by_name(results: Iterable[Result]) -> dict[str, float]:
    """The ratio of each name: the worst of its systems and concurrencies."""
    found: dict[str, list[float]] = {}
    for one in results:
        if one.case.counts:
            found.setdefault(one.case.name, []).append(one.ratio)
    return {name: worst(name, several) for name, several in found.items()}


def worst(name: str, ratios: Iterable[float]) -> float:
    """Of several ratios of one name, the one that counts."""
    return round((max if name in LESS_IS_BETTER else min)(ratios), 3)


def recorded() -> dict[str, float]:
    """The ratios that the repository holds; empty where it holds none."""
    ratios: dict[str, float] = _recorded().get("ratios", {})
    return ratios


def accept(whole: Mapping[str, Any]) -> None:
    """Record what ``told`` says."""
    RECORDED.write_text(json.dumps(accepted(whole, _recorded()), indent=2) + "\n")


def accepted(whole: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What to record of a run: what it did not measure stays as it was recorded ``before``."""
    facts = {**before.get("facts", {}), **whole["facts"]}
    facts["by_system"] = {**before.get("facts", {}).get("by_system", {}), **whole["facts"]["by_system"]}
    busy_still = set(before.get("busy", ())) - whole["ratios"].keys()
    return {
        "ratios": {**before.get("ratios", {}), **whole["ratios"]},
        "busy": sorted(busy_still | set(whole["busy"])),
        "facts": facts,
        **{name: whole[name] for name in ("commit", "python", "machine")},
    }


def _recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    return found


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


def unrecorded(now: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    """What was measured and has nothing to be held against."""
    return [name for name in now if name not in before]


def reached(name: str, ratio: float) -> bool:
    """Whether a ratio is what we want; so is any where nothing was set."""
    target = TARGETS[name]
    if target is None:
        return True
    return ratio <= target if name in LESS_IS_BETTER else ratio >= target


def told(results: Sequence[Result], ratios: Mapping[str, float], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, as JSON."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "ratios": dict(ratios),
        "busy": sorted({one.case.name for one in results if not one.is_quiet}),
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
                "ratios": [round(ratio, 3) for ratio in one.ratios],
                "by": "rate" if one.is_quiet or one.case.latency else "processor time",
                "quiet": one.is_quiet,
                "ours": [vars_of(measured) for measured in one.ours],
                "theirs": [vars_of(measured) for measured in one.theirs],
            }
            for one in results
        ],
    }


def vars_of(measured: Round) -> dict[str, float]:
    """A round as JSON: requests a second, milliseconds, microseconds of processor time, cores busy elsewhere."""
    return {
        "rate": round(measured.rate, 1),
        "p50_ms": measured.p50,
        "p99_ms": measured.p99,
        "cost_us": round(measured.cost, 1),
        "elsewhere": round(measured.elsewhere, 2),
    }
