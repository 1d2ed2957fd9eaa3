"""`./dev audit`: the bill of materials is complete, and what could not be audited is never called safe."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.supply import LOCK, NOT_AUDITED, VULNERABLE, bill_of, main, pins, verdict


def said(stdout: str, stderr: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, stdout, stderr)


def test_the_bill_holds_every_package_that_is_shipped() -> None:
    packages = list(pins(LOCK.read_text()))
    assert len(packages) == len(re.findall(r"^\S+==", LOCK.read_text(), re.MULTILINE))
    bill = json.loads(bill_of(packages, "1.2.3"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == "1.2.3"
    assert {one["purl"] for one in bill["components"]} == {f"pkg:pypi/{one.name}@{one.version}" for one in packages}
    assert all(one["hashes"] for one in bill["components"])


FINE = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "not found"}
BAD = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}


@pytest.mark.parametrize(
    ("done", "code", "message"),
    [
        (said(json.dumps({"dependencies": [FINE, FINE]})), 0, "Audited: all 2 packages"),
        (said(json.dumps({"dependencies": [FINE, SKIPPED]})), NOT_AUDITED, "NOT AUDITED: 1 of 2 packages"),
        (said(json.dumps({"dependencies": [FINE, SKIPPED]})), NOT_AUDITED, "Why: not found"),
        (said(json.dumps({"dependencies": [FINE]})), NOT_AUDITED, "NOT AUDITED: 1 of 2 packages"),
        (said(json.dumps({"dependencies": [BAD, FINE]}), code=1), VULNERABLE, "c 2: PYSEC-1, mended in 3"),
        (said(json.dumps({"dependencies": [BAD, SKIPPED]}), code=1), VULNERABLE, "c 2: PYSEC-1, mended in 3"),
        (said(json.dumps({"dependencies": [BAD, SKIPPED]}), code=1), VULNERABLE, "NOT AUDITED: 1 of 2 packages"),
        (said("", "a lot\nno route to host", 1), NOT_AUDITED, "Why: no route to host"),
        (said("", "", 1), NOT_AUDITED, "NOT AUDITED: 2 of 2 packages"),
    ],
)
def test_what_could_not_be_audited_is_not_called_safe(
    done: subprocess.CompletedProcess[str], code: int, message: str
) -> None:
    found = verdict(done, 2)
    assert found[0] == code
    assert message in found[1]


def test_the_bill_is_written_whatever_the_audit_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bill = tmp_path / "sbom.json"
    assert main(lambda lock: said("", "no network", 1), bill) == NOT_AUDITED
    assert json.loads(bill.read_text())["components"]
    told = capsys.readouterr()
    assert str(bill) in told.out
    assert "NOT AUDITED" in told.err
    assert "What to do" in told.err
