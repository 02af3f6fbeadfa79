"""The queue of a fleet: slices in a Redis stream, acknowledged when they have ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Any

try:
    from redis.exceptions import ResponseError
    from taskiq.receiver import Receiver
    from taskiq_redis import RedisStreamBroker
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a fleet needs an extra: pip install "spapi-async[fleet]"') from error

__all__ = ["PAUSE", "connection_of", "listen", "queue_of"]

logger = logging.getLogger("spapi_async.fleet")

_REDELIVERED_AFTER = 1.5  # durations of a slice; a slice not acknowledged by then is delivered to another worker
PAUSE = 1.0
"""Seconds until the next attempt after a failure of Redis."""
_WORKERS = "workers"


# The kernel's detection of a lost host: probes after ten idle seconds, at most 30 s for unacknowledged data.
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}


def connection_of(redis: str) -> dict[str, Any]:
    """The connection options of queue and board: no timeout for replies.

    redis-py implements that timeout with ``asyncio.wait_for()``, which before Python 3.12 loses a cancellation that
    coincides with the end of a write: a process that should stop would continue.
    """
    settings: dict[str, Any] = {"socket_timeout": None}
    if redis.startswith("unix:"):
        return settings
    options = {getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)}
    return {**settings, "socket_connect_timeout": 5.0, "socket_keepalive": True, "socket_keepalive_options": options}


def queue_of(redis: str, fleet: str, *, slice_seconds: float) -> RedisStreamBroker:
    """The queue of a fleet of this name; every process opens the same one."""
    return RedisStreamBroker(
        redis,
        queue_name=f"spapi:fleet:{fleet}:queue",
        consumer_group_name=_WORKERS,
        consumer_id="0",
        idle_timeout=int(slice_seconds * _REDELIVERED_AFTER * 1000),
        unacknowledged_lock_timeout=30,
        xread_block=500,
        xread_count=1,
        maxlen=100_000,
        **connection_of(redis),
    )


async def listen(broker: RedisStreamBroker, redis: Any, concurrency: int, stop: asyncio.Event) -> None:
    """Carry out slices from the queue until ``stop`` is set; wait during outages of Redis, which may lose its data."""
    while not stop.is_set():
        receiver = Receiver(broker, run_startup=False, max_async_tasks=concurrency, max_prefetch=0)
        try:
            # The scheduler does not create the consumer group, and it is missing after Redis has lost its data.
            with contextlib.suppress(ResponseError):  # the group exists already
                await redis.xgroup_create(broker.queue_name, _WORKERS, id="0", mkstream=True)
            await receiver.listen(stop)
        except Exception as error:  # noqa: BLE001 - a worker must not end because of any error of the queue
            logger.warning("the queue cannot be read (%s); trying again in %g s", type(error).__name__, PAUSE)
            await asyncio.sleep(PAUSE)
