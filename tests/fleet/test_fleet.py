"""A fleet of real processes, Redis and PostgreSQL: processes are killed, added and paused, servers restarted."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
import warm_python
from anyio.abc import TaskGroup
from insides import database_engine
from order_databases import CREDENTIALS
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from redis_failover import redis_with_failover
from servers import RedisServer, redis_binaries
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from spapi_async import Application, ConfigurationError, LeaseHeldError, Marketplace, SellerDirectory, SellingPartner
from spapi_async.cli.application import run
from spapi_async.emulator import Emulator
from spapi_async.fleet import Fleet, FleetLag, SellerState
from spapi_async.fleet._board import Board
from spapi_async.fleet._jobs import job_named
from spapi_async.ratelimit import LocalRateLimiter, RedisRateLimiter
from spapi_async.workflows.journal import Journal
from spapi_async.workflows.orders import (
    DEFAULT_DATASETS,
    Change,
    OrderDatabase,
    SellerFailed,
    SyncEvent,
    follow_orders,
    sync_orders,
)
from spapi_async.workflows.sellers import SellerEntry

pytest_plugins = ("sync_fixtures",)

SELLERS = 6
LISTINGS = "GET_MERCHANT_LISTINGS_ALL_DATA"
SEARCH = "orders_2026_01_01.search_orders"


@pytest.fixture
def sellers(tmp_path: Path) -> str:
    """A file of sellers."""
    return sellers_file(tmp_path, SELLERS)


def sellers_file(folder: Path, count: int) -> str:
    """A file of ``count`` sellers."""
    path = folder / "sellers.json"
    entries = [{"seller_id": f"A{n}", "region": "NA", "refresh_token": f"Atzr|{n}"} for n in range(count)]
    path.write_text(json.dumps(entries))
    path.chmod(0o600)
    return str(path)


class Processes:
    """A fleet's processes, as a user starts them."""

    def __init__(
        self, emulator: Emulator, redis: str, database: str, sellers: str, *, slice_seconds: float = 5
    ) -> None:
        self._variables = {**os.environ, **CREDENTIALS, "SP_API_ENDPOINT": emulator.url, "SP_API_REDIS": redis}
        self._options = ["--database", database, "--sellers", sellers, "--every", "1s", "--slice", str(slice_seconds)]
        self.running: list[warm_python.Process] = []

    def start(self, what: str) -> warm_python.Process:
        """Start a worker or a scheduler."""
        words = ["-m", "spapi_async", "fleet", what, *self._options]
        process = warm_python.start(words, env=self._variables, stderr=subprocess.PIPE)
        self.running.append(process)
        return process

    def end(self) -> None:
        """Kill what is left."""
        for process in self.running:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


@contextmanager
def fleet(*arguments: Any, **options: Any) -> Iterator[Processes]:
    """A fleet whose processes end with the block."""
    processes = Processes(*arguments, **options)
    try:
        yield processes
    finally:
        processes.end()


async def until(condition: Callable[[], Any], seconds: float = 300) -> None:
    """Wait until something is true, which may take a while on a busy machine."""
    with anyio.fail_after(seconds):
        while not await condition():
            await anyio.sleep(0.2)


async def any_complete(fleet: Fleet) -> bool:
    """Whether all orders of a seller are stored."""
    return any(state.complete_at for state in (await fleet.status()).sellers)


async def listening(redis_url: str) -> int:
    """How many workers have opened everything and take slices."""
    async with Redis.from_url(redis_url) as client:
        try:
            return len(await client.xinfo_consumers("spapi:fleet:orders:queue", "workers"))
        except ResponseError:  # none yet
            return 0


async def stored(database: OrderDatabase) -> dict[tuple[str, str], str]:
    """Every order with its last update."""
    async with database_engine(database).connect() as connection:
        rows = (await connection.execute(text("SELECT seller, order_id, last_updated_at FROM orders"))).all()
    return {(row.seller, row.order_id): str(row.last_updated_at.timestamp()) for row in rows}


def truth(emulator: Emulator) -> dict[str, str]:
    """What the emulator holds."""
    return {
        order.order_id: str(float(int(order.updated)))
        for seller in emulator.world.sellers
        for order in seller.orders.since(0)
    }


