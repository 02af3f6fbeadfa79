"""The JSON of an order in Orders v0 and Orders 2026-01-01, deviating from Amazon's models as real data does.

The deviations depend on the order's number, so that they are repeatable and a test can look for a certain one:

====================  =========================================================================
every 40th from 7     v0 ``FulfillmentChannel`` is ``SellerFulfilled``, which is not in the model
every 33rd from 5     v0 ``DeemedResellerCategory`` has a value that is not in the model
every 50th from 11    v0 the first item has no ``ASIN``
every 60th from 21    v0 ``OrderTotal.Amount`` is a JSON number
every 45th from 3     dates without seconds (v0 ``PurchaseDate``, 2026 ``createdTime``)
every 30th from 9     2026 ``programs`` holds ``INVOICE_BY_AMAZON``
====================  =========================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spapi_async.emulator.data.orders import Line, StoredOrder
from spapi_async.emulator.data.places import SHOPS
from spapi_async.emulator.data.products import rng_for
from spapi_async.emulator.gateway.replies import encode
from spapi_async.emulator.gateway.times import iso

__all__ = ["item_buyer_info", "items_v0", "order_2026", "order_v0", "shipping_address"]

_RESELLER_CATEGORIES = ("CA_MPF", "SG_VOEC", "GB_VOEC", "NO_VOEC", "AU_VOEC")
_SERVICE_LEVELS = ("Std US D2D Dom", "Expedited", "SecondDay", "Std Cont US Street Addr")


def order_v0(order: StoredOrder, elements: frozenset[str], *, updated: float, violations: bool) -> bytes:
    """The order as v0 shows it, with ``updated`` as its last update and personal data only in the ``elements``."""
    key = ("v0", elements)
    body = order.rendered.get(key)
    if body is None:
        fields = _order_v0(order, elements, updated=updated, violations=violations)
        body = order.rendered[key] = encode(fields)
    return body


def order_2026(order: StoredOrder, included: frozenset[str], *, violations: bool) -> bytes:
    """The order as Orders 2026-01-01 shows it, with the ``included`` data sets."""
    key = ("2026", included)
    body = order.rendered.get(key)
    if body is None:
        body = order.rendered[key] = encode(_order_2026(order, included, violations=violations))
    return body


def _order_v0(order: StoredOrder, elements: frozenset[str], *, updated: float, violations: bool) -> dict[str, Any]:
    shop = SHOPS[order.marketplace]
    odd = order.number if violations else -1
    shipped = sum(order.shipped_quantities)
    ordered = sum(line.quantity for line in order.lines)
    paid = order.status not in ("Pending", "Canceled")
    fields: dict[str, Any] = {
        "AmazonOrderId": order.order_id,
        "SellerOrderId": order.order_id,
        "PurchaseDate": iso(order.created, "minutes" if odd % 45 == 3 else "seconds"),
        "LastUpdateDate": iso(updated, "seconds"),
        "OrderStatus": order.status,
        "FulfillmentChannel": _channel(order, odd),
        "SalesChannel": shop.name,
        "ShipServiceLevel": _SERVICE_LEVELS[order.number % len(_SERVICE_LEVELS)],
        "NumberOfItemsShipped": shipped,
        "NumberOfItemsUnshipped": 0 if order.status == "Canceled" else ordered - shipped,
        "PaymentMethod": "Other",
        "PaymentMethodDetails": ["Standard"],
        "MarketplaceId": str(order.marketplace),
        "ShipmentServiceLevelCategory": "Expedited" if order.number % 5 == 0 else "Standard",
        "OrderType": "StandardOrder",
        "EarliestShipDate": iso(order.created, "seconds"),
        "LatestShipDate": iso(order.created + 86400, "seconds"),
        "IsBusinessOrder": order.business,
        "IsPrime": order.fulfilled_by_amazon,
        "IsPremiumOrder": False,
        "IsGlobalExpressEnabled": False,
        "IsReplacementOrder": False,
        "IsSoldByAB": False,
        "IsISPU": False,
        "IsAccessPointOrder": False,
        "HasRegulatedItems": False,
    }
    if paid:
        amount: Any = order.money(order.total)
        fields["OrderTotal"] = {"CurrencyCode": shop.currency, "Amount": float(amount) if odd % 60 == 21 else amount}
    if order.status != "Pending":
        fields["ShippingAddress"] = shipping_address(order, personal="shippingAddress" in elements)
    fields["BuyerInfo"] = _buyer_info(order) if "buyerInfo" in elements else {}
    if "buyerTaxInformation" in elements and order.business:
        fields["BuyerTaxInformation"] = {
            "BuyerLegalCompanyName": order.address.company,
            "BuyerBusinessAddress": f"{order.address.line1}, {order.address.city.name}",
            "BuyerTaxRegistrationId": f"TAX{order.number:09d}",
        }
    return fields


def _channel(order: StoredOrder, odd: int) -> str:
    if odd % 40 == 7:
        return "SellerFulfilled"
    return "AFN" if order.fulfilled_by_amazon else "MFN"


def shipping_address(order: StoredOrder, *, personal: bool) -> dict[str, Any]:
    """The v0 address; without ``personal`` only the city, state, postal code, country and type."""
    address = order.address
    fields: dict[str, Any] = {
        "City": address.city.name,
        "StateOrRegion": address.city.state,
        "PostalCode": address.postal_code,
        "CountryCode": address.country,
        "AddressType": "Commercial" if address.company else "Residential",
    }
    if personal:
        fields |= {"Name": address.name, "AddressLine1": address.line1, "Phone": address.phone}
        if address.line2:
            fields["AddressLine2"] = address.line2
        if address.company:
            fields["CompanyName"] = address.company
    return fields


def _buyer_info(order: StoredOrder) -> dict[str, Any]:
    fields: dict[str, Any] = {"BuyerEmail": order.buyer_email, "BuyerName": order.address.name}
    if order.business:
        fields["PurchaseOrderNumber"] = f"PO-{order.number:06d}"
        fields["BuyerTaxInfo"] = {"CompanyLegalName": order.address.company, "TaxingRegion": order.address.city.state}
    return fields


def items_v0(order: StoredOrder, elements: frozenset[str], *, violations: bool) -> list[dict[str, Any]]:
    """The order's items as v0 shows them."""
    odd = order.number if violations else -1
    items = []
    for index, (line, shipped) in enumerate(zip(order.lines, order.shipped_quantities, strict=True)):
        fields = _item_v0(order, line, shipped)
        if "buyerInfo" in elements and line.gift_message:
            fields["BuyerInfo"] = item_buyer_info(line)
        if odd % 33 == 5:
            fields["DeemedResellerCategory"] = _RESELLER_CATEGORIES[order.number % len(_RESELLER_CATEGORIES)]
        if odd % 50 == 11 and index == 0:
            del fields["ASIN"]
        items.append(fields)
    return items


