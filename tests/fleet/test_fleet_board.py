"""The board in Redis by which the processes of a fleet know which sellers are due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from spapi_async.fleet._board import Board, SellerState


@pytest.fixture
async def board(redis_url: str) -> AsyncIterator[Board]:
    """An empty board."""
    async with Redis.from_url(redis_url) as client:
        yield Board(client, "test", slice_seconds=50)


async def test_due_sellers_come_in_order_and_others_not_at_all(board: Board) -> None:
    """A revoked seller is never due; a seller with a later time is due then."""
    times = {"A": 30.0, "B": 10.0, "C": 50.0, "D": 20.0}
    await board.put(*(SellerState(seller=seller, due_at=at) for seller, at in times.items()))
    await board.put(SellerState(seller="D", due_at=20.0, revoked=True))
    assert await board.due(30.0) == [("B", 10.0), ("A", 30.0)]
    await board.put(SellerState(seller="B", due_at=40.0), SellerState(seller="D", due_at=20.0))
    assert [seller for seller, _ in await board.due(45.0)] == ["D", "A", "B"]
    assert [state.seller for state in await board.states()] == ["D", "A", "B", "C"]


async def test_a_board_follows_the_directory(board: Board) -> None:
    """A new seller is due at once, a removed one never again; the others do not change, however many there are."""
    await board.keep(["A", "B"])
    await board.put(SellerState(seller="B", due_at=70.0, complete_at=5.0))
    many = [f"S{number:04}" for number in range(2500)]
    await board.keep(["B", *many])
    assert [seller for seller, _ in await board.due(60.0)] == many
    assert await board.state("B") == SellerState(seller="B", due_at=70.0, complete_at=5.0)
    assert len(await board.states()) == 2501


async def test_no_command_reads_the_whole_board(redis_url: str, board: Board) -> None:
    """Redis runs one command at a time, so requests for quota would wait for it."""
    many = [f"S{number:04}" for number in range(2500)]
    await board.keep(many)
    await board.put(SellerState(seller="S0007", revoked=True))
    async with Redis.from_url(redis_url) as client:
        await client.config_resetstat()
        assert (len(await board.states()), await board.queued(many), await board.revoked()) == (2500, 0, ["S0007"])
        await board.keep(many[:1200])
        statistics = await client.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): each["calls"] for name, each in statistics.items()}
    assert {"hgetall", "zrange"}.isdisjoint(calls)
    assert [calls[name] for name in ("mget", "hdel", "zrem")] == [3, 2, 2]
    assert min(calls["hscan"], calls["zscan"]) >= 2
    assert {state.seller for state in await board.states()} == set(many[:1200])


async def test_concurrent_changes_of_a_seller_both_count(board: Board) -> None:
    """A seller that has left the board stays away."""
    await board.keep(["A"])
    changing = [board.change("A", lambda state: replace(state, failures=state.failures + 1)) for _ in range(20)]
    await asyncio.gather(*changing, board.change("B", lambda state: state))
    assert await board.states() == [SellerState(seller="A", failures=20)]
    await board.change("A", lambda state: replace(state, due_at=0.1 + 0.2))
    assert await board.due(0.1 + 0.2) == [("A", 0.1 + 0.2)]
    assert [await board.is_due("A", due_at) for due_at in (0.1 + 0.2, 0.3)] == [True, False]
    assert not await board.is_due("B", 0.0)


async def test_a_seller_has_one_place_in_the_queue(board: Board) -> None:
    """It keeps it until its slice is over."""
    assert [await board.mark("A"), await board.mark("A"), await board.mark("B")] == [True, False, True]
    assert await board.queued(["A", "B", "C"]) == 2
    await board.unmark("A")
    assert await board.mark("A")
