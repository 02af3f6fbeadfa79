"""The rules for calls that pay from several limits, tested with every limiter."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from redis_worker import make_account, make_operation

from spapi_async._core.clock import SystemClock
from spapi_async._core.events import Event, Observers, Throttled
from spapi_async._core.options import Priority
from spapi_async.api.feeds_2021_06_30 import CREATE_FEED
from spapi_async.api.listings_items_2021_08_01 import PATCH_LISTINGS_ITEM
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT
from spapi_async.credentials import Account
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit import (
    Bucket,
    LimitSnapshot,
    LocalRateLimiter,
    Permit,
    PlanRule,
    RateLimiter,
    RedisRateLimiter,
    Window,
)
from spapi_async.ratelimit.shared._limiter import SharedRateLimiter

SALES = {"body": {"reportType": "GET_SALES_AND_TRAFFIC_REPORT"}}
OTHER = {"body": {"reportType": "GET_MERCHANT_LISTINGS_ALL_DATA"}}
SETTLEMENT = {"body": {"reportType": "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE"}}
RELATIONSHIP = {"body": {"patches": [{"path": "/attributes/child_parent_sku_relationship"}]}}
OFFER = {"body": {"patches": [{"path": "/attributes/purchasable_offer"}]}}
SELLER, ANOTHER = make_account(), make_account("another")

Make = Callable[..., Any]


def _redis(request: pytest.FixtureRequest) -> Make:
    return partial(RedisRateLimiter, request.getfixturevalue("redis_url"), timeout=5.0)


LIMITERS: dict[str, Callable[[pytest.FixtureRequest], Make]] = {"local": lambda _: LocalRateLimiter, "redis": _redis}
"""Each limiter there is; another store is a line here."""


@pytest.fixture(params=LIMITERS)
def make(request: pytest.FixtureRequest) -> Make:
    """Makes limiters of one kind; those of a store share what they know, as processes do."""
    kind = LIMITERS[request.param](request)

    @asynccontextmanager
    async def make(**options: Any) -> AsyncIterator[RateLimiter]:
        limiter = kind(**options)
        try:
            yield limiter
        finally:
            await limiter.aclose()

    return make


async def take(
    limiter: RateLimiter, operation: Any, arguments: Any, *, seller: Account = SELLER, max_wait: float = 3.0
) -> Permit:
    """A permit."""
    return await limiter.acquire(operation, seller, priority=Priority.NORMAL, max_wait=max_wait, arguments=arguments)


async def passes(limiter: RateLimiter, operation: Any, arguments: Any, *, seller: Account = SELLER) -> int:
    """How many calls leave, each answered 200, until one would have to wait for longer than 3 s."""
    passed = 0
    try:
        while passed < 100:
            (await take(limiter, operation, arguments, seller=seller)).observe(200, None)
            passed += 1
    except RateLimitWaitError:
        pass
    return passed


async def shown(limiter: Any) -> dict[str, LimitSnapshot]:
    """The limits of the only seller by what they apply to."""
    if isinstance(limiter, SharedRateLimiter):
        await limiter.refresh()
    return {limit.rule or ("application" if not limit.account else "plan"): limit for limit in limiter.limits()}


async def test_the_fifth_sales_report_of_an_hour_waits_and_other_types_pass(make: Make) -> None:
    """Its refusal names the rest of the hour; the plan has lost four tokens, not five."""
    async with make() as limiter:
        assert await passes(limiter, CREATE_REPORT, SALES) == 4
        with pytest.raises(RateLimitWaitError) as refusal:
            await take(limiter, CREATE_REPORT, SALES)
        assert refusal.value.retry_after == pytest.approx(3600, abs=30)
        waiting = asyncio.create_task(take(limiter, CREATE_REPORT, SALES, max_wait=7200.0))
        (await take(limiter, CREATE_REPORT, OTHER)).observe(202, None)
        assert (await shown(limiter))["plan"].tokens == pytest.approx(10, abs=0.5)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_the_sixth_json_feed_in_five_minutes_waits(make: Make) -> None:
    """Five leave, whatever the burst of createFeed."""
    async with make() as limiter:
        feed = {"body": {"feedType": "JSON_LISTINGS_FEED"}}
        assert await passes(limiter, CREATE_FEED, feed) == 5
        with pytest.raises(RateLimitWaitError) as refusal:
            await take(limiter, CREATE_FEED, feed)
        assert refusal.value.retry_after == pytest.approx(300, abs=30)


async def test_a_seller_has_a_window_of_its_own(make: Make) -> None:
    """Another seller's window is not used up by it."""
    async with make() as limiter:
        assert await passes(limiter, CREATE_REPORT, SALES) == 4
        assert await passes(limiter, CREATE_REPORT, SALES, seller=ANOTHER) == 4