def _item_v0(order: StoredOrder, line: Line, shipped: int) -> dict[str, Any]:
    money = _v0_money(order)
    fields: dict[str, Any] = {
        "ASIN": line.product.asin,
        "SellerSKU": line.sku,
        "OrderItemId": line.item_id,
        "Title": line.product.title,
        "QuantityOrdered": line.quantity,
        "QuantityShipped": shipped,
        "ProductInfo": {"NumberOfItems": "1"},
        "IsGift": "true" if line.gift_message else "false",
        "ConditionId": "New",
        "ConditionSubtypeId": "New",
        "IsTransparency": False,
        "SerialNumberRequired": False,
        "BuyerRequestedCancel": {"IsBuyerRequestedCancel": "false", "BuyerCancelReason": ""},
    }
    if order.status not in ("Pending", "Canceled"):
        fields |= {
            "ItemPrice": money(line.price),
            "ItemTax": money(line.tax),
            "ShippingPrice": money(line.shipping),
            "PromotionDiscount": money(line.discount),
            "TaxCollection": {"Model": "MarketplaceFacilitator", "ResponsibleParty": "Amazon Services, Inc."},
        }
        if line.discount:
            fields["PromotionIds"] = [f"Core Free Shipping {order.created:.0f}"]
    return fields


def item_buyer_info(line: Line) -> dict[str, Any]:
    """The message and the wrapping of a gift."""
    return {"GiftMessageText": line.gift_message, "GiftWrapLevel": "Standard"}


