"""The batching of look-ups: what shares a request, when it is sent, and who gets which answer, in virtual time."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from batching import BATCH, SINGLE, Numbers, NumbersSeller, numbers_rule, resources
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run, virtual_time

from spapi_async import (
    BadRequestError,
    ClosedError,
    ForbiddenError,
    LWAError,
    NotFoundError,
    Priority,
    QuotaExceededError,
    RateLimitWaitError,
    RequestTimeoutError,
    ServerError,
    SPAPIError,
    call_options,
)
from spapi_async._core.operation import Operation
from spapi_async.ratelimit import LocalRateLimiter
from spapi_async.workflows.lookups._queue import Queue


async def outcomes(calls: list[asyncio.Task[int]]) -> list[int | BaseException]:
    """The result of each of them."""
    return await asyncio.gather(*calls, return_exceptions=True)


@virtual_time
async def test_calls_made_within_a_few_milliseconds_share_a_request() -> None:
    """They need not come in the same iteration of the loop."""
    seller = NumbersSeller()
    numbers = Numbers(seller)
    first = asyncio.ensure_future(numbers.get(2))
    await asyncio.sleep(0.002)
    assert list(await asyncio.gather(first, numbers.get(4), numbers.get(6))) == [20, 40, 60]
    assert [sent.keys for sent in seller.sent] == [(2, 4, 6)]


@virtual_time
async def test_a_caller_that_always_comes_alone_does_not_wait_for_others() -> None:
    """The window is as long as the usual callers need, and no longer."""
    numbers = Numbers(NumbersSeller(latency=0.0))
    await numbers.get(2)
    await asyncio.sleep(1)
    before = asyncio.get_running_loop().time()
    await numbers.get(2)
    assert asyncio.get_running_loop().time() == before


def test_callers_of_a_key_that_is_merged_keep_their_max_wait() -> None:
    """A key that was tried alone comes back while the same key is waiting again: its callers join that one."""
    loop = asyncio.new_event_loop()
    queue: Queue[int] = Queue(20, lambda _: True)
    first, second = loop.create_future(), loop.create_future()
    tried = queue.join(1, Priority.NORMAL, 0.0)
    tried.waiters, tried.latest = [first], {first: 5.0}
    queue.take(20)
    waiting = queue.join(1, Priority.BULK, 1.0)
    waiting.waiters, waiting.latest = [second], {second: 9.0}
    queue.put_back([tried])
    assert (tried.merged, waiting.waiters, waiting.priority) == (waiting, [second, first], Priority.NORMAL)
    assert waiting.latest == {first: 5.0, second: 9.0}
    loop.close()


@virtual_time
async def test_a_failure_other_than_a_revoked_grant_excludes_no_seller() -> None:
    """The callers of that request get the error, and the seller is used again afterwards."""
    first, second = NumbersSeller(name="first", gone=ServerError("down", status=503)), NumbersSeller(name="second")
    numbers = Numbers(first, second)
    with pytest.raises(ServerError):
        await numbers.get(2)
    first.gone = None
    assert await asyncio.gather(*(numbers.get(2 * n) for n in range(200))) == [20 * n for n in range(200)]
    assert len(first.sent) > 1


@virtual_time
async def test_a_full_batch_is_sent_at_once() -> None:
    """No further call could join it."""
    seller = NumbersSeller(latency=0.0)
    numbers = Numbers(seller)
    await asyncio.gather(*(numbers.get(number) for number in range(0, 40, 2)))
    assert [(sent.at, len(sent.keys)) for sent in seller.sent] == [(0.0, 20)]


@virtual_time
async def test_a_batch_collects_until_the_token_is_there() -> None:
    """With one token in 30 seconds, a call that comes 25 seconds later joins one that has waited since."""
    seller = NumbersSeller()
    numbers = Numbers(seller, rule=numbers_rule(rate=1 / 30, burst=1, spare=False))
    await numbers.get(2)
    early = asyncio.ensure_future(numbers.get(4))
    await asyncio.sleep(25)
    await asyncio.gather(early, numbers.get(6))
    assert [sent.keys for sent in seller.sent] == [(2,), (4, 6)]
    assert seller.sent[1].at == pytest.approx(30.1, abs=0.5)
    assert not seller.throttled


@virtual_time
async def test_a_waiting_key_is_requested_once() -> None:
    """Every caller gets the answer."""
    seller = NumbersSeller()
    numbers = Numbers(seller)
    assert await asyncio.gather(*(numbers.get(2) for _ in range(50)), numbers.get(4)) == [20] * 50 + [40]
    assert [sent.keys for sent in seller.sent] == [(2, 4)]


@virtual_time
async def test_handles_of_one_seller_share_their_batches() -> None:
    """A web backend makes a handle for each request."""
    seller, shared = NumbersSeller(), resources()
    await asyncio.gather(*(Numbers(seller, shared=shared).get(number) for number in (2, 4, 6)))
    assert len(seller.sent) == 1


@virtual_time
async def test_a_key_under_way_is_requested_again() -> None:
    """Its answer may be older than the call."""
    seller = NumbersSeller(latency=1.0)
    numbers = Numbers(seller)
    first = asyncio.ensure_future(numbers.get(2))
    await asyncio.sleep(0.5)
    await asyncio.gather(first, numbers.get(2))
    assert [sent.keys for sent in seller.sent] == [(2,), (2,)]


@virtual_time
async def test_a_key_that_the_reply_does_not_mention_is_not_found() -> None:
    """Only the callers of this key get the error."""
    numbers = Numbers(NumbersSeller())
    found, missing = await asyncio.gather(numbers.get(2), numbers.get(3), return_exceptions=True)
    assert found == 20
    assert isinstance(missing, NotFoundError)
    assert "3" in str(missing)
    assert missing.request_id == "r"


@virtual_time
async def test_a_thousand_calls_cost_fifty_requests_at_most() -> None:
    """There are twenty to a request, and the operation for single keys serves as many as its own quota allows."""
    seller = NumbersSeller()
    numbers = Numbers(seller)
    assert await asyncio.gather(*(numbers.get(2 * n) for n in range(1000))) == [20 * n for n in range(1000)]
    batches = [sent for sent in seller.sent if sent.operation == BATCH.name]
    singles = [sent for sent in seller.sent if sent.operation == SINGLE.name]
    assert len(batches) <= 50
    assert sum(len(sent.keys) for sent in seller.sent) == 1000
    assert len(singles) >= len(batches) - 4  # both buckets gain 2 a second
    assert asyncio.get_running_loop().time() < 1000 / 42 + 1
    assert not seller.throttled


@virtual_time
async def test_a_key_that_does_not_fit_into_a_batch_is_requested_alone() -> None:
    """The others share their batch."""
    seller = NumbersSeller()
    numbers = Numbers(seller)
    assert await asyncio.gather(*(numbers.get(number) for number in (2, -4, 6))) == [20, -40, 60]
    assert {(sent.operation, sent.keys) for sent in seller.sent} == {(BATCH.name, (2, 6)), (SINGLE.name, (-4,))}


@virtual_time
async def test_a_key_that_fits_into_no_batch_is_requested_alone_again() -> None:
    """The first request for it was refused to its seller."""
    gone, good = NumbersSeller(name="gone", gone=ForbiddenError("no", status=403)), NumbersSeller(name="good")
    numbers = Numbers(gone, good)
    assert await asyncio.gather(*(numbers.get(number) for number in (2, -4, 6))) == [20, -40, 60]
    assert {sent.operation for sent in good.sent if -4 in sent.keys} == {SINGLE.name}


@virtual_time
async def test_one_bad_key_is_found_and_fails_alone() -> None:
    """Batches are halved; a half that must contain it is not requested as a whole."""
    seller = NumbersSeller(bad=[26])
    numbers = Numbers(seller)
    got = await outcomes([asyncio.ensure_future(numbers.get(number)) for number in range(0, 40, 2)])
    assert isinstance(got[13], BadRequestError)
    assert [each for place, each in enumerate(got) if place != 13] == [20 * place for place in range(20) if place != 13]
    assert len(seller.sent) <= 10


@given(st.sets(st.integers(0, 99), max_size=12), st.integers(1, 40))
@settings(max_examples=25)
def test_only_bad_keys_fail(bad: set[int], maximum: int) -> None:
    """Their positions, their number and the size of a batch do not matter."""

    async def job() -> None:
        seller = NumbersSeller(bad=[2 * place for place in bad])
        numbers = Numbers(seller, rule=numbers_rule(maximum=maximum))
        got = await outcomes([asyncio.ensure_future(numbers.get(2 * place)) for place in range(100)])
        for place, outcome in enumerate(got):
            assert isinstance(outcome, BadRequestError) if place in bad else outcome == 20 * place

    run(job())


@virtual_time
async def test_a_throttled_item_is_retried_alone() -> None:
    """The others have their answers meanwhile."""
    seller = NumbersSeller(busy={4: 2})
    numbers = Numbers(seller, rule=numbers_rule(single=False))
    slow = asyncio.ensure_future(numbers.get(4))
    assert await numbers.get(2) == 20
    assert not slow.done()
    assert await slow == 40
    assert [sorted(sent.keys) for sent in seller.sent] == [[2, 4], [4], [4]]


@virtual_time
async def test_an_item_that_stays_throttled_fails() -> None:
    """It does so after five requests."""
    seller = NumbersSeller(busy={4: 100})
    rule = numbers_rule(single=False)
    with pytest.raises(QuotaExceededError):
        await Numbers(seller, rule=rule).get(4)
    assert len(seller.sent) == 5


@given(st.integers(0, 2**32), st.lists(st.booleans(), min_size=60, max_size=60))
@settings(max_examples=25)
def test_cancelling_any_subset_changes_nothing_for_the_rest(seed: int, cancelled: list[bool]) -> None:
    """Calls may be waiting, under way, or in a bad batch that is being halved, and share keys."""

    async def job() -> None:
        rng = random.Random(seed)
        seller = NumbersSeller(bad=[6, 50], busy={8: 1})
        numbers = Numbers(seller)
        wanted = [rng.randrange(40) * 2 for _ in cancelled]

        async def call(number: int) -> int:
            await asyncio.sleep(rng.choice((0.0, 0.001, 0.4)))
            return await numbers.get(number)

        calls = [asyncio.ensure_future(call(number)) for number in wanted]
        for task, gone in zip(calls, cancelled, strict=True):
            if gone:
                asyncio.get_running_loop().call_later(rng.choice((0.0, 0.003, 0.06, 0.3, 0.8)), task.cancel)
        for number, gone, outcome in zip(wanted, cancelled, await outcomes(calls), strict=True):
            if gone and isinstance(outcome, asyncio.CancelledError):
                continue
            assert isinstance(outcome, BadRequestError) if number in seller.bad else outcome == number * 10
        await asyncio.sleep(1)
        assert len(asyncio.all_tasks()) == 1  # no task is left

    run(job())


@virtual_time
async def test_a_request_is_cancelled_when_its_last_caller_leaves() -> None:
    """It is not cancelled before."""
    seller = NumbersSeller(latency=10.0)
    numbers = Numbers(seller)
    calls = [asyncio.ensure_future(numbers.get(number)) for number in (2, 4)]
    await asyncio.sleep(1)
    calls[0].cancel()
    await asyncio.sleep(1)
    assert len(asyncio.all_tasks()) == 3
    calls[1].cancel()
    await asyncio.sleep(1)
    assert len(asyncio.all_tasks()) == 1


@virtual_time
async def test_the_second_half_of_a_bad_batch_is_requested_if_the_first_is_cancelled() -> None:
    """Its callers do not depend on the others."""
    seller = NumbersSeller(bad=[38], latency=0.2)
    numbers = Numbers(seller, rule=numbers_rule(spare=False))
    calls = [asyncio.ensure_future(numbers.get(number)) for number in range(0, 40, 2)]
    while len(seller.sent) < 2:  # the whole batch is refused, the first half is under way
        await asyncio.sleep(0.01)
    for call in calls[:10]:
        call.cancel()
    got = await outcomes(calls[10:])
    assert got[:9] == [20 * place for place in range(10, 19)]
    assert isinstance(got[9], BadRequestError)


@virtual_time
async def test_the_second_half_is_requested_if_the_callers_of_the_first_leave_while_it_waits() -> None:
    """The whole batch was refused, and there is no token for the first half yet."""
    seller = NumbersSeller(bad=[2])
    numbers = Numbers(seller, rule=numbers_rule(rate=0.1, burst=1, single=False))
    calls = [asyncio.ensure_future(numbers.get(number)) for number in (2, 4, 6, 8)]
    await asyncio.sleep(1)
    for call in calls[:2]:
        call.cancel()
    async with asyncio.timeout(60):
        assert await outcomes(calls[2:]) == [60, 80]
    assert [sent.keys for sent in seller.sent] == [(2, 4, 6, 8), (6, 8)]


@virtual_time
async def test_a_key_whose_caller_left_is_not_requested_again() -> None:
    """Its caller left while the batch was under way that is now halved."""
    seller = NumbersSeller(bad=[2], latency=0.5)
    numbers = Numbers(seller, rule=numbers_rule(single=False))
    calls = [asyncio.ensure_future(numbers.get(number)) for number in (4, 6, 8, 2)]
    await asyncio.sleep(0.5)
    calls[0].cancel()
    await outcomes(calls)
    assert [4 in sent.keys for sent in seller.sent] == [True] + [False] * (len(seller.sent) - 1)
    assert len(seller.sent) > 1


@virtual_time
async def test_a_batch_is_not_starved_by_calls_that_queue_at_the_limiter() -> None:
    """It is sent to the limiter's queue when its token would have come, like any other call."""
    seller = NumbersSeller()

    async def crowd() -> None:
        while True:
            await seller.call(BATCH, numbers=[0])

    others = [asyncio.ensure_future(crowd()) for _ in range(20)]
    await asyncio.sleep(5)
    before = asyncio.get_running_loop().time()
    assert await Numbers(seller, rule=numbers_rule(single=False)).get(2) == 20
    assert asyncio.get_running_loop().time() - before < 25
    for other in others:
        other.cancel()


