"""SQLite that does not wait for the disk, for the databases of tests.

A commit waits three milliseconds for the disk, and a test commits some twenty times. How Polder behaves when it is
killed is not changed by this: it takes a power cut to lose what the system was given to write.
"""

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.engine.storage import Storage
from gateway.store.sql import SqlStorage


def hurry(storage: Storage) -> None:
    """Let nothing that is kept there survive a power cut, before it is first used."""
    assert isinstance(storage, SqlStorage)
    engine = storage._database._engine.sync_engine
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _unsynced)


def _unsynced(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()
