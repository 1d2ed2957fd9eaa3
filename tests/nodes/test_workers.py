"""Several workers on one port, as ``polder serve`` starts and stops them."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil  # type: ignore[import-untyped]  # it has no types of its own
import pytest

from gateway.engine.tokens.broker import DRAIN_WAIT
from gateway.serve import grace_with
from gateway.settings import Settings
from gateway.supervise import patience_with
from tests.house import ENCRYPTION_KEY
from tests.nodes.gateways import await_answer, running
from tests.services import free_port

WITHIN = 120.0


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A gateway of two workers, and where it is."""
    environment = {
        "POLDER_HOME": str(tmp_path / "home"),
        "POLDER_WORKERS": "2",
        "POLDER_ENCRYPTION_KEYS": ENCRYPTION_KEY,
    }
    port, log = free_port(), tmp_path / "log"
    with running(["serve", "--port", str(port)], environment, log) as process:
        await_answer(process, f"http://127.0.0.1:{port}/readyz", log)
        yield process, f"http://127.0.0.1:{port}"


def workers(of: int) -> set[int]:
    return {child.pid for child in psutil.Process(of).children()}


def counted_in(worker: int) -> set[Path]:
    """The files that a worker counts in."""
    mapped = {Path(map.path) for map in psutil.Process(worker).memory_maps()}
    return {path for path in mapped if path.parent.name.startswith("polder-metrics-")}


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_there(process: int) -> bool:
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_dead_worker_is_started_again_and_all_count_together(
    supervisor: tuple[subprocess.Popen[bytes], str],
) -> None:
    process, url = supervisor
    until(lambda: len(workers(process.pid)) == 2)
    first = workers(process.pid)

    def counted(requests: int) -> bool:
        line = f'polder_http_requests_total{{code="401",method="GET",route="/v1/providers"}} {requests}.0'
        return line in httpx2.get(f"{url}/metrics").text

    for _ in range(20):
        assert httpx2.get(f"{url}/v1/providers").status_code == 401
    # What a worker counted in its last quarter of a second dies with it.
    until(lambda: counted(20))
    os.kill(min(first), signal.SIGKILL)
    until(lambda: len(workers(process.pid)) == 2 and min(first) not in workers(process.pid))
    for _ in range(20):
        assert httpx2.get(f"{url}/v1/providers").status_code == 401
    until(lambda: counted(40))
    # Every scrape is a connection of its own, so that either worker may answer.
    assert all(counted(40) for _ in range(5))
    process.terminate()
    assert process.wait(WITHIN) == 0
    assert not any(is_there(worker) for worker in first)


def test_a_worker_that_is_killed_is_told_of(supervisor: tuple[subprocess.Popen[bytes], str], tmp_path: Path) -> None:
    """It cannot itself; and whoever watches the process from outside sees one that never ended."""
    process, url = supervisor
    until(lambda: len(workers(process.pid)) == 2)
    victim = min(workers(process.pid))

    def deaths() -> str:
        said = httpx2.get(f"{url}/metrics").text
        return next(line for line in said.splitlines() if line.startswith("polder_worker_deaths_total "))

    assert deaths() == "polder_worker_deaths_total 0.0"
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(workers(process.pid)) == 2 and victim not in workers(process.pid))
    until(lambda: deaths() == "polder_worker_deaths_total 1.0")
    process.terminate()
    assert process.wait(WITHIN) == 0
    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (line,) = [line for line in told if line["event"] == "worker"]
    assert line["detail"] == f"Worker {victim} was ended by signal 9; another takes its place."


def test_workers_that_die_leave_no_files_behind(supervisor: tuple[subprocess.Popen[bytes], str]) -> None:
    """They are in memory: some for each death would fill it up, and what has no room there ends every worker."""
    process, url = supervisor
    until(lambda: len(workers(process.pid)) == 2 and all(counted_in(worker) for worker in workers(process.pid)))
    [folder] = {path.parent for worker in workers(process.pid) for path in counted_in(worker)}
    for _ in range(2):
        victim = min(workers(process.pid))
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in workers(process.pid) and len(workers(process.pid)) == 2)  # noqa: B023 - at once
        until(lambda: all(counted_in(worker) for worker in workers(process.pid)))
    assert httpx2.get(f"{url}/metrics").status_code == 200
    assert {path.stem.rpartition("_")[2] for path in folder.iterdir()} == {"0", "1", "supervisor"}


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is no file system in memory")
def test_what_they_count_in_is_on_no_disk_that_may_fill_up(supervisor: tuple[subprocess.Popen[bytes], str]) -> None:
    process, url = supervisor
    assert httpx2.get(f"{url}/v1/providers").status_code == 401
    counted = {path for worker in workers(process.pid) for path in counted_in(worker)}
    assert counted
    assert {path.parent.parent for path in counted} == {Path("/dev/shm")}


def test_no_worker_is_ended_while_it_may_still_finish_what_is_under_way() -> None:
    for drain, deadline in ((0, 30), (20, 30), (60, 300)):
        settings = Settings(drain=drain, deadline=deadline)
        assert patience_with(settings) > drain + grace_with(deadline) + DRAIN_WAIT > drain + deadline + DRAIN_WAIT


def test_workers_do_not_outlive_their_supervisor(supervisor: tuple[subprocess.Popen[bytes], str]) -> None:
    process, _ = supervisor
    until(lambda: len(workers(process.pid)) == 2)
    orphans = workers(process.pid)
    until(lambda: all(counted_in(worker) for worker in orphans))
    [folder] = {path.parent for worker in orphans for path in counted_in(worker)}
    process.kill()
    process.wait()
    until(lambda: not any(is_there(worker) for worker in orphans))
    assert not folder.exists()
