"""A migrated database per test: every law of the store holds on SQLite and on PostgreSQL."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.store import migrate, open_storage
from gateway.store.seal import KeyRing, generate_key
from gateway.store.sql import SqlStorage
from tests.durability import hurry
from tests.services import Valkey


@pytest.fixture(scope="session")
def keys() -> str:
    return generate_key()


@pytest.fixture
def ring(keys: str) -> KeyRing:
    return KeyRing.parse(keys, environment="test")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "polder.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'polder.db')}"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    address: str = request.getfixturevalue(f"{request.param}_url")
    return address


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    """A client of the test's own Valkey, beside what is tested."""
    client = Redis.from_url(valkey.url)
    yield client
    await client.aclose()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where lock files and spooled tokens go."""
    return tmp_path / "home"


@pytest.fixture
async def opened(ring: KeyRing, home: Path) -> AsyncIterator[Callable[..., SqlStorage]]:
    """Opens storages, and closes them after the test."""
    all_opened: list[SqlStorage] = []

    def open_one(url: str, ring: KeyRing = ring) -> SqlStorage:
        all_opened.append(open_storage(url, ring, home))
        return all_opened[-1]

    yield open_one
    for storage in all_opened:
        await storage.close()


@pytest.fixture
def storage(opened: Callable[..., SqlStorage], url: str) -> SqlStorage:
    storage = opened(url)
    hurry(storage)
    return storage
