"""Who schedules, and how it passes on; and what a scheduler does in the meantime."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from virtual_time import virtual_time

from spapi_async import SellerDirectory
from spapi_async.errors import ConfigurationError
from spapi_async.fleet import Fleet, _leadership
from spapi_async.fleet._board import Board, Clock, SellerState
from spapi_async.fleet._leadership import SILENCE, Leadership, TakenOverError
from spapi_async.fleet._scheduler import Scheduler
from spapi_async.workflows.sellers import SellerEntry


class SetBoard(Board):
    """A board whose Redis has a clock that a test sets."""

    set_by = 0.0
    looks = 0
    """How often somebody has looked at the clock."""

    async def clock(self) -> Clock:
        """As it is set."""
        found = await super().clock()
        self.looks += 1
        return replace(found, wall=found.wall + self.set_by)


class Uptime:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        """The seconds until now."""
        return self.now


@pytest.fixture
async def board(redis_url: str) -> AsyncIterator[SetBoard]:
    """An empty one."""
    async with Redis.from_url(redis_url) as client:
        yield SetBoard(client, "test", slice_seconds=50)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedulers are on other hosts, and stand by without sleeping."""
    names = iter(f"host-{number}:1:00" for number in range(10))
    monkeypatch.setattr(_leadership, "new_holder", lambda: next(names))
    monkeypatch.setattr(_leadership, "LOOK", 0.0)


async def looks(board: SetBoard, standing_by: asyncio.Task[None]) -> None:
    """Let the scheduler that stands by look at the board, unless it no longer does."""
    until = board.looks + 3
    while board.looks < until and not standing_by.done():
        await asyncio.sleep(0.001)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("set_by", [0.0, -86_400.0, 86_400.0])
async def test_a_scheduler_that_gives_no_sign_of_life_is_replaced(board: SetBoard, set_by: float) -> None:
    """After half a minute by the other one's own clock, whatever happens to that of Redis; then it has to stop."""
    uptime = Uptime()
    first, second = (Leadership(board, uptime=uptime) for _ in range(2))
    await first.take()
    standing_by = asyncio.create_task(second.take())
    for _ in range(10):
        await looks(board, standing_by)
        uptime.now += SILENCE - 1
        await first.keep()
        board.set_by += set_by / 10
    await looks(board, standing_by)
    assert not standing_by.done()
    uptime.now += SILENCE
    await asyncio.wait_for(standing_by, 60)
    with pytest.raises(TakenOverError):
        await first.keep()
    with pytest.raises(TakenOverError):
        await first.tick()
    await first.leave()
    await second.tick()


@pytest.mark.usefixtures("elsewhere")
async def test_who_stops_is_replaced_at_once(board: SetBoard) -> None:
    """Also where Redis has lost who it was."""
    first, second = (Leadership(board, uptime=Uptime()) for _ in range(2))
    await first.take()
    await first.leave()
    await second.take()
    await board.tick(await board.clock(), (await board.clock()).now, "")
    await first.take()


@pytest.mark.usefixtures("elsewhere")
async def test_a_clock_set_back_stops_nobody(board: SetBoard) -> None:
    """What is due in a minute is due in a minute, for whoever schedules then."""
    uptime = Uptime()
    first, second = (Leadership(board, uptime=uptime) for _ in range(2))
    await first.take()
    await board.put(SellerState(seller="A", due_at=first.now + 60))
    for set_by in (-86_400.0, 86_400.0, 0.0):
        uptime.now, board.set_by = uptime.now + 1, set_by
        await first.tick()
        assert await board.due(first.now) == []
        assert (await board.clock()).now.at == pytest.approx(first.now, abs=20)
    await first.leave()
    board.set_by = -86_400.0
    await second.take()
    assert await board.due(second.now) == []
    assert [seller for seller, _ in await board.due(second.now + 60)] == ["A"]