async def until_complete(url: str, emulator: Emulator) -> None:
    """Wait until the tables have every order of every seller in its last version."""
    async with OrderDatabase(url) as database:  # once: opening costs more than looking

        async def is_complete() -> bool:
            found = {order_id: updated for (_, order_id), updated in (await stored(database)).items()}
            return len(emulator.world.sellers) == SELLERS and found == truth(emulator)

        await until(is_complete)


async def changes(database: str) -> list[Change]:
    """Every entry of the change feed."""
    async with OrderDatabase(database) as opened:
        return [change async for change in opened.changes(limit=None)]


def assert_no_change_twice(found: list[Change]) -> None:
    """No version of an order was published twice."""
    versions = [(change.seller, change.order_id, change.updated_at) for change in found]
    assert len(versions) == len(set(versions))


@asynccontextmanager
async def working(fleet: Fleet) -> AsyncIterator[TaskGroup]:
    """Run a scheduler and a worker in this process during the block."""
    async with anyio.create_task_group() as group:
        group.start_soon(fleet.schedule)
        group.start_soon(fleet.work)
        yield group
        group.cancel_scope.cancel()


@pytest.mark.long
async def test_tables_are_complete_whatever_happens_to_processes(
    redis_url: str, postgres_url: str, sellers: str
) -> None:
    """Of two workers one is killed, one is added, one is paused beyond its lease and woken; connections are cut."""
    anchor = datetime.now(UTC).timestamp() - 3600
    async with Emulator(orders=40, rate_scale=2000, search_delay=0.0, anchor=anchor) as emulator:
        with fleet(emulator, redis_url, postgres_url, sellers) as processes:
            scheduler, first, second = (processes.start(what) for what in ("schedule", "worker", "worker"))

            async def begun() -> bool:
                return bool(emulator.stats()["tokens"]["lwa"] > 2 and await listening(redis_url) == 2)

            await until(begun)
            first.send_signal(signal.SIGKILL)  # it is not waited for, so its process id stays taken
            second.send_signal(signal.SIGSTOP)
            processes.start("worker")
            emulator.change_orders(add=2, update=3)
            await anyio.sleep(1)
            second.send_signal(signal.SIGCONT)
            await _cut_connections(postgres_url)
            emulator.change_orders(add=1, update=2)

            await until_complete(postgres_url, emulator)

            async def complete() -> bool:  # its last page is stored: a slice still has to report it
                status = await Fleet.status_of(redis_url)
                return len(status.sellers) == SELLERS and status.lag is not None

            await until(complete)
            scheduler.send_signal(signal.SIGTERM)
            second.send_signal(signal.SIGTERM)
            started = time.monotonic()
            for process in (scheduler, second):
                await anyio.to_thread.run_sync(process.wait)
                assert process.returncode == 0
            assert time.monotonic() - started < 12
        throttled = {name: counts["throttled"] for name, counts in emulator.stats()["operations"].items()}
        assert sum(throttled.values()) <= SELLERS  # at most one a bucket
    assert_no_change_twice(await changes(postgres_url))


async def test_a_worker_suspended_beyond_its_lease_writes_nothing_when_it_wakes(
    redis_url: str, postgres_url: str, tmp_path: Path
) -> None:
    """It has a page to write; another worker has taken the seller, whose rows and checkpoint do not change."""
    anchor = datetime.now(UTC).timestamp() - 3600
    async with (
        Emulator(orders=20, rate_scale=2000, search_delay=0.0, anchor=anchor) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
        OrderDatabase(postgres_url) as database,
    ):

        async def asked() -> bool:
            return SEARCH in emulator.stats()["operations"]

        async def noted() -> bool:
            return (await Fleet.status_of(redis_url)).sellers[0].due_at > 0

        places = (emulator, redis_url, postgres_url, sellers_file(tmp_path, 1))
        with fleet(*places, slice_seconds=60) as processes:
            emulator.faults({"operation": SEARCH, "hold": 2.0})
            sleeper, scheduler = processes.start("worker"), processes.start("schedule")
            await until(asked)
            sleeper.send_signal(signal.SIGSTOP)
            scheduler.kill()
            async with database_engine(database).begin() as connection:  # as if a minute had passed
                await connection.execute(text("UPDATE leases SET expires_at = expires_at - interval '2 minutes'"))
            emulator.change_orders(add=1, update=3)
            seller = app.selling_partner("Atzr|0", region="NA", seller_id="A0")
            assert (await sync_orders([seller], database)).failed == ()
            before = await _everything(database)
            sleeper.send_signal(signal.SIGCONT)
            await until(noted)
            sleeper.kill()
            assert sleeper.stderr is not None
            assert b"A0@na was taken over by another process" in await anyio.to_thread.run_sync(sleeper.stderr.read)
        assert await _everything(database) == before
        assert {order_id: updated for (_, order_id), updated in (await stored(database)).items()} == truth(emulator)


