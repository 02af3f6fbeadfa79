"""Follows orders as they change, until cancelled."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Literal

import anyio

from spapi_async._core.clock import Clock, SystemClock
from spapi_async.errors import ConfigurationError, DecodeError, SPAPIError
from spapi_async.workflows.notifications import Notification, parse
from spapi_async.workflows.orders._arguments import (
    check_regions,
    check_start,
    datasets_in,
    ignore_event,
    personal_for,
    places_in,
    places_of,
)
from spapi_async.workflows.orders._checkpoint import moment
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._datasets import Datasets
from spapi_async.workflows.orders._failures import ungrouped
from spapi_async.workflows.orders._hints import Hint
from spapi_async.workflows.orders._history import ByIds, History, Source, other_sources
from spapi_async.workflows.orders._holding import keep_leases, opened_sink, quotas_of, save_quota
from spapi_async.workflows.orders._holes import Holes
from spapi_async.workflows.orders._job import Job
from spapi_async.workflows.orders._lease import new_holder
from spapi_async.workflows.orders._live import Follower, Lister
from spapi_async.workflows.orders._page import OrderSink
from spapi_async.workflows.orders._plan import HISTORY
from spapi_async.workflows.orders._progress import Progress
from spapi_async.workflows.orders._quota import Quota
from spapi_async.workflows.orders._reconcile import Reconciler
from spapi_async.workflows.orders._seller import Seller
from spapi_async.workflows.orders._source import DEFAULT_DATASETS, Orders2026Source
from spapi_async.workflows.orders._vault import RETENTION, PersonalKeys

__all__ = ["MessageSource", "follow_orders"]

logger = logging.getLogger("spapi_async.workflows.orders")

MessageSource = AsyncIterable[Any] | AbstractAsyncContextManager[AsyncIterable[Any]]
"""An :class:`SqsQueue`, or any async iterable of messages for :func:`spapi_async.workflows.notifications.parse`."""

_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0  # seconds until messages that cannot be read are opened again
_SWEEP = 3600.0  # seconds between two deletions of expired personal data


async def follow_orders(
    sellers: Iterable[Seller],
    database: str | OrderDatabase | OrderSink,
    *,
    messages: MessageSource | None = None,
    since: datetime | None = None,
    every: timedelta | None = None,
    marketplaces: Sequence[str] = (),
    datasets: Sequence[str] = DEFAULT_DATASETS,
    personal: PersonalKeys | Literal["plain"] | None = None,
    retention: timedelta = RETENTION,
    sources: Sequence[Source] = ("search", "ids", "orders_v0"),
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> None:
    """Keep a database in step with Amazon until cancelled.

    Each seller is searched as often as its quota sustains (``searchOrders``: one request in 180 s), from its checkpoint
    on. Orders that a notification or Orders v0's ``getOrders`` names are fetched by their id in between. Both are only
    hints: a version that is already stored is not fetched, an order that Amazon does not show yet is requested again
    after 5, 30 and 120 s, and only searches move the checkpoint, so lost messages do not lose orders.

    A seller whose calls fail is reported and tried again after a growing pause; the other sellers continue. If another
    process works on a seller, this one waits.

    Args:
        sellers: handles from ``app.selling_partner``; give their ``seller_id`` where ``messages`` are read.
        database: as for :func:`sync_orders`.
        messages: ORDER_CHANGE notifications: an :class:`SqsQueue`, or any async iterable of messages. Other types, and
            notifications of other sellers, are ignored. If they cannot be read, orders are still searched for, and
            the source is opened again after a growing pause.
        since: where a seller without a checkpoint starts; two years back by default.
        every: the time in which there is at most one search and one list; by default as often as quota sustains.
        marketplaces: as for :func:`sync_orders`.
        datasets: as for :func:`sync_orders`.
        personal: as for :func:`sync_orders`.
        retention: as for :func:`sync_orders`.
        sources: as for :func:`sync_orders`, for a new seller's history, which is read at the same time as live orders.
            With ``orders_v0`` live orders are listed by ``getOrders``, too, until Amazon removes it (2027-03-27). With
            ``reports`` orders are reconciled with a report two hours, two days and thirty days later, and orders that
            searches have missed are fetched.
        progress: called with every event; :class:`OrdersFresh` measures the delay of changes.
        clock: the source of time.

    Raises:
        ConfigurationError: an argument, the database or the queue is invalid.
    """
    places, datasets = places_in(marketplaces), datasets_in(datasets)
    clock = clock or SystemClock()
    if every is not None and every <= timedelta(0):
        raise ConfigurationError(f"every must be more than zero, not {every!r}")
    check_start(since, moment(clock))
    kept = personal_for(database, personal, retention, datasets)
    chosen = list(sellers)
    check_regions(chosen, places)
    async with opened_sink(database, personal=kept, retention=retention) as sink:
        quotas = quotas_of(chosen, clock)
        if isinstance(sink, OrderDatabase):
            for quota in quotas.values():
                await quota.restore(sink)
        followers = [
            _follower(
                seller,
                places_of(seller, places),
                Datasets(datasets),
                since=since or moment(clock) - HISTORY,
                sources=other_sources(sources, possible=True),
                progress=progress or ignore_event,
                every=None if every is None else every.total_seconds(),
                quota=quotas[seller.application],
                sink=sink,
                clock=clock,
            )
            for seller in chosen
        ]
        names = _names(followers)
        holder = new_holder()
        try:
            with ungrouped():
                async with anyio.create_task_group() as group:
                    group.start_soon(keep_leases, sink, holder, clock)
                    group.start_soon(_sweep, sink, clock)
                    for follower in followers:
                        group.start_soon(follower.run, holder)
                    if messages is not None:
                        group.start_soon(_listen_for_ever, messages, names, clock)
        finally:
            if isinstance(sink, OrderDatabase):
                await save_quota(quotas.values(), sink, moment(clock))


def _follower(
    seller: Seller,
    places: Sequence[str],
    datasets: Datasets,
    *,
    since: datetime,
    sources: Sequence[Source],
    progress: Progress,
    sink: OrderSink,
    quota: Quota,
    clock: Clock,
    **shared: Any,
) -> Follower:
    from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS

    source = Orders2026Source(seller, marketplaces=places, datasets=datasets)
    listers: list[Lister] = []
    if "orders_v0" in sources:
        from spapi_async.workflows.orders._v0_lister import OrdersV0Lister

        listers.append(OrdersV0Lister(seller, marketplaces=[str(place) for place in places], clock=clock))
    job = Job(seller, source, since=since, window=None, clock=clock, progress=progress)
    datasets.tell = job.refuse
    history = reconciler = holes = None
    if isinstance(sink, OrderDatabase):
        holes = Holes(seller, datasets, database=sink, quota=quota, places=places, clock=clock)
        history = History(
            seller,
            job,
            database=sink,
            quota=quota,
            sources=sources,
            places=places,
            datasets=datasets,
            page_size=100,
            since=since,
            clock=clock,
        )
        if "reports" in sources:
            reconciler = Reconciler(seller, job, places=places, datasets=datasets, database=sink, clock=clock)
    return Follower(
        seller,
        job,
        sink=sink,
        quota=quota,
        history=history,
        reconciler=reconciler,
        holes=holes,
        search=SEARCH_ORDERS,
        by_id=ByIds(seller, datasets).order,
        listers=listers,
        clock=clock,
        **shared,
    )


def _names(followers: Iterable[Follower]) -> dict[str, list[Follower]]:
    """Followers by seller id: one seller may be followed in several regions.

    Raises:
        ConfigurationError: a seller was given twice.
    """
    found: dict[str, list[Follower]] = {}
    seen = set()
    for follower in followers:
        if follower.seller.name in seen:
            raise ConfigurationError(f"the same seller was given twice: {follower.seller.name}")
        seen.add(follower.seller.name)
        if follower.seller.seller_id is not None:
            found.setdefault(follower.seller.seller_id, []).append(follower)
    return found


async def _listen_for_ever(messages: MessageSource, names: Mapping[str, Sequence[Follower]], clock: Clock) -> None:
    """Pass hints on until the source ends; one that fails is opened again after a growing pause."""
    pause = _FIRST_PAUSE
    while True:
        opened_at = clock.monotonic()
        try:
            await _listen(messages, names)
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - messages are only hints: searches find the orders without them
            what = error if isinstance(error, SPAPIError) else type(error).__name__
            logger.warning("messages cannot be read now (%s); orders are still searched for", what)
        else:
            return
        if clock.monotonic() - opened_at > _LONGEST_PAUSE:
            pause = _FIRST_PAUSE
        await clock.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _listen(messages: MessageSource, names: Mapping[str, Sequence[Follower]]) -> None:
    """Pass hints on. A message is done as soon as its hint is recorded: searches find whatever is lost after that."""
    if not isinstance(messages, AsyncIterable):
        async with messages as opened:
            await _listen(opened, names)
        return
    async for message in messages:
        try:
            notification = parse(message)
        except DecodeError as error:
            logger.warning("a message is not a notification: %s", error)
            continue
        hint = hint_of(notification)
        if hint is not None:
            for follower in names.get(notification.seller_id or "", ()):
                follower.hear(hint)


def hint_of(notification: Notification) -> Hint | None:
    """The hint in a notification; None if the notification is not about an order."""
    if notification.type not in ("ORDER_CHANGE", "ORDER_STATUS_CHANGE"):
        return None
    order_id = getattr(notification.content, "amazon_order_id", None)
    if not isinstance(order_id, str):
        return None
    return Hint(order_id=order_id, event_time=notification.event_time, source="notification")


async def _sweep(sink: OrderSink, clock: Clock) -> None:
    while isinstance(sink, OrderDatabase):
        try:
            await sink.sweep(now=moment(clock))
        except Exception as error:  # noqa: BLE001 - the next attempt may succeed; following orders is more important
            logger.warning("personal data could not be deleted yet (%s)", type(error).__name__)
        await clock.sleep(_SWEEP)
