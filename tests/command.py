"""The command ``polder`` as a user runs it: a home of its own, and no network."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.registry import discover
from gateway.settings import variable
from tests.engine.sockets import refusing

ROOT = Path(__file__).resolve().parent.parent
OLD, NEW = (f"{name}:{base64.b64encode(name.encode() * 8).decode()}" for name in ("key1", "key2"))
"""Encryption keys, as the setting has them."""


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Nothing of Polder's, and every provider at an address of this machine where nobody answers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POLDER_")}
    with refusing() as port:
        for adapter in discover().values():
            for origin in adapter.origins.values():
                kept[variable(adapter, origin.setting)] = f"http://127.0.0.1:{port}"
        yield {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


@dataclass
class Command:
    """``polder``, at home in one folder."""

    home: Path
    environment: dict[str, str]
    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it, as its own process would, in this one: a process of its own takes seconds to start."""
        with self.monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("POLDER_")]:
                patch.delenv(name)
            for name, value in {**self.environment, "POLDER_HOME": str(self.home), **variables}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["polder", *arguments])
            self.capture.readouterr()
            code = 0
            try:
                main()
            except SystemExit as done:
                code = done.code if isinstance(done.code, int) else int(done.code is not None)
            said = self.capture.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    def spawn(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            cwd=ROOT,
            env={**self.environment, "POLDER_HOME": str(self.home), **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def unheard(self, redirected: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it with its output redirected as a shell writes that, or else to a pipe whose reader is gone."""
        reader, writer = os.pipe()
        os.close(reader)
        try:
            return subprocess.run(
                ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-m", "gateway", *arguments],
                cwd=ROOT,
                env={**self.environment, "POLDER_HOME": str(self.home), **variables},
                stdout=writer,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            os.close(writer)

    def read(self, *arguments: str, **variables: str) -> Any:
        """What a command that succeeds prints as JSON."""
        return printed(self.run(*arguments, "--json", **variables))

    def doctor(self, **variables: str) -> list[dict[str, str]]:
        """What the doctor finds, well or not."""
        found: list[dict[str, str]] = json.loads(self.run("doctor", "--json", **variables).stdout)
        return found

    def refused(self, *arguments: str, **variables: str) -> str:
        """What a command that fails on purpose says."""
        return complaint(self.run(*arguments, **variables))


def printed(done: subprocess.CompletedProcess[str]) -> Any:
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """One line, and no traceback."""
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("polder: "), done.stderr[-500:]
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def polder(
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    monkeypatch.chdir(ROOT)
    return Command(tmp_path / "home", environment, monkeypatch, capsys)
