"""Types that decode the parts of Orders 2026-01-01 that the columns need, and types that list all known members.

Each type has two forms. The first has the members that columns and personal data need, and ignores others. The second,
``_Known…``, has exactly the members of the model: if an order fits it, personal data can only be in the places below.
Amazon adds members without notice; an order with an unknown member is searched for personal data by every name in it.
A test compares the second form with the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from spapi_async.workflows.orders._rows import LONGEST_KEY

__all__ = ["ITEM", "KNOWN_ITEM", "KNOWN_ORDER", "ORDER", "Cancellation", "Item", "Money", "Order", "Package"]

_Raw = msgspec.Raw
_ABSENT = msgspec.Raw()
_Scalar = str | int | float | bool | None
_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_KEY)]
_Count = Annotated[int, msgspec.Meta(gt=-(2**31), lt=2**31)]


# ---- what columns and personal data need -----------------------------------------------------------------------------


class _Columns(msgspec.Struct, rename="camel", gc=False, kw_only=True):
    pass


class Money(_Columns):
    """An amount and its currency."""

    amount: Decimal
    currency_code: str


class _Price(_Columns):
    unit_price: Money | None = None


class _Product(_Columns):
    asin: str | None = None
    seller_sku: Annotated[str, msgspec.Meta(max_length=LONGEST_KEY)] | None = None
    title: str | None = None
    price: _Price | None = None
    customization: _Raw = _ABSENT


class _GiftOption(_Columns):
    gift_message: _Raw = _ABSENT


class _Packing(_Columns):
    gift_option: _GiftOption | None = None


class _ItemFulfillment(_Columns):
    quantity_fulfilled: _Count | None = None
    packing: _Packing | None = None


class _CancellationRequest(_Columns):
    cancel_reason: _Raw = _ABSENT


class _CancellationExecution(_Columns):
    cancel_reason: _Raw = _ABSENT


class Cancellation(_Columns):
    """Who asked for it, who did it, and why."""

    cancellation_request: _CancellationRequest | None = None
    cancellation_execution: _CancellationExecution | None = None


class Item(_Columns):
    """An item."""

    order_item_id: _Key
    quantity_ordered: _Count
    product: _Product
    fulfillment: _ItemFulfillment | None = None
    cancellation: Cancellation | None = None
    tax: _Raw = _ABSENT


class _Fulfillment(_Columns):
    fulfillment_status: str
    fulfilled_by: str | None = None


class _Channel(_Columns):
    channel_name: str
    marketplace_id: str | None = None


class _Proceeds(_Columns):
    grand_total: Money | None = None


class Package(_Columns):
    """A package."""

    ship_time: datetime | None = None


class Order(_Columns):
    """An order, its items as they came."""

    order_id: _Key
    created_time: datetime
    last_updated_time: datetime
    sales_channel: _Channel
    order_items: list[_Raw]
    fulfillment: _Fulfillment | None = None
    proceeds: _Proceeds | None = None
    packages: Sequence[Package] | None = None
    buyer: _Raw = _ABSENT
    recipient: _Raw = _ABSENT
    payment: _Raw = _ABSENT
    tax: _Raw = _ABSENT


# ---- all known members -----------------------------------------------------------------------------------------------


class _KnownMoney(Money, forbid_unknown_fields=True):
    pass


class _KnownAmount(_Columns, forbid_unknown_fields=True):
    """Money without a column: its amount is not checked."""

    amount: _Scalar = None
    currency_code: _Scalar = None


class _KnownDetailedBreakdown(_Columns, forbid_unknown_fields=True):
    subtype: _Scalar = None
    value: _KnownAmount | None = None


class _KnownBreakdown(_Columns, forbid_unknown_fields=True):
    type: _Scalar = None
    status: _Scalar = None
    subtotal: _KnownAmount | None = None
    detailed_breakdowns: list[_KnownDetailedBreakdown] | None = None


class _KnownItemProceeds(_Columns, forbid_unknown_fields=True):
    proceeds_total: _KnownAmount | None = None
    breakdowns: list[_KnownBreakdown] | None = None


class _KnownPoints(_Columns, forbid_unknown_fields=True):
    points_number: _Scalar = None
    points_monetary_value: _KnownAmount | None = None


class _KnownPointsCost(_Columns, forbid_unknown_fields=True):
    points_granted: _KnownPoints | None = None


class _KnownExpense(_Columns, forbid_unknown_fields=True):
    points_cost: _KnownPointsCost | None = None


class _KnownPromotionBreakdown(_Columns, forbid_unknown_fields=True):
    promotion_id: _Scalar = None


class _KnownPromotion(_Columns, forbid_unknown_fields=True):
    breakdowns: list[_KnownPromotionBreakdown] | None = None


class _KnownCancellationRequest(_CancellationRequest, forbid_unknown_fields=True):
    requester: _Scalar = None


class _KnownCancellationExecution(_CancellationExecution, forbid_unknown_fields=True):
    cancelled_by: _Scalar = None


class _KnownCancellation(Cancellation, forbid_unknown_fields=True):
    cancellation_request: _KnownCancellationRequest | None = None
    cancellation_execution: _KnownCancellationExecution | None = None


class _KnownMeasurement(_Columns, forbid_unknown_fields=True):
    unit: _Scalar = None
    value: _Scalar = None


class _KnownAssociatedItem(_Columns, forbid_unknown_fields=True):
    order_id: _Scalar = None
    order_item_id: _Scalar = None
    association_type: _Scalar = None
    asin: _Scalar = None
    purchase_price: _KnownAmount | None = None


class _KnownCondition(_Columns, forbid_unknown_fields=True):
    condition_type: _Scalar = None
    condition_subtype: _Scalar = None
    condition_note: _Scalar = None


class _KnownPrice(_Price, forbid_unknown_fields=True):
    unit_price: _KnownMoney | None = None
    price_designation: _Scalar = None


class _KnownProduct(_Product, forbid_unknown_fields=True):
    price: _KnownPrice | None = None
    condition: _KnownCondition | None = None
    serial_numbers: list[str] | None = None


class _KnownSubstitutionOption(_Columns, forbid_unknown_fields=True):
    asin: _Scalar = None
    quantity_ordered: _Scalar = None
    seller_sku: _Scalar = None
    title: _Scalar = None
    measurement: _KnownMeasurement | None = None


class _KnownSubstitution(_Columns, forbid_unknown_fields=True):
    substitution_type: _Scalar = None
    substitution_options: list[_KnownSubstitutionOption] | None = None


class _KnownPicking(_Columns, forbid_unknown_fields=True):
    substitution_preference: _KnownSubstitution | None = None


class _KnownGiftOption(_GiftOption, forbid_unknown_fields=True):
    gift_wrap_level: _Scalar = None


class _KnownSerialNumberRequirement(_Columns, forbid_unknown_fields=True):
    requirement_type: _Scalar = None


class _KnownPacking(_Packing, forbid_unknown_fields=True):
    gift_option: _KnownGiftOption | None = None
    serial_number_requirement: _KnownSerialNumberRequirement | None = None


class _KnownWindow(_Columns, forbid_unknown_fields=True):
    earliest_date_time: _Scalar = None
    latest_date_time: _Scalar = None


class _KnownShippingConstraints(_Columns, forbid_unknown_fields=True):
    pallet_delivery: _Scalar = None
    cash_on_delivery: _Scalar = None
    signature_confirmation: _Scalar = None
    recipient_identity_verification: _Scalar = None
    recipient_age_verification: _Scalar = None


class _KnownInternationalShipping(_Columns, forbid_unknown_fields=True):
    ioss_number: _Scalar = None


class _KnownShipping(_Columns, forbid_unknown_fields=True):
    scheduled_delivery_window: _KnownWindow | None = None
    shipping_constraints: _KnownShippingConstraints | None = None
    international_shipping: _KnownInternationalShipping | None = None


class _KnownItemFulfillment(_ItemFulfillment, forbid_unknown_fields=True):
    quantity_unfulfilled: _Scalar = None
    packing: _KnownPacking | None = None
    picking: _KnownPicking | None = None
    shipping: _KnownShipping | None = None


class _KnownItem(Item, forbid_unknown_fields=True):
    product: _KnownProduct
    fulfillment: _KnownItemFulfillment | None = None
    proceeds: _KnownItemProceeds | None = None
    expense: _KnownExpense | None = None
    promotion: _KnownPromotion | None = None
    cancellation: _KnownCancellation | None = None
    measurement: _KnownMeasurement | None = None
    associated_order_items: list[_KnownAssociatedItem] | None = None
    programs: list[str] | None = None


class _KnownTransitDetails(_Columns, forbid_unknown_fields=True):
    carrier: _Scalar = None
    shipping_service: _Scalar = None


class _KnownTransitTime(_Columns, forbid_unknown_fields=True):
    details: _KnownTransitDetails | None = None
    data_source: _Scalar = None


class _KnownPromiseInputs(_Columns, forbid_unknown_fields=True):
    transit_time: _KnownTransitTime | None = None


class _KnownFulfillment(_Fulfillment, forbid_unknown_fields=True):
    fulfillment_service_level: _Scalar = None
    ship_by_window: _KnownWindow | None = None
    deliver_by_window: _KnownWindow | None = None
    label_printing_window: _KnownWindow | None = None
    promise_calculation_inputs: _KnownPromiseInputs | None = None


class _KnownChannel(_Channel, forbid_unknown_fields=True):
    marketplace_name: _Scalar = None


class _KnownProceeds(_Proceeds, forbid_unknown_fields=True):
    grand_total: _KnownMoney | None = None
    breakdowns: list[_KnownBreakdown] | None = None


class _KnownPackageStatus(_Columns, forbid_unknown_fields=True):
    status: _Scalar = None
    detailed_status: _Scalar = None


class _KnownPackageItem(_Columns, forbid_unknown_fields=True):
    order_item_id: _Scalar = None
    quantity: _Scalar = None
    transparency_codes: list[str] | None = None


class _KnownPackage(Package, forbid_unknown_fields=True):
    package_reference_id: _Scalar = None
    created_time: _Scalar = None
    package_status: _KnownPackageStatus | None = None
    carrier: _Scalar = None
    shipping_service: _Scalar = None
    tracking_number: _Scalar = None
    ship_from_address: Any = None
    package_items: list[_KnownPackageItem] | None = None


class _KnownAlias(_Columns, forbid_unknown_fields=True):
    alias_id: _Scalar = None
    alias_type: _Scalar = None


class _KnownAssociatedOrder(_Columns, forbid_unknown_fields=True):
    order_id: _Scalar = None
    association_type: _Scalar = None


class _KnownFulfillmentOrder(_Columns, forbid_unknown_fields=True):
    fulfillment_order_id: _Scalar = None


class _KnownOrder(Order, forbid_unknown_fields=True):
    sales_channel: _KnownChannel
    fulfillment: _KnownFulfillment | None = None
    proceeds: _KnownProceeds | None = None
    packages: Sequence[_KnownPackage] | None = None
    order_aliases: list[_KnownAlias] | None = None
    associated_orders: list[_KnownAssociatedOrder] | None = None
    fulfillment_orders: list[_KnownFulfillmentOrder] | None = None
    programs: list[str] | None = None


ORDER, ITEM = msgspec.json.Decoder(Order), msgspec.json.Decoder(Item)
KNOWN_ORDER, KNOWN_ITEM = msgspec.json.Decoder(_KnownOrder), msgspec.json.Decoder(_KnownItem)
