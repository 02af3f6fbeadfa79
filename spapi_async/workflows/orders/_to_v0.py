"""Converts an order of Orders 2026-01-01 to Orders v0, for programs that still use it. Pure.

Amazon removes Orders v0 on 2027-03-27; this module will then be removed, too. The mapping is that of Amazon's migration
guide (developer-docs.amazon.com/sp-api/docs/orders-api-migration-guide). Fields that only v0 has (``OrderChannel``,
``NumberOfItemsShipped``, ``ProductInfo`` …) have no counterpart and are absent from the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["item_to_v0", "order_to_v0"]

Json = Mapping[str, Any]

_STATUSES = {
    "UNSHIPPED": "Unshipped",
    "PARTIALLY_SHIPPED": "PartiallyShipped",
    "SHIPPED": "Shipped",
    "CANCELLED": "Canceled",
    "PENDING": "Pending",
    "UNFULFILLABLE": "Unfulfillable",
    "PENDING_AVAILABILITY": "PendingAvailability",
    "INVOICE_UNCONFIRMED": "InvoiceUnconfirmed",
}
_CHANNELS = {"MERCHANT": "MFN", "AMAZON": "AFN"}
_REPLACES = {"REPLACEMENT_ORIGINAL_ID", "EXCHANGE_ORIGINAL_ID"}
_V0_PROGRAMS = ("SUBSCRIBE_AND_SAVE", "FBM_SHIP_PLUS")


def order_to_v0(order: Json) -> dict[str, Any]:
    """``Order`` of Orders v0, as the JSON that v0 would have sent."""
    programs = _words(order.get("programs"))
    status, channel = _dig(order, "fulfillment.fulfillmentStatus"), _dig(order, "fulfillment.fulfilledBy")
    replaced = [
        entry.get("orderId")
        for entry in _objects(order.get("associatedOrders"))
        if _is(entry, "associationType", _REPLACES)
    ]
    aliases = _where(order.get("orderAliases"), "aliasType", "SELLER_ORDER_ID")
    form = {
        "AmazonOrderId": order.get("orderId"),
        "SellerOrderId": aliases[0].get("aliasId") if aliases else None,
        "PurchaseDate": order.get("createdTime"),
        "LastUpdateDate": order.get("lastUpdatedTime"),
        "OrderStatus": _STATUSES.get(status, status) if isinstance(status, str) else None,
        "FulfillmentChannel": _CHANNELS.get(channel, channel) if isinstance(channel, str) else None,
        "SalesChannel": _dig(order, "salesChannel.marketplaceName"),
        "MarketplaceId": _dig(order, "salesChannel.marketplaceId"),
        "OrderType": "Preorder" if "PREORDER" in programs else "StandardOrder",
        "ShipmentServiceLevelCategory": _as_v0_word(_dig(order, "fulfillment.fulfillmentServiceLevel")),
        "OrderTotal": _money(_dig(order, "proceeds.grandTotal")),
        "EarliestShipDate": _dig(order, "fulfillment.shipByWindow.earliestDateTime"),
        "LatestShipDate": _dig(order, "fulfillment.shipByWindow.latestDateTime"),
        "EarliestDeliveryDate": _dig(order, "fulfillment.deliverByWindow.earliestDateTime"),
        "LatestDeliveryDate": _dig(order, "fulfillment.deliverByWindow.latestDateTime"),
        "EasyShipShipmentStatus": _first(order.get("packages"), "packageStatus.detailedStatus"),
        "IsReplacementOrder": bool(replaced),
        "ReplacedOrderId": replaced[0] if replaced else None,
        "ShippingAddress": _address(_dig(order, "recipient.deliveryAddress")),
        "BuyerInfo": _renamed(order.get("buyer"), _BUYER),
        **_payments(order),
        **_taxes(order),
    }
    form |= {name: program in programs for name, program in _PROGRAMS.items()}
    if "recipient" in order:
        form["IsAccessPointOrder"] = _dig(order, "recipient.deliveryAddress.addressType") == "PICKUP_POINT"
    return _present(form)


def item_to_v0(item: Json, order: Json) -> dict[str, Any]:
    """``OrderItem`` of Orders v0, as the JSON that v0 would have sent."""
    product, proceeds = item.get("product"), _breakdowns(_dig(item, "proceeds.breakdowns"))
    programs = _words(item.get("programs"))
    gift, shipping = _dig(item, "fulfillment.packing.giftOption"), _dig(item, "fulfillment.shipping")
    form = {
        "ASIN": _dig(product, "asin"),
        "SellerSKU": _dig(product, "sellerSku"),
        "OrderItemId": item.get("orderItemId"),
        "Title": _dig(product, "title"),
        "QuantityOrdered": item.get("quantityOrdered"),
        "QuantityShipped": _dig(item, "fulfillment.quantityFulfilled"),
        "PointsGranted": _renamed(_dig(item, "expense.pointsCost.pointsGranted"), _POINTS),
        **{name: _money(proceeds.get(kind)) for name, kind in _PROCEEDS.items()},
        "PromotionIds": _promotions(item),
        "IsGift": "true" if gift else "false",
        "ConditionNote": _dig(product, "condition.conditionNote"),
        "ConditionId": _as_v0_word(_dig(product, "condition.conditionType")),
        "ConditionSubtypeId": _as_v0_word(_dig(product, "condition.conditionSubtype")),
        "ScheduledDeliveryStartDate": _dig(shipping, "scheduledDeliveryWindow.earliestDateTime"),
        "ScheduledDeliveryEndDate": _dig(shipping, "scheduledDeliveryWindow.latestDateTime"),
        "PriceDesignation": _dig(product, "price.priceDesignation"),
        "IossNumber": _dig(shipping, "internationalShipping.iossNumber"),
        "IsTransparency": "TRANSPARENCY" in programs,
        "SerialNumberRequired": _dig(item, "fulfillment.packing.serialNumberRequirement") is not None or None,
        "SerialNumbers": _dig(product, "serialNumbers"),
        "BuyerInfo": _item_buyer(product, gift, proceeds),
        "BuyerRequestedCancel": _cancellation(_dig(item, "cancellation.cancellationRequest")),
        "SubstitutionPreferences": _in_pascal_case(_dig(item, "fulfillment.picking.substitutionPreference")),
        "Measurement": _in_pascal_case(item.get("measurement")),
        "ShippingConstraints": _in_pascal_case(_dig(shipping, "shippingConstraints")),
        "AssociatedItems": [_renamed(each, _ASSOCIATED) for each in _objects(item.get("associatedOrderItems"))] or None,
        "TaxCollection": _tax_collection(item),
        "DeemedResellerCategory": _first(_dig(item, "tax.taxCalculationBreakdowns"), "reportingScheme"),
    }
    joined = [name for name in _V0_PROGRAMS if name in programs or name in _words(order.get("programs"))]
    form["AmazonPrograms"] = {"Programs": joined} if joined else None
    return _present(form)


_PROGRAMS = {
    "IsBusinessOrder": "AMAZON_BUSINESS",
    "IsPrime": "PRIME",
    "IsPremiumOrder": "PREMIUM",
    "IsISPU": "IN_STORE_PICK_UP",
    "IsIBA": "INVOICE_BY_AMAZON",
}
_PROCEEDS: Mapping[str, tuple[str, ...]] = {
    "ItemPrice": ("ITEM",),
    "ShippingPrice": ("SHIPPING",),
    "PromotionDiscount": ("DISCOUNT",),
    "CODFee": ("COD_FEE",),
    "ItemTax": ("TAX", "ITEM"),
    "ShippingTax": ("TAX", "SHIPPING"),
    "PromotionDiscountTax": ("TAX", "DISCOUNT"),
    "ShippingDiscount": ("DISCOUNT", "SHIPPING"),
    "CODFeeDiscount": ("DISCOUNT", "COD_FEE"),
}
_BUYER = {"BuyerEmail": "buyerEmail", "BuyerName": "buyerName", "PurchaseOrderNumber": "buyerPurchaseOrderNumber"}
_ASSOCIATED = {"OrderId": "orderId", "OrderItemId": "orderItemId", "AssociationType": "associationType"}
_POINTS = {"PointsNumber": "pointsNumber", "PointsMonetaryValue": "pointsMonetaryValue"}
_ADDRESS = {
    "Name": "name",
    "CompanyName": "companyName",
    "AddressLine1": "addressLine1",
    "AddressLine2": "addressLine2",
    "AddressLine3": "addressLine3",
    "City": "city",
    "County": "districtOrCounty",
    "Municipality": "municipality",
    "StateOrRegion": "stateOrRegion",
    "PostalCode": "postalCode",
    "CountryCode": "countryCode",
    "Phone": "phone",
}


def _payments(order: Json) -> dict[str, Any]:
    executions = _objects(_dig(order, "payment.paymentExecutions"))
    methods = [method for each in executions if isinstance(method := each.get("paymentMethod"), str)]
    return {
        "PaymentMethod": methods[0] if methods else None,
        "PaymentMethodDetails": methods or None,
        "PaymentExecutionDetail": [
            _present(
                {
                    "Payment": _money(each.get("paymentAmount")),
                    "PaymentMethod": each.get("paymentMethod"),
                    "AcquirerId": each.get("acquirerId"),
                    "CardBrand": each.get("cardBrand"),
                    "AuthorizationCode": each.get("authorizationCode"),
                }
            )
            for each in executions
        ]
        or None,
    }


def _taxes(order: Json) -> dict[str, Any]:
    registrations = _dig(order, "tax.taxRegistrations")
    buyer = next(iter(_where(registrations, "entityType", "BUYER")), None)
    merchant = next(iter(_where(registrations, "entityType", "MERCHANT")), None)
    marketplace = _where(registrations, "entityType", "MARKETPLACE")
    form: dict[str, Any] = {
        "ElectronicInvoiceStatus": _dig(order, "tax.taxInvoicing.invoiceStatus"),
        "BuyerInvoicePreference": _dig(order, "tax.taxInvoicing.buyerInvoicePreference"),
        "SellerDisplayName": _dig(merchant, "legalName"),
    }
    if buyer is not None:
        offices = _where(buyer.get("taxRegistrationAttributes"), "key", "TAX_OFFICE")
        address = _dig(buyer, "taxRegistrationAddress")
        form["BuyerTaxInformation"] = _present(
            {
                "BuyerLegalCompanyName": buyer.get("legalName"),
                "BuyerBusinessAddress": _one_line(address),
                "BuyerTaxRegistrationId": buyer.get("taxRegistrationNumber"),
                "BuyerTaxOffice": offices[0].get("value") if offices else None,
            }
        )
    if marketplace:
        names = {"Name": "taxRegistrationType", "Value": "taxRegistrationNumber"}
        form["MarketplaceTaxInfo"] = {"TaxClassifications": [_renamed(each, names) for each in marketplace]}
    return form


def _item_buyer(product: Any, gift: Any, proceeds: Mapping[tuple[str, ...], Any]) -> dict[str, Any] | None:
    url = _dig(product, "customization.customizedUrl")
    return (
        _present(
            {
                "BuyerCustomizedInfo": {"CustomizedURL": url} if url else None,
                "GiftMessageText": _dig(gift, "giftMessage"),
                "GiftWrapLevel": _dig(gift, "giftWrapLevel"),
                "GiftWrapPrice": _money(proceeds.get(("GIFT_WRAP",))),
                "GiftWrapTax": _money(proceeds.get(("TAX", "GIFT_WRAP"))),
            }
        )
        or None
    )


def _promotions(item: Json) -> list[Any] | None:
    return [
        each["promotionId"] for each in _objects(_dig(item, "promotion.breakdowns")) if "promotionId" in each
    ] or None


def _cancellation(request: Any) -> dict[str, Any] | None:
    if not isinstance(request, Mapping):
        return None
    by_buyer = "true" if request.get("requester") == "BUYER" else "false"
    return _present({"IsBuyerRequestedCancel": by_buyer, "BuyerCancelReason": request.get("cancelReason")})


def _tax_collection(item: Json) -> dict[str, Any] | None:
    collection = next(iter(_objects(_dig(item, "tax.taxCollections"))), None)
    if collection is None:
        return None
    return _present(
        {"Model": _as_v0_word(collection.get("model")), "ResponsibleParty": collection.get("responsibleParty")}
    )


def _breakdowns(breakdowns: Any) -> dict[tuple[str, ...], Any]:
    """Amounts by kind, and by kind and subtype."""
    found: dict[tuple[str, ...], Any] = {}
    for entry in _objects(breakdowns):
        kind = entry.get("type")
        if isinstance(kind, str):
            found[(kind,)] = entry.get("subtotal")
            for part in _objects(entry.get("detailedBreakdowns")):
                if isinstance(subtype := part.get("subtype"), str):
                    found[(kind, subtype)] = part.get("value")
    if ("TAX",) in found and not any(len(key) == 2 and key[0] == "TAX" for key in found):
        found["TAX", "ITEM"] = found[("TAX",)]  # not broken down: v0 has no other place for it
    return found


def _money(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    return _present({"CurrencyCode": value.get("currencyCode"), "Amount": value.get("amount")}) or None


def _address(address: Any) -> dict[str, Any] | None:
    form = _renamed(address, _ADDRESS)
    kind = _dig(address, "addressType")
    if form is not None and isinstance(kind, str):
        form["AddressType"] = _as_v0_word(kind)
    return form


def _one_line(address: Any) -> str | None:
    parts = [_dig(address, name) for name in ("addressLine1", "addressLine2", "city", "stateOrRegion", "postalCode")]
    return ", ".join(part for part in parts if isinstance(part, str) and part) or None


def _as_v0_word(word: Any) -> Any:
    """``SECOND_DAY`` as ``SecondDay``."""
    if not isinstance(word, str) or not word.isupper():
        return word
    return "".join(part.capitalize() for part in word.split("_"))


def _in_pascal_case(value: Any) -> Any:
    """The same object with v0's spelling of its keys."""
    if isinstance(value, Mapping):
        return {_v0_key(str(key)): _in_pascal_case(each) for key, each in value.items()}
    return [_in_pascal_case(each) for each in value] if isinstance(value, list) else value


def _v0_key(key: str) -> str:
    return {"asin": "ASIN", "sellerSku": "SellerSKU"}.get(key, key[:1].upper() + key[1:])


def _renamed(value: Any, names: Mapping[str, str]) -> dict[str, Any] | None:
    """The members of an object under other names, amounts in v0's form; None if there is no object."""
    if not isinstance(value, Mapping):
        return None
    found = {name: value.get(old) for name, old in names.items()}
    return _present({name: _money(each) if isinstance(each, Mapping) else each for name, each in found.items()})


def _present(form: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in form.items() if value is not None and value != {}}


def _dig(source: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(source, Mapping):
            return None
        source = source.get(key)
    return source


def _objects(value: Any) -> Sequence[Json]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _words(value: Any) -> set[str]:
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()


def _is(entry: Json, member: str, words: Iterable[str]) -> bool:
    value = entry.get(member)
    return isinstance(value, str) and value in words


def _where(value: Any, member: str, word: str) -> Sequence[Json]:
    return [each for each in _objects(value) if _is(each, member, (word,))]


def _first(value: Any, path: str) -> Any:
    return next((found for each in _objects(value) if (found := _dig(each, path)) is not None), None)