async def _everything(database: OrderDatabase) -> list[Any]:
    tables = ("orders", "order_items", "order_changes", "checkpoints", "leases", "quota_states")
    async with database_engine(database).connect() as connection:
        return [sorted(map(repr, (await connection.execute(text(f"SELECT * FROM {table}"))).all())) for table in tables]


async def _cut_connections(url: str) -> None:
    async with OrderDatabase(url) as database:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        cut = text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        async with database_engine(database).connect() as connection:
            await connection.execute(cut)


async def test_a_fleet_and_a_follower_share_a_database(redis_url: str, postgres_url: str, sellers: str) -> None:
    """A lease keeps a seller in one place at a time; neither fails, and nothing is lost or doubled."""
    anchor = datetime.now(UTC).timestamp() - 3600
    async with (
        Emulator(orders=20, rate_scale=2000, search_delay=0.0, anchor=anchor) as emulator,
        Application("app", "secret", endpoint=emulator.url, limiter=RedisRateLimiter(redis_url)) as app,
    ):
        made: dict[str, Any] = {"client_id": "app", "client_secret": "secret", "endpoint": emulator.url}
        fleet_of_one = Fleet(
            redis_url, postgres_url, SellerDirectory(sellers), slice_seconds=3, every=timedelta(seconds=1), **made
        )
        failures: list[SyncEvent] = []

        def heard(event: SyncEvent) -> None:
            if isinstance(event, SellerFailed):
                failures.append(event)

        followed = (await SellerDirectory(sellers).sellers(app))[:2]
        async with working(fleet_of_one) as group:
            group.start_soon(partial(follow_orders, followed, postgres_url, progress=heard))
            await until_complete(postgres_url, emulator)
            emulator.change_orders(update=2)
            await until_complete(postgres_url, emulator)
        assert failures == []
        assert all(state.failures == 0 for state in (await fleet_of_one.status()).sellers)
    # An order that a list names first is new without details, which other sources add: each of these is one change.
    found = await changes(postgres_url)
    versions = [(each.seller, each.order_id, each.updated_at, each.kind, each.source) for each in found]
    assert len(versions) == len(set(versions))


async def test_a_slice_skips_a_seller_that_another_process_holds(
    redis_url: str, postgres_url: str, tmp_path: Path
) -> None:
    """Nothing is requested or written, and it is no failure; when the seller is released, its turn comes."""
    sellers = SellerDirectory(sellers_file(tmp_path, 2))
    async with (
        Emulator(orders=3, rate_scale=2000, search_delay=0.0) as emulator,
        OrderDatabase(postgres_url) as database,
    ):
        made: dict[str, Any] = {"client_id": "app", "client_secret": "secret", "endpoint": emulator.url}
        fleet = Fleet(redis_url, postgres_url, sellers, slice_seconds=5, every=timedelta(hours=1), **made)
        lease = await database.hold("A0@na", "orders_2026_01_01", "a follower elsewhere", now=datetime.now(UTC))
        async with working(fleet):

            async def tried() -> bool:
                states = {state.seller: state for state in (await fleet.status()).sellers}
                return len(states) == 2 and states["A0@na"].due_at > 0 and states["A1@na"].complete_at is not None

            await until(tried)
            (held, _) = sorted((await fleet.status()).sellers, key=lambda state: state.seller)
            assert (held.complete_at, held.failures, held.reason) == (None, 0, "")
            assert {seller for seller, _ in await stored(database)} == {"A1@na"}
            assert emulator.stats()["operations"][SEARCH]["requests"] == 1
            await database.release(lease, now=datetime.now(UTC))

            async def complete() -> bool:
                return all(state.complete_at is not None for state in (await fleet.status()).sellers)

            await until(complete)
        assert {seller for seller, _ in await stored(database)} == {"A0@na", "A1@na"}


