"""A job for a fleet: every seller's listings as a Parquet file, once a day.

``spapi-async fleet worker --job nightly:listings --name listings --every 24h --sellers sellers.toml
--journal postgresql://localhost/runs``, and ``fleet schedule`` with the same.
"""

from datetime import timedelta

from spapi_async import SellingPartner


async def listings(seller: SellingPartner) -> None:
    """Request the report unless the journal has it, wait and save it. Another worker can resume at any await."""
    run = await seller.reports.request("GET_MERCHANT_LISTINGS_ALL_DATA", marketplaces=["US"], reuse=timedelta(hours=20))
    await run.wait()
    async with run.document() as document:
        await document.save_parquet(f"{seller.seller_id}.parquet")