@pytest.mark.usefixtures("elsewhere")
async def test_who_schedules_again_counts_only_the_time_since_the_others_last_sign(board: SetBoard) -> None:
    """What it has itself seen pass since it scheduled last is on the board already."""
    uptime = Uptime()
    first, second = (Leadership(board, uptime=uptime) for _ in range(2))
    await first.take()
    for leaving, taking in ((first, second), (second, first)):
        await leaving.leave()
        uptime.now, board.set_by = uptime.now + 1000, board.set_by + 1000
        await taking.take()
    assert first.now == pytest.approx((await board.clock()).wall, abs=20)


async def test_a_scheduler_that_was_killed_on_this_machine_is_replaced_at_once(
    board: SetBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody need wait whether it gives a sign of life."""
    uptime = Uptime()
    await Leadership(board, uptime=uptime).take()
    monkeypatch.setattr(_leadership, "is_gone", lambda _: True)
    await asyncio.wait_for(Leadership(board, uptime=uptime).take(), 60)


@pytest.mark.usefixtures("elsewhere")
async def test_a_long_list_of_due_sellers_takes_nobodys_right_to_schedule(
    board: SetBoard, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives signs of life while it goes through the list, and while it lists new sellers; each is queued once."""
    uptime, sent = Uptime(), list[str]()

    class Kicker:
        def __init__(self, **_: Any) -> None: ...

        async def kiq(self, seller: str, due_at: float) -> None:
            assert due_at == 0.0
            uptime.now += 2.0
            sent.append(seller)
            await asyncio.sleep(0)

    many = [f"S{number:03}" for number in range(250)]

    class Listed:
        async def reload(self) -> None: ...

        async def names(self) -> list[str]:
            uptime.now += 20
            return many

    monkeypatch.setattr("spapi_async.fleet._scheduler.AsyncKicker", Kicker)
    monkeypatch.setattr("spapi_async.fleet._leadership.uptime", uptime)
    monkeypatch.setattr("spapi_async.fleet._scheduler.Leadership", lambda of: Leadership(of, uptime=uptime))
    scheduler: Any = Scheduler(board, None, Listed())  # type: ignore[arg-type]
    working = asyncio.create_task(scheduler.run())
    while not (await board.clock()).scheduler:
        await asyncio.sleep(0.001)
    second = Leadership(board, uptime=uptime)
    standing_by = asyncio.create_task(second.take())
    while len(sent) < len(many):
        await asyncio.sleep(0.001)
        assert not working.done()
        assert not standing_by.done()
    assert sent == many
    working.cancel()
    await asyncio.wait([working])
    await standing_by


async def test_a_scheduler_that_stops_gives_back_what_it_has_not_queued(
    board: SetBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the sellers that it has marked nor its right to schedule has to expire; the queue hangs as it stops."""
    hanging = asyncio.Event()

    class Kicker:
        def __init__(self, **_: Any) -> None: ...

        async def kiq(self, seller: str, _: float) -> None:
            if seller == "B":
                hanging.set()
                await anyio.sleep_forever()

    class Listed:
        async def reload(self) -> None: ...

        async def names(self) -> list[str]:
            return ["A", "B", "C"]

    monkeypatch.setattr("spapi_async.fleet._scheduler.AsyncKicker", Kicker)
    scheduler: Any = Scheduler(board, None, Listed())  # type: ignore[arg-type]
    async with anyio.create_task_group() as group:
        group.start_soon(scheduler.run)
        with anyio.fail_after(30):
            await hanging.wait()
        assert await board.queued(0.0) == 3
        group.cancel_scope.cancel()
    assert await board.queued(0.0) == 1
    assert (await board.clock()).scheduler == ""


async def test_a_directory_that_does_not_answer_holds_no_seller_up(
    board: SetBoard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The sellers read before are queued meanwhile; then the reading is given up, which is logged, and repeated."""
    queued = {name: asyncio.Event() for name in "AB"}

    class Kicker:
        def __init__(self, **_: Any) -> None: ...

        async def kiq(self, seller: str, _: float) -> None:
            queued[seller].set()

    class Listed:
        readings, running = 0, 0

        async def reload(self) -> None:
            self.readings, self.running = self.readings + 1, self.running + 1
            assert self.running == 1
            try:
                await self._read()
            finally:
                self.running -= 1

        async def _read(self) -> None:
            if self.readings == 2:
                with anyio.move_on_after(20, shield=True) as scope:
                    await board.change("A", lambda state: replace(state, due_at=0.0))
                    await queued["A"].wait()
                    looks = board.looks
                    while board.looks < looks + 20:  # which takes longer than until the next reading
                        await asyncio.sleep(0.001)
                assert not scope.cancelled_caught, "A was held up"
                await anyio.sleep_forever()
            if self.readings == 3:
                with anyio.CancelScope(shield=True):
                    assert [state.seller for state in await board.states()] == ["A"]

        async def names(self) -> list[str]:
            return ["A"] if self.readings < 3 else ["A", "B"]

    monkeypatch.setattr("spapi_async.fleet._scheduler.AsyncKicker", Kicker)
    monkeypatch.setattr("spapi_async.fleet._scheduler.LOOK", 0.001)
    monkeypatch.setattr("spapi_async.fleet._scheduler._READ_AGAIN", 0.01)
    caplog.set_level("WARNING")
    await board.put(SellerState(seller="A", due_at=4e9))
    scheduler: Any = Scheduler(board, None, Listed())  # type: ignore[arg-type]
    async with anyio.create_task_group() as group:
        group.start_soon(scheduler.run)
        with anyio.fail_after(30):
            await queued["B"].wait()
        group.cancel_scope.cancel()
    assert "the sellers read before stay in force: the directory of sellers does not answer" in caplog.text


async def test_a_directory_is_read_once_a_minute(board: SetBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The board is looked at more often."""

    class Empty:
        readings = 0

        async def reload(self) -> None:
            self.readings += 1

        async def names(self) -> list[str]:
            return []

    monkeypatch.setattr("spapi_async.fleet._scheduler.LOOK", 0.001)
    directory = Empty()
    scheduler: Any = Scheduler(board, None, directory)  # type: ignore[arg-type]
    async with anyio.create_task_group() as group:
        group.start_soon(scheduler.run)
        while board.looks < 10:
            await asyncio.sleep(0.001)
        group.cancel_scope.cancel()
    assert directory.readings == 1


async def test_a_scheduler_that_stops_ends_the_reading_of_its_directory(board: SetBoard) -> None:
    """No function of the user's runs on."""
    begun, ended = asyncio.Event(), asyncio.Event()

    class Silent:
        async def reload(self) -> None:
            begun.set()
            try:
                await anyio.sleep_forever()
            finally:
                ended.set()

    scheduler: Any = Scheduler(board, None, Silent())  # type: ignore[arg-type]
    async with anyio.create_task_group() as group:
        group.start_soon(scheduler.run)
        with anyio.fail_after(30):
            await begun.wait()
        group.cancel_scope.cancel()
    with anyio.fail_after(30):
        await ended.wait()


@virtual_time
async def test_a_directory_that_does_not_answer_at_the_start_is_an_error() -> None:
    """Nothing can be scheduled without sellers; whoever has started the scheduler hears of it after a minute."""

    async def silent() -> list[SellerEntry]:
        await asyncio.Event().wait()
        return []

    async def job(_: Any) -> None: ...

    fleet = Fleet("redis://127.0.0.1:9", None, SellerDirectory(silent), job=job)
    with (
        anyio.fail_after(1000),
        pytest.raises(ConfigurationError, match="the directory of sellers does not answer within 60 s"),
    ):
        await fleet.schedule()
    assert asyncio.get_running_loop().time() == 60
