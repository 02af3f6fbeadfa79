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

_JITTER = 0.05  # seconds: the least that timers and the event loop may add at any time, whatever was measured


class RedisRateLimiter(SharedRateLimiter):
    """Shares usage plans, rules, learned rates and 429 feedback between processes and hosts.

    Works with Redis 6.2 and newer, Valkey, and (``cluster=True``) Redis Cluster. Serves one event loop at a time.

    Args:
        url: ``redis://[user:password@]host:port/db``, ``rediss://…`` or ``unix://…``.
        on_outage: what a call does while Redis is away: ``"local"`` spends this process's part of the quota (an equal
            split among the processes last seen), ``"raise"`` raises ConnectionFailedError.
        processes: how many processes to split the quota among while Redis has never been reached, as when it is away
            from the start. It counts itself as soon as it can be asked.
        prefix: begins every key; programs that share quota must share it.
        lease_seconds: how far ahead tokens are bought at most. An urgent call may have to wait so long behind tokens
            that another process already holds; two thirds of it where several processes wait; and not at all (but for
            a round trip) when an urgent call was seen in the last minute and has not just used the token kept for it.
        timeout: longest wait for Redis in one exchange, in seconds.
        jitter: least number of seconds by which requests that left evenly spaced may be bunched; more is measured.
        rules: limits beside the usage plans, beyond those that Amazon has published.

    Raises:
        ConfigurationError: a setting that cannot work.
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
        jitter: float = _JITTER,
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