async def test_a_new_authorisation_of_a_seller_gets_no_new_bucket(make: Make) -> None:
    """Buckets belong to the seller where the seller id is known, not to the credential."""
    old, new = (Account(each.grant, each.region, "A1SELLER") for each in (SELLER, ANOTHER))
    async with make() as limiter:
        assert await passes(limiter, CREATE_REPORT, SALES, seller=old) == 4
        assert await passes(limiter, CREATE_REPORT, SALES, seller=new) == 0
        assert {limit.account for limit in limiter.limits()} == {"A1SELLER@na"}


async def test_a_newly_named_seller_keeps_its_credentials_bucket(redis_url: str) -> None:
    """What was spent before the seller id was known stays spent, in Redis and in a saved state."""
    unnamed, named = SELLER, Account(SELLER.grant, SELLER.region, "A1SELLER")
    local, shared = LocalRateLimiter(), RedisRateLimiter(redis_url, timeout=5.0)
    for limiter in (local, shared):
        assert await passes(limiter, CREATE_REPORT, OTHER, seller=unnamed) == 15
    again = LocalRateLimiter()
    again.load_state(local.dump_state())
    for limiter in (again, shared):
        assert await passes(limiter, CREATE_REPORT, OTHER, seller=named) == 0
        await limiter.aclose()


async def test_while_replies_are_overdue_no_more_is_sent_than_the_bucket_holds(make: Make) -> None:
    """Unanswered requests may arrive together: five of a burst of five, not fifty a second."""
    quick = make_operation(50.0, 5)
    async with make() as limiter:
        for _ in range(40):
            (await take(limiter, quick, None)).observe(200, None)
        silent, began = [], asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 0.7:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.7):
                    silent.append(await take(limiter, quick, None))
        assert 5 <= len(silent) <= 20  # besides those that were sent before the first reply was overdue
        for permit in silent:
            permit.observe(200, None)
        (await take(limiter, quick, None)).observe(200, None)  # replies arrive again


@pytest.mark.parametrize(
    ("old", "new", "spent", "left"),
    [
        (Bucket(0.001, 5), Window(4, 3600.0), 3, 1),
        (Bucket(0.001, 5), Window(100, 3600.0), 5, 0),
        (Bucket(0.001, 2), Window(4, 3600.0), 0, 2),
        (Window(4, 3600.0), Bucket(0.001, 5), 3, 1),
        (Window(4, 3600.0), Bucket(0.001, 5), 4, 0),
        (Window(4, 3600.0), Bucket(0.001, 2), 1, 1),
    ],
)
async def test_a_rule_that_becomes_another_kind_of_limit_forgets_nothing(
    redis_url: str, old: Bucket | Window, new: Bucket | Window, spent: int, left: int
) -> None:
    """Two versions of a program, one after the other or side by side, do not exceed the limit."""
    before, after = ([PlanRule(CREATE_REPORT.name, "body.reportType", "OLD", (limit,))] for limit in (old, new))
    arguments = {"body": {"reportType": "OLD"}}
    local, shared = LocalRateLimiter(rules=before), RedisRateLimiter(redis_url, timeout=5.0, rules=before)
    for limiter in (local, shared):
        for _ in range(spent):
            (await take(limiter, CREATE_REPORT, arguments)).observe(202, None)
        await shown(limiter)
        if not spent:
            (await take(limiter, CREATE_REPORT, arguments)).release()
            await shown(limiter)
    again, other = LocalRateLimiter(rules=after), RedisRateLimiter(redis_url, timeout=5.0, rules=after)
    again.load_state(local.dump_state())
    for limiter in (again, other):
        assert await passes(limiter, CREATE_REPORT, arguments) == left
    for limiter in (local, shared, again, other):
        await limiter.aclose()


async def test_sellers_share_a_limit_of_the_application(make: Make) -> None:
    """A rule of scope "application" counts every seller's calls; a call that it refuses pays nothing."""
    rule = PlanRule(
        CREATE_REPORT.name, "body.reportType", OTHER["body"]["reportType"], (Window(3, 600.0),), "application"
    )
    async with make(rules=[rule]) as limiter:
        assert await passes(limiter, CREATE_REPORT, OTHER) == 3
        assert await passes(limiter, CREATE_REPORT, OTHER, seller=ANOTHER) == 0
        assert await passes(limiter, CREATE_REPORT, SETTLEMENT, seller=ANOTHER) == 15


