"""What must outlive a process: connections with their sealed secrets, tokens, API keys and links.

``open_storage`` gives the ``Storage`` that the engine asks for. It takes a second to import a database toolkit, so that
happens when it is first called: ``polder --help`` need not wait for it.
"""

from typing import TYPE_CHECKING

from gateway.store.seal import KeyRing

if TYPE_CHECKING:
    from gateway.store.sql import SqlStorage

__all__ = ["KeyRing", "migrate", "open_storage", "pending"]


def open_storage(database_url: str, ring: KeyRing) -> "SqlStorage":
    """Storage at ``sqlite:///path``, ``sqlite+aiosqlite:///path`` or ``postgresql://…``, sealed with that ring.

    Nothing is connected to yet. Raises ``ValueError`` for any other address.
    """
    from gateway.store.sql import SqlStorage  # noqa: PLC0415 - slow to import; see above

    return SqlStorage(database_url, ring)


def migrate(database_url: str, ring: KeyRing | None = None) -> None:
    """Bring the database to the newest tables, making it where there is none; see ``gateway.store.migrations``."""
    from gateway.store import migrations  # noqa: PLC0415 - slow to import; see above

    migrations.migrate(database_url, ring)


def pending(database_url: str) -> bool:
    """Whether ``migrate`` has something to do."""
    from gateway.store import migrations  # noqa: PLC0415 - slow to import; see above

    return migrations.pending(database_url)