@virtual_time
async def test_a_key_takes_the_priority_of_its_most_urgent_caller() -> None:
    """It may have waited behind others for any time."""
    seller = NumbersSeller()
    numbers = Numbers(seller, rule=numbers_rule(rate=1, burst=1, spare=False))
    await numbers.get(1000)
    with call_options(priority=Priority.BULK):
        bulk = [asyncio.ensure_future(numbers.get(2 * place)) for place in range(60)]
        await asyncio.sleep(0)
    with call_options(priority=Priority.INTERACTIVE):
        await numbers.get(118)
    assert 118 in seller.sent[1].keys
    await asyncio.gather(*bulk)


@virtual_time
async def test_a_caller_of_a_merged_key_waits_for_the_request_under_way() -> None:
    """Its first request was throttled; ``max_wait`` is for quota, and the second one has left when it passes."""
    seller = NumbersSeller(busy={2: 1}, latency=0.4)
    numbers = Numbers(seller, rule=numbers_rule(rate=1 / 3, burst=1, spare=False))
    with call_options(max_wait=4.0):
        first = asyncio.ensure_future(numbers.get(2))
    await asyncio.sleep(0.5)
    assert list(await asyncio.gather(first, numbers.get(2))) == [20, 20]
    assert len(seller.sent) == 2
    assert seller.sent[1].at < 4.0 < asyncio.get_running_loop().time()


