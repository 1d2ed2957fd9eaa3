"""``polder doctor``: what is wrong with this installation, and how to mend it, in plain words."""

import asyncio
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from gateway.app import collector_named, generations_of, places_of, ring_of, storage_of
from gateway.backup import last_backup
from gateway.contract.adapter import Adapter
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.upstream import Reply
from gateway.engine.clock import SystemClock
from gateway.engine.network.http import NotSent, TransportFor, Unanswered, Wire
from gateway.engine.network.sockets import network
from gateway.registry import discover
from gateway.settings import (
    KEY_FILE,
    Misconfigured,
    Settings,
    origins,
    read_environment,
    read_settings,
    reason_of,
    unknown_variables,
    variable,
)
from gateway.store import KeyRing
from gateway.store.database import location_of, sqlite_file
from gateway.store.revisions import Newer

Level = Literal["ok", "warning", "error"]
PROBE_WAIT = 5.0
SKEW_NOTED, SKEW_HARMFUL = 30.0, 300.0
"""Seconds that clocks may differ: tokens are replaced five minutes before they end, and not by less."""
LITTLE_SPACE, NO_SPACE = 1_000_000_000, 100_000_000
"""Bytes free where the state lives."""
FEW_FILES = 1024
"""Files and sockets that a process must be able to have open: two for each request under way, and some."""
BACKUP_AGE = 2 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``mend`` says what to do about it."""

    level: Level
    what: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """For ``--json``."""
        return asdict(self)


async def examine(clock: Clock | None = None, transport_for: TransportFor = network) -> list[Finding]:
    """Look at everything; nothing is changed but a key file and a database that a first start would make too."""
    clock = clock or SystemClock()
    adapters = discover()
    try:
        settings = read_settings()
        environment = read_environment(settings)
        where = _where(settings)
    except Misconfigured as error:
        return [Finding("error", str(error), "Nothing else can be looked at before this is right.")]
    except OSError as error:
        return [_not_ours(error)]
    findings = [where]
    findings += [
        Finding("warning", f"{name} is set, but nothing reads it.", "Is it misspelled?")
        for name in unknown_variables(environment, adapters.values())
    ]
    findings += _configuration(settings)
    findings += _traces(environment)
    findings += await _store(settings)
    findings += await _others(settings, clock)
    findings += _keys(settings)
    findings += _files(settings)
    findings += _backup(settings, clock)
    findings += _room(settings)
    offered = [adapter for adapter in adapters.values() if not adapter.example]
    for found in await asyncio.gather(*(_provider(one, environment, clock, transport_for) for one in offered)):
        findings += found
    return findings


def _where(settings: Settings) -> Finding:
    """Which Polder is looked at: with another home it is another. Raises ``Misconfigured`` or ``OSError``."""
    home = settings.home.resolve()
    if home.exists():
        next(home.iterdir(), None)
    try:
        return Finding("ok", f"State is in {home}, the database is {location_of(settings.database)}.")
    except ValueError as error:
        raise Misconfigured(f"POLDER_DATABASE_URL: {error}") from error


def _not_ours(error: OSError) -> Finding:
    mend = "Run this as the user that the gateway runs as; what is to be read must be that user's."
    return Finding("error", reason_of(error), mend)


def _configuration(settings: Settings) -> Iterator[Finding]:
    if settings.database_url.startswith("postgres") and not settings.redis_url:
        yield Finding(
            "warning",
            "Several nodes can share this database, but POLDER_REDIS_URL is not set: they would answer stale reads.",
            "Set it to a Valkey or Redis that all nodes reach, or run one node only.",
        )
    if not settings.is_production:
        return
    if not settings.base_url.startswith("https://"):
        mend = "Set POLDER_PUBLIC_URL to the https address that callers and end users see."
        yield Finding("warning", f"The public address is {settings.base_url}: links to it are not secret.", mend)
    if not settings.has_metrics_apart:
        yield Finding(
            "warning", "Whoever reaches the API can read the metrics.", "Give POLDER_METRICS_PORT another port."
        )


def _traces(environment: Mapping[str, str]) -> Iterator[Finding]:
    wanted = collector_named(environment)
    if wanted is not None and find_spec("opentelemetry") is None:
        what = f"{wanted} is set, but what sends traces is not installed: no gateway starts."
        yield Finding("error", what, "Install polder[otel], or unset it.")


async def _store(settings: Settings) -> list[Finding]:
    try:
        storage = storage_of(settings)
    except Misconfigured as error:
        return [Finding("error", str(error), "See README.md, Configuration.")]
    except Newer as problem:
        mend = "Install that version again, or a newer one: the only way back is a backup from before it."
        return [Finding("error", problem.detail, mend)]
    except Problem as problem:
        what = f"The database cannot be opened: {problem.detail}"
        return [Finding("error", what, "Check POLDER_DATABASE_URL and its host, or the file and its rights.")]
    except OSError as error:
        return [_not_ours(error)]
    try:
        await storage.check()
        in_use = await storage.rotation.in_use()
    except Problem as problem:
        return [Finding("error", f"The database cannot be written to: {problem.detail}", "Check disk and rights.")]
    finally:
        await storage.close()
    return [Finding("ok", "The database can be written to."), *_sealed(in_use, ring_of(settings))]


async def _others(settings: Settings, clock: Clock) -> list[Finding]:
    """Whether nodes can tell each other of writes, where there is more than one."""
    if not settings.redis_url:
        return []
    try:
        generations = generations_of(settings, clock)
    except Misconfigured as error:
        return [Finding("error", str(error), "See README.md, Configuration.")]
    try:
        await generations.start()
        if generations.vouched:
            return [Finding("ok", "Valkey answers: nodes hear of each other's writes.")]
    finally:
        await generations.close()
    what = "Valkey cannot be used: until it can, nodes answer nothing from memory, so every read is a call."
    return [Finding("warning", what, "Check POLDER_REDIS_URL, its host, and whether its memory is full.")]


def _sealed(in_use: Mapping[str, int], ring: KeyRing) -> Iterator[Finding]:
    """What is sealed with other keys than the first."""
    for id, count in in_use.items():
        if id not in ring.ids:
            what = f"{count} values are sealed with key {id!r}, which is not in POLDER_ENCRYPTION_KEYS."
            yield Finding("error", what, "Put that key back, last; nobody can read them without it.")
        elif count and id != ring.primary:
            what = f"{count} values are sealed with key {id!r}, which is not the first of POLDER_ENCRYPTION_KEYS."
            yield Finding("warning", what, "Run `polder rotate-keys`.")


def _keys(settings: Settings) -> Iterator[Finding]:
    file = settings.home / KEY_FILE
    if settings.encryption_keys is None:
        if file.exists():
            yield Finding("ok", f"Encryption keys are made up, in {file}: back it up.")
        return
    yield Finding("ok", "Encryption keys are configured.")
    if file.exists():
        mend = (
            "If anything stored was sealed with those in the file, add them behind the configured ones; else remove it."
        )
        yield Finding("warning", f"There are keys in {file} too, which are not used.", mend)


def _files(settings: Settings) -> Iterator[Finding]:
    private = [settings.home / KEY_FILE]
    database = sqlite_file(settings.database)
    if database is not None:
        private += [database.with_name(f"{database.name}{end}") for end in ("", "-wal", "-shm")]
    for path in private:
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding("error", f"{path} can be read by others.", f"chmod 600 {path}")


def _backup(settings: Settings, clock: Clock) -> Iterator[Finding]:
    if sqlite_file(settings.database) is None:
        return
    made = last_backup(settings.home)
    mend = "Run `polder backup` every day, and keep its file elsewhere."
    if made is None:
        yield Finding("warning", "No backup was ever made.", mend)
    elif clock.now().timestamp() - made > BACKUP_AGE:
        when = datetime.fromtimestamp(made, UTC)
        yield Finding("warning", f"The last backup is of {when:%Y-%m-%d %H:%M} UTC.", mend)


def _room(settings: Settings) -> Iterator[Finding]:
    for place in places_of(settings):
        free = shutil.disk_usage(place if place.exists() else Path()).free
        if free < LITTLE_SPACE:
            level: Level = "error" if free < NO_SPACE else "warning"
            yield Finding(level, f"There are {free // 1_000_000} MB left where {place} is.", "Make room.")
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not everywhere

        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if files != resource.RLIM_INFINITY and files < FEW_FILES:
            yield Finding("warning", f"A process may have {files} files open.", f"Allow {FEW_FILES}: ulimit -n.")


async def _provider(
    adapter: Adapter, environment: Mapping[str, str], clock: Clock, transport_for: TransportFor
) -> list[Finding]:
    findings = []
    for one in adapter.operator_settings:
        name = variable(adapter, one.name)
        if not environment.get(name):
            findings.append(Finding("warning", f"{adapter.title}: {name} is not set.", f"{one.title}."))
    try:
        found = origins(adapter, environment)
    except Misconfigured as error:
        return [*findings, Finding("error", str(error), "See the adapter's README.")]
    wire = Wire(clock, transport_for)
    try:
        for origin in dict.fromkeys(found.values()):
            findings += await _reached(wire, adapter, origin, clock)
    finally:
        await wire.close()
    return findings


async def _reached(wire: Wire, adapter: Adapter, origin: str, clock: Clock) -> list[Finding]:
    try:
        reply = await wire.send("GET", origin, "/", {}, b"", within=PROBE_WAIT)
    except (NotSent, Unanswered) as error:
        mend = "Check the network's way out, DNS, and that no proxy is needed."
        return [Finding("warning", f"{adapter.title} cannot be reached at {origin} ({error}).", mend)]
    return [
        Finding("ok", f"{adapter.title} answers at {origin} (status {reply.status})."),
        *_clocks(reply, adapter, clock),
    ]


def _clocks(reply: Reply, adapter: Adapter, clock: Clock) -> Iterator[Finding]:
    """Whether this machine's clock is that of others, as far as an answer tells what time it is."""
    try:
        theirs = parsedate_to_datetime(reply.headers["date"])
    except (KeyError, ValueError):
        return
    if theirs.tzinfo is None:
        return
    skew = (clock.now() - theirs).total_seconds()
    if abs(skew) > SKEW_NOTED:
        level: Level = "error" if abs(skew) > SKEW_HARMFUL else "warning"
        way = "ahead of" if skew > 0 else "behind"
        yield Finding(
            level, f"This machine's clock is {abs(skew):.0f} seconds {way} that of {adapter.title}.", "Run NTP."
        )


def report(findings: list[Finding]) -> str:
    """The findings for a person."""
    return "\n".join(f"{one.level:8}{one.what}{f'  → {one.mend}' if one.mend else ''}" for one in findings)
