"""Who has something under way, and whether that process is no more: a name, and beside it a lock that death lets go of.

On one host the lock is the kernel's, on a file of its name: it is gone with the process, and no sooner. On PostgreSQL
it is an advisory lock of a session that does nothing else. The server lets go of it when the session ends: at once
where the process died, after five seconds where its host did (keepalives). A session may also be cut off while its
process lives; so a process looks every half second whether its lock is still there and takes it again, and is thought
dead once nobody has seen the lock for two and a half. Who was cut off itself proves nothing of others for a while:
where the server was started again, everybody's lock is gone for a moment.

A process number was rejected: it is given again, containers have numbers of their own, and other nodes cannot see it.
"""

import asyncio
import os
import re
import secrets
import socket
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contract.errors import Problem
from gateway.store.database import postgres_engine
from gateway.store.locks import locked

_NAME = re.compile(r"[A-Za-z0-9-]{1,40}\.[0-9]{1,10}\.[0-9a-f]{16}")
_TRIES = 10
_LOOKS = 5

LOOKS_EVERY: Final = 0.5
"""Seconds between two looks at who is there."""
SURE_FOR: Final = 1.0
"""Seconds for which a look counts."""
LOOK_WAIT: Final = 2.0
"""Seconds that a look may take."""
UNSEEN: Final = 2.5
"""Seconds for which nobody may have seen the lock of a process that is gone: more than since the last look of one who
vouches for itself, which so has time to be seen again.
"""
SEEN_AFTER: Final = 1.5
"""Seconds after which everybody who may still prove something by an older look has seen a lock that was taken again."""
UNSURE_FOR: Final = 40.0
"""Seconds after being cut off in which nothing is proved: longer than what others may have had under way then."""
_REMEMBERED: Final = 60.0
_LOCKS: Final = 0x506F6C64
"""The first half of the number of every such lock."""

