"""Whether gateways run on one PostgreSQL database that cannot tell each other of what they write.

Without Valkey or Redis, gateways share generations through a file of their host. Each holds a session that is named
after that file; the server knows which sessions there are, and forgets one with its process. A row with a heartbeat was
rejected: it tells of a process that is gone, until it is too old.
"""

import os
import socket
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from gateway.store.database import errors_as_problems, postgres_engine

_NAME = "polder-gateway-"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND starts_with(application_name, :ours) AND application_name <> :own"
)


class Presence:
    """One gateway's session. ``generations`` is the file through which it tells others of its writes."""

    def __init__(self, database_url: str, generations: Path) -> None:
        self._name = f"{_NAME}{_identity(generations)}"
        self._engine = postgres_engine(database_url, 1, application_name=self._name)

    async def strangers(self) -> bool:
        """Whether a gateway is there that shares no generations with this one; from the first time on this one is too.

        Raises ``storage_unavailable``.
        """
        with errors_as_problems():
            async with self._engine.connect() as connection:
                return bool(await connection.scalar(_OTHERS, {"ours": _NAME, "own": self._name}))

    async def close(self) -> None:
        """End the session."""
        with suppress(SQLAlchemyError):
            await self._engine.dispose()


def _identity(file: Path) -> str:
    """A file of a running system: processes that see the same one share its memory, whatever their containers."""
    host = _BOOT.read_text().strip() if _BOOT.exists() else socket.gethostname()
    found = os.stat(file)
    return blake2b(f"{host} {found.st_dev} {found.st_ino}".encode(), digest_size=12).hexdigest()
