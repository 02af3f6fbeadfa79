"""The rate limiter that shares its quota through Redis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from spapi_async._core.clock import Clock
from spapi_async._core.events import Observer, Observers
from spapi_async._core.plan_rules import PlanRule
from spapi_async.ratelimit.shared._limiter import SharedRateLimiter
from spapi_async.ratelimit.shared._settings import new_name
from spapi_async.ratelimit.shared.redis._store import RedisStore

__all__ = ["RedisRateLimiter"]

_LEAST_JITTER = 0.05  # seconds; the least jitter that timers and the event loop may add, whatever was measured


class RedisRateLimiter(SharedRateLimiter):
    """Shares usage plans, rules, learned rates and 429 feedback between processes and hosts.

    Works with Redis 6.2 and newer, Valkey, and (``cluster=True``) Redis Cluster. Serves one event loop at a time.

    Args:
        url: ``redis://[user:password@]host:port/db``, ``rediss://…`` or ``unix://…``.
        on_outage: what a call does while Redis is unavailable: ``"local"`` uses this process's part of the quota (an
            equal split among the processes last seen), ``"raise"`` raises ConnectionFailedError.
        processes: the number of processes among which the quota is split if Redis has never been reached. Once Redis
            can be reached, the processes are counted.
        prefix: the beginning of every key; programs that share quota need the same prefix.
        lease_seconds: how far ahead tokens are obtained at most. An urgent call may have to wait that long for tokens
            that another process already has, or two thirds of it if several processes wait. It waits only for a round
            trip if there was an urgent call in the last minute and the token reserved since then is still unused.
        timeout: the longest wait for Redis in one exchange, in seconds.
        jitter: the least number of seconds by which requests that were sent at even intervals may be bunched; larger
            values are measured.
        rules: limits in addition to the usage plans and to the rules that Amazon has published.

    Raises:
        ConfigurationError: a setting is invalid.
    """

    def __init__(
        self,
        url: str,
        *,
        on_outage: Literal["local", "raise"] = "local",
        processes: int = 1,
        prefix: str = "spapi",
        lease_seconds: float = 1.0,
        timeout: float = 1.0,
        jitter: float = _LEAST_JITTER,
        cluster: bool = False,
        rules: Iterable[PlanRule] = (),
        clock: Clock | None = None,
        observers: Observers | Iterable[Observer] = (),
    ) -> None:
        me = new_name()
        super().__init__(
            RedisStore(url, prefix=prefix, cluster=cluster, timeout=timeout, me=me),
            me=me,
            on_outage=on_outage,
            processes=processes,
            lease_seconds=lease_seconds,
            timeout=timeout,
            jitter=jitter,
            rules=rules,
            clock=clock,
            observers=observers,
        )