@virtual_time
async def test_callers_of_merged_keys_leave_one_by_one() -> None:
    """A key that is retried meets a new call for it: one request serves both, and none is sent when both are gone."""
    seller = NumbersSeller(busy={2: 1}, latency=1.0)
    numbers = Numbers(seller, rule=numbers_rule(rate=0.1, burst=1, single=False))
    first = asyncio.ensure_future(numbers.get(2))
    await asyncio.sleep(1.5)
    second, third = (asyncio.ensure_future(numbers.get(2)) for _ in range(2))
    await asyncio.sleep(2)
    first.cancel()
    second.cancel()
    await asyncio.sleep(0)
    third.cancel()
    await asyncio.sleep(60)
    assert [sent.keys for sent in seller.sent] == [(2,)]


@virtual_time
async def test_urgent_calls_go_first_and_others_keep_a_share() -> None:
    """Two of twenty places are for waiting lower priorities; the request has the most urgent one's priority."""
    seller = NumbersSeller()
    numbers = Numbers(seller, rule=numbers_rule(rate=1, burst=1, spare=False))
    await numbers.get(1000)

    async def call(number: int, priority: Priority) -> int:
        with call_options(priority=priority):
            return await numbers.get(number)

    bulk = [asyncio.ensure_future(call(2 * n, Priority.BULK)) for n in range(30)]
    await asyncio.sleep(0.2)
    urgent = [asyncio.ensure_future(call(500 + 2 * n, Priority.INTERACTIVE)) for n in range(30)]
    await asyncio.gather(*bulk, *urgent)
    second = seller.sent[1]
    assert [sum(key >= 500 for key in sent.keys) for sent in seller.sent[1:]] == [18, 12, 0]
    assert second.priority == Priority.INTERACTIVE
    assert seller.sent[-1].priority == Priority.BULK


