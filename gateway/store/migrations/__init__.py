"""The tables' history: bring a database to the newest tables; ``store/revisions.py`` tells whether it has them.

A revision is a module in ``versions/``; ``tables.py`` says what they add up to, and a test holds the two together.
Migrations run in one transaction, and one process at a time: started by ten, the first does it and nine find it done.

**A revision only adds**: tables, indexes that are not unique, columns that may be null or have a server default. While
a release is rolled out, gateways of the one before write to the newest tables, with every column that they know and no
other; so what was there stays as it is, and no row of it is rewritten. What is to be replaced is first added beside the
old (and both are written), and the old is taken away no earlier than a release later. A revision that does more than
add, as that one, says in ``NEEDS_A_STOP`` why no gateway of a release before may run from then on, and the changelog
says so. ``tests/operations/test_rolling.py`` holds each revision since the first release to that.
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
