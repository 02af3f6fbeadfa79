"""Feeds: data that a seller sends to Amazon in bulk; submitted once, awaited, with an outcome for each message.

::

    listings = ListingsFeed()
    listings.patch("SKU-1", "LUGGAGE", [{"op": "replace", "path": "/attributes/color", "value": [{"value": "blue"}]}])
    listings.delete("SKU-2")
    async with seller.feeds.submit_listings(listings, marketplaces=["US"]) as outcomes:
        async for outcome in outcomes:
            print(outcome.sku, outcome.accepted, [issue.message for issue in outcome.issues])
"""

from spapi_async.workflows.feeds._feeds import Feeds
from spapi_async.workflows.feeds._listings import ListingsFeed, Message
from spapi_async.workflows.feeds._result import FeedIssue, FeedResult, FeedSummary
from spapi_async.workflows.feeds._run import FeedRun
from spapi_async.workflows.feeds._submitted import ListingOutcome
from spapi_async.workflows.feeds.feed_types import FEED_TYPES, FeedType

__all__ = [
    "FEED_TYPES",
    "FeedIssue",
    "FeedResult",
    "FeedRun",
    "FeedSummary",
    "FeedType",
    "Feeds",
    "ListingOutcome",
    "ListingsFeed",
    "Message",
]
