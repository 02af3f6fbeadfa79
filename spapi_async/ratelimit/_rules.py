"""The limits that Amazon has published in addition to usage plans. Pure.

A usage plan is keyed by seller and operation. Some of Amazon's limits also depend on an *argument*: a report type may
be requested four times an hour, whatever the plan of createReport allows. A call takes a token from the plan and from
every rule that applies to it, or waits and takes none.

Not every cadence is a limit. A new *version* of a near-real-time FBA report is made at most once in 30 minutes (of a
daily one: in 4 hours), and an earlier request returns the old version or a cancelled report, not a 429: a rule would
delay by half an hour calls that Amazon accepts at once. If Amazon does answer 429 for such a type, or for a type that
cannot be requested at all (settlements), a limit is learned for that type alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from spapi_async._core.plan_rules import ANY, Bucket, PlanRule, Window

__all__ = ["BUILT_IN_RULES", "VALUED_ARGUMENTS", "named_level"]

# The three messages of listings 429s, since 2025-06. Source:
# developer-docs.amazon.com/sp-api/docs/listings-items-api-rate-limits.
_LEVEL = re.compile(
    rb"greater than what is allowed for (?:the )?(application|relationships|product data)", re.IGNORECASE
)
_SEARCHED_BYTES = 2000  # bytes of a refusal that are searched

_CREATE_REPORT = "reports_2021_06_30.create_report"
_CREATE_FEED = "feeds_2021_06_30.create_feed"
_LISTINGS = ("listings_items_2021_08_01", "listings_items_2020_09_01")

# developer-docs.amazon.com/sp-api/docs/listings-items-api-rate-limits: what counts as a relationship; and which
# attributes are an offer rather than product data (item_name and merchant_shipping_group are named as product data).
_RELATIONSHIPS = ("child_parent_sku_relationship", "package_contains_sku")
_OFFERS = ("fulfillment_availability", "purchasable_offer")


def _pointers(attributes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"/attributes/{attribute}" for attribute in attributes)


def _listings_rules(api: str) -> tuple[PlanRule, ...]:
    """Application-wide limits of the listings operations. No burst is published; one second's requests are assumed."""
    patch, put = f"{api}.patch_listings_item", f"{api}.put_listings_item"
    paths, attributes = "body.patches[].path", "body.attributes"
    relationships, offers = _pointers(_RELATIONSHIPS), _pointers(_OFFERS)
    return (
        PlanRule(patch, paths, relationships, (Bucket(5.0, 5),), "application", level="relationships"),
        PlanRule(
            patch, paths, ANY, (Bucket(100.0, 100),), "application", unless=relationships + offers, level="product data"
        ),
        PlanRule(put, attributes, _RELATIONSHIPS, (Bucket(25.0, 25),), "application", level="relationships"),
    )


BUILT_IN_RULES: tuple[PlanRule, ...] = (
    # Since 2026-04-24, amzn/selling-partner-api-models issue 5210. One answer says per seller over all applications,
    # another says per application: a limit per seller satisfies both for a single application.
    PlanRule(_CREATE_REPORT, "body.reportType", "GET_SALES_AND_TRAFFIC_REPORT", (Window(4, 3600.0),)),
    # developer-docs.amazon.com/sp-api/changelog, 2025-05-06. It does not say whether createFeed's plan also applies.
    PlanRule(_CREATE_FEED, "body.feedType", "JSON_LISTINGS_FEED", (Window(5, 300.0),)),
    *(rule for api in _LISTINGS for rule in _listings_rules(api)),
    # The older version has no mode.
    PlanRule(
        "listings_items_2021_08_01.patch_listings_item",
        "mode",
        "VALIDATION_PREVIEW",
        (Bucket(20.0, 20),),
        "application",
    ),
)

VALUED_ARGUMENTS: Mapping[str, str] = {
    _CREATE_REPORT: "body.reportType",
    "reports_2021_06_30.create_report_schedule": "body.reportType",
    _CREATE_FEED: "body.feedType",
}
"""Operations that do something different for each value of an argument: a 429 may be about one value only."""


def named_level(refusal: bytes) -> str:
    """The limit that a 429's body names, in the terms of rules; ``""`` if it names none."""
    found = _LEVEL.search(refusal[:_SEARCHED_BYTES]) if refusal else None
    return found[1].decode().lower() if found else ""
