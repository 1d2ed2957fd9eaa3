"""The composition root: settings → store → engine → web. The only module that knows them all."""

import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gateway.backup import last_backup
from gateway.contract.adapter import Adapter
from gateway.contract.clock import Clock
from gateway.engine.clock import SystemClock
from gateway.engine.http import TransportFor, Wire
from gateway.engine.keys import Callers, mint
from gateway.engine.network import network
from gateway.engine.perform import Engine
from gateway.engine.providers import Provider, Providers
from gateway.engine.storage import Storage, StoredKey
from gateway.registry import discover
from gateway.settings import Misconfigured, Settings, derived_key, operator_settings, origins, read_environment
from gateway.store import migrate, open_storage, pending
from gateway.store.seal import KeyRing, generate_key
from gateway.web import connect
from gateway.web.app import Application, Limits, create_app
from gateway.web.health import Health
from gateway.web.logs import Log
from gateway.web.metrics import Metrics
from gateway.web.vitals import PATH, Vitals, beating


class Polder:
    """One running Polder: the ASGI application and what stands behind it."""

    def __init__(self, settings: Settings, clock: Clock, storage: Storage, engine: Engine, metrics: Metrics) -> None:
        self.settings = settings
        self.clock = clock
        self.storage = storage
        self.engine = engine
        self.metrics = metrics
        self.callers = Callers(storage.keys, clock)
        self._dice = secrets.SystemRandom()
        health = Health(storage, clock, metrics)
        vitals = Vitals(storage, clock, health, metrics, settings.home, lambda: last_backup(settings.home))
        self.telemetry = vitals.application()
        """The metrics page by itself, for a port of its own."""
        self.asgi: Application = create_app(
            engine,
            self.callers,
            health,
            clock=clock,
            random=self._dice,
            metrics=metrics,
            log=Log(sys.stderr.buffer, clock, human=sys.stderr.isatty(), least=settings.log_level),
            public_url=settings.base_url,
            limits=Limits(deadline=settings.deadline, body=settings.body_limit, raw_body=settings.raw_body_limit),
            lifespan=self._lifespan,
            further_pages={
                **connect.connect_pages(engine.invitations, engine.authorizer, settings.base_url),
                **({} if settings.has_metrics_apart else {PATH: vitals.page()}),
            },
        )

    async def start(self) -> None:
        """Prove that the store works. Raises ``storage_unavailable``."""
        await self.storage.check()

    async def close(self) -> None:
        """Finish what is under way, then let go of everything."""
        self.asgi.drain()
        await self.engine.close()
        await self.storage.close()

    @asynccontextmanager
    async def _lifespan(self, app: Any) -> AsyncIterator[None]:
        del app
        await self.start()
        try:
            async with beating(self.metrics):
                yield
        finally:
            await self.close()

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
) -> tuple[str, StoredKey]:
    """A new API key, kept, and its text. Raises ``ValueError`` for an unknown scope."""
    text, key = mint(
        tenant=tenant,
        name=name,
        scopes=scopes,
        now=clock.now(),
        random=secrets.SystemRandom(),
        connections=connections,
    )
    await storage.keys.add(key)
    return text, key


async def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    adapters: Mapping[str, Adapter] | None = None,
    transport_for: TransportFor = network,
    environment: Mapping[str, str] | None = None,
) -> Polder:
    """Put a Polder together. ``environment`` holds the providers' own settings; those of the process unless given.

    Raises ``Misconfigured``.
    """
    clock = clock or SystemClock()
    storage = storage_of(settings)
    given = read_environment(settings) if environment is None else environment
    found = discover() if adapters is None else adapters
    providers = {
        name: Provider(adapter, origins(adapter, given), operator_settings(adapter, given))
        for name, adapter in found.items()
        if not (adapter.example and settings.is_production)
    }
    metrics = Metrics(installed_version(), providers)
    engine = Engine(
        providers=Providers(providers),
        storage=storage,
        wire=Wire(clock, transport_for),
        clock=clock,
        observer=metrics,
        rng=secrets.SystemRandom(),
        signing_key=derived_key(settings.key_text(generate_key), "signatures"),
        public_url=settings.base_url,
        token=secrets.token_urlsafe,
    )
    return Polder(settings, clock, storage, engine, metrics)


def storage_of(settings: Settings) -> Storage:
    """The store that is configured, its tables up to date. Raises ``Misconfigured``.

    On one machine the tables are brought up to date at once; in production that is `polder migrate`'s business.
    """
    try:
        ring = KeyRing.parse(settings.key_text(generate_key), environment=settings.env)
    except ValueError as error:
        raise Misconfigured(f"POLDER_ENCRYPTION_KEYS: {error}") from error
    settings.make_home()
    if pending(settings.database):
        if settings.is_production:
            raise Misconfigured("The database's tables are not up to date: run `polder migrate` first.")
        migrate(settings.database)
    return open_storage(settings.database, ring)


def installed_version() -> str:
    """The version that is installed; ``0`` in a checkout that is not."""
    try:
        return version("polder")
    except PackageNotFoundError:
        return "0"
