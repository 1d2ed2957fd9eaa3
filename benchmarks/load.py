"""Load on one server, by ``wrk``: a C program, so that the generator is never what is measured."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Elsewhere, Server, processor_seconds

QUIET = 0.15
"""Cores that may be busy with other work while a round counts as it is."""
_PATIENCE = 60
"""Seconds that wrk may take to end when its time is over: on a busy machine it waits for its own turn."""
_SCRIPT = """
local paths, count, at = {}, 0, 0
for line in io.lines('%(paths)s') do count = count + 1; paths[count] = line end
request = function()
  at = at %% count + 1
  return wrk.format('%(method)s', paths[at], nil, %(body)s)
end
done = function(summary, latency, requests)
  local wrong = summary.errors
  io.write(string.format(
    '\\n{"requests":%%d,"duration_us":%%d,"errors":%%d,"p50_us":%%d,"p99_us":%%d}\\n',
    summary.requests, summary.duration, wrong.connect + wrong.read + wrong.write + wrong.status + wrong.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What is asked of one server, over and over: paths in turn, with these headers."""

    server: Server
    paths: Sequence[str]
    headers: Mapping[str, str]
    method: str = "GET"
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement: requests a second, milliseconds at the median and the 99th percentile.

    ``cost`` is the server's processor time for one request, in microseconds: other work on the machine changes that
    least. ``elsewhere`` is how many cores were busy with such work.
    """

    rate: float
    p50: float
    p99: float
    cost: float
    elsewhere: float

    @property
    def is_quiet(self) -> bool:
        """Whether the machine had next to nothing else to do."""
        return self.elsewhere <= QUIET


class Unmeasured(Exception):
    """Something went wrong, or nothing was answered."""


def require(program: str, purpose: str) -> None:
    """Leave, with a word on what it is for, where it is not installed."""
    if shutil.which(program) is None:
        sys.exit(f"The benchmark needs {program} to {purpose}, and it is not on the PATH (benchmarks/README.md).")


def drive(asked: Parameters, folder: Path, *, concurrency: int, seconds: int, core: int) -> tuple[int, Round | None]:
    """Ask for so many seconds: how many answers came, and what was measured, where any came.

    Raises ``Unmeasured`` where anything but a success came back.
    """
    paths, script = folder / "paths.txt", folder / "ask.lua"
    paths.write_text("\n".join(asked.paths))
    body = "nil" if asked.body is None else json.dumps(asked.body, ensure_ascii=False)
    script.write_text(_SCRIPT % {"paths": str(paths), "method": asked.method, "body": body})
    argv = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "60s"]
    for name, value in asked.headers.items():
        argv += ["-H", f"{name}: {value}"]
    elsewhere, before = Elsewhere(), processor_seconds(asked.server.pid)
    try:
        done = subprocess.run(
            [*argv, "-s", str(script), asked.server.origin],
            check=True,
            capture_output=True,
            text=True,
            timeout=seconds + _PATIENCE,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise Unmeasured(f"{asked.paths[0]}: {error}") from error
    spent = processor_seconds(asked.server.pid) - before
    told = json.loads(done.stdout.strip().splitlines()[-1])
    if told["errors"]:
        raise Unmeasured(f"{asked.paths[0]}: {told['errors']} of {told['requests']} requests went wrong")
    count: int = told["requests"]
    if not count:
        return 0, None
    rate, cost = count / told["duration_us"] * 1e6, spent / count * 1e6
    return count, Round(rate, told["p50_us"] / 1e3, told["p99_us"] / 1e3, cost, elsewhere.cores())
