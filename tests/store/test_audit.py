"""The audit log: whatever is done to it from outside is noticed, and the first row that is not right is named."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.engine.storage import AuditEntry
from gateway.store.audit import AuditRow
from gateway.store.seal import KeyRing, generate_key
from gateway.store.sql import SqlStorage
from tests.store.making import later, look, refused

pytestmark = pytest.mark.anyio

ROWS = 6


def entry(number: int, **changes: Any) -> AuditEntry:
    facts: dict[str, Any] = {
        "at": later(number),
        "tenant": "acme" if number % 2 else None,
        "actor": "key_1",
        "action": "connections.update",
        "object": f"con_{number}",
        "outcome": "done",
        "request_id": f"req_{number}",
        "ip": "192.0.2.1",
    }
    return AuditEntry(**{**facts, **changes})


@pytest.fixture
async def logged(opened: Callable[[str], SqlStorage], sqlite_url: str) -> SqlStorage:
    storage = opened(sqlite_url)
    for number in range(1, ROWS + 1):
        await storage.audit.append(entry(number))
    return storage


async def test_entries_come_back_in_their_order(storage: SqlStorage) -> None:
    assert (await storage.audit.verify()).fault is None
    for number in range(1, 4):
        await storage.audit.append(entry(number))
    assert await storage.audit.page(after=0, size=10) == [AuditRow(number, entry(number)) for number in range(1, 4)]
    assert await storage.audit.page(after=1, size=1) == [AuditRow(2, entry(2))]
    assert [row.seq for row in await storage.audit.page(after=0, size=10, tenant="acme")] == [1, 3]
    verdict = await storage.audit.verify()
    assert (verdict.good, verdict.fault) == (3, None)


async def test_whoever_appends_at_once_makes_one_chain(opened: Callable[[str], SqlStorage], url: str) -> None:
    nodes = [opened(url) for _ in range(3)]
    await asyncio.gather(*(node.audit.append(entry(number)) for number in range(10) for node in nodes))
    verdict = await nodes[0].audit.verify()
    assert (verdict.good, verdict.fault) == (30, None)


TAMPERINGS = [
    *(
        (f"UPDATE audit SET {change} WHERE seq = 3", 3)
        for change in (
            "at = at + 1",
            "tenant = 'other'",
            "tenant = NULL",
            "actor = 'key_2'",
            "action = 'connections.delete'",
            "object = 'con_9'",
            "outcome = 'forbidden'",
            "request_id = NULL",
            "ip = '192.0.2.2'",
            "prev_hash = zeroblob(32)",
            "hash = zeroblob(32)",
        )
    ),
    ("DELETE FROM audit WHERE seq = 1", 1),
    ("DELETE FROM audit WHERE seq = 3", 3),
    ("DELETE FROM audit WHERE seq = 6", 6),
    ("DELETE FROM audit WHERE seq > 2", 3),
    ("DELETE FROM audit", 1),
    ("UPDATE audit SET seq = 100 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4;"
     " UPDATE audit SET seq = 4 WHERE seq = 100", 3),
    ("INSERT INTO audit SELECT 7, at, tenant, actor, action, object, outcome, request_id, ip, hash, hash"
     " FROM audit WHERE seq = 6", 7),
    ("DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3", 3),
    ("UPDATE audit_head SET sealed = NULL", 1),
    ("DELETE FROM audit_head", 1),
]  # fmt: skip


@pytest.mark.parametrize(("statements", "first_bad"), TAMPERINGS)
async def test_tampering_is_noticed_and_the_first_bad_row_named(
    logged: SqlStorage, sqlite_url: str, statements: str, first_bad: int
) -> None:
    assert (await logged.audit.verify()).good == ROWS
    for statement in statements.split(";"):
        look(sqlite_url, statement)
    verdict = await logged.audit.verify()
    assert verdict.bad_seq == first_bad
    assert verdict.fault is not None
    assert re.search(rf"row {first_bad}\b|head", verdict.fault)


async def test_an_altered_head_is_no_head(logged: SqlStorage, sqlite_url: str) -> None:
    look(sqlite_url, "UPDATE audit_head SET sealed = zeroblob(100)")
    for use in (logged.audit.verify(), logged.audit.append(entry(7))):
        with refused("storage_unavailable"):
            await use


async def test_nothing_is_appended_to_a_log_without_its_head(logged: SqlStorage, sqlite_url: str) -> None:
    look(sqlite_url, "UPDATE audit_head SET sealed = NULL")
    with refused("storage_unavailable"):
        await logged.audit.append(entry(7))


async def test_an_older_log_that_is_put_back_is_noticed_by_whoever_noted_the_head(
    logged: SqlStorage, sqlite_url: str
) -> None:
    older = look(sqlite_url, "SELECT sealed FROM audit_head")[0]
    await logged.audit.append(entry(7))
    noted = await logged.audit.verify()
    assert (await logged.audit.verify((noted.good, noted.hash))).fault is None
    look(sqlite_url, "DELETE FROM audit WHERE seq = 7")
    look(sqlite_url, "UPDATE audit_head SET sealed = ?", older)
    assert (await logged.audit.verify()).fault is None, "that is all that an outsider's memory is needed for"
    assert (await logged.audit.verify((noted.good, noted.hash))).bad_seq == 7
    await logged.audit.append(entry(8))
    assert (await logged.audit.verify((noted.good, noted.hash))).bad_seq == 7


async def test_an_emptied_log_is_noticed_by_whoever_noted_the_head(logged: SqlStorage, sqlite_url: str) -> None:
    noted = await logged.audit.verify()
    look(sqlite_url, "DELETE FROM audit")
    look(sqlite_url, "UPDATE audit_head SET sealed = NULL")
    assert (await logged.audit.verify((noted.good, noted.hash))).bad_seq == 1


async def test_another_ring_can_vouch_for_nothing(
    storage: SqlStorage, opened: Callable[..., SqlStorage], url: str
) -> None:
    await storage.audit.append(entry(1))
    stranger = opened(url, KeyRing.parse(generate_key(), environment="test"))
    with refused("storage_unavailable"):
        await stranger.audit.verify()
    rows: Sequence[AuditRow] = await stranger.audit.page(after=0, size=10)
    assert [row.seq for row in rows] == [1]
