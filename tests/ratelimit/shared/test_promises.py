"""Which calls with a ``max_wait`` are accepted, which are refused and when, on a clock that the test moves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from redis_worker import make_operation
from virtual_time import StandingTimeLoop

from spapi_async._core.options import Priority
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit._waiting import GRACE, CallQueue
from spapi_async.ratelimit.shared._promises import Promises, WaitingCall


class Line:
    """Calls of one process that get a token every ``period`` seconds; ``predicted`` lists the predictions made."""

    def __init__(self) -> None:
        self.loop = StandingTimeLoop()
        self.period = 1.0
        self.predicted: list[int] = []
        self.queue = CallQueue()
        self.promises = Promises(make_operation(1.0, 1), self.queue, self._predict)

    def _predict(self, priority: int, ahead: int) -> float:
        self.predicted.append(ahead)
        return (ahead + 1) * self.period

    def wait(self, max_wait: float | None) -> WaitingCall:
        """A call that waits behind the others."""
        call = WaitingCall(self.loop.create_future(), Priority.NORMAL, max_wait, self.queue.total)
        self.queue.join(call)
        if max_wait is not None:
            self.promises.enter(call)
        return call

    def exchange(self) -> None:
        """A request is sent and answered."""
        self.promises.ask()
        self.promises.judge()

    def slow_down(self, period: float) -> None:
        """The rate falls."""
        self.period = period
        self.promises.judge_again()

    def let_pass(self, seconds: float) -> None:
        """Time passes, and the timers that are due fire."""
        self.loop.now += seconds
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()


@pytest.fixture
def line() -> Iterator[Line]:
    """A queue without calls."""
    line = Line()
    yield line
    line.loop.close()


def refusals(*calls: WaitingCall) -> list[float | None]:
    """For each call the wait for which it was refused, or None."""
    errors = [call.future.exception() if call.future.done() else None for call in calls]
    return [error.retry_after if isinstance(error, RateLimitWaitError) else None for error in errors]


def test_a_wait_of_exactly_max_wait_is_accepted(line: Line) -> None:
    """Only a longer one is refused."""
    exact, short = line.wait(1.0), line.wait(1.9)
    line.exchange()
    assert refusals(exact, short) == [None, 2.0]


def test_a_refused_call_leaves_the_queue(line: Line) -> None:
    """No token is requested for it."""
    refused, accepted = line.wait(0.5), line.wait(2.5)
    line.exchange()
    assert refusals(refused, accepted) == [1.0, None]
    assert list(line.queue.in_order()) == [accepted]
    assert line.queue.total == 1


def test_a_reply_decides_the_calls_that_were_there_when_its_request_was_sent(line: Line) -> None:
    """Later ones are decided by the reply to the next request."""
    early = line.wait(0.5)
    undecided = [line.promises.undecided]
    line.promises.ask()
    undecided.append(line.promises.undecided)
    late = line.wait(0.5)
    undecided.append(line.promises.undecided)
    line.promises.judge()
    assert refusals(early, late) == [1.0, None]
    undecided.append(line.promises.undecided)
    line.exchange()
    assert refusals(late) == [2.0]
    undecided.append(line.promises.undecided)
    assert undecided == [True, False, True, True, False]


def test_lost_requests_do_not_multiply_a_call(line: Line) -> None:
    """Its wait is predicted once, with the calls that came while the requests were lost."""
    line.wait(20.0)
    for _ in range(3):
        assert line.promises.ask()
        line.promises.unanswered()
        assert line.promises.undecided
        line.wait(20.0)
    line.exchange()
    assert line.predicted == [0, 1, 2, 3]


def test_without_a_store_calls_are_decided_at_once(line: Line) -> None:
    """Those of the request that was under way, too."""
    asked = line.wait(0.5)
    line.promises.ask()
    new = line.wait(0.5)
    line.promises.judge_now()
    assert refusals(asked, new) == [1.0, 2.0]


def test_other_processes_are_asked_about_while_a_max_wait_is_pending(line: Line) -> None:
    """Whether it can be kept depends on the other calls; without one they are not asked about."""
    line.wait(None)
    assert not line.promises.ask()
    call = line.wait(20.0)
    assert line.promises.ask()
    line.promises.judge()
    assert line.promises.ask()
    line.promises.forget(call)
    assert not line.promises.ask()


def test_when_the_rate_falls_a_refused_call_makes_room_for_the_next(line: Line) -> None:
    """A call without max_wait keeps its place: it is never refused."""
    line.wait(None)
    calls = [line.wait(max_wait) for max_wait in (2.0, 4.5, 4.5)]
    line.exchange()
    line.slow_down(1.5)
    assert refusals(*calls) == [3.0, None, None]


@pytest.mark.parametrize(("period", "refused"), [(2.0, None), (2.0 + GRACE, None), (2.02, 2.02)])
def test_when_the_rate_falls_a_call_may_use_its_grace(line: Line, period: float, refused: float | None) -> None:
    """For so long it is kept past its max_wait anyway."""
    call = line.wait(2.0)
    line.exchange()
    line.slow_down(period)
    assert refusals(call) == [refused]


def test_what_is_left_of_max_wait_counts_when_the_rate_falls(line: Line) -> None:
    """Of 2 s of which 1.5 s have passed, half a second is left."""
    call = line.wait(2.0)
    line.exchange()
    line.let_pass(1.5)
    line.slow_down(0.6)
    assert refusals(call) == [0.6]


def test_a_call_that_was_just_cancelled_is_not_judged(line: Line) -> None:
    """Its task has not run yet to leave the queue."""
    call = line.wait(0.5)
    line.promises.ask()
    call.future.cancel()
    line.promises.judge()
    assert line.predicted == []


def test_a_call_that_was_just_cancelled_is_not_judged_again(line: Line) -> None:
    """Its place in the queue goes to the next call."""
    cancelled, call = line.wait(3.0), line.wait(2.5)
    line.exchange()
    cancelled.future.cancel()
    line.slow_down(2.5)
    assert line.predicted == [0, 1, 0]
    assert refusals(call) == [None]


def test_a_wait_ends_shortly_after_max_wait(line: Line) -> None:
    """The error names the wait of another call now: behind the one that still waits, not behind itself."""
    line.wait(None)
    call = line.wait(2.0)
    line.exchange()
    line.let_pass(2.0)
    assert refusals(call) == [None]
    line.let_pass(2 * GRACE)
    assert refusals(call) == [2.0]
    assert re.search(r"no quota within max_wait=2 s, and none for another 2 s", str(call.future.exception()))
    assert line.queue.total == 1


def test_a_call_that_was_served_in_time_is_not_judged_at_its_deadline(line: Line) -> None:
    """Its task may not have run yet."""
    call = line.wait(2.0)
    line.exchange()
    call.future.set_result("a token")
    line.let_pass(3.0)
    assert line.predicted == [0]


def test_nothing_happens_at_the_deadline_of_a_forgotten_call(line: Line) -> None:
    """Its timer is cancelled."""
    call = line.wait(2.0)
    line.exchange()
    line.promises.forget(call)
    line.let_pass(3.0)
    assert not call.future.done()
