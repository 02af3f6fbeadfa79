"""Plans a sync before it starts: how many orders, from which sources, and how long their quotas make it take.

The number comes from ``getOrderMetrics``, which counts by time of purchase, one marketplace per request (0.5 a second,
burst 15), less the stored orders. A sync goes by last update, so for short spans the number is an estimate. The time
comes from the limiter's forecast of each operation.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import anyio
import msgspec

from spapi_async._codec.pages import entries_of
from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.operation import Operation
from spapi_async.errors import ConfigurationError, DecodeError
from spapi_async.workflows._bucket import HasForecast
from spapi_async.workflows._sql import MissingDatabaseError
from spapi_async.workflows.orders._arguments import check_regions, check_start, places_in, places_of
from spapi_async.workflows.orders._checkpoint import moment
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._failures import ungrouped
from spapi_async.workflows.orders._forecast import Supply, operations_of, seconds_left, supply_of
from spapi_async.workflows.orders._history import Source, other_sources
from spapi_async.workflows.orders._listing import MONTH
from spapi_async.workflows.orders._seller import Seller
from spapi_async.workflows.orders._source import SEARCH_DELAY, participations

__all__ = [
    "HISTORY",
    "OrderPlan",
    "Outlook",
    "SellerPlan",
    "SourcePlan",
    "plan_orders",
    "plan_seller",
    "planned",
    "shares_of",
    "what_if",
]

logger = logging.getLogger("spapi_async.workflows.orders.plan")

_DAY = 86_400.0

# Amazon keeps orders for two years (developer-docs.amazon.com/sp-api/docs/orders-api).
HISTORY = timedelta(days=730)

_MOST_ORDERS = 10**12  # of a seller; more is no number of orders


class SourcePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The orders that one operation is expected to return."""

    operation: str
    orders: int
    requests: int


class SellerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One seller's part.

    Attributes:
        since: where its sync begins: at its checkpoint, or at the requested time.
        orders: the number of orders to read.
        seconds: the time until the last of them can be read.
        limited_by: the operation that returns most of them; None if there is quota for all at once.
    """

    seller: str
    since: datetime
    orders: int
    seconds: float
    limited_by: str | None
    sources: tuple[SourcePlan, ...]


class OrderPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of a sync; each seller has its own quota, so the slowest seller decides the duration."""

    sellers: tuple[SellerPlan, ...]

    @property
    def orders(self) -> int:
        """The orders of all sellers."""
        return sum(each.orders for each in self.sellers)

    @property
    def seconds(self) -> float:
        """Seconds until the last seller is complete."""
        return max((each.seconds for each in self.sellers), default=0.0)


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What a number of sellers and orders would need, by Amazon's published usage plans.

    Attributes:
        orders_a_seller_a_day: the orders of each seller.
        possible_a_seller_a_day: the orders that the quotas of the sources allow.
        share_of_quota: the share of the search quota needed for new orders.
        freshness: the median of the seconds from a change to its commit, followed without notifications.
        history_seconds: the time for the history.
        listed_seconds: the time until order reports can have listed that history without details, not counting the
            minutes that Amazon takes for a report; None without reports.
    """

    sellers: int
    orders_a_seller_a_day: float
    possible_a_seller_a_day: float
    share_of_quota: float
    freshness: float
    history_orders_a_seller: int
    history_seconds: float
    listed_seconds: float | None = None


async def plan_orders(
    sellers: Iterable[Seller],
    database: str | OrderDatabase,
    *,
    since: datetime | None = None,
    sources: Sequence[Source] = ("search",),
    marketplaces: Sequence[str] = (),
    concurrency: int = 20,
    clock: Clock | None = None,
) -> OrderPlan:
    """Plan how many orders :func:`sync_orders` would read, from which sources, and how long it would take.

    This makes one ``getOrderMetrics`` request per marketplace of each seller, and uses none of the sync's quotas.

    Args:
        sellers: as for :func:`sync_orders`.
        database: as for :func:`sync_orders`; its checkpoints are read; a missing database is not created.
        since: as for :func:`sync_orders`.
        sources: as for :func:`sync_orders`.
        marketplaces: as for :func:`sync_orders`.
        concurrency: the most sellers planned at once.
        clock: the source of time.

    Raises:
        ConfigurationError: an argument or the database is invalid.
        SPAPIError: the number of orders could not be obtained from Amazon.
    """
    clock = clock or SystemClock()
    places = places_in(marketplaces)
    chosen = list(sellers)
    check_regions(chosen, places)
    others = other_sources(sources, possible=True)
    now = moment(clock)
    check_start(since, now)
    found: dict[int, SellerPlan] = {}
    slots = anyio.CapacityLimiter(concurrency)
    async with _opened(database) as opened:

        async def plan(index: int, seller: Seller) -> None:
            async with slots:
                found[index] = await plan_seller(
                    seller,
                    opened,
                    since=since or now - HISTORY,
                    now=now,
                    places=places_of(seller, places),
                    others=others,
                )

        with ungrouped():
            async with anyio.create_task_group() as group:
                for index, seller in enumerate(chosen):
                    group.start_soon(plan, index, seller)
    return OrderPlan(sellers=tuple(found[index] for index in range(len(chosen))))


async def plan_seller(
    seller: Seller,
    database: OrderDatabase,
    *,
    since: datetime,
    now: datetime,
    places: Sequence[str],
    others: Sequence[Source],
) -> SellerPlan:
    """Plan one seller's sync from the number of all its orders and of those already stored.

    Raises:
        SPAPIError: the number of orders could not be obtained from Amazon.
    """
    start, history = await _start(database, seller, since)
    wanted = [str(place) for place in places] or await participations(seller)
    orders = await _count(seller, wanted, start, now)
    stored = await database.count(seller.name, coarse=False, created_since=start, places=wanted) if orders else 0
    return planned(seller, start, max(orders - stored, 0), others if history else ())


@asynccontextmanager
async def _opened(database: str | OrderDatabase) -> AsyncIterator[OrderDatabase]:
    """The database to read from; if there is none yet, an empty one in memory, since a plan creates nothing."""
    if isinstance(database, OrderDatabase):
        yield database
        return
    existing = OrderDatabase(database, create=False)
    try:
        await existing.open()
    except MissingDatabaseError as error:
        logger.warning("%s; the plan assumes that no orders are stored", error)
        existing = await OrderDatabase("sqlite://").open()
    try:
        yield existing
    finally:
        await existing.close()


async def _start(database: OrderDatabase, seller: Seller, since: datetime) -> tuple[datetime, bool]:
    """Where a seller's sync begins, and whether there is a history that other sources would also read."""
    stream = "orders_2026_01_01"
    saved = await database.checkpoint(seller.name, stream)
    history = await database.checkpoint(seller.name, f"{stream} history")
    left = history is None or (history.upper_bound or history.last_updated_after) > history.last_updated_after
    if saved is None:
        return since, True
    if history is not None and left:
        return history.last_updated_after, True
    return saved.last_updated_after, False


