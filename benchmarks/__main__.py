"""``./dev bench [--quick] [--json FILE] [--only WORD …] [--accept]``: Polder beside its references, in one run.

Every case is measured in alternation with what it is compared with, on one core, the load and the upstream on another.
What counts are the ratios of medians; absolute figures carry over to no other machine.
"""

import argparse
import asyncio
import json
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import books, processes
from benchmarks.conversation import INVOICES, Conversation, record
from benchmarks.load import Asked, Round, drive, require_wrk
from benchmarks.ratios import RECORDED, TARGETS, Case, Result, by_name, reached, recorded, regressions, told
from benchmarks.translation import beside_the_floor
from gateway.registry import discover, emulator_of

CONNECTIONS = 256
"""Connections of each provider, asked in turn, so that no two requests under way are the same question."""
MANY = 100_000


class Bench:
    """One run: the servers that are up, and how long each round is."""

    def __init__(self, folder: Path, *, quick: bool, only: Sequence[str]) -> None:
        self._folder = folder
        self._rounds, self._seconds = (3, 2) if quick else (5, 4)
        self._concurrencies = (64,) if quick else (16, 64)
        self._only = only
        self.stub = ""
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self.facts: dict[str, Any] = {}
        self.translated: dict[str, float] = {}

    def run(self) -> list[Result]:
        """Start everything, measure, and end everything."""
        conversations = asyncio.run(self._record())
        if self._is_wanted("translate_vs_json_floor"):
            self.translated = {name: round(beside_the_floor(one), 2) for name, one in conversations.items()}
            self._say(f"translate_vs_json_floor: {self.translated}")
        with ExitStack() as stack:
            recorded = self._folder / "recorded"
            replies = {name: reply for one in conversations.values() for name, reply in one.replies.items()}
            recorded.write_bytes(pickle.dumps(replies))
            self.stub = self._up(stack, ["benchmarks.stub", str(recorded)], core=processes.OTHER_CORE)
            home = self._folder / "home"
            key, connections = asyncio.run(books.make_home(home, conversations, CONNECTIONS))
            environment = books.environment_of(home, conversations, self.stub)
            origin = self._measured_start(stack, environment)
            results: list[Result] = []
            for case in self._cases(stack, conversations, origin, key, connections):
                if self._is_wanted(case.name):
                    results += self._measure(case)
            if self._is_wanted("hundred_thousand_connections"):
                got = f"/v1/connections/{next(iter(connections.values()))[0]}"
                results += self._among_many(stack, home, environment, Asked(origin, [got], _authorized(key)))
            return results

    def _is_wanted(self, name: str) -> bool:
        return not self._only or any(word in name for word in self._only)

    def _among_many(self, stack: ExitStack, home: Path, environment: Mapping[str, str], few: Asked) -> list[Result]:
        """The same question to a second gateway, whose database holds 100,000 connections more."""
        other = home.with_name("many")
        shutil.copytree(home, other)
        books.add_idle(other, MANY)
        began = time.monotonic()
        origin = self._up(
            stack,
            ["benchmarks.gateway"],
            core=processes.SERVER_CORE,
            environment={**environment, "POLDER_HOME": str(other)},
        )
        self.facts["ready_seconds_among_many"] = round(time.monotonic() - began, 2)
        many = Asked(origin, few.paths, few.headers)
        return self._measure(Case("hundred_thousand_connections", many, few))

    async def _record(self) -> dict[str, Conversation]:
        found = {}
        for name, adapter in discover().items():
            if emulator_of(name) is not None and not adapter.example:
                self._say(f"recording what {adapter.title} says")
                found[name] = await record(name, self._folder / f"recording-{name}")
        return found

    def _up(
        self, stack: ExitStack, arguments: Sequence[str], *, core: int, environment: Mapping[str, str] | None = None
    ) -> str:
        log = self._folder / "servers.log"
        process, origin = stack.enter_context(processes.started(arguments, core=core, environment=environment, log=log))
        self._processes[origin] = process
        return origin

    def _measured_start(self, stack: ExitStack, environment: Mapping[str, str]) -> str:
        """The gateway, once to warm the disk's cache and once for good, timed until it is ready."""
        log = self._folder / "servers.log"
        arguments = ["benchmarks.gateway"]
        with processes.started(arguments, core=processes.SERVER_CORE, environment=environment, log=log):
            pass
        began = time.monotonic()
        process, origin = stack.enter_context(
            processes.started(arguments, core=processes.SERVER_CORE, environment=environment, log=log)
        )
        self._processes[origin] = process
        with urllib.request.urlopen(f"{origin}/readyz", timeout=10) as answer:
            assert answer.status == 200
        self.facts["ready_seconds"] = round(time.monotonic() - began, 2)
        self.facts["resident_megabytes"] = round(processes.resident_megabytes(process), 1)
        return origin

    def _cases(
        self,
        stack: ExitStack,
        conversations: Mapping[str, Conversation],
        origin: str,
        key: str,
        connections: Mapping[str, Sequence[str]],
    ) -> Sequence[Case]:
        headers = _authorized(key)
        uncached = headers | {"cache-control": "no-cache"}
        targets = {f"{name}-list": list(one.list_targets) for name, one in conversations.items()}
        targets |= {f"{name}-get": list(one.get_targets) for name, one in conversations.items()}
        core = processes.SERVER_CORE
        hello_origin = self._up(stack, processes.reference("hello", self.stub, {}), core=core)
        passing = {
            name: self._up(stack, processes.reference(name, self.stub, targets), core=core)
            for name in ("httpx", "httpx2")
        }
        hello = Asked(hello_origin, ["/hello"], {})
        first = next(iter(conversations))

        def ours(provider: str, path: str, sent: Mapping[str, str], among: int = CONNECTIONS) -> Asked:
            return Asked(origin, [f"/v1/connections/{id}/{path}" for id in connections[provider][:among]], sent)

        page = f"invoices?limit={INVOICES}&include=lines"
        got = f"invoices/{conversations[first].invoice_id}"
        tag = _etag(origin + ours(first, page, headers, 1).paths[0], headers)
        cases = [
            Case("cached_list_vs_hello", ours(first, page, headers, 1), hello),
            Case("cached_get_vs_hello", ours(first, got, headers, 1), hello),
            Case("not_modified_vs_hello", ours(first, page, headers | {"if-none-match": tag}, 1), hello),
        ]
        for name, one in conversations.items():
            got = f"invoices/{one.invoice_id}"
            listing, getting = ours(name, page, uncached), ours(name, got, uncached)
            counts = one.carries_lines
            for library, place in passing.items():
                passed = Asked(place, [f"/{name}-list"], {})
                cases.append(
                    Case(f"list_vs_{library}_passthrough", listing, passed, fresh=True, system=name, counts=counts)
                )
            passed = Asked(passing["httpx"], [f"/{name}-list"], {})
            cases.append(Case("unchanged_list_vs_httpx_passthrough", listing, passed, system=name, counts=counts))
            passed = Asked(passing["httpx2"], [f"/{name}-get"], {})
            cases.append(Case("get_vs_httpx2_passthrough", getting, passed, fresh=True, system=name))
            cases.append(Case("added_latency_vs_passthrough", getting, passed, fresh=True, latency=True, system=name))
        return cases

    def _measure(self, case: Case) -> list[Result]:
        with urllib.request.urlopen(f"{self.stub}/={'fresh' if case.fresh else 'same'}", timeout=10):
            pass
        found = []
        for concurrency in (1,) if case.latency else self._concurrencies:
            mine: list[Round] = []
            other: list[Round] = []
            for asked in (case.ours, case.theirs):
                self._warm(asked, concurrency)
            for _ in range(self._rounds):
                for asked, rounds in ((case.ours, mine), (case.theirs, other)):
                    rounds.append(self._round(asked, concurrency))
            result = Result(case, concurrency, mine, other)
            found.append(result)
            self._say(result.row())
        return found

    def _round(self, asked: Asked, concurrency: int) -> Round:
        server = self._processes[asked.origin]
        before = processes.processor_seconds(server)
        driven = drive(asked, self._folder, concurrency=concurrency, seconds=self._seconds, core=processes.OTHER_CORE)
        return replace(driven, cpu=(processes.processor_seconds(server) - before) * 1e6 / driven.requests)

    def _warm(self, asked: Asked, concurrency: int) -> None:
        """Ask until every path was asked once, for a minute at most."""
        missing = float(len(asked.paths))
        for _ in range(30):
            warm = drive(
                asked, self._folder, concurrency=concurrency, seconds=2, core=processes.OTHER_CORE, may_be_idle=True
            )
            missing -= warm.rate * 2
            if missing <= 0:
                return

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _etag(url: str, headers: Mapping[str, str]) -> str:
    request = urllib.request.Request(url, headers=dict(headers))
    with urllib.request.urlopen(request, timeout=30) as answer:
        tag: str = answer.headers["etag"]
        return tag


