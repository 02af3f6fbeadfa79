"""The SQL queries of a sync about stored orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Text, and_, cast, func, select

from spapi_async.workflows.orders._checkpoint import Checkpoint
from spapi_async.workflows.orders._rows import Detail
from spapi_async.workflows.orders._tables import NOT_WHOLE, checkpoints, orders

__all__ = ["checkpoint_from", "checkpoints_of", "coarse", "count", "dates", "is_coarse", "last_updates"]

# The index of orders that are not whole is used only by queries that repeat its condition.
_IS_COARSE = and_(NOT_WHOLE, orders.c.detail == Detail.REPORT.value)


def checkpoints_of(seller: str, stream: str | None = None) -> Select[Any]:
    """The checkpoints of a seller's streams, or of one of them."""
    query = select(checkpoints).where(checkpoints.c.seller == seller)
    return query if stream is None else query.where(checkpoints.c.stream == stream)


def checkpoint_from(row: Any) -> Checkpoint:
    """A checkpoint from a row of this query."""
    return Checkpoint(**{name: getattr(row, name) for name in Checkpoint.__struct_fields__})


def last_updates(seller: str, order_ids: Sequence[str], *, whole: bool) -> Select[Any]:
    """The last updates of these orders, if stored; ``whole``: only of orders stored with all details."""
    query = select(orders.c.order_id, orders.c.last_updated_at).where(
        orders.c.seller == seller, orders.c.order_id.in_(order_ids), orders.c.last_updated_at.is_not(None)
    )
    return query.where(orders.c.detail == Detail.WHOLE.value) if whole else query


def coarse(seller: str, limit: int, detail: Detail) -> Select[Any]:
    """Orders of which only this much detail is stored, the one updated longest ago first."""
    payload = cast(orders.c.payload, Text).label("payload")
    query = select(orders.c.order_id, orders.c.last_updated_at, orders.c.source, payload)
    query = query.where(orders.c.seller == seller, NOT_WHOLE, orders.c.detail == detail.value)
    return query.order_by(orders.c.last_updated_at, orders.c.order_id).limit(limit)


def count(seller: str, *, coarse: bool, created_since: datetime | None, places: Sequence[str]) -> Select[Any]:
    """The number of orders stored without details, or with them; only of these marketplaces and dates, if given."""
    query = select(func.count()).where(orders.c.seller == seller, _IS_COARSE if coarse else ~_IS_COARSE)
    if created_since is not None:
        query = query.where(orders.c.created_at >= created_since)
    return query.where(orders.c.marketplace_id.in_(places)) if places else query


def dates(seller: str, before: datetime, limit: int, *, coarse: bool) -> Select[Any]:
    """The last updates of orders, the latest first; ``coarse``: of those without details."""
    updated = orders.c.last_updated_at
    query = select(updated).where(orders.c.seller == seller, updated < before)
    return (query.where(_IS_COARSE) if coarse else query).order_by(updated.desc()).limit(limit)


def is_coarse(seller: str, order_id: str) -> Select[Any]:
    """Returns a row if the order is stored without details."""
    return select(orders.c.order_id).where(orders.c.seller == seller, orders.c.order_id == order_id, _IS_COARSE)
