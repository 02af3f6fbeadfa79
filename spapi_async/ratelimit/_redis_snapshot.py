"""A bucket's state in Redis as a snapshot that people read."""

from __future__ import annotations

import msgspec

from spapi_async.ratelimit._base import LimitSnapshot
from spapi_async.ratelimit._redis_script import BucketState, SharedState, parse_key

__all__ = ["read_snapshot"]

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
