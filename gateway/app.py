"""The composition root: settings → store → engine → web. The only module that knows them all."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.backup import last_backup, unserved
from gateway.contract.adapter import Adapter
from gateway.contract.clock import Clock
from gateway.engine.access.audit import DONE, Auditor, Subject
from gateway.engine.access.keys import Callers, mint
from gateway.engine.access.rate_limit import RateLimiter
from gateway.engine.clock import SystemClock
from gateway.engine.generations import Generations
from gateway.engine.network.http import TransportFor, Wire
from gateway.engine.network.sockets import network
from gateway.engine.owner import Owner
from gateway.engine.perform import Engine, Rounds
from gateway.engine.providers import Provider, Providers
from gateway.engine.storage import Storage, StoredKey
from gateway.engine.tracing import UNTRACED, Tracer
from gateway.registry import discover
from gateway.settings import (
    KEY_FILE,
    Misconfigured,
    Settings,
    derived_keys,
    operator_settings,
    origins,
    read_environment,
)
from gateway.store import (
    holds_anything,
    migrate,
    open_generations,
    open_owner,
    open_presence,
    open_rate_limiter,
    open_second_level,
    open_storage,
    pending,
)
from gateway.store.database import sqlite_file
from gateway.store.seal import KeyRing, generate_key
from gateway.store.timing import UNMEASURED, Measuring
from gateway.web import connect
from gateway.web.app import Application, Limits
from gateway.web.health import GIVEN_UP_AFTER, Health
from gateway.web.logs import Line, Log, broken
from gateway.web.metrics import Metrics
from gateway.web.process_metrics import PATH, ProcessMetrics, beating

COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""The variables of OpenTelemetry that name a collector."""

if TYPE_CHECKING:
    from gateway.store.presence import Presence
    from gateway.store.rotation import Rotated
    from gateway.store.sql import SqlStorage


