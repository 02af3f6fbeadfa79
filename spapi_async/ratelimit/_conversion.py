"""Converts the state of a bucket into that of a window and back, for a rule that was changed. Pure.

Two versions of a program that share a quota, or a program before and after a restart, may have different rules for the
same key. The state of the old limit is converted so that, from what is known at that time, the new limit never admits
more than the old one would have. The script in Redis does the same (``1_memory.lua``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from spapi_async.ratelimit._bucket import EPSILON

__all__ = ["ages_of_bucket", "tokens_of_window"]

_MOST_ENTRIES = 1000
"""The most entries for a bucket in debt whose window holds fewer: ten times the largest published burst."""


def ages_of_bucket(tokens: float, rate: float, burst: float, requests: int, seconds: float) -> list[float]:
    """The entries of a window, as ages, that represent a bucket.

    Spent tokens may have been spent just now, and all of them count: another version's window may hold more requests.
    If the bucket has no token for an entry yet, the entry expires when that token flows in.
    """
    spent = min(max(math.ceil(burst - tokens - EPSILON), 0), max(requests, _MOST_ENTRIES))
    waits = ((place - tokens) / rate for place in range(1, requests - spent + 1))
    held = [max(seconds - wait, 0.0) for wait in waits if wait > EPSILON]
    return [*held, *[0.0] * spent]


def tokens_of_window(ages: Iterable[float], requests: int, blocked: float, rate: float, burst: float) -> float:
    """The tokens of a bucket that represent a window: those its requests would have left, at most the window's room."""
    entries = sorted(ages, reverse=True)
    tokens, before = burst, math.inf
    for age in entries:
        tokens = min(tokens + (before - age) * rate, burst) - 1
        before = age
    if entries:
        tokens = min(tokens + before * rate, burst)
    tokens = min(tokens, float(requests - len(entries)))
    return min(tokens, 1 - blocked * rate) if blocked > 0 else tokens
