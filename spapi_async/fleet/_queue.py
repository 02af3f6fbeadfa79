"""The queue of a fleet: slices in a Redis stream, acknowledged when they have ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import anyio

from spapi_async._core.failures import first_of

try:
    from redis.asyncio import Redis
    from redis.exceptions import ReadOnlyError, RedisError, ResponseError
    from taskiq import AckableMessage
    from taskiq.receiver import Receiver
    from taskiq_redis import RedisStreamBroker
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a fleet needs an extra: pip install "spapi-async[fleet]"') from error

__all__ = ["PAUSE", "TASK", "connection_of", "listen", "queue_of"]

logger = logging.getLogger("spapi_async.fleet")

_REDELIVERED_AFTER = 1.5  # durations of a slice; a slice not acknowledged by then is delivered to another worker
PAUSE = 1.0
"""Seconds until the next attempt after a failure of Redis."""

TASK = "slice"
"""The task of a worker; its arguments are the seller and when the slice is due."""
_WORKERS = "workers"
_CLAIM_EVERY = 5.0  # seconds between looks for slices of killed workers
_FORGOTTEN_AFTER = 3_600_000  # milliseconds


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


class Queue(RedisStreamBroker):
    """A stream whose readers survive whatever becomes of a slice that was delivered to another one.

    taskiq's own reading looks for lost slices after each one, and fails on one that the stream has dropped meanwhile,
    again and again: Redis before version 7 keeps such a one for ever.
    """

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Slices as they come; every few seconds, those that were delivered to a worker that was killed."""
        async with Redis(connection_pool=self.connection_pool) as redis:
            await self._forget_workers(redis)
            claim_at = anyio.current_time()
            while True:
                found: Any = await redis.xreadgroup(
                    self.consumer_group_name, self.consumer_name, {self.queue_name: ">"}, block=self.block, count=1
                )
                for _, entries in found:
                    for entry_id, fields in entries:
                        yield self._message(entry_id, fields)
                if anyio.current_time() >= claim_at:
                    claim_at = anyio.current_time() + _CLAIM_EVERY
                    for entry_id, fields in await self._lost(redis):
                        yield self._message(entry_id, fields)

    async def _lost(self, redis: Any) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
        """Slices that were delivered long ago and not acknowledged; those that the stream has dropped end here."""
        group = (self.queue_name, self.consumer_group_name)
        pending = await redis.xpending_range(*group, "-", "+", self.unacknowledged_batch_size, idle=self.idle_timeout)
        ids = [each["message_id"] for each in pending]
        if not ids:
            return []
        claimed = await redis.xclaim(*group, self.consumer_name, self.idle_timeout, ids)
        found = {entry_id: fields for entry_id, fields in claimed if fields}
        if dropped := [each for each in ids if each not in found and not await redis.xrange(group[0], each, each)]:
            await redis.xack(*group, *dropped)
        return list(found.items())

    async def _forget_workers(self, redis: Any) -> None:
        """Delete workers that ended long ago and left nothing: each start of a worker makes another one."""
        for each in await redis.xinfo_consumers(self.queue_name, self.consumer_group_name):
            if each["idle"] > _FORGOTTEN_AFTER and not each["pending"]:
                await redis.xgroup_delconsumer(self.queue_name, self.consumer_group_name, each["name"])

    def _message(self, entry_id: bytes, fields: Mapping[bytes, bytes]) -> AckableMessage:
        return AckableMessage(data=fields[b"data"], ack=self._acknowledging(entry_id))

    def _acknowledging(self, entry_id: bytes) -> Callable[[], Awaitable[None]]:
        async def acknowledge() -> None:
            # In an outage it is delivered again, to a worker that finds that it is not due any more.
            with contextlib.suppress(RedisError, OSError):
                async with Redis(connection_pool=self.connection_pool) as redis:
                    await redis.xack(self.queue_name, self.consumer_group_name, entry_id)

        return acknowledge


def queue_of(redis: str, fleet: str, *, slice_seconds: float) -> Queue:
    """The queue of a fleet of this name; every process opens the same one."""
    return Queue(
        redis,
        queue_name=f"spapi:fleet:{fleet}:queue",
        consumer_group_name=_WORKERS,
        consumer_id="0",
        idle_timeout=int(slice_seconds * _REDELIVERED_AFTER * 1000),
        xread_block=500,
        maxlen=100_000,
        retry_on_error=[ReadOnlyError],  # by another connection, because a failover has made the primary a replica
        **connection_of(redis),
    )


async def listen(broker: RedisStreamBroker, concurrency: int, stop: asyncio.Event) -> None:
    """Carry out slices from the queue until ``stop`` is set; wait during outages of Redis, which may lose its data."""
    while not stop.is_set():
        receiver = Receiver(broker, run_startup=False, max_async_tasks=concurrency, max_prefetch=0)
        try:
            # The scheduler does not create the consumer group, and it is missing after Redis has lost its data.
            async with Redis(connection_pool=broker.connection_pool) as redis:
                with contextlib.suppress(ResponseError):  # the group exists already
                    await redis.xgroup_create(broker.queue_name, _WORKERS, id="0", mkstream=True)
            await receiver.listen(stop)
        except Exception as error:  # noqa: BLE001 - a worker must not end because of any error of the queue
            kind = type(first_of(error)).__name__  # a group's says nothing
            logger.warning("the queue cannot be read (%s); trying again in %g s", kind, PAUSE)
            await asyncio.sleep(PAUSE)