async def _count(seller: Seller, places: Sequence[str], start: datetime, end: datetime) -> int:
    from spapi_async.api.sales_v1 import GET_ORDER_METRICS

    interval = f"{start.replace(microsecond=0).isoformat()}--{end.replace(microsecond=0).isoformat()}"
    if end - start < timedelta(seconds=1):
        return 0
    orders = 0
    for place in places:
        metrics = await seller.fetch(GET_ORDER_METRICS, marketplace_ids=[place], interval=interval, granularity="Total")
        for each in entries_of(metrics, GET_ORDER_METRICS):
            if not isinstance(each.order_count, int) or not 0 <= each.order_count < _MOST_ORDERS:
                raise DecodeError("the reply holds no number of orders", operation=GET_ORDER_METRICS.name)
            orders += each.order_count
    return orders


def planned(seller: HasForecast, since: datetime, orders: int, others: Sequence[Source]) -> SellerPlan:
    """The plan for a number of orders with the available quota."""
    operations = operations_of(others)
    supplies = {operation: supply_of(seller, operation, orders=each) for operation, each in operations.items()}
    seconds = seconds_left(orders, supplies.values())
    shares = shares_of({operation: int(supply.within(seconds)) for operation, supply in supplies.items()}, orders)
    most = max(shares, key=lambda operation: shares[operation])
    return SellerPlan(
        seller=seller.name,
        since=since,
        orders=orders,
        seconds=round(seconds, 1),
        limited_by=most.name if seconds > 0 else None,
        sources=tuple(
            SourcePlan(operation=operation.name, orders=part, requests=math.ceil(part / operations[operation]))
            for operation, part in shares.items()
        ),
    )


def shares_of(possible: Mapping[Operation[Any], int], orders: int) -> dict[Operation[Any], int]:
    """The orders that each operation returns, in proportion to what it could return."""
    total = sum(possible.values())
    if total <= orders:
        return dict(possible)
    parts = {operation: each * orders // total for operation, each in possible.items()}
    first = next(iter(parts))
    parts[first] += orders - sum(parts.values())
    return parts


def what_if(
    *, sellers: int, orders_per_day: float, history_days: float = 730.0, sources: Sequence[Source] = ("search",)
) -> Outlook:
    """What a number of sellers with a total number of orders a day would need; no call is made.

    Assumes Amazon's published usage plans, no other clients, and the same number of orders for each seller.

    Args:
        sellers: the number of sellers.
        orders_per_day: the orders of all sellers together.
        history_days: the days of history of a new seller.
        sources: as for :func:`sync_orders`.

    Raises:
        ConfigurationError: a number is out of range.
    """
    if sellers < 1 or orders_per_day < 0 or history_days < 0:
        raise ConfigurationError(
            "sellers must be 1 or more, orders-per-day and history-days 0 or more, not"
            f" {sellers}, {orders_per_day:g} and {history_days:g}"
        )
    others = other_sources(sources, possible=True)
    operations = operations_of(others)
    plans = {operation: operation.usage_plan for operation in operations}
    each_day = orders_per_day / sellers
    search = next(iter(operations))
    rate = plans[search].rate
    history = round(each_day * history_days)
    seconds = seconds_left(
        history,
        [Supply(plans[operation].burst, plans[operation].rate, each) for operation, each in operations.items()],
    )
    return Outlook(
        sellers=sellers,
        orders_a_seller_a_day=round(each_day, 1),
        possible_a_seller_a_day=round(sum(plans[name].rate * _DAY * each for name, each in operations.items()), 1),
        share_of_quota=round(each_day / operations[search] / (_DAY * rate), 4),
        freshness=round(SEARCH_DELAY.total_seconds() + 0.5 / max(rate, _listing_rate(others)), 1),
        history_orders_a_seller=history,
        history_seconds=round(seconds, 1),
        listed_seconds=round(_listed(history_days), 1) if "reports" in others else None,
    )


def _listing_rate(others: Sequence[Source]) -> float:
    """Requests per second for changed orders by Orders v0."""
    if "orders_v0" not in others:
        return 0.0
    from spapi_async.api.orders_v0 import GET_ORDERS

    return GET_ORDERS.usage_plan.rate


def _listed(days: float) -> float:
    from spapi_async.api.reports_2021_06_30 import CREATE_REPORT

    plan = CREATE_REPORT.usage_plan
    return seconds_left(math.ceil(timedelta(days=days) / MONTH), [Supply(plan.burst, plan.rate, 1)])
