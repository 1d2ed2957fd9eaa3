"""`polder serve` as an operator meets it: a real process, real ports, a signal to stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from sqlalchemy import make_url, text

from tests.operations.prometheus import ROOT
from tests.operations.scrape import series
from tests.services import administering

PATIENCE = 60.0


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in held]


@contextmanager
def serving(
    home: Path, command: str = "serve", *, before: Sequence[str] = (), **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """A gateway's process while the block runs; ``before`` is what its command is an argument of."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POLDER_")}
    given = {"POLDER_HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **variables}
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "gateway", command],
        env={**kept, **given},
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize(("workers", "hint"), [("1", " `polder doctor` says more."), ("2", "")])
def test_a_start_that_fails_is_told_in_one_line(tmp_path: Path, postgres_url: str, workers: str, hint: str) -> None:
    (port,) = free_ports(1)
    only_reads = f"ALTER DATABASE {make_url(postgres_url).database} SET default_transaction_read_only"
    configured = {"POLDER_DATABASE_URL": postgres_url, "POLDER_PORT": str(port), "POLDER_WORKERS": workers}
    with administering(postgres_url) as server:
        server.execute(text(f"{only_reads} = on"))
        with serving(tmp_path, **configured) as process:
            assert process.stderr is not None
            assert process.stderr.readline() == (
                f"polder: storage_unavailable: Polder's storage cannot be used (25006).{hint}\n"
            )
            if workers == "1":
                assert (process.wait(PATIENCE), process.stderr.read()) == (1, "")
                return
            server.execute(text(f"{only_reads} = off"))
            until(port, "/readyz", 200)
            process.terminate()
            assert process.wait(PATIENCE) == 0
            assert "Traceback" not in process.stderr.read()


def asked(port: int, path: str) -> tuple[int, str]:
    """Status and text; 0 where nobody answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except (URLError, ConnectionError):
        return 0, ""


def until(port: int, path: str, status: int) -> str:
    """What is answered once the status is this one."""
    patience = time.monotonic() + PATIENCE
    while time.monotonic() < patience:
        found, text = asked(port, path)
        if found == status:
            return text
        time.sleep(0.05)
    raise AssertionError(f"{path} never answered {status}")


def test_a_process_that_is_told_to_stop_says_so_before_it_stops(tmp_path: Path) -> None:
    """It still answers meanwhile, its metrics to the end, and nobody restores a backup under it."""
    api, metrics = free_ports(2)
    with serving(tmp_path, POLDER_PORT=str(api), POLDER_METRICS_PORT=str(metrics), POLDER_DRAIN="3") as process:
        until(api, "/readyz", 200)
        assert asked(api, "/metrics")[0] == 404
        found = series(asked(metrics, "/metrics")[1])
        assert (found["polder_storage_up"], found["polder_draining"]) == (1, 0)
        assert asked(metrics, "/readyz")[0] == 404
        process.send_signal(signal.SIGTERM)
        assert json.loads(until(api, "/readyz", 503)) == {"status": "draining"}
        assert asked(api, "/livez")[0] == 200
        assert asked(api, "/openapi.json")[0] == 200
        assert series(asked(metrics, "/metrics")[1])["polder_draining"] == 1
        assert process.wait(timeout=PATIENCE) == 0
        assert asked(api, "/livez")[0] == asked(metrics, "/metrics")[0] == 0


def test_a_worker_answers_probes_and_metrics_only_and_drains_like_any_other(tmp_path: Path) -> None:
    probes, metrics = free_ports(2)
    given = {"POLDER_PORT": str(probes), "POLDER_METRICS_PORT": str(metrics), "POLDER_DRAIN": "3"}
    with serving(tmp_path, "work", POLDER_BACKGROUND="false", **given) as process:
        until(probes, "/readyz", 200)
        assert asked(probes, "/livez")[0] == 200
        assert {asked(probes, path)[0] for path in ("/v1/providers", "/docs", "/connect/x", "/metrics")} == {404}
        assert series(asked(metrics, "/metrics")[1])["polder_background_work"] == 1
        process.send_signal(signal.SIGTERM)
        assert json.loads(until(probes, "/readyz", 503)) == {"status": "draining"}
        assert process.wait(timeout=PATIENCE) == 0


def test_a_metrics_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving(tmp_path, POLDER_PORT="0", POLDER_METRICS_PORT=str(port)) as process:
            _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "POLDER_METRICS_PORT" in complaint
    assert "Traceback" not in complaint


@pytest.mark.skipif(sys.platform == "win32", reason="there is no flock on Windows")
def test_a_running_gateway_is_noticed_and_a_killed_one_is_not(tmp_path: Path) -> None:
    from gateway.backup import InUse, restore
    from gateway.settings import Settings
    from gateway.store.copies import CannotCopy

    (port,) = free_ports(1)
    settings = Settings(home=tmp_path)
    with serving(tmp_path, POLDER_PORT=str(port)) as process:
        until(port, "/readyz", 200)
        with pytest.raises(InUse, match="stop it first"):
            restore(settings, tmp_path / "none", None)
        process.kill()
        process.wait(timeout=PATIENCE)
        with pytest.raises(CannotCopy, match="There is no file"):
            restore(settings, tmp_path / "none", None)


def test_a_gateway_whose_streams_were_closed_serves(tmp_path: Path) -> None:
    """As some that start daemons do. What it opens next must not become its standard error."""
    (port,) = free_ports(1)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POLDER_")}
    given = {"POLDER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "POLDER_PORT": str(port)}
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-m", "gateway", "serve"]
    with subprocess.Popen(closed, env={**kept, **given}, cwd=ROOT) as process:
        try:
            until(port, "/readyz", 200)
            if sys.platform == "linux":
                streams = {os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)}
                assert streams == {os.devnull}
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
