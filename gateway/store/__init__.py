"""What must outlive a process: connections with their sealed secrets, tokens, API keys and links.

``open_storage`` gives the ``Storage`` that the engine asks for. It takes a second to import a database toolkit, so that
happens when it is first called: ``polder --help`` need not wait for it.
"""

import random
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.store.seal import KeyRing

if TYPE_CHECKING:
    from gateway.store.generations import SharedSlots
    from gateway.store.sql import SqlStorage

__all__ = ["KeyRing", "migrate", "open_generations", "open_storage", "pending"]


def open_storage(database_url: str, ring: KeyRing) -> "SqlStorage":
    """Storage at ``sqlite:///path``, ``sqlite+aiosqlite:///path`` or ``postgresql://…``, sealed with that ring.

    Nothing is connected to yet. Raises ``ValueError`` for any other address.
    """
    from gateway.store.sql import SqlStorage  # noqa: PLC0415 - slow to import; see above

    return SqlStorage(database_url, ring)


def open_generations(database_url: str, home: Path, dice: random.Random) -> "SharedSlots":
    """Generations shared by every process of this host that has the same database: in a file beside SQLite's, or else
    in ``home``. Raises ``OSError``.
    """
    from gateway.store.database import sqlite_file  # noqa: PLC0415 - slow to import; see above
    from gateway.store.generations import SharedSlots  # noqa: PLC0415 - as above

    file = sqlite_file(database_url)
    return SharedSlots(home / "generations" if file is None else file.with_name(f"{file.name}-generations"), dice)


def migrate(database_url: str) -> None:
    """Bring the database to the newest tables, making it where there is none; see ``gateway.store.migrations``."""
    from gateway.store import migrations  # noqa: PLC0415 - slow to import; see above

    migrations.migrate(database_url)


def pending(database_url: str) -> bool:
    """Whether ``migrate`` has something to do."""
    from gateway.store import migrations  # noqa: PLC0415 - slow to import; see above

    return migrations.pending(database_url)
