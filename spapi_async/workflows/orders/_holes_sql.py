"""SQL for the table of holes, except for writing holes, which pages do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Delete, Select, Update, delete, select, update

from spapi_async.workflows.orders._page import Hole
from spapi_async.workflows.orders._tables import order_holes

__all__ = ["filled", "holes", "refused_again"]


def holes(seller: str) -> Select[Any]:
    """The holes of a seller."""
    return select(order_holes).where(order_holes.c.seller == seller).order_by(order_holes.c.dataset)


def refused_again(hole: Hole, now: datetime) -> Update:
    """Record that the data set was requested and refused again."""
    return update(order_holes).where(*_is(hole, "seller", "dataset")).values(refused_at=now)


def filled(hole: Hole) -> Delete:
    """Delete a hole, unless it has grown in the meantime."""
    return delete(order_holes).where(*_is(hole, *Hole.__struct_fields__))


def _is(hole: Hole, *names: str) -> list[Any]:
    return [order_holes.c[name] == getattr(hole, name) for name in names]
