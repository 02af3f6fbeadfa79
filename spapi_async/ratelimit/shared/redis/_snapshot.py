"""Reads the state of limits, as stored by the script, into snapshots for display."""

from __future__ import annotations

import msgspec

from spapi_async._core.limiter import LimitSnapshot
from spapi_async.ratelimit.shared.redis._script import parse_key

__all__ = ["read_snapshot"]

_STALE_AFTER = 12.0  # seconds; a waiting process asks again within 10 s, so an older entry is a crashed process's


class _Entry(msgspec.Struct):
    """A process's part of a limit's state: waiting calls by priority, and the time of its last exchange."""

    c: tuple[int, int, int] = (0, 0, 0)
    s: float = 0.0


class _Limit(msgspec.Struct):
    """A limit as stored by the script; the fields that a snapshot shows."""

    adm: int
    thr: int
    b: float = 1.0
    k: float = 0.0
    t: float = 0.0
    r: float = 1.0
    a: float = 1.0
    z: float = 1.0
    w: float = 0.0
    log: list[float] = []
    block: float = 0.0
    i: str = ""
    p: dict[str, _Entry] | list[_Entry] = {}


_decode = msgspec.msgpack.Decoder(_Limit, strict=False).decode


def read_snapshot(key: str, value: bytes, now: float) -> LimitSnapshot | None:
    """The limit at a key, advanced to the server's time ``now``; None if the key has no limit."""
    names = parse_key(key)
    if names is None or not (names[3] or names[4]):
        return None
    application, region, operation, seller, _ = names
    try:
        state = _decode(value)
    except msgspec.MsgspecError:
        return None  # not written by this library
    entries = state.p.values() if isinstance(state.p, dict) else state.p
    waiting = sum(sum(entry.c) for entry in entries if now - entry.s < _STALE_AFTER)
    if state.w:
        rate = announced = state.b / state.w
        burst, level = state.b, state.b - sum(moment + state.w > now for moment in state.log)
        place = len(state.log) - int(state.b)
        opens = state.log[place] + state.w if place >= 0 else now
        available = max(0.0, opens - now, state.block - now)
    else:
        rate, announced, burst = state.r, state.a, state.z
        level = min(state.k + max(0.0, now - state.t) * rate, burst)
        available = max(0.0, (1 + waiting - level) / rate)
    return LimitSnapshot(
        operation=operation,
        application=application,
        account=seller,
        region=region,
        rate=rate,
        announced_rate=announced,
        burst=burst,
        tokens=level,
        waiting=waiting,
        next_available=available,
        admitted=state.adm,
        throttled=state.thr,
        rule=state.i,
        window=state.w,
    )
