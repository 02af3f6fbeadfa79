"""Removes lanes: those unused for long, and those of another event loop or process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from spapi_async._core.limiter import closed_error
from spapi_async.ratelimit.shared._exchange import Phase
from spapi_async.ratelimit.shared._lane import Lane

__all__ = ["drop_lanes", "forget_idle"]

_DROP_AFTER = 300.0  # seconds without a call after which a lane is dropped


def forget_idle(lanes: dict[Any, Lane], now: float, held: Sequence[dict[str, Any]]) -> None:
    """Drop the lanes not used recently, and objects held for keys that no other lane has."""
    for key, lane in list(lanes.items()):
        if lane.idle and now - lane.touched_at > _DROP_AFTER:
            del lanes[key]
    used = {key for lane in lanes.values() for key in lane.keys}
    for each in held:
        for name in [name for name in each if name not in used]:
            del each[name]


def drop_lanes(lanes: Iterable[Lane], *, forked: bool) -> None:
    """Drop the waiters of a former loop; in a forked child, touch nothing that belongs to the parent."""
    for lane in lanes:
        waiters = lane.queue.clear()
        if forked:
            lane.exchange.phase = Phase.AWAY
            continue
        lane.leave()  # the outcome of its permits is not reported
        if lane.timer is not None:
            lane.timer.cancel()
        for waiter in waiters:
            if not (waiter.future.done() or waiter.future.get_loop().is_closed()):
                waiter.future.set_exception(closed_error(lane.operation))
