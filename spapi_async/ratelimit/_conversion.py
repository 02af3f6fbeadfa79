"""What a limit that was a bucket is worth as a window, and the other way round: a rule that was changed. Pure.

Two versions of a program that share a quota, or one before and after a restart, may have different rules for the same
key. What the old limit knows is carried over so that the new one never admits more than the old would have, from what
is known when they change places. The script in Redis does the same (``1_memory.lua``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["ages_of_bucket", "tokens_of_window"]

_EPSILON = 1e-9

_MOST_ENTRIES = 1000
"""Of a bucket in debt, where the window holds fewer: ten times the largest burst that Amazon publishes."""


def ages_of_bucket(tokens: float, rate: float, burst: float, requests: int, seconds: float) -> list[float]:
    """The entries of a window, by age, that stand for a bucket.

    What was spent may have been spent just now, and all of it counts: another version's window may hold more. A place
    for which the bucket has no token yet opens when that flows in.
    """
    spent = min(max(math.ceil(burst - tokens - _EPSILON), 0), max(requests, _MOST_ENTRIES))
    waits = ((place - tokens) / rate for place in range(1, requests - spent + 1))
    held = [max(seconds - wait, 0.0) for wait in waits if wait > _EPSILON]
    return [*held, *[0.0] * spent]


def tokens_of_window(ages: Iterable[float], requests: int, blocked: float, rate: float, burst: float) -> float:
    """The tokens of a bucket that stand for a window: what its requests would have left, and no more than it had."""
    entries = sorted(ages, reverse=True)
    tokens, before = burst, math.inf
    for age in entries:
        tokens = min(tokens + (before - age) * rate, burst) - 1
        before = age
    if entries:
        tokens = min(tokens + before * rate, burst)
    tokens = min(tokens, float(requests - len(entries)))
    return min(tokens, 1 - blocked * rate) if blocked > 0 else tokens
