"""A fleet: its queue, its scheduler and its workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Literal

import anyio
import msgspec

from spapi_async import Application, SellerDirectory, SellingPartner
from spapi_async._core.store_url import address_of
from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS
from spapi_async.errors import ConfigurationError, SPAPIError
from spapi_async.fleet._board import Board
from spapi_async.fleet._jobs import Job, order_sync
from spapi_async.fleet._lag import Reconciled, report_lag
from spapi_async.fleet._policy import SellerState, by_wall_clock
from spapi_async.fleet._queue import TASK, connection_of, listen, queue_of
from spapi_async.fleet._scheduler import Scheduler, reload
from spapi_async.fleet._worker import Worker
from spapi_async.ratelimit import RateLimiter, RedisRateLimiter
from spapi_async.workflows.orders import DEFAULT_DATASETS, PersonalKeys, Progress, Source

try:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError
    from taskiq_redis import RedisStreamBroker
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a fleet needs an extra: pip install "spapi-async[fleet]"') from error

__all__ = ["Fleet", "FleetStatus"]

LONGEST_SLICE = 60.0  # seconds
_STOP_TIMEOUT = 8.0  # seconds that slices have to commit the page they hold


class FleetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet at a moment; times are by the clock of Redis.

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
        client_id: the application's, with ``client_secret``; without both, ``LWA_APP_ID``, ``LWA_CLIENT_SECRET`` and
            ``SP_API_ENDPOINT`` apply.
        client_secret: see ``client_id``.
        every: the time between two slices of a seller that is complete.
        name: the fleet's name; several fleets may share one Redis.
        slice_seconds: the longest duration of a slice in seconds, at most 60.
        since: where a seller without a checkpoint starts; two years back by default.
        sources: the sources of a new seller's history, as for :func:`sync_orders`; and so are the next three.
        marketplaces: only these; each seller uses those in its region.
        datasets: ``includedData`` of Orders 2026-01-01; personal data is left out by default.
        personal: how personal data is stored.
        progress: called with every event of the syncs, and with :class:`FleetLag`; such as ``metrics.progress``.
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
        marketplaces: Sequence[str] = (),
        datasets: Sequence[str] = DEFAULT_DATASETS,
        personal: PersonalKeys | Literal["plain"] | None = None,
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
        if (client_id is None) != (client_secret is None):
            raise ConfigurationError(
                "a fleet takes client_id and client_secret together, or both from LWA_APP_ID and LWA_CLIENT_SECRET"
            )
        if (database is None) == (job is None):
            raise ConfigurationError("a fleet needs either a database for orders or a job; give one of them")
        if job is not None and (
            since or marketplaces or personal or set(sources) - {"search"} or set(datasets) != set(DEFAULT_DATASETS)
        ):
            raise ConfigurationError(
                "since, sources, marketplaces, datasets and personal are for the order sync, not for a job of one's own"
            )
        self.name = name
        address_of(redis)  # raises if the URL is invalid
        self._redis = redis
        self._database = database
        self._own_job = job
        self._directory = directory
        self._client = (client_id, client_secret)
        self._every = every.total_seconds()
        self._slice = slice_seconds
        self._sync: dict[str, Any] = {
            "since": since,
            "sources": sources,
            "marketplaces": marketplaces,
            "datasets": datasets,
            "personal": personal,
        }
        self._progress = progress
        self._watch = watch
        self._options = options

    def __repr__(self) -> str:
        return f"<Fleet {self.name}: {self._directory!r}>"

    # ---- scheduling -------------------------------------------------------------------------------------------------

    async def schedule(self) -> None:
        """Queue a slice of each seller that is due, until cancelled.

        Only one process schedules; a second one takes over when the first has ended, or has given no sign of life for
        half a minute. An outage of Redis is waited out.

        Raises:
            ConfigurationError: at the start, the directory cannot be read (within a minute) or Redis cannot be reached.
        """
        await reload(self._directory)
        async with self._opened() as (broker, board):
            await Scheduler(board, broker, self._directory).run()

    # ---- working ----------------------------------------------------------------------------------------------------

    async def work(self, *, concurrency: int = 20) -> None:
        """Carry out slices until cancelled. After a slice was cut off, another worker resumes where it stopped.

        Args:
            concurrency: the number of slices at once.

        Raises:
            ConfigurationError: Redis cannot be reached at the start; during a later outage the worker waits. Or a
                marketplace, a source or a data set is unknown, or personal data is requested, but not how to store it.
        """
        reconciled = Reconciled(self._progress)
        async with (
            self._application() as app,
            self._job(reconciled) as job,
            self._opened() as (broker, board),
        ):
            if self._watch is not None:
                self._watch(app)
            worker = Worker(
                app,
                job,
                board,
                self._directory,
                slice_seconds=self._slice,
                every=self._every,
                quota_in=_quota_in(app.limiter) if self._own_job is None else _no_quota,
                reconciled_to=reconciled.take,
            )

            async def slice_of(seller: str, due_at: float) -> None:
                # In a task of its own: anyio describes the task that cancels a scope, and the description of one of
                # taskiq's tasks describes all others, and those in each of these: 0.1 s where twenty run at once.
                async with anyio.create_task_group() as group:
                    group.start_soon(worker.slice_of, seller, due_at)

            broker.register_task(slice_of, task_name=TASK)
            stop = asyncio.Event()
            tasks = [asyncio.create_task(listen(broker, concurrency, stop))]
            if self._progress is not None:
                tasks.append(asyncio.create_task(report_lag(board, self._progress)))
            try:
                await asyncio.shield(tasks[0])
            finally:
                stop.set()
                worker.stop()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait(tasks[:1], timeout=_STOP_TIMEOUT)
                for task in tasks:
                    task.cancel()

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
            clock = await board.clock()
            now = clock.shown
            states = [by_wall_clock(state, now.ahead) for state in await board.states()]
            queued = await board.queued(now.at)
        except (RedisError, OSError) as error:
            raise _unreachable(error) from None
        finally:
            await client.aclose()
        behind = [state.complete_at for state in states if not state.revoked]
        complete = [at for at in behind if at is not None]
        return FleetStatus(
            sellers=tuple(states),
            queued=queued,
            lag=clock.wall - min(complete) if complete and len(complete) == len(behind) else None,
            failing=sum(state.failures > 0 for state in states),
            revoked=sum(state.revoked for state in states),
        )

    # ---- resources --------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _job(self, progress: Progress) -> AsyncIterator[Job]:
        if self._own_job is not None or self._database is None:
            assert self._own_job is not None
            yield self._own_job
            return
        async with order_sync(self._database, progress=progress, **self._sync) as sync:
            yield sync

    @asynccontextmanager
    async def _application(self) -> AsyncIterator[Application]:
        options = {"limiter": RedisRateLimiter(self._redis), **self._options}
        client_id, client_secret = self._client
        if client_id is None or client_secret is None:  # both are
            app = Application.from_env(**options)
        else:
            app = Application(client_id, client_secret, **options)
        async with app:
            yield app

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[tuple[RedisStreamBroker, Board]]:
        """The queue and the board."""
        redis = Redis.from_url(self._redis, **connection_of(self._redis))
        board = Board(redis, self.name, slice_seconds=self._slice)
        broker = queue_of(self._redis, self.name, slice_seconds=self._slice)
        try:
            try:
                await redis.ping()
            except (RedisError, OSError) as error:
                raise _unreachable(error) from None
            yield broker, board
        finally:
            with anyio.CancelScope(shield=True):
                await broker.shutdown()
                await redis.aclose()


def _unreachable(error: Exception) -> ConfigurationError:
    return ConfigurationError(f"Redis cannot be reached: {type(error).__name__}")


def _quota_in(limiter: RateLimiter) -> Callable[[SellingPartner], float]:
    """Seconds until the quota of a seller allows its next search; 0 while that is not known.

    In an outage of the store a process knows only its own part of the quota, which says nothing about the seller's.
    """
    is_down = getattr(limiter, "store_is_down", lambda: False)

    def quota_in(seller: SellingPartner) -> float:
        try:
            return 0.0 if is_down() else seller.forecast(SEARCH_ORDERS)
        except SPAPIError:
            return 0.0

    return quota_in


def _no_quota(_: SellingPartner) -> float:
    """Only the job knows what it calls."""
    return 0.0
