"""Which tables a database has: asked at every start, so it is told without alembic, which takes long to import.

A revision is a module in ``migrations/versions``, and the first four characters of the module's name are its id.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from gateway.contract.errors import Problem
from gateway.store.database import looking

_TABLE = "alembic_version"
_SEALED = ("connections", "api_keys")
"""Tables that there were from the first revision on, and that hold what is sealed."""


class Newer(Problem):
    """The tables are those of a newer Polder; only that one, or a newer one still, can use them."""


def pending(database_url: str) -> bool:
    """Whether ``migrate`` has something to do. Raises as it does; changes nothing."""
    with looking(database_url) as connection:
        revision = None if connection is None else revision_of(connection)
    refuse_newer(revision)
    return revision != revisions()[-1]


def holds_anything(database_url: str) -> bool:
    """Whether there are connections or API keys, which are sealed. Raises as ``pending`` does; changes nothing."""
    with looking(database_url) as connection:
        if connection is None or revision_of(connection) is None:
            return False
        return any(connection.execute(text(f"SELECT 1 FROM {name} LIMIT 1")).first() for name in _SEALED)  # noqa: S608 - constants


def revisions() -> list[str]:
    """The ids of all there are, oldest first."""
    return sorted(file.name.partition("_")[0] for file in Path(__file__).parent.glob("migrations/versions/[0-9]*.py"))


def revision_of(connection: Connection) -> str | None:
    """The id of the tables that are there; None where there are none."""
    if not inspect(connection).has_table(_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {_TABLE}")).scalar()  # noqa: S608 - a constant


def refuse_newer(revision: str | None) -> None:
    """Raises ``Newer`` for a revision that is not among ours."""
    if revision is not None and revision not in revisions():
        raise Newer("storage_unavailable", "Polder's storage was written by a newer version of Polder than this one.")
