"""The last known states of the limits that a process shares, for display."""

from __future__ import annotations

from collections.abc import Iterable

from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.options import Priority
from spapi_async.ratelimit.shared._forecast import limit_wait
from spapi_async.ratelimit.shared._lane import Lane

__all__ = ["snapshots"]


def snapshots(lanes: Iterable[Lane], now: float) -> tuple[LimitSnapshot, ...]:
    """Every limit once, limits of single sellers first; from the lane with the most recent reply."""
    found: dict[str, tuple[float, LimitSnapshot]] = {}
    waiting: dict[str, int] = {}
    for lane in lanes:
        replied_at = lane.exchange.reply_at if lane.reply else -1.0
        for place, key in enumerate(lane.limit_keys):
            snapshot = _snapshot(lane, place, now)
            if snapshot is not None:
                waiting[key] = waiting.get(key, 0) + lane.queue.total
                if key not in found or replied_at > found[key][0]:
                    found[key] = replied_at, snapshot
    result = []
    for key, (_, snapshot) in found.items():
        values = {name: getattr(snapshot, name) for name in LimitSnapshot.__struct_fields__}
        result.append(LimitSnapshot(**{**values, "waiting": waiting[key]}))
    return tuple(sorted(result, key=lambda snapshot: not snapshot.account))


def _snapshot(lane: Lane, place: int, now: float) -> LimitSnapshot | None:
    """The last known state of one of a lane's limits, advanced to now; None if the limit has not been learned yet."""
    reply, spec = lane.reply, lane.specs[place]
    state = reply.limits[place] if reply else None
    if state.absent if state else spec.optional:
        return None
    age = now - lane.exchange.reply_at
    share = lane.shares[place] if len(lane.shares) > place else None
    tokens = spec.burst
    wait = 0.0
    if state is not None:
        tokens = min(state.level + state.pace * age, state.capacity)
        wait = limit_wait(state, age, 1)
    if share is not None:
        tokens, wait = share.level(now), share.delay(now)
    if place == 0:
        tokens += 0 if share is not None else len(lane.stock)
        wait = lane.predict(Priority.NORMAL, lane.queue.ahead(Priority.NORMAL))
    throttled = state.throttled if state else 0
    return LimitSnapshot(
        operation=lane.operation.name,
        application=lane.account.application,
        account="" if spec.shared else lane.account.name,
        region=lane.account.region.value,
        rate=share.rate if share is not None else state.rate if state else spec.rate,
        announced_rate=lane.announced if place == 0 else spec.rate,
        burst=state.burst if state else spec.burst,
        tokens=tokens,
        waiting=0,
        next_available=wait,
        admitted=state.admitted if state else 0,
        throttled=max(lane.throttled, throttled) if place == 0 else throttled,
        rule=spec.label,
        window=spec.seconds,
    )
