"""Limits stored in Redis: one script, one connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any

import msgspec

try:
    import redis.asyncio as aioredis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import NoScriptError, RedisClusterException, RedisError
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('shared quota needs an extra: pip install "spapi-async[redis]"') from error

from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.store_url import address_of
from spapi_async.credentials import Secret
from spapi_async.errors import ConfigurationError
from spapi_async.ratelimit._book import Charge
from spapi_async.ratelimit.shared._store import Outage, Reply, Request
from spapi_async.ratelimit.shared.redis._script import SCRIPT, SCRIPT_SHA, limit_keys
from spapi_async.ratelimit.shared.redis._snapshot import read_snapshot

__all__ = ["RedisStore"]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Reply, strict=False).decode


class RedisStore:
    """A :class:`Store`; works with Redis 6.2 and newer, Valkey, and Redis Cluster.

    Raises:
        ConfigurationError: the URL is invalid.
    """

    def __init__(self, url: str, *, prefix: str, cluster: bool, timeout: float, me: str) -> None:
        self._url = Secret(url)
        self.label = address_of(url)
        self.round_trips = 0
        self._prefix = prefix
        self._cluster = cluster
        self._timeout = timeout
        self._probe_key = f"{prefix}:probe:{me}"
        self._client: Any = None
        self._dropped: deque[Any] = deque()  # clients still to be closed
        self._connected()

    def renewed(self, me: str) -> RedisStore:
        """The same Redis over a connection of its own."""
        return RedisStore(self._url.reveal(), prefix=self._prefix, cluster=self._cluster, timeout=self._timeout, me=me)

    def keys(self, charges: Sequence[Charge], application: str, region: str, name: str) -> tuple[str, ...]:
        """The script's keys."""
        return limit_keys(self._prefix, charges, application, region, name)

    async def exchange(self, calls: Sequence[tuple[tuple[str, ...], Request]]) -> list[Reply]:
        """Run the script for each call, in one round trip.

        Raises:
            Outage: the script could not be run for a call.
        """
        arguments = [(len(keys), *keys, _encode(request)) for keys, request in calls]
        async with self._talking() as client:
            results = await self._pipeline(client, [("EVALSHA", SCRIPT_SHA, *each) for each in arguments])
            missing = [index for index, result in enumerate(results) if isinstance(result, NoScriptError)]
            if missing:
                again = [("EVAL", SCRIPT, *arguments[index]) for index in missing]
                for index, result in zip(missing, await self._pipeline(client, again), strict=True):
                    results[index] = result
            for result in results:
                if isinstance(result, Exception):
                    raise result
        try:
            return [_decode(result) for result in results]
        except msgspec.MsgspecError as error:
            raise Outage(type(error).__name__) from error

    async def probe(self) -> None:
        """Write on a new connection: a Redis that is full, or a replica, would still answer reads.

        Raises:
            Outage: writing failed.
        """
        await self.disconnect()
        async with self._talking() as client:
            await client.set(self._probe_key, "1", px=1000)

    async def snapshots(self) -> tuple[LimitSnapshot, ...]:
        """Every limit under this prefix, advanced to the server's time.

        Raises:
            Outage: Redis cannot be reached.
        """
        async with self._talking() as client:
            seconds, micros = await (client.time(target_nodes="random") if self._cluster else client.time())
            pattern = f"{self._prefix}:{{*"
            names = sorted([name.decode() async for name in client.scan_iter(match=pattern, count=1000)])
            values = await self._pipeline(client, [("GET", name) for name in names]) if names else []
        now = seconds + micros / 1e6
        found = (
            read_snapshot(name, value, now)
            for name, value in zip(names, values, strict=True)
            if isinstance(value, bytes)
        )
        return tuple(snapshot for snapshot in found if snapshot is not None)

    async def disconnect(self) -> None:
        """Drop the connection: after a timeout it may still deliver the old reply, so it must not be used again."""
        if self._client is not None:
            self._dropped.append(self._client)
            self._client = None
        while self._dropped:  # a cancelled close is repeated by the next one
            await self._close(self._dropped[0])
            self._dropped.popleft()

    async def _pipeline(self, client: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        self.round_trips += 1
        pipeline = client.pipeline() if self._cluster else client.pipeline(transaction=False)
        loop = asyncio.get_running_loop()
        try:
            async with pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return list(await pipeline.execute(raise_on_error=False))
        except RuntimeError:
            if _running_loop() is loop:
                raise
            # The loop was closed by hand during this call. Now the coroutine is collected and redis-py cleans up.
            raise GeneratorExit from None

    def _talking(self) -> _Talk:
        """The client, for commands bounded by the timeout; its errors become Outage."""
        return _Talk(self._connected(), self._timeout, self._part_with)

    async def _part_with(self, client: Any) -> None:
        """Close a client that was dropped in the meantime; another command would open connections again."""
        if client is not self._client:
            await self._close(client)

    def _connected(self) -> Any:
        if self._client is None:
            # This class bounds whole exchanges. With its own timeout redis-py would write with asyncio.wait_for(),
            # which before Python 3.12 loses a cancellation at the end of the write, and the task outlives its loop.
            settings: dict[str, Any] = {"socket_timeout": None, "socket_connect_timeout": self._timeout}
            retry = Retry(NoBackoff(), 0)  # the caller decides when to try again
            try:
                if self._cluster:
                    self._client = aioredis.RedisCluster.from_url(self._url.reveal(), **settings)
                else:
                    self._client = aioredis.Redis.from_url(self._url.reveal(), retry=retry, **settings)
            except ValueError:
                raise ConfigurationError("the Redis URL is not valid") from None
        return self._client

    async def _close(self, client: Any) -> None:
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(self._timeout):
                await client.aclose()
                if self._cluster:  # its client considers itself closed as soon as closing begins
                    await client.nodes_manager.aclose()
                    await client.nodes_manager.aclose("startup_nodes")


class _Talk:
    """A context manager that is not a generator: a loop that ends would close generators that tasks are still using."""

    def __init__(self, client: Any, timeout: float, after: Callable[[Any], Awaitable[None]]) -> None:
        self._client = client
        self._limit = asyncio.timeout(timeout)
        self._after = after

    async def __aenter__(self) -> Any:
        await self._limit.__aenter__()
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._limit.__aexit__(kind, error, traceback)
        except TimeoutError as late:
            raise Outage(type(late).__name__) from late
        finally:
            await self._after(self._client)
        if isinstance(error, RedisError | RedisClusterException | OSError | TimeoutError):
            # redis-py's messages contain host and port, never the password; unknown messages are still not shown.
            raise Outage(type(error).__name__) from error


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
