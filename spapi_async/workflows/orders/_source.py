"""Where orders come from: one page of one seller's orders at a time, items included.

A source keeps nothing between pages: the checkpoint says which page comes next, so that a run which was killed and a
run which was not take the same path.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

import anyio
import msgspec

from spapi_async._core.caller import Caller, Reply
from spapi_async._core.operation import Operation
from spapi_async.errors import DecodeError
from spapi_async.workflows.orders._checkpoint import Checkpoint
from spapi_async.workflows.orders._rows import V0, V2026, OrderRow, read_time

__all__ = ["DEFAULT_DATASETS", "OrderSource", "Orders2026Source", "OrdersV0Source", "Page", "check_progress"]

# Order facts without the buyer: personal data (BUYER, RECIPIENT, TAX, PAYMENT) is copied only when it is asked for.
DEFAULT_DATASETS = ("PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION", "FULFILLMENT", "PACKAGES")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page: its rows, the token of the next (None on the last), the end of the window, its violations."""

    rows: tuple[OrderRow, ...]
    cursor: str | None
    upper_bound: datetime | None
    violations: int = 0


class OrderSource(Protocol):
    """Yields the pages of a window of orders by their last update."""

    @property
    def stream(self) -> str:
        """Names what is synced: the API, and the marketplaces if not all. Checkpoints are kept apart by it."""

    async def page(self, checkpoint: Checkpoint) -> Page:
        """The page that the checkpoint points at.

        Raises:
            SPAPIError: the call failed for good.
        """


class _Pagination(msgspec.Struct):
    nextToken: str | None = None  # noqa: N815 - Amazon's name


class _SearchReply(msgspec.Struct):
    orders: list[msgspec.Raw]
    pagination: _Pagination | None = None
    lastUpdatedBefore: Any = None  # noqa: N815 - Amazon's name


class _OrdersPayload(msgspec.Struct, rename="pascal"):
    orders: list[msgspec.Raw]
    next_token: str | None = None
    last_updated_before: Any = None


class _OrdersReply(msgspec.Struct):
    payload: _OrdersPayload


class _ItemsPayload(msgspec.Struct, rename="pascal"):
    order_items: list[msgspec.Raw] = []
    next_token: str | None = None


class _ItemsReply(msgspec.Struct):
    payload: _ItemsPayload


class Orders2026Source:
    """Orders 2026-01-01: ``searchOrders`` brings the items along, so a page of 100 orders costs one request."""

    def __init__(
        self,
        seller: Caller,
        *,
        marketplaces: Sequence[str] = (),
        datasets: Sequence[str] = DEFAULT_DATASETS,
        page_size: int = 100,
    ) -> None:
        self._seller = seller
        self._marketplaces = sorted(str(place) for place in marketplaces)
        self._datasets = list(datasets)
        self._page_size = page_size

    @property
    def stream(self) -> str:
        """``orders_2026_01_01``, and the marketplaces if not all."""
        return _stream("orders_2026_01_01", self._marketplaces)

    async def page(self, checkpoint: Checkpoint) -> Page:
        """One ``searchOrders``; filters are repeated beside the token, as Amazon asks."""
        from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS

        response = await self._seller.call(
            SEARCH_ORDERS,
            last_updated_after=checkpoint.last_updated_after,
            marketplace_ids=self._marketplaces or None,
            included_data=self._datasets or None,
            max_results_per_page=self._page_size,
            pagination_token=checkpoint.cursor,
        )
        reply = _read(response, _SearchReply, SEARCH_ORDERS)
        return Page(
            rows=tuple(V2026.row(bytes(order)) for order in reply.orders),
            cursor=(reply.pagination.nextToken if reply.pagination else None) or None,
            upper_bound=read_time(reply.lastUpdatedBefore),
            violations=len(response.violations),
        )


