"""One process's side of shared limits, with a clock that the test moves and replies made by hand."""

from __future__ import annotations

import pytest
from one_process import LEASED, NOW, PLAN, SALES, Process

from spapi_async._core.options import Priority
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit.shared._exchange import Phase
from spapi_async.ratelimit.shared._slot import Slot
from spapi_async.ratelimit.shared._store import LimitSpec, Reply


def test_a_granted_token_is_used_by_the_first_call_when_it_is_due(process: Process) -> None:
    """It is not used earlier, and the call that is first at that time gets it."""
    normal = process.wait()
    process.exchange((2.0, False))
    urgent = process.wait(priority=Priority.INTERACTIVE)
    process.now += 1.9
    process.lane.dispatch()
    assert not urgent.future.done()
    process.now += 0.1
    process.lane.dispatch()
    assert urgent.future.done()
    assert not normal.future.done()


def test_a_reply_confirms_the_feedback(process: Process) -> None:
    """The next request does not repeat it, and names no lost request."""
    process.exchange(LEASED)
    assert process.lane.take() is not None
    request = process.exchange()
    assert [feedback.used for feedback in request.feedback] == [1]
    after = process.lane.request()
    assert (after.feedback, after.lost) == ([], 0)


def test_feedback_of_a_lost_request_is_repeated(process: Process) -> None:
    """It keeps its number; the first lost request is named, however many were lost."""
    process.exchange(LEASED)
    process.lane.take()
    first = process.lane.request()
    for _ in range(2):
        process.lane.lost()
        again = process.lane.request()
    assert again.lost == first.n < again.n
    assert [feedback.seq for feedback in again.feedback] == [feedback.seq for feedback in first.feedback]


def test_the_last_of_the_requests_that_were_refused_is_reported(process: Process) -> None:
    """With the limit that Amazon named last."""
    process.exchange()
    for admitted_at, limit in ((99.5, 0), (99.0, 2)):
        process.lane.throttled_by_amazon(admitted_at, limit, ())
    (news,) = process.lane.request().feedback
    assert (news.hits, news.hit_at, news.hit_limit) == (2, 5099.5, 2)


def test_after_a_429_granted_and_leased_tokens_are_given_back(process: Process) -> None:
    """They go back with the report of the 429, and calls keep waiting."""
    process.exchange(LEASED, LEASED, LEASED)
    sent = process.lane.take()
    assert sent is not None
    waiting = [process.wait() for _ in range(3)]
    process.exchange((5.0, False))
    process.lane.throttled_by_amazon(process.now, 0, ())
    assert len(process.lane.stock) == 0
    (news,) = process.lane.request().feedback
    assert (news.hits, news.credit, news.hit_at) == (1, 1, 5000.0 + process.now)
    assert sum(caller.future.done() for caller in waiting) == 2


def test_leaving_gives_every_lease_back(process: Process) -> None:
    """Granted tokens go back, too."""
    process.exchange(LEASED, LEASED)
    process.wait()
    process.exchange((3.0, False))
    final_request = process.lane.final_request()
    assert final_request.bye == 1
    assert sum(feedback.back for feedback in final_request.feedback) == 1
    assert sum(feedback.credit for feedback in final_request.feedback) == 1


@pytest.mark.parametrize("others", [0, 1])
def test_a_call_cancelled_after_its_grant_loses_no_token(process: Process, others: int) -> None:
    """The token goes to the next call or, where none waits, back to the store with the time for which it was sold."""
    gone = process.wait()
    waiting = [process.wait() for _ in range(others)]
    process.exchange(NOW)
    assert gone.future.done()
    process.lane.abandon(gone)
    assert all(caller.future.done() for caller in waiting)
    feedback = process.lane.request().feedback
    assert [(each.credit, each.credit_at) for each in feedback] == ([] if others else [(1, 5100.0)])


def test_a_new_call_does_not_overtake_those_that_wait(process: Process) -> None:
    """A token that has just become usable goes to the first of them."""
    first = process.wait()
    process.exchange((2.0, False))
    process.now += 2.0
    assert process.lane.take() is None
    process.lane.dispatch()
    assert first.future.done()


def test_a_token_for_a_call_that_was_just_cancelled_goes_back(process: Process) -> None:
    """Its task has not run yet to leave the queue."""
    gone = process.wait()
    process.lane.request()
    gone.future.cancel()
    process.lane.absorb(process.reply(NOW))
    (news,) = process.lane.request().feedback
    assert (news.credit, news.credit_at) == (1, 5100.0)
    assert not process.view.flights


def test_a_call_that_gives_up_is_not_judged(process: Process) -> None:
    """It leaves the queue."""
    gone = process.wait(max_wait=0.0)
    process.lane.request()
    process.lane.abandon(gone)
    assert process.lane.queue.total == 0
    process.lane.absorb(process.reply())
    assert gone.future.cancelled()


