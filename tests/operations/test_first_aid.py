"""What the README says to do at night is pasted into a shell beside a running gateway, and works."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nodes.gateways import company, emulated_system, gateways
from tests.operations.prometheus import ROOT

END = "--- that was all of it\n"


def at_night() -> tuple[str, list[str]]:
    """What is to be pasted first, and the commands of the text and its table."""
    chapter = (ROOT / "README.md").read_text().split("### At three in the morning\n")[1].split("\n## ")[0]
    before, first, after = re.split(r"```(?:sh)?\n", chapter)
    commands = re.findall(r"`((?:polder|asked) [^`]+)`", before + after)
    return first, commands


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_what_is_pasted_at_night_works(tmp_path: Path) -> None:
    first, commands = at_night()
    home = {"POLDER_HOME": str(tmp_path / "home")}
    with emulated_system(tmp_path) as system, gateways(tmp_path, system, [home]) as running:
        (node,) = running.nodes
        made = node.client.post(running.path, json=company("Kaasboer"), headers={"idempotency-key": "order-1"})
        assert made.status_code == 201, made.text
        about = {
            "POLDER": f"http://127.0.0.1:{node.port}",
            "TENANT": "acme",
            "CONNECTION": running.connection,
            "IDEMPOTENCY_KEY": "order-1",
        }
        ours = f'polder() {{ "{sys.executable}" -m gateway "$@"; }}\n'
        done = subprocess.run(
            ["sh", "-euc", ours + first + "".join(f"{one}\nprintf '%s' '{END}'\n" for one in commands)],
            env={**system.environment, **home, **about, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    said = dict(zip(commands, done.stdout.split(END), strict=False))
    assert said.keys() == {
        "polder doctor",
        'polder connections list --tenant "$TENANT"',
        'polder connections check "$CONNECTION"',
        'polder connections suspend "$CONNECTION"',
        'polder connections resume "$CONNECTION"',
        'asked "$CONNECTION"',
        "asked busiest",
        'asked "$CONNECTION/operations/$IDEMPOTENCY_KEY"',
    }
    assert "The database can be written to." in said["polder doctor"]
    assert running.connection in said['polder connections list --tenant "$TENANT"']
    assert "answers" in said['polder connections check "$CONNECTION"']
    assert json.loads(said['asked "$CONNECTION"'])["health"]["state"] == "ok"
    assert [one["connection_id"] for one in json.loads(said["asked busiest"])["data"]] == [running.connection]
    assert json.loads(said['asked "$CONNECTION/operations/$IDEMPOTENCY_KEY"'])["state"] == "applied"
