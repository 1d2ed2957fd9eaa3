"""Migrations make the tables that ``tables.py`` describes, once, whoever starts them."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from gateway.contract.errors import Problem
from gateway.store import migrate, pending
from gateway.store.database import migrating, parsed
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
