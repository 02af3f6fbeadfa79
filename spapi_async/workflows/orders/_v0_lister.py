"""Hints from Orders v0: ``getOrders`` lists orders whose status changed, three times as often as searches can.

It allows one request in 60 s for 100 ids; searches allow one in 180 s. Amazon removes it on 2027-03-27; then it answers
404 or 410 and is no longer used, and this module can be deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from spapi_async._core.caller import Caller
from spapi_async._core.clock import Clock
from spapi_async._core.operation import Operation
from spapi_async._engine.page_history import PageHistory
from spapi_async.api.orders_v0 import GET_ORDERS
from spapi_async.workflows.orders._checkpoint import OVERLAP
from spapi_async.workflows.orders._hints import Hint
from spapi_async.workflows.orders._rows import read_time
from spapi_async.workflows.orders._source import participations

__all__ = ["OrdersV0Lister"]

_BEGINNING = timedelta(minutes=15)  # before the first request: searches find older changes
_MOST_PAGES = 5  # of one window; for a seller with more, searches are as fast


class OrdersV0Lister:
    """Lists the ids of orders whose status has changed since the last call."""

    operation: Operation[Any] = GET_ORDERS

    def __init__(self, seller: Caller, *, marketplaces: Sequence[str], clock: Clock) -> None:
        self._seller = seller
        self._marketplaces = list(marketplaces)
        self._after = datetime.fromtimestamp(clock.time(), UTC) - _BEGINNING

    async def hints(self) -> Sequence[Hint]:
        """The hints since the last call; orders of the last five minutes are named again.

        Raises:
            SPAPIError: the call failed for good.
        """
        self._marketplaces = self._marketplaces or await participations(self._seller)
        found: list[Hint] = []
        token, bound, history = None, None, PageHistory(None)
        for _ in range(_MOST_PAGES):
            page = await self._seller.fetch(
                GET_ORDERS,
                marketplace_ids=self._marketplaces,
                last_updated_after=self._after,
                max_results_per_page=100,
                next_token=token,
            )
            found += [
                Hint(order_id=order.amazon_order_id, event_time=read_time(order.last_update_date), source="orders_v0")
                for order in page.orders or ()
                if isinstance(order.amazon_order_id, str)
            ]
            bound = bound or read_time(page.last_updated_before)
            token = page.next_token
            if not token or history.was_followed(token):
                break
            history.follow(token)
        if bound is not None:
            self._after = max(self._after, bound - OVERLAP)
        return found
