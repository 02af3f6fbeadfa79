"""The queue of a fleet: slices in a Redis stream, acknowledged when they are done."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

try:
    from redis.exceptions import ResponseError
    from taskiq.receiver import Receiver
    from taskiq_redis import RedisStreamBroker
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a fleet needs an extra: pip install "spapi-async[fleet]"') from error

__all__ = ["PAUSE", "listen", "queue_of"]

logger = logging.getLogger("spapi_async.fleet")

_REDELIVERED_AFTER = 1.5  # slices: one that is not acknowledged by then was a killed worker's, and is handed out again
PAUSE = 1.0
"""Seconds after a failure of Redis."""
_WORKERS = "workers"


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
    )


async def listen(broker: RedisStreamBroker, redis: Any, concurrency: int, stop: asyncio.Event) -> None:
    """Take slices out of the queue until stopped; an outage of Redis is waited out, though it comes back empty."""
    while not stop.is_set():
        receiver = Receiver(broker, run_startup=False, max_async_tasks=concurrency, max_prefetch=0)
        try:
            with contextlib.suppress(ResponseError):  # the workers' group is there already
                await redis.xgroup_create(broker.queue_name, _WORKERS, id="0", mkstream=True)
            await receiver.listen(stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, the queue is worth another attempt
            logger.warning("the queue cannot be read (%s); trying again", type(error).__name__)
            await asyncio.sleep(PAUSE)
