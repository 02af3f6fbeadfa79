"""The shared limiter on each available kind of server: Redis, Valkey, and clusters of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from redis_limiters import SELLER, admit_all, limiters, make_account, make_operation, only, permit
from servers import RedisCluster, RedisServer, redis_binaries

from spapi_async.errors import ConnectionFailedError
from spapi_async.ratelimit.shared._store import Outage
from spapi_async.ratelimit.shared.redis._store import RedisStore

BOTH = make_operation(1 / 180, 5, application_rate=1 / 180, application_burst=3)
SLOW = make_operation(1 / 180, 5)
FAST = make_operation(20, 40)

each_server = pytest.mark.parametrize("binary", redis_binaries().values(), ids=redis_binaries())


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    """Three nodes of the newest available server, for all tests that leave it whole."""
    with RedisCluster(binary=list(redis_binaries().values())[-1]) as cluster:
        yield cluster


def key_of(prefix: str) -> str:
    """The bucket of the seller's SLOW calls."""
    return f"{prefix}:{{{SELLER.application}:{SELLER.region.value}:{SLOW.name}}}:{SELLER.name}"


@each_server
async def test_each_kind_of_server_shares_both_buckets_and_every_feedback(binary: str) -> None:
    """Bursts, headers and 429s are shared, keys expire, and values are read as they were written."""
    with RedisServer(binary=binary) as server:
        async with limiters(server.url) as (first, second):
            assert await admit_all(first, BOTH) + await admit_all(second, BOTH) == 3
            for _ in range(60):
                (await permit(first, FAST, make_account("other"))).observe(200, None)
            (await permit(first, SLOW, make_account("third"))).observe(429, 0.004)
            await first.refresh()
            assert await admit_all(second, SLOW, make_account("third")) == 0
            assert len(await second.snapshot_all()) >= 3
        assert all(int(server.command("PTTL", key.decode())) > 0 for key in server.command("KEYS", "*"))


@each_server
async def test_each_kind_of_server_may_be_killed_and_restarted_empty(binary: str) -> None:
    """Calls continue meanwhile, and the quota is shared again afterwards."""
    with RedisServer(binary=binary) as server:
        async with limiters(server.url, 1) as (limiter,), asyncio.timeout(60):
            (await permit(limiter, FAST)).observe(200, None)
            server.kill()
            with pytest.raises(ConnectionFailedError):
                await limiter.refresh()
            (await permit(limiter, FAST)).observe(200, None)
            server.start()
            while "down" in repr(limiter):
                await asyncio.sleep(0.02)
            assert only(await limiter.refresh()).rate == 20


async def test_a_cluster_holds_both_buckets_of_a_call_on_one_node(cluster: RedisCluster) -> None:
    """The keys of a call share a slot; those of other operations may lie on other nodes."""
    operations = [make_operation(1 / 180, 5, f"tests_v0.thing_{number}") for number in range(6)]
    async with limiters(cluster.url, 2, cluster=True, prefix="one") as (first, second):
        assert await admit_all(first, BOTH) + await admit_all(second, BOTH) == 3
        for operation in operations:
            assert await admit_all(first, operation) + await admit_all(second, operation) == 5
        assert len(await first.snapshot_all()) == 2 + len(operations)
    assert sum(bool(node.command("DBSIZE")) for node in cluster.nodes) > 1


async def test_a_slot_that_moved_is_followed() -> None:
    """MOVED leads to the node that has the slot now; the keys are kept, and no call fails."""
    with RedisCluster() as cluster:
        async with limiters(cluster.url, 1, cluster=True) as (limiter,), asyncio.timeout(60):
            (await permit(limiter, FAST)).observe(200, None)
            await limiter.refresh()
            key = key_of("spapi")
            cluster.move(key)
            for _ in range(30):
                (await permit(limiter, FAST)).observe(200, None)
            new_home = cluster.nodes[(cluster.nodes.index(cluster.owner(key)) + 1) % 3]
            while key.encode() not in new_home.command("KEYS", "*"):
                (await permit(limiter, FAST)).observe(200, None)
            while "down" in repr(limiter):
                await asyncio.sleep(0.02)
            assert only(await limiter.refresh()).rate == 20


async def test_a_dead_node_delays_no_call() -> None:
    """Calls whose keys are gone are served from this process's share of the quota, as are the others."""
    with RedisCluster() as cluster:
        async with limiters(cluster.url, 1, cluster=True) as (limiter,), asyncio.timeout(60):
            (await permit(limiter, SLOW)).observe(200, None)
            cluster.owner(key_of("spapi")).kill()
            with pytest.raises(ConnectionFailedError):
                await limiter.refresh()
            for number in range(20):
                (await permit(limiter, make_operation(100, 5, f"tests_v0.thing_{number}"))).observe(200, None)


async def test_a_probe_that_got_no_answer_leaves_no_connection_behind() -> None:
    """A late answer would be taken for that of the next command."""
    connections = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        with contextlib.suppress(OSError):
            while await reader.read(1000):
                pass
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = RedisStore(f"redis://127.0.0.1:{port}/0", prefix="spapi", cluster=False, timeout=0.05, me="me")
    for number in (1, 2, 3):
        with pytest.raises(Outage):
            await store.probe()
        async with asyncio.timeout(10):
            while len(connections) < number:
                await asyncio.sleep(0.01)
    await store.disconnect()
    server.close()
    await server.wait_closed()