@virtual_time
async def test_a_wait_beyond_max_wait_is_refused_at_once() -> None:
    """The place in the queue decides: the first of three batches may wait a second, the third may not."""
    seller = NumbersSeller()
    numbers = Numbers(seller, rule=numbers_rule(rate=1, burst=1, spare=False))
    await numbers.get(1000)
    waiting = [asyncio.ensure_future(numbers.get(2 * n)) for n in range(40)]
    await asyncio.sleep(0)
    before = asyncio.get_running_loop().time()
    with call_options(max_wait=1.5), pytest.raises(RateLimitWaitError) as refused:
        await numbers.get(500)
    assert asyncio.get_running_loop().time() == before
    assert 2 < (refused.value.retry_after or 0) < 4
    with call_options(max_wait=5.0):
        assert await numbers.get(500) == 5000
    await asyncio.gather(*waiting)


@virtual_time
async def test_a_wait_beyond_the_deadline_is_refused_at_once() -> None:
    """The deadline bounds the wait for quota, too."""
    numbers = Numbers(NumbersSeller(), rule=numbers_rule(rate=0.01, burst=1, spare=False))
    await numbers.get(2)
    before = asyncio.get_running_loop().time()
    with call_options(deadline=5.0), pytest.raises(RateLimitWaitError):
        await numbers.get(4)
    assert asyncio.get_running_loop().time() == before


