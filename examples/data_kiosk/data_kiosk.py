"""A Data Kiosk query as typed rows, all pages of them.

Run it: ``python examples/data_kiosk/data_kiosk.py``. It starts an emulator of its own and talks to nothing else.
"""

import asyncio

import msgspec

from spapi_async import Application, SellingPartner
from spapi_async.emulator import Emulator

QUERY = """
query { analytics_salesAndTraffic_2024_04_24 {
    salesAndTrafficByAsin(startDate: "2026-01-01", endDate: "2026-01-31", aggregateBy: SKU) {
        sku
        unitsOrdered
    }
} }
"""


class Sales(msgspec.Struct, rename="camel"):
    """As much of a row as is wanted here; fields that a row has more are ignored."""

    sku: str
    units_ordered: int


async def count_units(seller: SellingPartner) -> dict[str, int]:
    """Ask, wait, read."""
    units: dict[str, int] = {}
    async with seller.data_kiosk.download(QUERY, Sales) as rows:
        async for row in rows:
            units[row.sku] = units.get(row.sku, 0) + row.units_ordered
    return units


async def main() -> None:
    """The whole of it, on an emulator that answers queries at once."""
    async with (
        Emulator(processing=0.0, orders=40) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        for sku, units in (await count_units(app.selling_partner("Atzr|example", region="NA"))).items():
            print(units, "units of", sku)


if __name__ == "__main__":
    asyncio.run(main())