async def test_several_limits_of_one_rule_all_hold(make: Make) -> None:
    """The tightest one decides."""
    rule = PlanRule(CREATE_REPORT.name, "body.reportType", "*", (Window(6, 60.0), Window(2, 30.0)))
    async with make(rules=[rule]) as limiter:
        assert await passes(limiter, CREATE_REPORT, SETTLEMENT) == 2
        assert len(await shown(limiter)) == 2  # the plan, and the rule's label
        assert len(limiter.limits()) >= 3


async def test_a_given_limiter_keeps_the_applications_rules(make: Make) -> None:
    """It also calls the application's observers, each once."""
    events: list[Event] = []
    rule = PlanRule(CREATE_REPORT.name, "body.reportType", OTHER["body"]["reportType"], (Window(2, 600.0),))
    async with make() as limiter:
        limiter.bind(clock=SystemClock(), observers=Observers([events.append]), rules=(rule,))
        assert await passes(limiter, CREATE_REPORT, OTHER) == 2
        (await take(limiter, CREATE_REPORT, SALES)).observe(429, None)
        assert [type(event) for event in events if isinstance(event, Throttled)] == [Throttled]


async def test_an_unsent_request_gives_back_to_every_limit(make: Make) -> None:
    """The window gets it back too: four released and four sent are four."""
    async with make() as limiter:
        for _ in range(4):
            (await take(limiter, CREATE_REPORT, SALES)).release()
        if isinstance(limiter, SharedRateLimiter):
            await limiter.refresh()
        assert await passes(limiter, CREATE_REPORT, SALES) == 4


async def test_a_cancelled_call_leaves_nothing_behind(make: Make) -> None:
    """After ten calls that gave up waiting for the window, the next one waits as if they had never existed."""
    async with make() as limiter:
        assert await passes(limiter, CREATE_REPORT, SALES) == 4
        gone = [asyncio.create_task(take(limiter, CREATE_REPORT, SALES, max_wait=1e5)) for _ in range(10)]
        while (await shown(limiter))["plan"].waiting < 10:
            await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        assert (await shown(limiter))["plan"].waiting == 0
        with pytest.raises(RateLimitWaitError) as refusal:
            await take(limiter, CREATE_REPORT, SALES)
        assert refusal.value.retry_after == pytest.approx(3600, abs=30)


async def test_a_forecast_is_the_wait_that_a_refusal_names(make: Make) -> None:
    """It holds for one or several calls of this value and for others, and spends nothing."""
    async with make() as limiter:
        assert limiter.forecast(CREATE_REPORT, SELLER, SALES) == 0.0
        assert await passes(limiter, CREATE_REPORT, SALES) == 4
        await shown(limiter)
        assert limiter.forecast(CREATE_REPORT, SELLER, SALES) == pytest.approx(3600, abs=30)
        assert limiter.forecast(CREATE_REPORT, SELLER, SALES, count=5) == pytest.approx(7200, abs=60)
        (await take(limiter, CREATE_REPORT, OTHER)).observe(202, None)
        assert limiter.forecast(CREATE_REPORT, SELLER, OTHER) == 0.0
        assert limiter.forecast(CREATE_REPORT, SELLER, OTHER, count=20) == pytest.approx(10 * 60, rel=0.1)


async def test_a_429_lowers_the_limit_that_it_names(make: Make) -> None:
    """The application's relationships slow down; the seller's plan and other updates do not."""
    message = (
        b'{"errors":[{"message":"The frequency of requests was greater than what is allowed for relationships."}]}'
    )
    async with make() as limiter:
        (await take(limiter, PATCH_LISTINGS_ITEM, RELATIONSHIP)).observe(429, None, message)
        found = await shown(limiter)
        assert found["relationships"].rate == pytest.approx(5.0 * 0.85)
        assert found["plan"].rate == 5.0
        assert found["application"].rate == 500.0
        assert found["relationships"].throttled == 1
        (await take(limiter, PATCH_LISTINGS_ITEM, OFFER, max_wait=0.5)).observe(200, None)