@virtual_time
async def test_sellers_of_a_pool_share_what_is_ahead_of_a_call() -> None:
    """Of three batches, each of two sellers sends two at most: the last one leaves after ten seconds."""
    sellers = [NumbersSeller(name=name) for name in ("one", "two")]
    numbers = Numbers(*sellers, rule=numbers_rule(rate=0.1, burst=1, spare=False))
    ahead = [asyncio.ensure_future(numbers.get(2 * number)) for number in range(40)]
    await asyncio.sleep(0)
    with call_options(max_wait=15.0):
        assert await numbers.get(100) == 1000
    await asyncio.gather(*ahead)


@virtual_time
@pytest.mark.parametrize("number", [2, -4])
async def test_a_request_that_comes_too_late_for_one_caller_is_sent_for_the_other(number: int) -> None:
    """Other calls took the quota that was forecast; a key that fits into no batch still gets a request of its own."""
    seller = OvertakenSeller()
    numbers = Numbers(seller, rule=numbers_rule(single=number < 0))
    with call_options(max_wait=5.0):
        impatient = asyncio.ensure_future(numbers.get(number))
    patient = asyncio.ensure_future(numbers.get(number))
    with pytest.raises(RateLimitWaitError, match="overtaken"):
        await impatient
    assert await patient == number * 10
    assert [sent.operation for sent in seller.sent] == [SINGLE.name if number < 0 else BATCH.name]


class OvertakenSeller(NumbersSeller):
    """A seller whose first request would have to wait nine seconds, although its forecast was none."""

    overtaken = False

    async def call(self, operation: Operation[Any], /, **arguments: Any) -> Any:
        if not self.overtaken:
            self.overtaken = True
            raise RateLimitWaitError("overtaken", retry_after=9.0)
        return await super().call(operation, **arguments)


@virtual_time
async def test_a_deadline_ends_the_wait_of_one_caller_alone() -> None:
    """Another caller of the same key keeps waiting."""
    seller = NumbersSeller(latency=5.0)
    numbers = Numbers(seller)
    patient = asyncio.ensure_future(numbers.get(2))
    with call_options(deadline=1.0), pytest.raises(RequestTimeoutError, match="deadline of 1 s"):
        await numbers.get(2)
    assert asyncio.get_running_loop().time() == 1.0
    assert await patient == 20
    assert len(seller.sent) == 1


