"""A Polder's home for the benchmark: a database with connections that all talk to the stub, and a key."""

import secrets
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from random import Random

from benchmarks.conversation import Conversation, key_ring, settings_of
from gateway.app import new_key, storage_of
from gateway.contract.secret import Secret
from gateway.engine.clock import SystemClock
from gateway.engine.storage import StoredConnection
from gateway.registry import discover
from gateway.settings import variable

TENANT = "bench"


def environment_of(home: Path, conversations: Mapping[str, Conversation], stub: str) -> dict[str, str]:
    """The variables that a gateway process of this home needs."""
    found = {
        "POLDER_HOME": str(home),
        "POLDER_ENV": "bench",
        "POLDER_ENCRYPTION_KEYS": key_ring(),
        "POLDER_PORT": "0",
    }
    adapters = discover()
    for name, conversation in conversations.items():
        found |= conversation.environment
        found |= {variable(adapters[name], one.setting): stub for one in adapters[name].origins.values()}
    return found


async def make_home(
    home: Path, conversations: Mapping[str, Conversation], each: int
) -> tuple[str, Mapping[str, list[str]]]:
    """Fill a database with so many connections of each provider: a key that opens them, and their ids."""
    clock = SystemClock()
    storage = storage_of(settings_of(home))
    try:
        key, _ = await new_key(storage, clock, TENANT, "bench", ["*"])
        made: dict[str, list[str]] = {}
        for provider, conversation in conversations.items():
            made[provider] = []
            for count in range(each):
                now = clock.now()
                connection = StoredConnection(
                    id=f"con_{Random(f'{provider}{count}').getrandbits(64):016x}",
                    tenant=TENANT,
                    provider=provider,
                    name=f"Bench {count}",
                    status="active",
                    created_at=now,
                    updated_at=now,
                    company_id=conversation.company_id,
                    credential_type=conversation.credentials["type"],
                    allowed_scopes=tuple(conversation.allowed_scopes),
                    token_scopes=tuple(conversation.token_scopes),
                    data_key=Secret(secrets.token_hex(32)),
                )
                fields = {name: Secret(text) for name, text in conversation.credentials.items() if name != "type"}
                await storage.connections.add(connection, fields)
                made[provider].append(connection.id)
        return key, made
    finally:
        await storage.close()


def add_idle(home: Path, count: int) -> None:
    """Add so many connections that nobody uses, copies of one that is there."""
    with sqlite3.connect(home / "polder.db") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(connections)")]
        chosen = ", ".join("'con_idle' || printf('%012d', value)" if one == "id" else one for one in columns)
        database.execute(
            "WITH RECURSIVE numbers(value) AS "
            f"(SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < {count}) "
            f"INSERT INTO connections ({', '.join(columns)}) SELECT {chosen} FROM numbers, "
            "(SELECT * FROM connections ORDER BY id LIMIT 1)"
        )
