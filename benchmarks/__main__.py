"""``./dev bench [--quick] [--json FILE] [--only WORD …] [--accept]``: Polder beside its references, in one run.

Every case is measured in alternation with what it is compared with, on one core, the load and the upstream on another.
What counts are the ratios of medians; absolute figures carry over to no other machine.
"""

import argparse
import asyncio
import json
import math
import os
import pickle
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import books, processes
from benchmarks.cases import Ours
from benchmarks.conversation import Conversation, Sent, record
from benchmarks.load import Parameters, Round, Unmeasured, drive, require
from benchmarks.memory import soak, with_connections
from benchmarks.processes import Server
from benchmarks.ratios import (
    ENOUGH,
    TARGETS,
    Case,
    Result,
    accept,
    by_name,
    reached,
    recorded,
    regressions,
    told,
    unrecorded,
    worst,
)
from benchmarks.translation import beside_the_floor, growth
from gateway.registry import discover, emulator_of

CONNECTIONS = 128
"""Connections of each provider, asked in turn, so that no two requests under way are the same question."""
MANY = 100_000
_WAIT = 60
"""Seconds for a single request: on a busy machine even that waits for its turn."""
_FEW = 16
"""Requests under way where memory is what is looked at."""
_PATIENCE = 900
"""Seconds in which 100,000 connections are to be used."""
_QUICK, _WHOLE = 360, 1_350
"""Seconds from the start in which the cases beside a reference are to be over; what comes after takes minutes."""
_IN_PROCESS: Mapping[str, Callable[[Conversation], float]] = {
    "translate_vs_json_floor": beside_the_floor,
    "translate_unseen_vs_json_floor": partial(beside_the_floor, unseen=True),
    "growth_with_page_size": growth,
}
_AMONG_MANY = ("memory_of_1000_connections", "memory_of_100000_connections", "hundred_thousand_connections")


