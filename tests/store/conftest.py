"""A migrated database per test: SQLite always, and PostgreSQL besides where ``POLDER_TEST_POSTGRES_URL`` names one."""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from gateway.store import migrate, open_storage
from gateway.store.seal import KeyRing, generate_key
from gateway.store.sql import SqlStorage

POSTGRES = os.environ.get("POLDER_TEST_POSTGRES_URL")


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


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The address of an empty database on the server, for as long as the test runs."""
    assert POSTGRES is not None
    address = make_url(POSTGRES).set(drivername="postgresql+psycopg")
    server = create_engine(address, isolation_level="AUTOCOMMIT")
    name = f"polder_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield address.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture(params=["sqlite", "postgres"] if POSTGRES else ["sqlite"])
def url(request: pytest.FixtureRequest) -> str:
    address: str = request.getfixturevalue(f"{request.param}_url")
    if request.param == "postgres":
        migrate(address)
    return address


@pytest.fixture
async def opened(ring: KeyRing) -> AsyncIterator[Callable[..., SqlStorage]]:
    """Opens storages, and closes them after the test."""
    all_opened: list[SqlStorage] = []

    def open_one(url: str, ring: KeyRing = ring) -> SqlStorage:
        all_opened.append(open_storage(url, ring))
        return all_opened[-1]

    yield open_one
    for storage in all_opened:
        await storage.close()


@pytest.fixture
def storage(opened: Callable[..., SqlStorage], url: str) -> SqlStorage:
    return opened(url)
