"""Orders v0 over the seeded orders: filters, pages, and personal data only for a restricted data token."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from spapi_async.emulator.data.order_json import item_buyer_info, items_v0, order_v0, shipping_address
from spapi_async.emulator.data.orders import StoredOrder
from spapi_async.emulator.data.products import rng_for
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.pages import next_token, page_of, read_token
from spapi_async.emulator.gateway.replies import Refusal, Reply, bad_input, encode, not_found
from spapi_async.emulator.gateway.times import iso, parse_date
from spapi_async.marketplaces import Marketplace

__all__ = ["HANDLERS", "Search", "check_marketplaces", "find_order"]

_ORDER_ID = re.compile(r"\d{3}-\d{7}-\d{7}\Z")
_PAGE_SIZE = 10
_MARKETPLACES = frozenset(marketplace.value for marketplace in Marketplace)


class Search:
    """The time window of an order search, checked by the rules that both versions share.

    The paging token holds the upper bound of the first page and the last order of its own page, so that an order that
    changes between two requests does not move others to another page. With the setting ``page_shift`` it holds the
    upper bound and the number of orders to skip, so that such a change does move others.
    """

    def __init__(self, call: Call, names: tuple[str, str, str, str], updated: Callable[[StoredOrder], float]) -> None:
        created_after, created_before, updated_after, updated_before = (self._date(call, name) for name in names)
        if (created_after is None) == (updated_after is None):
            raise bad_input(
                f"Exactly one of {names[0]} and {names[2]} is required.", "send one of them and omit the other"
            )
        by_update = updated_after is not None
        if (created_after if by_update else updated_before) is not None or (by_update and created_before is not None):
            raise bad_input(f"{names[0]}/{names[1]} and {names[2]}/{names[3]} exclude each other.")
        self.by_update = by_update
        start = updated_after if by_update else created_after
        end = updated_before if by_update else created_before
        assert start is not None
        if start > call.now:
            # Amazon's model: a "before" must be two minutes old and not earlier than its "after", so an "after" cannot
            # be in the future. The wording is the emulator's; Amazon only says that the input is not valid.
            raise bad_input(
                f"{names[2] if by_update else names[0]} is in the future.", f"it is {iso(call.now, 'seconds')} now"
            )
        latest = call.now - call.world.settings.search_delay
        if end is not None and end > latest:
            raise bad_input(
                f"{names[3] if by_update else names[1]} must be at least two minutes before now.",
                f"the latest moment accepted now is {iso(latest, 'seconds')}",
            )
        if end is not None and end < start:
            raise bad_input(f"{names[3] if by_update else names[1]} is before {names[2] if by_update else names[0]}.")
        self.start = start
        self.end = latest if end is None else end
        self._updated = updated

    @staticmethod
    def _date(call: Call, name: str) -> float | None:
        text = call.arguments.get(name)
        if text is None:
            return None
        moment = parse_date(text)
        if moment is None:
            raise bad_input(f"{name}: {text!r} is not a valid ISO 8601 date.")
        return moment

    def moment(self, order: StoredOrder) -> float:
        """The time by which this search selects and sorts an order."""
        return self._updated(order) if self.by_update else order.created

    def page(
        self, call: Call, token: str | None, size: int, fixed: dict[str, Any], wanted: Callable[[StoredOrder], bool]
    ) -> tuple[Sequence[StoredOrder], str | None]:
        """The orders of one page, and the token of the next page."""
        if call.world.settings.page_shift or call.world.settings.unsorted_lists:
            return self._shifting_page(call, token, size, fixed, wanted)
        after = (self.start, "")
        if token is not None:
            self.end, moment, order_id = read_token(token, fixed, call.now, _lifetime(call))
            after = (moment, order_id)
        orders = list(islice(self._found(call, after, wanted), size + 1))
        if len(orders) <= size:
            return _as_a_page(call, orders), None
        last = orders[size - 1]
        token = next_token(fixed, call.now, [self.end, self.moment(last), last.order_id])
        return _as_a_page(call, orders[:size]), token

    def _shifting_page(
        self, call: Call, token: str | None, size: int, fixed: dict[str, Any], wanted: Callable[[StoredOrder], bool]
    ) -> tuple[Sequence[StoredOrder], str | None]:
        """The page after skipping as many orders as the token says, counted among those in the window now."""
        skipped = 0
        if token is not None:
            self.end, skipped = read_token(token, fixed, call.now, _lifetime(call))
        orders = list(self._found(call, (self.start, ""), wanted))
        if call.world.settings.unsorted_lists:
            orders.sort(key=lambda order: rng_for(order.order_id, "list").random())
        end = skipped + size
        following = next_token(fixed, call.now, [self.end, end]) if end < len(orders) else None
        return _as_a_page(call, orders[skipped:end]), following

    def _found(
        self, call: Call, after: tuple[float, str], wanted: Callable[[StoredOrder], bool]
    ) -> Iterator[StoredOrder]:
        """The matching orders of the window that come after the position ``after`` (time, order id)."""
        for order in self._in_order(call, after):
            position = (self.moment(order), order.order_id)
            if position[0] > self.end:
                return
            if position > after and wanted(order) and self._is_listed(call, order):
                yield order

    def _is_listed(self, call: Call, order: StoredOrder) -> bool:
        """Whether the last change of an order appears in searches yet."""
        lag = call.world.settings.list_lag
        if not (lag and self.by_update):
            return True
        return self._updated(order) + lag * rng_for(order.order_id, order.revision, "lag").random() <= call.now

    def _in_order(self, call: Call, after: tuple[float, str]) -> Sequence[StoredOrder]:
        # An order is created, and its status changes, no later than its last update, so orders updated earlier than
        # the start cannot be in the window.
        orders = call.seller.orders.since(after[0])
        if self.by_update and not call.world.settings.v0_status_dates:
            return orders
        return sorted(orders, key=lambda order: (self.moment(order), order.order_id))


def _as_a_page(call: Call, orders: Sequence[StoredOrder]) -> Sequence[StoredOrder]:
    if not call.world.settings.shuffled_pages:
        return orders
    return sorted(orders, key=lambda order: rng_for(order.order_id, "place").random())


def check_marketplaces(marketplaces: Iterable[str]) -> None:
    """Refuse ids that are not marketplaces, such as "US", because Amazon would.

    Raises:
        Refusal: 403, in Amazon's words for a marketplace of another region.
    """
    if unknown := sorted(set(marketplaces) - _MARKETPLACES):
        # The emulator has no region, so it accepts the marketplaces of all regions.
        raise Refusal(
            403,
            "Unauthorized",
            "Access to requested resource is denied.",
            f"The marketplaces you provided are not valid for region. ({', '.join(unknown)})",
        )


def find_order(call: Call) -> StoredOrder:
    """The order that the path names.

    Raises:
        Refusal: 400 if the path has no valid order id, 404 if this seller has no such order.
    """
    order_id = call.arguments["orderId"]
    order = call.seller.orders.get(order_id)
    if order is not None:
        return order
    if not _ORDER_ID.match(order_id):
        raise bad_input("Invalid order ID.", "orderId has the form 3-7-7, such as 902-3159896-1390916")
    raise not_found("The requested order was not found.", f"seller {call.seller.id} has no order {order_id}")


def _lifetime(call: Call) -> float | None:
    return call.operation.paging.token_lifetime if call.operation.paging else None


def _get_orders(call: Call) -> Reply:
    arguments = call.arguments
    size = arguments.get("MaxResultsPerPage", 100)
    if not 1 <= size <= 100:
        raise bad_input(f"MaxResultsPerPage: {size} is not between 1 and 100.")
    check_marketplaces(arguments["MarketplaceIds"])
    # The filters must be repeated with the token.
    fixed = {name: value for name, value in arguments.items() if name not in ("NextToken", "MaxResultsPerPage")}
    ids = arguments.get("AmazonOrderIds")
    if ids is not None and "CreatedAfter" not in arguments and "LastUpdatedAfter" not in arguments:
        orders: Sequence[StoredOrder] = [order for i in ids if (order := call.seller.orders.get(i)) is not None]
        return _orders_reply(call, orders, {})
    names = ("CreatedAfter", "CreatedBefore", "LastUpdatedAfter", "LastUpdatedBefore")
    search = Search(call, names, lambda order: _updated(call, order))
    orders, token = search.page(call, arguments.get("NextToken"), size, fixed, _wanted(arguments))
    tail = {"LastUpdatedBefore" if search.by_update else "CreatedBefore": iso(search.end, "seconds")}
    if token:
        tail["NextToken"] = token
    return _orders_reply(call, orders, tail)


def _orders_reply(call: Call, orders: Sequence[StoredOrder], tail: dict[str, str]) -> Reply:
    listed = b",".join([_as_json(call, order) for order in orders])
    rest = b"," + encode(tail)[1:-1] if tail else b""
    return Reply(b'{"payload":{"Orders":[' + listed + b"]" + rest + b"}}")


def _as_json(call: Call, order: StoredOrder) -> bytes:
    violations = call.world.settings.violations
    return order_v0(order, call.elements, updated=_updated(call, order), violations=violations)


def _updated(call: Call, order: StoredOrder) -> float:
    """The time that v0 shows as the last update."""
    return order.status_updated if call.world.settings.v0_status_dates else order.updated


def _wanted(arguments: dict[str, Any]) -> Callable[[StoredOrder], bool]:
    """A function that tests an order against all filters of the request."""
    marketplaces = frozenset(arguments["MarketplaceIds"])
    statuses = frozenset(arguments.get("OrderStatuses") or ())
    channels = frozenset(arguments.get("FulfillmentChannels") or ())
    ids = frozenset(arguments.get("AmazonOrderIds") or ())
    payments = arguments.get("PaymentMethods")
    none_match = (payments is not None and "Other" not in payments) or any(
        arguments.get(name) for name in ("EasyShipShipmentStatuses", "ElectronicInvoiceStatuses", "IsISPU")
    )
    email, own_id = arguments.get("BuyerEmail"), arguments.get("SellerOrderId")

    def wanted(order: StoredOrder) -> bool:
        return (
            not none_match
            and order.marketplace in marketplaces
            and (not statuses or order.status in statuses)
            and (not channels or ("AFN" if order.fulfilled_by_amazon else "MFN") in channels)
            and (not ids or order.order_id in ids)
            and (email is None or order.buyer_email == email)
            and (own_id is None or order.order_id == own_id)
        )

    return wanted


def _get_order(call: Call) -> Reply:
    return Reply(b'{"payload":' + _as_json(call, find_order(call)) + b"}")


def _get_order_items(call: Call) -> Reply:
    order = find_order(call)
    key = ("items", call.elements)
    body = None if "NextToken" in call.arguments else order.rendered.get(key)
    if body is None:
        forms = items_v0(order, call.elements, violations=call.world.settings.violations)
        body = _items_page(call, order, forms)
        if "NextToken" not in call.arguments and len(forms) <= _PAGE_SIZE:
            order.rendered[key] = body
    return Reply(body)


def _items_page(call: Call, order: StoredOrder, forms: list[dict[str, Any]]) -> bytes:
    token = call.arguments.get("NextToken")
    page, after = page_of(forms, _PAGE_SIZE, token, {"orderId": order.order_id}, call.now)
    payload: dict[str, Any] = {"AmazonOrderId": order.order_id, "OrderItems": page}
    if after is not None:
        payload["NextToken"] = after
    return encode({"payload": payload})


def _get_order_address(call: Call) -> Reply:
    order = find_order(call)
    payload = {"AmazonOrderId": order.order_id}
    if order.status == "Pending":
        return Reply.json({"payload": payload})
    return Reply.json({"payload": payload | {"ShippingAddress": shipping_address(order, personal=True)}})


def _get_order_buyer_info(call: Call) -> Reply:
    order = find_order(call)
    payload = {
        "AmazonOrderId": order.order_id,
        "BuyerEmail": order.buyer_email,
        "BuyerName": order.address.name,
    }
    return Reply.json({"payload": payload})


def _get_order_items_buyer_info(call: Call) -> Reply:
    order = find_order(call)
    forms = [
        {"OrderItemId": line.item_id} | (item_buyer_info(line) if line.gift_message else {}) for line in order.lines
    ]
    return Reply(_items_page(call, order, forms))


def _get_order_regulated_info(call: Call) -> Reply:
    order = find_order(call)
    payload = {
        "AmazonOrderId": order.order_id,
        "RegulatedInformation": {"Fields": []},
        "RequiresDosageLabel": False,
        "RegulatedOrderVerificationStatus": {
            "Status": "Approved",
            "RequiresMerchantAction": False,
            "ValidRejectionReasons": [],
        },
    }
    return Reply.json({"payload": payload})


def _touch(call: Call) -> Reply:
    """Answer a shipment or verification update, which counts as an update of the order."""
    call.seller.orders.touch(find_order(call), call.now)
    return Reply(status=204)


HANDLERS: dict[str, Handler] = {
    "orders_v0.get_orders": _get_orders,
    "orders_v0.get_order": _get_order,
    "orders_v0.get_order_items": _get_order_items,
    "orders_v0.get_order_address": _get_order_address,
    "orders_v0.get_order_buyer_info": _get_order_buyer_info,
    "orders_v0.get_order_items_buyer_info": _get_order_items_buyer_info,
    "orders_v0.get_order_regulated_info": _get_order_regulated_info,
    "orders_v0.update_shipment_status": _touch,
    "orders_v0.update_verification_status": _touch,
    "orders_v0.confirm_shipment": _touch,
}
