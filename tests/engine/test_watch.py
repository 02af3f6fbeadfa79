"""Time limits that share a timer."""

import asyncio

import pytest
from virtual_time import run

from spapi_async._engine.watch import SLACK, Watch


def test_a_block_that_takes_too_long_raises_timeout_error() -> None:
    """It is raised when its time is up, and the task continues undisturbed."""

    async def main() -> float:
        watch, loop = Watch(), asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(TimeoutError), watch.bounded(5.0):
            await asyncio.sleep(60)
        taken = loop.time() - started
        await asyncio.sleep(1)
        return taken

    assert run(main()) == pytest.approx(5.0)


def test_a_block_whose_time_is_up_twice_raises_timeout_error() -> None:
    """Two tasks may close an application at once; its calls must not seem to have been cancelled."""

    async def main() -> str:
        watch = Watch()
        block = asyncio.create_task(_hang(watch, 60.0))
        await asyncio.sleep(0)
        watch.expire_all()
        watch.expire_all()
        with pytest.raises(TimeoutError):
            await block
        return "done"

    assert run(main()) == "done"


def test_a_block_that_is_quick_enough_is_left_alone() -> None:
    """Nothing that its task does afterwards is interrupted, either."""

    async def main() -> str:
        with Watch().bounded(5.0):
            await asyncio.sleep(4.9)
        await asyncio.sleep(60)
        return "done"

    assert run(main()) == "done"


def test_the_timer_of_an_empty_queue_does_nothing() -> None:
    """It finds no limit left to watch, and raises no error."""
    complaints: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        watch = Watch()
        with pytest.raises(TimeoutError), watch.bounded(5.0):
            await asyncio.sleep(60)
        with watch.bounded(5.0):
            pass
        await asyncio.sleep(10)

    run(main())
    assert complaints == []


def test_each_of_many_blocks_ends_at_its_own_time() -> None:
    """One timer serves them all, whichever of them end early."""

    async def one(watch: Watch, number: int) -> float | None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(number / 10)
        started = loop.time()
        try:
            with watch.bounded(5.0 if number % 3 else 7.0):
                await asyncio.sleep(1.0 if number % 2 else 100.0)
        except TimeoutError:
            return loop.time() - started
        return None

    async def main() -> list[float | None]:
        watch = Watch()
        return await asyncio.gather(*(one(watch, number) for number in range(60)))

    for number, taken in enumerate(run(main())):
        expected = None if number % 2 else pytest.approx(5.0 if number % 3 else 7.0)
        assert taken == expected


def test_a_cancellation_is_not_turned_into_a_timeout() -> None:
    """It stays a cancellation even when it comes at the moment at which the time is up."""

    async def main() -> bool:
        async def bounded() -> None:
            with Watch().bounded(5.0):
                await asyncio.sleep(60)

        task = asyncio.create_task(bounded())
        asyncio.get_running_loop().call_later(5.0, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return True
        return False

    assert run(main())


def test_time_limits_can_be_nested() -> None:
    """The end of the inner one does not affect the outer one."""

    async def too_long(watch: Watch) -> None:
        with watch.bounded(2.0):
            await asyncio.sleep(60)

    async def main() -> float:
        watch, loop = Watch(), asyncio.get_running_loop()
        try:
            with watch.bounded(9.0):
                with pytest.raises(TimeoutError):
                    await too_long(watch)
                await asyncio.sleep(60)
        except TimeoutError:
            return loop.time()
        return -1.0

    assert run(main()) == pytest.approx(9.0)


def test_a_few_closed_limits_stay_behind_an_open_one() -> None:
    """To remove each at once would cost a walk over all open ones for every block."""

    async def main() -> int:
        watch = Watch()
        with watch.bounded(5.0):
            for _ in range(SLACK):
                with watch.bounded(5.0):
                    pass
            return len(watch.queues[5.0].limits)

    assert run(main()) == SLACK + 1


def test_closed_limits_behind_an_open_one_are_removed() -> None:
    """One hanging request among thousands of quick ones does not keep them in memory."""

    async def main() -> int:
        watch = Watch()
        hanging = asyncio.create_task(_hang(watch))
        await asyncio.sleep(0)
        for _ in range(10 * SLACK):
            with watch.bounded(60.0):
                pass
        hanging.cancel()
        return len(watch.queues[60.0].limits)

    assert run(main()) <= SLACK + 3


async def _hang(watch: Watch, seconds: float = 60.0) -> None:
    with watch.bounded(seconds):
        await asyncio.sleep(1000)


def test_empty_queues_are_looked_for_once_in_a_while() -> None:
    """With a thousand limits of different lengths, the next look comes after as many again."""

    async def main() -> tuple[int, int, int]:
        watch = Watch()
        calls = [asyncio.create_task(_hang(watch, 60.0 + number)) for number in range(1000)]
        await asyncio.sleep(0)
        most, kept = watch.max_lengths, len(watch.queues)
        await asyncio.gather(*(call for call in calls if call.cancel()), return_exceptions=True)
        for number in range(kept + 10):
            with watch.bounded(1e6 + number):
                pass
        return most, kept, len(watch.queues)

    most, kept, left = run(main())
    assert (most, kept) == (1024, 1000)
    assert left < kept
