"""The SQL statements that delete personal data."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Delete, Update, delete, select, update

from spapi_async.workflows.orders._tables import order_personal, orders, unreadable
from spapi_async.workflows.orders._vault import OVER, SILENCE

__all__ = ["old_entries", "over"]


def over(now: datetime, retention: timedelta) -> Delete:
    """Delete personal data whose retention has ended.

    An order may have ended since its data was stored, in a sync that stores no personal data; and earlier versions set
    no end for orders that were not over.
    """
    ended = select(orders.c.seller).where(
        orders.c.seller == order_personal.c.seller,
        orders.c.order_id == order_personal.c.order_id,
        orders.c.status.in_(OVER),
        orders.c.last_updated_at < now - retention,
    )
    silent = order_personal.c.delete_at.is_(None) & (order_personal.c.stored_at < now - retention - SILENCE)
    return delete(order_personal).where((order_personal.c.delete_at <= now) | ended.exists() | silent)


def old_entries(now: datetime, retention: timedelta) -> Update:
    """Delete the content of unreadable entries, which may contain anything."""
    kept = unreadable.c.raw.is_not(None)
    return update(unreadable).where(kept, unreadable.c.seen_at < now - retention).values(raw=None)
