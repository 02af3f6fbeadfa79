"""``seller.orders``: one order at a time; for streams of orders see :func:`sync_orders`."""

from __future__ import annotations

from collections.abc import Sequence

from spapi_async._core.arguments import one_or_more
from spapi_async._core.caller import Caller
from spapi_async._core.resources import Resources
from spapi_async.workflows.orders._reading import read_order
from spapi_async.workflows.orders._source import DEFAULT_DATASETS
from spapi_async.workflows.orders._view import OrderView

__all__ = ["Orders"]


class Orders:
    """A seller's orders."""

    def __init__(self, caller: Caller, resources: Resources) -> None:  # noqa: ARG002 - as every workflow is made
        self._caller = caller

    def __repr__(self) -> str:
        return f"<Orders of {self._caller.name}>"

    async def get(self, order_id: str, *, datasets: Sequence[str] = DEFAULT_DATASETS) -> OrderView:
        """One order with its items, by one request of ``getOrder`` of Orders 2026-01-01 (0.5 a second, burst 30).

        Args:
            order_id: such as ``902-3159896-1390916``.
            datasets: ``includedData``. Personal data is left out by default: BUYER, RECIPIENT, TAX and PAYMENT add it
                if the seller's grant has the roles; no restricted data token is needed.

        Raises:
            NotFoundError: this seller has no such order.
            DecodeError: the reply contains no order.
            SPAPIError: the call failed for good.
        """
        from spapi_async.api.orders_2026_01_01 import GET_ORDER

        response = await self._caller.call(GET_ORDER, order_id=order_id, included_data=list(one_or_more(datasets)))
        piece = read_order(response, GET_ORDER)
        return OrderView.from_2026(piece.raw if piece.content is None else piece.content)
