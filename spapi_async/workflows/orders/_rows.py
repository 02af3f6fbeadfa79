"""Makes rows from Amazon's JSON: pure, and tolerant of any content.

The columns are read from the JSON itself and not from the decoded models, so that an order that breaks its model (an
unknown status, a missing price, an invalid date) still becomes a row: an unreadable value is NULL in its column and
unchanged in the payload.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from spapi_async._codec import json, lenient
from spapi_async.workflows.orders._personal import Piece, without_personal

__all__ = [
    "LONGEST_KEY",
    "V0",
    "V2026",
    "Detail",
    "ItemRow",
    "NoOrderError",
    "OrderRow",
    "OrderShape",
    "channel_of",
    "dig",
    "newest",
    "read_time",
    "status_of",
]

Path = tuple[str, ...]
LONGEST_KEY = 255
"""The most characters of an id that is a key; Amazon's ids have 19, and databases limit the length of indexed text."""


class NoOrderError(ValueError):
    """An entry cannot be made into a row; the message gives the reason but no content."""


class Detail(enum.StrEnum):
    """How much of an order is known; of two versions with the same date the more detailed one is stored."""

    REPORT = "report"
    """Its row in an order report: no items, no amount except the total."""
    V0 = "v0"
    """Orders v0 and its items: no packages, expenses or breakdowns."""
    WHOLE = "whole"
    """Orders 2026-01-01."""


class ItemRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of ``order_items``."""

    order_id: str
    order_item_id: str
    asin: str | None
    seller_sku: str | None
    title: str | None
    quantity_ordered: int | None
    quantity_shipped: int | None
    price_amount: Decimal | None
    price_currency: str | None
    payload: str


class OrderRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of ``orders`` and the rows of its items.

    Attributes:
        identified: False if Amazon sent no order id.
        status, channel: in the vocabulary of Orders 2026-01-01, whichever version the order came from.
        amazon_status, fulfilled_by: Amazon's own values of the two.
        shipped_at: when its first package was shipped, if Amazon states it.
        payload: its JSON without personal data.
        personal: that data, by its place.
        lacks: data sets that Amazon refused when the order was fetched.
        items: empty for a report, which has no item ids; stored items then stay.
    """

    order_id: str
    identified: bool
    marketplace_id: str | None
    status: str | None
    amazon_status: str | None
    channel: str | None
    fulfilled_by: str | None
    sales_channel: str | None
    created_at: datetime | None
    last_updated_at: datetime | None
    total_amount: Decimal | None
    total_currency: str | None
    source: str
    detail: Detail
    payload: str
    shipped_at: datetime | None = None
    personal: dict[str, Any] = {}
    lacks: tuple[str, ...] = ()
    items: tuple[ItemRow, ...] = ()

    def __repr__(self) -> str:
        return f"<OrderRow {self.order_id}>"


_STATUSES = {
    "Unshipped": "UNSHIPPED",
    "PartiallyShipped": "PARTIALLY_SHIPPED",
    "Shipped": "SHIPPED",
    "Canceled": "CANCELLED",
    "Cancelled": "CANCELLED",
    "Pending": "PENDING",
    "Unfulfillable": "UNFULFILLABLE",
    "PendingAvailability": "PENDING_AVAILABILITY",
    "InvoiceUnconfirmed": "INVOICE_UNCONFIRMED",
}
"""Values of Orders v0 and of order reports, with those of Orders 2026-01-01 (Amazon's migration guide)."""

_CHANNELS = {"MFN": "MERCHANT", "AFN": "AMAZON", "Merchant": "MERCHANT", "Amazon": "AMAZON"}


def status_of(amazon_status: str | None) -> str | None:
    """A status in the vocabulary of Orders 2026-01-01."""
    return _STATUSES.get(amazon_status, amazon_status) if amazon_status else None


def channel_of(fulfilled_by: str | None) -> str | None:
    """Who fulfils an order, in the same vocabulary."""
    return _CHANNELS.get(fulfilled_by, fulfilled_by) if fulfilled_by else None


