"""The job of a slice: the order sync of one seller, or the user's own function."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

from spapi_async import SellingPartner
from spapi_async._core.clock import SystemClock
from spapi_async.errors import ConfigurationError
from spapi_async.workflows.orders import OrderDatabase, PersonalKeys, Progress, sync_orders
from spapi_async.workflows.orders._arguments import check_start, datasets_in, personal_for, places_in
from spapi_async.workflows.orders._checkpoint import moment
from spapi_async.workflows.orders._history import Source, other_sources
from spapi_async.workflows.orders._vault import RETENTION

__all__ = ["Job", "job_named", "order_sync"]

Job = Callable[[SellingPartner], Awaitable[object]]
"""Works for one seller until everything is done. It may be cancelled at any await and is then called again, perhaps on
another host; a report that was requested through a journal, or a crawl with its own journal, resumes."""


@asynccontextmanager
async def order_sync(
    database: str,
    *,
    marketplaces: Sequence[str],
    datasets: Sequence[str],
    sources: Sequence[Source],
    since: datetime | None,
    personal: PersonalKeys | Literal["plain"] | None,
    progress: Progress,
) -> AsyncIterator[Job]:
    """The job that syncs a seller's orders into this database; the options are those of :func:`sync_orders`.

    Raises:
        ConfigurationError: a marketplace, a source or a data set is unknown, ``since`` is invalid, or personal data is
            requested, but not how to store it.
    """
    # Every slice would check these, too, but find for each seller anew what is wrong for all of them.
    places, chosen = places_in(marketplaces), datasets_in(datasets)
    other_sources(sources, possible=True)
    check_start(since, moment(SystemClock()))
    kept = personal_for(database, personal, RETENTION, chosen)
    async with OrderDatabase(database, personal=kept) as opened:

        async def sync(seller: SellingPartner) -> None:
            report = await sync_orders(
                [seller],
                opened,
                marketplaces=places,
                datasets=chosen,
                sources=sources,
                since=since,
                progress=progress,
            )
            error = report.sellers[0].error
            if error is not None:
                raise error

        yield sync


def job_named(name: str) -> Job:
    """The function with the name ``package.module:function``; the current folder is searched, too.

    Raises:
        ConfigurationError: there is no such function.
    """
    module, colon, function = name.partition(":")
    if not module or not colon or not function:
        raise ConfigurationError(f"--job takes MODULE:FUNCTION, not {name!r}")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"--job {name}: {error}") from None
    if not callable(found):
        raise ConfigurationError(f"--job {name}: {function} is a {type(found).__name__}, not a function")
    return found  # type: ignore[no-any-return]
