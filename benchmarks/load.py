"""Load on one server, by ``wrk``: a C program, so that the generator is never what is measured."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
class Asked:
    """What is asked of one server, over and over: paths in turn, with these headers."""

    origin: str
    paths: Sequence[str]
    headers: Mapping[str, str]
    method: str = "GET"
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement: requests answered, and a second; milliseconds at the median and the 99th percentile."""

    requests: int
    rate: float
    p50: float
    p99: float
    cpu: float = 0.0
    """Microseconds of processor time that the server took for a request: what a busy machine distorts least."""


def require_wrk() -> None:
    """Leave, with a word on how to get it, where it is not installed."""
    if shutil.which("wrk") is None:
        sys.exit("The benchmark needs wrk to make load: apt-get install wrk (or brew install wrk).")


def drive(asked: Asked, folder: Path, *, concurrency: int, seconds: int, core: int, may_be_idle: bool = False) -> Round:
    """Ask for so many seconds. Raises ``RuntimeError`` where anything but a success came back, or nothing at all."""
    paths, script = folder / "paths.txt", folder / "ask.lua"
    paths.write_text("\n".join(asked.paths))
    body = "nil" if asked.body is None else json.dumps(asked.body, ensure_ascii=False)
    script.write_text(_SCRIPT % {"paths": str(paths), "method": asked.method, "body": body})
    argv = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "20s"]
    for name, value in asked.headers.items():
        argv += ["-H", f"{name}: {value}"]
    done = subprocess.run(
        [*argv, "-s", str(script), asked.origin], check=True, capture_output=True, text=True, timeout=seconds + 60
    )
    told = json.loads(done.stdout.strip().splitlines()[-1])
    if told["errors"]:
        raise RuntimeError(f"{asked.paths[0]}: {told['errors']} of {told['requests']} requests went wrong")
    if not told["requests"] and not may_be_idle:
        raise RuntimeError(f"{asked.paths[0]}: nothing was answered in {seconds} s; is the machine busy?")
    rate = told["requests"] / told["duration_us"] * 1e6
    return Round(told["requests"], rate, told["p50_us"] / 1e3, told["p99_us"] / 1e3)
