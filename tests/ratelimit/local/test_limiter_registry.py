"""Lanes and limits of one process: which are shared, and what is learned about a value. No loop."""

from __future__ import annotations

import pytest
from simulated import account, operation

from spapi_async._core.clock import SystemClock
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT
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


def test_limits_of_single_sellers_are_listed_first(registry: Registry) -> None:
    """They name the seller."""
    plan = operation(1.0, 1, application_rate=5.0)
    registry.lane(plan, account(), None, 0.0)
    assert [snapshot.account for snapshot in registry.snapshots(0.0)] == [account().name, ""]