async def test_a_429_that_only_one_value_gets_limits_that_value(make: Make) -> None:
    """A report type that cannot be requested waits, and is shown; the others go on at once."""
    async with make() as limiter:
        (await take(limiter, CREATE_REPORT, OTHER)).observe(202, None)
        (await take(limiter, CREATE_REPORT, SETTLEMENT)).observe(429, None)
        found = await shown(limiter)
        learned = found["reportType=GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE"]
        assert learned.rate < found["plan"].rate == found["plan"].announced_rate
        assert await passes(limiter, CREATE_REPORT, SETTLEMENT) == 0
        assert await passes(limiter, CREATE_REPORT, OTHER) >= 10


GERMAN = {"body": {**SETTLEMENT["body"], "marketplaceIds": ["A1PA6795UKMFR9"]}}
OF_GERMANY = PlanRule(CREATE_REPORT.name, "body.marketplaceIds[]", "A1PA6795UKMFR9", (Window(50, 60.0),))


@pytest.mark.parametrize(
    ("before", "replies"),
    [(None, ()), (OTHER, ()), (OTHER, (None,)), (GERMAN, (202,))],
    ids=["nobody", "unanswered", "reply lost", "same value"],
)
async def test_a_429_limits_the_plan_unless_another_value_passes(make: Make, before: Any, replies: Any) -> None:
    """Other values have not passed, or none has been answered yet."""
    async with make(rules=[OF_GERMANY]) as limiter:
        if before:
            first = await take(limiter, CREATE_REPORT, before)
            for status in replies:
                first.observe(status, None)
        (await take(limiter, CREATE_REPORT, SETTLEMENT)).observe(429, None)
        found = await shown(limiter)
        assert "reportType=GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE" not in found
        assert found["plan"].rate < found["plan"].announced_rate
        assert await passes(limiter, CREATE_REPORT, OTHER) == 0


async def test_a_learned_limit_of_a_value_applies_to_all_its_calls(make: Make) -> None:
    """It applies whichever rules they have."""
    async with make(rules=[OF_GERMANY]) as limiter:
        (await take(limiter, CREATE_REPORT, OTHER)).observe(202, None)
        (await take(limiter, CREATE_REPORT, SETTLEMENT)).observe(429, None)
        await shown(limiter)
        assert await passes(limiter, CREATE_REPORT, GERMAN) == 0


async def test_a_request_that_left_before_its_limit_was_learned_is_refused_without_it(make: Make) -> None:
    """It was not charged there; its 429 says nothing new."""
    async with make() as limiter:
        (await take(limiter, CREATE_REPORT, OTHER)).observe(202, None)
        sent = [await take(limiter, CREATE_REPORT, SETTLEMENT) for _ in range(2)]
        for permit in sent:
            permit.observe(429, None)
        found = await shown(limiter)
        assert found["plan"].rate == found["plan"].announced_rate
        assert await passes(limiter, CREATE_REPORT, SETTLEMENT) == 0
        assert await passes(limiter, CREATE_REPORT, OTHER) >= 10


async def test_a_second_value_refused_at_once_clears_the_first(make: Make) -> None:
    """The plan, which the two values share, is the one that is empty."""
    async with make() as limiter:
        sent = [await take(limiter, CREATE_REPORT, each) for each in (SETTLEMENT, OTHER)]
        for permit in sent:
            permit.observe(429, None)
            await shown(limiter)
        assert await passes(limiter, CREATE_REPORT, {"body": {"reportType": "A_THIRD"}}) == 0


async def test_a_full_window_that_is_refused_is_tried_at_its_mean_distance(make: Make) -> None:
    """Another client uses the same window: after the 429 the next request leaves a quarter of an hour later."""
    async with make() as limiter:
        (await take(limiter, CREATE_REPORT, SALES)).observe(202, None)
        (await take(limiter, CREATE_REPORT, SALES)).observe(429, None)
        await shown(limiter)
        with pytest.raises(RateLimitWaitError) as refusal:
            await take(limiter, CREATE_REPORT, SALES)
        assert refusal.value.retry_after == pytest.approx(900, abs=30)
        assert await passes(limiter, CREATE_REPORT, OTHER) >= 10


async def test_a_throttled_item_of_a_batch_counts_as_a_429(make: Make) -> None:
    """The plan is emptied and slowed down as by a refused request."""
    async with make() as limiter:
        (await take(limiter, CREATE_REPORT, OTHER)).observe(202, None)
        limiter.throttled(CREATE_REPORT, SELLER, OTHER)
        plan = (await shown(limiter))["plan"]
        assert plan.rate == pytest.approx(plan.announced_rate * 0.85)
        assert plan.throttled == 1
        assert await passes(limiter, CREATE_REPORT, OTHER) == 0
