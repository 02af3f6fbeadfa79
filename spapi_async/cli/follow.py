"""``spapi-async sync orders --follow``: keep a database up to date until stopped."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from spapi_async.cli.event_loop import until_sigterm
from spapi_async.cli.output import moving_console
from spapi_async.cli.progress import line_of
from spapi_async.cli.target import Target, connected
from spapi_async.workflows.orders import (
    DatasetRefused,
    OrdersFresh,
    PageStored,
    SellerFailed,
    SellerWaits,
    SourceDropped,
    SyncEvent,
    follow_orders,
)

if TYPE_CHECKING:
    from spapi_async.observe.prometheus import Metrics

__all__ = ["follow"]

_MEDIAN_OF = 1000  # the latest changes


class FollowFacts(msgspec.Struct, kw_only=True):
    """The counts so far; ``freshness`` is the median number of seconds from a change to its commit."""

    sellers: int
    orders: int = 0
    changes: int = 0
    unreadable: int = 0
    failures: int = 0
    freshness: float | None = None


class FollowBar:
    """Draws one moving line on a terminal; prints a line for each event that needs attention, on any console."""

    def __init__(self, console: Console, sellers: int) -> None:
        self.facts = FollowFacts(sellers=sellers)
        self._late: deque[float] = deque(maxlen=_MEDIAN_OF)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(self._line())

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Draw for as long as the block lasts."""
        with self._progress:
            yield

    def __call__(self, event: SyncEvent) -> None:
        """Count an event, and print it if it needs attention."""
        if isinstance(event, PageStored):
            self.facts.orders += event.orders
            self.facts.unreadable += event.unreadable
        elif isinstance(event, OrdersFresh):
            self._late.extend(event.seconds)
            self.facts.changes += len(event.seconds)
            self.facts.freshness = round(statistics.median(self._late), 1)
        elif isinstance(event, SellerFailed):
            self.facts.failures += 1
            self._say(f"{event.seller}: {event.error}; trying again")
        elif isinstance(event, SourceDropped):
            self._say(f"{event.seller}: {event.source} is not used from now on: {event.reason}")
        elif isinstance(event, SellerWaits | DatasetRefused):
            self._say(line_of(event))
        self._progress.update(self._task, description=self._line())

    def _line(self) -> str:
        facts = self.facts
        sellers = f"{facts.sellers:,} sellers" if facts.sellers != 1 else "1 seller"
        late = "" if facts.freshness is None else f", stored {facts.freshness:.0f} s after the change (median)"
        return f"following {sellers}: {facts.orders:,} orders read, {facts.changes:,} changes{late}"

    def _say(self, line: str) -> None:
        self._progress.console.print(f"spapi-async: {line}", markup=False, highlight=False, soft_wrap=True)


async def follow(
    database: str, target: Target, *, queue: str | None, metrics: Metrics | None = None, **options: Any
) -> FollowFacts:
    """Follow until SIGTERM, and return the counts; Ctrl-C is handled by the caller."""
    if queue is not None:
        from spapi_async.workflows.notifications import SqsQueue

        options["messages"] = SqsQueue(queue)
    async with connected(target, observers=[] if metrics is None else [metrics]) as connection:
        bar = FollowBar(moving_console(), len(connection.sellers))

        def progress(event: SyncEvent) -> None:
            bar(event)
            if metrics is not None:
                metrics.progress(event)

        if metrics is not None:
            metrics.watch(connection.application)
        async with bar.shown(), until_sigterm():
            await follow_orders(connection.sellers, database, progress=progress, **options)
        return bar.facts
