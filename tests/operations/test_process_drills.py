"""Drills of what only a process has: a disk, a file that others lock, a port, a life.

They are played slowly: two scrapes are moments apart, and Prometheus is told that minutes passed. So they are of what
stands or grows, and of no share of anything.
"""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types of its own
import pytest

from gateway.web.health import CHECKED_FOR
from tests.operations.prometheus import needs_promtool
from tests.operations.test_serving import asked, free_ports, serving, until
from tests.operations.watching import DISK, Watch

pytestmark = needs_promtool

MB = 1_000_000


def scraped(port: int) -> str | None:
    """What a gateway says of itself; None where it does not."""
    status, text = asked(port, "/metrics")
    return text if status == 200 else None


# Its disk


def own_disk(size: int, home: Path) -> tuple[str, ...]:
    """What goes before a command that is to have a disk of its own, of so many bytes, at its home."""
    mounting = f'mount -t tmpfs -o size={size} none "{home}" && exec "$@"'
    return "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounting, "sh"


def may_mount(home: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*own_disk(MB, home), "true"], capture_output=True, check=False).returncode == 0


@contextmanager
def serving_on_a_disk(size: int, home: Path, port: int) -> Iterator[Path]:
    """A gateway whose home is all of a disk, and the way there."""
    with serving(home, before=own_disk(size, home), POLDER_PORT=str(port)) as process:
        until(port, "/readyz", 200)
        yield Path(f"/proc/{process.pid}/root{home}")


@pytest.mark.parametrize("grows", [True, False])
def test_a_disk_that_fills_up(tmp_path: Path, grows: bool) -> None:
    if not may_mount(tmp_path):
        pytest.skip("no disk can be mounted here")
    (port,), watch, beside = free_ports(1), Watch(every=300), tmp_path / "watched"
    beside.mkdir()
    with serving_on_a_disk(140 * MB, tmp_path, port) as disk, (disk / "log").open("wb", buffering=0) as log:
        for _ in range(12):
            log.write(bytes(2 * MB if grows else 0))
            watch.saw(scraped(port))
        assert watch.firing_at_all(beside) & DISK == ({"PolderDiskFillsIn24h"} if grows else set())
        if not grows:
            return
        log.write(bytes(40 * MB))
        for _ in range(3):
            watch.saw(scraped(port))
        assert watch.firing_at_all(beside) & DISK == DISK
        log.truncate(0)
        for _ in range(3):
            watch.saw(scraped(port))
        assert "PolderDiskFull" not in watch.firing_at_all(beside)


# Its database


def test_a_database_that_somebody_locks(tmp_path: Path) -> None:
    (port,), watch = free_ports(1), Watch()
    with serving(tmp_path, POLDER_PORT=str(port)):
        until(port, "/readyz", 200)
        watch.saw(scraped(port))
        with closing(sqlite3.connect(tmp_path / "polder.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(CHECKED_FOR)
            for _ in range(4):
                watch.saw(scraped(port))
            assert watch.firing(tmp_path) == {"PolderStorageDown"}
            other.rollback()
        until(port, "/readyz", 200)
        watch.saw(scraped(port))
        watch.saw(scraped(port))
        assert watch.firing(tmp_path) == set()


# Its life


def test_a_process_that_answers_no_more(tmp_path: Path) -> None:
    (port,), watch = free_ports(1), Watch()
    with serving(tmp_path, POLDER_PORT=str(port), POLDER_BACKGROUND="false") as process:
        until(port, "/readyz", 200)
        for _ in range(13):
            watch.saw(scraped(port))
        assert watch.firing(tmp_path) == {"PolderNobodyWorks"}
        process.send_signal(signal.SIGKILL)
        process.wait()
        for _ in range(8):
            watch.saw(scraped(port))
        assert watch.firing(tmp_path) == {"PolderTargetDown", "PolderAbsent"}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(("deaths", "fires"), [(3, {"PolderCrashLoop"}), (2, set())])
def test_a_process_that_dies_again_and_again(tmp_path: Path, deaths: int, fires: set[str]) -> None:
    (port,), watch = free_ports(1), Watch()
    for _ in range(deaths + 1):
        with serving(tmp_path, POLDER_PORT=str(port)) as process:
            until(port, "/livez", 200)
            watch.saw(scraped(port))
            process.kill()
    watch.saw(None)
    assert watch.firing(tmp_path) == fires


@pytest.mark.parametrize(("scrapes", "fires"), [(10, {"PolderDrainsTooLong"}), (4, set())])
def test_a_process_that_does_not_come_to_its_end(tmp_path: Path, scrapes: int, fires: set[str]) -> None:
    (port,), watch = free_ports(1), Watch()
    with serving(tmp_path, POLDER_PORT=str(port), POLDER_DRAIN="30") as process:
        until(port, "/readyz", 200)
        watch.saw(scraped(port))
        process.terminate()
        until(port, "/readyz", 503)
        for _ in range(scrapes):
            watch.saw(scraped(port))
    assert watch.firing(tmp_path) == fires


@pytest.mark.parametrize(("deaths", "fires"), [(3, {"PolderWorkersDie"}), (2, set())])
def test_workers_that_somebody_kills(tmp_path: Path, deaths: int, fires: set[str]) -> None:
    (port,), watch = free_ports(1), Watch()
    with serving(tmp_path, POLDER_PORT=str(port), POLDER_WORKERS="2") as process:
        until(port, "/readyz", 200)
        watch.saw(scraped(port))
        for _ in range(deaths):
            worker = psutil.Process(process.pid).children()[0]
            worker.kill()
            while worker.is_running() or len(psutil.Process(process.pid).children()) < 2:
                time.sleep(0.05)
            until(port, "/readyz", 200)
            watch.saw(scraped(port))
        process.terminate()
        process.wait()
    assert watch.firing(tmp_path) == fires


def test_a_process_that_is_held_up_again_and_again(tmp_path: Path) -> None:
    """As by a disk that does not answer, or by a node that has no processor left for it."""
    (port,), watch = free_ports(1), Watch()
    with serving(tmp_path, POLDER_PORT=str(port)) as process:
        until(port, "/readyz", 200)
        watch.saw(scraped(port))
        for _ in range(9):
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.6)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.2)
            watch.saw(scraped(port))
    assert "PolderEventLoopBlocked" in watch.firing_at_all(tmp_path)
