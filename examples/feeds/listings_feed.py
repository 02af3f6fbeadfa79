"""A feed of listing changes, with an outcome for each; and a flat file that is submitted exactly once.

Run it: ``python examples/feeds/listings_feed.py``. It starts an emulator of its own and contacts no other server.
"""

import asyncio
import tempfile
from pathlib import Path

from spapi_async import Application, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.workflows.feeds import FEED_TYPES, ListingsFeed
from spapi_async.workflows.journal import Journal


async def change_listings(seller: SellingPartner) -> list[str]:
    """Submit three changes; return the SKUs that Amazon refused."""
    listings = ListingsFeed()
    listings.put("CASE-1", "LUGGAGE", {"item_name": [{"value": "A case"}]})
    listings.patch("CASE-1", "LUGGAGE", [{"op": "add", "path": "/attributes/color", "value": [{"value": "blue"}]}])
    listings.delete("NOT-THERE")
    refused = []
    async with seller.feeds.submit_listings(listings, marketplaces=["US"]) as outcomes:
        async for outcome in outcomes:
            print(outcome.sku, "accepted" if outcome.accepted else [issue.message for issue in outcome.issues])
            if not outcome.accepted:
                refused.append(outcome.sku)
    return refused


async def send_stock(seller: SellingPartner, file: Path) -> None:
    """Submit a flat file; with a journal it is submitted once, even if this process is killed and started again."""
    result = await seller.feeds.submit(FEED_TYPES.POST_FLAT_FILE_INVLOADER_DATA, file, marketplaces=["US"])
    print(result.text)


async def main() -> None:
    """Do both on an emulator that finishes feeds at once."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stock.txt"
        file.write_text("sku\tquantity\nCASE-1\t7\n", encoding="utf-8")
        journal = Journal(f"sqlite:///{folder}/runs.db")
        async with (
            Emulator(processing=0.0) as emulator,
            Application("app", "secret", endpoint=emulator.url, journal=journal) as app,
        ):
            seller = app.selling_partner("Atzr|example", region="NA", seller_id="A1EXAMPLE")
            await change_listings(seller)
            await send_stock(seller, file)


if __name__ == "__main__":
    asyncio.run(main())
