"""What a run found: a table to read, JSON to publish, and a line of progress while it lasts."""

import argparse
import json
import os
import platform
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.chaos.processes import ROOT

TOLD_EVERY = 30.0
"""Seconds between two lines of progress of one thing, where they cannot be replaced."""

Promise = Literal["none", "some", "told"]
"""How many may be lost: none; some, in a negative control, which proves nothing otherwise; or whatever is told."""


@dataclass(frozen=True)
class Parameters:
    """What a part of a run is asked for: the published figures or a quick look, by which choices, for how long."""

    full: bool
    seed: int
    minutes: float | None = None
    only: Sequence[str] = ()
    """The parts that are asked for; all where none is named."""
    systems: Sequence[str] = ()
    """The systems that are tried, where a part has a figure for each; all where none is named."""

    def among(self, systems: Sequence[str]) -> list[str]:
        """Those of some systems that are tried."""
        return [name for name in systems if not self.systems or name in self.systems]

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
    cut: bool = False
    """Whether the clock ended it before all was tried."""

    @property
    def kept(self) -> bool:
        """Whether the figure is as promised."""
        return self.promise == "told" or (self.bad > 0) == (self.promise == "some")


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


@dataclass
class Report:
    """All figures of one run."""

    seed: int
    full: bool
    rows: list[Row] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    left_out: list[str] = field(default_factory=list)
    """What could not be tried at all, and why."""
    commit: str = field(default_factory=commit)
    """At the beginning: the files may change while they are tried."""
    path: Path | None = None
    """Where the figures are written to as they come, as JSON."""

    @property
    def kept(self) -> bool:
        """Whether everything is as promised."""
        return all(row.kept for row in self.rows)

    @property
    def verdict(self) -> str:
        """One line for all of it."""
        if not self.kept:
            return "Not as promised: see BROKEN above."
        if self.left_out or any(row.cut for row in self.rows):
            return "As promised as far as it went; not all was tried."
        return "All as promised."

    def add(self, row: Row) -> None:
        """Note a figure, and say so. One of nothing is none: then it is left out."""
        progress("")
        if row.tried == 0 and row.cut:
            self.leave_out(f"{row.what}, {row.setup}, {row.mode}: the time was up")
            return
        self.rows.append(row)
        print(line(row), flush=True)
        self._keep()

    def leave_out(self, why: str) -> None:
        """Note what is not tried, and say so."""
        self.left_out.append(why)
        print(f"left out: {why}", flush=True)
        self._keep()

    def _keep(self) -> None:
        if self.path is not None:
            self.path.write_text(json.dumps(self.facts(), indent=2) + "\n")

    def facts(self) -> dict[str, Any]:
        """Everything that somebody needs who doubts it."""
        return {
            "seed": self.seed,
            "full": self.full,
            "commit": self.commit,
            "machine": f"{platform.system()} {platform.release()} {platform.machine()}, {cores()} cores",
            "python": platform.python_version(),
            "seconds": round(time.monotonic() - self.began, 1),
            "kept": self.kept,
            "left_out": self.left_out,
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
                    "cut": row.cut,
                    **row.particulars,
                }
                for row in self.rows
            ],
        }


def begun(
    subject: str, about: str | None, arguments: Sequence[str], parts: Sequence[str] = (), systems: Sequence[str] = ()
) -> tuple[Parameters, Report]:
    """What the command's arguments ask for, and the report of it, whose heading is printed."""
    parser = argparse.ArgumentParser(prog=f"./dev chaos {subject}", description=about)
    parser.add_argument("--full", action="store_true", help="the figures that are published")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too, as they come")
    parser.add_argument("--seed", type=int, help="repeat the choices of another run")
    if parts:
        parser.add_argument("--minutes", type=float, help="end after so long with what there is by then (README.md)")
        parser.add_argument("--only", choices=parts, action="append", help="this part; may be given more than once")
    if systems:
        parser.add_argument("--system", choices=systems, action="append", help="only this one, where each has a figure")
    given = parser.parse_args(arguments, argparse.Namespace(minutes=None, only=None, system=None))
    seed = given.seed if given.seed is not None else secrets.randbits(32)
    print(f"seed {seed}\n\n{HEADING}", flush=True)
    asked = Parameters(given.full, seed, given.minutes, given.only or parts, given.system or ())
    return asked, Report(seed, given.full, path=given.json)


def concluded(report: Report) -> int:
    """Say whether all is as promised; the command's exit status."""
    print(f"\n{report.verdict}")
    return 0 if report.kept else 1


HEADING = f"{'what':34} {'setup':24} {'mode':5} {'tried':>8} {'bad':>6}  {'promised':9} {'seconds':>8}"
_PROMISED: Mapping[Promise, str] = {"none": "0", "some": "> 0", "told": "-"}


def line(row: Row) -> str:
    """A row of the table."""
    verdict = ("" if row.kept else "  BROKEN") + ("  cut short" if row.cut else "")
    figures = f"{row.tried:>8,} {row.bad:>6,}  {_PROMISED[row.promise]:9} {row.seconds:>8.1f}"
    return f"{row.what:34} {row.setup:24} {row.mode:5} {figures}{verdict}"


_told: dict[str, float] = {}


def progress(text: str) -> None:
    """Replace the line of progress on a terminal; elsewhere what stands before the colon has a line twice a minute."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        return
    title, now = text.partition(":")[0], time.monotonic()
    if title and now - _told.get(title, -TOLD_EVERY) >= TOLD_EVERY:
        _told[title] = now
        print(f"  {text}", file=sys.stderr, flush=True)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))