@virtual_time
async def test_each_caller_gets_an_error_of_its_own() -> None:
    """Notes and tracebacks of one do not appear in the others'."""
    seller = NumbersSeller(gone=LWAError("no grant", code="invalid_grant"))
    numbers = Numbers(seller)
    one, other = await outcomes([asyncio.ensure_future(numbers.get(number)) for number in (2, 4)])
    assert isinstance(one, LWAError)
    assert isinstance(other, LWAError)
    assert one is not other
    assert one.code == other.code == "invalid_grant"


@virtual_time
async def test_interchangeable_sellers_double_the_rate() -> None:
    """The one that has quota first is used."""
    sellers = [NumbersSeller(name=name) for name in ("one", "two", "three")]
    numbers = Numbers(*sellers, rule=numbers_rule(spare=False))
    await asyncio.gather(*(numbers.get(2 * n) for n in range(1000)))
    assert [abs(len(seller.sent) - 50 / 3) < 2 for seller in sellers] == [True] * 3
    assert asyncio.get_running_loop().time() < (1000 / 20 - 6) / 6 + 1


@pytest.mark.parametrize("error", [LWAError("no", code="invalid_grant"), ForbiddenError("no", status=403)])
def test_a_revoked_seller_is_left_out(error: SPAPIError) -> None:
    """Its calls go to the others; they fail when all sellers are revoked."""

    async def job() -> None:
        gone, good = NumbersSeller(name="gone", gone=error), NumbersSeller(name="good")
        numbers = Numbers(gone, good)
        assert await asyncio.gather(*(numbers.get(2 * n) for n in range(100))) == [20 * n for n in range(100)]
        good.gone = error
        with pytest.raises(type(error)):
            await numbers.get(2)
        assert len(gone.sent) <= 4

    run(job())


@virtual_time
async def test_other_sellers_take_over_during_an_outage_of_login_with_amazon() -> None:
    """Only one that gets no token is left out, and only for some seconds; without others, its callers get the error."""
    outage = LWAError("later", code="temporarily_unavailable", status=503)
    first, second = NumbersSeller(name="first", gone=outage), NumbersSeller(name="second")
    numbers = Numbers(first, second)
    assert await asyncio.gather(*(numbers.get(2 * n) for n in range(100))) == [20 * n for n in range(100)]
    assert len(first.sent) <= 4
    second.gone = outage
    with pytest.raises(LWAError, match="later"):
        await numbers.get(2)
    first.gone = None
    await asyncio.sleep(10)
    before = len(first.sent)
    assert await asyncio.gather(*(numbers.get(2 * n) for n in range(100))) == [20 * n for n in range(100)]
    assert len(first.sent) > before


@virtual_time
async def test_closing_the_application_ends_the_wait() -> None:
    """It ends at once, not when the token would have come."""
    shared = resources()
    numbers = Numbers(NumbersSeller(), rule=numbers_rule(rate=0.01, burst=1, spare=False), shared=shared)
    await numbers.get(2)
    waiting = asyncio.ensure_future(numbers.get(4))
    await asyncio.sleep(1)
    for kept in shared.shared.values():
        kept.close()
    with pytest.raises(ClosedError):
        await waiting
    assert asyncio.get_running_loop().time() < 2


def test_a_second_event_loop_starts_afresh() -> None:
    """Calls that an earlier loop left waiting do not matter."""
    shared, left_behind = resources(), []

    async def abandoned() -> None:
        numbers = Numbers(NumbersSeller(), rule=numbers_rule(rate=0.01, burst=1, spare=False), shared=shared)
        await numbers.get(2)
        left_behind.append(asyncio.ensure_future(numbers.get(4)))
        await asyncio.sleep(1)

    async def again() -> int:
        return await Numbers(NumbersSeller(), rule=numbers_rule(), shared=shared).get(4)

    run(abandoned())
    assert run(again()) == 40


def test_batches_that_are_due_within_half_a_millisecond_work_on_uvloop() -> None:
    """Its timers do not know their time then."""
    uvloop = pytest.importorskip("uvloop")

    async def scenario() -> list[int]:
        seller = NumbersSeller(latency=0.0, limiter=LocalRateLimiter())
        numbers = Numbers(seller, rule=numbers_rule(rate=3000, burst=1, single=False))

        async def get(number: int) -> int:
            for _ in range(number):
                await asyncio.sleep(0)
            return await numbers.get(number)

        return list(await asyncio.gather(*(get(number) for number in range(0, 400, 2))))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) == [10 * number for number in range(0, 400, 2)]
