"""What a run found: a table to read, JSON to publish, and a line of progress while it lasts."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.chaos.processes import ROOT

Promise = Literal["none", "some", "told"]
"""How many may be lost: none; some, in a negative control, which proves nothing otherwise; or whatever is told."""


@dataclass(frozen=True)
class Asked:
    """What a part of a run is asked for: the published figures or a quick look, by which choices, for how long."""

    full: bool
    seed: int
    minutes: float | None = None

    @property
    def until(self) -> float | None:
        """The monotonic time at which a part that begins now ends with what it has; None for when it is done."""
        return None if self.minutes is None else time.monotonic() + 60 * self.minutes


@dataclass(frozen=True)
class Row:
    """One figure: ``bad`` of ``tried`` went wrong."""

    what: str
    setup: str
    mode: str
    tried: int
    bad: int
    promise: Promise
    seconds: float
    particulars: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether the figure is as promised."""
        return self.promise == "told" or (self.bad > 0) == (self.promise == "some")


@dataclass
class Report:
    """All figures of one run."""

    seed: int
    full: bool
    rows: list[Row] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def kept(self) -> bool:
        """Whether everything is as promised."""
        return all(row.kept for row in self.rows)

    def add(self, row: Row) -> None:
        """Note a figure, and say so."""
        self.rows.append(row)
        progress("")
        print(line(row), flush=True)

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(self.facts(), indent=2) + "\n")

    def facts(self) -> dict[str, Any]:
        """Everything that somebody needs who doubts it."""
        return {
            "seed": self.seed,
            "full": self.full,
            "commit": commit(),
            "machine": f"{platform.system()} {platform.release()} {platform.machine()}, {cores()} cores",
            "python": platform.python_version(),
            "seconds": round(time.monotonic() - self.began, 1),
            "kept": self.kept,
            "counts": [
                {
                    "what": row.what,
                    "setup": row.setup,
                    "mode": row.mode,
                    "tried": row.tried,
                    "bad": row.bad,
                    "promise": row.promise,
                    "kept": row.kept,
                    "seconds": round(row.seconds, 1),
                    **row.particulars,
                }
                for row in self.rows
            ],
        }


HEADING = f"{'what':34} {'setup':24} {'mode':5} {'tried':>8} {'bad':>6}  {'promised':9} {'seconds':>8}"
_PROMISED: Mapping[Promise, str] = {"none": "0", "some": "> 0", "told": "-"}


def line(row: Row) -> str:
    """A row of the table."""
    verdict = "" if row.kept else "  BROKEN"
    figures = f"{row.tried:>8,} {row.bad:>6,}  {_PROMISED[row.promise]:9} {row.seconds:>8.1f}"
    return f"{row.what:34} {row.setup:24} {row.mode:5} {figures}{verdict}"


def progress(text: str) -> None:
    """Replace the line of progress on a terminal; elsewhere nothing is said."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def commit() -> str:
    """The commit that was tried, and whether the files differ from it."""
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return "unknown"
    return told.stdout.strip() or "unknown"


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))
