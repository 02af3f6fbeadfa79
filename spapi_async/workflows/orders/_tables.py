"""The tables that a sync fills, and column types that store Amazon's values exactly in either database.

``orders`` and ``order_items`` have columns for evaluations, and ``payload``: the JSON as Amazon sent it, with unknown
fields but without personal data. ``status`` and ``channel`` use the vocabulary of Orders 2026-01-01 whichever version
an order came from; ``amazon_status`` and ``fulfilled_by`` are Amazon's own values. ``order_personal`` has personal
data, encrypted, until it must be deleted. ``order_changes`` is append-only: the changes of orders, numbered in the
order of commits; ``change_feed`` is its single row of state. ``unreadable`` lists entries of pages that could not be
made into rows: the reason, the request id, the size, and the content only encrypted. ``checkpoints`` has the progress
of each seller's sync, ``order_holes`` the data sets that Amazon refuses a seller and the span of updates in which
orders lack them, ``leases`` the process that may advance a stream, ``quota_states`` each seller's spent quota.

These are the current tables; ``migrations`` contains the step from each earlier version to the next.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

__all__ = [
    "NOT_WHOLE",
    "JsonText",
    "change_feed",
    "checkpoints",
    "leases",
    "metadata",
    "order_changes",
    "order_holes",
    "order_items",
    "order_personal",
    "orders",
    "quota_states",
    "unreadable",
]


class UtcTimestamp(TypeDecorator[datetime]):
    """An aware datetime: ``timestamptz`` in PostgreSQL, UTC text of one width in SQLite (text order is time order)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An exact amount: ``numeric`` in PostgreSQL, text in SQLite (which only has binary floats)."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(String(40) if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return format(value, "f") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 - its signature
        return None if value is None else Decimal(value)


class JsonText(TypeDecorator[str]):
    """JSON, given as text: ``jsonb`` in PostgreSQL, where it can be searched, text in SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else JSONB(none_as_null=True))


metadata = MetaData()

NOT_WHOLE = text("detail <> 'whole'")
"""The condition for orders that may be fetched again; they are few, so that the query is cheap."""

orders = Table(
    "orders",
    metadata,
    Column("seller", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("marketplace_id", Text),
    Column("status", Text),
    Column("amazon_status", Text),
    Column("channel", Text),
    Column("fulfilled_by", Text),
    Column("sales_channel", Text),
    Column("created_at", UtcTimestamp),
    Column("last_updated_at", UtcTimestamp),
    Column("total_amount", Money),
    Column("total_currency", Text),
    Column("items", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("synced_at", UtcTimestamp, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("payload", JsonText, nullable=False),
    Index("orders_by_seller_and_update", "seller", "last_updated_at"),
    Index("orders_by_update", "last_updated_at"),
    Index(
        "orders_not_whole",
        *("seller", "detail", "last_updated_at", "order_id"),
        sqlite_where=NOT_WHOLE,
        postgresql_where=NOT_WHOLE,
    ),
)

order_items = Table(
    "order_items",
    metadata,
    Column("seller", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("order_item_id", Text, primary_key=True),
    Column("asin", Text),
    Column("seller_sku", Text),
    Column("title", Text),
    Column("quantity_ordered", Integer),
    Column("quantity_shipped", Integer),
    Column("price_amount", Money),
    Column("price_currency", Text),
    Column("payload", JsonText, nullable=False),
    Index("order_items_by_sku", "seller_sku"),
)

order_changes = Table(
    "order_changes",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False),
    Column("seller", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("paths", JsonText, nullable=False),
    Column("status_before", Text),
    Column("status_after", Text),
    Column("source", Text, nullable=False),
    Column("updated_at", UtcTimestamp),
    Column("stored_at", UtcTimestamp, nullable=False),
    Index("order_changes_by_time", "stored_at"),
)

order_holes = Table(
    "order_holes",
    metadata,
    Column("seller", Text, primary_key=True),
    Column("dataset", Text, primary_key=True),
    Column("updated_from", UtcTimestamp, nullable=False),
    Column("updated_to", UtcTimestamp, nullable=False),
    Column("refused_at", UtcTimestamp, nullable=False),
)

change_feed = Table(
    "change_feed",
    metadata,
    Column("database_id", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("pruned", BigInteger, nullable=False),
)

order_personal = Table(
    "order_personal",
    metadata,
    Column("seller", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("encrypted", Integer, nullable=False),
    Column("stored_at", UtcTimestamp, nullable=False),
    Column("delete_at", UtcTimestamp),
    Index("order_personal_by_end", "delete_at"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("seller", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("last_updated_after", UtcTimestamp, nullable=False),
    Column("upper_bound", UtcTimestamp),
    Column("cursor", Text),
    Column("cursor_at", UtcTimestamp),
    Column("updated_at", UtcTimestamp, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("seller", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("fencing", BigInteger, nullable=False),
    Column("expires_at", UtcTimestamp, nullable=False),
)

unreadable = Table(
    "unreadable",
    metadata,
    Column("seller", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("stream", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request_id", Text),
    Column("size", Integer, nullable=False),
    Column("raw", LargeBinary),
    Column("seen_at", UtcTimestamp, nullable=False),
)

quota_states = Table(
    "quota_states",
    metadata,
    Column("application", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("saved_at", UtcTimestamp, nullable=False),
    Column("state", Text, nullable=False),
)
