"""An index of orders that lack details, for which every sync searches."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the index."""
    condition = sa.text("detail <> 'whole'")
    op.create_index(
        "orders_not_whole",
        "orders",
        ["seller", "detail", "last_updated_at", "order_id"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
