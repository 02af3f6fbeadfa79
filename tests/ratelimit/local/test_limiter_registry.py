"""Lanes and limits of one process: which are shared, and what is learned about a value. No loop."""

from __future__ import annotations

import pytest
from simulated import account, operation

from spapi_async._core.clock import SystemClock
from spapi_async._core.plan_rules import Bucket, PlanRule
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT
from spapi_async.marketplaces import Region
from spapi_async.ratelimit._book import PlanBook
from spapi_async.ratelimit._meter import Lane
from spapi_async.ratelimit.local._registry import Registry


@pytest.fixture
def registry() -> Registry:
    """No lane was used yet."""
    return Registry(PlanBook(), SystemClock())


def report(registry: Registry, kind: str, seller: str = "one") -> Lane:
    """The lane of reports of a type."""
    return registry.lane(CREATE_REPORT, account(seller), {"body": {"reportType": kind}}, 0.0)


def test_another_value_of_the_same_seller_must_have_passed(registry: Registry) -> None:
    """Only then a 429 may be about the value alone."""
    refused, other, elsewhere = report(registry, "A"), report(registry, "B"), report(registry, "B", "two")
    assert not registry.serves_other_values(refused)
    refused.passed = elsewhere.passed = True
    assert not registry.serves_other_values(refused)
    other.passed = True
    assert registry.serves_other_values(refused)


def test_a_limit_of_a_value_is_one_sellers_own(registry: Registry) -> None:
    """Lanes opened later have it, too; it is learned once."""
    lane, other, elsewhere = report(registry, "A"), report(registry, "B"), report(registry, "A", "two")
    learned = registry.learn_value(lane, 0.0)
    assert registry.learn_value(lane, 0.0) is learned
    assert lane.meters[-1] is learned
    assert [len(each.meters) for each in (lane, other, elsewhere)] == [2, 1, 1]
    assert learned.is_idle(0.0)  # no call of it waits


def test_a_limit_of_a_value_applies_whatever_else_a_call_says() -> None:
    """A rule about another argument makes another lane of the value, here before and after the limit is learned."""
    rules = [
        PlanRule(CREATE_REPORT.name, "body.marketplaceIds", place, (Bucket(1.0, 1),)) for place in ("US", "CA", "MX")
    ]
    registry = Registry(PlanBook(rules), SystemClock())

    def lane(place: str) -> Lane:
        body = {"reportType": "A", "marketplaceIds": [place]}
        return registry.lane(CREATE_REPORT, account(), {"body": body}, 0.0)

    lanes = [lane("US"), lane("CA")]
    learned = registry.learn_value(lanes[0], 0.0)
    lanes.append(lane("MX"))
    assert [each.meters[-1] for each in lanes] == [learned] * 3
    assert [len(each.meters) for each in lanes] == [3] * 3


def test_a_limit_is_kept_while_one_of_its_lanes_is(registry: Registry) -> None:
    """Lanes of two types use one plan; the first is forgotten, and has the same plan when it returns."""
    first, second = report(registry, "A"), report(registry, "B")
    second.used_at = 15.0
    registry.snapshots(20.0)
    again = report(registry, "A")
    assert again is not first
    assert again.first is second.first
    assert registry.snapshots(40.0) == ()


def test_sellers_of_a_region_share_what_is_known_of_the_network(registry: Registry) -> None:
    """It is measured for each operation."""
    one, two = report(registry, "A"), report(registry, "B", "two")
    europe = registry.lane(CREATE_REPORT, account(region=Region.EU), None, 0.0)
    assert one.jitter is two.jitter
    assert one.jitter is not europe.jitter


def test_limits_of_single_sellers_are_listed_first(registry: Registry) -> None:
    """They name the seller."""
    plan = operation(1.0, 1, application_rate=5.0)
    registry.lane(plan, account(), None, 0.0)
    assert [snapshot.account for snapshot in registry.snapshots(0.0)] == [account().name, ""]
