"""A real Prometheus scrapes a running demonstration: what the overview asks has an answer, and every rule evaluates."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import yaml

from tests.operations.prometheus import ALERTS, MONITORING, ROOT, needs_prometheus, queries, rules

PATIENCE = 60.0
"""Seconds for a process to begin, or for a query to have an answer."""
OVERVIEW = MONITORING / "dashboards" / "overview.json"


@contextmanager
def running(*command: str, home: Path, stdout: int | IO[str] = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """A process until the block ends, far from this machine's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POLDER_")}
    with (home / f"{Path(command[0]).name}.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=stdout, stderr=log, text=True, cwd=home, env={**kept, "PYTHONPATH": str(ROOT)}
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def demonstration(home: Path) -> Iterator[tuple[str, str, list[str]]]:
    """A demonstration's address, its key, and paths that it says can be read."""
    with running(sys.executable, "-m", "gateway", "demo", "--port", "0", home=home, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        watch = threading.Timer(PATIENCE, process.kill)
        watch.start()
        told = []
        for line in process.stdout:
            told.append(line)
            if "Ctrl-C" in line:
                break
        watch.cancel()
        text = "".join(told)
        found = re.search(r"export POLDER=(\S+) KEY=(\S+)", text)
        assert found, text
        yield found[1], found[2], re.findall(r'"\$POLDER(/v1/[^"]*)"; echo', text)


@contextmanager
def prometheus(home: Path, target: str) -> Iterator[str]:
    """A Prometheus that scrapes the target every second, with our rules; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = home / "prometheus.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(ALERTS)],
                "scrape_configs": [{"job_name": "polder", "static_configs": [{"targets": [target]}]}],
            }
        )
    )
    arguments = (f"--config.file={config}", f"--storage.tsdb.path={home / 'tsdb'}", f"--web.listen-address={address}")
    with running("prometheus", *arguments, home=home):
        yield f"http://{address}"


def get(url: str, key: str = "") -> bytes:
    """What an address of this machine answers."""
    request = Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    with urlopen(request, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def asked(prometheus: str, path: str, **parameters: str) -> Any:
    """What Prometheus' own API says; nothing while it is not there yet."""
    try:
        return json.loads(get(f"{prometheus}/api/v1/{path}?{urlencode(parameters)}"))["data"]
    except (URLError, ConnectionError):
        return None


def has_data(prometheus: str, query: str) -> bool:
    """Whether a query gives at least one number."""
    found = asked(prometheus, "query", query=query)
    return bool(found) and any(one["value"][1] != "NaN" for one in found["result"])


@needs_prometheus
def test_the_overview_shows_a_running_demonstration(tmp_path: Path) -> None:
    home, beside = tmp_path / "demo", tmp_path / "prometheus"
    home.mkdir()
    beside.mkdir()
    with demonstration(home) as (url, key, paths), prometheus(beside, url.removeprefix("http://")) as server:
        assert len(paths) >= 9
        open_questions = set(queries(OVERVIEW, {"$__rate_interval": "10s", "$job": "polder"}))
        total = len(open_questions)
        until = time.monotonic() + PATIENCE
        while open_questions and time.monotonic() < until:
            for path in paths:
                get(f"{url}{path}", key)
            open_questions -= {query for query in open_questions if has_data(server, query)}
            time.sleep(0.5)
        assert open_questions == set(), f"of {total} queries these have no data"
        evaluated = [rule for group in asked(server, "rules")["groups"] for rule in group["rules"]]
        assert len(evaluated) == len(rules())
        assert [(rule["name"], rule.get("lastError")) for rule in evaluated if rule["health"] == "err"] == []
        firing = [
            alert["labels"]["alertname"] for alert in asked(server, "alerts")["alerts"] if alert["state"] == "firing"
        ]
        assert firing == []
