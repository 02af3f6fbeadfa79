"""A complete program that reads a report, submits a listings feed of three messages and runs a Data Kiosk query.

Run it: ``python examples/feeds/three_jobs.py``. It reads credentials from the environment, as ``connect`` does, with
``SP_API_SELLER_ID`` for the feed. To run it on an emulator (``spapi-async emulator``), set ``SP_API_ENDPOINT``.
"""

import asyncio
from pathlib import Path

from spapi_async import connect
from spapi_async.workflows.feeds import ListingsFeed


async def main() -> None:
    """One after the other."""
    async with connect() as seller:
        async with seller.reports.download("GET_MERCHANT_LISTINGS_ALL_DATA", marketplaces=["US"]) as document:
            skus = [row["seller-sku"] async for row in document.iter_rows()]
        listings = ListingsFeed()
        for sku in skus[:3]:
            listings.update(sku, "PRODUCT", {"condition_type": [{"value": "new_new"}]})
        async with seller.feeds.submit_listings(listings, marketplaces=["US"]) as outcomes:
            print([(outcome.sku, outcome.accepted) async for outcome in outcomes])
        async with seller.data_kiosk.download(Path(__file__).with_name("units.graphql").read_text()) as rows:
            print(sum([row["sales"]["unitsOrdered"] async for row in rows]), "units")


asyncio.run(main())
