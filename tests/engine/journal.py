"""The journal of tokens in memory, step by step: what is durable outlives a process, which may die after any step."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from gateway.contract.auth import AccessToken
from gateway.contract.errors import Problem
from gateway.contract.models.connections import ConnectionStatus
from gateway.contract.secret import Secret
from gateway.engine.storage import Intent, Journal, Storage, StoredConnection, StoredToken, Suspicion

KEPT = 4


class Died(BaseException):
    """The process is gone: no handler of ordinary errors sees this."""


class Steps:
    """What a process did, in order. It dies after the step of that number, if one is given, and does no more then."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.names: list[str] = []
        self._dies_after = dies_after
        self._dead = False

    def done(self, name: str) -> None:
        """A step was done. Raises ``Died``."""
        self.alive()
        self.names.append(name)
        if len(self.names) == self._dies_after:
            self._dead = True
            raise Died

    def alive(self) -> None:
        """Raises ``Died`` where the process did that."""
        if self._dead:
            raise Died


@dataclass
class Kept:
    """What is durable of one connection."""

    provider: str = "books"
    status: ConnectionStatus = "active"
    version: int = 0
    seq: int = 0
    rows: list[StoredToken] = field(default_factory=list)
    intent: Intent | None = None
    suspect_since: datetime | None = None
    refused_at: datetime | None = None
    locked: bool = False

    def end_intent_of(self, owner: str | None) -> None:
        """Forget the intent, if it is that owner's."""
        if self.intent is not None and self.intent.owner == owner:
            self.intent = None


@dataclass
class Disk:
    """What outlives a process. ``full`` names the steps that fail, each so many times."""

    kept: dict[str, Kept] = field(default_factory=dict)
    spooled: list[tuple[StoredConnection, AccessToken, datetime, int, str]] = field(default_factory=list)
    full: dict[str, int] = field(default_factory=dict)
    living: set[str] = field(default_factory=set)
    """Processes that nobody can take for dead; all others are."""
    credentials: dict[str, Secret] = field(default_factory=dict)

    def of(self, connection: StoredConnection) -> Kept:
        """What is kept of a connection; it is there as soon as it is asked for."""
        return self.kept.setdefault(connection.id, Kept(connection.provider))

    def put(self, connection: StoredConnection, *tokens: StoredToken) -> None:
        """A connection with these tokens, the oldest first."""
        self.kept[connection.id] = Kept(connection.provider, seq=tokens[-1].seq, rows=list(tokens))

    def refuse_if_full(self, name: str) -> None:
        """Raises ``storage_unavailable`` as often as was said."""
        if self.full.get(name, 0) > 0:
            self.full[name] -= 1
            raise Problem("storage_unavailable", "The disk is full.")


@dataclass
class MemoryOwner:
    """``gateway.engine.owner.Owner``: a process that can be told of others' deaths. It counts how often it was cut
    off from them itself, and cannot vouch for itself as long as it ``is_cut_off``.
    """

    name: str = "one"
    gone: Callable[[str], bool] = lambda name: False
    cuts: int = 0
    is_cut_off: bool = False

    async def vouch(self) -> int:
        await asyncio.sleep(0)
        if self.is_cut_off:
            raise Problem("storage_unavailable", "Nobody can be told that this process is there.")
        return self.cuts

    def is_gone(self, name: str) -> bool:
        return name != self.name and self.gone(name)

    async def close(self) -> None:
        await asyncio.sleep(0)


