"""A seller's orders, from which the replies of both versions of the Orders API are made.

Order *n* of a seller depends only on the seed, the seller, *n* and the day. A later change (``touch``) sets the
revision, the status, and the times of the last update and of the last new status.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence

import msgspec

from spapi_async.emulator.data.places import CITIES, SHOPS, City, phone_number, postal_code
from spapi_async.emulator.data.products import FIRST_NAMES, LAST_NAMES, PRODUCTS, STREETS, Product, product_at, rng_for
from spapi_async.marketplaces import Marketplace

__all__ = ["Address", "Line", "OrderBook", "StoredOrder"]

_DAY = 86400


class Line(msgspec.Struct, frozen=True):
    """One order item; amounts in the smallest unit of the order's currency, for the whole quantity."""

    item_id: str
    product: Product
    sku: str
    quantity: int
    price: int
    tax: int
    shipping: int
    discount: int
    gift_message: str | None


class Address(msgspec.Struct, frozen=True):
    """The recipient and the address of an order."""

    name: str
    line1: str
    line2: str | None
    city: City
    postal_code: str
    country: str
    phone: str
    company: str | None


DOCUMENTED = ("902-3159896-1390916", "902-1845936-5435065")
"""The ids in Amazon's documentation, which users are likely to try; each seller has them, but no search lists them."""


_FIRST_DOCUMENTED = 9_000_000  # the first number of a documented order, higher than that of any other order


class StoredOrder:
    """One order; ``number`` is its position in the seller's sequence, ``revision`` the number of later changes."""

    __slots__ = (
        "_address",
        "_lines",
        "_seed",
        "_seller",
        "created",
        "fulfilled_by_amazon",
        "marketplace",
        "number",
        "order_id",
        "rendered",
        "revision",
        "status",
        "status_updated",
        "updated",
    )

    def __init__(
        self,
        seed: int,
        seller: str,
        number: int,
        marketplaces: Sequence[Marketplace],
        anchor: float,
        *,
        spread: float,
    ) -> None:
        rng = rng_for(seed, seller, number)
        self._seed = seed
        self._seller = seller
        self._lines: tuple[Line, ...] | None = None
        self._address: Address | None = None
        self.number = number
        self.revision = 0
        self.order_id = f"{111 + number % 3:03d}-{int(rng.random() * 1e7):07d}-{number:07d}"
        self.marketplace = marketplaces[int(rng.random() * len(marketplaces))]
        self.fulfilled_by_amazon = rng.random() < 0.45
        self.updated = anchor - 1 - int(rng.random() * (spread - 1))
        self.status_updated = self.updated
        self.created = self.updated - 60 - int(rng.random() ** 2 * 6 * 86400)
        self.status = _status(rng.random(), anchor - self.updated)
        self.rendered: dict[object, bytes] = {}

    @property
    def sort_key(self) -> tuple[float, str]:
        """The key by which an order book is sorted: the last update, then the id."""
        return (self.updated, self.order_id)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The items: one to four, or twelve in about one order of a hundred."""
        if self._lines is None:
            rng = rng_for(self._seed, self._seller, self.number, "items")
            count = 12 if self.number % 97 == 13 else 1 + int(rng.random() ** 2 * 4)
            self._lines = tuple(_line(self, rng, index, self._seed) for index in range(count))
        return self._lines

    @property
    def address(self) -> Address:
        """The buyer's address."""
        if self._address is None:
            self._address = _address(self.marketplace, rng_for(self._seed, self._seller, self.number, "buyer"))
        return self._address

    @property
    def buyer_email(self) -> str:
        """The alias that Amazon shows instead of the buyer's own address."""
        alias = rng_for(self._seed, self._seller, self.number, "mail").getrandbits(60)
        return f"{alias:015x}@marketplace.amazon.com"

    @property
    def shipped_quantities(self) -> list[int]:
        """How many units of each line have been shipped."""
        if self.status == "Shipped":
            return [line.quantity for line in self.lines]
        if self.status == "PartiallyShipped":
            return [line.quantity if index % 2 == 0 else 0 for index, line in enumerate(self.lines)]
        return [0] * len(self.lines)

    @property
    def total(self) -> int:
        """What the buyer pays, in the smallest unit of the currency."""
        return sum(line.price + line.tax + line.shipping - line.discount for line in self.lines)

    @property
    def business(self) -> bool:
        """Whether the buyer is a company."""
        return self.address.company is not None

    def money(self, amount: int) -> str:
        """An amount as Amazon writes it, with as many decimals as the currency has."""
        digits = SHOPS[self.marketplace].digits
        return f"{amount // 10**digits}.{amount % 10**digits:0{digits}d}" if digits else str(amount)

    def touch(self, at: float) -> None:
        """Change the order at a given time: advance its status if there is a next one, and set the last update."""
        status = _NEXT_STATUS.get(self.status, self.status)
        if status != self.status:
            self.status, self.status_updated = status, at
        self.updated = at
        self.created = min(self.created, at)
        self.revision += 1
        self.rendered = {}


