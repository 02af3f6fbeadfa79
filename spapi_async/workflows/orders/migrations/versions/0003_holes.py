"""Holes: which data set Amazon refused, and between which updates stored orders lack it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table, unless an earlier form of migration 0002 has created it."""
    connection = op.get_bind()
    if "order_holes" in sa.inspect(connection).get_table_names():
        return
    timestamp = sa.DateTime(timezone=True)
    op.create_table(
        "order_holes",
        sa.Column("seller", sa.Text, primary_key=True),
        sa.Column("dataset", sa.Text, primary_key=True),
        sa.Column("updated_from", timestamp, nullable=False),
        sa.Column("updated_to", timestamp, nullable=False),
        sa.Column("refused_at", timestamp, nullable=False),
    )
