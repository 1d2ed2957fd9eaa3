"""The servers of the benchmark, each a process of its own on a core of its own."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

SERVER_CORE = 0
OTHER_CORE = 1
"""The load generator and the stub share it, so that the server under test has its own to itself."""
_PATIENCE = 30.0


@contextmanager
def started(
    arguments: Sequence[str], *, core: int, environment: Mapping[str, str] | None = None, log: Path
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A Python module as a process, and its origin: it prints the port it listens on. It is ended with the block."""
    argv = ["taskset", "-c", str(core), sys.executable, "-m", *arguments]
    env = {name: text for name, text in os.environ.items() if not name.startswith("POLDER_")} | dict(environment or {})
    with log.open("a") as written:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=written, text=True, env=env)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"(\d+)\s*$", line)
            if found is None:
                raise RuntimeError(f"{' '.join(arguments)} did not start: {log.read_text()[-2000:]}")
            yield process, f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def reference(name: str, upstream: str, targets: Mapping[str, Sequence[str]]) -> list[str]:
    """The arguments that start a server of ``references``."""
    return ["benchmarks.references", name, upstream, json.dumps(targets)]


def processor_seconds(process: subprocess.Popen[str]) -> float:
    """The processor time that a process has taken so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(process: subprocess.Popen[str]) -> float:
    """What a process holds in memory now, in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def busy_elsewhere(seconds: float) -> float:
    """The share of all cores that is at work now, while this process waits: what a quiet machine has none of."""
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    total = sum(after) - sum(before)
    return 1 - (after[3] + after[4] - before[3] - before[4]) / max(1, total)


def _ticks() -> list[int]:
    return [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
