"""A data key for every connection, API keys' digests sealed with what they allow, and the audit log.

There is no way back: what was in clear is sealed from now on.
"""

import secrets

import sqlalchemy as sa
from alembic import context, op

from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.storage import StoredKey
from gateway.store.keys import field_of
from gateway.store.seal import KeyRing
from gateway.store.tables import Instant, Texts

revision = "0003"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("connections", sa.Column("sealed_key", sa.LargeBinary))
    _give_data_keys()
    with op.batch_alter_table("connections") as connections:
        connections.alter_column("sealed_key", nullable=False)
    # They live for ten minutes, and are sealed for another place than they are from now on.
    op.execute("DELETE FROM authorizations")
    for column in (
        sa.Column("sealed_digest", sa.LargeBinary),
        sa.Column("networks", sa.Text),
        sa.Column("last_used_at", sa.BigInteger),
    ):
        op.add_column("api_keys", column)
    _seal_digests()
    with op.batch_alter_table("api_keys") as keys:
        keys.drop_column("digest")
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("tenant", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("object", sa.Text),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("ip", sa.Text),
        sa.Column("prev_hash", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.bulk_insert(head, [{"id": 1, "sealed": None}])


def _give_data_keys() -> None:
    table = sa.table("connections", *(sa.column(name) for name in ("id", "tenant", "sealed_key")))
    for row in op.get_bind().execute(sa.select(table.c.id, table.c.tenant)).all():
        wrapped = _ring().wrap(Secret(secrets.token_hex(32)), tenant=row.tenant, connection=row.id)
        op.execute(sa.update(table).where(table.c.id == row.id).values(sealed_key=wrapped))


def _seal_digests() -> None:
    names = ("id", "tenant", "name", "digest", "sealed_digest")
    texts = (sa.column(name, Texts) for name in ("scopes", "connections"))
    times = (sa.column(name, Instant) for name in ("created_at", "expires_at", "revoked_at"))
    table = sa.table("api_keys", *(sa.column(name) for name in names), *texts, *times)
    kept = [column for column in table.columns if column.name != "sealed_digest"]
    # One that is revoked has no digest from now on.
    for row in op.get_bind().execute(sa.select(*kept).where(table.c.revoked_at.is_(None))).all():
        key = StoredKey(**row._mapping)
        sealed = _ring().seal(key.digest, tenant=key.tenant, connection="", field=field_of(key))
        op.execute(sa.update(table).where(table.c.id == key.id).values(sealed_digest=sealed))


def _ring() -> KeyRing:
    ring = context.config.attributes["ring"]
    if not isinstance(ring, KeyRing):
        raise Problem("storage_unavailable", "This migration seals what is stored: it needs the encryption keys.")
    return ring
