"""An order rendered as Orders v0 and Orders 2026-01-01 show it, deviating from the models as Amazon's data does.

The deviations are tied to the order's number, so that a run can be repeated and a test can look for one:

====================  =========================================================================
every 40th from 7     v0 ``FulfillmentChannel`` is ``SellerFulfilled``, which the model does not list
every 33rd from 5     v0 ``DeemedResellerCategory`` is a value the model does not list
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
from spapi_async.emulator.data.products import chance
from spapi_async.emulator.gateway.replies import encode
from spapi_async.emulator.gateway.times import iso

__all__ = ["item_buyer_info", "items_v0", "order_2026", "order_v0", "shipping_address"]

_RESELLER_CATEGORIES = ("CA_MPF", "SG_VOEC", "GB_VOEC", "NO_VOEC", "AU_VOEC")
_SERVICE_LEVELS = ("Std US D2D Dom", "Expedited", "SecondDay", "Std Cont US Street Addr")


def order_v0(order: StoredOrder, elements: frozenset[str], *, updated: float, violations: bool) -> bytes:
    """The order as v0 lists it, last updated at ``updated``; personal data only in the granted ``elements``."""
    key = ("v0", elements)
    body = order.rendered.get(key)
    if body is None:
        form = _order_v0(order, elements, updated=updated, violations=violations)
        body = order.rendered[key] = encode(form)
    return body


def order_2026(order: StoredOrder, included: frozenset[str], *, violations: bool) -> bytes:
    """The order as Orders 2026-01-01 shows it, with the data sets asked for."""
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
    form: dict[str, Any] = {
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
        form["OrderTotal"] = {"CurrencyCode": shop.currency, "Amount": float(amount) if odd % 60 == 21 else amount}
    if order.status != "Pending":
        form["ShippingAddress"] = shipping_address(order, personal="shippingAddress" in elements)
    form["BuyerInfo"] = _buyer_info(order) if "buyerInfo" in elements else {}
    if "buyerTaxInformation" in elements and order.business:
        form["BuyerTaxInformation"] = {
            "BuyerLegalCompanyName": order.address.company,
            "BuyerBusinessAddress": f"{order.address.line1}, {order.address.city.name}",
            "BuyerTaxRegistrationId": f"TAX{order.number:09d}",
        }
    return form


def _channel(order: StoredOrder, odd: int) -> str:
    if odd % 40 == 7:
        return "SellerFulfilled"
    return "AFN" if order.fulfilled_by_amazon else "MFN"


def shipping_address(order: StoredOrder, *, personal: bool) -> dict[str, Any]:
    """The v0 address: without a restricted token the city, state, postal code and country alone."""
    address = order.address
    form: dict[str, Any] = {
        "City": address.city.name,
        "StateOrRegion": address.city.state,
        "PostalCode": address.postal_code,
        "CountryCode": address.country,
        "AddressType": "Commercial" if address.company else "Residential",
    }
    if personal:
        form |= {"Name": address.name, "AddressLine1": address.line1, "Phone": address.phone}
        if address.line2:
            form["AddressLine2"] = address.line2
        if address.company:
            form["CompanyName"] = address.company
    return form


def _buyer_info(order: StoredOrder) -> dict[str, Any]:
    form: dict[str, Any] = {"BuyerEmail": order.buyer_email, "BuyerName": order.address.name}
    if order.business:
        form["PurchaseOrderNumber"] = f"PO-{order.number:06d}"
        form["BuyerTaxInfo"] = {"CompanyLegalName": order.address.company, "TaxingRegion": order.address.city.state}
    return form


def items_v0(order: StoredOrder, elements: frozenset[str], *, violations: bool) -> list[dict[str, Any]]:
    """The order's items as v0 shows them."""
    odd = order.number if violations else -1
    forms = []
    for place, (line, shipped) in enumerate(zip(order.lines, order.shipped_quantities, strict=True)):
        form = _item_v0(order, line, shipped)
        if "buyerInfo" in elements and line.gift_message:
            form["BuyerInfo"] = item_buyer_info(line)
        if odd % 33 == 5:
            form["DeemedResellerCategory"] = _RESELLER_CATEGORIES[order.number % len(_RESELLER_CATEGORIES)]
        if odd % 50 == 11 and place == 0:
            del form["ASIN"]
        forms.append(form)
    return forms


