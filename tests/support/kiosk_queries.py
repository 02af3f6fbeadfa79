"""A Data Kiosk query that the emulator answers with a row for each product that was sold, whenever it runs."""

from __future__ import annotations

from spapi_async.emulator import Emulator

__all__ = ["QUERY", "products_sold", "sales_query"]


def sales_query(fields: str, *, view: str = "salesAndTrafficByAsin", by: str = "SKU", more: str = "") -> str:
    """Return a query for sales and traffic of all orders."""
    given = f'startDate: "2000-01-01" endDate: "2100-01-01" aggregateBy: {by} marketplaceIds: {PLACES} {more}'
    return f"query {{ analytics_salesAndTraffic_2024_04_24 {{ {view}({given}) {{ {fields} }} }} }}"


PLACES = '["ATVPDKIKX0DER" "A2EUQ1WTGCTBG2" "A1AM78C64UM0Y8"]'
QUERY = sales_query("sku childAsin marketplaceId sales { unitsOrdered unitsOrderedB2B }")


def products_sold(emulator: Emulator) -> dict[tuple[str, str], int]:
    """Return the units sold of each marketplace and SKU, over all sellers."""
    units: dict[tuple[str, str], int] = {}
    for seller in emulator.world.sellers:
        for order in seller.orders.since(0):
            for line in order.lines:
                key = str(order.marketplace), line.sku
                units[key] = units.get(key, 0) + line.quantity
    return units
