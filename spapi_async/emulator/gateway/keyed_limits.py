"""Limits that depend on an argument, as Amazon would enforce them, independent of the client's code and figures.

=====================================  =========================================  ====================  ===============
operation                              which requests                             limit                 of
=====================================  =========================================  ====================  ===============
createReport                           GET_SALES_AND_TRAFFIC_REPORT               4 in any 3600 s       the seller
createFeed                             JSON_LISTINGS_FEED                         5 in any 300 s        the seller
patchListingsItem                      a relationship attribute among the patches  5/s                  the application
patchListingsItem                      product data among the patches              100/s                the application
patchListingsItem                      ``mode=VALIDATION_PREVIEW``                 20/s                 the application
putListingsItem                        a relationship attribute                    25/s                 the application
=====================================  =========================================  ====================  ===============

Sources: amzn/selling-partner-api-models issue 5210; developer-docs.amazon.com/sp-api: changelog of 2025-05-06,
docs/listings-items-api-rate-limits. "n in any s seconds" is a sliding window, not a bucket: a request passes if the
n-th request before it is at least s seconds old.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs

__all__ = ["KeyedLimit", "WindowLog", "keyed_limits"]

_EPSILON = 1e-6

_RELATIONSHIPS = {"child_parent_sku_relationship", "package_contains_sku"}
_OFFER = {"purchasable_offer", "fulfillment_availability"}


class KeyedLimit(NamedTuple):
    """One row of the table above; with ``seconds`` 0 it is a bucket whose rate and burst are both ``amount``."""

    applies: Callable[[str, Any], bool]
    amount: int
    seconds: float
    whole_application: bool
    label: str
    level: str = ""


class WindowLog:
    """A sliding window: the times of the requests that passed, at most ``amount`` in any ``seconds``."""

    __slots__ = ("admitted", "amount", "moments", "seconds", "throttled")

    def __init__(self, amount: int, seconds: float) -> None:
        self.amount = amount
        self.seconds = seconds
        self.moments: deque[float] = deque()
        self.admitted = 0
        self.throttled = 0

    def settle(self, now: float) -> float:
        """Forget requests that have left the window, and return how many more may pass."""
        while self.moments and self.moments[0] + self.seconds <= now + _EPSILON:
            self.moments.popleft()
        return float(self.amount - len(self.moments))

    def holds_one(self, now: float) -> bool:
        """Whether a request may pass now; one that may not is counted as throttled."""
        passes = self.settle(now) >= 1
        self.throttled += not passes
        return passes

    def take(self, now: float) -> None:
        """Let one request pass."""
        self.moments.append(now)
        self.admitted += 1

    def report(self, now: float) -> dict[str, float]:
        """Figures by the names that the client's limiters use."""
        left = self.settle(now)
        rate = self.amount / self.seconds
        return {
            "rate": rate,
            "announced_rate": rate,
            "burst": self.amount,
            "tokens": left,
            "waiting": 0,
            "next_available": 0.0 if left >= 1 else max(0.0, self.moments[0] + self.seconds - now),
            "admitted": self.admitted,
            "throttled": self.throttled,
            "window": self.seconds,
        }


def _field(name: str, value: str) -> Callable[[str, Any], bool]:
    return lambda _, body: isinstance(body, dict) and body.get(name) == value


def _preview(query: str, _: Any) -> bool:
    return parse_qs(query).get("mode") == ["VALIDATION_PREVIEW"]


def _patched(body: Any) -> set[str]:
    patches = body.get("patches") if isinstance(body, dict) else None
    paths = [patch.get("path") for patch in patches if isinstance(patch, dict)] if isinstance(patches, list) else []
    return {path.removeprefix("/attributes/") for path in paths if isinstance(path, str)}


def _put(body: Any) -> set[str]:
    attributes = body.get("attributes") if isinstance(body, dict) else None
    return set(attributes) if isinstance(attributes, dict) else set()


_SALES = KeyedLimit(
    _field("reportType", "GET_SALES_AND_TRAFFIC_REPORT"), 4, 3600.0, False, "reportType=GET_SALES_AND_TRAFFIC_REPORT"
)
_JSON_FEED = KeyedLimit(_field("feedType", "JSON_LISTINGS_FEED"), 5, 300.0, False, "feedType=JSON_LISTINGS_FEED")
_PATCH = (
    KeyedLimit(lambda _, body: bool(_patched(body) & _RELATIONSHIPS), 5, 0.0, True, "relationships", "relationships"),
    KeyedLimit(
        lambda _, body: bool(_patched(body) - _RELATIONSHIPS - _OFFER), 100, 0.0, True, "product data", "product data"
    ),
    KeyedLimit(_preview, 20, 0.0, True, "mode=VALIDATION_PREVIEW"),
)
_PUT = (KeyedLimit(lambda _, body: bool(_put(body) & _RELATIONSHIPS), 25, 0.0, True, "relationships", "relationships"),)

KEYED_LIMITS: dict[str, tuple[KeyedLimit, ...]] = {
    "reports_2021_06_30.create_report": (_SALES,),
    "feeds_2021_06_30.create_feed": (_JSON_FEED,),
    "listings_items_2021_08_01.patch_listings_item": _PATCH,
    "listings_items_2021_08_01.put_listings_item": _PUT,
    "listings_items_2020_09_01.patch_listings_item": _PATCH,
    "listings_items_2020_09_01.put_listings_item": _PUT,
}


def keyed_limits(operation: str, query: str, body: bytes) -> list[KeyedLimit]:
    """The limits that apply to a request; if its body is not JSON, only those that depend on the query."""
    limits = KEYED_LIMITS.get(operation)
    if not limits:
        return []
    try:
        read = json.loads(body) if body else None
    except ValueError:
        read = None
    return [limit for limit in limits if limit.applies(query, read)]