async def test_a_slice_that_found_a_seller_held_keeps_the_holders_notes(redis_url: str, tmp_path: Path) -> None:
    """The holder noted that it is complete and when it is due, after the slice had begun."""
    sellers = SellerDirectory(sellers_file(tmp_path, 1))
    noted = SellerState(seller="A0@na", due_at=time.time() + 3600, complete_at=time.time())

    async def job(seller: SellingPartner) -> None:
        async with Redis.from_url(redis_url) as client:  # as the worker that holds it
            await Board(client, "own", slice_seconds=5).put(noted)
        raise LeaseHeldError("held", seller=seller.name, stream="own", holder="another", expires_at=datetime.now(UTC))

    fleet = Fleet(redis_url, None, sellers, job=job, name="own", slice_seconds=5, client_id="a", client_secret="b")
    async with working(fleet):

        async def over() -> bool:
            status = await fleet.status()
            return bool(status.sellers and status.sellers[0].due_at and not status.queued)

        await until(over)
    assert (await fleet.status()).sellers == (noted,)


async def test_a_seller_that_is_queued_twice_has_one_slice(redis_url: str, tmp_path: Path) -> None:
    """Its mark expired before a worker came. The second slice finds that it is not due any more."""
    sellers = SellerDirectory(sellers_file(tmp_path, 1))
    slices: list[str] = []

    async def job(seller: SellingPartner) -> None:
        slices.append(seller.name)

    made: dict[str, Any] = {"job": job, "client_id": "a", "client_secret": "b", "every": timedelta(hours=1)}
    fleet = Fleet(redis_url, None, sellers, name="own", **made)
    queue = "spapi:fleet:own:queue"
    async with Redis.from_url(redis_url) as client, anyio.create_task_group() as group:

        async def queued_twice() -> bool:
            await client.delete("spapi:fleet:own:slices")  # as if it had expired
            return bool(await client.xlen(queue) >= 2)

        group.start_soon(fleet.schedule)
        await until(queued_twice)
        group.cancel_scope.cancel()
    async with Redis.from_url(redis_url) as client, anyio.create_task_group() as group:

        async def all_taken() -> bool:
            last = (await client.xinfo_stream(queue))["last-generated-id"]
            groups = await client.xinfo_groups(queue)  # not before the worker listens
            return bool(groups and groups[0]["last-delivered-id"] == last and groups[0]["pending"] == 0)

        group.start_soon(partial(fleet.work, concurrency=1))  # one after the other
        await until(all_taken)
        group.cancel_scope.cancel()
    assert slices == ["A0@na"]


async def test_a_job_of_the_users_own_runs_once_at_a_time(redis_url: str, tmp_path: Path) -> None:
    """However often its seller stands in the queue; a worker on another host is as good as this one."""
    sellers = SellerDirectory(sellers_file(tmp_path, 1))
    running, most, begun = 0, 0, 0

    async def job(_: SellingPartner) -> None:
        nonlocal running, most, begun
        running, begun = running + 1, begun + 1
        most = max(most, running)
        await until(all_taken)
        running -= 1

    made: dict[str, Any] = {"job": job, "client_id": "a", "client_secret": "b", "every": timedelta(hours=1)}
    fleets = [Fleet(redis_url, None, sellers, name="own", **made) for _ in range(2)]
    queue = "spapi:fleet:own:queue"
    async with Redis.from_url(redis_url) as client:

        async def queued_often() -> bool:
            await client.delete("spapi:fleet:own:slices")  # as if the mark had expired
            return bool(await client.xlen(queue) >= 4)

        async def all_taken() -> bool:
            last = (await client.xinfo_stream(queue))["last-generated-id"]
            (group,) = await client.xinfo_groups(queue)
            return bool(group["last-delivered-id"] == last and group["pending"] == 1)

        async def noted() -> bool:
            return (await fleets[0].status()).sellers[0].complete_at is not None

        async with anyio.create_task_group() as group:
            group.start_soon(fleets[0].schedule)
            await until(queued_often)
            group.cancel_scope.cancel()
        async with anyio.create_task_group() as group:
            for each in fleets:
                group.start_soon(each.work)
            await until(noted)
            group.cancel_scope.cancel()
    assert (begun, most) == (1, 1)


async def test_a_slice_is_described_without_the_others(redis_url: str, sellers: str) -> None:
    """Each cancellation describes its task: with six tasks in each other's descriptions, that held the loop up."""
    described: list[str] = []
    together = asyncio.Event()

    async def job(_: SellingPartner) -> None:
        described.append(repr(asyncio.current_task()))
        if len(described) == SELLERS:
            together.set()
        await together.wait()

    made: dict[str, Any] = {"client_id": "a", "client_secret": "b", "every": timedelta(hours=1)}
    fleet = Fleet(redis_url, None, SellerDirectory(sellers), job=job, name="own", **made)
    async with working(fleet):
        with anyio.fail_after(60):
            await together.wait()
    assert [text.count("<Task ") for text in described] == [1] * SELLERS