def test_tokens_that_go_back_are_counted_from_the_earliest(process: Process) -> None:
    """The store undoes what it assumed from then on."""
    for delay in (0.5, 2.0):
        gone = process.wait()
        process.lane.absorb(process.reply((delay, False)))
        process.lane.abandon(gone)
        process.lane.dispatch()
    (news,) = process.lane.request().feedback
    assert (news.credit, news.credit_at) == (2, 5100.5)


def test_unneeded_tokens_go_back(process: Process) -> None:
    """A call that gave up while its token was requested costs nothing."""
    gone = process.wait()
    process.lane.request()
    process.lane.abandon(gone)
    process.lane.absorb(process.reply(NOW, (0.5, False)))
    (news,) = process.lane.request().feedback
    assert news.credit == 2


def test_requests_of_an_outage_are_reported_once(process: Process) -> None:
    """The lane that spent them reports them; its share of the quota is given up."""
    process.exchange(level=5.0)
    process.lane.leave()
    process.lane.go_local(1)
    process.now += 3.0
    spent = sum(process.lane.take() is not None for _ in range(5))
    assert spent >= 2
    process.settings.shares.clear()
    process.lane.come_back()
    assert process.lane.shares == []
    assert [feedback.spent for feedback in process.lane.request().feedback] == [spent]
    process.lane.absorb(process.reply())
    process.lane.leave()
    process.lane.come_back()
    assert process.lane.request().feedback == []


def test_lanes_of_one_seller_share_its_quota_in_an_outage() -> None:
    """Two kinds of calls spend one share of the plan together; a window's share is one token at a time."""
    process = Process(PLAN, SALES)
    lanes = [process.lane, process.another()]
    for lane in lanes:
        lane.leave()
        lane.go_local(1)
    assert sum(lane.take() is not None for lane in lanes for _ in range(5)) == 1
    assert process.lane.shares == lanes[1].shares
    process.loop.close()


def test_an_outage_ends_an_exchange_and_allows_no_other(process: Process) -> None:
    """Nothing is requested while the store is away, and everything again when it is back."""
    process.wait()
    process.lane.exchange.submitted()
    exchange, seen = process.lane.exchange, []
    for step in (process.lane.leave, exchange.submitted, process.lane.come_back):
        step()
        seen.append((exchange.phase, process.lane.wants_exchange()))
    assert seen == [(Phase.AWAY, False), (Phase.AWAY, False), (Phase.QUIET, True)]


def test_a_process_asks_again_at_the_time_the_store_names(process: Process) -> None:
    """It asks earlier only if something happened that the reply could not know."""
    process.wait()
    process.exchange(poll=3.0, crowded=1)
    assert not process.lane.wants_exchange()
    assert process.lane.due() == pytest.approx(process.now + 3.0)
    process.wait()
    assert not process.lane.wants_exchange()
    process.wait(priority=Priority.INTERACTIVE)
    assert process.lane.wants_exchange()


def test_a_busy_lane_leases_tokens_in_advance_but_not_of_a_window() -> None:
    """In a window, the time at which a token is used matters."""
    wishes = []
    for specs in ((PLAN,), (PLAN, SALES)):
        fast = tuple(LimitSpec(kind=each.kind, rate=50.0, burst=50, seconds=each.seconds) for each in specs)
        process = Process(*fast)
        process.exchange()
        for _ in range(40):
            process.lane.take()
        wishes.append(process.lane.request().prefetch)
        process.loop.close()
    assert wishes[0] > 0
    assert wishes[1] == 0


def test_a_stale_reply_grants_nothing(process: Process) -> None:
    """The request was overtaken by a later one, and counts as lost."""
    process.wait()
    process.lane.request()
    process.lane.absorb(Reply(now=0.0, stale=1))
    assert len(process.lane.stock) == 0
    assert process.lane.request().lost == 1


def test_a_lease_that_ends_is_not_used(process: Process) -> None:
    """Its remaining tokens go back."""
    process.exchange(LEASED, LEASED, lease=0.5)
    process.now += 0.6
    assert process.lane.take() is None
    (news,) = process.lane.request().feedback
    assert (news.back, news.used) == (2, 0)


def test_max_wait_is_judged_by_the_place_in_the_queue(process: Process) -> None:
    """At one token a second, two of five calls that may wait 2.5 s are accepted, three refused with their waits."""
    callers = [process.wait(max_wait=2.5) for _ in range(5)]
    process.exchange()
    refused = [caller.future.exception() for caller in callers if caller.future.done()]
    assert [error.retry_after for error in refused if isinstance(error, RateLimitWaitError)] == [3.0, 4.0, 5.0]


