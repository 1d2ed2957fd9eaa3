"""What must outlive a process: connections with their sealed secrets, tokens, API keys and links.

``open_storage`` gives the ``Storage`` that the engine asks for. It takes a second to import a database toolkit, so that
happens when it is first called: ``polder --help`` need not wait for it.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.contract.clock import Clock
from gateway.engine.access.rate_limit import LocalRateLimiter
from gateway.engine.generations import in_memory
from gateway.engine.reads.second_level import NO_SECOND_LEVEL
from gateway.store.seal import KeyRing
from gateway.store.timing import UNMEASURED, Measuring

if TYPE_CHECKING:
    from gateway.engine.access.rate_limit import RateLimiter
    from gateway.engine.generations import Generations
    from gateway.engine.owner import Owner
    from gateway.engine.reads.second_level import SecondLevel
    from gateway.store.presence import Presence
    from gateway.store.sql import SqlStorage

__all__ = [
    "KeyRing",
    "holds_anything",
    "migrate",
    "open_generations",
    "open_owner",
    "open_presence",
    "open_rate_limiter",
    "open_second_level",
    "open_storage",
    "pending",
]

_SHARED = "generations"
"""The file through which processes of one host share generations."""


def open_storage(
    database_url: str, ring: KeyRing, home: Path = Path(".polder"), measuring: Measuring = UNMEASURED
) -> "SqlStorage":
    """Storage at ``sqlite:///path``, ``sqlite+aiosqlite:///path`` or ``postgresql://…``, sealed with that ring.

    ``home`` is where spooled tokens go, made at need. Lock files are beside a SQLite file, for all who open that.

    Nothing is connected to yet. Raises ``ValueError`` for any other address.
    """
    from gateway.store.sql import SqlStorage  # noqa: PLC0415 - slow to import; see above

    return SqlStorage(database_url, ring, home, measuring)


def open_generations(database_url: str, redis_url: str, home: Path, clock: Clock, dice: random.Random) -> "Generations":
    """Generations that every process shares which has the same database; ``redis_url`` says that some are elsewhere.

    Without one they are in a file, beside SQLite's or else in ``home``. Raises ``ValueError`` for what is of no use.
    """
    from gateway.store.database import sqlite_file  # noqa: PLC0415 - slow to import; see above

    file = sqlite_file(database_url)
    if redis_url:
        if file is not None:
            raise ValueError("several nodes need a PostgreSQL database; a SQLite file is for one host.")
        return _of_nodes(redis_url, clock, dice)
    from gateway.store.generations import SharedSlots  # noqa: PLC0415 - where it is needed

    return SharedSlots(home / _SHARED if file is None else file.with_name(f"{file.name}-{_SHARED}"), dice)


def open_owner(database_url: str) -> "Owner":
    """This process, as others on the same database know it; on SQLite by files beside that."""
    from gateway.store.database import sqlite_file  # noqa: PLC0415 - slow to import; see above
    from gateway.store.owners import FileOwner, SessionOwner  # noqa: PLC0415 - where it is needed

    file = sqlite_file(database_url)
    # Not in the home: with another home, and the same file, a process that lives would look dead.
    return SessionOwner(database_url) if file is None else FileOwner(file.parent / "owners")


def open_presence(database_url: str, redis_url: str, home: Path) -> "Presence | None":
    """Who else has the same database and shares no generations, where that can be; ``open_generations`` goes before."""
    from gateway.store.database import sqlite_file  # noqa: PLC0415 - slow to import; see above

    if redis_url or sqlite_file(database_url) is not None:
        return None
    from gateway.store.presence import Presence  # noqa: PLC0415 - where it is needed

    return Presence(database_url, home / _SHARED)


def open_rate_limiter(limit: int, redis_url: str, clock: Clock) -> "RateLimiter | None":
    """What counts the requests of API keys, ``limit`` a minute each; None for 0, which is no limit.

    With a ``redis_url`` all nodes count together, else each process by itself; ``open_generations`` goes before.
    """
    if limit == 0:
        return None
    if redis_url:
        from gateway.store.rate_limit import SharedRateLimiter  # noqa: PLC0415 - where it is needed

        return SharedRateLimiter(redis_url, limit, clock)
    return LocalRateLimiter(limit, clock)


def open_second_level(redis_url: str, limit: int, keys: Sequence[bytes], version: str, clock: Clock) -> "SecondLevel":
    """What nodes were answered, for each other, under the first of ``keys``; a process fills ``limit`` bytes of it.

    There is none without a ``redis_url``, or where ``limit`` is 0; ``open_generations`` goes before.
    """
    if not redis_url or limit == 0:
        return NO_SECOND_LEVEL
    from gateway.store.second_level import ValkeyAnswers  # noqa: PLC0415 - where it is needed

    return ValkeyAnswers(redis_url, keys[0], version, limit, clock)


def _of_nodes(redis_url: str, clock: Clock, dice: random.Random) -> "Generations":
    try:
        from gateway.store.nodes import NodeGenerations  # noqa: PLC0415 - where it is needed
    except ModuleNotFoundError as error:
        raise ValueError("Valkey and Redis need their driver, which comes with polder[redis].") from error
    return NodeGenerations(redis_url, in_memory(dice), clock, dice)


def migrate(database_url: str, ring: KeyRing | None = None) -> None:
    """Bring the database to the newest tables, making it where there is none; see ``gateway.store.migrations``."""
    from gateway.store import migrations  # noqa: PLC0415 - slow to import; see above

    migrations.migrate(database_url, ring)


def holds_anything(database_url: str) -> bool:
    """Whether there is a database in which anything is sealed. Raises as ``pending`` does."""
    from gateway.store import revisions  # noqa: PLC0415 - slow to import; see above

    return revisions.holds_anything(database_url)


def pending(database_url: str) -> bool:
    """Whether ``migrate`` has something to do."""
    from gateway.store import revisions  # noqa: PLC0415 - slow to import; see above

    return revisions.pending(database_url)
