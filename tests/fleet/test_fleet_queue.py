"""Slices in a Redis stream: those of a worker that was killed, and those that the stream has dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from redis.asyncio import Redis
from redis.exceptions import ReadOnlyError

from spapi_async.fleet import _queue
from spapi_async.fleet._queue import Queue, queue_of

GROUP = ("spapi:fleet:test:queue", "workers")


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Any]:
    """A client of a Redis with an empty queue."""
    async with Redis.from_url(redis_url) as client:
        await client.xgroup_create(*GROUP, id="0", mkstream=True)
        yield client


@pytest.fixture
async def queue(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Queue]:
    """A worker's queue that looks for lost slices each time."""
    monkeypatch.setattr(_queue, "_CLAIM_EVERY", 0.0)
    opened = queue_of(redis_url, "test", slice_seconds=0.0)
    yield opened
    await opened.shutdown()


async def test_slices_of_a_killed_worker_are_delivered_again(redis: Any, queue: Queue) -> None:
    """But for one that the stream has dropped meanwhile, which is nobody's after that."""
    added = [await redis.xadd(GROUP[0], {"data": str(number)}) for number in range(4)]
    await redis.xreadgroup(GROUP[1], "the killed", {GROUP[0]: ">"}, count=3)
    await redis.xdel(GROUP[0], added[1])
    messages = queue.listen()
    taken = [await anext(messages) for _ in range(3)]
    await messages.aclose()
    assert [message.data for message in taken] == [b"3", b"0", b"2"]
    left = await redis.xpending_range(*GROUP, "-", "+", 10)
    assert [each["message_id"] for each in left] == [added[0], added[2], added[3]]
    for message in taken:
        await message.ack()  # type: ignore[misc]
    assert await redis.xpending_range(*GROUP, "-", "+", 10) == []


async def test_a_slice_that_another_worker_claims_at_the_same_time_stays_that_workers(
    redis: Any, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the stream: acknowledged here, it would be lost with the other worker."""
    lost, *_ = [await redis.xadd(GROUP[0], {"data": str(number)}) for number in range(3)]
    await redis.xreadgroup(GROUP[1], "the killed", {GROUP[0]: ">"}, count=1)
    claim = Redis.xclaim

    async def claimed_before(client: Any, name: str, group: str, _: str, *rest: Any) -> list[Any]:
        await claim(client, name, group, "another", *rest)
        return []

    monkeypatch.setattr(Redis, "xclaim", claimed_before)
    messages = queue.listen()
    assert [(await anext(messages)).data for _ in range(2)] == [b"1", b"2"]
    await messages.aclose()
    assert lost in [each["message_id"] for each in await redis.xpending_range(*GROUP, "-", "+", 10, "another")]


async def test_lost_slices_are_looked_for_every_few_seconds(
    redis_url: str, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when a worker starts, and not after each slice."""
    now = 0.0
    monkeypatch.setattr(anyio, "current_time", lambda: now)
    for number in range(5):
        await redis.xadd(GROUP[0], {"data": str(number)})
    queue = queue_of(redis_url, "test", slice_seconds=0.0)
    messages = queue.listen()

    async def taken() -> bytes:
        message = await anext(messages)
        await message.ack()  # type: ignore[misc]
        return message.data

    assert [await taken() for _ in range(2)] == [b"0", b"1"]
    await redis.xreadgroup(GROUP[1], "the killed", {GROUP[0]: ">"}, count=1)
    now = 4.0
    assert await taken() == b"3"
    now = 10.0
    assert await taken() == b"2"
    await messages.aclose()
    await queue.shutdown()


async def test_what_cannot_be_acknowledged_is_delivered_again(
    redis: Any, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is no error: the slice is over, and noted."""
    await redis.xadd(GROUP[0], {"data": "0"})
    messages = queue.listen()
    message = await anext(messages)

    async def refused(*_: object) -> None:
        raise ReadOnlyError

    with monkeypatch.context() as patch:
        patch.setattr(Redis, "xack", refused)
        await message.ack()  # type: ignore[misc]
    assert (await anext(messages)).data == b"0"
    await messages.aclose()


async def test_workers_that_ended_long_ago_are_forgotten(
    redis: Any, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each start of a worker makes another one; those that have left a slice stay until that is delivered again."""
    monkeypatch.setattr(_queue, "_FORGOTTEN_AFTER", -1)
    for name in ("ended", "killed"):
        await redis.xgroup_createconsumer(*GROUP, name)
    await redis.xadd(GROUP[0], {"data": "0"})
    await redis.xreadgroup(GROUP[1], "killed", {GROUP[0]: ">"})
    messages = queue.listen()
    with anyio.fail_after(60):
        await anext(messages)
    await messages.aclose()
    names = {each["name"].decode() for each in await redis.xinfo_consumers(*GROUP)}
    assert names == {"killed", queue.consumer_name}
