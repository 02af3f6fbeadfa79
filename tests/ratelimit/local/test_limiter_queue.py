"""The order in which calls are served, what leaving the queue costs, and thousands of waiting calls."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insides import lanes_of, registry_of
from simulated import account, now, operation, take
from virtual_time import VirtualTimeLoop, run, virtual_time

from spapi_async._core.options import Priority
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit import LocalRateLimiter
from spapi_async.ratelimit._shares import MOST_PASSES, position, serve

INTERACTIVE, NORMAL, BULK = Priority.INTERACTIVE, Priority.NORMAL, Priority.BULK


class Queue:
    """Calls of one bucket of one token a second, and the order in which they were served.

    With ``shared`` it is the bucket of the application, in which several sellers wait.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self.limiter = LocalRateLimiter()
        self.operation = operation(1.0, 1)
        if shared:
            self.operation = operation(100.0, 100, application_rate=1.0, application_burst=1)
        self.served: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def empty_bucket(self) -> None:
        await take(self.limiter, self.operation, account())

    async def add(self, name: str, priority: Priority, number: int = 1, *, seller: str = "one") -> None:
        self.tasks += [asyncio.create_task(self._call(name, priority, seller)) for _ in range(number)]
        await asyncio.sleep(0)

    async def _call(self, name: str, priority: Priority, seller: str) -> None:
        await take(self.limiter, self.operation, account(seller), priority=priority)
        self.served.append(name)

    def cancel_all(self) -> None:
        for task in self.tasks:
            task.cancel()


@virtual_time
async def test_calls_of_one_priority_are_served_in_order_of_arrival() -> None:
    """Equal calls are served in the order in which they came."""
    queue = Queue()
    await queue.empty_bucket()
    for name in "abcdef":
        await queue.add(name, NORMAL)
    await asyncio.gather(*queue.tasks)
    assert queue.served == list("abcdef")
    assert now() == pytest.approx(6.0)


@virtual_time
async def test_urgent_calls_overtake() -> None:
    """INTERACTIVE goes before NORMAL, and NORMAL before BULK."""
    queue = Queue()
    await queue.empty_bucket()
    await queue.add("bulk", BULK)
    await queue.add("normal", NORMAL)
    await queue.add("interactive", INTERACTIVE)
    await asyncio.gather(*queue.tasks)
    assert queue.served == ["interactive", "normal", "bulk"]


@virtual_time
async def test_an_interactive_call_overtakes_two_thousand_bulk_calls() -> None:
    """It gets the next token, however long the bulk queue is."""
    queue = Queue()
    await queue.empty_bucket()
    await queue.add("bulk", BULK, 2000)
    for _ in range(5):
        await asyncio.sleep(17.3)
        permit = await take(queue.limiter, queue.operation, account(), priority=INTERACTIVE)
        assert permit.waited <= 1.0
    queue.cancel_all()


@virtual_time
async def test_lower_priorities_keep_one_token_in_ten() -> None:
    """Under a flood of interactive calls, NORMAL and BULK calls still get theirs."""
    queue = Queue()
    await queue.empty_bucket()
    await queue.add("bulk", BULK, 50)
    await queue.add("normal", NORMAL, 50)
    await queue.add("interactive", INTERACTIVE, 500)
    await asyncio.sleep(200.5)
    assert queue.served.count("bulk") == pytest.approx(20, abs=1)
    assert queue.served.count("normal") == pytest.approx(20, abs=1)
    queue.cancel_all()


@given(
    waiting=st.tuples(*[st.integers(0, 60)] * 3),
    passed=st.tuples(*[st.integers(0, MOST_PASSES)] * 3),
    priority=st.integers(0, 2),
)
def test_a_call_is_served_in_the_predicted_place(
    waiting: tuple[int, int, int], passed: tuple[int, int, int], priority: int
) -> None:
    """Simulating the queue call by call serves a new call when it was predicted."""
    left, turns = list(waiting), list(passed)
    predicted = position(waiting, passed, priority) if any(waiting) else 0
    left[priority] += 1
    served = 0
    while (chosen := serve(left, turns)) != priority or left[priority] > 1:
        left[chosen] -= 1
        served += 1
    assert predicted == served


@virtual_time
async def test_a_call_waits_as_long_as_predicted() -> None:
    """The wait named in a refusal is the wait of a call of the same priority that stays."""
    for priority in Priority:
        queue = Queue()
        await queue.empty_bucket()
        await queue.add("bulk", BULK, 30)
        await queue.add("normal", NORMAL, 30)
        await queue.add("interactive", INTERACTIVE, 30)
        with pytest.raises(RateLimitWaitError) as caught:
            await take(queue.limiter, queue.operation, account(), priority=priority, max_wait=0)
        permit = await take(queue.limiter, queue.operation, account(), priority=priority)
        assert permit.waited == pytest.approx(caught.value.retry_after)
        queue.cancel_all()