def test_max_wait_is_judged_again_when_the_pace_falls(process: Process) -> None:
    """At half the pace the second of two calls cannot be served in time; the first can."""
    first, second = process.wait(max_wait=2.5), process.wait(max_wait=2.5)
    process.exchange()
    assert not first.future.done()
    slow = process.reply()
    slow.limits[0].pace = 0.5
    process.lane.request()
    process.lane.absorb(slow)
    assert not first.future.done()
    assert isinstance(second.future.exception(), RateLimitWaitError)


def test_max_wait_is_judged_again_after_a_429(process: Process) -> None:
    """It empties the bucket, even if the pace stays the same."""
    callers = process.wait(max_wait=2.5), process.wait(max_wait=3.5)
    process.exchange()
    refused = process.reply(level=-2.0)
    refused.limits[0].throttled = 1
    process.lane.request()
    process.lane.absorb(refused)
    assert [caller.future.done() for caller in callers] == [True, False]
    assert isinstance(callers[0].future.exception(), RateLimitWaitError)


def test_tokens_in_stock_shorten_the_wait(process: Process) -> None:
    """The calls after them wait for as long as the store has said, less the time since."""
    process.wait()
    process.exchange((0.5, False), (1.5, False), level=-0.5)
    process.now += 0.75
    assert [process.lane.predict(1, ahead) for ahead in range(4)] == [0.0, 0.75, 0.75, 1.75]


def test_calls_of_other_processes_are_counted(process: Process) -> None:
    """Processes take turns: each is served once before this one's first call.

    Other kinds of calls do not count for its rules.
    """
    caller = process.wait(max_wait=2.5)
    process.exchange(others=[(0, 5, 0, 0), (0, 0, 7, 0), (3, 0, 0, 1)])
    error = caller.future.exception()
    assert isinstance(error, RateLimitWaitError)
    assert error.retry_after == pytest.approx(3.0)


def answer(process: Process, requests: int) -> None:
    """Send requests one after another, each answered in a tenth of a second, so that the round trip is known."""
    for _ in range(requests):
        taken = process.lane.take()
        assert taken
        process.now += 0.1
        process.lane.answered(taken, 200)


def test_tokens_are_held_back_while_replies_are_overdue(process: Process) -> None:
    """Two processes have five of ten tokens each; a reply to a later request, or a second, ends it."""
    lane = process.lane
    process.exchange(*[LEASED] * 20, processes=2, lease=100.0)
    answer(process, 20)
    process.exchange(*[LEASED] * 20, processes=2, lease=100.0)
    first = [lane.take() for _ in range(6)]
    assert all(first)  # while no reply is overdue
    process.now += 0.2
    assert lane.take() is None
    process.wait()
    assert lane.due() == pytest.approx(process.now + 0.8)
    lane.answered(first[0], 200)  # type: ignore[arg-type]
    assert lane.take() is None
    lane.answered(first[2], 200)  # type: ignore[arg-type]  # three are still on their way, and due
    lane.dispatch()
    assert not lane.queue.total
    assert lane.take()
    assert lane.take() is None
    process.wait()
    process.now += 0.3  # the waiting call left 0.3 s after those three, which expire first
    assert lane.due() == pytest.approx(process.now + 0.5)
    lane.answered(first[5], 200)  # type: ignore[arg-type]
    lane.dispatch()
    assert not lane.queue.total


def test_nothing_is_held_back_for_longer_than_a_second(process: Process) -> None:
    """By then requests have arrived, answered or not; unsent ones are not waited for."""
    lane = process.lane
    process.exchange(*[LEASED] * 40, processes=10, lease=100.0)
    answer(process, 20)
    unsent = lane.take()
    process.now += 0.2
    assert unsent
    assert lane.take() is None
    lane.put_back(unsent)
    assert lane.take()
    process.now += 0.2
    assert lane.take() is None
    process.now += 0.8
    process.exchange(LEASED, LEASED, processes=10)
    assert lane.take()
    assert lane.take()  # its reply is not due yet


@pytest.mark.parametrize(
    ("plan", "value", "status", "passed"),
    [
        ("plan", "B", 200, 1),
        ("plan", "A", 200, 0),
        ("plan", "B", 429, 0),
        ("plan", "B", None, 0),
        ("other", "B", 200, 0),
    ],
)
def test_a_value_passes_when_a_call_of_it_was_answered(
    process: Process, plan: str, value: str, status: int | None, passed: int
) -> None:
    """The call has the same plan and another value of the argument, and its answer is not a 429."""
    refused = process.another(value="A")
    other = process.another(value=value, keys=(plan, "memory"))
    other.answered(Slot(100.0), status)
    refused.throttled_by_amazon(100.0, 0, [refused, other])
    assert refused.exchange.outbox.feedback().others_pass == passed
