"""The calls that wait at one bucket: who is served, and what is left of those who gave up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from spapi_async._core.options import Priority
from spapi_async.ratelimit._waiting import CallQueue, Waiter

INTERACTIVE, NORMAL, BULK = Priority.INTERACTIVE, Priority.NORMAL, Priority.BULK

Join = Callable[..., Waiter]


@pytest.fixture
def queue() -> CallQueue:
    """A queue without calls."""
    return CallQueue()


@pytest.fixture
def join(queue: CallQueue) -> Iterator[Join]:
    """Adds a call to the queue."""
    loop = asyncio.new_event_loop()

    def join(priority: Priority = NORMAL, number: int = 0, deadline: float | None = None) -> Waiter:
        waiter = Waiter(loop.create_future(), priority, deadline, number)
        queue.join(waiter)
        return waiter

    yield join
    loop.close()


def test_calls_that_left_are_not_served(queue: CallQueue, join: Join) -> None:
    """Leaving twice counts once."""
    first, second, third = (join() for _ in range(3))
    queue.leave(first)
    queue.leave(first)
    assert (queue.total, queue.counts) == (2, [0, 2, 0])
    assert [queue.pop(), queue.pop(), queue.pop()] == [second, third, None]
    assert (queue.total, queue.counts) == (0, [0, 0, 0])


def test_a_call_that_was_just_cancelled_is_not_served(queue: CallQueue, join: Join) -> None:
    """Its task has not run yet to leave the queue; the next call is served instead."""
    gone, urgent, next_one = join(), join(INTERACTIVE), join()
    gone.future.cancel()
    urgent.future.cancel()
    assert [queue.pop(), queue.pop()] == [next_one, None]
    queue.leave(gone)
    assert (queue.total, queue.counts) == (0, [0, 0, 0])


@pytest.mark.parametrize("priority", [INTERACTIVE, NORMAL, BULK])
def test_calls_that_left_do_not_accumulate(queue: CallQueue, join: Join, priority: Priority) -> None:
    """Even behind one that stays they are removed."""
    patient = join(priority)
    for _ in range(100):
        queue.leave(join(priority))
    assert sum(len(waiters) for waiters in queue.waiters if waiters) < 20
    assert list(queue.in_order()) == [patient]


def test_the_oldest_call_is_one_that_still_waits(queue: CallQueue, join: Join) -> None:
    """Of its priority, whatever others wait."""
    join(INTERACTIVE, number=1)
    left = join(number=2)
    join(number=3)
    queue.leave(left)
    assert (queue.oldest(INTERACTIVE), queue.oldest(NORMAL)) == (1, 3)
    assert queue.next_priority() == INTERACTIVE


def test_calls_are_listed_by_priority_and_then_by_arrival(queue: CallQueue, join: Join) -> None:
    """A cleared queue returns them in this order, and they cannot leave it any more."""
    bulk, normal, left, later, urgent = join(BULK), join(), join(), join(), join(INTERACTIVE)
    queue.leave(left)
    assert [queue.up_to(priority) for priority in (INTERACTIVE, NORMAL, BULK)] == [1, 3, 4]
    assert list(queue.in_order()) == [urgent, normal, later, bulk]
    assert queue.clear() == [urgent, normal, later, bulk]
    queue.leave(normal)
    assert (queue.total, queue.counts, queue.pop()) == (0, [0, 0, 0], None)


def test_a_cleared_queue_returns_calls_that_were_just_cancelled(queue: CallQueue, join: Join) -> None:
    """Their tasks are to find that they do not wait any more; a list of the calls that wait leaves them out."""
    gone, waiting = join(), join()
    gone.future.cancel()
    assert list(queue.in_order()) == [waiting]
    assert queue.clear() == [gone, waiting]
    queue.leave(gone)
    assert (queue.total, queue.counts) == (0, [0, 0, 0])


def test_calls_with_a_deadline_are_counted_while_they_wait(queue: CallQueue, join: Join) -> None:
    """Until they are served or leave."""
    join()
    served, left = join(INTERACTIVE, deadline=5.0), join(deadline=5.0)
    assert queue.impatient == 2
    assert queue.pop() is served
    assert queue.impatient == 1
    queue.leave(left)
    assert queue.impatient == 0
