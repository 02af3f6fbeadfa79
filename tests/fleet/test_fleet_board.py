"""The board in Redis by which the processes of a fleet know which sellers are due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from redis_failover import redis_with_failover
from servers import redis_binaries

from spapi_async.fleet._board import Board, SellerState, Slice, Totals


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
    many = [f"S{number:04}" for number in range(1200)]
    await board.keep(["B", *many])
    assert [seller for seller, _ in await board.due(60.0)] == many
    assert await board.state("B") == SellerState(seller="B", due_at=70.0, complete_at=5.0)
    assert len(await board.states()) == 1201


@pytest.mark.parametrize("binary", redis_binaries().values(), ids=redis_binaries())
async def test_a_board_follows_a_failover(binary: str) -> None:
    """The former primary is not asked when its sellers are due, though a connection to it is open."""
    async with redis_with_failover(binary) as redis, Redis.from_url(redis.url) as former:
        board = Board(former, "test", slice_seconds=50)
        await board.put(SellerState(seller="A", due_at=100.0))
        redis.fail_over()
        async with Redis.from_url(redis.url) as client:
            await Board(client, "test", slice_seconds=50).put(SellerState(seller="A", due_at=200.0))
        each = Slice(seller="A", due_at=200.0, worker="worker")
        assert await board.begin(each)
        assert await board.end(each, lambda state, _: replace(state, due_at=300.0))
        assert await board.state("A") == SellerState(seller="A", due_at=300.0)


async def test_no_command_reads_the_whole_board(redis_url: str, board: Board) -> None:
    """Redis runs one command at a time, so requests for quota would wait for it."""
    many = [f"S{number:04}" for number in range(1200)]
    await board.keep(many)
    await board.put(SellerState(seller="S0007", revoked=True))
    async with Redis.from_url(redis_url) as client:
        await client.config_resetstat()
        assert (len(await board.states()), await board.queued(0.0), await board.revoked()) == (1200, 0, ["S0007"])
        await board.keep(many[:100])
        statistics = await client.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): each["calls"] for name, each in statistics.items()}
    assert {"hgetall", "zrange"}.isdisjoint(calls)
    assert [calls[name] for name in ("hdel", "zrem")] == [4, 10]
    assert min(calls["hscan"], calls["zscan"]) >= 2
    assert {state.seller for state in await board.states()} == set(many[:100])


async def test_concurrent_changes_of_a_seller_both_count(board: Board) -> None:
    """A seller that has left the board stays away."""
    await board.keep(["A"])
    changing = [board.change("A", lambda state: replace(state, failures=state.failures + 1)) for _ in range(20)]
    await asyncio.gather(*changing, board.change("B", lambda state: state))
    assert await board.states() == [SellerState(seller="A", failures=20)]
    await board.change("A", lambda state: replace(state, due_at=0.1 + 0.2))
    assert await board.due(0.1 + 0.2) == [("A", 0.1 + 0.2)]


async def test_a_seller_has_one_place_in_the_queue(board: Board) -> None:
    """Until its slice is over, or the mark has expired because nothing was heard of it."""
    await board.keep(["A", "B", "C"])
    assert await board.mark({"A": 0.0, "B": 0.0}, 1000.0) == ["A", "B"]
    assert await board.mark({"B": 0.0, "C": 0.0, "A": 0.0}, 1101.0) == ["C"]
    assert (await board.queued(1101.0), await board.queued(1102.0)) == (3, 1)
    await board.unmark(["A"])
    assert await board.mark({"A": 0.0, "C": 0.0}, 1101.0) == ["A"]
    assert await board.mark({"B": 0.0}, 1103.0) == ["B"]


async def test_a_slice_that_ends_while_due_sellers_are_queued_is_not_queued_again(board: Board) -> None:
    """Its seller was due when they were read. Otherwise the mark of a slice that does nothing would keep it waiting."""
    await board.put(SellerState(seller="A", due_at=0.1 + 0.2), SellerState(seller="B", due_at=10.0))
    due = dict(await board.due(10.0))
    ended = Slice(seller="A", due_at=due["A"], worker="one 1")
    assert await board.begin(ended)
    assert await board.end(ended, lambda state, now: replace(state, due_at=now.at + 60))
    assert await board.mark({**due, "gone": 10.0}, 10.0) == ["B"]
    later = dict(await board.due((await board.state("A")).due_at))
    assert await board.mark({"A": later["A"]}, 10.0) == ["A"]


async def test_one_worker_has_a_slice(board: Board) -> None:
    """Who finds another one running it, or that it was due before and is not now, does nothing."""
    await board.put(SellerState(seller="A", due_at=10.0))
    ours, theirs = (Slice(seller="A", due_at=10.0, worker=worker) for worker in ("one 1", "two 1"))
    assert [await board.begin(each) for each in (replace(ours, due_at=9.0), ours, theirs, ours)] == [
        False, True, False, True,
    ]  # fmt: skip
    await board.leave(theirs)
    await board.unmark(["A"])
    assert not await board.begin(theirs)
    await board.leave(ours)
    assert await board.begin(theirs)
    assert await board.end(theirs, lambda state, now: replace(state, due_at=now.at + 60))
    assert not await board.begin(ours)
    assert await board.queued(0.0) == 0


async def test_a_slice_keeps_its_seller_for_longer_than_it_lasts(board: Board) -> None:
    """Otherwise another worker could begin one meanwhile; but a seller whose worker has died is not kept for long."""
    assert 50 < board.runs < 100


@pytest.mark.parametrize("is_over", [True, False])
async def test_a_slice_that_was_overtaken_notes_nothing(redis_url: str, is_over: bool) -> None:
    """Its worker was suspended until the mark had expired. The other slice runs, or is over."""
    async with Redis.from_url(redis_url) as client:
        board = Board(client, "test", slice_seconds=0.0)
        await board.keep(["A"])
        ours, theirs = (Slice(seller="A", due_at=0.0, worker=worker) for worker in ("one 1", "two 1"))
        assert await board.begin(ours)
        assert await board.begin(theirs)
        if is_over:
            assert await board.end(theirs, lambda state, now: replace(state, due_at=60.0))
        before = await board.states()
        assert not await board.end(ours, lambda state, now: replace(state, due_at=70.0, failures=3))
        assert await board.states() == before
        if not is_over:
            assert await board.end(theirs, lambda state, now: replace(state, due_at=60.0))


async def test_a_slice_whose_mark_is_lost_is_noted_all_the_same(board: Board) -> None:
    """Redis may lose its last second, or a whole board; then the outcome is of no use to a seller that is new."""
    await board.put(SellerState(seller="A", due_at=10.0))
    ours = Slice(seller="A", due_at=10.0, worker="one 1")
    assert await board.begin(ours)
    await board.leave(ours)
    assert await board.mark({"A": 10.0}, 0.0) == ["A"]
    assert await board.end(ours, lambda state, now: replace(state, due_at=20.0))
    assert (await board.state("A")).due_at == 20.0
    await board.keep([])
    assert not await board.end(ours, lambda state, now: replace(state, due_at=30.0))
    await board.keep(["A"])
    assert not await board.end(ours, lambda state, now: replace(state, due_at=30.0))
    assert await board.states() == [SellerState(seller="A")]


async def test_a_board_in_numbers(board: Board) -> None:
    """Who is furthest behind counts, whoever worked on it; not those that need a new authorisation."""
    now = (await board.clock()).shown.at
    await board.put(
        SellerState(seller="A", due_at=now + 60, complete_at=now - 100),
        SellerState(seller="B", due_at=now - 60, complete_at=now - 300, reconciled_to={"2h": now - 9000}),
        SellerState(seller="C", due_at=now - 60, complete_at=now - 9000, revoked=True, reconciled_to={"2h": 5.0}),
        SellerState(seller="D"),
    )
    await board.mark({"B": now - 60}, now)
    totals = await board.totals()
    assert (totals.sellers, totals.due, totals.queued, totals.new, totals.revoked) == (4, 2, 1, 1, 1)
    assert totals.furthest is not None
    assert totals.furthest[0] == "B"
    assert totals.furthest[1] == pytest.approx(300, abs=30)
    assert totals.reconciled == {"2h": pytest.approx(9000, abs=30)}
    ours = Slice(seller="B", due_at=now - 60, worker="one 1")
    assert await board.begin(ours)
    assert await board.end(ours, lambda state, at: replace(state, complete_at=at.at, due_at=at.at + 60))
    assert ((await board.totals()).furthest or "")[0] == "A"
    await board.change("A", lambda state: replace(state, revoked=True))
    assert ((await board.totals()).furthest or "")[0] == "B"
    await board.keep([])
    assert await board.totals() == Totals(sellers=0, due=0, queued=0, new=0, revoked=0, furthest=None, reconciled={})
