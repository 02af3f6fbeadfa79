"""Work on many things: a call for each item, one quota made of several sellers', a crawl that survives anything.

::

    async with fan_out(seller.catalog.item, asins, concurrency=80) as outcomes:
        async for outcome in outcomes:
            match outcome:
                case Done(asin, item):
                    print(asin, item.summaries)
                case Failed(asin, error):
                    print(asin, error)

    report = await crawl("catalog", [seller], asins, "items.jsonl")

``fan_out`` runs any call, ``pool`` joins sellers for what any of them may ask, ``crawl`` writes what it finds to a
file or a table and goes on where it was stopped.
"""

from spapi_async.workflows.bulk._crawl import CrawlProgress, CrawlReport, crawl
from spapi_async.workflows.bulk._fan_out import Done, Failed, fan_out
from spapi_async.workflows.bulk._input import read_identifiers
from spapi_async.workflows.bulk._kinds import KINDS
from spapi_async.workflows.bulk._pool import Pool, pool

__all__ = [
    "KINDS",
    "CrawlProgress",
    "CrawlReport",
    "Done",
    "Failed",
    "Pool",
    "crawl",
    "fan_out",
    "pool",
    "read_identifiers",
]