class OrderBook:
    """All orders of one seller, sorted by their last update."""

    def __init__(
        self,
        seed: int,
        seller: str,
        count: int,
        marketplaces: Sequence[Marketplace],
        anchor: float,
        *,
        days: float,
        changed: Callable[[StoredOrder], None],
    ) -> None:
        self._origin = (seed, seller, marketplaces, anchor, days * _DAY)
        self._changed = changed
        self._rng = rng_for(seed, seller, "touch")
        self._by_id: dict[str, StoredOrder] = {}
        self._documented: dict[str, StoredOrder] = {}
        self._sorted: list[StoredOrder] = []
        for _ in range(count):
            self._append(self._make())
        self._sorted.sort(key=_sort_key)

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, order_id: str) -> StoredOrder | None:
        """The order with this id, if there is one."""
        return self._by_id.get(order_id) or self._documented.get(order_id) or self._document(order_id)

    def _document(self, order_id: str) -> StoredOrder | None:
        if order_id not in DOCUMENTED:
            return None
        seed, seller, marketplaces, anchor, spread = self._origin
        number = _FIRST_DOCUMENTED + DOCUMENTED.index(order_id)
        order = StoredOrder(seed, seller, number, marketplaces, anchor, spread=spread)
        order.order_id = order_id
        self._documented[order_id] = order
        return order

    def since(self, updated: float) -> Sequence[StoredOrder]:
        """The orders updated at or after a given time, oldest update first."""
        return self._sorted[bisect_left(self._sorted, (updated, ""), key=_sort_key) :]

    def add(self, count: int, at: float) -> list[str]:
        """Add orders that are placed and updated at a given time; return their ids."""
        made = []
        for _ in range(count):
            order = self._make()
            order.status = "Unshipped"
            order.updated = order.status_updated = order.created = at
            self._by_id[order.order_id] = order
            insort(self._sorted, order, key=_sort_key)
            self._changed(order)
            made.append(order.order_id)
        return made

    def update(self, count: int, at: float) -> list[str]:
        """Change ``count`` orders, chosen by the seed; return their ids."""
        chosen = self._rng.sample(list(self._by_id.values()), min(count, len(self._by_id)))
        for order in chosen:
            self.touch(order, at)
        return [order.order_id for order in chosen]

    def touch(self, order: StoredOrder, at: float) -> None:
        """Change one order and keep the book sorted."""
        if order.order_id in self._documented:  # documented orders are not in the sorted list
            order.touch(at)
            return
        self._sorted.pop(bisect_left(self._sorted, order.sort_key, key=_sort_key))
        order.touch(at)
        insort(self._sorted, order, key=_sort_key)
        self._changed(order)

    def _make(self) -> StoredOrder:
        seed, seller, marketplaces, anchor, spread = self._origin
        return StoredOrder(seed, seller, len(self._by_id), marketplaces, anchor, spread=spread)

    def _append(self, order: StoredOrder) -> None:
        self._by_id[order.order_id] = order
        self._sorted.append(order)


def _sort_key(order: StoredOrder) -> tuple[float, str]:
    return (order.updated, order.order_id)


_NEXT_STATUS = {"Pending": "Unshipped", "Unshipped": "Shipped", "PartiallyShipped": "Shipped"}


def _status(draw: float, age: float) -> str:
    """A random status: most old orders are shipped, some of the last four days' orders are not yet."""
    if draw < 0.05:
        return "Canceled"
    if age < 4 * 86400:
        return (
            "Pending" if draw < 0.15 else "PartiallyShipped" if draw < 0.2 else "Unshipped" if draw < 0.7 else "Shipped"
        )
    return "PartiallyShipped" if draw < 0.06 else "Unfulfillable" if draw < 0.065 else "Shipped"


def _line(order: StoredOrder, rng: random.Random, index: int, seed: int) -> Line:
    product = product_at(seed, int(rng.random() * PRODUCTS))
    digits = SHOPS[order.marketplace].digits
    unit = product.cents if digits else product.cents * 3 // 2 // 10 * 10
    quantity = 1 + int(rng.random() ** 3 * 4)
    price = unit * quantity
    gift = rng.random() < 0.05
    return Line(
        item_id=f"{10_000_000_000_000 + (order.number * 100 + index) * 7919 + int(rng.random() * 7919):014d}",
        product=product,
        sku=sku_of(product),
        quantity=quantity,
        price=price,
        tax=price * 8 // 100,
        shipping=0 if order.fulfilled_by_amazon else 499,
        discount=price // 10 if rng.random() < 0.1 else 0,
        gift_message="Happy birthday!" if gift else None,
    )


def sku_of(product: Product) -> str:
    """The seller's code for a product; one in ten has characters that clients tend to encode wrongly."""
    plain = f"{product.brand[:3].upper()}-{product.product_type[:4]}-{product.index:04d}"
    awkward = {3: " /blue", 11: "+50%", 17: "#a&b=c", 23: "é;ü"}.get(product.index % 40, "")
    return plain + awkward


def _address(marketplace: Marketplace, rng: random.Random) -> Address:
    city = rng.choice(CITIES[marketplace.country])
    name = f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"
    return Address(
        name=name,
        line1=f"{rng.randrange(1, 900)} {rng.choice(STREETS)}",
        line2=f"Apt {rng.randrange(1, 40)}" if rng.random() < 0.3 else None,
        city=city,
        postal_code=postal_code(city.postal_code, rng),
        country=marketplace.country,
        phone=phone_number(rng),
        company=f"{rng.choice(LAST_NAMES)} Trading Ltd" if rng.random() < 0.08 else None,
    )
