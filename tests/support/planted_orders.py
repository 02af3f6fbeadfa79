"""Orders of either version, and report lines, with a marker wherever personal data can be, in odd shapes."""

from __future__ import annotations

import copy
import json
import random
import re
from typing import Any

__all__ = ["MARK", "doubled", "planted_2026", "planted_lines", "planted_v0"]

MARK = "MARK-of-Ann"

ORDER: dict[str, Any] = {
    "orderId": "902-0000001-0000000",
    "createdTime": "2026-01-01T10:00:00Z",
    "lastUpdatedTime": "2026-01-20T10:00:00Z",
    "programs": ["PRIME"],
    "salesChannel": {"channelName": "AMAZON", "marketplaceId": "ATVPDKIKX0DER", "marketplaceName": "Amazon.com"},
    "fulfillment": {"fulfillmentStatus": "UNSHIPPED", "fulfilledBy": "MERCHANT"},
    "proceeds": {"grandTotal": {"amount": "19.990", "currencyCode": "USD"}},
    "packages": [{"packageReferenceId": "1", "shipFromAddress": {"name": "Our depot", "postalCode": "1"}}],
    "orderItems": [
        {
            "orderItemId": "7",
            "quantityOrdered": 2,
            "product": {"asin": "B01", "sellerSku": "S", "title": "Tee é", "condition": {"conditionType": "NEW"}},
            "fulfillment": {"quantityFulfilled": 1, "packing": {"giftOption": {"giftWrapLevel": "x"}}},
            "cancellation": {"cancellationRequest": {"requester": "BUYER"}},
        },
        {"orderItemId": "8", "quantityOrdered": 1, "product": {}},
    ],
}
PLACES_2026 = (
    ("buyer", "buyerEmail"),
    ("buyer",),
    ("recipient", "deliveryAddress", "addressLine1"),
    ("recipient", "deliveryPreference", "addressInstruction"),
    ("recipient",),
    ("payment", "paymentExecutions", "cardBrand"),
    ("payment",),
    ("tax", "taxRegistrations", "legalName"),
    ("tax",),
    ("orderItems", "tax", "taxCollections"),
    ("orderItems", "product", "customization", "customizedUrl"),
    ("orderItems", "product", "customization"),
    ("orderItems", "fulfillment", "packing", "giftOption", "giftMessage"),
    ("orderItems", "cancellation", "cancellationRequest", "cancelReason"),
    ("orderItems", "cancellation", "cancellationExecution", "cancelReason"),
)
V0_ORDER: dict[str, Any] = {
    "AmazonOrderId": "902-0000001-0000000",
    "PurchaseDate": "2026-01-01T10:00:00Z",
    "LastUpdateDate": "2026-01-20T10:00:00Z",
    "OrderStatus": "Unshipped",
    "FulfillmentChannel": "MFN",
    "OrderTotal": {"Amount": "19.99", "CurrencyCode": "USD"},
    "DefaultShipFromLocationAddress": {"Name": "Our depot", "Phone": "1"},
    "MarketplaceTaxInfo": {"TaxClassifications": [{"Name": "VAT", "Value": "EU1"}]},
}
V0_ITEM: dict[str, Any] = {
    "OrderItemId": "7",
    "ASIN": "B01",
    "QuantityOrdered": 2,
    "BuyerRequestedCancel": {"IsBuyerRequestedCancel": "false"},
}
PLACES_V0 = (
    ("ShippingAddress", "Name"),
    ("ShippingAddress",),
    ("BuyerInfo", "BuyerEmail"),
    ("BuyerInfo", "BuyerTaxInfo", "CompanyLegalName"),
    ("BuyerInfo",),
    ("BuyerTaxInformation", "BuyerLegalCompanyName"),
    ("DeliveryPreferences", "DropOffLocation"),
    ("PaymentExecutionDetail", "CardBrand"),
    ("PaymentMethodDetails",),
)
PLACES_V0_ITEM = (
    ("BuyerInfo", "GiftMessageText"),
    ("BuyerInfo", "BuyerCustomizedInfo", "CustomizedURL"),
    ("BuyerInfo",),
    ("BuyerRequestedCancel", "BuyerCancelReason"),
)
SIBLINGS = (
    "buyerPhone", "BuyerName", "recipientName", "deliveryInstructions", "GiftMessageText", "customizedUrl",
    "customerName", "billingAddress", "destinationPostalCode", "taxRegistrations", "purchaseOrderNumber",
    "contactEmail",
)  # fmt: skip
"""Names that Amazon uses elsewhere, or might."""
LINE = {
    "amazon-order-id": "902-0000001-0000000",
    "order-status": "Unshipped",
    "last-updated-date": "2026-01-20T10:00:00+00:00",
    "currency": "USD",
    "item-price": "10.00",
    "ship-service-level": "Standard",
}
COLUMNS = (
    "ship-city", "ship-state", "ship-postal-code", "ship-country", "buyer-name", "buyer-email", "recipient-name",
    "purchase-order-number", "gift-message-text", "customized-url", "cpf", "address-type", "buyer-phone-number",
    "bill-address-1", "Empfänger", "購入者名", "column 31", "",
)  # fmt: skip


