"""The tables' history: bring a database to the newest tables, or ask whether it has them.

A revision is a module in ``versions/``; ``tables.py`` says what they add up to, and a test holds the two together.
Migrations run in one transaction, and one process at a time: started by ten, the first does it and nine find it done.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from gateway.contract.errors import Problem
from gateway.store.database import looking, migrating
from gateway.store.seal import KeyRing


def migrate(database_url: str, ring: KeyRing | None = None) -> None:
    """Bring the database to the newest tables, making it where there is none.

    ``ring`` seals what an older Polder left to be sealed; a database that holds nothing needs none. Raises
    ``storage_unavailable`` where it cannot be reached or was written by a newer Polder, and ``ValueError`` for an
    address that is of no use.
    """
    with migrating(database_url) as connection:
        config = _config()
        _refuse_newer(config, _revision(connection))
        config.attributes["connection"] = connection
        config.attributes["ring"] = ring
        command.upgrade(config, "head")


def pending(database_url: str) -> bool:
    """Whether ``migrate`` has something to do. Raises as it does; changes nothing."""
    config = _config()
    with looking(database_url) as connection:
        revision = None if connection is None else _revision(connection)
    _refuse_newer(config, revision)
    return revision != ScriptDirectory.from_config(config).get_current_head()


def _config() -> Config:
    config = Config()
    # alembic reads it through a ConfigParser, to which a percent sign means something.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(config: Config, revision: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise Problem("storage_unavailable", "Polder's storage was written by a newer version of Polder than this one.")
