"""Orders keyed by seller, one vocabulary, a change feed, personal data apart, leases.

Rows are copied with their payloads; ``OrderDatabase.rebuild`` fills the new columns from these.
"""

import sqlalchemy as sa
from alembic import op

from spapi_async.workflows.orders._tables import metadata

revision = "0002"
down_revision = "0001"

_MOVED = ("orders", "order_items", "unreadable")


def upgrade() -> None:
    """Set the old tables aside, make the new ones, copy."""
    connection = op.get_bind()
    there = set(sa.inspect(connection).get_table_names())
    for name in _MOVED:
        if name in there:
            op.execute(f"ALTER TABLE {name} RENAME TO {name}_0001")
            if connection.dialect.name == "postgresql":
                op.execute(f"ALTER INDEX IF EXISTS {name}_pkey RENAME TO {name}_0001_pkey")
    op.execute("DROP INDEX IF EXISTS orders_by_seller_and_update")
    op.execute("DROP INDEX IF EXISTS order_items_by_sku")
    metadata.create_all(connection)
    # PostgreSQL's jsonb holds no NUL in any text.
    whole = r"CAST(replace(payload, '\u0000', '\ufffd') AS jsonb)"
    json = whole if connection.dialect.name == "postgresql" else "payload"
    kept = (
        "marketplace_id, {} fulfilled_by, sales_channel, created_at, last_updated_at, total_amount, total_currency,"
        " items, source, {} synced_at"
    )
    # The empty digest differs from every order's, so that the rows are filled anew when they are rebuilt or fetched.
    empty = "''" if connection.dialect.name == "postgresql" else "x''"
    columns = kept.format("status, amazon_status,", "detail,")
    values = kept.format("status, status,", "CASE source WHEN 'orders_v0' THEN 'v0' ELSE 'whole' END,")
    op.execute(
        f"INSERT INTO orders (seller, order_id, {columns}, digest, payload)"
        f" SELECT seller, order_id, {values}, {empty}, {json} FROM orders_0001"
    )
    items = "asin, seller_sku, title, quantity_ordered, quantity_shipped, price_amount, price_currency"
    json = json.replace("payload", "i.payload")
    op.execute(
        f"INSERT INTO order_items (seller, order_id, order_item_id, {items}, payload)"
        f" SELECT o.seller, i.order_id, i.order_item_id, {items.replace('asin', 'i.asin')}, {json}"
        " FROM order_items_0001 i JOIN orders_0001 o ON o.order_id = i.order_id"
    )
    if "unreadable" in there:
        entries = "seller, digest, stream, reason, request_id, size, seen_at"
        op.execute(f"INSERT INTO unreadable ({entries}) SELECT {entries} FROM unreadable_0001")
    for name in _MOVED:
        op.execute(f"DROP TABLE IF EXISTS {name}_0001")
