"""What a newcomer does first: `polder demo` and `polder emulate`, real processes on real sockets, every line pasted.

A line is run as it was printed, by a shell, with the exports that were printed above it.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from gateway.app import build
from gateway.contract.exact import loads
from gateway.demo import Demo, operations_of, welcome
from gateway.registry import discover, emulator_of
from gateway.serve import run
from gateway.settings import Settings
from tests.lacking import without

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0
"""Seconds for a command to say that it runs. Three are enough on a machine that does nothing else."""
EMULATED = sorted(name for name in discover() if emulator_of(name) is not None)
SHOWN = [name for name in EMULATED if not discover()[name].example]

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("bash") is None, reason="this machine has no curl, or no bash"
)


@dataclass
class Command:
    """A `polder` command that runs until it is interrupted, far from this machine's settings and files."""

    process: subprocess.Popen[str]
    home: Path
    printed: list[str] = field(default_factory=list)

    @property
    def temporary(self) -> Path:
        return self.home / "tmp"

    @property
    def complaints(self) -> str:
        return (self.home / "stderr").read_text(encoding="utf-8")

    def read_until(self, last: str) -> None:
        """Read what is printed up to the line that has this in it."""
        assert self.process.stdout is not None
        watch = threading.Timer(PATIENCE, self.process.kill)
        watch.start()
        try:
            for line in self.process.stdout:
                self.printed.append(line.rstrip("\n"))
                if last in line:
                    return
        finally:
            watch.cancel()
        raise AssertionError(f"it ended before it said {last!r}: {self.printed} {self.complaints}")

    def lines(self, beginning: str) -> list[str]:
        """The printed lines that begin so, but for their indentation."""
        return [line for line in self.printed if line.lstrip().startswith(beginning)]

    def paste(self, line: str, *exports: str) -> str:
        """What a shell prints for one printed line, after the printed exports and these."""
        script = "\n".join([*self.lines("export "), *exports, line])
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False, env=environment(self.home)
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{line}: {done}"
        return done.stdout

    def interrupt(self) -> None:
        """Ctrl-C: it ends well, within ten seconds, and leaves nothing behind."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=10) == 0, self.complaints
        assert "Traceback" not in self.complaints
        with pytest.raises(ProcessLookupError):
            os.killpg(self.process.pid, 0)
        assert list(self.temporary.iterdir()) == []
        assert {one.name for one in self.home.iterdir()} == {"tmp", "stderr"}


def environment(home: Path) -> dict[str, str]:
    """The environment of somebody who never had a Polder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POLDER_")}
    return {**kept, "HOME": str(home), "TMPDIR": str(home / "tmp"), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


@contextmanager
def polder(home: Path, *arguments: str, last: str) -> Iterator[Command]:
    """Run a command until the block ends, from the moment that it printed its last line."""
    (home / "tmp").mkdir()
    with (home / "stderr").open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=home,
            env=environment(home),
            start_new_session=True,
        )
    command = Command(process, home)
    try:
        command.read_until(last)
        yield command
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_every_line_of_the_demonstration_works_as_printed(tmp_path: Path) -> None:
    with polder(tmp_path, "demo", "--port", "0", last="Ctrl-C") as demo:
        told = "\n".join(demo.printed)
        url = url_in(demo.lines("export POLDER=")[0])
        assert all(f"# {name}" in told for name in SHOWN)
        calls = demo.lines("curl ")
        assert len(calls) >= 5 * len(SHOWN)
        for line in calls:
            kept_promise(line, loads(demo.paste(line)))
        documented(demo, url)
        first_calls_of_the_readme(demo, calls)
        demo.interrupt()
        nobody_listens(url)


def test_of_a_system_that_lacks_something_the_rest_is_shown() -> None:
    left = operations_of(without("vat-codes", "contacts.list"))
    told = welcome(Demo("http://polder.test", "polder_live_x", {"memory": "con_1"}, {"memory": left}))
    calls = [line for line in told.splitlines() if "curl" in line]
    assert ["/invoices?" in calls[0], '/contacts" -H' in calls[1]] == [True, True]
    assert len(calls) == 2


def test_a_port_that_is_taken_gives_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with polder(tmp_path, "demo", "--port", port, last="Ctrl-C") as demo:
            assert not url_in(demo.lines("export POLDER=")[0]).endswith(f":{port}")
            demo.interrupt()


