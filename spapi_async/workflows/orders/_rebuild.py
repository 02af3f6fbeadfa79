"""Fills the columns again from the payloads: after a migration, or when a later version has more columns."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Text, cast, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from spapi_async.workflows._cursor import run_on_cursor
from spapi_async.workflows.orders._report_rows import REPORT_SOURCE, stored_row
from spapi_async.workflows.orders._rows import V0, V2026, Detail, OrderRow, OrderShape
from spapi_async.workflows.orders._tables import order_items, orders
from spapi_async.workflows.orders._vault import PersonalData
from spapi_async.workflows.orders._writer import PageWriter

__all__ = ["rebuild"]

_BATCH = 500
_SHAPES: dict[str, OrderShape] = {shape.source: shape for shape in (V2026, V0)}


async def rebuild(connection: AsyncConnection, writer: PageWriter, personal: PersonalData | None) -> int:
    """Rewrite every order within the open transaction; returns their number."""
    done, last = 0, ("", "")
    while True:
        payload = cast(orders.c.payload, Text).label("payload")
        key = tuple_(orders.c.seller, orders.c.order_id)
        query = (
            select(orders.c.seller, orders.c.order_id, orders.c.source, orders.c.detail, payload)
            .where(key > last)
            .order_by(orders.c.seller, orders.c.order_id)
            .limit(_BATCH)
        )
        found = list(await connection.execute(query))
        for seller, group in groupby(found, key=lambda row: row.seller):
            rows = [row for row in await _rows(connection, seller, list(group)) if row is not None]
            rewrite = partial(writer.rewrite, seller=seller, rows=rows, personal=personal, at=datetime.now(UTC))
            await run_on_cursor(connection, rewrite)
            done += len(rows)
        if len(found) < _BATCH:
            return done
        last = (found[-1].seller, found[-1].order_id)


async def _rows(connection: AsyncConnection, seller: str, stored: list[Any]) -> list[OrderRow | None]:
    apart = [row.order_id for row in stored if row.detail == Detail.V0.value]
    items: dict[str, list[bytes]] = {order_id: [] for order_id in apart}
    if apart:
        query = select(order_items.c.order_id, cast(order_items.c.payload, Text)).where(
            order_items.c.seller == seller, order_items.c.order_id.in_(apart)
        )
        for order_id, payload in await connection.execute(query.order_by(order_items.c.order_item_id)):
            items[order_id].append(payload.encode())
    return [_row(row, items.get(row.order_id)) for row in stored]


def _row(stored: Any, items: list[bytes] | None) -> OrderRow | None:
    try:
        row = _read(stored, items)
    except (ValueError, ArithmeticError, RecursionError, TypeError):
        return None  # another version wrote this row: it stays unchanged
    return row if row is not None and row.order_id == stored.order_id else None


def _read(stored: Any, items: list[bytes] | None) -> OrderRow | None:
    """The row of a payload; for an order known only from a list or a report, the stored items stay."""
    if stored.source == REPORT_SOURCE:
        return stored_row(stored.payload)
    shape = _SHAPES.get(stored.source)
    if shape is None:
        return None
    if stored.detail == Detail.REPORT.value:
        return msgspec.structs.replace(shape.row(stored.payload.encode(), items=()), detail=Detail.REPORT)
    return shape.row(stored.payload.encode(), items=items)
