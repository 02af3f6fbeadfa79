"""The sources of orders: each returns one page of a seller's orders at a time, including items.

A source keeps no state between pages: the checkpoint decides which page is next, so that a run after a kill takes the
same path as one without.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import anyio
import msgspec

from spapi_async._codec.first_reader import read_first
from spapi_async._codec.pages import entries_of
from spapi_async._core.caller import Caller, Reply
from spapi_async._engine.page_history import PageHistory
from spapi_async.errors import DecodeError
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.orders._checkpoint import Checkpoint
from spapi_async.workflows.orders._columns import PAGE, ColumnsPage, quick_row
from spapi_async.workflows.orders._datasets import Datasets
from spapi_async.workflows.orders._failures import ungrouped
from spapi_async.workflows.orders._page import Unreadable
from spapi_async.workflows.orders._personal import Piece
from spapi_async.workflows.orders._reading import read_again, read_pieces, read_token
from spapi_async.workflows.orders._rows import V0, V2026, NoOrderError, OrderRow, OrderShape, read_time

__all__ = [
    "DEFAULT_DATASETS",
    "SEARCH_DELAY",
    "OrderSource",
    "Orders2026Source",
    "OrdersV0Source",
    "Page",
    "check_progress",
    "page_of",
    "participations",
]

SEARCH_DELAY = timedelta(minutes=2)
"""How far searches lag behind: the latest upper bound that they accept (text in the model of searchOrders)."""

# Data sets without the buyer: personal data (BUYER, RECIPIENT, TAX, PAYMENT) is fetched only on request.
DEFAULT_DATASETS = ("PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION", "FULFILLMENT", "PACKAGES")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page: its rows, the token of the next page (None on the last), the end of the window, its violations."""

    rows: tuple[OrderRow, ...]
    cursor: str | None
    upper_bound: datetime | None
    violations: int = 0
    unreadable: tuple[Unreadable, ...] = ()

    def __repr__(self) -> str:
        return f"<Page of {len(self.rows)} orders>"  # its rows contain personal data


class OrderSource(Protocol):
    """Returns the pages of a window of orders by last update; ``operation`` is the operation that it calls."""

    operation: str

    @property
    def stream(self) -> str:
        """The name of the stream: the API, and the marketplaces if not all. Each stream has its own checkpoint."""

    async def page(self, checkpoint: Checkpoint) -> Page:
        """A page of the orders updated from ``last_updated_after`` to ``upper_bound``, or to the latest possible time.

        ``cursor`` is Amazon's token of a page other than the first.

        Raises:
            SPAPIError: the call failed for good.
        """


class Orders2026Source:
    """Orders 2026-01-01: ``searchOrders`` includes the items, so a page of 100 orders costs one request."""

    operation = "orders_2026_01_01.search_orders"

    def __init__(
        self,
        seller: Caller,
        *,
        marketplaces: Sequence[str] = (),
        datasets: Datasets | Sequence[str] = DEFAULT_DATASETS,
        page_size: int = 100,
        before: datetime | None = None,
    ) -> None:
        self._seller = seller
        self._marketplaces = sorted(str(place) for place in marketplaces)
        self._datasets = Datasets.of(datasets)
        self._page_size = page_size
        self._before = before

    @property
    def stream(self) -> str:
        """``orders_2026_01_01``, and the marketplaces if not all."""
        return _stream("orders_2026_01_01", self._marketplaces)

    async def page(self, checkpoint: Checkpoint) -> Page:
        """One ``searchOrders`` request; filters are repeated with the token, as Amazon requires."""
        from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS

        with read_first(SEARCH_ORDERS, PAGE):
            response, lacks = await self._datasets.call(
                self._seller,
                SEARCH_ORDERS,
                last_updated_after=checkpoint.last_updated_after,
                last_updated_before=checkpoint.upper_bound or self._before,
                marketplace_ids=self._marketplaces or None,
                max_results_per_page=self._page_size,
                pagination_token=checkpoint.cursor,
            )
        page = page_of(response)
        if not lacks:
            return page
        rows = tuple(msgspec.structs.replace(row, lacks=lacks) for row in page.rows)
        return msgspec.structs.replace(page, rows=rows)


