"""One limit in use: the effects of a refusal, and of spending by other clients. No loop, no clock."""

from __future__ import annotations

import pytest

from spapi_async._core.plan_rules import Bucket, Limit, Window
from spapi_async.ratelimit._book import Charge
from spapi_async.ratelimit._bucket import Flight, TokenBucket
from spapi_async.ratelimit._meter import Meter


def meter(limit: Limit) -> Meter:
    """An unused limit."""
    return Meter(Charge(key=("op", "payer"), limit=limit, kind="rule", shared=False), 0.0)


@pytest.mark.parametrize(("tokens", "left"), [(3.0, 0.0), (0.0, 0.0), (-2.5, -2.5)])
def test_a_bucket_that_others_may_have_used_keeps_its_debt(tokens: float, left: float) -> None:
    """Tokens in it count as spent, and its debt stays."""
    plan = meter(Bucket(1.0, 5))
    assert isinstance(plan.counter, TokenBucket)
    plan.counter.set_tokens(tokens, 0.0)
    plan.drain(0.0, 0.0)
    assert plan.counter.tokens(0.0) == left
    assert plan.counter.delay(0.0) == 1.0 - left


def test_a_refused_window_closes_for_its_mean_distance() -> None:
    """At four an hour, the next is tried after a quarter of one.

    A second refusal of an earlier request does not count.
    """
    rule = meter(Window(4, 3600.0))
    assert rule.refused(Flight(10.0), sent_at=10.0, now=11.0)
    assert rule.counter.delay(11.0) == 900.0
    assert not rule.refused(Flight(10.5), sent_at=10.5, now=12.0)
    assert rule.counter.delay(12.0) == 900.0
    assert rule.refused(Flight(912.0), sent_at=912.0, now=913.0)
