"""A Data Kiosk query as typed rows, all pages of them.

Run it: ``python examples/data_kiosk/data_kiosk.py``. It starts an emulator of its own and contacts no other server.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec

from spapi_async import Application, SellingPartner
from spapi_async.emulator import Emulator

QUERY = """
query { analytics_salesAndTraffic_2024_04_24 {
    salesAndTrafficByAsin(startDate: "%s", endDate: "%s", aggregateBy: SKU, marketplaceIds: ["ATVPDKIKX0DER"]) {
        sku
        sales { unitsOrdered orderedProductSales { amount currencyCode } }
    }
} }
"""


class Units(msgspec.Struct, rename="camel"):
    """Sales of one product."""

    units_ordered: int


class Sales(msgspec.Struct, rename="camel"):
    """The fields of a row that this program uses; all others are ignored."""

    sku: str
    sales: Units


async def count_units(seller: SellingPartner, days: int = 30) -> dict[str, int]:
    """Send the query, wait for it and read its rows."""
    today = datetime.now(UTC).date()
    query = QUERY % (today - timedelta(days=days), today)
    async with seller.data_kiosk.download(query, Sales) as rows:
        return {row.sku: row.sales.units_ordered async for row in rows}


async def main() -> None:
    """Run it on an emulator that finishes queries at once."""
    async with (
        Emulator(processing=0.0, orders=40) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        for sku, units in (await count_units(app.selling_partner("Atzr|example", region="NA"))).items():
            print(units, "units of", sku)


if __name__ == "__main__":
    asyncio.run(main())