_TAKE = text("SELECT pg_advisory_lock_shared(:space, :number)")
# Shared: where an old session of ours is not known to have ended yet, a new one takes the lock all the same.
_HELD = text(
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid::bigint = :space"
    " AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
# Less patient with a server that is gone than others: nothing but this process's being there depends on its session.
_PATIENCE_MS = "3000"


class FileOwner:
    """A process among those of one host, by a lock on a file of that folder, which is made at need."""

    def __init__(self, folder: Path) -> None:
        self.name = _new_name()
        self._folder = folder
        self._descriptor: int | None = None

    async def vouch(self) -> int:
        """Hold the lock; once held, nobody but this process's end takes it. Raises ``storage_unavailable``."""
        if self._descriptor is None:
            try:
                self._descriptor = self._taken()
                self._clear()
            except OSError as error:
                raise Problem(
                    "storage_unavailable", f"Polder's lock files cannot be used ({error.strerror})."
                ) from error
        return 1

    def _taken(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(_TRIES):
            descriptor = os.open(self._folder / self.name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # Somebody may have found the file before it was locked, and have taken it for a dead one's.
            if locked(descriptor) and os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)
        raise BlockingIOError("somebody else holds the lock of a new name")

    def _clear(self) -> None:
        """Remove the files of the dead that nobody asked for."""
        for file in self._folder.iterdir():
            self.is_gone(file.name)

    def is_gone(self, name: str) -> bool:
        """Whether nobody holds the lock of that name: then its file is removed."""
        if name == self.name or not _NAME.fullmatch(name):
            return False
        file = self._folder / name
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            if not locked(descriptor):
                return False
            file.unlink(missing_ok=True)
            return True
        finally:
            os.close(descriptor)

    async def close(self) -> None:
        """Let go of the lock."""
        if self._descriptor is not None:
            (self._folder / self.name).unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


class SessionOwner:
    """A process among all that use one PostgreSQL database, by the lock of a session of its own.

    Through a pooler that hands out a session per transaction the lock may outlive its process, or be lost with a
    session that the pooler ends: then it is taken again, and a process's death is found out late or not at all.
    """

    def __init__(self, database_url: str) -> None:
        self.name = _new_name()
        self._engine = postgres_engine(database_url, 1, tcp_user_timeout=_PATIENCE_MS)
        self._session: AsyncConnection | None = None
        self._tenure = 0
        self._looked_at = float("-inf")
        self._looking_since = float("-inf")
        self._lost_at = float("-inf")
        self._taken_at = float("-inf")
        self._seen: dict[int, float] = {}
        self._asked_at: dict[int, float] = {}
        self._look: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    async def vouch(self) -> int:
        """Hold the lock, as of two seconds ago at the most. Raises ``storage_unavailable``.

        The number that is given changes when the lock had to be taken again: others may have missed it meanwhile.
        """
        if self._watch is None:
            self._watch = asyncio.create_task(self._watched())
        if self._is_sure() and self._is_seen():
            return self._tenure
        # The first look may find that the session ended, and a machine that is busy be late for one.
        for _ in range(_LOOKS):
            await self._looked()
            if self._session is not None and _now() - self._looked_at <= LOOK_WAIT and self._is_seen():
                return self._tenure
            await asyncio.sleep(LOOKS_EVERY)
        raise Problem("storage_unavailable", "Other Polders could not be told that this one is there.")

    def is_gone(self, name: str) -> bool:
        """Whether its lock was not seen for long enough since this was first asked, by looks without a gap."""
        if name == self.name or not _NAME.fullmatch(name):
            return False
        now, number = _now(), _number(name)
        asked_at = self._asked_at.setdefault(number, now)
        seen = max(asked_at, self._looking_since, self._seen.get(number, asked_at))
        return self._is_sure() and self._looked_at - seen >= UNSEEN and now - self._lost_at >= UNSURE_FOR

    def _is_seen(self) -> bool:
        """Whether no proof of others' holds any more that this process was gone, from before it took its lock again."""
        return self._tenure == 1 or _now() - self._taken_at >= SEEN_AFTER

    def _is_sure(self) -> bool:
        return self._session is not None and _now() - self._looked_at < SURE_FOR

    async def _watched(self) -> None:
        """Look again and again, until this is cancelled."""
        while True:
            await self._looked()
            await asyncio.sleep(LOOKS_EVERY)

    async def _looked(self) -> None:
        """One look, shared by all who want one. A server that hangs is not waited for."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._looking())
        await asyncio.wait((self._look,), timeout=LOOK_WAIT)

    async def _looking(self) -> None:
        began = _now()
        try:
            held = await self._held()
        except (SQLAlchemyError, OSError, TimeoutError):
            await self._lose()
            return
        if began - self._looked_at > SURE_FOR:
            self._looking_since = began
        self._looked_at = began
        for remembered in (self._seen, self._asked_at):
            for number in [number for number, at in remembered.items() if began - at > _REMEMBERED]:
                del remembered[number]
        self._seen.update(dict.fromkeys(held, began))

    async def _held(self) -> frozenset[int]:
        """The numbers of all locks that are held, ours among them."""
        if self._session is None:
            self._session = await self._engine.execution_options(isolation_level="AUTOCOMMIT").connect()
            await self._take(self._session)
        held = await self._numbers(self._session)
        if _number(self.name) not in held:
            # A pooler has given us another session than the one that took the lock.
            await self._take(self._session)
            held = await self._numbers(self._session)
        return held

    async def _take(self, session: AsyncConnection) -> None:
        self._tenure += 1
        await session.execute(_TAKE, {"space": _LOCKS, "number": _signed(_number(self.name))})
        self._taken_at = _now()

    async def _numbers(self, session: AsyncConnection) -> frozenset[int]:
        return frozenset((await session.scalars(_HELD, {"space": _LOCKS})).all())

    async def _lose(self) -> None:
        """The session is of no use any more: the next look opens another. In the pool it would keep the lock."""
        session, self._session = self._session, None
        if session is not None:
            self._lost_at = _now()
            with suppress(SQLAlchemyError):
                await session.invalidate()
                await session.close()

    async def close(self) -> None:
        """End the session, and the lock with it."""
        tasks = [task for task in (self._watch, self._look) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LOOK_WAIT)
        await self._lose()
        with suppress(SQLAlchemyError):
            await self._engine.dispose()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _new_name() -> str:
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40] or "-"
    return f"{host}.{os.getpid()}.{secrets.token_hex(8)}"


def _number(name: str) -> int:
    """A number of 32 bits for a name. Two that share one look alive as long as either is."""
    return int.from_bytes(blake2b(name.encode(), digest_size=4, person=b"polder-owner").digest(), "big")


def _signed(number: int) -> int:
    """The same 32 bits with a sign, as PostgreSQL takes them; it shows them without."""
    return number - (1 << 32) if number >= 1 << 31 else number
