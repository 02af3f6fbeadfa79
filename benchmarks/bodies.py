"""Canned replies: JSON that is valid by Amazon's models and as large as real pages. All data is made up."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["CASES", "MARKETPLACE", "Case", "order_id"]

MARKETPLACE = "ATVPDKIKX0DER"


class Case(msgspec.Struct, frozen=True):
    """One kind of call: its name, the path that the server answers, the body, and the number of items in the body."""

    name: str
    path: str
    body: Callable[[], dict[str, Any]]
    things: int


def order_id(number: int) -> str:
    """An order id in Amazon's format, a different one for each number."""
    return f"902-{number % 10_000_000:07d}-{number * 7919 % 10_000_000:07d}"


def _order(number: int) -> dict[str, Any]:
    rng = random.Random(number)
    day = f"2026-{rng.randint(1, 9):02d}-{rng.randint(1, 27):02d}"
    business = number % 7 == 0
    return {
        "AmazonOrderId": order_id(number),
        "SellerOrderId": order_id(number),
        "PurchaseDate": f"{day}T08:{rng.randint(10, 59)}:31Z",
        "LastUpdateDate": f"{day}T19:{rng.randint(10, 59)}:02Z",
        "OrderStatus": rng.choice(["Shipped", "Unshipped", "Pending", "Canceled"]),
        "FulfillmentChannel": rng.choice(["AFN", "MFN"]),
        "SalesChannel": "Amazon.com",
        "ShipServiceLevel": "Std US D2D Dom",
        "OrderTotal": {"CurrencyCode": "USD", "Amount": f"{rng.randint(5, 400)}.{rng.randint(10, 99)}"},
        "NumberOfItemsShipped": rng.randint(0, 3),
        "NumberOfItemsUnshipped": rng.randint(0, 2),
        "PaymentMethod": "Other",
        "PaymentMethodDetails": ["Standard"],
        "MarketplaceId": MARKETPLACE,
        "ShipmentServiceLevelCategory": "Standard",
        "OrderType": "StandardOrder",
        "EarliestShipDate": f"{day}T07:00:00Z",
        "LatestShipDate": f"{day}T23:59:59Z",
        "EarliestDeliveryDate": f"{day}T07:00:00Z",
        "LatestDeliveryDate": f"{day}T23:59:59Z",
        "IsBusinessOrder": business,
        "IsPrime": number % 3 == 0,
        "IsPremiumOrder": False,
        "IsGlobalExpressEnabled": False,
        "IsReplacementOrder": False,
        "IsSoldByAB": False,
        "IsIBA": False,
        "IsISPU": False,
        "IsAccessPointOrder": False,
        "HasRegulatedItems": False,
        "DefaultShipFromLocationAddress": {
            "Name": "MFNIntegrationTestMerchant",
            "AddressLine1": "2201 WESTLAKE AVE",
            "City": "SEATTLE",
            "StateOrRegion": "WA",
            "PostalCode": "98121-2778",
            "CountryCode": "US",
            "Phone": "+1 480-386-0930 ext. 73824",
            "AddressType": "Commercial",
        },
        "ShippingAddress": {"StateOrRegion": "CA", "PostalCode": "90210", "City": "BEVERLY HILLS", "CountryCode": "US"},
        "BuyerInfo": {"PurchaseOrderNumber": f"PO-{number}"} if business else {},
        "AutomatedShippingSettings": {"HasAutomatedShippingSettings": False},
    }