def planted_2026(rng: random.Random) -> dict[str, Any]:
    """An order of Orders 2026-01-01."""
    return _planted(ORDER, PLACES_2026, rng)


def planted_v0(rng: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """An order of Orders v0 and its item, both with a marker."""
    return _planted(V0_ORDER, PLACES_V0, rng), _planted(V0_ITEM, PLACES_V0_ITEM, rng)


def planted_lines(rng: random.Random) -> list[dict[str, str]]:
    """An order's lines of a report, with the headings in various spellings."""
    lines = []
    for _ in range(rng.randrange(1, 3)):
        line = {spelt(heading, rng): cell for heading, cell in LINE.items()}
        lines.append(line | {spelt(heading, rng): MARK for heading in rng.sample(COLUMNS, rng.randrange(1, 5))})
    return lines


def spelt(name: str, rng: random.Random) -> str:
    """A name as its owner writes it, or in another spelling."""
    words = re.findall(r"[A-Z]*[a-z0-9]+|[A-Z]+", name)
    kinds = [name] * 3 + [name.upper(), name.lower(), name.swapcase(), f" {name} "]
    if words:
        kinds += ["_".join(words), "-".join(words).lower(), " ".join(words).title()]
    return rng.choice(kinds)


def _planted(order: dict[str, Any], places: tuple[tuple[str, ...], ...], rng: random.Random) -> dict[str, Any]:
    content = copy.deepcopy(order)
    for _ in range(rng.randrange(1, 4)):
        if rng.random() < 0.1:
            rng.choice(_objects(content))[rng.choice(["title", "conditionNote", "programs", "x"])] = _wrapped(rng)
        elif rng.random() < 0.75:
            _plant(content, rng.choice(places), rng)
        else:
            rng.choice(_objects(content))[spelt(rng.choice(SIBLINGS), rng)] = _value(rng)
    return content


def _plant(content: Any, place: tuple[str, ...], rng: random.Random) -> None:
    """Put a marker at a place, whose parents are made where they are missing, and now and then have the wrong type."""
    for depth, name in enumerate(place):
        while isinstance(content, list):
            content = rng.choice(content)
        if not isinstance(content, dict):
            return  # a parent is a marker already
        key = next((key for key in content if key.casefold() == name.casefold()), None)
        if key is None or (depth and rng.random() < 0.1):
            key = spelt(name, rng)
        if depth == len(place) - 1 or (rng.random() < 0.1 and name != "orderItems"):
            content[key] = _value(rng) if depth == len(place) - 1 else rng.choice([MARK, [MARK], [[MARK]]])
            return
        inner = content.setdefault(key, {})
        if rng.random() < 0.15 and isinstance(inner, dict):
            content[key] = rng.choice([[inner], [[inner]], [inner, MARK]])
        content = content[key]


def _value(rng: random.Random) -> Any:
    return rng.choice(
        [
            MARK,
            MARK,
            [MARK],
            {"name": MARK},
            {MARK: MARK},
            [[{"x": [MARK]}]],
            {"lines": [MARK, None]},
            f'{{"n":"{MARK}"}}',
        ]
    )


def _wrapped(rng: random.Random) -> Any:
    """An order's JSON as text in another's."""
    text = rng.choice([f'{{"buyerName":"{MARK}"}}', f'[{{"Tax": ["{MARK}"]}}]', f' {{"giftMessage": "{MARK}", '])
    return rng.choice([text, [text], text.replace("{", chr(11) + "{", 1)])


def _objects(content: Any) -> list[dict[str, Any]]:
    """Every object in an order except those that are the seller's own address."""
    found = [content] if isinstance(content, dict) else []
    inner = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in inner:
        if isinstance(value, dict | list) and "shipfrom" not in str(key).lower():
            found += _objects(value)
    return found


def doubled(content: Any, rng: random.Random) -> str:
    """The JSON of an order in which members with a marker appear twice, the second time without one."""
    if isinstance(content, list):
        return f"[{','.join(doubled(entry, rng) for entry in content)}]"
    if not isinstance(content, dict):
        return json.dumps(content)
    members = []
    for name, value in content.items():
        key = "".join(f"\\u{ord(letter):04x}" if rng.random() < 0.02 else json.dumps(letter)[1:-1] for letter in name)
        members.append(f'"{key}":{doubled(value, rng)}')
        if (MARK in name or _holds_mark(value)) and rng.random() < 0.6:
            members.append(f'"{key}":{json.dumps(rng.choice([_without(value), _without(value), None, {}, []]))}')
    return f"{{{','.join(members)}}}"


def _holds_mark(value: Any) -> bool:
    if isinstance(value, dict):
        return any(MARK in name or _holds_mark(inner) for name, inner in value.items())
    return any(map(_holds_mark, value)) if isinstance(value, list) else isinstance(value, str) and MARK in value


def _without(value: Any) -> Any:
    """The same without a marker."""
    if isinstance(value, dict):
        return {name: _without(v) for name, v in value.items() if MARK not in name and not _holds_mark(v)}
    return [_without(entry) for entry in value if not _holds_mark(entry)] if isinstance(value, list) else None