class OrderShape(msgspec.Struct, frozen=True, kw_only=True):
    """The paths of the columns in one version of the Orders API, from the order and from the item."""

    source: str
    detail: Detail
    order_id: Path
    marketplace_id: Path
    status: Path
    fulfilled_by: Path
    sales_channel: Path
    created_at: Path
    last_updated_at: Path
    total: Path
    items: Path
    item_id: Path
    asin: Path
    seller_sku: Path
    title: Path
    quantity_ordered: Path
    quantity_shipped: Path
    price: Path
    packages: Path = ()
    amount: str
    currency: str

    def row(self, entry: bytes | Piece, *, items: Iterable[bytes | Piece] | None = None) -> OrderRow:
        """The rows of one order, from its JSON or its content; ``items`` if the API sends them separately.

        Raises:
            NoOrderError: its id is too long.
        """
        piece = _read(entry)
        payload, order = piece.raw, piece.content
        identifier = self.identify(order)
        if identifier is None and len(_text(dig(order, self.order_id)) or "") > LONGEST_KEY:
            raise NoOrderError(f"an order id of more than {LONGEST_KEY} characters")
        order_id = identifier or f"unidentified-{hashlib.blake2b(payload, digest_size=10).hexdigest()}"
        payload, order, personal = without_personal(piece, ids=".".join(self.item_id))
        parts = _inline(payload, dig(order, self.items), self.items) if items is None else items
        amount, currency = self._money(order, self.total)
        status, channel = _text(dig(order, self.status)), _text(dig(order, self.fulfilled_by))
        items_found = self._items(order_id, parts, personal)
        return OrderRow(
            order_id=order_id,
            identified=identifier is not None,
            marketplace_id=_text(dig(order, self.marketplace_id)),
            status=status_of(status),
            amazon_status=status,
            channel=channel_of(channel),
            fulfilled_by=channel,
            sales_channel=_text(dig(order, self.sales_channel)),
            created_at=read_time(dig(order, self.created_at)),
            last_updated_at=read_time(dig(order, self.last_updated_at)),
            total_amount=amount,
            total_currency=currency,
            source=self.source,
            detail=self.detail,
            payload=payload.decode(),
            shipped_at=_first_shipping(dig(order, self.packages)) if self.packages else None,
            personal=personal,
            items=items_found,
        )

    def identify(self, content: Any) -> str | None:
        """The order's id; None if it has no valid one."""
        return _key(dig(content, self.order_id))

    def _items(self, order_id: str, parts: Iterable[bytes | Piece], personal: dict[str, Any]) -> tuple[ItemRow, ...]:
        rows: dict[str, ItemRow] = {}
        for position, part in enumerate(parts, start=1):
            payload, item, taken = without_personal(_read(part))
            amount, currency = self._money(item, self.price)
            # Amazon has sent items without an id; within an order their position identifies them.
            item_id = _key(dig(item, self.item_id)) or f"unidentified-{position}"
            personal.update((f"items.{item_id}.{place}", value) for place, value in taken.items())
            rows[item_id] = ItemRow(
                order_id=order_id,
                order_item_id=item_id,
                asin=_text(dig(item, self.asin)),
                seller_sku=_key(dig(item, self.seller_sku)),
                title=_text(dig(item, self.title)),
                quantity_ordered=_integer(dig(item, self.quantity_ordered)),
                quantity_shipped=_integer(dig(item, self.quantity_shipped)),
                price_amount=amount,
                price_currency=currency,
                payload=payload.decode(),
            )
        return tuple(rows.values())

    def _money(self, source: Any, path: Path) -> tuple[Decimal | None, str | None]:
        money = dig(source, path)
        return _decimal(dig(money, (self.amount,))), _text(dig(money, (self.currency,)))


