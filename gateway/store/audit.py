"""The audit log (``gateway.engine.storage.Audit``): rows that each vouch for the one before.

A row's hash is an HMAC over the row and the hash before it, under a key of 256 bits that is kept, sealed by the ring,
beside the last row's seq and hash: the head. So whoever can write in the database, but has not the ring, can neither
change, remove, add nor reorder rows unseen, nor cut off the last ones. What is left to such a person is to put back an
older copy of log and head together: against that, note the head that ``verify`` tells, somewhere else.

Entries are appended with the head's row locked: on SQLite, which has one writer, as on PostgreSQL.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contract import exact
from gateway.contract.errors import Problem
from gateway.engine.storage import AuditEntry
from gateway.store import tables
from gateway.store.database import Database
from gateway.store.seal import CannotOpen, KeyRing

HEAD = "audit_head.sealed"
"""What the head is sealed for."""
_START = bytes(32)
_PAGE = 500
_ENTRY = ("at", "tenant", "actor", "action", "object", "outcome", "request_id", "ip")
_HASHED = ("seq", *_ENTRY, "prev_hash")


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry as it is kept; ``seq`` counts from 1 without a gap."""

    seq: int
    entry: AuditEntry


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of verifying: how many rows are good, the last one's hash, and what is wrong, if anything."""

    good: int
    hash: str
    fault: str | None = None
    bad_seq: int | None = None


@dataclass(frozen=True, slots=True)
class _Head:
    seq: int
    hash: bytes
    key: bytes

    def packed(self) -> bytes:
        return self.seq.to_bytes(8, "big") + self.hash + self.key

    @classmethod
    def unpacked(cls, plaintext: bytes) -> "_Head":
        return cls(int.from_bytes(plaintext[:8], "big"), plaintext[8:40], plaintext[40:])


class SqlAudit:
    """The audit log."""

    def __init__(self, database: Database, ring: KeyRing) -> None:
        self._database = database
        self._ring = ring

    async def append(self, entry: AuditEntry) -> None:
        """Keep an entry, durably. Raises ``storage_unavailable`` where the head is gone, or does not open here."""
        try:
            async with self._database.writing() as transaction:
                await self._append(transaction, entry)
        except IntegrityError as error:
            raise Problem("storage_unavailable", "The audit log has lost its head.") from error

    async def _append(self, transaction: AsyncConnection, entry: AuditEntry) -> None:
        sealed = await transaction.scalar(select(tables.audit_head.c.sealed).with_for_update())
        head = self._opened(sealed) or _Head(0, _START, secrets.token_bytes(32))
        fields = {name: getattr(entry, name) for name in _ENTRY}
        row = {"seq": head.seq + 1, **fields, "prev_hash": head.hash}
        hash = _hash(head.key, row)
        await transaction.execute(insert(tables.audit).values(**row, hash=hash))
        grown = _Head(head.seq + 1, hash, head.key).packed()
        sealed = self._ring.seal(grown, tenant="", connection="", field=HEAD)
        await transaction.execute(update(tables.audit_head).values(sealed=sealed))

    async def page(self, *, after: int, size: int, tenant: str | None = None) -> Sequence[AuditRow]:
        """The rows that follow a seq, oldest first."""
        query = select(tables.audit).where(tables.audit.c.seq > after).order_by(tables.audit.c.seq).limit(size)
        if tenant is not None:
            query = query.where(tables.audit.c.tenant == tenant)
        rows = await self._database.rows(query)
        return [AuditRow(row.seq, AuditEntry(**{name: getattr(row, name) for name in _ENTRY})) for row in rows]

    async def verify(self, noted: tuple[int, str] | None = None) -> Verdict:
        """Look at every row. ``noted`` is a seq and hash that were told earlier, and must still be there.

        Rows that are appended meanwhile are looked at too, or left to the next time.
        """
        async with self._database.reading() as transaction:
            # In this order: what is appended in between then has its head.
            last = await transaction.scalar(select(func.max(tables.audit.c.seq)))
            head = self._opened(await transaction.scalar(select(tables.audit_head.c.sealed)))
        if head is None:
            return Verdict(0, _START.hex()) if last is None and noted is None else _headless(noted)
        return await self._walked(head, noted)

    async def _walked(self, head: _Head, noted: tuple[int, str] | None) -> Verdict:
        before, seq = _START, 0
        while True:
            query = select(tables.audit).where(tables.audit.c.seq > seq).order_by(tables.audit.c.seq).limit(_PAGE)
            rows = await self._database.rows(query)
            for row in rows:
                fault = _fault(row, seq + 1, before, head, noted)
                if fault is not None:
                    return Verdict(seq, before.hex(), fault, seq + 1)
                before, seq = row.hash, row.seq
            if not rows:
                return _ended(seq, before, head, noted)

    def _opened(self, sealed: bytes | None) -> _Head | None:
        if sealed is None:
            return None
        try:
            return _Head.unpacked(self._ring.open(sealed, tenant="", connection="", field=HEAD))
        except CannotOpen as error:
            detail = "The head of the audit log cannot be opened with Polder's encryption keys, or was altered."
            raise Problem("storage_unavailable", detail) from error


def _hash(key: bytes, row: Mapping[str, Any]) -> bytes:
    members = {**row, "at": row["at"].astimezone(UTC).isoformat(), "prev_hash": row["prev_hash"].hex()}
    return hmac.new(key, exact.dumps([members[name] for name in _HASHED]), hashlib.sha256).digest()


def _fault(row: Row[Any], seq: int, before: bytes, head: _Head, noted: tuple[int, str] | None) -> str | None:
    """What is wrong with a row that should be the one of that seq."""
    if row.seq != seq:
        return f"row {seq} is missing"
    members = {name: getattr(row, name) for name in _HASHED}
    if row.prev_hash != before or not hmac.compare_digest(row.hash, _hash(head.key, members)):
        return f"row {seq} was altered, or is not the one that was written after row {seq - 1}"
    if seq == head.seq and row.hash != head.hash:
        return f"row {seq} is not the one that the head vouches for"
    if noted is not None and seq == noted[0] and row.hash.hex() != noted[1]:
        return f"row {seq} is not the one whose hash was noted"
    return None


def _ended(seq: int, before: bytes, head: _Head, noted: tuple[int, str] | None) -> Verdict:
    if seq < head.seq:
        return Verdict(seq, before.hex(), f"row {seq + 1} is missing: the log was cut off", seq + 1)
    if noted is not None and seq < noted[0]:
        return Verdict(
            seq, before.hex(), f"row {noted[0]} was noted, but is missing: an older log was put back", seq + 1
        )
    return Verdict(seq, before.hex())


def _headless(noted: tuple[int, str] | None) -> Verdict:
    fault = "row 1 is missing: the log was emptied" if noted else "the head is missing: the log can vouch for nothing"
    return Verdict(0, _START.hex(), fault, 1)
