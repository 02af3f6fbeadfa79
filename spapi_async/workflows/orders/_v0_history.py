"""Orders v0 as a source of history: ``getOrders`` lists, ``getOrderItems`` refines. It ends on 2027-03-27.

Neither shares a quota with Orders 2026-01-01: a list of 100 orders a minute, and the items of one order in two seconds.
What they bring is marked (``detail`` ``v0``), because it has no packages, expenses or breakdowns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import msgspec

from spapi_async._core.caller import Caller
from spapi_async._engine.page_history import PageHistory
from spapi_async.errors import DecodeError
from spapi_async.workflows.orders._checkpoint import Window
from spapi_async.workflows.orders._listing import Listed
from spapi_async.workflows.orders._page import CoarseOrder
from spapi_async.workflows.orders._personal import Piece
from spapi_async.workflows.orders._reading import read_pieces, read_token
from spapi_async.workflows.orders._rows import V0, Detail, OrderRow
from spapi_async.workflows.orders._source import OrdersV0Source, participations

__all__ = ["V0Items", "V0List"]

_FIRST_STEP, _GROWTH = timedelta(days=1), 4  # few requests for who has few orders; a span of many has many pages


class V0List:
    """``getOrders``, 100 orders a request (one in 60 s, burst 20)."""

    name = "orders_v0.get_orders"

    def __init__(self, seller: Caller, *, marketplaces: Sequence[str]) -> None:
        self._seller = seller
        self._marketplaces = [str(place) for place in marketplaces]

    async def listed(self, window: Window) -> AsyncIterator[Listed]:
        """Spans that grow, the oldest first."""
        from spapi_async.api.orders_v0 import GET_ORDERS

        self._marketplaces = self._marketplaces or await participations(self._seller)
        after, step = window.after, _FIRST_STEP
        while after < window.before:
            before = min(after + step, window.before)
            token, history = None, PageHistory(None)
            while True:
                response = await self._seller.call(
                    GET_ORDERS,
                    marketplace_ids=self._marketplaces,
                    last_updated_after=after,
                    last_updated_before=before,
                    max_results_per_page=100,
                    next_token=token,
                )
                following = read_token(response, GET_ORDERS)
                yield Listed(
                    [row for piece in read_pieces(response, GET_ORDERS) if (row := _coarse(piece)) is not None]
                )
                if following is None:
                    break
                if history.was_followed(following):
                    raise DecodeError("Amazon returned the token of the page it had just sent", operation=self.name)
                history.follow(following)
                token = following
            yield Listed((), before)
            after, step = before, step * _GROWTH


def _coarse(piece: Piece) -> OrderRow | None:
    """A header without items; one that is no order is left to the searches, which set it aside."""
    try:
        row = V0.row(piece, items=())
    except (ValueError, ArithmeticError, RecursionError, TypeError):
        return None
    return msgspec.structs.replace(row, detail=Detail.REPORT, personal={}) if row.identified else None


class V0Items:
    """``getOrderItems`` of an order whose header :class:`V0List` has brought."""

    name = "orders_v0.get_order_items"
    source: str | None = V0.source

    def __init__(self, seller: Caller) -> None:
        self._items = OrdersV0Source(seller).items

    async def fetch(self, order: CoarseOrder) -> OrderRow | None:
        """The order with its items, as v0 knows it.

        Raises:
            SPAPIError: the call failed for good.
        """
        items, _ = await self._items(order.order_id)
        try:
            return V0.row(order.payload.encode(), items=items)
        except (ValueError, ArithmeticError, RecursionError, TypeError):
            return None