def _item(number: int) -> dict[str, Any]:
    asin = f"B0{number:08d}"
    dimension = {"value": 12.3 + number, "unit": "inches"}
    box = {"height": dimension, "length": dimension, "width": dimension, "weight": {"value": 1.25, "unit": "pounds"}}
    shelf = {"displayName": "Widgets", "classificationId": "49361011"}
    return {
        "asin": asin,
        "attributes": {
            "item_name": [
                {"value": f"Widget, blue, pack of {number}", "language_tag": "en_US", "marketplace_id": MARKETPLACE}
            ],
            "brand": [{"value": "Acme", "language_tag": "en_US", "marketplace_id": MARKETPLACE}],
            "bullet_point": [
                {
                    "value": f"Feature {line}: lasts long and looks good",
                    "language_tag": "en_US",
                    "marketplace_id": MARKETPLACE,
                }
                for line in range(5)
            ],
            "list_price": [{"currency": "USD", "value": 19.99, "marketplace_id": MARKETPLACE}],
        },
        "classifications": [{"marketplaceId": MARKETPLACE, "classifications": [{**shelf, "parent": shelf}]}],
        "dimensions": [{"marketplaceId": MARKETPLACE, "item": box, "package": box}],
        "identifiers": [
            {
                "marketplaceId": MARKETPLACE,
                "identifiers": [
                    {"identifierType": "EAN", "identifier": f"{4000000000000 + number}"},
                    {"identifierType": "UPC", "identifier": f"{700000000000 + number}"},
                ],
            }
        ],
        "images": [
            {
                "marketplaceId": MARKETPLACE,
                "images": [
                    {
                        "variant": variant,
                        "link": f"https://m.media-amazon.com/images/I/{asin}-{variant}{size}.jpg",
                        "height": size,
                        "width": size,
                    }
                    for variant in ("MAIN", "PT01", "PT02", "PT03")
                    for size in (2000, 500, 75)
                ],
            }
        ],
        "productTypes": [{"marketplaceId": MARKETPLACE, "productType": "WIDGET"}],
        "relationships": [
            {
                "marketplaceId": MARKETPLACE,
                "relationships": [
                    {
                        "type": "VARIATION",
                        "parentAsins": ["B0PARENT01"],
                        "variationTheme": {"attributes": ["color", "size"], "theme": "COLOR_NAME/SIZE_NAME"},
                    }
                ],
            }
        ],
        "salesRanks": [
            {
                "marketplaceId": MARKETPLACE,
                "classificationRanks": [
                    {
                        "classificationId": "49361011",
                        "title": "Widgets",
                        "link": "https://www.amazon.com/gp/bestsellers/widgets/49361011",
                        "rank": 17 + number,
                    }
                ],
                "displayGroupRanks": [
                    {"websiteDisplayGroup": "widgets_display", "title": "Widgets", "rank": 900 + number}
                ],
            }
        ],
        "summaries": [
            {
                "marketplaceId": MARKETPLACE,
                "adultProduct": False,
                "autographed": False,
                "brand": "Acme",
                "browseClassification": shelf,
                "color": "Blue",
                "itemClassification": "BASE_PRODUCT",
                "itemName": f"Widget, blue, pack of {number}",
                "manufacturer": "Acme Industries",
                "memorabilia": False,
                "modelNumber": f"W-{number}",
                "packageQuantity": 1,
                "partNumber": f"W{number}",
                "releaseDate": "2025-03-01",
                "size": "Large",
                "style": "Modern",
                "tradeInEligible": False,
                "websiteDisplayGroup": "widgets_display",
                "websiteDisplayGroupName": "Widgets",
            }
        ],
    }


def _get_order() -> dict[str, Any]:
    return {"payload": _order(1)}


def _get_orders() -> dict[str, Any]:
    orders = [_order(number) for number in range(1, 101)]
    return {"payload": {"Orders": orders, "NextToken": "b2N0b3B1cw==" * 20, "CreatedBefore": "2026-10-01T00:00:00Z"}}


def _search_catalog_items() -> dict[str, Any]:
    return {
        "numberOfResults": 1240,
        "pagination": {"nextToken": "c3F1aWQ=" * 20},
        "refinements": {
            "brands": [{"numberOfResults": 620, "brandName": "Acme"}],
            "classifications": [{"numberOfResults": 400, "displayName": "Widgets", "classificationId": "49361011"}],
        },
        "items": [_item(number) for number in range(1, 21)],
    }


CASES = {
    case.name: case
    for case in (
        Case("getOrder", "/orders/v0/orders/", _get_order, 1),
        Case("getOrders page of 100", "/orders/v0/orders", _get_orders, 100),
        Case("searchCatalogItems page of 20", "/catalog/2022-04-01/items", _search_catalog_items, 20),
    )
}
