"""Background work of a run: renews its leases and saves the quota that it has spent."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Literal

from spapi_async._core.clock import Clock
from spapi_async.workflows.orders._checkpoint import moment
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._job import LeasedSink
from spapi_async.workflows.orders._lease import LEASE
from spapi_async.workflows.orders._page import OrderSink
from spapi_async.workflows.orders._quota import Quota
from spapi_async.workflows.orders._seller import QuotaOwner, Seller
from spapi_async.workflows.orders._vault import PersonalKeys

__all__ = ["keep_leases", "opened_sink", "quotas_of", "save_quota"]

logger = logging.getLogger("spapi_async.workflows.orders")


@asynccontextmanager
async def opened_sink(
    database: str | OrderDatabase | OrderSink,
    *,
    personal: PersonalKeys | Literal["plain"] | None,
    retention: timedelta,
) -> AsyncIterator[OrderSink]:
    """The database at this URL, open while the block runs; a sink is returned unchanged."""
    if isinstance(database, str):
        async with OrderDatabase(database, personal=personal, retention=retention) as opened:
            yield opened
    else:
        yield database


def quotas_of(sellers: Iterable[Seller], clock: Clock) -> dict[QuotaOwner, Quota]:
    """The quota spent by each application, to be saved for its sellers."""
    accounts: dict[QuotaOwner, list[str]] = {}
    for seller in sellers:
        accounts.setdefault(seller.application, []).extend((seller.payer, seller.key))
    return {application: Quota(application, keys, clock) for application, keys in accounts.items()}


async def keep_leases(sink: OrderSink, holder: str, clock: Clock) -> None:
    """Renew the leases of this run: it may wait for quota longer than a lease lasts."""
    while isinstance(sink, LeasedSink):
        await clock.sleep(LEASE.total_seconds() / 3)
        try:
            await sink.renew(holder, now=moment(clock))
        except Exception as error:  # noqa: BLE001 - each page checks its lease, and the next attempt may succeed
            logger.warning("the leases of this process could not be renewed (%s)", type(error).__name__)


async def save_quota(quotas: Iterable[Quota], database: OrderDatabase, now: datetime) -> None:
    """Save the quota spent by the whole run, including requests that stored no page."""
    states = {key: state for quota in quotas for key, state in quota.dump_all().items()}
    try:
        if states:
            await database.store_quota(states, now=now)
    except Exception as error:  # noqa: BLE001 - the orders are stored; the next run would learn the same from a 429 or two
        logger.warning("the quota that was spent could not be saved (%s)", type(error).__name__)
