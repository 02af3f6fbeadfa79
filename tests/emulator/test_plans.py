"""Usage plans as the emulator enforces them, and the headers that announce them."""

from __future__ import annotations

import pytest
from direct import HandClock, running

from spapi_async.api.listings_items_2021_08_01 import GET_LISTINGS_ITEM
from spapi_async.api.orders_v0 import GET_ORDER
from spapi_async.emulator.gateway.buckets import Bucket, Plans, rate_text

ORDER = "/orders/v0/orders/111-0000000-0000000"


async def test_burst_then_429_then_one_token_at_a_time() -> None:
    """30 getOrder requests pass at once, the 31st is refused, and every two seconds one more passes."""
    clock = HandClock()
    async with running(clock=clock) as api:
        statuses = [(await api.get(ORDER)).status for _ in range(31)]
        assert statuses == [404] * 30 + [429]
        clock.now += 1.9
        assert (await api.get(ORDER)).status == 429
        clock.now += 0.1
        assert [(await api.get(ORDER)).status for _ in range(2)] == [404, 429]
        assert api.emulator.stats()["operations"]["orders_v0.get_order"] == {
            "requests": 34,
            "throttled": 3,
            "errors": 31,
        }


async def test_a_429_looks_like_amazons() -> None:
    """It has a pretty-printed body, an error type and request ids that agree, no rate limit and no Retry-After."""
    async with running() as api:
        api.emulator.faults({"status": 429})
        forced = await api.get(ORDER)
        body = (
            b'{\n  "errors": [\n    {\n      "code": "QuotaExceeded",\n      "message": "You exceeded your quota for '
            b'the requested resource.",\n      "details": ""\n    }\n  ]\n}'
        )
        assert forced.body == body
        assert forced.headers["X-Amzn-ErrorType"] == "TooManyRequestsException"
        assert "Retry-After" not in forced.headers
        assert "x-amzn-RateLimit-Limit" not in forced.headers
        request_id = forced.headers["x-amzn-RequestId"]
        assert forced.headers["x-amz-apigw-id"] == "OPF" + request_id.replace("-", "")[:12]
        assert forced.headers["X-Amzn-Trace-Id"].endswith(request_id.replace("-", "")[:16])


async def test_a_real_429_says_which_bucket_was_empty() -> None:
    """A refused request learns the reason."""
    async with running(clock=HandClock()) as api:
        refused = [await api.get("/sellers/v1/account") for _ in range(40)][-1]
        assert refused.status == 429
        assert refused.error["message"] == "You exceeded your quota for the requested resource."
        assert refused.error["details"].startswith("sellers_v1.get_account: no token left")


async def test_rate_is_announced_on_success_400_and_404_alone() -> None:
    """The header has the rate, never the burst, and is never on a 403."""
    async with running() as api:
        assert (await api.get("/sellers/v1/account")).headers["x-amzn-RateLimit-Limit"] == "0.016"
        assert (await api.get(ORDER)).headers["x-amzn-RateLimit-Limit"] == "0.5"
        assert (await api.get("/orders/v0/orders")).headers["x-amzn-RateLimit-Limit"] == "0.0167"
        assert "x-amzn-RateLimit-Limit" not in (await api.get(ORDER, token="x")).headers


async def test_rate_scale_is_enforced_and_announced() -> None:
    """A scale of 100 makes getOrder 50 a second, announces it, and leaves the burst at 30."""
    clock = HandClock()
    async with running(clock=clock, rate_scale=100) as api:
        statuses = [(await api.get(ORDER)).status for _ in range(31)]
        assert statuses == [404] * 30 + [429]
        clock.now += 0.1
        answers = [await api.get(ORDER) for _ in range(6)]
        assert [answer.status for answer in answers] == [404] * 5 + [429]
        assert answers[0].headers["x-amzn-RateLimit-Limit"] == "50.0"


async def test_sellers_and_applications_have_buckets_of_their_own() -> None:
    """One seller's requests cost neither another seller nor the same seller of another application anything."""
    async with running(clock=HandClock()) as api:
        assert [(await api.get(ORDER)).status for _ in range(31)][-1] == 429
        assert (await api.get(ORDER, token=await api.log_in("Atzr|two"))).status == 404
        assert (await api.get(ORDER, token=await api.log_in(client_id="other"))).status == 404
        assert (await api.get(ORDER, token=await api.log_in())).status == 429


