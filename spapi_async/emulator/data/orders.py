"""A seller's orders: seeded facts, from which both versions of the Orders API are rendered.

Order *n* of a seller is the same in every run of one seed and day: its numbers are drawn from (seed, seller, n). What
changes afterwards (``touch``) is the revision, the status, the times of the last update and of the last new status.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence

import msgspec

from spapi_async.emulator.data.places import CITIES, SHOPS, City, phone_number, postal_code
from spapi_async.emulator.data.products import FIRST_NAMES, LAST_NAMES, PRODUCTS, STREETS, Product, chance, product
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
    """Where an order goes, and for whom."""

    name: str
    line1: str
    line2: str | None
    city: City
    postal_code: str
    country: str
    phone: str
    company: str | None


DOCUMENTED = ("902-3159896-1390916", "902-1845936-5435065")
"""The ids of Amazon's documentation, which everybody tries first: each seller has such orders, found by id alone."""


_BEYOND = 9_000_000  # the numbers of no order in a book


class StoredOrder:
    """An order's facts. ``number`` is its place in the seller's sequence, ``revision`` how often it was touched."""

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
        rng = chance(seed, seller, number)
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
        """Orders are listed by their last update."""
        return (self.updated, self.order_id)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The items: mostly one to three, for one order in a hundred a dozen."""
        if self._lines is None:
            rng = chance(self._seed, self._seller, self.number, "items")
            count = 12 if self.number % 97 == 13 else 1 + int(rng.random() ** 2 * 4)
            self._lines = tuple(_line(self, rng, place, self._seed) for place in range(count))
        return self._lines

    @property
    def address(self) -> Address:
        """The buyer's address."""
        if self._address is None:
            self._address = _address(self.marketplace, chance(self._seed, self._seller, self.number, "buyer"))
        return self._address

    @property
    def buyer_email(self) -> str:
        """The alias that Amazon shows instead of the buyer's own."""
        alias = chance(self._seed, self._seller, self.number, "mail").getrandbits(60)
        return f"{alias:015x}@marketplace.amazon.com"

    @property
    def shipped_quantities(self) -> list[int]:
        """How much of each line has been shipped."""
        if self.status == "Shipped":
            return [line.quantity for line in self.lines]
        if self.status == "PartiallyShipped":
            return [line.quantity if place % 2 == 0 else 0 for place, line in enumerate(self.lines)]
        return [0] * len(self.lines)

    @property
    def total(self) -> int:
        """What the buyer pays, in the smallest unit of the currency."""
        return sum(line.price + line.tax + line.shipping - line.discount for line in self.lines)

    @property
    def business(self) -> bool:
        """Whether a company bought it."""
        return self.address.company is not None

    def money(self, amount: int) -> str:
        """An amount as Amazon writes it: as many decimals as the currency has."""
        digits = SHOPS[self.marketplace].digits
        return f"{amount // 10**digits}.{amount % 10**digits:0{digits}d}" if digits else str(amount)

    def touch(self, at: float) -> None:
        """Something changed: the status moves on where it can, the last update is ``at``."""
        status = _NEXT_STATUS.get(self.status, self.status)
        if status != self.status:
            self.status, self.status_updated = status, at
        self.updated = at
        self.created = min(self.created, at)
        self.revision += 1
        self.rendered = {}


class OrderBook:
    """All orders of one seller, kept in the order of their last update."""

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
        self._rng = chance(seed, seller, "touch")
        self._by_id: dict[str, StoredOrder] = {}
        self._documented: dict[str, StoredOrder] = {}
        self._sorted: list[StoredOrder] = []
        for _ in range(count):
            self._append(self._make())
        self._sorted.sort(key=_sort_key)

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, order_id: str) -> StoredOrder | None:
        """The order with this id."""
        return self._by_id.get(order_id) or self._documented.get(order_id) or self._document(order_id)

    def _document(self, order_id: str) -> StoredOrder | None:
        if order_id not in DOCUMENTED:
            return None
        seed, seller, marketplaces, anchor, spread = self._origin
        number = _BEYOND + DOCUMENTED.index(order_id)
        order = StoredOrder(seed, seller, number, marketplaces, anchor, spread=spread)
        order.order_id = order_id
        self._documented[order_id] = order
        return order

    def since(self, updated: float) -> Sequence[StoredOrder]:
        """The orders updated at or after a moment, oldest update first."""
        return self._sorted[bisect_left(self._sorted, (updated, ""), key=_sort_key) :]

    def add(self, count: int, at: float) -> list[str]:
        """New orders, placed and updated at one moment."""
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
        """Touch that many orders, chosen by the seed."""
        chosen = self._rng.sample(list(self._by_id.values()), min(count, len(self._by_id)))
        for order in chosen:
            self.touch(order, at)
        return [order.order_id for order in chosen]

    def touch(self, order: StoredOrder, at: float) -> None:
        """Change one order and keep the list in order."""
        if order.order_id in self._documented:  # which is in no list
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
    """Old orders are mostly shipped; some of the last days' are still waiting."""
    if draw < 0.05:
        return "Canceled"
    if age < 4 * 86400:
        return (
            "Pending" if draw < 0.15 else "PartiallyShipped" if draw < 0.2 else "Unshipped" if draw < 0.7 else "Shipped"
        )
    return "PartiallyShipped" if draw < 0.06 else "Unfulfillable" if draw < 0.065 else "Shipped"


def _line(order: StoredOrder, rng: random.Random, place: int, seed: int) -> Line:
    article = product(seed, int(rng.random() * PRODUCTS))
    digits = SHOPS[order.marketplace].digits
    unit = article.cents if digits else article.cents * 3 // 2 // 10 * 10
    quantity = 1 + int(rng.random() ** 3 * 4)
    price = unit * quantity
    gift = rng.random() < 0.05
    return Line(
        item_id=f"{10_000_000_000_000 + (order.number * 100 + place) * 7919 + int(rng.random() * 7919):014d}",
        product=article,
        sku=sku_of(article),
        quantity=quantity,
        price=price,
        tax=price * 8 // 100,
        shipping=0 if order.fulfilled_by_amazon else 499,
        discount=price // 10 if rng.random() < 0.1 else 0,
        gift_message="Happy birthday!" if gift else None,
    )


def sku_of(article: Product) -> str:
    """A seller's own code; now and then one with the characters that break clients."""
    plain = f"{article.brand[:3].upper()}-{article.product_type[:4]}-{article.index:04d}"
    awkward = {3: " /blue", 11: "+50%", 17: "#a&b=c", 23: "é;ü"}.get(article.index % 40, "")
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
