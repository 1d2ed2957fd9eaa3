"""Tokens have a state, requests for them are kept before they leave, and refused credentials are remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("connections") as connections:
        connections.add_column(sa.Column("credentials_version", sa.BigInteger, nullable=False, server_default="0"))
        connections.add_column(sa.Column("suspect_since", sa.BigInteger))
        connections.add_column(sa.Column("refused_at", sa.BigInteger))
    with op.batch_alter_table("connections") as connections:
        # Only what was there already is filled in: from here on every row says its own.
        connections.alter_column("credentials_version", server_default=None)
    op.create_index("ix_connections_provider", "connections", ["provider", "refused_at"])
    with op.batch_alter_table("tokens") as tokens:
        tokens.add_column(sa.Column("state", sa.Text, nullable=False, server_default="used"))
    with op.batch_alter_table("tokens") as tokens:
        tokens.alter_column("state", server_default=None)
    op.create_index("ix_tokens_received_at", "tokens", ["received_at"])
    op.create_table(
        "intents",
        sa.Column("connection_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("connection_id", name="pk_intents"),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name="fk_intents_connection_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_intents_deadline", "intents", ["deadline"])


def downgrade() -> None:
    op.drop_table("intents")
    op.drop_index("ix_tokens_received_at", "tokens")
    with op.batch_alter_table("tokens") as tokens:
        tokens.drop_column("state")
    op.drop_index("ix_connections_provider", "connections")
    with op.batch_alter_table("connections") as connections:
        for column in ("credentials_version", "suspect_since", "refused_at"):
            connections.drop_column(column)