def _authorized(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def main() -> None:
    """Measure, print a table, and hold the ratios against the recorded ones."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, at one concurrency")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="only cases whose name holds it")
    parser.add_argument("--accept", action="store_true", help="record these ratios in the repository")
    given = parser.parse_args()
    require_wrk()
    with tempfile.TemporaryDirectory(prefix="polder-bench-") as folder:
        bench = Bench(Path(folder), quick=given.quick, only=given.only)
        results = bench.run()
    ratios = by_name(results)
    if bench.translated:
        ratios["translate_vs_json_floor"] = max(bench.translated.values())
    _summarize(ratios, bench.facts)
    whole = told(results, ratios, bench.facts | {"translate_by_system": bench.translated})
    if given.json is not None:
        given.json.write_text(json.dumps(whole, indent=2) + "\n")
    worse = regressions(ratios, recorded())
    if given.accept:
        kept = {name: whole[name] for name in ("ratios", "facts", "commit", "python", "machine")}
        RECORDED.write_text(json.dumps(kept, indent=2) + "\n")
    elif worse:
        sys.exit("Slower than what is recorded:\n  " + "\n  ".join(worse) + "\nOn a quiet machine? Then mend it.")


def _summarize(ratios: Mapping[str, float], facts: Mapping[str, Any]) -> None:
    before = recorded()
    print(f"\n{'ratio':<40} {'now':>7} {'recorded':>9} {'wanted':>7}")
    for name, ratio in ratios.items():
        mark = "" if reached(name, ratio) else "  not reached"
        print(f"{name:<40} {ratio:7.2f} {before.get(name, float('nan')):9.2f} {TARGETS[name]:7.2f}{mark}")
    print(f"\n{facts}")


if __name__ == "__main__":
    main()