def page_of(response: Reply[Any]) -> Page:
    """A page of ``searchOrders``: an order is read only for its columns if it fits, else by the general reader."""
    from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS

    found: Sequence[OrderRow | Unreadable | None] = ()
    if isinstance(response.body, ColumnsPage):
        found = [quick_row(bytes(raw)) for raw in response.body.orders]
        if None in found:
            response = read_again(response, SEARCH_ORDERS)
    if not isinstance(response.body, ColumnsPage):
        pieces = read_pieces(response, SEARCH_ORDERS)
        if len(found) != len(pieces):  # no order was read so far, or the general reader found others
            found = [None] * len(pieces)
        found = [each or _row(V2026, response, piece, None) for each, piece in zip(found, pieces, strict=True)]
    rows, unreadable = _divided(found)
    return Page(
        rows=rows,
        cursor=read_token(response, SEARCH_ORDERS),
        upper_bound=read_time(getattr(response.body, "last_updated_before", None)),
        violations=len(response.violations),
        unreadable=unreadable,
    )


class OrdersV0Source:
    """Orders v0: ``getOrders``, then ``getOrderItems`` for each order, several at once at the pace of their quota.

    By default a page has thirty orders: while their items are fetched by ``getOrderItems`` (one in 2 s), the next token
    of ``getOrders`` flows in (one in 60 s), so larger pages are not faster and would lose more of the expensive item
    calls when a run is killed.
    """

    operation = "orders_v0.get_orders"

    def __init__(
        self,
        seller: Caller,
        *,
        marketplaces: Sequence[str] = (),
        page_size: int = 30,
        concurrency: int = 8,
        before: datetime | None = None,
    ) -> None:
        self._seller = seller
        self._chosen = sorted(str(place) for place in marketplaces)
        self._marketplaces = self._chosen
        self._page_size = page_size
        self._before = before
        self._concurrency = concurrency

    @property
    def stream(self) -> str:
        """``orders_v0``, and the marketplaces if not all."""
        return _stream("orders_v0", self._chosen)

    async def page(self, checkpoint: Checkpoint) -> Page:
        """One ``getOrders`` request, and the items of each of its orders."""
        from spapi_async.api.orders_v0 import GET_ORDERS

        if not self._marketplaces:
            self._marketplaces = await participations(self._seller)
        response = await self._seller.call(
            GET_ORDERS,
            marketplace_ids=self._marketplaces,
            last_updated_after=checkpoint.last_updated_after,
            last_updated_before=checkpoint.upper_bound or self._before,
            max_results_per_page=self._page_size,
            next_token=checkpoint.cursor,
        )
        pieces = read_pieces(response, GET_ORDERS)
        cursor = read_token(response, GET_ORDERS)
        items, violations = await self._items_of(pieces)
        rows, unreadable = rows_of(V0, response, list(zip(pieces, items, strict=True)))
        return Page(
            rows=rows,
            cursor=cursor,
            upper_bound=read_time(getattr(response.body, "last_updated_before", None)),
            violations=len(response.violations) + violations,
            unreadable=unreadable,
        )

    async def _items_of(self, orders: Sequence[Piece]) -> tuple[list[list[Piece]], int]:
        items: list[list[Piece]] = [[] for _ in orders]
        violations = 0
        slots = anyio.CapacityLimiter(self._concurrency)

        async def fetch(index: int, order_id: str) -> None:
            nonlocal violations
            async with slots:
                items[index], found = await self.items(order_id)
            violations += found

        with ungrouped():
            async with anyio.create_task_group() as group:
                for index, order in enumerate(orders):
                    order_id = V0.identify(order.content)
                    if order_id is not None:
                        group.start_soon(fetch, index, order_id)
        return items, violations

    async def items(self, order_id: str) -> tuple[list[Piece], int]:
        """An order's items, and the number of violations in their replies.

        Raises:
            SPAPIError: the call failed for good.
        """
        from spapi_async.api.orders_v0 import GET_ORDER_ITEMS

        items: list[Piece] = []
        violations, token = 0, None
        history = PageHistory(None)
        while True:
            response = await self._seller.call(GET_ORDER_ITEMS, order_id=order_id, next_token=token)
            pieces, following = read_pieces(response, GET_ORDER_ITEMS), read_token(response, GET_ORDER_ITEMS)
            _check(history, [piece.raw for piece in pieces], token, following, GET_ORDER_ITEMS.name)
            items += pieces
            violations += len(response.violations)
            if following is None:
                return items, violations
            token = following