async def test_clocks_of_hosts_do_not_count(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose clock is a day ahead notes what another one would; the lag comes from the board."""
    sellers = SellerDirectory(sellers_file(tmp_path, 1))
    events: list[FleetLag] = []

    def heard(event: SyncEvent) -> None:
        if isinstance(event, FleetLag):
            events.append(event)

    made: dict[str, Any] = {"client_id": "a", "client_secret": "b", "every": timedelta(hours=1), "progress": heard}
    fleet = Fleet(redis_url, None, sellers, job=_nothing, name="own", **made)
    real = time.time
    monkeypatch.setattr("spapi_async.fleet._lag._EVERY", 0.05)
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    async with anyio.create_task_group() as group:
        group.start_soon(fleet.schedule)
        group.start_soon(fleet.work)

        async def reported() -> bool:
            return bool(events and events[-1].seller)

        await until(reported)
        group.cancel_scope.cancel()
    (state,) = (await fleet.status()).sellers
    assert state.complete_at == pytest.approx(real(), abs=600)
    assert state.due_at == pytest.approx(real() + 3600, abs=1000)
    assert ((await fleet.status()).lag or 0.0) < 600
    last = events[-1]
    assert (last.seller, last.sellers, last.due, last.new, last.revoked) == ("A0@na", 1, 0, 0, 0)
    assert last.lag < 600


async def test_a_redis_that_comes_back_empty_holds_a_fleet_up_and_no_more(
    redis_chaos: RedisServer, postgres_url: str, sellers: str
) -> None:
    """Queue, board and quotas are gone: sellers are listed and queued anew, and nothing is lost or doubled."""
    anchor = datetime.now(UTC).timestamp() - 3600
    async with Emulator(orders=20, rate_scale=2000, search_delay=0.0, anchor=anchor) as emulator:
        with fleet(emulator, redis_chaos.url, postgres_url, sellers) as processes:
            running = [processes.start(what) for what in ("schedule", "worker")]
            await until_complete(postgres_url, emulator)
            redis_chaos.restart_empty()
            emulator.change_orders(add=1, update=2)
            await until_complete(postgres_url, emulator)
            assert [process.poll() for process in running] == [None, None]
    assert_no_change_twice(await changes(postgres_url))


@pytest.mark.long
@pytest.mark.parametrize("binary", redis_binaries().values(), ids=redis_binaries())
async def test_a_fleet_follows_a_failover_of_redis(binary: str, tmp_path: Path) -> None:
    """The former primary goes on as a replica, to which scheduler and worker are still connected."""
    sellers = SellerDirectory(sellers_file(tmp_path, 3))
    slices: Counter[str] = Counter()

    async def job(seller: SellingPartner) -> None:
        slices[seller.name] += 1

    async def all_again() -> bool:
        return len(slices) == 3 and min(slices.values()) >= 2

    made: dict[str, Any] = {"job": job, "client_id": "a", "client_secret": "b", "every": timedelta(seconds=0.1)}
    made["slice_seconds"] = 1  # a slice that cannot be begun for 1.5 s is queued again after four
    async with redis_with_failover(binary) as redis, working(Fleet(redis.url, None, sellers, name="own", **made)):
        await until(all_again)
        redis.fail_over()
        slices.clear()
        await until(all_again)


async def test_a_seller_without_a_token_does_not_hold_up_others(redis_url: str, sqlite_url: str) -> None:
    """It is on the board, too, with the reason why its slices fail."""

    async def provider() -> list[SellerEntry]:
        entry = SellerEntry(seller_id="A1", region="NA", refresh_token_env="NOT_SET")
        return [entry, SellerEntry(seller_id="A2", region="NA", refresh_token="Atzr|2")]

    async with Emulator(orders=3, rate_scale=2000) as emulator:
        made: dict[str, Any] = {"client_id": "app", "client_secret": "secret", "endpoint": emulator.url}
        both = Fleet(redis_url, sqlite_url, SellerDirectory(provider, environ={}), **made)
        async with working(both):

            async def settled() -> bool:
                states = {state.seller: state for state in (await both.status()).sellers}
                return bool(states and states["A1@na"].failures and states["A2@na"].complete_at)

            await until(settled)
        reasons = {state.seller: state.reason for state in (await both.status()).sellers}
    assert reasons == {"A1@na": "environment variable NOT_SET is not set", "A2@na": ""}


async def test_a_fleet_syncs_what_it_is_asked_for(redis_url: str, sqlite_url: str, tmp_path: Path) -> None:
    """Marketplaces, data sets and personal data, as in a sync of one process."""
    made: dict[str, Any] = {"client_id": "app", "client_secret": "secret", "marketplaces": ["US"]}
    made |= {"datasets": [*DEFAULT_DATASETS, "BUYER"], "personal": "plain"}
    anchor = datetime.now(UTC).timestamp() - 3600  # personal data of older orders is not kept
    async with Emulator(orders=30, rate_scale=2000, anchor=anchor) as emulator:
        directory = SellerDirectory(sellers_file(tmp_path, 1))
        asking = Fleet(redis_url, sqlite_url, directory, endpoint=emulator.url, **made)
        async with working(asking):
            await until(partial(any_complete, asking))
        (target,) = {asked.target for asked in emulator.received if asked.operation == SEARCH}
    assert f"marketplaceIds={Marketplace.US.value}" in target
    assert "BUYER" in target
    async with OrderDatabase(sqlite_url) as database, database_engine(database).connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM order_personal"))).scalar_one() > 0


def test_a_worker_refuses_an_unknown_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before it connects to anything."""
    words = ["--redis", "redis://127.0.0.1:1", "--database", "sqlite://", "--sellers", sellers_file(tmp_path, 1)]
    assert run(["fleet", "worker", *words, "--sources", "mail"]) == 2
    assert "--sources takes search, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"marketplaces": ["XX"]}, "XX"),
        ({"sources": ["mail"]}, "mail"),
        ({"datasets": ["SHOES"]}, "SHOES"),
        ({"since": datetime(2026, 1, 1)}, "since"),  # noqa: DTZ001 - that is what is wrong
        ({"datasets": ["BUYER"]}, "personal data"),
    ],
)
async def test_what_is_wrong_for_all_sellers_ends_a_worker(sellers: str, wrong: dict[str, Any], said: str) -> None:
    """At its start and not in the first slice of each seller."""
    made: dict[str, Any] = {"client_id": "a", "client_secret": "b", **wrong}
    fleet = Fleet("redis://127.0.0.1:9", "sqlite:///never-made.db", SellerDirectory(sellers), **made)
    with pytest.raises(ConfigurationError, match=said):
        await fleet.work()


