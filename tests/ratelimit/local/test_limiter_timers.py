"""Each limit with waiting calls has one timer, which ends when no call waits."""

from __future__ import annotations

import asyncio

import pytest
from simulated import account, now, operation, take
from virtual_time import virtual_time

from spapi_async._core.home_loop import background
from spapi_async._core.options import Priority
from spapi_async.ratelimit import LocalRateLimiter


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.TimerHandle]:
    """Every timer that is set."""
    found: list[asyncio.TimerHandle] = []
    real = asyncio.BaseEventLoop.call_at

    def call_at(*arguments: object, **more: object) -> asyncio.TimerHandle:
        found.append(real(*arguments, **more))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_at", call_at)
    return found


def moments(timers: list[asyncio.TimerHandle]) -> list[float]:
    """When the timers that are not cancelled fire."""
    return [timer.when() for timer in timers if not timer.cancelled()]


@virtual_time
async def test_no_timer_stays_for_a_call_that_gave_up(timers: list[asyncio.TimerHandle]) -> None:
    """The last call that leaves the queue cancels the timer."""
    limiter, slow = LocalRateLimiter(), operation(0.1, 1)
    await take(limiter, slow, account())
    waiting = asyncio.create_task(take(limiter, slow, account()))
    await asyncio.sleep(0)
    assert moments(timers) == [10.0]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert moments(timers) == []


@virtual_time
async def test_no_timer_stays_for_a_deadline_that_was_kept(timers: list[asyncio.TimerHandle]) -> None:
    """An hour of ``max_wait`` would hold the call's lane for an hour."""
    limiter, slow = LocalRateLimiter(), operation(0.1, 1)
    await take(limiter, slow, account())
    await take(limiter, slow, account(), max_wait=3600.0)
    assert [when for when in moments(timers) if when > now()] == []


@virtual_time
async def test_a_limiter_that_is_closed_leaves_no_timer(timers: list[asyncio.TimerHandle]) -> None:
    """The loop may go on for days."""
    limiter, slow = LocalRateLimiter(), operation(0.1, 1)
    await take(limiter, slow, account())
    waiting = asyncio.create_task(take(limiter, slow, account()))
    await asyncio.sleep(0)
    await limiter.aclose()
    assert moments(timers) == []
    await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize(("rate", "when"), [(0.2, 5.0), (0.05, 20.0)])
def test_a_limit_whose_rate_changes_has_one_timer(timers: list[asyncio.TimerHandle], rate: float, when: float) -> None:
    """The timer moves, and the old one does not fire as well."""

    @virtual_time
    async def scenario() -> None:
        limiter, slow = LocalRateLimiter(), operation(0.1, 2)
        early = await limiter.acquire(slow, account(), priority=Priority.NORMAL, max_wait=None)
        await take(limiter, slow, account())
        waiting = asyncio.create_task(take(limiter, slow, account()))
        await asyncio.sleep(0)
        early.observe(200, rate)
        assert moments(timers) == [when]
        waiting.cancel()

    scenario()


def test_a_call_that_waits_in_a_loop_that_was_closed_is_in_nobodys_way() -> None:
    """A notebook closes its loop by hand and goes on in another: the first call can be told nothing any more."""
    limiter, slow = LocalRateLimiter(), operation(20.0, 1)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(take(limiter, slow, account()))

    async def begin() -> asyncio.Task[object]:
        task = background(take(limiter, slow, account()), "a call that waits")
        await asyncio.sleep(0)
        return task

    waiting = loop.run_until_complete(begin())
    loop.close()
    asyncio.run(take(limiter, slow, account()))
    assert limiter.limits()[0].waiting == 0
    assert not waiting.done()


def test_a_timer_that_is_due_within_half_a_millisecond_moves_on_uvloop() -> None:
    """Uvloop returns a handle for it that does not know its time."""
    uvloop = pytest.importorskip("uvloop")

    async def scenario() -> None:
        limiter, fast = LocalRateLimiter(), operation(5000, 2)
        early = await limiter.acquire(fast, account(), priority=Priority.NORMAL, max_wait=None)
        await take(limiter, fast, account())
        waiting = asyncio.create_task(take(limiter, fast, account()))
        await asyncio.sleep(0)
        early.observe(200, 4000)
        await waiting

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