@virtual_time
async def test_sixty_cancelled_calls_cost_the_next_one_nothing() -> None:
    """The next call waits for one token, not for sixty-one."""
    limiter, search_orders = LocalRateLimiter(), operation(1 / 180, 1)
    await take(limiter, search_orders, account())
    gone = [asyncio.create_task(take(limiter, search_orders, account())) for _ in range(60)]
    await asyncio.sleep(1)
    for task in gone:
        task.cancel()
    permit = await take(limiter, search_orders, account())
    assert now() == pytest.approx(180.0)
    assert permit.waited == pytest.approx(179.0)


@virtual_time
async def test_a_call_that_times_out_gives_up_its_place() -> None:
    """asyncio.timeout around a call works like a cancellation."""
    limiter, slow = LocalRateLimiter(), operation(0.1, 1)
    await take(limiter, slow, account())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await take(limiter, slow, account())
    assert limiter.limits()[0].waiting == 0
    assert (await take(limiter, slow, account())).waited == pytest.approx(7.0)


@virtual_time
async def test_a_call_cancelled_as_it_is_served_passes_its_token_on() -> None:
    """A call that is admitted, and cancelled before it runs, leaves its token to the next one at once."""
    limiter, slow = LocalRateLimiter(), operation(0.1, 1)
    await take(limiter, slow, account())
    first = asyncio.create_task(take(limiter, slow, account()))
    second = asyncio.create_task(take(limiter, slow, account()))
    await asyncio.sleep(0)
    # Runs in the same iteration of the loop as the bucket's own timer, and after it.
    moments: list[tuple[int, bool]] = []

    def cut_off() -> None:
        moments.append((limiter.limits()[0].waiting, first.done()))
        first.cancel()

    asyncio.get_running_loop().call_at(10.0 + 1e-10, cut_off)
    assert (await second).waited == pytest.approx(10.0)
    assert first.cancelled()
    assert moments == [(1, False)]  # one of two still waits: the first is admitted, and its task has not run yet
    (limit,) = limiter.limits()
    assert (limit.waiting, limit.admitted) == (0, 2)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), cancel_after=st.integers(0, 12))
def test_cancelling_at_any_step_loses_no_token(seed: int, cancel_after: int) -> None:
    """Wherever a call is cancelled, another one uses its token, and no token is spent twice."""

    async def scenario() -> None:
        limiter, op = LocalRateLimiter(), operation(1.0, 2)
        rng = random.Random(seed)
        served: list[float] = []

        async def call() -> None:
            await take(limiter, op, account(), priority=rng.choice(list(Priority)))
            served.append(now())

        tasks = [asyncio.create_task(call()) for _ in range(12)]
        await asyncio.sleep(rng.choice([0.0, 0.5, 1.0, 1.5]))
        for _ in range(cancel_after):
            await asyncio.sleep(0)
        victims = rng.sample(tasks, 6)
        for task in victims:
            task.cancel()
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks, return_exceptions=True)
        # The calls that stayed were served at the rate of the bucket, without a gap.
        assert now() == pytest.approx(max(len(served) - 2, now() if len(served) <= 2 else 0), abs=1e-6)
        assert limiter.limits()[0].waiting == 0

    run(scenario())


@virtual_time
async def test_two_thousand_calls_wait_in_two_hundred_buckets() -> None:
    """All are served in order, each bucket has one timer, and cancelled calls leave no entries behind."""
    limiter, op = LocalRateLimiter(), operation(1.0, 1)
    sellers = [account(str(number)) for number in range(200)]
    done = 0

    async def call(number: int) -> None:
        nonlocal done
        await take(limiter, op, sellers[number % 200])
        done += 1

    tasks = [asyncio.create_task(call(number)) for number in range(2200)]
    await asyncio.sleep(0.5)
    assert (done, lanes_of(limiter)[sellers[7].key, op].queue.total) == (200, 10)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    assert loop.timers <= 201
    for task in tasks[1200:]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done == 1200
    assert now() == pytest.approx(5.0)


