"""Predicts from the last reply how long a call will wait for shared limits. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from spapi_async.ratelimit._window import opening
from spapi_async.ratelimit.shared._store import LimitSpec, LimitState, Reply

__all__ = ["limit_wait", "wait_for"]


def wait_for(reply: Reply, specs: Sequence[LimitSpec], age: float, turns: int, priority: int) -> float:
    """Seconds until this process gets its ``turns``-th token from now for calls of a priority.

    Processes take turns: before this process has its turn, each other one is served at most as often as this one.
    ``age`` is the time since the reply in seconds.
    """
    wait = 0.0
    for spec, limit in zip(specs, reply.limits, strict=True):
        if not limit.absent:
            # Calls of another kind do not use this kind's rules.
            rivals = [other for other in reply.others if spec.kind != "rule" or other[3]]
            number = turns + sum(min(turns, sum(other[: priority + 1])) for other in rivals)
            wait = max(wait, limit_wait(limit, age, number))
    return wait


def limit_wait(limit: LimitState, age: float, number: int) -> float:
    """Seconds until a limit, whose state was received ``age`` seconds ago, admits the ``number``-th request."""
    if limit.seconds:
        starts = itertools.chain(limit.starts, *([moment] * count for moment, count in limit.later))
        moments = [start - age for start in starts]
        return opening(moments, int(limit.burst), limit.seconds, max(0.0, limit.opens - age), number)
    level = min(limit.level + limit.pace * age, limit.capacity)
    return max(0.0, (number - level) / limit.pace)
