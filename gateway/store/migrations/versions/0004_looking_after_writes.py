"""How far a write came, what to look for where nobody knows, and when to look.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("attempts") as table:
        table.add_column(sa.Column("run", sa.Text, nullable=False, server_default=""))
        table.add_column(sa.Column("sealed_evidence", sa.LargeBinary))
        table.add_column(sa.Column("sent_at", sa.BigInteger))
        table.add_column(sa.Column("next_check_at", sa.BigInteger))
        table.add_column(sa.Column("checks", sa.Integer, nullable=False, server_default="0"))
    with op.batch_alter_table("attempts") as table:
        table.alter_column("run", server_default=None)
        table.alter_column("checks", server_default=None)
    op.create_index("ix_attempts_next_check_at", "attempts", ["next_check_at"])
    # Whether a request had left was not written down before: what was under way may have happened.
    op.execute("UPDATE attempts SET state = 'manual' WHERE state IN ('in_progress', 'unknown')")


def downgrade() -> None:
    op.execute("UPDATE attempts SET state = 'in_progress' WHERE state IN ('claimed', 'sending')")
    op.execute("UPDATE attempts SET state = 'unknown' WHERE state IN ('manual', 'not_executed')")
    op.drop_index("ix_attempts_next_check_at", "attempts")
    with op.batch_alter_table("attempts") as table:
        for column in ("checks", "next_check_at", "sent_at", "sealed_evidence", "run"):
            table.drop_column(column)
