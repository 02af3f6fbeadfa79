"""Tokens in Redis: encrypted, bound to their key, shared by all workers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from cryptography.fernet import Fernet
from fake_amazon import PLAIN, FakeAmazon, account, authenticator, request
from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis_failover import redis_with_failover
from servers import RedisServer, redis_chaos, redis_server, redis_url  # noqa: F401 - fixtures

from spapi_async._core.clock import SystemClock
from spapi_async.auth import RedisTokenStore
from spapi_async.credentials import Secret
from spapi_async.errors import ConfigurationError

KEY = Fernet.generate_key().decode()
OTHER = Fernet.generate_key().decode()


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisTokenStore]:  # noqa: F811
    """A store in an empty Redis."""
    store = RedisTokenStore(redis_url, keys=[KEY], timeout=60)
    yield store
    await store.aclose()


async def test_an_entry_is_returned_until_it_expires(store: RedisTokenStore) -> None:
    """Redis keeps its lifetime."""
    await store.set("k", b"v\0w", ttl=600)
    assert await store.get("k") == b"v\0w"
    await store.set("k", b"v\0w", ttl=0.05)
    while await store.get("k") is not None:
        await asyncio.sleep(0.01)
    await store.set("k", b"v", ttl=600)
    await store.delete("k")
    assert await store.get("k") is None


async def test_lifetimes_are_seconds(store: RedisTokenStore, redis_url: str) -> None:  # noqa: F811
    """Entries and leases live for seconds, fractions included."""
    await store.set("k", b"v", ttl=600)
    await store.acquire("k", "me", ttl=30.5)
    async with Redis.from_url(redis_url) as redis:
        left = sorted([await redis.pttl(key) for key in await redis.keys()])
    assert 20_000 < left[0] <= 30_500
    assert 500_000 < left[1] <= 600_000


async def test_nothing_readable_reaches_redis(store: RedisTokenStore, redis_url: str) -> None:  # noqa: F811
    """Neither values nor keys contain the entry's text."""
    await store.set("k", b"MARK", ttl=600)
    async with Redis.from_url(redis_url) as redis:
        keys: Any = await redis.keys()
        values = [await redis.get(key) for key in keys]
    assert len(keys) == 1
    assert "MARK" not in repr((keys, values))


async def test_an_entry_moved_to_another_key_is_ignored(
    store: RedisTokenStore,
    redis_url: str,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A program that can write to Redis cannot give one seller's token to another."""
    await store.set("seller-a", b"MARK", ttl=600)
    async with Redis.from_url(redis_url) as redis:
        await redis.copy("spapi_async:token:seller-a", "spapi_async:token:seller-b")
    assert await store.get("seller-b") is None
    assert "moved" in caplog.text
    assert "MARK" not in caplog.text


async def test_keys_rotate_without_losing_entries(redis_url: str) -> None:  # noqa: F811
    """The first key encrypts and every key decrypts; an entry whose key is gone counts as absent."""
    old = RedisTokenStore(redis_url, keys=[KEY], timeout=60)
    both = RedisTokenStore(redis_url, keys=[Secret(OTHER), KEY], timeout=60)
    new = RedisTokenStore(redis_url, keys=[OTHER], timeout=60)
    await old.set("k", b"1", ttl=600)
    assert await both.get("k") == b"1"
    assert await new.get("k") is None
    await both.set("k", b"2", ttl=600)
    assert await new.get("k") == b"2"
    for store in (old, both, new):
        await store.aclose()


@pytest.mark.parametrize("keys", [[], [KEY, "short"], KEY, [""]], ids=["none", "one too short", "no list", "empty"])
def test_keys_that_cannot_work_are_refused(keys: list[str]) -> None:
    """The error comes at once, without showing them."""
    with pytest.raises(ConfigurationError, match="Fernet key") as caught:
        RedisTokenStore(keys=keys)
    assert KEY not in str(caught.value)


async def test_a_lease_has_one_owner(store: RedisTokenStore) -> None:
    """Only its owner can give it back, and it ends by itself."""
    assert await store.acquire("k", "one", ttl=600)
    assert not await store.acquire("k", "two", ttl=600)
    await store.release("k", "two")
    assert not await store.acquire("k", "two", ttl=600)
    await store.release("k", "one")
    assert await store.acquire("k", "two", ttl=0.05)
    while not await store.acquire("k", "three", ttl=600):
        await asyncio.sleep(0.01)


async def test_twenty_workers_cost_one_call(redis_url: str) -> None:  # noqa: F811
    """They start at the same time, each with connections of its own."""
    amazon = FakeAmazon()
    stores = [RedisTokenStore(redis_url, keys=[KEY], timeout=60) for _ in range(20)]
    workers = [authenticator(amazon, store=store, clock=SystemClock()) for store in stores]
    for worker in workers:
        worker.wait_for_the_store(60)  # on a busy machine, the store is still waited for
    tokens = await asyncio.gather(*(worker.token(PLAIN, account(), request()) for worker in workers))
    assert set(tokens) == {"Atza|Atzr|a#1"}
    assert len(amazon.forms) == 1
    for worker in workers:
        await worker.aclose()


@pytest.mark.parametrize("outage", ["kill", "pause", "fill"])
async def test_no_call_fails_without_redis(
    redis_chaos: RedisServer,  # noqa: F811
    outage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Dead, silent or full: the worker fetches its own token, and logs once which Redis it is, without any token."""
    caplog.set_level(logging.DEBUG, logger="spapi_async")
    store = RedisTokenStore(redis_chaos.url, keys=[KEY], timeout=0.2)
    with suppress(RedisError):  # too slow on a busy machine
        await store.get("warm the connection up")
    getattr(redis_chaos, outage)()
    auth = authenticator(FakeAmazon(latency=0), store=store, clock=SystemClock())
    assert await auth.token(PLAIN, account(), request()) == "Atza|Atzr|a#1"
    assert caplog.text.count(f"redis://127.0.0.1:{redis_chaos.port}/0> cannot be used") == 1
    assert "Atz" not in caplog.text
    await auth.aclose()


async def test_a_store_follows_a_failover() -> None:
    """Its connection to the former primary, which refuses to write, stays open, but is not used again."""
    async with redis_with_failover() as redis:
        store = RedisTokenStore(redis.url, keys=[KEY], timeout=60)
        await store.set("k", b"before", ttl=600)
        redis.fail_over()
        with suppress(RedisError):
            await store.set("k", b"lost", ttl=600)
        assert await store.acquire("k", "me", ttl=600)
        await store.set("k", b"after", ttl=600)
        assert await store.get("k") == b"after"
        await store.aclose()


async def test_a_store_shows_no_secret() -> None:
    """Its repr shows neither keys nor the password in the URL."""
    store = RedisTokenStore("redis://:MARK@localhost/0", keys=[KEY])
    assert repr(store) == "<RedisTokenStore redis://localhost/0>"
    await store.aclose()


def test_a_new_key_works() -> None:
    """It is a Secret, so that no log shows it."""
    RedisTokenStore(keys=[RedisTokenStore.new_key()])