def _v0_money(order: StoredOrder) -> Callable[[int], dict[str, str]]:
    currency = SHOPS[order.marketplace].currency
    return lambda amount: {"CurrencyCode": currency, "Amount": order.money(amount)}


_STATUS_2026 = {
    "Pending": "PENDING",
    "Unshipped": "UNSHIPPED",
    "PartiallyShipped": "PARTIALLY_SHIPPED",
    "Shipped": "SHIPPED",
    "Canceled": "CANCELLED",
    "Unfulfillable": "UNFULFILLABLE",
}


def status_2026(order: StoredOrder) -> str:
    """The status as Orders 2026-01-01 writes it."""
    return _STATUS_2026[order.status]


def _order_2026(order: StoredOrder, included: frozenset[str], *, violations: bool) -> dict[str, Any]:
    shop = SHOPS[order.marketplace]
    odd = order.number if violations else -1
    programs = ["PRIME"] if order.fulfilled_by_amazon else []
    if order.business:
        programs.append("AMAZON_BUSINESS")
    if odd % 30 == 9:
        programs.append("INVOICE_BY_AMAZON")
    fields: dict[str, Any] = {
        "orderId": order.order_id,
        "orderAliases": [{"aliasId": order.order_id, "aliasType": "SELLER_ORDER_ID"}],
        "createdTime": iso(order.created, "minutes" if odd % 45 == 3 else "seconds"),
        "lastUpdatedTime": iso(order.updated, "seconds"),
        "programs": programs,
        "salesChannel": {
            "channelName": "AMAZON",
            "marketplaceId": str(order.marketplace),
            "marketplaceName": shop.name,
        },
        "orderItems": [
            _item_2026(order, line, shipped, included)
            for line, shipped in zip(order.lines, order.shipped_quantities, strict=True)
        ],
    }
    for name, section in _SECTIONS.items():
        if name in included and (value := section(order)) is not None:
            fields[_SECTION_KEYS[name]] = value
    return fields