async def test_a_fleet_without_credentials_names_the_variables(sellers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read when a worker starts."""
    monkeypatch.delenv("LWA_APP_ID", raising=False)
    monkeypatch.delenv("LWA_CLIENT_SECRET", raising=False)
    fleet = Fleet("redis://127.0.0.1:9", "sqlite:///never-made.db", SellerDirectory(sellers))
    with pytest.raises(ConfigurationError, match="LWA_APP_ID"):
        await fleet.work()


@pytest.mark.parametrize("given", [{"client_id": "a"}, {"client_secret": "b"}, {"client_id": ""}], ids=str)
def test_half_of_the_credentials_is_refused(
    sellers: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment has both, but they may be those of another application."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="client_id and client_secret together"):
        Fleet("redis://127.0.0.1:9", "sqlite:///never-made.db", SellerDirectory(sellers), **given)


@pytest.mark.parametrize(
    "option",
    [
        {"marketplaces": ["US"]},
        {"sources": ["ids"]},
        {"datasets": ["BUYER"]},
        {"personal": "plain"},
        {"since": datetime(2026, 1, 1, tzinfo=UTC)},
    ],
)
def test_a_job_of_the_users_own_takes_no_options_of_the_order_sync(sellers: str, option: dict[str, Any]) -> None:
    """They would be ignored."""

    async def job(_: SellingPartner) -> None: ...

    with pytest.raises(ConfigurationError, match="order sync"):
        Fleet("redis://127.0.0.1:9", None, SellerDirectory(sellers), job=job, **option)


class Poor(LocalRateLimiter):
    """Foresees no quota for a day, like one process's part of it; in an outage of the store, or not."""

    def __init__(self, *, is_down: bool) -> None:
        super().__init__()
        self.store_is_down = lambda: is_down

    def forecast(self, *_: Any, **__: Any) -> float:
        """A day."""
        return 86_400.0


@pytest.mark.parametrize("is_down", [False, True])
async def test_an_outage_of_the_store_does_not_postpone_sellers(redis_url: str, sqlite_url: str, is_down: bool) -> None:
    """What a process foresees of its own part of the quota does not decide when a seller's next slice is due."""

    async def provider() -> list[SellerEntry]:
        return [SellerEntry(seller_id="A1", region="NA", refresh_token="Atzr|1")]

    async with Emulator(orders=3, rate_scale=2000) as emulator:
        made: dict[str, Any] = {"client_id": "app", "client_secret": "secret", "endpoint": emulator.url}
        poor = Fleet(redis_url, sqlite_url, SellerDirectory(provider), limiter=Poor(is_down=is_down), **made)
        async with working(poor):
            await until(partial(any_complete, poor))
        (state,) = (await poor.status()).sellers
    assert state.complete_at is not None
    assert (state.due_at - state.complete_at > 80_000) == (not is_down)


async def test_a_revoked_seller_is_set_aside_and_shown(
    redis_url: str, sqlite_url: str, sellers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others continue; the command line says which seller and why."""
    async with Emulator(orders=3, rate_scale=2000) as emulator:
        emulator.faults({"revoke_refresh_token": "Atzr|5"})
        made: dict[str, Any] = {
            "client_id": "app",
            "client_secret": "secret",
            "endpoint": emulator.url,
            "slice_seconds": 3,
        }
        with_sellers = Fleet(redis_url, sqlite_url, SellerDirectory(sellers), **made)
        async with working(with_sellers):

            async def settled() -> bool:
                status = await with_sellers.status()
                complete = [state for state in status.sellers if state.complete_at is not None]
                return status.revoked == 1 and len(complete) == SELLERS - 1

            await until(settled)
    (revoked,) = [state for state in (await with_sellers.status()).sellers if state.revoked]
    assert revoked.seller == "A5@na"
    assert "invalid_grant" in revoked.reason
    assert await anyio.to_thread.run_sync(run, ["fleet", "status", "--redis", redis_url]) == 0
    shown = capsys.readouterr().out
    assert "needs a new authorisation" in shown
    assert shown.count("search_orders: ") == SELLERS
    assert await anyio.to_thread.run_sync(run, ["fleet", "status", "--redis", redis_url, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["revoked"] == 1
    assert shown["quota"].keys() == {state["seller"] for state in shown["sellers"]}
    assert {limit["operation"] for limit in shown["quota"].values()} == {"orders_2026_01_01.search_orders"}


async def test_a_users_job_continues_where_it_was_interrupted(
    redis_url: str, sqlite_url: str, tmp_path: Path, sellers: str
) -> None:
    """A report that takes longer than a slice is requested once; a job that fails affects only its seller."""
    begun: Counter[str] = Counter()
    saved: set[str] = set()

    async def save_listings(seller: SellingPartner) -> None:
        begun[seller.name] += 1
        if seller.seller_id == "A3":
            raise ConfigurationError("no such folder")
        if seller.seller_id == "A4":
            raise OperationalError("SELECT 1", {"buyer": "Jane"}, Exception("cannot connect\nDETAIL: Jane"))
        run = await seller.reports.request(LISTINGS, marketplaces=["US"], reuse=timedelta(hours=20))
        await run.wait()
        async with run.document() as document:
            await document.save(tmp_path / f"{seller.seller_id}.tsv")
        saved.add(seller.name)

    async with Emulator(rate_scale=200, processing=2.0) as emulator:
        fleet = Fleet(
            redis_url, None, SellerDirectory(sellers), job=save_listings, journal=Journal(sqlite_url), name="own",
            every=timedelta(hours=24), slice_seconds=1.0, client_id="a", client_secret="b", endpoint=emulator.url,
        )  # fmt: skip
        async with working(fleet):

            async def settled() -> bool:
                states = (await fleet.status()).sellers
                return sum(state.complete_at is not None for state in states) == SELLERS - 2

            await until(settled)
        requests = emulator.stats()["operations"]["reports_2021_06_30.create_report"]["requests"]
    assert requests == SELLERS - 2
    assert max(begun.values()) > 1
    failed = {state.seller: state.reason for state in (await fleet.status()).sellers if state.complete_at is None}
    assert failed == {"A3@na": "no such folder", "A4@na": "OperationalError: cannot connect"}
    assert len(saved) == SELLERS - 2


async def test_the_example_of_a_job_runs(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found by its name as with ``--job``; a second call adopts what the first requested."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples" / "fleet"))
    job = job_named("nightly:listings")
    async with (
        Emulator(processing=0.1) as emulator,
        Application("a", "b", endpoint=emulator.url, journal=Journal(sqlite_url)) as app,
    ):
        seller = app.selling_partner("Atzr|1", marketplace="US", seller_id="A1")
        await job(seller)
        await job(seller)
        assert emulator.stats()["operations"]["reports_2021_06_30.create_report"]["requests"] == 1
    assert await anyio.Path("A1.parquet").exists()


@pytest.mark.parametrize("what", ["schedule", "work"])
async def test_a_fleet_ends_at_a_cancellation_at_any_time(
    redis_url: str, sellers: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come in the middle of any command to Redis; stopping does not take until its timeout."""
    monkeypatch.setattr("spapi_async.fleet._scheduler.LOOK", 0.001)
    monkeypatch.setattr("spapi_async.fleet._fleet._STOP_TIMEOUT", 3600.0)
    made: dict[str, Any] = {"client_id": "a", "client_secret": "b", "endpoint": "http://127.0.0.1:9"}
    for turns in range(80):
        fleet = Fleet(redis_url, None, SellerDirectory(sellers), job=_nothing, **made)
        task = asyncio.create_task(getattr(fleet, what)())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=60)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.01)
        assert ended


