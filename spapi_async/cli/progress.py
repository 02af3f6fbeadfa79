"""The progress bar of a sync: the share of the window that has been read, and the quota that limits the sync."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime

import anyio
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from spapi_async.cli.moments import show_span
from spapi_async.ratelimit import LimitSnapshot
from spapi_async.workflows.orders import (
    DatasetRefused,
    OrdersForecast,
    PageStored,
    SellerFailed,
    SellerFinished,
    SellerStarted,
    SellerWaits,
    SyncEvent,
)

__all__ = ["SyncBar", "line_of", "quota_state", "wait_line", "window_share"]

_REFRESH_SECONDS = 0.25
_UNDRAWN_SECONDS = 2.0  # between two looks at the quota where nothing is drawn
_LONG_WAIT = 10.0


def line_of(event: SellerWaits | DatasetRefused) -> str:
    """The line that is printed for an event, apart from the bar."""
    if isinstance(event, SellerWaits):
        return f"{event.seller} is held by {event.holder}: waiting"
    return f"{event.seller}: stored without {event.dataset}, which is refused: {event.reason}"


def quota_state(limits: Iterable[LimitSnapshot]) -> str:
    """The bucket for which calls wait longest, in words; empty before the first call."""
    tightest = _tightest(limits)
    if tightest is None:
        return ""
    tokens = max(tightest.tokens, 0.0)
    state = f"{_method(tightest)}: {tokens:.1f} of {tightest.burst:g} tokens"
    wait = _wait(tightest)
    return f"{state}, next in {wait:.1f} s" if wait > 0 else state


def wait_line(limits: Iterable[LimitSnapshot]) -> str:
    """The line printed once where no bar is drawn, so that a long wait does not look like a hang; else empty."""
    tightest = _tightest(limits)
    if tightest is None or not tightest.waiting or (wait := _wait(tightest)) < _LONG_WAIT:
        return ""
    return f"waiting {wait:.0f} s for the quota of {_method(tightest)}; later waits are not announced"


def _tightest(limits: Iterable[LimitSnapshot]) -> LimitSnapshot | None:
    return max(limits, key=lambda limit: (limit.waiting > 0, limit.next_available, -limit.tokens), default=None)


def _method(limit: LimitSnapshot) -> str:
    return limit.operation.rpartition(".")[2]


def _wait(limit: LimitSnapshot) -> float:
    """Seconds until the next call is sent; while calls wait, ``next_available`` is for a further one behind them."""
    return (1 - limit.tokens) / limit.rate if limit.waiting else limit.next_available


def window_share(start: datetime, latest: datetime | None, upper_bound: datetime | None) -> float | None:
    """The share of a window that has been read, from 0 to 1; None if it is unknown."""
    if latest is None or upper_bound is None or upper_bound <= start:
        return None
    return min(max((latest - start) / (upper_bound - start), 0.0), 1.0)


class SyncBar:
    """Draws a sync's progress on a terminal; elsewhere it says once that a call waits long for quota.

    ``total`` is the expected number of orders, if known. ``since`` is the user's option; if a checkpoint overrides it,
    a line says so once. ``named`` puts the seller's name before each bar.
    """

    def __init__(
        self,
        console: Console,
        limits: Callable[[], Iterable[LimitSnapshot]],
        *,
        total: int | None = None,
        since: datetime | None = None,
        named: bool = False,
    ) -> None:
        self._limits = limits
        self._total = total
        self._since = since
        self._named = named
        self._announced = False
        self._tasks: dict[str, TaskID] = {}
        self._starts: dict[str, datetime] = {}
        self._ends: dict[str, float] = {}
        self._done: dict[str, int] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[orders]:,} orders"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("[dim]{task.fields[quota]}"),
            console=console,
            disable=not console.is_terminal,
        )

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Draw for as long as the block lasts, the quota state several times a second."""
        with self._progress:
            async with anyio.create_task_group() as group:
                group.start_soon(self._follow_quota)
                yield
                group.cancel_scope.cancel()

    async def _follow_quota(self) -> None:
        drawn = not self._progress.disable
        while True:
            if drawn:
                self.show_quota()
            elif self.announce_wait():
                return
            await anyio.sleep(_REFRESH_SECONDS if drawn else _UNDRAWN_SECONDS)

    def announce_wait(self) -> bool:
        """Say the first time that a call waits long for quota; whether that has been said."""
        if not self._announced and (line := wait_line(self._limits())):
            self._say(line)
            self._announced = True
        return self._announced

    def refresh(self) -> None:
        """Draw what has changed at once."""
        self._progress.refresh()

    def show_quota(self) -> None:
        """Bring the quota state up to date."""
        state = quota_state(self._limits())
        for seller, task in self._tasks.items():
            self._progress.update(task, quota=state, left=self._time_left(seller))

    def __call__(self, event: SyncEvent) -> None:
        """Draw an event."""
        if isinstance(event, SellerStarted):
            self._start(event)
        elif isinstance(event, PageStored):
            self._advance(event)
        elif isinstance(event, OrdersForecast):
            self._foresee(event)
        elif isinstance(event, SellerFinished):
            self._ends.pop(event.seller, None)
            self._progress.update(self._tasks[event.seller], total=1.0, completed=1.0, quota="", left="")
        elif isinstance(event, SellerWaits | DatasetRefused):
            self._say(line_of(event))
        elif isinstance(event, SellerFailed) and event.seller in self._tasks:
            self._ends.pop(event.seller, None)
            self._progress.stop_task(self._tasks[event.seller])

    def shares(self) -> dict[str, float]:
        """The share of each seller's orders that has been read, from 0 to 1, if it is known."""
        tasks = {seller: self._progress.tasks[task] for seller, task in self._tasks.items()}
        return {seller: task.completed for seller, task in tasks.items() if task.total is not None}

    def _start(self, event: SellerStarted) -> None:
        self._starts[event.seller] = event.last_updated_after
        words = "resuming" if event.resumed else "syncing"
        since = event.last_updated_after.strftime("%Y-%m-%d %H:%M")
        if event.known and self._since is not None:
            self._say(
                f"--since applies to a seller's first run; {event.seller} resumes from its checkpoint, {since} UTC"
            )
            self._since = None
        name = f"{event.seller}: " if self._named else ""
        description = escape(f"{name}{words} from {since}")
        self._tasks[event.seller] = self._progress.add_task(description, total=None, orders=0, quota="", left="")

    def _say(self, line: str) -> None:
        """Print a line above the bars, without wrapping it."""
        self._progress.console.print(f"spapi-async: {line}", markup=False, highlight=False, soft_wrap=True)

    def _foresee(self, event: OrdersForecast) -> None:
        self._ends[event.seller] = self._progress.get_time() + event.seconds
        share = self._done[event.seller] / max(self._done[event.seller] + event.left, 1)
        task = self._tasks[event.seller]
        self._progress.update(task, total=1.0, completed=share, left=self._time_left(event.seller))

    def _time_left(self, seller: str) -> str:
        """The time left by the last forecast, minus the time since."""
        end = self._ends.get(seller)
        return "" if end is None else f"{show_span(max(end - self._progress.get_time(), 0.0))} left"

    def _advance(self, event: PageStored) -> None:
        share = (
            min(event.total / self._total, 1.0)
            if self._total
            else window_share(self._starts[event.seller], event.latest, event.upper_bound)
        )
        task = self._tasks[event.seller]
        self._done[event.seller] = self._done.get(event.seller, 0) + event.completed
        self._progress.update(task, orders=event.total)
        if share is not None and event.seller not in self._ends:
            self._progress.update(task, total=1.0, completed=share)