@virtual_time
async def test_calls_that_gave_up_do_not_accumulate() -> None:
    """Calls that come and go before one that stays leave a bounded number of entries behind."""
    limiter, slow = LocalRateLimiter(), operation(0.001, 1)
    await take(limiter, slow, account())
    patient = asyncio.create_task(take(limiter, slow, account()))
    for _ in range(100):
        task = asyncio.create_task(take(limiter, slow, account()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
    line = lanes_of(limiter)[account().key, slow].queue
    assert sum(len(waiters) for waiters in line.waiters if waiters) < 20
    await patient


@virtual_time
async def test_idle_buckets_are_forgotten_once_full() -> None:
    """A thousand sellers called once are forgotten when their buckets are full; one with a waiting call stays."""
    limiter, op = LocalRateLimiter(), operation(1.0, 5)
    slow = operation(0.0001, 1, name="slow")
    await take(limiter, slow, account())
    for number in range(1000):
        await take(limiter, op, account(str(number)))
    assert len(limiter.limits()) == 1001
    await asyncio.sleep(11)
    assert [limit.operation for limit in limiter.limits()] == ["slow"]


@virtual_time
async def test_a_bucket_in_use_is_not_forgotten() -> None:
    """Full or not: what was learned from the replies to its calls would be lost, at every call of a slow crawl."""
    limiter, fast = LocalRateLimiter(), operation(100.0, 5)
    for _ in range(3):
        await take(limiter, fast, account())
        await asyncio.sleep(9)
    assert len(limiter.limits()) == 1
    await asyncio.sleep(2)
    assert limiter.limits() == ()


@virtual_time
async def test_new_buckets_make_the_limiter_forget_idle_ones() -> None:
    """A crawl through more and more sellers takes bounded memory, even if limits are never shown."""
    limiter, op = LocalRateLimiter(), operation(1.0, 5)
    for number in range(1000):
        await take(limiter, op, account(str(number)))
        await asyncio.sleep(0.1)
    assert len(lanes_of(limiter)) < 250


@virtual_time
async def test_learned_rates_outlive_a_forgotten_bucket() -> None:
    """The announced rate is known when the bucket returns; one lowered by a 429 is kept for an hour."""
    limiter, op = LocalRateLimiter(), operation(1.0, 2)
    await take(limiter, op, account("a"), rate=0.25)
    await take(limiter, op, account("b"), status=429)
    await asyncio.sleep(100)
    assert [limit.rate for limit in limiter.limits()] == [0.85]
    for _ in range(2):
        await take(limiter, op, account("a"))
    assert (await take(limiter, op, account("a"))).waited == pytest.approx(4.0)
    await asyncio.sleep(3600)
    assert limiter.limits() == ()


@virtual_time
async def test_sellers_that_left_the_applications_queue_do_not_accumulate() -> None:
    """Calls that come and go while the application's bucket is empty leave a bounded number of entries behind."""
    limiter, shared = LocalRateLimiter(), operation(1.0, 5, application_rate=0.001, application_burst=1)
    await take(limiter, shared, account("first"))
    for _ in range(1000):
        task = asyncio.create_task(take(limiter, shared, account("fickle")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
    shared_by_all = registry_of(limiter).meters[shared.name, "amzn1.app", "na"]
    assert (shared_by_all.queue.total, shared_by_all.lanes) == (0, {})
    assert sum(map(len, shared_by_all.queue.heaps)) < 50
    assert (await take(limiter, shared, account("second"))).waited == pytest.approx(1000.0)


@virtual_time
async def test_a_refusal_names_the_rest_of_max_wait() -> None:
    """When the rate falls during a wait, a wait of a hundred seconds is longer than the four that remain.

    From then on the refused calls are in nobody's way, although their tasks have not run yet.
    """
    limiter, slow = LocalRateLimiter(), operation(1.0, 1)
    first = await limiter.acquire(slow, account(), priority=NORMAL, max_wait=None)
    other = asyncio.create_task(take(limiter, slow, account(), max_wait=5.0))
    late = asyncio.create_task(take(limiter, slow, account(), max_wait=5.0))
    await asyncio.sleep(0.5)
    first.observe(200, 0.01)
    assert limiter.forecast(slow, account()) == pytest.approx(100.0)
    with pytest.raises(RateLimitWaitError, match=r"longer than max_wait=4\.5 s"):
        await late
    other.cancel()


@virtual_time
async def test_a_sellers_urgent_call_brings_it_before_other_sellers() -> None:
    """Although the seller's own calls waited with a lower priority already."""
    queue = Queue(shared=True)
    await queue.empty_bucket()
    await queue.add("normal", NORMAL, seller="first")
    await queue.add("bulk", BULK, seller="second")
    await queue.add("interactive", INTERACTIVE, seller="second")
    await asyncio.gather(*queue.tasks)
    assert queue.served == ["interactive", "normal", "bulk"]


@virtual_time
async def test_a_seller_whose_urgent_call_is_cancelled_goes_back() -> None:
    """Its other calls are of a lower priority than those of another seller."""
    queue = Queue(shared=True)
    await queue.empty_bucket()
    await queue.add("normal", NORMAL, seller="first")
    await queue.add("bulk", BULK, seller="second")
    await queue.add("interactive", INTERACTIVE, seller="second")
    queue.tasks[-1].cancel()
    await asyncio.gather(*queue.tasks, return_exceptions=True)
    assert queue.served == ["normal", "bulk"]
