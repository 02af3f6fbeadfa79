"""How long a call will wait for limits that are shared, as far as the last reply tells. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from spapi_async.ratelimit._window import opening
from spapi_async.ratelimit.shared._store import LimitSpec, LimitState, Reply

__all__ = ["limit_wait", "wait_for"]


def wait_for(reply: Reply, specs: Sequence[LimitSpec], age: float, turns: int, priority: int) -> float:
    """Seconds until a process gets its ``turns``-th token from now for calls of a priority.

    The other processes take turns with it: each is served at most as often as it is itself before it is its turn.
    ``age`` is how many seconds ago the reply came.
    """
    wait = 0.0
    for spec, limit in zip(specs, reply.limits, strict=True):
        if not limit.absent:
            # Calls of another kind do not pay from this kind's rules.
            rivals = [other for other in reply.others if spec.kind != "rule" or other[3]]
            number = turns + sum(min(turns, sum(other[: priority + 1])) for other in rivals)
            wait = max(wait, limit_wait(limit, age, number))
    return wait


def limit_wait(limit: LimitState, age: float, number: int) -> float:
    """Seconds until a limit, of which a reply came ``age`` seconds ago, lets the ``number``-th request through."""
    if limit.seconds:
        starts = itertools.chain(limit.starts, *([moment] * count for moment, count in limit.later))
        moments = [start - age for start in starts if start - age + limit.seconds > 0]
        return opening(moments, int(limit.burst), limit.seconds, max(0.0, limit.opens - age), number)
    level = min(limit.level + limit.pace * age, limit.capacity)
    return max(0.0, (number - level) / limit.pace)
