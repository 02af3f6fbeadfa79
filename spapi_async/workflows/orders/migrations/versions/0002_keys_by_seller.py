"""Orders keyed by seller, one vocabulary, a change feed, separate personal data, leases.

Rows are copied with their payloads; ``OrderDatabase.rebuild`` fills the new columns from these. The tables are
those of this version; later migrations contain the changes of later versions.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_MOVED = ("orders", "order_items", "unreadable")

_ORDERS = (
    "marketplace_id, {} fulfilled_by, sales_channel, created_at, last_updated_at, total_amount, total_currency,"
    " items, source, {} synced_at"
)
_ITEMS = "asin, seller_sku, title, quantity_ordered, quantity_shipped, price_amount, price_currency"
_UNREADABLE = "seller, digest, stream, reason, request_id, size, seen_at"


def upgrade() -> None:
    """Rename the old tables, create the new ones, and copy the rows."""
    connection = op.get_bind()
    there = set(sa.inspect(connection).get_table_names())
    is_postgresql = connection.dialect.name == "postgresql"
    for name in _MOVED:
        if name in there:
            op.execute(f"ALTER TABLE {name} RENAME TO {name}_0001")
            if is_postgresql:
                op.execute(f"ALTER INDEX IF EXISTS {name}_pkey RENAME TO {name}_0001_pkey")
    op.execute("DROP INDEX IF EXISTS orders_by_seller_and_update")
    op.execute("DROP INDEX IF EXISTS order_items_by_sku")
    for table in _tables(is_postgresql=is_postgresql):
        if table.name in _MOVED or table.name not in there:
            table.create(connection)
    _copy(there, is_postgresql=is_postgresql)
    for name in _MOVED:
        op.execute(f"DROP TABLE IF EXISTS {name}_0001")


def _copy(there: set[str], *, is_postgresql: bool) -> None:
    # PostgreSQL's jsonb cannot contain NUL in a text.
    json = r"CAST(replace({}, '\u0000', '\ufffd') AS jsonb)" if is_postgresql else "{}"
    columns = _ORDERS.format("status, amazon_status,", "detail,")
    values = _ORDERS.format("status, status,", "CASE source WHEN 'orders_v0' THEN 'v0' ELSE 'whole' END,")
    # The empty digest differs from every order's, so that the rows are filled anew when they are rebuilt or fetched.
    empty = "''" if is_postgresql else "x''"
    op.execute(
        f"INSERT INTO orders (seller, order_id, {columns}, digest, payload)"
        f" SELECT seller, order_id, {values}, {empty}, {json.format('payload')} FROM orders_0001"
    )
    op.execute(
        f"INSERT INTO order_items (seller, order_id, order_item_id, {_ITEMS}, payload)"
        f" SELECT o.seller, i.order_id, i.order_item_id, {_ITEMS.replace('asin', 'i.asin')}, {json.format('i.payload')}"
        " FROM order_items_0001 i JOIN orders_0001 o ON o.order_id = i.order_id"
    )
    if "unreadable" in there:
        op.execute(f"INSERT INTO unreadable ({_UNREADABLE}) SELECT {_UNREADABLE} FROM unreadable_0001")


def _tables(*, is_postgresql: bool) -> list[sa.Table]:
    metadata = sa.MetaData()
    time = sa.DateTime(timezone=True)
    money = sa.Numeric() if is_postgresql else sa.String(40)
    json: Any = postgresql.JSONB() if is_postgresql else sa.Text()
    number = sa.BigInteger() if is_postgresql else sa.Integer()
    sa.Table(
        "orders",
        metadata,
        sa.Column("seller", sa.Text, primary_key=True),
        sa.Column("order_id", sa.Text, primary_key=True),
        sa.Column("marketplace_id", sa.Text),
        sa.Column("status", sa.Text),
        sa.Column("amazon_status", sa.Text),
        sa.Column("channel", sa.Text),
        sa.Column("fulfilled_by", sa.Text),
        sa.Column("sales_channel", sa.Text),
        sa.Column("created_at", time),
        sa.Column("last_updated_at", time),
        sa.Column("total_amount", money),
        sa.Column("total_currency", sa.Text),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("synced_at", time, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("payload", json, nullable=False),
        sa.Index("orders_by_seller_and_update", "seller", "last_updated_at"),
        sa.Index("orders_by_update", "last_updated_at"),
    )
    sa.Table(
        "order_items",
        metadata,
        sa.Column("seller", sa.Text, primary_key=True),
        sa.Column("order_id", sa.Text, primary_key=True),
        sa.Column("order_item_id", sa.Text, primary_key=True),
        sa.Column("asin", sa.Text),
        sa.Column("seller_sku", sa.Text),
        sa.Column("title", sa.Text),
        sa.Column("quantity_ordered", sa.Integer),
        sa.Column("quantity_shipped", sa.Integer),
        sa.Column("price_amount", money),
        sa.Column("price_currency", sa.Text),
        sa.Column("payload", json, nullable=False),
        sa.Index("order_items_by_sku", "seller_sku"),
    )
    sa.Table(
        "order_changes",
        metadata,
        sa.Column("number", number, primary_key=True, autoincrement=False),
        sa.Column("seller", sa.Text, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("paths", json, nullable=False),
        sa.Column("status_before", sa.Text),
        sa.Column("status_after", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("updated_at", time),
        sa.Column("stored_at", time, nullable=False),
        sa.Index("order_changes_by_time", "stored_at"),
    )
    sa.Table(
        "change_feed",
        metadata,
        sa.Column("database_id", sa.Text, primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("pruned", sa.BigInteger, nullable=False),
    )
    sa.Table(
        "order_personal",
        metadata,
        sa.Column("seller", sa.Text, primary_key=True),
        sa.Column("order_id", sa.Text, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("encrypted", sa.Integer, nullable=False),
        sa.Column("stored_at", time, nullable=False),
        sa.Column("delete_at", time),
        sa.Index("order_personal_by_end", "delete_at"),
    )
    # Databases of the first version already have these two, except those of the very first programs.
    sa.Table(
        "checkpoints",
        metadata,
        sa.Column("seller", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("last_updated_after", time, nullable=False),
        sa.Column("upper_bound", time),
        sa.Column("cursor", sa.Text),
        sa.Column("cursor_at", time),
        sa.Column("updated_at", time, nullable=False),
    )
    sa.Table(
        "quota_states",
        metadata,
        sa.Column("application", sa.Text, primary_key=True),
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("saved_at", time, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    sa.Table(
        "leases",
        metadata,
        sa.Column("seller", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("fencing", sa.BigInteger, nullable=False),
        sa.Column("expires_at", time, nullable=False),
    )
    sa.Table(
        "unreadable",
        metadata,
        sa.Column("seller", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("raw", sa.LargeBinary),
        sa.Column("seen_at", time, nullable=False),
    )
    return list(metadata.sorted_tables)