class Polder:
    """One running Polder: the ASGI application and what stands behind it."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        storage: "SqlStorage",
        engine: Engine,
        metrics: Metrics,
        generations: Generations,
        owner: Owner,
        log: Log,
        tracer: Tracer,
        presence: "Presence | None" = None,
        rate_limiter: RateLimiter | None = None,
        *,
        serves: bool = True,
    ) -> None:
        self.owner = owner
        self._rate_limiter = rate_limiter
        self._rounds: Rounds = "all" if settings.background or not serves else "own"
        self._presence = presence
        self.settings = settings
        self.clock = clock
        self.storage = storage
        self.engine = engine
        self.metrics = metrics
        self.generations = generations
        self.callers = Callers(storage.keys, clock, generations)
        health = Health(storage, clock, metrics, None if presence is None else presence.strangers)
        self._health = health
        self._log = log
        self._tracer = tracer
        places = places_of(settings)
        vitals = ProcessMetrics(storage, clock, health, metrics, places, lambda: last_backup(settings.home))
        self.telemetry = vitals.application()
        """The metrics page by itself, for a port of its own."""
        self.asgi = Application(
            engine,
            self.callers,
            health,
            clock=clock,
            random=secrets.SystemRandom(),
            metrics=metrics,
            log=log,
            tracer=tracer,
            public_url=settings.base_url,
            limits=Limits(deadline=settings.deadline, body=settings.body_limit, raw_body=settings.raw_body_limit),
            rate_limiter=rate_limiter,
            proxies=settings.proxies,
            further_pages={
                **(connect.connect_pages(engine.invitations, engine.authorizer, settings.base_url) if serves else {}),
                **({} if settings.has_metrics_apart else {PATH: vitals.page()}),
            },
            serves=serves,
        )

    async def start(self, *, rounds: Rounds | None = None) -> None:
        """Prove that the store works and our keys open it, join the other nodes, settle what a process that died left.

        ``rounds`` as in ``Engine.start``: what the settings say, unless given. Raises ``storage_unavailable``.
        """
        await self.storage.prove()
        await self.generations.start()
        await self.engine.start(rounds or self._rounds)
        self.metrics.background.set(self._rounds == "all")
        warning = await self._health.warning(GIVEN_UP_AFTER)
        if warning is not None:
            self._log.write(Line(level="warning", event="start", detail=warning))

    async def close(self) -> None:
        """Finish what is under way, then let go of everything."""
        self.asgi.drain()
        await self.engine.close()
        await self.generations.close()
        await self.callers.close()
        await self._health.close()
        if self._presence is not None:
            await self._presence.close()
        if self._rate_limiter is not None:
            await self._rate_limiter.close()
        await self.owner.close()
        await self.storage.close()
        await self._tracer.close()
        self.asgi.close()
        self.metrics.fold()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Started, while the block runs, and closed behind it. Raises ``storage_unavailable``."""
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()
        loop.set_exception_handler(self._stumbled)
        try:
            await self.start()
            async with beating(self.metrics, self.engine.strain):
                yield
        finally:
            await self.close()
            loop.set_exception_handler(before)

    def _stumbled(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """What nobody waits for went wrong. asyncio itself would tell of it in many lines, with all that is quoted."""
        del loop
        error = context.get("exception")
        line = Line(level="error", event="background")
        if error is None:
            line.detail = str(context["message"])  # with no exception, a sentence of asyncio's own
        else:
            line.exception, line.traceback = broken(error)
        self._log.write(line)

    async def create_key(
        self, *, tenant: str, name: str, scopes: Sequence[str], connections: Sequence[str] | None = None
    ) -> str:
        """Make an API key and give its text, which is nowhere kept."""
        text, _ = await new_key(self.storage, self.clock, tenant, name, scopes, connections)
        return text


async def new_key(
    storage: Storage,
    clock: Clock,
    tenant: str,
    name: str,
    scopes: Sequence[str],
    connections: Sequence[str] | None = None,
    *,
    lives: timedelta | None = None,
    networks: Sequence[str] | None = None,
) -> tuple[str, StoredKey]:
    """A new API key, kept, and its text. Raises ``ValueError`` for an unknown scope or what is no network.

    It expires after ``lives``, and can be used from ``networks`` only, where they are given.
    """
    now = clock.now()
    text, key = mint(
        tenant=tenant,
        name=name,
        scopes=scopes,
        now=now,
        random=secrets.SystemRandom(),
        connections=connections,
        expires_at=None if lives is None else now + lives,
        networks=networks,
    )
    async with Auditor(storage.audit, clock).recording("keys.create", tenant, key.id):
        await storage.keys.add(key)
    return text, key


async def revoke_key(storage: Storage, generations: Generations, clock: Clock, id: str) -> bool:
    """Revoke an API key; False where there is none of that id. When this returns, every gateway refuses it that shares
    these generations; any other does within half a minute.
    """
    key = next((one for one in await storage.keys.all(None) if one.id == id), None)
    if key is None:
        return False
    async with Auditor(storage.audit, clock).recording("keys.revoke", key.tenant, key.id):
        revoked = await storage.keys.revoke(id, clock.now())
        await generations.end(id, "keys")
        return revoked


async def rotate_keys(
    storage: "SqlStorage", clock: Clock, progress: Callable[[int, int], None] | None = None
) -> tuple["Rotated", Mapping[str, int], str]:
    """Bring all that is sealed under the primary key: how much that was, how many values each key seals now, and the
    primary's id. ``progress`` is told how many connections are done, of how many.
    """
    rotated = await storage.rotation.run(progress)
    primary = storage.rotation.primary
    if rotated.wrapped or rotated.sealed:
        auditor = Auditor(storage.audit, clock)
        await auditor.record("keys.rotate", Subject(None, primary), "incomplete" if rotated.unopened else DONE)
    return rotated, await storage.rotation.in_use(), primary


async def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    adapters: Mapping[str, Adapter] | None = None,
    transport_for: TransportFor = network,
    environment: Mapping[str, str] | None = None,
    tracer: Tracer | None = None,
    serves: bool = True,
) -> Polder:
    """Put a Polder together. ``environment`` holds the providers' own settings; those of the process unless given.

    ``tracer`` is what traces are told to; what OpenTelemetry's variables name unless given.
    Where it does not ``serve``, it does what nobody waits for, and answers probes only.

    Raises ``Misconfigured``.
    """
    clock = clock or SystemClock()
    given = read_environment(settings) if environment is None else environment
    found = discover() if adapters is None else adapters
    providers = {
        name: Provider(adapter, origins(adapter, given), operator_settings(adapter, given))
        for name, adapter in found.items()
        if not (adapter.example and settings.is_production)
    }
    metrics = Metrics(installed_version(), providers)
    storage = storage_of(settings, Measuring(metrics, clock.monotonic))
    generations = generations_of(settings, clock)
    log = Log(sys.stderr.buffer, clock, human=sys.stderr.isatty(), least=settings.log_level)
    tracer = tracer or tracer_of(settings, given, log)
    owner = open_owner(settings.database)
    key_text = settings.key_text(generate_key)
    engine = Engine(
        providers=Providers(providers),
        storage=storage,
        wire=Wire(clock, transport_for, tracer),
        clock=clock,
        observer=metrics,
        rng=secrets.SystemRandom(),
        signing_keys=derived_keys(key_text, "signatures"),
        public_url=settings.base_url,
        token=secrets.token_urlsafe,
        generations=generations,
        owner=owner,
        zombie=timedelta(seconds=settings.zombie_time),
        second_level=open_second_level(
            settings.redis_url, settings.shared_cache, derived_keys(key_text, "answers"), installed_version(), clock
        ),
    )
    presence = open_presence(settings.database, settings.redis_url, settings.home)
    limiter = open_rate_limiter(settings.rate_limit, settings.redis_url, clock)
    return Polder(
        settings, clock, storage, engine, metrics, generations, owner, log, tracer, presence, limiter, serves=serves
    )


