"""How long a call will wait for a shared bucket, as far as the last reply tells. Pure."""

from __future__ import annotations

from spapi_async.ratelimit.shared.redis._script import Reply

__all__ = ["wait_for"]


def wait_for(reply: Reply, age: float, turns: int, klass: int) -> float:
    """Seconds until a process gets its ``turns``-th token from now for calls of a priority.

    The other processes take turns with it: each is served at most as often as it is itself before it is its turn.
    ``age`` is how many seconds ago the reply came.
    """
    rivals = sum(min(turns, sum(other[: klass + 1])) for other in reply.others)
    level = min(reply.level + reply.pace * age, reply.capacity)
    wait = (turns + rivals - level) / reply.pace
    if reply.app_pace > 0:
        app_level = min(reply.app_level + reply.app_pace * age, reply.app_capacity)
        wait = max(wait, (turns + rivals - app_level) / reply.app_pace)
    return max(0.0, wait)
