"""What a worker does with a slice when its seller is taken from it, Redis is away, or the directory is broken."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError
from servers import RedisServer
from virtual_time import virtual_time

from spapi_async import ConfigurationError, LeaseHeldError
from spapi_async.fleet import _worker
from spapi_async.fleet._board import Board, SellerState, Slice
from spapi_async.fleet._board_time import BoardTime
from spapi_async.fleet._worker import Worker

NOW = 1_800_000_000.0


class FakeBoard:
    """A board that answers as a test says; the last answer holds."""

    runs = 75.0

    def __init__(self, *, begin: list[bool | Exception], end: list[bool | Exception] | None = None) -> None:
        self._answers = {"begin": begin, "end": end or [True]}
        self.noted: list[SellerState] = []
        self.left = 0

    def _answer(self, what: str) -> bool:
        answers = self._answers[what]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def begin(self, _: Slice) -> bool:
        """Whether the slice has the seller."""
        return self._answer("begin")

    async def end(self, each: Slice, change: Callable[[SellerState, BoardTime], SellerState]) -> bool:
        """Whether the outcome was noted."""
        if is_noted := self._answer("end"):
            self.noted.append(change(SellerState(seller=each.seller), BoardTime(NOW + 5, ahead=5.0)))
        return is_noted

    async def leave(self, _: Slice) -> None:
        """It is over, noted or not; like a command to Redis, this does not happen in a cancelled scope."""
        await anyio.lowlevel.checkpoint()
        self.left += 1


class FakeDirectory:
    """One seller, or an entry that cannot be used."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.revoked: dict[str, str] = {}

    async def seller(self, _: Any, name: str) -> Any:
        """Its handle."""
        if self._error is not None:
            raise self._error
        return type("Seller", (), {"name": name})()


def worker(board: FakeBoard | Board, job: Any, directory: FakeDirectory | None = None) -> Worker:
    """A worker with a slice of 50 seconds."""
    parts: Any = (None, job, board, directory or FakeDirectory())
    return Worker(
        *parts, slice_seconds=50.0, every=180.0, quota_in=lambda _: 0.0, reconciled_to=lambda _: {"2h": NOW - 60}
    )


def seconds() -> float:
    """Of virtual time."""
    return asyncio.get_running_loop().time()


@virtual_time
async def test_a_slice_ends_when_another_one_has_its_seller() -> None:
    """At the next look, and not at its own end; it is suspended jobs that this concerns."""
    cut_off_at: list[float] = []

    async def job(_: Any) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            cut_off_at.append(seconds())

    board = FakeBoard(begin=[True, False], end=[False])
    await worker(board, job).slice_of("A@na", 0.0)
    assert cut_off_at == [25.0]
    assert board.noted == []


@virtual_time
async def test_a_seller_is_kept_to_a_job_that_cleans_up() -> None:
    """For as long as that takes: another slice would begin in the middle of it."""

    async def job(_: Any) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(60)

    asked_at: list[float] = []

    class Asked(FakeBoard):
        async def begin(self, each: Slice) -> bool:
            asked_at.append(seconds())
            return await super().begin(each)

    board = Asked(begin=[True, True, RedisConnectionError(), True])
    await worker(board, job).slice_of("A@na", 0.0)
    assert asked_at == [0.0, 25.0, 50.0, 75.0, 100.0]
    assert seconds() == 110
    assert [(state.due_at, state.complete_at) for state in board.noted] == [(NOW + 5, None)]


@virtual_time
@pytest.mark.parametrize("error", [RedisConnectionError(), ReadOnlyError()])
async def test_an_outage_of_redis_does_not_make_work_be_done_twice(error: Exception) -> None:
    """The outcome is noted when it is over, if it is over while the slice still has its seller."""

    async def job(_: Any) -> None: ...

    board = FakeBoard(begin=[True], end=[error] * 60 + [True])
    await worker(board, job).slice_of("A@na", 0.0)
    assert seconds() == 60
    (state,) = board.noted
    assert state.complete_at == NOW + 5
    assert state.reconciled_to == {"2h": NOW - 55}
    board = FakeBoard(begin=[True], end=[error])
    await worker(board, job).slice_of("A@na", 0.0)
    assert 60 + 75 <= seconds() <= 60 + 77
    assert (board.noted, board.left) == ([], 1)


