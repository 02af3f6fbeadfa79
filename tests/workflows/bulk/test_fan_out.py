"""``fan_out``: a call for each item, in bounded memory, with nothing left running after the block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run, virtual_time

from spapi_async import ConfigurationError
from spapi_async.workflows.bulk import Done, Failed, fan_out


async def double(number: int) -> int:
    """Slower for smaller numbers; seven fails."""
    await asyncio.sleep(1 / (number + 1))
    if number == 7:
        raise ValueError(number)
    return number * 2


@given(st.integers(0, 30), st.integers(1, 9), st.booleans(), st.booleans())
@settings(max_examples=40)
def test_every_item_has_one_outcome(count: int, concurrency: int, ordered: bool, stream: bool) -> None:
    """Items may come from an iterable or an async iterable, and outcomes in the items' order on request."""

    async def items() -> AsyncIterator[int]:
        for number in range(count):
            await asyncio.sleep(0.01)
            yield number

    async def job() -> None:
        async with fan_out(double, items() if stream else range(count), concurrency, ordered=ordered) as outcomes:
            got = [outcome async for outcome in outcomes]
        assert (got if ordered else sorted(got, key=lambda each: each.item)) == [
            Done(n, n * 2) if n != 7 else next(each for each in got if isinstance(each, Failed)) for n in range(count)
        ]
        assert len(asyncio.all_tasks()) == 1

    run(job())


@virtual_time
async def test_an_endless_stream_does_no_harm() -> None:
    """There are as many calls as allowed, and as many outcomes that were not taken yet."""
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    async with fan_out(double, endless(), concurrency=5) as outcomes:
        await anext(outcomes)
        await asyncio.sleep(100)
        assert taken <= 11


@virtual_time
async def test_leaving_the_block_leaves_nothing_running() -> None:
    """Calls are cancelled and awaited, the items are closed, and the error that ended the block is raised."""
    ended = []

    async def slow(number: int) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.1)
            ended.append(number)

    async def items() -> AsyncIterator[int]:
        try:
            for number in range(100):
                yield number
        finally:
            ended.append(-1)

    async def leave() -> None:
        async with fan_out(slow, items(), concurrency=3):
            await asyncio.sleep(1)
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        await leave()
    assert sorted(ended) == [-1, 0, 1, 2]
    assert len(asyncio.all_tasks()) == 1


@virtual_time
async def test_an_error_of_the_items_is_raised_by_the_iteration() -> None:
    """It comes after the outcomes of the items before it."""

    def items() -> Iterator[int]:
        yield 1
        raise OSError("the file ended early")

    async with fan_out(double, items()) as outcomes:
        assert await anext(outcomes) == Done(1, 2)
        for _ in range(2):
            with pytest.raises(OSError, match="the file ended early"):
                await anext(outcomes)


@virtual_time
async def test_as_many_calls_as_allowed_are_under_way() -> None:
    """There are neither more nor fewer."""
    now = most = 0

    async def count(_: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(1)
        now -= 1

    async with fan_out(count, range(50), concurrency=7) as outcomes:
        async for _ in outcomes:
            pass
    assert most == 7
    assert asyncio.get_running_loop().time() == 8


async def test_no_concurrency_is_refused() -> None:
    """The error names the argument."""
    with pytest.raises(ConfigurationError, match="concurrency"):
        async with fan_out(double, [], concurrency=0):
            pass


@virtual_time
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_call_whose_awaited_task_was_cancelled_has_failed(concurrency: int, ordered: bool) -> None:
    """The call itself is not cancelled, and the other items go on."""

    async def call(number: int) -> int:
        if number == 1:
            shared = asyncio.ensure_future(asyncio.sleep(1e9))
            asyncio.get_running_loop().call_later(1, shared.cancel)
            await shared
        return number

    async with asyncio.timeout(60), fan_out(call, range(5), concurrency, ordered=ordered) as outcomes:
        got = sorted([outcome async for outcome in outcomes], key=lambda each: each.item)
    failed = got.pop(1)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error.__cause__, asyncio.CancelledError)
    assert got == [Done(number, number) for number in (0, 2, 3, 4)]


@virtual_time
@pytest.mark.parametrize("ordered", [False, True])
async def test_a_reader_that_stops_waiting_loses_no_outcome(ordered: bool) -> None:
    """It may limit the time for each outcome, and go on afterwards."""

    async def call(number: int) -> int:
        await asyncio.sleep(10 if number == 1 else 1)
        return number

    got: list[int] = []
    async with fan_out(call, range(4), concurrency=2, ordered=ordered) as outcomes:
        while len(got) < 4:
            with suppress(TimeoutError):
                async with asyncio.timeout(3):
                    got.append((await anext(outcomes)).item)
        with pytest.raises(StopAsyncIteration):
            await anext(outcomes)
    assert got == ([0, 1, 2, 3] if ordered else [0, 2, 3, 1])


@virtual_time
@pytest.mark.parametrize("ordered", [False, True])
async def test_several_readers_share_the_outcomes(ordered: bool) -> None:
    """Each outcome goes to one of them, and all of them see the end."""
    async with fan_out(double, range(7), concurrency=2, ordered=ordered) as outcomes:

        async def read() -> list[int]:
            return [outcome.item async for outcome in outcomes]

        async with asyncio.timeout(60):
            one, other = await asyncio.gather(read(), read())
    assert one
    assert other
    assert sorted(one + other) == list(range(7))