async def _nothing(seller: SellingPartner) -> None:
    """A job that is done at once."""


@pytest.mark.parametrize("what", ["schedule", "worker"])
def test_a_redis_that_is_away_at_the_start_is_one_line(
    what: str, sellers: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its URL may be wrong; a later outage is waited out."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    places = ["--redis", "redis://127.0.0.1:9", "--database", f"sqlite:///{tmp_path / 'o.db'}", "--sellers", sellers]
    assert run(["fleet", what, *places]) == 2
    assert "Redis cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(("database", "job"), [(None, None), ("sqlite:///o.db", print)])
def test_a_fleet_has_a_database_or_a_job(sellers: str, database: str | None, job: Any) -> None:
    """Without either it would do nothing, and with both one would be ignored."""
    with pytest.raises(ConfigurationError, match="either a database for orders or a job"):
        Fleet("redis://localhost", database, SellerDirectory(sellers), job=job)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--database URL for order sync, or --job"),
        (("--database", "sqlite:///o.db", "--job", "a:b"), "--database URL for order sync, or --job"),
        (("--job", "no_module_of_this_name:work"), "No module named 'no_module_of_this_name'"),
        (("--job", "json:nothing"), "nothing"),
        (("--job", "json"), "MODULE:FUNCTION"),
        (("--job", "sys:path"), "not a function"),
    ],
)
def test_an_invalid_job_is_a_usage_error(
    words: tuple[str, ...], said: str, sellers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error comes before any connection."""
    assert run(["fleet", "worker", "--redis", "redis://127.0.0.1:9", "--sellers", sellers, *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"slice_seconds": 61}, {"slice_seconds": 0}])
def test_a_slice_longer_than_the_queue_waits_is_refused(sellers: str, wrong: dict[str, Any]) -> None:
    """It would be handed out twice."""
    with pytest.raises(ConfigurationError, match="slice_seconds"):
        Fleet("redis://localhost", "sqlite:///o.db", SellerDirectory(sellers), **wrong)


def test_fleet_status_without_redis_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code says what failed."""
    assert run(["fleet", "status", "--redis", "redis://127.0.0.1:9"]) == 2
    assert "cannot be reached" in capsys.readouterr().err


def test_the_compose_file_names_commands_and_options_that_exist(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line itself parses each ``spapi-async`` line."""
    text_of = (Path(__file__).parents[2] / "examples" / "fleet" / "compose.yaml").read_text()
    commands = re.findall(r"exec spapi-async (.*?)\"", text_of, re.DOTALL)
    assert len(commands) == 2
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["fleet", "worker", "--help"]) == 0
    help_text = capsys.readouterr().out
    for command in commands:
        assert run([*command.split(), "--no-such-option"]) == 2
        words = [word for word in command.split() if word.startswith("--")]
        assert [word for word in words if word != "--log-format" and word not in help_text] == []
