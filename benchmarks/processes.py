"""The servers of the benchmark, each a process of its own on a core of its own."""

import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from benchmarks.conversation import Sent

SERVER_CORE = 0
OTHER_CORE = 1
"""The load generator and the stub share it, so that the server under test has its own to itself."""
_PATIENCE = 30.0
_START = 180.0
"""Seconds in which a server must be ready."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A process that serves HTTP."""

    origin: str
    pid: int


@contextmanager
def started(arguments: Sequence[str], *, core: int, log: Path) -> Iterator[Server]:
    """A Python module as a process: it prints the port it listens on. It is ended with the block."""
    with _running([sys.executable, "-m", *arguments], {}, core=core, log=log) as process:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _START)
        line = process.stdout.readline() if ready else ""
        found = re.search(r"(\d+)\s*$", line)
        if found is None:
            raise RuntimeError(f"{' '.join(arguments)} did not start: {log.read_text()[-2000:]}")
        yield Server(f"http://127.0.0.1:{found[1]}", process.pid)


@contextmanager
def polder(environment: Mapping[str, str], *, core: int, log: Path) -> Iterator[Server]:
    """``polder serve``, once it is ready. It is ended with the block."""
    port = _free_port()
    serve = [sys.executable, "-m", "gateway", "serve", "--port", str(port)]
    with _running(serve, environment, core=core, log=log) as process:
        server = Server(f"http://127.0.0.1:{port}", process.pid)
        over = time.monotonic() + _START
        while not _is_ready(server):
            if process.poll() is not None or time.monotonic() > over:
                raise RuntimeError(f"polder serve did not start: {log.read_text()[-2000:]}")
            time.sleep(0.01)
        yield server


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _is_ready(server: Server) -> bool:
    try:
        with urllib.request.urlopen(f"{server.origin}/readyz", timeout=_START) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


@contextmanager
def _running(
    arguments: Sequence[str], environment: Mapping[str, str], *, core: int, log: Path
) -> Iterator[subprocess.Popen[str]]:
    argv = ["taskset", "-c", str(core), *arguments]
    # What is installed has its bytecode: a start that has to compile every module first is nobody's.
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env = {name: text for name, text in kept.items() if not name.startswith("POLDER_")} | dict(environment)
    with log.open("a") as written:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=written, text=True, env=env)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream system {{ server {upstream}; keepalive 128; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://system; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


@contextmanager
def nginx(upstream: str, folder: Path, *, core: int, log: Path) -> Iterator[Server]:
    """nginx as a reverse proxy, in one process. It is ended with the block."""
    port = _free_port()
    folder.mkdir()
    written = folder / "nginx.conf"
    written.write_text(_NGINX.format(folder=folder, upstream=upstream.removeprefix("http://"), port=port))
    with _running(["nginx", "-c", str(written), "-e", str(log)], {}, core=core, log=log) as process:
        yield Server(f"http://127.0.0.1:{port}", process.pid)


@contextmanager
def profiled(server: Server, file: Path) -> Iterator[None]:
    """py-spy looks at a server while the block runs, and draws where its time goes."""
    # It does not stop the server for every look: with a dozen threads to look at, next to nothing would be answered.
    argv = ["py-spy", "record", "--nonblocking", "--pid", str(server.pid), "--output", str(file)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_START)


def reference(name: str, upstream: str, calls: Mapping[str, Sequence[Sent]]) -> list[str]:
    """The arguments that start a server of ``references``."""
    return ["benchmarks.references", name, upstream, json.dumps(calls)]


def resident_megabytes(pid: int) -> float:
    """What a process holds in memory now, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def processor_seconds(pid: int) -> float:
    """The time that a process has been at work on any core, in steps of a hundredth."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Elsewhere:
    """How many cores were busy with what is not ours since this was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy, self._ours = _busy_seconds(), _our_seconds()

    def cores(self) -> float:
        """As a number of cores."""
        passed = max(0.01, time.monotonic() - self._began)
        return max(0.0, _busy_seconds() - self._busy - (_our_seconds() - self._ours)) / passed


def _busy_seconds() -> float:
    ticks = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / _TICKS


def _our_seconds() -> float:
    """Of this process, of what it started and has ended, and of what it started and still runs."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    own = time.process_time() + ended.ru_utime + ended.ru_stime
    return own + sum(processor_seconds(int(pid)) for pid in running)
