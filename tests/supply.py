"""`./dev audit`: what is shipped, as a bill of materials, and whether anything in it is known to be vulnerable.

The bill (CycloneDX JSON) is made from the lock file alone and needs no network. The audit asks the Python index for its
list of vulnerabilities, by pip-audit; where that cannot be asked, nothing is called safe, and the exit code is 2.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from gateway.app import installed_version

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-runtime.lock"
BILL = ROOT / "build" / "sbom.cdx.json"
VULNERABLE, NOT_AUDITED = 1, 2
"""Exit codes; 0 is: all was looked at, and nothing is known to be wrong with it."""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_AUDIT = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json")


@dataclass(frozen=True, slots=True)
class Pin:
    """A package of the lock file, with the SHA-256 digests of the files it may be installed from."""

    name: str
    version: str
    digests: tuple[str, ...]


def pins(lock: str) -> Iterator[Pin]:
    """Every package of a lock file's text."""
    for entry in re.split(r"\n(?=[A-Za-z0-9])", "\n" + lock):
        if found := _PIN.match(entry.strip()):
            digests = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
            yield Pin(canonicalize_name(found[1]), found[2], digests)


def bill_of(packages: Sequence[Pin], version: str) -> str:
    """The bill of materials of a Polder made of these packages."""
    bom = Bom()
    bom.metadata.component = Component(name="polder", version=version, type=ComponentType.APPLICATION)
    for one in packages:
        bom.components.add(
            Component(
                name=one.name,
                version=one.version,
                type=ComponentType.LIBRARY,
                bom_ref=f"{one.name}=={one.version}",
                purl=PackageURL(type="pypi", name=one.name, version=one.version),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in one.digests],
            )
        )
    bom.register_dependency(bom.metadata.component, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def pip_audit(lock: Path) -> subprocess.CompletedProcess[str]:
    """Ask pip-audit about a lock file."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(lock), *_AUDIT]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def verdict(done: subprocess.CompletedProcess[str], asked: int) -> tuple[int, str]:
    """The exit code, and what to say about what pip-audit found of so many packages."""
    try:
        found: list[Mapping[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = done.stderr.strip().splitlines()[-1:] or ["pip-audit gave no answer"]
        return NOT_AUDITED, not_audited(asked, asked, reason[0])
    told = [
        f"{one['name']} {one['version']}: {vulnerability['id']}, mended in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for one in found
        for vulnerability in one.get("vulns", ())
    ]
    left_out = asked - sum(1 for one in found if "vulns" in one)
    if left_out > 0:
        reasons = [str(one["skip_reason"]) for one in found if "skip_reason" in one] or ["pip-audit left them out"]
        told.append(not_audited(left_out, asked, reasons[0]))
    if any("vulns" in one and one["vulns"] for one in found):
        return VULNERABLE, "\n".join(told)
    if told:
        return NOT_AUDITED, told[0]
    return 0, f"Audited: all {asked} packages that are installed here. None is known to be vulnerable."


def not_audited(left_out: int, asked: int, reason: str) -> str:
    """What was not done, why, and what to do about it."""
    return (
        f"NOT AUDITED: {left_out} of {asked} packages. This is no finding, and no all-clear.\n"
        f"  Why: {reason}\n"
        "  What to do: run `./dev audit` where the Python Package Index itself can be reached: a mirror has no list\n"
        f"  of vulnerabilities. Or give the bill to a scanner that brings its own, such as `grype sbom:{shown(BILL)}`."
    )


def main(audit: Callable[[Path], subprocess.CompletedProcess[str]] = pip_audit, bill: Path = BILL) -> int:
    """Write the bill, ask about it, and say what came of that."""
    packages = list(pins(LOCK.read_text()))
    bill.parent.mkdir(exist_ok=True)
    bill.write_text(bill_of(packages, installed_version()))
    print(f"Bill of materials: all {len(packages)} packages of {LOCK.name}, in {shown(bill)}.", flush=True)
    code, message = verdict(audit(LOCK), applicable(packages))
    print(message, file=sys.stderr if code else sys.stdout)
    return code


def shown(path: Path) -> Path:
    """A path as a person in the checkout would give it."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def applicable(packages: Sequence[Pin]) -> int:
    """How many of them are installed here: pip-audit leaves out those that are for other platforms."""
    from importlib.metadata import distributions

    here = {canonicalize_name(one.metadata["Name"]) for one in distributions()}
    return sum(1 for one in packages if one.name in here)


if __name__ == "__main__":
    sys.exit(main())
