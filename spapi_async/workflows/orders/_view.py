"""One order in one vocabulary, whichever version of the Orders API it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from spapi_async._codec import json, lenient
from spapi_async._codec.json import to_json
from spapi_async.errors import DecodeError
from spapi_async.workflows.orders._rows import V0, V2026, OrderRow
from spapi_async.workflows.orders._to_v0 import item_to_v0, order_to_v0

if TYPE_CHECKING:
    from spapi_async.models import orders_2026_01_01, orders_v0

__all__ = ["OrderItemView", "OrderV0", "OrderView"]


class OrderV0(NamedTuple):
    """An order of Orders v0: ``getOrder`` and ``getOrderItems`` together."""

    order: orders_v0.Order
    items: tuple[orders_v0.OrderItem, ...]

    def __repr__(self) -> str:
        return f"<OrderV0 {self.order.amazon_order_id}>"


class OrderItemView(msgspec.Struct, frozen=True, kw_only=True):
    """One item of an order.

    Attributes:
        unit_price: the price of one unit before tax, if Amazon states it; for v0 the price of all units is divided.
    """

    order_item_id: str
    asin: str | None
    seller_sku: str | None
    title: str | None
    quantity_ordered: int | None
    quantity_shipped: int | None
    unit_price: Decimal | None
    currency: str | None


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """One order in the vocabulary of Orders 2026-01-01.

    Attributes:
        status: such as ``SHIPPED``; ``amazon_status`` is the value of the order's own version.
        channel: ``MERCHANT`` or ``AMAZON``; ``fulfilled_by`` is the value of the order's own version.
        created_at, last_updated_at: aware datetimes in UTC. In v0 the second changes only with the status.
        source: ``orders_2026_01_01`` or ``orders_v0``.
        order: the reply as plain values, including personal data and, except for v0, the items.
        v0_items: the items of v0 as plain values, which v0 sends separately.
    """

    order_id: str
    marketplace_id: str | None
    status: str | None
    amazon_status: str | None
    channel: str | None
    fulfilled_by: str | None
    created_at: datetime | None
    last_updated_at: datetime | None
    total: Decimal | None
    currency: str | None
    items: tuple[OrderItemView, ...]
    source: str
    order: Mapping[str, Any]
    v0_items: tuple[Mapping[str, Any], ...] = ()

    def __repr__(self) -> str:
        return f"<OrderView {self.order_id} {self.status} of {self.source}>"

    @classmethod
    def from_2026(cls, order: orders_2026_01_01.Order | Mapping[str, Any] | bytes) -> OrderView:
        """The view of an order of Orders 2026-01-01, given as struct, JSON or plain values.

        Raises:
            DecodeError: it is not a JSON object, or its id is invalid.
        """
        content = _content(order)
        return _view(_row(V2026.row, _encoded(content), None), content)

    @classmethod
    def from_v0(
        cls,
        order: orders_v0.Order | Mapping[str, Any] | bytes,
        items: Iterable[orders_v0.OrderItem | Mapping[str, Any]],
    ) -> OrderView:
        """The view of an order of Orders v0, from ``getOrder`` and ``getOrderItems``.

        Raises:
            DecodeError: it is not a JSON object, or its id is invalid.
        """
        content, contents = _content(order), tuple(_content(item) for item in items)
        row = _row(V0.row, _encoded(content), [_encoded(item) for item in contents])
        return _view(row, content, contents)

    def to_v0(self) -> OrderV0:
        """The same order in the form of Orders v0, by Amazon's migration guide.

        An order of v0 is returned unchanged. Fields that only v0 has are None.
        """
        from spapi_async.models import orders_v0

        if self.source == V0.source:
            order, items = self.order, self.v0_items
        else:
            order = order_to_v0(self.order)
            found = self.order.get("orderItems")
            listed = [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
            items = tuple(item_to_v0(each, self.order) for each in listed)
        return OrderV0(
            lenient.build(orders_v0.Order, _encoded(order))[0],
            tuple(lenient.build(orders_v0.OrderItem, _encoded(item))[0] for item in items),
        )


def _view(row: OrderRow, content: Mapping[str, Any], v0_items: tuple[Mapping[str, Any], ...] = ()) -> OrderView:
    of_all_units = row.source == V0.source
    return OrderView(
        order_id=row.order_id,
        marketplace_id=row.marketplace_id,
        status=row.status,
        amazon_status=row.amazon_status,
        channel=row.channel,
        fulfilled_by=row.fulfilled_by,
        created_at=row.created_at,
        last_updated_at=row.last_updated_at,
        total=row.total_amount,
        currency=row.total_currency,
        items=tuple(
            OrderItemView(
                order_item_id=item.order_item_id,
                asin=item.asin,
                seller_sku=item.seller_sku,
                title=item.title,
                quantity_ordered=item.quantity_ordered,
                quantity_shipped=item.quantity_shipped,
                unit_price=_of_one(item.price_amount, item.quantity_ordered) if of_all_units else item.price_amount,
                currency=item.price_currency,
            )
            for item in row.items
        ),
        source=row.source,
        order=content,
        v0_items=v0_items,
    )


def _of_one(price: Decimal | None, quantity: int | None) -> Decimal | None:
    return price / quantity if price is not None and quantity else None


def _row(make: Any, payload: bytes, items: list[bytes] | None) -> OrderRow:
    try:
        row: OrderRow = make(payload, items=items)
    except (ValueError, ArithmeticError, RecursionError, TypeError) as error:
        raise DecodeError(f"the order cannot be read: {type(error).__name__}") from None
    return row


def _content(value: Any) -> Mapping[str, Any]:
    raw = value if isinstance(value, bytes) else None if isinstance(value, Mapping) else to_json(value)
    try:
        content = value if raw is None else json.exact(raw)
    except ValueError:
        content = None
    if not isinstance(content, Mapping):
        raise DecodeError(f"an order must be a JSON object, not {type(content).__name__}")
    return content


def _encoded(content: Mapping[str, Any]) -> bytes:
    return _ENCODER.encode(content)


_ENCODER = msgspec.json.Encoder(decimal_format="number")
