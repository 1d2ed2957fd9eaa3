"""Migrations make the tables that ``tables.py`` describes, once, whoever starts them."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.store import KeyRing, migrate, pending
from gateway.store.database import migrating, parsed
from gateway.store.migrations import _config
from gateway.store.revisions import revisions
from gateway.store.sql import SqlStorage
from gateway.store.tables import metadata
from tests.store.making import look, path_of

ROOT = Path(__file__).parents[2]


def test_the_migrated_tables_are_those_described(url: str) -> None:
    engine = create_engine(parsed(url).set(drivername=parsed(url).drivername.replace("aiosqlite", "pysqlite")))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        difference = compare_metadata(context, metadata)
    engine.dispose()
    assert difference == []


def test_a_new_file_is_made_for_its_owner_only_in_a_folder_of_its_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/home/of 100%/polder.db"
    assert pending(url)
    assert not path_of(url).parent.exists(), "to ask is not to make"
    migrate(url)
    assert not pending(url)
    assert stat.S_IMODE(path_of(url).stat().st_mode) == 0o600
    assert stat.S_IMODE(path_of(url).parent.stat().st_mode) == 0o700


def test_migrating_again_changes_nothing(sqlite_url: str) -> None:
    look(sqlite_url, "UPDATE probe SET writes = 7")
    migrate(sqlite_url)
    assert look(sqlite_url, "SELECT id, writes FROM probe") == [(1, 7)]


def test_revisions_are_what_alembic_takes_them_for() -> None:
    script = ScriptDirectory.from_config(_config())
    assert revisions() == [one.revision for one in script.walk_revisions()][::-1]
    assert revisions()[-1] == script.get_current_head()


def test_to_ask_whether_tables_are_up_to_date_does_not_take_what_changes_them(sqlite_url: str) -> None:
    ask = "import sys; from gateway.store import pending; print(pending(sys.argv[1]), 'alembic' in sys.modules)"
    argv = [sys.executable, "-c", ask, sqlite_url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(argv, check=True, env=environment, capture_output=True, text=True)
    assert told.stdout == "False False\n"


def test_a_database_of_a_newer_version_is_left_alone(sqlite_url: str) -> None:
    look(sqlite_url, "UPDATE alembic_version SET version_num = '9999'")
    for use in (migrate, pending):
        with pytest.raises(Problem, match="written by a newer version"):
            use(sqlite_url)


def test_a_migration_that_fails_leaves_the_database_as_it_was(sqlite_url: str) -> None:
    def half_done() -> None:
        with migrating(sqlite_url) as connection:
            connection.execute(text("DROP TABLE links"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_done()
    assert look(sqlite_url, "SELECT * FROM links") == []


def test_a_migration_may_not_leave_rows_that_belong_to_nothing(sqlite_url: str) -> None:
    orphan = "INSERT INTO credentials (connection_id, field, sealed) VALUES ('con_1', 'token', x'00')"
    with pytest.raises(RuntimeError, match="1 rows"), migrating(sqlite_url) as connection:
        connection.execute(text(orphan))
    assert look(sqlite_url, "SELECT * FROM credentials") == []


OF_AN_OLDER_POLDER = (
    "INSERT INTO connections (id, tenant, provider, name, status, settings, token_scopes, allowed_scopes, created_at,"
    " updated_at, token_seq) VALUES ('con_1', 'acme', 'ledgerly', 'Books', 'active', '{}', '[]', '[]', 1, 1, 0)",
    "INSERT INTO links VALUES ('con_1', 'contacts', '1', 'external_ref', 'x', 'x')",
    "INSERT INTO api_keys (id, tenant, name, digest, scopes, connections, created_at)"
    """ VALUES ('key_1', 'acme', 'shop', :digest, '["*"]', '["con_1"]', 1)""",
    "INSERT INTO api_keys (id, tenant, name, digest, scopes, created_at, revoked_at)"
    " VALUES ('key_2', 'acme', 'gone', :digest, '[]', 1, 2)",
    "INSERT INTO credentials VALUES ('con_1', 'token', :sealed)",
)


def leave_as_an_older_polder(url: str, ring: KeyRing) -> None:
    place = {"tenant": "acme", "connection": "con_1", "field": "credentials.token"}
    values = {"digest": b"digest", "sealed": ring.seal(b"canary", **place)}
    with migrating(url) as connection:
        config = _config()
        config.attributes.update(connection=connection, ring=None)
        command.upgrade(config, "0001")
        for statement in OF_AN_OLDER_POLDER:
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), used)


@pytest.mark.anyio
async def test_what_an_older_polder_kept_is_there_and_gets_data_keys(
    request: pytest.FixtureRequest, tmp_path: Path, ring: KeyRing, opened: Callable[..., SqlStorage]
) -> None:
    urls = [f"sqlite:///{tmp_path}/older.db"]
    if "POLDER_TEST_POSTGRES_URL" in os.environ:
        urls.append(request.getfixturevalue("postgres_url"))
    for url in urls:
        leave_as_an_older_polder(url, ring)
        with pytest.raises(Problem, match="needs the encryption keys"):
            migrate(url)
        assert pending(url)
        migrate(url, ring)
        storage = opened(url)
        connection = await storage.connections.find("con_1")
        assert connection is not None
        assert connection.data_key is not None
        assert await storage.connections.credentials(connection) == {"token": Secret("canary")}
        assert [row.value for row in (await storage.links.of("con_1"))["contacts"]] == ["x"]
        kept, revoked = await storage.keys.all(None)
        assert (kept.digest, kept.scopes, kept.connections) == (b"digest", ("*",), ("con_1",))
        assert (revoked.id, revoked.digest) == ("key_2", b"")
        assert (await storage.rotation.run()).sealed == 1
        assert await storage.connections.credentials(connection) == {"token": Secret("canary")}


MIGRATE = "import sys; from gateway.store import migrate; migrate(sys.argv[1])"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_processes_that_migrate_at_once_do_it_once(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/polder.db"
    if kind == "postgres":
        url = request.getfixturevalue("empty_postgres_url")
    command = [sys.executable, "-W", "error", "-c", MIGRATE, url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [subprocess.Popen(command, env=environment) for _ in range(4)]
    assert [process.wait() for process in started] == [0, 0, 0, 0]
    assert not pending(url)


def test_the_package_is_imported_without_the_database_toolkit() -> None:
    script = "import sys, gateway.store; sys.exit('sqlalchemy' in sys.modules or 'alembic' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