async def test_a_refused_token_costs_no_quota() -> None:
    """The 403 comes before the usage plan."""
    async with running(clock=HandClock()) as api:
        assert {(await api.get(ORDER, token="bad")).status for _ in range(40)} == {403}
        assert (await api.get(ORDER)).status == 404


async def test_quota_can_be_spent_by_another_client() -> None:
    """``spend`` takes tokens as another process with the same credentials would."""
    async with running(clock=HandClock()) as api:
        assert (await api.get(ORDER)).status == 404
        api.emulator.faults({"spend": "orders_v0.get_order", "tokens": 28})
        assert [(await api.get(ORDER)).status for _ in range(2)] == [404, 429]
        api.emulator.faults({"refill": True})
        assert (await api.get(ORDER)).status == 404


def test_another_client_cannot_spend_more_than_the_bucket_holds() -> None:
    """However much it tries, the next token comes when it would have come."""
    now = 0.0
    plans = Plans(lambda: now)
    assert plans.admit(GET_ORDER, "app", "seller") is None
    plans.spend(GET_ORDER.name, 1000)
    assert plans.tokens(GET_ORDER, "app", "seller") == 0
    now = 1 / GET_ORDER.usage_plan.rate
    assert plans.admit(GET_ORDER, "app", "seller") is None


def test_application_bucket_is_shared_by_sellers() -> None:
    """Where Amazon limits an application, its sellers exceed it together; a refusal costs the seller no token."""
    plans = Plans(lambda: 0.0)
    limit = GET_LISTINGS_ITEM.usage_plan.application_rate
    assert limit is not None
    for number in range(int(limit)):
        assert plans.admit(GET_LISTINGS_ITEM, "app", f"seller {number}") is None
    refused = plans.admit(GET_LISTINGS_ITEM, "app", "one more")
    assert refused is not None
    assert "for the application" in refused.why
    assert plans.tokens(GET_LISTINGS_ITEM, "app", "one more") == GET_LISTINGS_ITEM.usage_plan.burst


def test_other_figures_can_be_enforced() -> None:
    """Where sources disagree, the emulator enforces the plan that it is given."""
    now = 0.0
    other = next(o for o in GET_LISTINGS_ITEM.usage_plan.others if o.source == "docs")
    plans = Plans(lambda: now, figures="docs")
    passed = 0
    while plans.admit(GET_LISTINGS_ITEM, "app", "seller") is None:
        passed += 1
    assert passed == other.burst != GET_LISTINGS_ITEM.usage_plan.burst


@pytest.mark.parametrize(("rate", "text"), [(5, "5.0"), (0.5, "0.5"), (0.0167, "0.0167"), (0.0002, "0.00020000")])
def test_rates_are_written_as_amazon_writes_them(rate: float, text: str) -> None:
    """They are decimals with at least one place."""
    assert rate_text(rate) == text


def test_a_bucket_never_exceeds_its_burst() -> None:
    """However long it is not used, it never holds more tokens than the burst."""
    bucket = Bucket(rate=GET_ORDER.usage_plan.rate, burst=30, now=0.0)
    assert bucket.settle(1e9) == 30


async def test_limits_list_every_bucket_in_use() -> None:
    """GET /_emulator/limits gives tokens, admitted and refused requests of each, and takes no token itself."""
    clock = HandClock()
    async with running(clock=clock) as api:
        assert (await api.get("/_emulator/limits")).json == {"limits": []}
        for _ in range(31):
            await api.get(ORDER)
        clock.now += 0.5
        (bucket,) = (await api.get("/_emulator/limits")).json["limits"]
        assert (bucket["operation"], bucket["application"]) == ("orders_v0.get_order", "app")
        assert (bucket["rate"], bucket["announced_rate"], bucket["burst"]) == (0.5, 0.5, 30)
        assert (bucket["tokens"], bucket["next_available"], bucket["waiting"]) == (0.25, 1.5, 0)
        assert (bucket["admitted"], bucket["throttled"]) == (30, 1)


async def test_limits_of_an_application_name_no_seller() -> None:
    """GetListingsItem has a bucket that all sellers share, beside each seller's own."""
    async with running(clock=HandClock()) as api:
        await api.get("/listings/2021-08-01/items/A1/SKU", marketplaceIds="ATVPDKIKX0DER")
        buckets = (await api.get("/_emulator/limits")).json["limits"]
        assert sorted(bool(bucket["account"]) for bucket in buckets) == [False, True]
