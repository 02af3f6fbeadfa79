"""How far a fleet is behind: what its slices have reached, and what the board says of all sellers together."""

from __future__ import annotations

import contextlib
import logging

import anyio

from spapi_async.fleet._board import Board
from spapi_async.workflows.orders import OrdersReconciled, Progress, SyncEvent
from spapi_async.workflows.orders._progress import tell

try:
    from redis.exceptions import RedisError
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a fleet needs an extra: pip install "spapi-async[fleet]"') from error

__all__ = ["FleetLag", "Reconciled", "report_lag"]

logger = logging.getLogger("spapi_async.fleet")

_EVERY = 5.0  # seconds between two reports


class FleetLag(SyncEvent, frozen=True, kw_only=True):
    """How far a whole fleet is behind; each worker reports this every five seconds, from the board that all share.

    ``seller`` is the seller that is furthest behind, and ``lag`` the seconds since it was complete; ``""`` and 0 before
    the first one is. ``reconciled`` has the lag of reconciliation by age (``2h``), if order reports are a source.
    ``sellers`` is the number of all of them; of these ``due`` are waiting for a slice to begin, ``queued`` have a slice
    that waits or runs, ``new`` were never complete, and ``revoked`` need a new authorisation.
    """

    lag: float
    reconciled: dict[str, float]
    sellers: int
    due: int
    queued: int
    new: int
    revoked: int


class Reconciled:
    """Passes the events of slices on, and remembers what each slice has reconciled until its outcome is noted."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._reached: dict[str, dict[str, float]] = {}

    def __call__(self, event: SyncEvent) -> None:
        """Take an event."""
        if isinstance(event, OrdersReconciled):
            self._reached.setdefault(event.seller, {})[f"{event.hours}h"] = event.reconciled_to.timestamp()
        if self._progress is not None:
            self._progress(event)

    def take(self, seller: str) -> dict[str, float]:
        """Up to when a seller's orders were reconciled, by age, since this was last asked."""
        return self._reached.pop(seller, {})


async def report_lag(board: Board, progress: Progress) -> None:
    """Report how far the fleet is behind, until cancelled; not in an outage of Redis."""
    while True:
        with contextlib.suppress(RedisError, OSError):
            totals = await board.totals()
            seller, lag = totals.furthest or ("", 0.0)
            event = FleetLag(
                seller=seller,
                lag=max(lag, 0.0),
                reconciled=totals.reconciled,
                sellers=totals.sellers,
                due=totals.due,
                queued=totals.queued,
                new=totals.new,
                revoked=totals.revoked,
            )
            tell(progress, event, logger)
        await anyio.sleep(_EVERY)
