"""Since when a connection is suspended, apart from what its credentials are good for.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connections", sa.Column("suspended_at", sa.BigInteger))


def downgrade() -> None:
    with op.batch_alter_table("connections") as table:
        table.drop_column("suspended_at")
