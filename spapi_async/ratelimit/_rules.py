"""The limits beyond the usage plans that Amazon has published. Pure.

A usage plan is keyed by seller and operation. Some of Amazon's limits also depend on an *argument*: a report type may
be requested four times an hour, whatever the plan of createReport allows. A call pays from the plan and from every rule
that applies to it, or waits and pays from none.

Not every cadence is a limit. A new *version* of a near-real-time FBA report is made at most once in 30 minutes (daily
ones: in 4 hours), and asking sooner brings the old version or a cancelled report, not a 429: a rule would make calls
wait for half an hour that Amazon accepts at once. Where Amazon does answer 429 for such a type, or for one that cannot
be requested at all (settlements), that is learned for the type alone.
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
_LONGEST_REFUSAL = 2000  # bytes of a refusal in which to look for it

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
    """Application-wide limits of the listings operations. No burst is published: a second's worth."""
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
    # Since 2026-04-24, amzn/selling-partner-api-models issue 5210; one answer says per seller over all applications,
    # another per application: the seller's is the one that holds under both readings for a single application.
    PlanRule(_CREATE_REPORT, "body.reportType", "GET_SALES_AND_TRAFFIC_REPORT", (Window(4, 3600.0),)),
    # developer-docs.amazon.com/sp-api/changelog, 2025-05-06. Whether createFeed's plan holds beside it is not said.
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
"""Operations that do something else for each value of an argument: a 429 may be about one value alone."""


def named_level(refusal: bytes) -> str:
    """The limit that a 429's body names, as rules name it; ``""`` where it names none."""
    found = _LEVEL.search(refusal[:_LONGEST_REFUSAL]) if refusal else None
    return found[1].decode().lower() if found else ""
