"""An index of the orders that are not whole, which every sync looks for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the index."""
    condition = sa.text("detail <> 'whole'")
    op.create_index(
        "orders_not_whole",
        "orders",
        ["seller", "detail", "last_updated_at", "order_id"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
