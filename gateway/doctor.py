"""``polder doctor``: what is wrong with this installation, and how to mend it, in plain words."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from gateway.app import ring_of, storage_of
from gateway.contract.adapter import Adapter
from gateway.contract.errors import Problem
from gateway.engine.clock import SystemClock
from gateway.engine.http import NotSent, Unanswered, Wire
from gateway.engine.network import network
from gateway.registry import discover
from gateway.settings import KEY_FILE, Misconfigured, Settings, origins, read_settings, unknown_variables, variable
from gateway.store import KeyRing

Level = Literal["ok", "warning", "error"]
PROBE_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``mend`` says what to do about it."""

    level: Level
    what: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """For ``--json``."""
        return asdict(self)


async def examine(environment: Mapping[str, str] | None = None) -> list[Finding]:
    """Look at everything; nothing is changed but a key file and a database that a first start would make too."""
    given = os.environ if environment is None else environment
    adapters = discover()
    findings = [
        Finding("warning", f"{name} is set, but nothing reads it.", "Is it misspelled?")
        for name in unknown_variables(given, adapters.values())
    ]
    settings = read_settings()
    findings += await _store(settings)
    findings += list(_files(settings))
    for adapter in adapters.values():
        if not adapter.example:
            findings += await _provider(adapter, given)
    return findings


async def _store(settings: Settings) -> list[Finding]:
    try:
        storage = storage_of(settings)
    except Misconfigured as error:
        return [Finding("error", str(error), "See README.md, Configuration.")]
    except (Problem, OSError) as error:
        return [Finding("error", f"The database cannot be opened: {error}", "Check POLDER_DATABASE_URL and its host.")]
    try:
        await storage.check()
        in_use = await storage.rotation.in_use()
    except Problem as problem:
        return [Finding("error", f"The database cannot be written to: {problem.detail}", "Check disk and rights.")]
    finally:
        await storage.close()
    made_up = settings.encryption_keys is None
    keys = f"made up, in {settings.home / KEY_FILE}: back it up" if made_up else "configured"
    findings = [Finding("ok", "The database can be written to."), Finding("ok", f"Encryption keys are {keys}.")]
    return findings + list(_keys(in_use, ring_of(settings)))


def _keys(in_use: Mapping[str, int], ring: KeyRing) -> Iterator[Finding]:
    """What is sealed with other keys than the first."""
    for id, count in in_use.items():
        if id not in ring.ids:
            what = f"{count} values are sealed with key {id!r}, which is not in POLDER_ENCRYPTION_KEYS."
            yield Finding("error", what, "Put that key back, last; nobody can read them without it.")
        elif count and id != ring.primary:
            what = f"{count} values are sealed with key {id!r}, which is not the first of POLDER_ENCRYPTION_KEYS."
            yield Finding("warning", what, "Run `polder rotate-keys`.")


def _files(settings: Settings) -> Iterator[Finding]:
    path = settings.home / KEY_FILE
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield Finding("error", f"{path} can be read by others.", f"chmod 600 {path}")


async def _provider(adapter: Adapter, environment: Mapping[str, str]) -> list[Finding]:
    findings = []
    for one in adapter.operator_settings:
        name = variable(adapter, one.name)
        if not environment.get(name):
            findings.append(Finding("warning", f"{adapter.title}: {name} is not set.", f"{one.title}."))
    try:
        found = origins(adapter, environment)
    except Misconfigured as error:
        return [*findings, Finding("error", str(error), "")]
    wire = Wire(SystemClock(), network)
    try:
        for origin in dict.fromkeys(found.values()):
            findings.append(await _reached(wire, adapter, origin))
    finally:
        await wire.close()
    return findings


async def _reached(wire: Wire, adapter: Adapter, origin: str) -> Finding:
    try:
        reply = await wire.send("GET", origin, "/", {}, b"", within=PROBE_WAIT)
    except (NotSent, Unanswered) as error:
        mend = "Check the network's way out, DNS, and that no proxy is needed."
        return Finding("warning", f"{adapter.title} cannot be reached at {origin} ({error}).", mend)
    return Finding("ok", f"{adapter.title} answers at {origin} (status {reply.status}).")


def told(findings: list[Finding]) -> str:
    """The findings for a person."""
    return "\n".join(f"{one.level:8}{one.what}{f'  → {one.mend}' if one.mend else ''}" for one in findings)