V2026 = OrderShape(
    source="orders_2026_01_01",
    detail=Detail.WHOLE,
    order_id=("orderId",),
    marketplace_id=("salesChannel", "marketplaceId"),
    status=("fulfillment", "fulfillmentStatus"),
    fulfilled_by=("fulfillment", "fulfilledBy"),
    sales_channel=("salesChannel", "channelName"),
    created_at=("createdTime",),
    last_updated_at=("lastUpdatedTime",),
    total=("proceeds", "grandTotal"),
    items=("orderItems",),
    item_id=("orderItemId",),
    asin=("product", "asin"),
    seller_sku=("product", "sellerSku"),
    title=("product", "title"),
    quantity_ordered=("quantityOrdered",),
    quantity_shipped=("fulfillment", "quantityFulfilled"),
    price=("product", "price", "unitPrice"),
    packages=("packages",),
    amount="amount",
    currency="currencyCode",
)

V0 = OrderShape(
    source="orders_v0",
    detail=Detail.V0,
    order_id=("AmazonOrderId",),
    marketplace_id=("MarketplaceId",),
    status=("OrderStatus",),
    fulfilled_by=("FulfillmentChannel",),
    sales_channel=("SalesChannel",),
    created_at=("PurchaseDate",),
    last_updated_at=("LastUpdateDate",),
    total=("OrderTotal",),
    items=(),
    item_id=("OrderItemId",),
    asin=("ASIN",),
    seller_sku=("SellerSKU",),
    title=("Title",),
    quantity_ordered=("QuantityOrdered",),
    quantity_shipped=("QuantityShipped",),
    price=("ItemPrice",),
    amount="Amount",
    currency="CurrencyCode",
)


def newest(rows: Sequence[OrderRow]) -> list[OrderRow]:
    """The latest version of each order, sorted by id (so that two writers lock rows in the same order)."""
    kept: dict[str, OrderRow] = {}
    for row in rows:
        other = kept.get(row.order_id)
        if other is None or _version(row) >= _version(other):
            kept[row.order_id] = row
    return [kept[order_id] for order_id in sorted(kept)]


def _version(row: OrderRow) -> datetime:
    return row.last_updated_at or datetime.max.replace(tzinfo=UTC)


def _read(entry: bytes | Piece) -> Piece:
    """An entry with its content read."""
    if isinstance(entry, bytes):
        return Piece(entry, json.exact(entry))
    return entry if entry.content is not None else Piece(entry.raw, json.exact(entry.raw))


def _inline(payload: bytes, contents: Any, path: Path) -> list[Piece]:
    """The items inside an order, each with the bytes that Amazon sent and its content."""
    if not path or not isinstance(contents, list):
        return []  # not an object, or its items are not a list: the payload keeps what Amazon sent
    raws = lenient.items(payload, ".".join(("$", *path)))
    if raws is None or len(raws) != len(contents):
        raws = [msgspec.json.encode(content) for content in contents]
    return [Piece(raw, content) for raw, content in zip(raws, contents, strict=True)]


def _first_shipping(packages: Any) -> datetime | None:
    found = [read_time(dig(package, ("shipTime",))) for package in packages] if isinstance(packages, list) else []
    return min((moment for moment in found if moment is not None), default=None)


def dig(source: Any, path: Path) -> Any:
    """The value at a path of JSON objects; None if there is none."""
    for key in path:
        if not isinstance(source, dict):
            return None
        source = source.get(key)
    return source


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.replace("\0", "") or None  # PostgreSQL's text cannot have NUL; the payload has it escaped
    return str(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None


def _key(value: Any) -> str | None:
    """Text for a key or an indexed column; a text that is too long is only in the payload."""
    text = _text(value)
    return text if text is not None and len(text) <= LONGEST_KEY else None


def _integer(value: Any) -> int | None:
    number = _decimal(value)
    return int(number) if number is not None and number == number.to_integral_value() and abs(number) < 2**31 else None


def _decimal(value: Any) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 30 else None


def read_time(value: Any) -> datetime | None:
    """A date in any of Amazon's formats; without a time zone it is UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
