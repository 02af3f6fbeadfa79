"""Orders v0 as a source of history: ``getOrders`` lists, ``getOrderItems`` refines. It ends on 2027-03-27.

Neither shares a quota with Orders 2026-01-01: one list of 100 orders a minute, and the items of one order in two
seconds. If order reports do the listing, ``getOrder`` fetches the header of an order, at the same rate. These orders
are marked (``detail`` is ``v0``), because they have no packages, expenses or breakdowns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from spapi_async._core.caller import Caller
from spapi_async._engine.page_history import PageHistory
from spapi_async.errors import DecodeError
from spapi_async.workflows.orders._checkpoint import Window
from spapi_async.workflows.orders._listing import Listed
from spapi_async.workflows.orders._page import CoarseOrder
from spapi_async.workflows.orders._personal import Piece
from spapi_async.workflows.orders._reading import read_order, read_pieces, read_token
from spapi_async.workflows.orders._rows import V0, Detail, OrderRow
from spapi_async.workflows.orders._source import OrdersV0Source, participations
from spapi_async.workflows.orders._walk import Answer, Sorting, Walk

__all__ = ["V0Items", "V0List"]


class V0List:
    """``getOrders``, 100 orders a request (one in 60 s, burst 20).

    Its dates are those of the last change of *status*. An order that was updated in the window, but whose status last
    changed before it, is not listed. There is no such order if the window begins two years back, as far as Amazon keeps
    orders.
    """

    name = "orders_v0.get_orders"
    is_exact = False

    def __init__(self, seller: Caller, *, marketplaces: Sequence[str]) -> None:
        self._seller = seller
        self._marketplaces = [str(place) for place in marketplaces]

    async def listed(self, window: Window) -> AsyncIterator[Listed]:
        """The pages, oldest first, each with the time up to which the list is complete."""
        from spapi_async.api.orders_v0 import GET_ORDERS

        self._marketplaces = self._marketplaces or await participations(self._seller)
        walk, history = Walk(window.after, window.before, Sorting()), PageHistory(None)
        while not walk.is_complete:
            ask = walk.ask
            response = await self._seller.call(
                GET_ORDERS,
                marketplace_ids=self._marketplaces,
                last_updated_after=ask.after,
                last_updated_before=ask.before or window.before,
                max_results_per_page=100,
                next_token=ask.token,
            )
            following = read_token(response, GET_ORDERS)
            if ask.token is None:
                history = PageHistory(None)
            if following is not None:
                if history.was_followed(following):
                    raise DecodeError("Amazon returned the token of the page it had just sent", operation=self.name)
                history.follow(following)
            rows = [row for piece in read_pieces(response, GET_ORDERS) if (row := _coarse(piece)) is not None]
            updates = [(row.order_id, row.last_updated_at) for row in rows]
            walk.take(Answer(updates, following, window.before, settled=window.before))
            yield Listed(rows, walk.read_to)


def _coarse(piece: Piece) -> OrderRow | None:
    """A header without items; an entry that is not an order is left to the searches, which set it aside."""
    try:
        row = V0.row(piece, items=())
    except (ValueError, ArithmeticError, RecursionError, TypeError):
        return None
    return msgspec.structs.replace(row, detail=Detail.REPORT, personal={}) if row.identified else None


class V0Items:
    """``getOrderItems`` of an order; its header comes from :class:`V0List` or ``getOrder``."""

    name = "orders_v0.get_order_items"

    def __init__(self, seller: Caller) -> None:
        self._seller = seller
        self._items = OrdersV0Source(seller).items

    def seconds(self, count: int) -> float:
        """Seconds until the last of ``count`` calls could be sent."""
        from spapi_async.api.orders_v0 import GET_ORDER_ITEMS

        return self._seller.forecast(GET_ORDER_ITEMS, count=count)

    async def fetch(self, order: CoarseOrder) -> OrderRow | None:
        """The order with its items, as returned by v0.

        Raises:
            SPAPIError: the call failed for good.
        """
        header = order.payload.encode() if order.source == V0.source else await self._header(order.order_id)
        items, _ = await self._items(order.order_id)
        try:
            row = V0.row(header, items=items)
        except (ValueError, ArithmeticError, RecursionError, TypeError):
            return None
        return row if row.order_id == order.order_id else None

    async def _header(self, order_id: str) -> Piece:
        from spapi_async.api.orders_v0 import GET_ORDER

        return read_order(await self._seller.call(GET_ORDER, order_id=order_id), GET_ORDER)
