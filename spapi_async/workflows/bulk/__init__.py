"""Bulk work: a call for each item of a stream, the combined quota of several sellers, crawls that can be resumed.

::

    async with fan_out(seller.catalog.item, asins, concurrency=80) as outcomes:
        async for outcome in outcomes:
            match outcome:
                case Done(asin, item):
                    print(asin, item.summaries)
                case Failed(asin, error):
                    print(asin, error)

    report = await crawl("catalog", [seller], asins, "items.jsonl")

``fan_out`` runs any call, ``pool`` combines sellers for calls that any of them may make, ``crawl`` writes its results
to a file or a table and resumes where it was stopped.
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