def _item_2026(order: StoredOrder, line: Line, shipped: int, included: frozenset[str]) -> dict[str, Any]:
    money = _money_2026(order)
    unit = line.price // line.quantity
    fields: dict[str, Any] = {
        "orderItemId": line.item_id,
        "quantityOrdered": line.quantity,
        "product": {
            "asin": line.product.asin,
            "title": line.product.title,
            "sellerSku": line.sku,
            "condition": {"conditionType": "NEW", "conditionSubtype": "NEW"},
            "price": {"unitPrice": money(unit)},
        },
    }
    if "PROCEEDS" in included:
        kinds = {"ITEM": line.price, "TAX": line.tax, "SHIPPING": line.shipping, "DISCOUNT": line.discount}
        fields["proceeds"] = {
            "proceedsTotal": money(line.price + line.tax + line.shipping - line.discount),
            "breakdowns": [{"type": kind, "subtotal": money(amount)} for kind, amount in kinds.items() if amount],
        }
    if "PROMOTION" in included and line.discount:
        fields["promotion"] = {"breakdowns": [{"promotionId": f"Core Free Shipping {order.created:.0f}"}]}
    if "FULFILLMENT" in included:
        fields["fulfillment"] = {"quantityFulfilled": shipped, "quantityUnfulfilled": line.quantity - shipped}
        if line.gift_message:
            gift = {"giftMessage": line.gift_message, "giftWrapLevel": "Standard"}
            fields["fulfillment"]["packing"] = {"giftOption": gift}
    if "CANCELLATION" in included and order.status == "Canceled":
        fields["cancellation"] = {
            "cancellationExecution": {"cancelledBy": "BUYER", "cancelReason": "Ordered by mistake"}
        }
    if "TAX" in included:
        fields["tax"] = {
            "taxCollections": [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon Services, Inc."}]
        }
    return fields


def _money_2026(order: StoredOrder) -> Callable[[int], dict[str, str]]:
    currency = SHOPS[order.marketplace].currency
    return lambda amount: {"amount": order.money(amount), "currencyCode": currency}


def _buyer(order: StoredOrder) -> dict[str, Any]:
    fields = {"buyerName": order.address.name, "buyerEmail": order.buyer_email}
    if order.address.company:
        fields |= {"buyerCompanyName": order.address.company, "buyerPurchaseOrderNumber": f"PO-{order.number:06d}"}
    return fields


def _recipient(order: StoredOrder) -> dict[str, Any] | None:
    if order.status == "Pending":
        return None
    address = order.address
    fields = {
        "name": address.name,
        "addressLine1": address.line1,
        "city": address.city.name,
        "stateOrRegion": address.city.state,
        "postalCode": address.postal_code,
        "countryCode": address.country,
        "phone": address.phone,
        "addressType": "COMMERCIAL" if address.company else "RESIDENTIAL",
    }
    if address.line2:
        fields["addressLine2"] = address.line2
    if address.company:
        fields["companyName"] = address.company
    return {"deliveryAddress": fields}


def _proceeds(order: StoredOrder) -> dict[str, Any]:
    return {"grandTotal": _money_2026(order)(order.total)}


def _payment(order: StoredOrder) -> dict[str, Any]:
    amount = _money_2026(order)(order.total)
    return {"paymentExecutions": [{"paymentMethod": "CREDIT_CARD", "paymentAmount": amount}]}


def _fulfillment(order: StoredOrder) -> dict[str, Any]:
    day = 86400
    return {
        "fulfillmentStatus": status_2026(order),
        "fulfilledBy": "AMAZON" if order.fulfilled_by_amazon else "MERCHANT",
        "fulfillmentServiceLevel": "STANDARD",
        "shipByWindow": {
            "earliestDateTime": iso(order.created, "seconds"),
            "latestDateTime": iso(order.created + day, "seconds"),
        },
        "deliverByWindow": {
            "earliestDateTime": iso(order.created + 2 * day, "seconds"),
            "latestDateTime": iso(order.created + 5 * day, "seconds"),
        },
    }


def _packages(order: StoredOrder) -> list[dict[str, Any]] | None:
    shipped = [(line, count) for line, count in zip(order.lines, order.shipped_quantities, strict=True) if count]
    if not shipped or order.fulfilled_by_amazon:
        return None
    number = rng_for(order.order_id, "tracking").randrange(10**11)
    return [
        {
            "packageReferenceId": "1",
            "createdTime": iso(order.created, "seconds"),
            "packageStatus": {"status": "SHIPPED"},
            "carrier": "UPS",
            "shippingService": "Ground",
            "trackingNumber": f"1Z999AA1{number:011d}",
            "packageItems": [{"orderItemId": line.item_id, "quantity": count} for line, count in shipped],
        }
    ]


def _tax(order: StoredOrder) -> dict[str, Any] | None:
    if not order.business:
        return None
    registration = {"legalName": order.address.company, "taxRegistrationNumber": f"TAX{order.number:09d}"}
    return {"taxRegistrations": [registration], "taxInvoicing": {"buyerInvoicePreference": "BUSINESS"}}


_SECTIONS: dict[str, Callable[[StoredOrder], Any]] = {
    "BUYER": _buyer,
    "RECIPIENT": _recipient,
    "PROCEEDS": _proceeds,
    "PAYMENT": _payment,
    "TAX": _tax,
    "FULFILLMENT": _fulfillment,
    "PACKAGES": _packages,
}
_SECTION_KEYS = {name: name.lower() for name in _SECTIONS}
