"""A fleet: its queue, its scheduler and its workers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import anyio
import msgspec

from spapi_async import Application, SellerDirectory, SellingPartner
from spapi_async._core.store_url import address_of
from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS
from spapi_async.errors import ConfigurationError, LeaseError, LeaseLostError, LWAError, SPAPIError
from spapi_async.fleet._board import Board
from spapi_async.fleet._jobs import Job, order_sync
from spapi_async.fleet._policy import Outcome, SellerState, after
from spapi_async.fleet._queue import PAUSE, connection_of, listen, queue_of
from spapi_async.ratelimit import RedisRateLimiter
from spapi_async.workflows._sql import reason
from spapi_async.workflows.orders import Progress, Source

try:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError
    from sqlalchemy.exc import StatementError
    from taskiq.exceptions import SendTaskError
    from taskiq.kicker import AsyncKicker
    from taskiq_redis import RedisStreamBroker
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a fleet needs an extra: pip install "spapi-async[fleet]"') from error

__all__ = ["Fleet", "FleetStatus"]

logger = logging.getLogger("spapi_async.fleet")

LONGEST_SLICE = 60.0  # seconds
_STOP_TIMEOUT = 8.0  # seconds that slices have to commit the page they hold
_BOARD_INTERVAL = 1.0  # seconds between two readings of the board
_DIRECTORY_INTERVAL = 60.0  # seconds between two readings of the directory
_TASK = "slice"


class FleetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a fleet at one time.

    Attributes:
        sellers: all sellers on the board, the longest due first.
        queued: the number of waiting or running slices.
        lag: seconds since the seller that is furthest behind was complete; None if a seller never was.
        failing: sellers whose last slice failed.
        revoked: sellers that need a new authorisation.
    """

    sellers: tuple[SellerState, ...]
    queued: int
    lag: float | None
    failing: int
    revoked: int


