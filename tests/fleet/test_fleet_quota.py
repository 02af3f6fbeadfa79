"""Which quota a fleet's sellers wait for. Pure."""

from __future__ import annotations

from typing import Any

from spapi_async.cli.fleet import tightest
from spapi_async.ratelimit import LimitSnapshot


def limit(seller: str, operation: str, **facts: Any) -> LimitSnapshot:
    """A bucket of ten tokens, full unless said otherwise."""
    shown: dict[str, Any] = {"tokens": 10.0, "next_available": 0.0, **facts}
    plan: dict[str, Any] = {
        "rate": 1.0,
        "announced_rate": 1.0,
        "burst": 10.0,
        "waiting": 0,
        "admitted": 0,
        "throttled": 0,
    }
    return LimitSnapshot(operation=operation, application="app", account=seller, region="na", **plan, **shown)


def test_the_longest_wait_is_the_quota_that_counts() -> None:
    """However empty other buckets are; of those that nobody waits for it is the emptiest."""
    limits = [
        limit("A1@na", "a.waits", tokens=0.5, next_available=90.0),
        limit("A1@na", "a.empty", tokens=-1.0, next_available=2.0),
        limit("A2@na", "a.half", tokens=5.0),
        limit("A2@na", "a.full"),
        limit("A3@na", "a.other"),
        limit("", "a.application", next_available=900.0),
    ]
    found = tightest(limits, {"A1@na", "A2@na", "A4@na"})
    assert {seller: each.operation for seller, each in found.items()} == {"A1@na": "a.waits", "A2@na": "a.half"}