@pytest.mark.parametrize("provider", EMULATED)
def test_an_emulator_alone_answers_a_polder_of_ones_own(provider: str, tmp_path: Path) -> None:
    emulator_home, polder_home = tmp_path / "emulator", tmp_path / "polder"
    emulator_home.mkdir()
    polder_home.mkdir()
    with polder(emulator_home, "emulate", provider, "--port", "0", last="Ctrl-C") as emulator:
        url = url_in(emulator.printed[0])
        exported = emulator.lines("export ")
        assert exported
        credentials = emulator.lines("Credentials that work: ")[0].partition(": ")[2]
        answers_as_the_vendor(provider, exported, credentials, polder_home)
        emulator.interrupt()
        nobody_listens(url)


def kept_promise(line: str, answer: Any) -> None:
    """What a line of the demonstration shows is what was asked for, and there is something to see."""
    url = urlsplit(re.findall(r'"(\$POLDER[^"]*)"', line)[0])
    asked = parse_qs(url.query)
    if " -d " in line:
        assert loads(re.findall(r" -d '([^']*)'", line)[0]).items() <= simple(answer).items()
        assert answer["id"]
        return
    assert answer.keys() == {"data", "next_cursor", "total_count"}, answer
    records = answer["data"]
    assert records
    assert len(records) <= int(asked.get("limit", ["50"])[0])
    for name in ("email", "document_status", "payment_status"):
        if name in asked:
            assert {record[name] for record in records} == set(asked[name])
    if "email" in asked:
        assert len(records) == 1


def simple(record: Any) -> Any:
    """A record without nulls: what was sent, and little else."""
    if not isinstance(record, dict):
        return record
    return {name: simple(value) for name, value in record.items() if value is not None}


def documented(demo: Command, url: str) -> None:
    """The page that is named last is there, and so is the document that it shows."""
    assert f"{url}/docs" in demo.printed[-1]
    assert "<html" in demo.paste(f"curl -s {url}/docs").lower()
    assert loads(demo.paste(f"curl -s {url}/openapi.json"))["openapi"].startswith("3.1")


def first_calls_of_the_readme(demo: Command, calls: Sequence[str]) -> None:
    """The README's first call gives the answer that it shows, save the record's id, and then it sells something.

    Both are pasted as they stand, and again for each of the other connections.
    """
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## A first call")[2]
    call, sale = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    shown = section.partition("```json\n")[2].partition("```")[0]
    promised = dict(re.findall(r'"(kind|name|email)":"([^"]*)"', shown))
    assert promised.keys() == {"kind", "name", "email"}
    script = sale.replace("./dev run python examples", f"{sys.executable} {ROOT / 'examples'}")
    first = re.findall(r"CONNECTION=(con_\w+)", demo.lines("export POLDER=")[0])
    others = {found for line in calls for found in re.findall(r"con_\w+", line)} - set(first)
    assert (len(first), len(others)) == (1, len(SHOWN) - 1)
    for exports in [(), *((f"export CONNECTION={connection}",) for connection in sorted(others))]:
        answer = loads(demo.paste(call, *exports))
        assert [promised.items() <= record.items() for record in answer["data"]] == [True], answer
        sold = demo.paste(script, *exports).splitlines()
        assert [line.split()[2] for line in sold] == ["109.11"] * 3, sold


def answers_as_the_vendor(provider: str, exported: Sequence[str], credentials: str, home: Path) -> None:
    """A Polder with the printed exports connects with the printed credentials, and reads over HTTP."""
    settings = dict(shlex.split(line)[1].split("=", 1) for line in exported)
    body = {"provider": provider, "name": "Mine", "credentials": loads(credentials)}

    async def connect_and_read() -> None:
        polder = await build(Settings(home=home, env="test"), environment=settings)
        key = await polder.create_key(tenant="mine", name="mine", scopes=["*"])
        transport = httpx2.ASGITransport(polder.asgi)
        headers = {"authorization": f"Bearer {key}"}
        try:
            async with httpx2.AsyncClient(transport=transport, base_url="http://mine", headers=headers) as client:
                answer = await client.post("/v1/connections", json=body)
                if answer.status_code == 422:
                    company = next(one["id"] for one in answer.json()["companies"] if one["accessible"])
                    answer = await client.post("/v1/connections", json={**body, "company_id": company})
                assert answer.status_code == 201, answer.text
                contacts = await client.get(f"/v1/connections/{answer.json()['id']}/contacts")
                assert contacts.status_code == 200, contacts.text
                assert contacts.json()["data"]
        finally:
            await polder.close()

    run(connect_and_read())


def url_in(line: str) -> str:
    """The address in a printed line."""
    found: list[str] = re.findall(r"http://[0-9.]+:\d+", line)
    return found[0]


def nobody_listens(url: str) -> None:
    """The port is free again."""
    where = urlsplit(url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((where.hostname or "", where.port or 0), timeout=2)
