"""The tables' history: bring a database to the newest tables; ``store/revisions.py`` tells whether it has them.

A revision is a module in ``versions/``; ``tables.py`` says what they add up to, and a test holds the two together.
Migrations run in one transaction, and one process at a time: started by ten, the first does it and nine find it done.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config

from gateway.store.database import migrating
from gateway.store.revisions import refuse_newer, revision_of
from gateway.store.seal import KeyRing


def migrate(database_url: str, ring: KeyRing | None = None) -> None:
    """Bring the database to the newest tables, making it where there is none.

    ``ring`` seals what an older Polder left to be sealed; a database that holds nothing needs none. Raises
    ``storage_unavailable`` where it cannot be reached or was written by a newer Polder, and ``ValueError`` for an
    address that is of no use.
    """
    with migrating(database_url) as connection:
        refuse_newer(revision_of(connection))
        config = _config()
        config.attributes["connection"] = connection
        config.attributes["ring"] = ring
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    # alembic reads it through a ConfigParser, to which a percent sign means something.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
