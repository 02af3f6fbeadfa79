"""The one connection between a process and Redis: batches exchanges, notices outages, comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from spapi_async._core.clock import Clock
from spapi_async.credentials import Secret
from spapi_async.errors import ConfigurationError
from spapi_async.ratelimit.shared.redis._script import SCRIPT, SCRIPT_SHA, Reply, Request

__all__ = ["Exchanger", "Outage", "RedisLink"]

logger = logging.getLogger("spapi_async.ratelimit")

_BATCH = 128
_FIRST_PROBE, _LONGEST_PROBE = 0.1, 1.0  # seconds between attempts to reach a Redis that is away

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Reply, strict=False).decode


class Outage(Exception):  # noqa: N818 - a state of affairs; the limiter decides whether it is an error
    """Redis cannot be used now: gone, silent, full, read-only, still loading."""


class Exchanger(Protocol):
    """What takes part in exchanges: one bucket as this process sees it."""

    keys: tuple[str, str]

    def request(self) -> Request:
        """What to send, decided when it is sent."""

    def absorb(self, reply: Reply) -> None:
        """The reply came."""

    def lost(self) -> None:
        """No reply came: the request may or may not have been carried out."""


class RedisLink:
    """Carries exchanges in batches, in order, one batch at a time, on one connection.

    While one batch is under way the next one gathers, so that ten thousand buckets need no more connections than one,
    and a slow Redis is asked less often rather than more.
    """

    def __init__(
        self,
        url: str,
        *,
        cluster: bool,
        timeout: float,
        clock: Clock,
        probe_key: str,
        on_down: Callable[[], None],
        on_up: Callable[[], None],
    ) -> None:
        self._url = Secret(url)
        self.label = _label(url)
        self._cluster = cluster
        self._timeout = timeout
        self._clock = clock
        self._probe_key = probe_key
        self._on_down, self._on_up = on_down, on_up
        self._client: Any = None
        self._dropped: deque[Any] = deque()  # clients still to be closed
        self._pending: dict[Exchanger, None] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.down = False
        self.reason = ""
        self.round_trips = 0
        self._connected()

    def __repr__(self) -> str:
        return f"<RedisLink {self.label} {'down' if self.down else 'up'}, {self.round_trips} round trips>"

    def submit(self, exchanger: Exchanger) -> bool:
        """Exchange soon; a bucket already in the queue is not queued twice. False while down: no exchange will come."""
        if self.down:
            return False
        self._pending[exchanger] = None
        self._wake.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="spapi_async redis link")
        return True

    async def _run(self) -> None:
        while not self._closing:
            if self.down:
                await self._wait_until_back()
            await self._wake.wait()
            batch = list(self._pending)[:_BATCH]
            for exchanger in batch:
                del self._pending[exchanger]
            if not self._pending:
                self._wake.clear()
            try:
                await self._exchange(batch)
            except Exception as error:
                # A mistake of ours must not leave callers waiting for a reply that nobody fetches.
                logger.exception("exchange with %s failed", self.label)
                self._go_down(Outage(type(error).__name__))

    async def _exchange(self, batch: Sequence[Exchanger]) -> None:
        calls = [(exchanger.keys, exchanger.request()) for exchanger in batch]
        try:
            replies = await self.execute(calls)
        except Outage as outage:
            for exchanger in batch:
                exchanger.lost()
            self._go_down(outage)
            return
        except BaseException:
            for exchanger in batch:
                exchanger.lost()
            raise
        for exchanger, reply in zip(batch, replies, strict=True):
            exchanger.absorb(reply)

    async def execute(self, calls: Sequence[tuple[tuple[str, str], Request]]) -> list[Reply]:
        """Run the script for each call, in one round trip.

        Raises:
            Outage: any of them could not be run.
        """
        payloads = [(keys, _encode(request)) for keys, request in calls]
        async with self._talking() as client:
            results = await self._pipeline(
                client, [("EVALSHA", SCRIPT_SHA, 2, *keys, payload) for keys, payload in payloads]
            )
            missing = [index for index, result in enumerate(results) if isinstance(result, NoScriptError)]
            if missing:
                again = [("EVAL", SCRIPT, 2, *payloads[index][0], payloads[index][1]) for index in missing]
                for index, result in zip(missing, await self._pipeline(client, again), strict=True):
                    results[index] = result
            for result in results:
                if isinstance(result, Exception):
                    raise result
        return [_decode(result) for result in results]

    async def _pipeline(self, client: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        self.round_trips += 1
        pipeline = client.pipeline() if self._cluster else client.pipeline(transaction=False)
        async with pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return list(await pipeline.execute(raise_on_error=False))

    @contextlib.asynccontextmanager
    async def _talking(self) -> AsyncIterator[Any]:
        """The client, for commands that take no longer than the timeout; what becomes of them is said in our words."""
        client = self._connected()
        try:
            async with asyncio.timeout(self._timeout):
                yield client
        except (RedisError, RedisClusterException, OSError, TimeoutError, msgspec.ValidationError) as error:
            # redis-py's messages name host and port, never the password; an unknown one is not repeated all the same.
            raise Outage(type(error).__name__) from error
        finally:
            if client is not self._client:
                # It was dropped meanwhile, and a closed client that gets one more command opens connections again.
                await self._close(client)

    def _connected(self) -> Any:
        if self._client is None:
            settings: dict[str, Any] = {"socket_timeout": self._timeout, "socket_connect_timeout": self._timeout}
            retry = Retry(NoBackoff(), 0)  # this class decides when to try again
            try:
                if self._cluster:
                    self._client = aioredis.RedisCluster.from_url(self._url.reveal(), **settings)
                else:
                    self._client = aioredis.Redis.from_url(self._url.reveal(), retry=retry, **settings)
            except ValueError:
                raise ConfigurationError("the Redis URL is not valid") from None
        return self._client

    # Outages -------------------------------------------------------------------------------------------------------

    def _go_down(self, outage: Outage) -> None:
        self.down, self.reason = True, str(outage)
        self._pending.clear()
        self._wake.clear()
        logger.warning("%s cannot be used (%s): rate limits are not shared until it returns", self.label, self.reason)
        self._on_down()

    async def _wait_until_back(self) -> None:
        pause = _FIRST_PROBE
        while True:
            await self._drop_connections()
            await self._clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PROBE)
            try:
                async with self._talking() as client:
                    # A write: a Redis that is full or a replica answers reads.
                    await client.set(self._probe_key, "1", px=1000)
            except Outage as outage:
                self.reason = str(outage)
                continue
            self.down, self.reason = False, ""
            logger.warning("%s is back", self.label)
            self._on_up()
            return

    async def _drop_connections(self) -> None:
        """A connection that timed out may still deliver the old reply: never use it again."""
        if self._client is not None:
            self._dropped.append(self._client)
            self._client = None
        while self._dropped:  # a close that was cancelled half-way is done again by the next
            await self._close(self._dropped[0])
            self._dropped.popleft()

    async def _close(self, client: Any) -> None:
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(self._timeout):
                await client.aclose()
                if self._cluster:  # whose client takes itself for closed as soon as it has begun to close
                    await client.nodes_manager.aclose()
                    await client.nodes_manager.aclose("startup_nodes")

    # Reading -------------------------------------------------------------------------------------------------------

    async def scan(self, pattern: str) -> tuple[float, dict[str, bytes]]:
        """The server's time, and every key that matches with its value."""
        async with self._talking() as client:
            seconds, micros = await (client.time(target_nodes="random") if self._cluster else client.time())
            names = [name.decode() async for name in client.scan_iter(match=pattern, count=1000)]
            values = await self._pipeline(client, [("GET", name) for name in names]) if names else []
        found = {name: value for name, value in zip(names, values, strict=True) if isinstance(value, bytes)}
        return seconds + micros / 1e6, found

    async def aclose(self, farewell: Callable[[], Sequence[tuple[tuple[str, str], Request]]]) -> None:
        """Stop, say what is left to say, and close the connection."""
        task, self._task = self._task, None
        self._closing = True
        while task is not None and not task.done():
            # A cancellation can get lost in the client library (one that meets the end of a read does).
            task.cancel()
            await asyncio.wait((task,), timeout=self._timeout)
        try:
            calls = [] if self.down else farewell()
            for start in range(0, len(calls), _BATCH):
                await self.execute(calls[start : start + _BATCH])
        except Outage:
            pass  # leases return by themselves
        finally:
            await self._drop_connections()


def _label(url: str) -> str:
    """The URL without user, password and options."""
    try:
        parts = urlsplit(url)
        where = parts.hostname or parts.path
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise ConfigurationError("the Redis URL is not valid") from None
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ConfigurationError("the Redis URL must begin with redis://, rediss:// or unix://")
    return f"Redis at {where}{port}"