class OrdersV0Source:
    """Orders v0: ``getOrders``, then ``getOrderItems`` for each order, several at once at the pace of their quota.

    Thirty orders a page by default: while ``getOrderItems`` (one in 2 s) works those off, ``getOrders`` earns its
    next token (one in 60 s), so larger pages are no faster and would lose more of the dear item calls when a run is
    killed.
    """

    def __init__(
        self,
        seller: Caller,
        *,
        marketplaces: Sequence[str] = (),
        page_size: int = 30,
        concurrency: int = 8,
    ) -> None:
        self._seller = seller
        self._chosen = sorted(str(place) for place in marketplaces)
        self._marketplaces = self._chosen
        self._page_size = page_size
        self._concurrency = concurrency

    @property
    def stream(self) -> str:
        """``orders_v0``, and the marketplaces if not all."""
        return _stream("orders_v0", self._chosen)

    async def page(self, checkpoint: Checkpoint) -> Page:
        """One ``getOrders`` and the items of each of its orders."""
        from spapi_async.api.orders_v0 import GET_ORDERS

        if not self._marketplaces:
            self._marketplaces = await self._participations()
        response = await self._seller.call(
            GET_ORDERS,
            marketplace_ids=self._marketplaces,
            last_updated_after=checkpoint.last_updated_after,
            max_results_per_page=self._page_size,
            next_token=checkpoint.cursor,
        )
        payload = _read(response, _OrdersReply, GET_ORDERS).payload
        orders = [bytes(order) for order in payload.orders]
        items, violations = await self._items_of(orders)
        return Page(
            rows=tuple(V0.row(order, items=found) for order, found in zip(orders, items, strict=True)),
            cursor=payload.next_token or None,
            upper_bound=read_time(payload.last_updated_before),
            violations=len(response.violations) + violations,
        )

    async def _items_of(self, orders: Sequence[bytes]) -> tuple[list[list[bytes]], int]:
        items: list[list[bytes]] = [[] for _ in orders]
        violations = 0
        places = anyio.CapacityLimiter(self._concurrency)

        async def fetch(index: int, order_id: str) -> None:
            nonlocal violations
            async with places:
                items[index], found = await self._items(order_id)
            violations += found

        try:
            async with anyio.create_task_group() as group:
                for index, order in enumerate(orders):
                    row = V0.row(order)
                    if row.identified:
                        group.start_soon(fetch, index, row.order_id)
        except BaseExceptionGroup as failures:
            raise _first(failures) from None  # one order's failure ends the page; the others' say no more
        return items, violations

    async def _items(self, order_id: str) -> tuple[list[bytes], int]:
        from spapi_async.api.orders_v0 import GET_ORDER_ITEMS

        items: list[bytes] = []
        violations, token = 0, None
        while True:
            response = await self._seller.call(GET_ORDER_ITEMS, order_id=order_id, next_token=token)
            payload = _read(response, _ItemsReply, GET_ORDER_ITEMS).payload
            items += [bytes(item) for item in payload.order_items]
            violations += len(response.violations)
            if not payload.next_token:
                return items, violations
            if payload.next_token == token:
                raise _repeated(GET_ORDER_ITEMS.name)
            token = payload.next_token

    async def _participations(self) -> list[str]:
        """The seller's own marketplaces: ``getOrders`` demands some, even where none were chosen."""
        from spapi_async.api.sellers_v1 import GET_MARKETPLACE_PARTICIPATIONS

        response = await self._seller.call(GET_MARKETPLACE_PARTICIPATIONS)
        return sorted(
            entry.marketplace.id
            for entry in response.body or ()
            if entry.participation is None or entry.participation.is_participating
        )


R = TypeVar("R")


def _read(response: Reply[Any], reply: type[R], operation: Operation[Any]) -> R:
    """The envelope alone, each order left as the bytes that Amazon sent.

    A reply without its list of orders, or with a token that is no string, must not pass for the last page.
    """
    try:
        return msgspec.json.decode(response.raw, type=reply)
    except msgspec.DecodeError as error:
        raise DecodeError(
            f"the page cannot be read: {error}",
            operation=operation.name,
            request_id=response.request_id,
            status=response.status,
            raw=response.raw,
        ) from error


def check_progress(page: Page, checkpoint: Checkpoint, stream: str) -> None:
    """Refuse a page whose token is the one it was asked with: following it would go on for ever."""
    if page.cursor is not None and page.cursor == checkpoint.cursor:
        raise _repeated(stream)


def _repeated(what: str) -> DecodeError:
    return DecodeError("Amazon returned the token of the page it had just sent", operation=what)


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _stream(api: str, marketplaces: Sequence[str]) -> str:
    return f"{api}:{','.join(marketplaces)}" if marketplaces else api