def ring_of(settings: Settings) -> KeyRing:
    """The encryption keys that are configured. Raises ``Misconfigured``, also where made-up ones would open nothing."""
    try:
        if settings.lacks_keys and holds_anything(settings.database):
            raise Misconfigured(
                f"There is a database, and no encryption key to open it: put {settings.home / KEY_FILE} back, or set "
                "POLDER_ENCRYPTION_KEYS."
            )
    except ValueError as error:
        raise Misconfigured(f"POLDER_DATABASE_URL: {error}") from error
    try:
        return KeyRing.parse(settings.key_text(generate_key), environment=settings.env)
    except ValueError as error:
        raise Misconfigured(f"POLDER_ENCRYPTION_KEYS: {error}") from error


def places_of(settings: Settings) -> Sequence[Path]:
    """The folders of this host in which anything is kept: they may be on different disks."""
    file = sqlite_file(settings.database)
    return [settings.home] if file is None else list(dict.fromkeys([settings.home.resolve(), file.parent]))


def is_behind(settings: Settings) -> bool:
    """Whether the tables must be brought up to date. Raises ``Misconfigured`` for an address that is of no use."""
    try:
        return pending(settings.database)
    except ValueError as error:
        raise Misconfigured(f"POLDER_DATABASE_URL: {error}") from error


def storage_of(settings: Settings, measuring: Measuring = UNMEASURED) -> "SqlStorage":
    """The store that is configured, its tables up to date. Raises ``Misconfigured``.

    On one machine the tables are brought up to date at once, unless a gateway serves from them: it is an older one, and
    could not be started again. In production that is `polder migrate`'s business.
    """
    ring = ring_of(settings)
    settings.make_home()
    if is_behind(settings):
        if settings.is_production:
            raise Misconfigured("The database's tables are not up to date: run `polder migrate` first.")
        remedy = "the tables are of its release; restart it with this one, or run `polder migrate`"
        with unserved(settings, remedy) if holds_anything(settings.database) else nullcontext():
            migrate(settings.database, ring)
    return open_storage(settings.database, ring, settings.home, measuring)


def generations_of(settings: Settings, clock: Clock) -> Generations:
    """What processes tell each other of writes by. Raises ``Misconfigured``."""
    try:
        url = settings.redis_url
        return open_generations(settings.database, url, settings.home, clock, secrets.SystemRandom())
    except ValueError as error:
        raise Misconfigured(f"POLDER_DATABASE_URL, POLDER_REDIS_URL, POLDER_HOME: {error}") from error


def tracer_of(settings: Settings, environment: Mapping[str, str], log: Log) -> Tracer:
    """What traces are told to, where OpenTelemetry's own variables name a collector. Raises ``Misconfigured``."""
    wanted = collector_named(environment)
    if wanted is None:
        return UNTRACED
    try:
        from gateway.web.tracing import traces  # noqa: PLC0415 - of an extra, and slow to import
    except ModuleNotFoundError as error:
        raise Misconfigured(f"{wanted} is set, but traces need polder[otel]: install that, or unset it.") from error
    return traces(installed_version(), log, propagates=settings.trace_upstream)


def collector_named(environment: Mapping[str, str]) -> str | None:
    """The variable that says where traces go; None where they go nowhere."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    return next((name for name in COLLECTORS if environment.get(name)), None)


def installed_version() -> str:
    """The version that is installed; ``0`` in a checkout that is not."""
    try:
        return version("polder")
    except PackageNotFoundError:
        return "0"
