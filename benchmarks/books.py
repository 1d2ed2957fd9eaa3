"""A Polder's home for the benchmark: a database with connections that all talk to the stub, and a key."""

import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from random import Random

from benchmarks.conversation import Conversation, key_ring, settings_of
from gateway.app import new_key, ring_of, storage_of
from gateway.contract.secret import Secret
from gateway.engine.clock import SystemClock
from gateway.engine.storage import StoredConnection
from gateway.registry import discover
from gateway.settings import variable
from gateway.store.vault import Owned, Vault

TENANT = "bench"


def environment_of(home: Path, conversations: Mapping[str, Conversation], stub: str) -> dict[str, str]:
    """The variables that a gateway process of this home needs."""
    found = {
        "POLDER_HOME": str(home),
        "POLDER_ENV": "bench",
        "POLDER_ENCRYPTION_KEYS": key_ring(),
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


async def add_more(home: Path, like: str, conversation: Conversation, count: int) -> list[str]:
    """Add so many connections like that one, which can be used as it can: their ids."""
    settings = settings_of(home)
    storage = storage_of(settings)
    try:
        found = await storage.connections.find(like)
    finally:
        await storage.close()
    assert found is not None
    vault = Vault(ring_of(settings))
    secret = {name: Secret(text) for name, text in conversation.credentials.items() if name != "type"}
    owners = [Owned(f"con_more{number:012d}", TENANT, found.data_key) for number in range(count)]
    sealed = [
        (owner.id, name, vault.seal(owner, f"credentials.{name}", text))
        for owner in owners
        for name, text in secret.items()
    ]
    with closing(sqlite3.connect(home / "polder.db")) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(connections)")]
        chosen = ", ".join("?" if one in ("id", "sealed_key") else one for one in columns)
        own = [one for one in columns if one in ("id", "sealed_key")]
        statement = f"INSERT INTO connections ({', '.join(columns)}) SELECT {chosen} FROM connections WHERE id = ?"
        values = [{"id": owner.id, "sealed_key": vault.wrapped(owner)} for owner in owners]
        database.executemany(statement, [(*(one[name] for name in own), like) for one in values])
        database.executemany("INSERT INTO credentials (connection_id, field, sealed) VALUES (?, ?, ?)", sealed)
    return [owner.id for owner in owners]