async def participations(seller: Caller) -> list[str]:
    """The seller's marketplaces in its region, for operations such as ``getOrders`` that require some.

    Raises:
        SPAPIError: the call failed for good, or its reply cannot be read: a marketplace must not be left out.
    """
    from spapi_async.api.sellers_v1 import GET_MARKETPLACE_PARTICIPATIONS

    response = await seller.call(GET_MARKETPLACE_PARTICIPATIONS)
    elsewhere = {place for place in Marketplace if place.region is not seller.region}
    found = set()
    for entry in entries_of(response.body, GET_MARKETPLACE_PARTICIPATIONS):
        place = getattr(entry.marketplace, "id", None)
        if not isinstance(place, str):
            raise DecodeError("a marketplace has no id", operation=GET_MARKETPLACE_PARTICIPATIONS.name)
        if getattr(entry.participation, "is_participating", True):
            found.add(place)
    return sorted(found - elsewhere)


def rows_of(
    shape: OrderShape, response: Reply[Any], entries: Sequence[tuple[Piece, list[Piece] | None]]
) -> tuple[tuple[OrderRow, ...], tuple[Unreadable, ...]]:
    """The rows of a page; entries that cannot be made into rows are set aside and stop neither page nor seller."""
    return _divided([_row(shape, response, piece, items) for piece, items in entries])


def _row(shape: OrderShape, response: Reply[Any], piece: Piece, items: list[Piece] | None) -> OrderRow | Unreadable:
    try:
        if piece.content is None:
            raise NoOrderError("no JSON object")
        return shape.row(piece, items=items)
    except (ValueError, ArithmeticError, RecursionError, TypeError) as error:
        # The messages of other errors may quote the content.
        reason = str(error) if isinstance(error, NoOrderError) else type(error).__name__
        return Unreadable(reason=reason, request_id=response.request_id, raw=piece.raw)


def _divided(
    found: Sequence[OrderRow | Unreadable | None],
) -> tuple[tuple[OrderRow, ...], tuple[Unreadable, ...]]:
    rows = tuple([each for each in found if isinstance(each, OrderRow)])
    return rows, tuple([each for each in found if isinstance(each, Unreadable)])


def check_progress(page: Page, checkpoint: Checkpoint, stream: str, history: PageHistory) -> None:
    """Refuse a page with which reading might never end.

    Raises:
        DecodeError: its token was followed before, it has the items of an earlier page, or too many pages are empty.
    """
    contents: list[str | bytes] = [row.payload for row in page.rows]
    contents += [entry.raw for entry in page.unreadable]
    _check(history, contents, checkpoint.cursor, page.cursor, stream)


def _check(history: PageHistory, contents: Sequence[Any], token: str | None, following: str | None, what: str) -> None:
    if following is not None and history.was_followed(following):
        raise _repeated(what)
    problem = history.problem(contents, empty=not contents, by_token=token is not None, last=following is None)
    if problem is not None:
        raise DecodeError(f"the sync cannot continue after this page: {problem}", operation=what, cursor=token)
    if following is not None:
        history.follow(following)


def _repeated(what: str) -> DecodeError:
    return DecodeError("Amazon returned the token of the page it had just sent", operation=what)


def _stream(api: str, marketplaces: Sequence[str]) -> str:
    return f"{api}:{','.join(marketplaces)}" if marketplaces else api
