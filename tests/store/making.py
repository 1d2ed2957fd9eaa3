"""Things to store, and a look at a SQLite file from outside."""

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.auth import AccessToken
from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.storage import StoredConnection, StoredKey

NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)


def connection(id: str = "con_1", **changes: object) -> StoredConnection:
    facts: dict[str, Any] = {
        "tenant": "acme",
        "provider": "ledgerly",
        "name": "Acme's books",
        "status": "active",
        "created_at": NOON,
        "updated_at": NOON,
        "data_key": Secret(hashlib.sha256(id.encode()).hexdigest()),
    }
    return StoredConnection(id=id, **{**facts, **changes})


def key(id: str = "key_1", **changes: object) -> StoredKey:
    facts: dict[str, Any] = {"tenant": "acme", "name": "shop", "digest": b"\x00\xff", "scopes": (), "created_at": NOON}
    return StoredKey(id=id, **{**facts, **changes})


def token(value: str = "token", *, refresh: str | None = None, expires_at: datetime | None = None) -> AccessToken:
    return AccessToken(Secret(value), expires_at, None if refresh is None else Secret(refresh), frozenset("xy"))


def later(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def secrets(**texts: str) -> dict[str, Secret]:
    return {name: Secret(text) for name, text in texts.items()}


def refused(code: str) -> pytest.RaisesExc[Problem]:
    return pytest.RaisesExc(Problem, check=lambda problem: problem.code == code)


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def look(url: str, statement: str, values: Iterable[object] = ()) -> list[Any]:
    """Run one statement on a SQLite file, past the store."""
    with closing(sqlite3.connect(path_of(url))) as database, database:
        return database.execute(statement, tuple(values)).fetchall()


def bytes_on_disk(url: str) -> bytes:
    """The file with its log and index, as they are while they are open."""
    file = path_of(url)
    return b"".join(each.read_bytes() for each in sorted(file.parent.iterdir()) if each.name.startswith(file.name))