class Bench:
    """One run: the servers that are up, how long each round is, and when all is to be over.

    A round is long enough for some answers to each of those who ask at once, unless it would be all too long.
    """

    def __init__(self, folder: Path, *, quick: bool, only: Sequence[str], profiles: Path | None) -> None:
        self._folder = folder
        self._log = folder / "servers.log"
        self._rounds, self._seconds = (3, 2) if quick else (5, 3)
        self._turns, self._longest = (5, 5) if quick else (10, 12)
        self._limit = 60.0 if quick else 180.0
        self._over = time.monotonic() + (_QUICK if quick else _WHOLE)
        self._concurrencies = (64,) if quick else (16, 64)
        self._used = (1, 1_000) if quick else (1, 1_000, MANY)
        self._soak = 20 if quick else 60
        self._only = only
        self._profiles = profiles
        self._ahead = 1
        self.missing: list[str] = []
        self.stub = ""
        self.facts: dict[str, Any] = {}
        self.plain: dict[str, dict[str, float]] = {}
        """Ratios that are no comparison of two servers: by name, then by system or circumstance."""

    def run(self) -> list[Result]:
        """Start everything, measure, and end everything."""
        conversations = asyncio.run(self._record())
        for name, measured in _IN_PROCESS.items():
            if self._is_wanted(name):
                self._tell(name, {system: measured(one) for system, one in conversations.items()})
        if not any(self._is_wanted(name) for name in TARGETS if name not in _IN_PROCESS):
            return []
        with ExitStack() as stack:
            replies = {name: reply for one in conversations.values() for name, reply in one.replies.items()}
            recorded = self._folder / "recorded"
            recorded.write_bytes(pickle.dumps(replies))
            self.stub = self._up(stack, ["benchmarks.stub", str(recorded)], core=processes.OTHER_CORE).origin
            home = self._folder / "home"
            key, connections = asyncio.run(books.make_home(home, conversations, CONNECTIONS))
            environment = books.environment_of(home, conversations, self.stub)
            ours = Ours(self._measured_start(stack, environment), conversations, connections, _authorized(key))
            cases = [one for one in self._cases(stack, ours) if self._is_wanted(one.name)]
            among_many = any(self._is_wanted(name) for name in _AMONG_MANY)
            self._ahead = sum(len(self._at(one)) for one in cases) + len(_AMONG_MANY) * among_many
            results = [result for one in cases for result in self._measure(one)]
            if self._is_wanted("memory_of_a_soak"):
                early, late = soak(ours.soaked(), self._soak, self._ask)
                self._tell("memory_of_a_soak", {"all systems": late / early})
                self.facts["resident_megabytes_of_a_soak"] = (round(early, 1), round(late, 1))
            if among_many:
                results += self._among_many(stack, home, environment, ours)
            return results

    def _is_wanted(self, name: str) -> bool:
        return not self._only or any(word in name for word in self._only)

    def _tell(self, name: str, ratios: Mapping[str, float]) -> None:
        self.plain[name] = {label: round(ratio, 3) for label, ratio in ratios.items()}
        self._say(f"{name}: {self.plain[name]}")

    def _among_many(self, stack: ExitStack, home: Path, environment: Mapping[str, str], ours: Ours) -> list[Result]:
        """A second gateway, whose database holds 100,000 connections more: a question to it, and what it keeps."""
        self._say(f"making {MANY} connections")
        other = home.with_name("many")
        shutil.copytree(home, other)
        name, one = next(iter(ours.conversations.items()))
        more = asyncio.run(books.add_more(other, ours.connections[name][0], one, MANY))
        began = time.monotonic()
        environment = {**environment, "POLDER_HOME": str(other)}
        crowded = stack.enter_context(processes.polder(environment, core=processes.SERVER_CORE, log=self._log))
        self.facts["ready_seconds_among_many"] = round(time.monotonic() - began, 2)
        results = []
        if self._is_wanted("memory_of_1000_connections") or self._is_wanted("memory_of_100000_connections"):
            self._fill(
                Parameters(crowded, [f"/v1/connections/{id}/invoices/{one.invoice_id}" for id in more], ours.headers)
            )
        if self._is_wanted("hundred_thousand_connections"):
            got = [f"/v1/connections/{ours.connections[name][0]}"]
            few = Parameters(ours.server, got, ours.headers)
            results += self._measure(Case("hundred_thousand_connections", replace(few, server=crowded), few))
        return results

    def _fill(self, asked: Parameters) -> None:
        """Use ever more connections, and see what that takes."""
        try:
            held = with_connections(asked, self._used, self._ask, _PATIENCE)
        except Unmeasured as reason:
            self.missing.append(f"memory of connections: {reason}")
            self._say(self.missing[-1])
            return
        for count, megabytes in zip(self._used[1:], held[1:], strict=True):
            self._tell(f"memory_of_{count}_connections", {"in use": megabytes / held[0]})
        each = (held[-1] - held[0]) / (self._used[-1] - self._used[0])
        self.facts["bytes_of_a_connection_in_use"] = round(each * 2**20)
        self.facts["resident_megabytes_by_connections"] = dict(zip(self._used, map(round, held), strict=True))

    async def _record(self) -> dict[str, Conversation]:
        found = {}
        for name, adapter in discover().items():
            if emulator_of(name) is not None and not adapter.example:
                self._say(f"recording what {adapter.title} says")
                found[name] = await record(name, self._folder / f"recording-{name}")
        return found

    def _up(self, stack: ExitStack, arguments: Sequence[str], *, core: int) -> Server:
        return stack.enter_context(processes.started(arguments, core=core, log=self._log))

    def _measured_start(self, stack: ExitStack, environment: Mapping[str, str]) -> Server:
        """The gateway, once to warm the disk's cache and once for good, timed until it is ready."""
        with processes.polder(environment, core=processes.SERVER_CORE, log=self._log):
            pass
        began = time.monotonic()
        server = stack.enter_context(processes.polder(environment, core=processes.SERVER_CORE, log=self._log))
        self.facts["ready_seconds"] = round(time.monotonic() - began, 2)
        self.facts["ready_processor_seconds"] = round(processes.processor_seconds(server.pid), 2)
        self.facts["resident_megabytes"] = round(processes.resident_megabytes(server.pid), 1)
        return server

    def _cases(self, stack: ExitStack, ours: Ours) -> list[Case]:
        calls: dict[str, Sequence[Sent]] = {}
        for name, one in ours.conversations.items():
            calls[f"{name}-create"] = one.create_calls
            for verb, targets in (("list", one.list_targets), ("get", one.get_targets), ("scan", one.scan_targets)):
                calls[f"{name}-{verb}"] = [("GET", target, "") for target in targets]
        core = processes.SERVER_CORE
        bare = self._up(stack, processes.reference("hello", self.stub, {}), core=core)
        passing = {
            name: self._up(stack, processes.reference(name, self.stub, calls), core=core)
            for name in ("httpx", "httpx2")
        }
        cases = ours.cached(Parameters(bare, ["/hello"], {}))
        if shutil.which("nginx"):
            proxy = processes.nginx(self.stub, self._folder / "nginx", core=core, log=self._log)
            cases += ours.beside_nginx(stack.enter_context(proxy))
        else:
            self._say("left out: nginx is not installed")
        for name in ours.conversations:
            cases += ours.uncached(name, passing)
        return cases

    def _at(self, case: Case) -> Sequence[int]:
        """The concurrencies at which a case is measured."""
        return (1,) if case.latency or case.alone else self._concurrencies

    def _measure(self, case: Case) -> list[Result]:
        with urllib.request.urlopen(f"{self.stub}/={'fresh' if case.fresh else 'same'}", timeout=_WAIT):
            pass
        found = []
        for concurrency in self._at(case):
            # What is left of the time is shared out, so that a slow case shortens the others and not the last ones.
            limit = min(self._limit, max(4.0 * self._seconds, (self._over - time.monotonic()) / max(1, self._ahead)))
            self._ahead -= 1
            try:
                result = self._alternated(case, concurrency, limit)
            except Unmeasured as reason:
                self.missing.append(f"{case.name} at {concurrency}: {reason}")
                self._say(self.missing[-1])
            else:
                found.append(result)
                self._say(result.row())
        return found

    def _alternated(self, case: Case, concurrency: int, limit: float) -> Result:
        """Round by round, until there are enough, or the time for one case is over. Raises ``Unmeasured``."""
        over = time.monotonic() + limit
        for asked, times in ((case.ours, case.warmth), (case.theirs, 1)):
            self._warm(asked, concurrency, times, limit / 4)
        mine: list[Round] = []
        other: list[Round] = []
        result = Result(case, concurrency, mine, other)
        while len(mine) < ENOUGH or (
            time.monotonic() < over and len(mine) < (1 if result.is_quiet else 2) * self._rounds
        ):
            for asked, rounds in ((case.ours, mine), (case.theirs, other)):
                rounds.append(self._round(asked, concurrency))
        if self._profiles is not None:
            name = "-".join(filter(None, (case.name, case.system, str(concurrency))))
            with processes.profiled(case.ours.server, self._profiles / f"{name}.svg"):
                self._round(case.ours, concurrency)
        return result

    def _round(self, asked: Parameters, concurrency: int) -> Round:
        """One round, long enough for some turns of each that asks: who is under way at its end is not counted."""
        seconds, measured = self._seconds, None
        for _ in range(3):
            _, measured = self._drive(asked, concurrency, seconds)
            needed = (
                3 * seconds if measured is None else min(self._longest, math.ceil(self._turns * measured.p50 / 1_000))
            )
            if needed <= seconds:
                break
            seconds = needed
        if measured is not None:
            return measured
        load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
        raise Unmeasured(f"nothing was answered in {seconds} s; the machine is busy (load {load})")

    def _ask(self, asked: Parameters, seconds: int) -> int:
        return self._drive(asked, _FEW, seconds)[0]

    def _drive(self, asked: Parameters, concurrency: int, seconds: int) -> tuple[int, Round | None]:
        return drive(asked, self._folder, concurrency=concurrency, seconds=seconds, core=processes.OTHER_CORE)

    def _warm(self, asked: Parameters, concurrency: int, times: int, limit: float) -> None:
        """Ask until every path was asked so often, or the time is over."""
        missing = times * len(asked.paths)
        over = time.monotonic() + limit
        while missing > 0 and time.monotonic() < over:
            missing -= self._drive(asked, concurrency, 2)[0]

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _authorized(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def main() -> None:
    """Measure, print a table, and hold the ratios against the recorded ones."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, at one concurrency")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="only cases whose name holds it")
    parser.add_argument("--accept", action="store_true", help="record these ratios in the repository")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="draw there where our time goes, for each case")
    given = parser.parse_args()
    for word in given.only:
        if not any(word in name for name in TARGETS):
            parser.error(f"no case is called {word!r}; there are {', '.join(TARGETS)}")
    require("wrk", "make load")
    if given.profile is not None:
        require("py-spy", "look at a process")
        given.profile.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="polder-bench-") as folder:
        bench = Bench(Path(folder), quick=given.quick, only=given.only, profiles=given.profile)
        results = bench.run()
    ratios = by_name(results) | {name: worst(name, several.values()) for name, several in bench.plain.items()}
    _summarize(ratios, bench.facts)
    whole = told(results, ratios, bench.facts | {"by_system": bench.plain})
    if given.json is not None:
        given.json.write_text(json.dumps(whole, indent=2) + "\n")
    worse = regressions(ratios, recorded())
    if given.accept:
        accept(whole)
    elif new := unrecorded(ratios, recorded()):
        print(f"\nNothing is recorded of {', '.join(new)}: no later run is held against these until --accept is given.")
    if worse and not given.accept:
        sys.exit("Slower than what is recorded:\n  " + "\n  ".join(worse) + "\nOn a quiet machine? Then mend it.")
    if bench.missing:
        sys.exit("Not measured:\n  " + "\n  ".join(bench.missing))


def _summarize(ratios: Mapping[str, float], facts: Mapping[str, Any]) -> None:
    before = recorded()
    print(f"\n{'ratio':<40} {'now':>7} {'recorded':>9} {'wanted':>7}")
    for name, ratio in ratios.items():
        known, wanted = _spelled(before.get(name), "nothing"), _spelled(TARGETS[name], "–")
        mark = "" if reached(name, ratio) else "  not reached"
        print(f"{name:<40} {ratio:7.2f} {known:>9} {wanted:>7}{mark}")
    print(f"\n{facts}")


def _spelled(ratio: float | None, otherwise: str) -> str:
    return otherwise if ratio is None else f"{ratio:.2f}"


if __name__ == "__main__":
    main()
