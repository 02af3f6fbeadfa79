"""Lanes that go: nobody used them for long, or their event loop or their process is no longer this one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from spapi_async._core.limiter import closed_error
from spapi_async.ratelimit.shared._exchange import Phase
from spapi_async.ratelimit.shared._lane import Lane

__all__ = ["drop_lanes", "forget_idle"]

_IDLE = 300.0  # seconds after which a process forgets a bucket that it does not use


def forget_idle(lanes: dict[Any, Lane], now: float, held: Sequence[dict[str, Any]]) -> None:
    """Forget the lanes that nobody used lately, and what is held for keys that no other lane has."""
    for key, lane in list(lanes.items()):
        if lane.idle and now - lane.touched_at > _IDLE:
            del lanes[key]
    used = {key for lane in lanes.values() for key in lane.keys}
    for each in held:
        for name in [name for name in each if name not in used]:
            del each[name]


def drop_lanes(lanes: Iterable[Lane], *, forked: bool) -> None:
    """Send away who waits in a former loop; in a forked child touch nothing that lives in the parent's."""
    for lane in lanes:
        waiters = lane.queue.clear()
        if forked:
            lane.exchange.phase = Phase.AWAY
            continue
        lane.leave()  # what becomes of its permits is told to nobody
        if lane.timer is not None:
            lane.timer.cancel()
        for waiter in waiters:
            if not (waiter.future.done() or waiter.future.get_loop().is_closed()):
                waiter.future.set_exception(closed_error(lane.operation))