async def test_a_slice_that_cannot_begin_in_an_outage_begins_after_it(
    redis_chaos: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis refuses writes for a moment, as in a failover; without it, its seller would wait until the mark expires."""
    monkeypatch.setattr(_worker, "PAUSE", 0.01)

    async def job(_: Any) -> None: ...

    async with Redis.from_url(redis_chaos.url) as client:
        board = Board(client, "test", slice_seconds=50)
        await board.keep(["A@na"])
        await board.mark({"A@na": 0.0}, (await board.clock()).now.at)
        redis_chaos.command("REPLICAOF", "127.0.0.1", "1")
        running = asyncio.create_task(worker(board, job).slice_of("A@na", 0.0))
        while redis_chaos.calls("evalsha") < 8 and not running.done():
            await asyncio.sleep(0.001)
        redis_chaos.command("REPLICAOF", "NO", "ONE")
        await asyncio.wait_for(running, 60)
        (state,) = await board.states()
        assert state.complete_at is not None
        assert await board.queued(0.0) == 0


@virtual_time
async def test_a_slice_that_cannot_begin_waits_until_the_queue_delivers_it_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Then it leaves its place with the worker to another one."""

    async def job(_: Any) -> None:
        raise AssertionError("it began")

    board = FakeBoard(begin=[RedisConnectionError()])
    await worker(board, job).slice_of("A@na", 0.0)
    assert 75 <= seconds() <= 77
    assert (board.noted, board.left) == ([], 1)
    assert "a slice of A@na was not begun" in caplog.text


@virtual_time
async def test_a_result_for_a_board_that_has_changed_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Redis may have lost its data, or another worker have the seller by now."""

    async def job(_: Any) -> None: ...

    board = FakeBoard(begin=[True], end=[False])
    await worker(board, job).slice_of("A@na", 0.0)
    assert (board.noted, board.left) == ([], 1)
    assert "the board has changed since a slice of A@na began" in caplog.text


@virtual_time
async def test_a_slice_that_is_not_due_any_more_does_nothing() -> None:
    """Nor does one whose seller has a slice."""

    async def job(_: Any) -> None:
        raise AssertionError("it began")

    board = FakeBoard(begin=[False])
    await worker(board, job).slice_of("A@na", 0.0)
    assert board.noted == []


@virtual_time
async def test_an_entry_that_cannot_be_used_is_its_sellers_failure() -> None:
    """It is set aside and shown like any other, instead of being tried again at once."""

    async def job(_: Any) -> None:
        raise AssertionError("it began")

    board = FakeBoard(begin=[True])
    directory = FakeDirectory(ConfigurationError("SELLER_ONE_TOKEN is not set"))
    await worker(board, job, directory).slice_of("A@na", 0.0)
    (state,) = board.noted
    assert (state.failures, state.reason, state.revoked) == (1, "SELLER_ONE_TOKEN is not set", False)
    assert state.due_at > NOW + 5 + 4


@virtual_time
async def test_a_directory_that_does_not_answer_is_waited_for_as_long_as_a_slice_lasts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Then the worker is free for others, and the seller set aside; it is kept to the slice until then."""

    class Silent(FakeDirectory):
        async def seller(self, _: Any, name: str) -> Any:
            await asyncio.sleep(1000)

    async def job(_: Any) -> None:
        raise AssertionError("it began")

    board = FakeBoard(begin=[True])
    await worker(board, job, Silent()).slice_of("A@na", 0.0)
    assert seconds() == 50
    (state,) = board.noted
    assert (state.failures, state.reason, state.revoked) == (1, "the directory of sellers does not answer", False)
    assert "A@na failed: the directory of sellers does not answer" in caplog.text
    board = FakeBoard(begin=[True, False], end=[False])
    await worker(board, job, Silent()).slice_of("A@na", 0.0)
    assert seconds() == 50 + 25


@virtual_time
async def test_a_seller_that_the_directory_does_not_know_yet_is_looked_for_again() -> None:
    """The scheduler's directory is read every minute, a worker's when a seller is missing from it."""

    class Outdated(FakeDirectory):
        is_outdated = True

        async def reload(self) -> None:
            self.is_outdated = False

        async def seller(self, app: Any, name: str) -> Any:
            return None if self.is_outdated else await super().seller(app, name)

    async def job(_: Any) -> None: ...

    board = FakeBoard(begin=[True])
    await worker(board, job, Outdated()).slice_of("A@na", 0.0)
    (state,) = board.noted
    assert (state.revoked, state.complete_at) == (False, NOW + 5)


@virtual_time
async def test_a_seller_that_the_directory_leaves_out_is_revoked_with_the_reason() -> None:
    """The directory lists it by its id; a seller that it does not list at all is set aside, too."""

    class Without(FakeDirectory):
        async def reload(self) -> None: ...

        async def seller(self, *_: Any) -> Any:
            return None

    async def job(_: Any) -> None:
        raise AssertionError("it began")

    board, directory = FakeBoard(begin=[True]), Without()
    directory.revoked["A"] = "invalid_grant: the grant is revoked"
    for name in ("A@na", "B@na"):
        await worker(board, job, directory).slice_of(name, 0.0)
    assert [(state.revoked, state.reason) for state in board.noted] == [
        (True, "invalid_grant: the grant is revoked"),
        (True, "not in the directory"),
    ]


@virtual_time
async def test_a_slice_that_is_over_leaves_nothing_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker carries out millions."""
    scopes: list[weakref.ref[anyio.CancelScope]] = []
    made = anyio.CancelScope

    def remembered(**options: Any) -> anyio.CancelScope:
        scope = made(**options)
        scopes.append(weakref.ref(scope))
        return scope

    async def job(_: Any) -> None: ...

    ending = worker(FakeBoard(begin=[True]), job)
    with monkeypatch.context() as patch:
        patch.setattr(anyio, "CancelScope", remembered)
        await ending.slice_of("A@na", 0.0)
    gc.collect()
    assert scopes
    assert [each() for each in scopes if each() is not None] == []


@virtual_time
async def test_an_error_in_a_task_group_of_the_job_counts_as_itself() -> None:
    """It is shown by its own text; a lease that another process holds is no failure."""
    errors = [
        ConfigurationError("no such marketplace"),
        LeaseHeldError("held", seller="A@na", stream="own", holder="another", expires_at=datetime.now(UTC)),
    ]

    async def job(_: Any) -> None:
        async def fail() -> None:
            raise errors.pop(0)

        async with anyio.create_task_group() as group:
            group.start_soon(fail)

    board = FakeBoard(begin=[True])
    for _ in range(2):
        await worker(board, job).slice_of("A@na", 0.0)
    failed, held = board.noted
    assert (failed.failures, failed.reason) == (1, "no such marketplace")
    assert (held.failures, held.reason) == (0, "")


@virtual_time
async def test_a_worker_that_stops_gives_its_sellers_back() -> None:
    """Each is still due, and nothing is noted."""
    board = FakeBoard(begin=[True])

    async def job(_: Any) -> None:
        await asyncio.sleep(1000)

    stopping = worker(board, job)
    running = asyncio.create_task(stopping.slice_of("A@na", 0.0))
    await asyncio.sleep(10)
    stopping.stop()
    await running
    assert (seconds(), board.noted, board.left) == (10, [], 1)
