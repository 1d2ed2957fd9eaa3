"""Connections with their credentials and tokens, API keys, links, and the row that proves that writing works."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "connections",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("external_ref", sa.Text),
        sa.Column("company_id", sa.Text),
        sa.Column("company_name", sa.Text),
        sa.Column("credential_type", sa.Text),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("token_scopes", sa.Text, nullable=False),
        sa.Column("allowed_scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("token_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_connections"),
    )
    op.create_index("uq_connections_external_ref", "connections", ["tenant", "external_ref"], unique=True)
    op.create_index("ix_connections_tenant", "connections", ["tenant", "created_at", "id"])
    op.create_table(
        "credentials",
        sa.Column("connection_id", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "field", name="pk_credentials"),
        _goes_with_its_connection("credentials"),
    )
    op.create_table(
        "tokens",
        sa.Column("connection_id", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("sealed_value", sa.LargeBinary, nullable=False),
        sa.Column("sealed_refresh_token", sa.LargeBinary),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "seq", name="pk_tokens"),
        _goes_with_its_connection("tokens"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("connections", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_tenant", "api_keys", ["tenant", "created_at", "id"])
    op.create_table(
        "links",
        sa.Column("connection_id", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("claim", sa.Text),
        sa.PrimaryKeyConstraint("connection_id", "resource", "record_id", "field", name="pk_links"),
        _goes_with_its_connection("links"),
    )
    op.create_index("uq_links_claim", "links", ["connection_id", "resource", "field", "claim"], unique=True)
    op.create_table(
        "authorizations",
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("connection_id", sa.Text, nullable=False),
        sa.Column("browser", sa.LargeBinary, nullable=False),
        sa.Column("sealed_verifier", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("state", name="pk_authorizations"),
        _goes_with_its_connection("authorizations"),
    )
    op.create_index("uq_authorizations_connection_id", "authorizations", ["connection_id"], unique=True)
    op.create_table(
        "attempts",
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("connection_id", sa.Text),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("record_id", sa.Text),
        sa.Column("sealed_answer", sa.LargeBinary),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("resolved_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        _goes_with_its_connection("attempts"),
    )
    op.create_index("ix_attempts_connection_id", "attempts", ["connection_id", "key"])
    op.create_index("ix_attempts_created_at", "attempts", ["created_at"])
    probe = op.create_table(
        "probe",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("writes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_probe"),
    )
    op.bulk_insert(probe, [{"id": 1, "writes": 0}])


def downgrade() -> None:
    for table in ("probe", "attempts", "authorizations", "links", "api_keys", "tokens", "credentials", "connections"):
        op.drop_table(table)


def _goes_with_its_connection(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["connection_id"], ["connections.id"], name=f"fk_{table}_connection_id", ondelete="CASCADE"
    )
