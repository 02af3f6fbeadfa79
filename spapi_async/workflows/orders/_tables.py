"""The tables that a sync fills, and the column types that keep Amazon's values exact in either database.

``orders`` and ``order_items`` hold the columns that reports are written on, and beside them ``payload``: the JSON
text as Amazon sent it, unknown fields included. ``unreadable`` lists what was in a page and could not be made a row:
why, in which reply and how large, but not what it was, for that may be personal data. ``checkpoints`` says where each
seller's sync stands; ``quota_states`` what of each seller's quota has been spent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
)

__all__ = ["checkpoints", "metadata", "order_items", "orders", "quota_states", "unreadable"]


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
    """An exact amount: ``numeric`` in PostgreSQL, text in SQLite (which has binary floats only)."""

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


metadata = MetaData()

orders = Table(
    "orders",
    metadata,
    Column("order_id", Text, primary_key=True),
    Column("seller", Text, nullable=False),
    Column("marketplace_id", Text),
    Column("status", Text),
    Column("fulfilled_by", Text),
    Column("sales_channel", Text),
    Column("created_at", UtcTimestamp),
    Column("last_updated_at", UtcTimestamp),
    Column("total_amount", Money),
    Column("total_currency", Text),
    Column("items", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("synced_at", UtcTimestamp, nullable=False),
    Column("payload", Text, nullable=False),
    Index("orders_by_seller_and_update", "seller", "last_updated_at"),
)

order_items = Table(
    "order_items",
    metadata,
    Column("order_id", Text, primary_key=True),
    Column("order_item_id", Text, primary_key=True),
    Column("asin", Text),
    Column("seller_sku", Text),
    Column("title", Text),
    Column("quantity_ordered", Integer),
    Column("quantity_shipped", Integer),
    Column("price_amount", Money),
    Column("price_currency", Text),
    Column("payload", Text, nullable=False),
    Index("order_items_by_sku", "seller_sku"),
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

unreadable = Table(
    "unreadable",
    metadata,
    Column("seller", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("stream", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request_id", Text),
    Column("size", Integer, nullable=False),
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
