"""Whether a ring is the one that a database was sealed with: asked at every start, of one value of each kind at most.

One value that does not open may have been altered, or be of a key that was taken away too early. Where none of them
opens, the ring is another Polder's, or the environment is: whoever went on would fail every request and be ready.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, select

from gateway.contract.errors import Problem
from gateway.store import tables
from gateway.store.audit import HEAD
from gateway.store.database import Database
from gateway.store.keys import field_of_row
from gateway.store.seal import DATA_KEY, CannotOpen, KeyRing

_Place = Callable[[Row[Any]], Mapping[str, str]]
_HEAD = select(tables.audit_head.c.sealed).where(tables.audit_head.c.sealed.is_not(None))
_KEY = select(tables.api_keys).where(tables.api_keys.c.sealed_digest.is_not(None))
_CONNECTION = select(tables.connections.c.id, tables.connections.c.tenant, tables.connections.c.sealed_key)
# The newest: while keys are replaced, what is new is sealed with the new one.
_WITNESSES: Sequence[tuple[Select[Any], str, _Place]] = (
    (_HEAD, "sealed", lambda _: {"tenant": "", "connection": "", "field": HEAD}),
    (
        _KEY.order_by(tables.api_keys.c.created_at.desc()),
        "sealed_digest",
        lambda row: {"tenant": row.tenant, "connection": "", "field": field_of_row(row)},
    ),
    (
        _CONNECTION.order_by(tables.connections.c.created_at.desc()),
        "sealed_key",
        lambda row: {"tenant": row.tenant, "connection": row.id, "field": DATA_KEY},
    ),
)


async def prove_ring(database: Database, ring: KeyRing) -> None:
    """Raises ``storage_unavailable`` where something is kept, and nothing of it that is looked at opens."""
    opened: list[bool] = []
    for query, name, place in _WITNESSES:
        row = await database.row(query.limit(1))
        if row is not None:
            opened.append(_opens(ring, row._mapping[name], place(row)))
    if opened and not any(opened):
        raise Problem(
            "storage_unavailable",
            "What is stored does not open with Polder's encryption keys: POLDER_ENCRYPTION_KEYS (or the key file) is "
            "another Polder's, or POLDER_ENV is another.",
        )


def _opens(ring: KeyRing, sealed: bytes, place: Mapping[str, str]) -> bool:
    try:
        ring.open(sealed, **place)
    except CannotOpen:
        return False
    return True