class MemoryTokens:
    """``gateway.engine.storage.Tokens`` for one process."""

    def __init__(self, disk: Disk, steps: Steps) -> None:
        self.disk = disk
        self._steps = steps
        self.gate: asyncio.Event | None = None

    async def _begin(self, name: str) -> None:
        self._steps.alive()
        await asyncio.sleep(0)
        self._steps.alive()
        self.disk.refuse_if_full(name)

    @asynccontextmanager
    async def lock(self, connection_id: str, within: float) -> AsyncIterator[None]:
        self._steps.alive()
        kept = self.disk.kept.setdefault(connection_id, Kept())
        async with asyncio.timeout(within):
            while kept.locked:
                await asyncio.sleep(0)
        kept.locked = True
        try:
            self._steps.done("lock")
            yield
        finally:
            kept.locked = False
        self._steps.done("unlock")

    async def newest(self, connection: StoredConnection) -> StoredToken | None:
        await self._begin("newest")
        if self.gate is not None:
            await self.gate.wait()
        rows = self.disk.of(connection).rows
        return rows[-1] if rows else None

    async def journal(self, connection: StoredConnection) -> Journal:
        await self._begin("read")
        await self.unspool()
        kept = self.disk.of(connection)
        found = Journal(kept.version, tuple(kept.rows[::-1]), kept.intent, kept.suspect_since, kept.refused_at)
        self._steps.done("read")
        return found

    async def intend(self, connection: StoredConnection, intent: Intent, known: Journal) -> bool:
        await self._begin("intend")
        kept = self.disk.of(connection)
        if (kept.version, kept.rows[-1:], kept.intent) != (known.version, list(known.tokens[:1]), known.intent):
            return False
        kept.intent = intent
        self._steps.done("intend")
        return True

    async def end_intent(self, connection: StoredConnection, owner: str, at: datetime | None = None) -> None:
        await self._begin("end")
        kept = self.disk.of(connection)
        if kept.intent is not None and kept.intent.owner == owner:
            kept.intent = None if at is None else replace(kept.intent, deadline=at)

    async def append(
        self,
        connection: StoredConnection,
        token: AccessToken,
        received_at: datetime,
        version: int | None = None,
        *,
        owner: str | None = None,
    ) -> StoredToken:
        await self._begin("append")
        stored = self._append(connection, token, received_at, version, owner)
        self._steps.done("append")
        return stored

    def _append(
        self,
        connection: StoredConnection,
        token: AccessToken,
        received_at: datetime,
        version: int | None,
        owner: str | None,
    ) -> StoredToken:
        kept = self.disk.of(connection)
        if version not in (None, kept.version):
            raise Problem("conflict", "Replaced.")
        kept.seq += 1
        kept.rows = [*kept.rows, StoredToken(kept.seq, token, received_at)][-KEPT:]
        kept.suspect_since = kept.refused_at = None
        kept.end_intent_of(owner)
        kept.status = "active"
        return kept.rows[-1]

    async def use(self, connection: StoredConnection, seq: int) -> None:
        await self._begin("mark")
        kept = self.disk.of(connection)
        kept.rows = [replace(row, state="used") if row.seq == seq else row for row in kept.rows if row.seq >= seq]
        self._steps.done("mark")

    async def reject(self, connection: StoredConnection, seq: int) -> None:
        await self._begin("reject")
        kept = self.disk.of(connection)
        kept.rows = [replace(row, state="rejected") if row.seq == seq else row for row in kept.rows]

    async def suspect(
        self, connection: StoredConnection, at: datetime, *, since: datetime, version: int | None, owner: str | None
    ) -> Suspicion:
        await self._begin("suspect")
        kept = self.disk.of(connection)
        if version not in (None, kept.version):
            raise Problem("conflict", "Replaced.")
        kept.suspect_since, kept.refused_at = kept.suspect_since or at, at
        kept.end_intent_of(owner)
        same = [one for one in self.disk.kept.values() if one.provider == connection.provider]
        suspects = [one for one in same if one.refused_at is not None and one.refused_at >= since]
        self._steps.done("suspect")
        return Suspicion(kept.suspect_since, len(suspects), len(same))

    async def spool(
        self, connection: StoredConnection, token: AccessToken, received_at: datetime, version: int, *, owner: str
    ) -> None:
        await self._begin("spool")
        self.disk.spooled.append((connection, token, received_at, version, owner))

    async def unspool(self) -> None:
        while self.disk.spooled:
            self.disk.refuse_if_full("append")
            self._append(*self.disk.spooled[0])
            self.disk.spooled.pop(0)


class MemoryConnections:
    """As much of the connections as the token layer asks for."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    async def credentials(self, connection: StoredConnection) -> Mapping[str, Secret]:
        del connection
        await asyncio.sleep(0)
        return self._disk.credentials

    async def amend(self, id: str, updated_at: datetime, *, status: ConnectionStatus, version: int) -> bool:
        del updated_at
        await asyncio.sleep(0)
        kept = self._disk.kept.setdefault(id, Kept())
        if kept.version != version:
            return False
        kept.status = status
        return True


class MemoryStorage:
    """As much of a storage as the token layer asks for, for one process on a disk."""

    def __init__(self, disk: Disk | None = None, steps: Steps | None = None) -> None:
        self.disk = disk or Disk()
        self.tokens = MemoryTokens(self.disk, steps or Steps())
        self.connections = MemoryConnections(self.disk)

    def as_storage(self) -> Storage:
        """Itself, where the engine expects a whole one."""
        return cast(Storage, cast(Any, self))
