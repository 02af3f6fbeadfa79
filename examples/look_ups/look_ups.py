"""Twenty look-ups of one item each, which are combined into one request to Amazon.

Run it: ``python examples/look_ups/look_ups.py``. It starts an emulator of its own and contacts no other server.
"""

import asyncio

from spapi_async import Application, Marketplace, NotFoundError, SellingPartner
from spapi_async.emulator import Emulator


async def show(seller: SellingPartner, asin: str) -> str:
    """The text of a page about one item; this code does not have to know about batches."""
    try:
        item, offers = await asyncio.gather(seller.catalog.item(asin), seller.pricing.offers(asin))
    except NotFoundError:
        return f"{asin}: no such item"
    name = item.summaries[0].item_name if item.summaries else "?"
    return f"{asin}: {name}, {offers.summary.total_offer_count} offers"


async def main() -> None:
    """Find some ASINs, then look up each one separately."""
    async with (
        Emulator() as emulator,
        Application("amzn1.application-oa2-client.example", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|example", marketplace=Marketplace.US)
        found = await seller.catalog_items_2022_04_01.search_catalog_items(
            keywords=["lamp"], marketplace_ids=[Marketplace.US], page_size=20
        )
        asins = [item.asin for item in found.items]
        for line in await asyncio.gather(*(show(seller, asin) for asin in [*asins[:19], "B000000000"])):
            print(line)
        for operation, counts in emulator.stats()["operations"].items():
            print(f"{operation}: {counts['requests']} request(s)")


if __name__ == "__main__":
    asyncio.run(main())