def _item_v0(order: StoredOrder, line: Line, shipped: int) -> dict[str, Any]:
    money = _v0_money(order)
    form: dict[str, Any] = {
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
        form |= {
            "ItemPrice": money(line.price),
            "ItemTax": money(line.tax),
            "ShippingPrice": money(line.shipping),
            "PromotionDiscount": money(line.discount),
            "TaxCollection": {"Model": "MarketplaceFacilitator", "ResponsibleParty": "Amazon Services, Inc."},
        }
        if line.discount:
            form["PromotionIds"] = [f"Core Free Shipping {order.created:.0f}"]
    return form


def item_buyer_info(line: Line) -> dict[str, Any]:
    """What the buyer wrote on a gift."""
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
    """The status in the words of Orders 2026-01-01."""
    return _STATUS_2026[order.status]


def _order_2026(order: StoredOrder, included: frozenset[str], *, violations: bool) -> dict[str, Any]:
    shop = SHOPS[order.marketplace]
    odd = order.number if violations else -1
    programs = ["PRIME"] if order.fulfilled_by_amazon else []
    if order.business:
        programs.append("AMAZON_BUSINESS")
    if odd % 30 == 9:
        programs.append("INVOICE_BY_AMAZON")
    form: dict[str, Any] = {
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
            form[_SECTION_KEYS[name]] = value
    return form


def _item_2026(order: StoredOrder, line: Line, shipped: int, included: frozenset[str]) -> dict[str, Any]:
    money = _money_2026(order)
    unit = line.price // line.quantity
    form: dict[str, Any] = {
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
        form["proceeds"] = {
            "proceedsTotal": money(line.price + line.tax + line.shipping - line.discount),
            "breakdowns": [{"type": kind, "subtotal": money(amount)} for kind, amount in kinds.items() if amount],
        }
    if "PROMOTION" in included and line.discount:
        form["promotion"] = {"breakdowns": [{"promotionId": f"Core Free Shipping {order.created:.0f}"}]}
    if "FULFILLMENT" in included:
        form["fulfillment"] = {"quantityFulfilled": shipped, "quantityUnfulfilled": line.quantity - shipped}
        if line.gift_message:
            gift = {"giftMessage": line.gift_message, "giftWrapLevel": "Standard"}
            form["fulfillment"]["packing"] = {"giftOption": gift}
    if "CANCELLATION" in included and order.status == "Canceled":
        form["cancellation"] = {"cancellationExecution": {"cancelledBy": "BUYER", "cancelReason": "Ordered by mistake"}}
    if "TAX" in included:
        form["tax"] = {
            "taxCollections": [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon Services, Inc."}]
        }
    return form


def _money_2026(order: StoredOrder) -> Callable[[int], dict[str, str]]:
    currency = SHOPS[order.marketplace].currency
    return lambda amount: {"amount": order.money(amount), "currencyCode": currency}


def _buyer(order: StoredOrder) -> dict[str, Any]:
    form = {"buyerName": order.address.name, "buyerEmail": order.buyer_email}
    if order.address.company:
        form |= {"buyerCompanyName": order.address.company, "buyerPurchaseOrderNumber": f"PO-{order.number:06d}"}
    return form


def _recipient(order: StoredOrder) -> dict[str, Any] | None:
    if order.status == "Pending":
        return None
    address = order.address
    form = {
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
        form["addressLine2"] = address.line2
    if address.company:
        form["companyName"] = address.company
    return {"deliveryAddress": form}


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
    number = chance(order.order_id, "tracking").randrange(10**11)
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
