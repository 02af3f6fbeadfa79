"""The state of buckets as snapshots that people read, from Redis itself or as a process last heard of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.options import Priority
from spapi_async.ratelimit.shared.redis._script import BucketState, SharedState, parse_key

if TYPE_CHECKING:
    from spapi_async.ratelimit.shared._lane import Lane

__all__ = ["lane_snapshot", "read_snapshot", "shared_snapshot"]

_PATIENCE = 12.0  # a process that waits asks again within 10 s; an older entry is a crashed one's

_bucket = msgspec.msgpack.Decoder(BucketState, strict=False).decode
_shared = msgspec.msgpack.Decoder(SharedState, strict=False).decode


def read_snapshot(key: str, value: bytes, now: float) -> LimitSnapshot | None:
    """What a key holds, brought up to the server's time ``now``; None where it holds no bucket."""
    names = parse_key(key)
    if names is None:
        return None
    application, region, operation, account = names
    state = _bucket(value) if account else _shared(value).app
    if state is None:
        return None
    entries = state.p.values() if isinstance(state.p, dict) else state.p
    waiting = sum(sum(entry.c) for entry in entries if now - entry.q < _PATIENCE)
    level = min(state.k + max(0.0, now - state.t) * state.r, state.z)
    return LimitSnapshot(
        operation=operation,
        application=application,
        account=account,
        region=region,
        rate=state.r,
        announced_rate=state.a,
        burst=state.z,
        tokens=level,
        waiting=waiting,
        next_available=max(0.0, (1 + waiting - level) / state.r),
        admitted=state.adm,
        throttled=state.thr,
    )


def lane_snapshot(lane: Lane, now: float) -> LimitSnapshot:
    """The bucket as last heard of, brought up to now."""
    reply, plan = lane.reply, lane.operation.usage_plan
    level = min(reply.level + reply.pace * (now - lane.reply_at), reply.capacity) if reply else float(plan.burst)
    return LimitSnapshot(
        operation=lane.operation.name,
        application=lane.account.application,
        account=lane.account.key,
        region=lane.account.region.value,
        rate=lane.local.rate if lane.local else reply.rate if reply else plan.rate,
        announced_rate=lane.announced,
        burst=reply.burst if reply else float(plan.burst),
        tokens=lane.local.level(now) if lane.local else level + len(lane.stock),
        waiting=lane.queue.total,
        next_available=lane.predict(Priority.NORMAL, lane.queue.ahead(Priority.NORMAL)),
        admitted=reply.admitted if reply else 0,
        throttled=max(lane.throttled, reply.throttled if reply else 0),
    )


def shared_snapshot(lane: Lane, now: float) -> LimitSnapshot:
    """The bucket of all accounts of the application, likewise."""
    reply, plan = lane.shared.reply, lane.operation.usage_plan
    rate, burst = plan.application_rate or 0.0, float(plan.application_burst or plan.application_rate or 0)
    level = burst
    if reply:
        level = min(reply.app_level + reply.app_pace * (now - lane.shared.reply_at), reply.app_capacity)
    return LimitSnapshot(
        operation=lane.operation.name,
        application=lane.account.application,
        account="",
        region=lane.account.region.value,
        rate=reply.app_rate if reply else rate,
        announced_rate=rate,
        burst=reply.app_burst if reply else burst,
        tokens=level,
        waiting=0,
        next_available=max(0.0, (1 - level) / rate),
        admitted=reply.app_admitted if reply else 0,
        throttled=0,
    )