class Fleet:
    """A fleet; each of its processes makes this object with the same arguments.

    Args:
        redis: ``redis://host``: the queue, the board and the shared quota.
        database: ``postgresql://…``: where orders are stored; SQLite only on a single host. None with a ``job``.
        directory: the sellers; it is reloaded every minute.
        job: what to do for each seller instead of the order sync: an async function of a :class:`SellingPartner` that
            returns when everything is done. It is cut off after ``slice_seconds`` and called again, perhaps on another
            host, so it has to know where to resume: reports do with ``journal=``, crawls with their own journal.
        client_id: the application's; by default ``LWA_APP_ID``, with ``LWA_CLIENT_SECRET`` and ``SP_API_ENDPOINT``.
        client_secret: see ``client_id``.
        every: the time between two slices of a seller that is complete.
        name: the fleet's name; several fleets may share one Redis.
        slice_seconds: the longest duration of a slice in seconds, at most 60.
        since: where a seller without a checkpoint starts; two years back by default.
        sources: the sources of a new seller's history, as for :func:`sync_orders`.
        progress: called with every event of the syncs, such as ``metrics.progress``.
        watch: called with the application of a worker, such as ``metrics.watch``.
        options: other options of :class:`Application`, such as ``tokens`` (a :class:`RedisTokenStore`), ``journal`` and
            ``observers``.
    """

    def __init__(
        self,
        redis: str,
        database: str | None,
        directory: SellerDirectory,
        *,
        job: Job | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        every: timedelta = timedelta(minutes=3),
        name: str = "orders",
        slice_seconds: float = 50.0,
        since: datetime | None = None,
        sources: Sequence[Source] = ("search",),
        progress: Progress | None = None,
        watch: Callable[[Application], None] | None = None,
        **options: Any,
    ) -> None:
        if not 0 < slice_seconds <= LONGEST_SLICE:
            raise ConfigurationError(
                f"slice_seconds must be more than 0 and at most {LONGEST_SLICE:g}, not {slice_seconds!r}"
            )
        if every <= timedelta(0):
            raise ConfigurationError(f"every must be more than zero, not {every!r}")
        if (database is None) == (job is None):
            raise ConfigurationError("a fleet needs either a database for orders or a job; give one of them")
        self.name = name
        address_of(redis)  # raises if the URL is invalid
        self._redis = redis
        self._database = database
        self._own_job = job
        self._directory = directory
        self._client = (client_id, client_secret)
        self._every = every.total_seconds()
        self._slice = slice_seconds
        self._since = since
        self._sources = sources
        self._progress = progress
        self._watch = watch
        self._options = options
        self._rng = random.Random()  # noqa: S311 - jitter

    def __repr__(self) -> str:
        return f"<Fleet {self.name}: {self._directory!r}>"

    # ---- scheduling -------------------------------------------------------------------------------------------------

    async def schedule(self) -> None:
        """Queue a slice of each seller that is due, until cancelled.

        Only one process schedules; a second one takes over when the first has ended. It waits during outages of Redis.

        Raises:
            ConfigurationError: at the start, the directory cannot be read or Redis cannot be reached.
        """
        await self._directory.reload()
        async with self._opened() as (broker, board, redis):
            read_at = time.monotonic()
            listed = False
            while True:
                try:
                    lock = redis.lock(f"spapi:fleet:{self.name}:scheduler", timeout=30, blocking_timeout=5)
                    async with lock:
                        while True:
                            if not listed or time.monotonic() - read_at >= _DIRECTORY_INTERVAL:
                                listed, read_at = True, time.monotonic()
                                await self._list(board)
                            await self._queue_due(broker, board)
                            await lock.reacquire()
                            await anyio.sleep(_BOARD_INTERVAL)
                except (RedisError, SendTaskError, OSError) as error:  # another process schedules, or Redis is down
                    logger.debug("not scheduling for the moment (%s)", type(error).__name__)
                    listed = False  # Redis may come back empty
                    await anyio.sleep(PAUSE)

    async def _list(self, board: Board) -> None:
        """Update the board from the directory; if the directory cannot be read, the board stays unchanged."""
        try:
            await self._directory.reload()
            names = await self._names()
        except ConfigurationError as error:
            logger.warning("the directory of sellers cannot be read; the sellers read before stay in force: %s", error)
            return
        await board.keep(names)
        for seller in await board.revoked():  # they may have been authorised again: try a slice
            await board.change(seller, lambda state: msgspec.structs.replace(state, revoked=False))

    async def _names(self) -> list[str]:
        async with self._application(for_names=True) as app:
            listed = await self._directory.sellers(app)
        if nameless := sum(seller.seller_id is None for seller in listed):
            raise ConfigurationError(
                f"{nameless} sellers of the directory have no seller_id; a fleet needs one for each seller"
            )
        return [seller.name for seller in listed]

    async def _queue_due(self, broker: RedisStreamBroker, board: Board) -> int:
        """Queue a slice of each due seller, the longest due first; returns their number."""
        queued = 0
        for seller, due_at in await board.due(time.time()):
            if await board.mark(seller):
                kicker: Any = AsyncKicker(task_name=_TASK, broker=broker, labels={})
                try:
                    await kicker.kiq(seller, due_at)
                except SendTaskError:
                    await board.unmark(seller)  # else the seller would get no slice until the mark expires
                    raise
                queued += 1
        return queued

    # ---- working ----------------------------------------------------------------------------------------------------

    async def work(self, *, concurrency: int = 20) -> None:
        """Carry out slices until cancelled. After a slice was cut off, another worker resumes where it stopped.

        Args:
            concurrency: the number of slices at once.

        Raises:
            ConfigurationError: Redis cannot be reached at the start; during a later outage the worker waits.
        """
        async with (
            self._application() as app,
            self._job() as job,
            self._opened() as (broker, board, redis),
        ):
            if self._watch is not None:
                self._watch(app)
            running: set[anyio.CancelScope] = set()

            async def slice_of(seller: str, due_at: float) -> None:
                with anyio.CancelScope() as scope:
                    running.add(scope)
                    try:
                        # If a mark expires in a long queue, the seller is queued again, but needs only one slice.
                        if await board.is_due(seller, due_at):
                            await self._slice_of(seller, app, job, board)
                    except RedisError as error:
                        # The work is stored, but the seller is still due on the board, so it gets another slice.
                        logger.warning(
                            "the result of a slice of %s could not be written to Redis (%s); the slice is repeated",
                            seller,
                            type(error).__name__,
                        )
                    finally:
                        running.discard(scope)
                        with (
                            anyio.CancelScope(shield=True),
                            anyio.move_on_after(PAUSE),
                            contextlib.suppress(RedisError),
                        ):
                            await board.unmark(seller)

            broker.register_task(slice_of, task_name=_TASK)
            stop = asyncio.Event()
            listening = asyncio.create_task(listen(broker, redis, concurrency, stop))
            try:
                await asyncio.shield(listening)
            finally:
                # A seller whose slice is cut off here is still due, and another worker resumes from its last page.
                stop.set()
                for scope in list(running):
                    scope.cancel()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait([listening], timeout=_STOP_TIMEOUT)
                listening.cancel()

    async def _slice_of(self, name: str, app: Application, job: Job, board: Board) -> None:
        seller = await self._directory.seller(app, name)
        if seller is None:
            await self._directory.reload()  # the seller may be new, or newly authorised
            seller = await self._directory.seller(app, name)
        if seller is not None:
            await self._carry_out(seller, job, board)
            return
        reason = self._directory.revoked.get(name.partition("@")[0], "not in the directory")
        await board.change(name, lambda state: msgspec.structs.replace(state, revoked=True, reason=reason))

    async def _carry_out(self, seller: SellingPartner, job: Job, board: Board) -> None:
        outcome, reason = Outcome.CUT_OFF, ""
        with anyio.move_on_after(self._slice):
            try:
                await job(seller)
            except Exception as error:  # noqa: BLE001 - any error concerns only this seller
                outcome, reason = self._judge(seller, error)
            else:
                outcome = Outcome.COMPLETE
        facts: dict[str, Any] = {
            "now": time.time(),
            "every": self._every,
            "quota_in": 0.0 if self._own_job else _quota_in(seller),
            "reason": reason,
            "rng": self._rng,
        }
        # Made from the state on the board now: another process may have changed it since the slice began.
        await board.change(seller.name, lambda state: after(state, outcome, **facts))

    def _judge(self, seller: SellingPartner, error: Exception) -> tuple[Outcome, str]:
        if isinstance(error, LeaseError):
            if isinstance(error, LeaseLostError):
                logger.warning("%s", error)
            return Outcome.HELD, ""
        reason = _said(error)
        logger.warning("%s failed: %s", seller.name, reason)
        if isinstance(error, LWAError) and self._directory.failed(seller, error):
            return Outcome.REVOKED, reason
        return Outcome.FAILED, reason

    # ---- status -----------------------------------------------------------------------------------------------------

    async def status(self) -> FleetStatus:
        """The current state of the fleet."""
        return await self.status_of(self._redis, name=self.name)

    @staticmethod
    async def status_of(redis: str, *, name: str = "orders") -> FleetStatus:
        """The current state of a fleet, from its Redis URL and name.

        Raises:
            ConfigurationError: Redis cannot be reached.
        """
        address_of(redis)  # raises if the URL is invalid
        client = Redis.from_url(redis, socket_timeout=60.0)  # reading a hundred thousand sellers takes seconds
        try:
            board = Board(client, name, slice_seconds=LONGEST_SLICE)
            states = await board.states()
            queued = await board.queued(state.seller for state in states)
        except (RedisError, OSError) as error:
            raise _unreachable(error) from None
        finally:
            await client.aclose()
        behind = [state.complete_at for state in states if not state.revoked]
        complete = [at for at in behind if at is not None]
        return FleetStatus(
            sellers=tuple(states),
            queued=queued,
            lag=time.time() - min(complete) if complete and len(complete) == len(behind) else None,
            failing=sum(state.failures > 0 for state in states),
            revoked=sum(state.revoked for state in states),
        )

    # ---- resources --------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _job(self) -> AsyncIterator[Job]:
        if self._own_job is not None or self._database is None:
            assert self._own_job is not None
            yield self._own_job
            return
        async with order_sync(
            self._database, since=self._since, sources=self._sources, progress=self._progress
        ) as sync:
            yield sync

    @asynccontextmanager
    async def _application(self, *, for_names: bool = False) -> AsyncIterator[Application]:
        if for_names:  # without limiter and stores, which this application would close although others use them
            options = {name: value for name, value in self._options.items() if name in ("endpoint", "sandbox")}
        else:
            options = {"limiter": RedisRateLimiter(self._redis), **self._options}
        client_id, client_secret = self._client
        if client_id is None or client_secret is None:
            app = Application.from_env(**options)
        else:
            app = Application(client_id, client_secret, **options)
        async with app:
            yield app

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[tuple[RedisStreamBroker, Board, Any]]:
        """The queue, the board and their Redis client."""
        redis = Redis.from_url(self._redis, **connection_of(self._redis))
        board = Board(redis, self.name, slice_seconds=self._slice)
        broker = queue_of(self._redis, self.name, slice_seconds=self._slice)
        try:
            try:
                await redis.ping()
            except (RedisError, OSError) as error:
                raise _unreachable(error) from None
            yield broker, board, redis
        finally:
            with anyio.CancelScope(shield=True):
                await broker.shutdown()
                await redis.aclose()


def _unreachable(error: Exception) -> ConfigurationError:
    return ConfigurationError(f"Redis cannot be reached: {type(error).__name__}")


def _said(error: Exception) -> str:
    """The text of an error if it contains no personal data: the library's own, or the first line of a database's."""
    if isinstance(error, SPAPIError):
        return str(error)
    kind = type(error).__name__
    return f"{kind}: {reason(error)}" if isinstance(error, StatementError) else kind


def _quota_in(seller: SellingPartner) -> float:
    try:
        return seller.forecast(SEARCH_ORDERS)
    except SPAPIError:
        return 0.0
