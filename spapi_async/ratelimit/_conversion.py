"""Converts the state of a bucket into that of a window and back, for a rule that was changed. Pure.

Two versions of a program that share a quota, or a program before and after a restart, may have different rules for the
same key, in any order and by turns.

**The first change** of a key from a bucket into a window, or back, converts the state of the old limit so that, from
what is known at that time, the new limit never admits more than the old one would have. (So a first window does not
count what the bucket has got back by then.)

**From then on** the key keeps both *forms*, and every request counts in both, whichever admitted it; the rule in force
asks its own form. So nothing is converted twice, and a version that returns finds what it would have counted all along:

- A window counts every request of its last ``seconds``. Its log goes back as far as the longest window that the key has
  had and holds as many entries as the widest did; of the entries pushed out beyond that, the latest moment is kept, and
  a window wider than any before takes all it lacks to have been then. A window *longer* than any before cannot know
  the requests that had left the longest: once, when it is introduced, it may admit as many more as these were, and at
  most its ``requests``.
- A bucket is charged for every request, but not into debt: Amazon's refuses what it has no token for. Buckets of
  different bursts share one level, which stays as far as it fits. What was spent is reckoned from the largest of these
  bursts (``burst - level`` of a smaller one would forget the difference).

The script in Redis does the same (``1_memory.lua``, and ``remember`` in ``2_limits.lua``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from spapi_async.ratelimit._bucket import EPSILON

__all__ = ["ages_of_bucket", "tokens_of_window"]

_MOST_ENTRIES = 1000
"""The most entries for a bucket in debt whose window holds fewer: ten times the largest published burst."""


def ages_of_bucket(tokens: float, rate: float, burst: float, requests: int, seconds: float) -> list[float]:
    """The entries of a window, as ages, that represent a bucket; ``burst`` is the largest that the key has had.

    Spent tokens may have been spent just now, and all of them count: another version's window may hold more requests.
    If the bucket has no token for an entry yet, the entry expires when that token flows in.
    """
    spent = min(max(math.ceil(burst - tokens - EPSILON), 0), max(requests, _MOST_ENTRIES))
    waits = ((place - tokens) / rate for place in range(1, requests - spent + 1))
    held = [max(seconds - wait, 0.0) for wait in waits if wait > EPSILON]
    return [*held, *[0.0] * spent]


def enlarged(ages: list[float], most: int, gone: float | None, requests: int, seconds: float) -> list[float]:
    """The entries of a window of ``requests`` where at most ``most`` were kept; ``gone``: the age of the last lost."""
    if requests <= most or gone is None or gone >= seconds:
        return ages
    return [gone] * (requests - len(ages)) + ages


def tokens_of_window(ages: Iterable[float], room: float, blocked: float, rate: float, burst: float) -> float:
    """The tokens of a bucket that represent a window: those its requests would have left, at most the window's room."""
    entries = sorted(ages, reverse=True)
    tokens, before = burst, math.inf
    for age in entries:
        tokens = max(min(tokens + (before - age) * rate, burst) - 1, 0.0)
        before = age
    if entries:
        tokens = min(tokens + before * rate, burst)
    tokens = min(tokens, max(room, 0.0))
    return min(tokens, 1 - blocked * rate) if blocked > 0 else tokens
