"""A page of one seller's orders, as a source passes it to a store together with the new checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from spapi_async.workflows.orders._checkpoint import Checkpoint
from spapi_async.workflows.orders._lease import Lease
from spapi_async.workflows.orders._rows import OrderRow

__all__ = ["NO_QUOTA", "CoarseOrder", "Hole", "OrderPage", "OrderSink", "QuotaStates", "Stored", "Unreadable"]

QuotaStates = Mapping[tuple[str, str], str]
"""A limiter's state by application and account."""

NO_QUOTA: QuotaStates = {}


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a page that cannot be made into a row: the reason, the reply's request id, and its content."""

    reason: str
    request_id: str | None
    raw: bytes

    def __repr__(self) -> str:
        return f"<Unreadable {self.reason} [{self.request_id}]>"


class OrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page that is stored completely or not at all.

    Attributes:
        seller: the seller's name.
        rows: orders with their items; personal data is separate in each row.
        checkpoint: the new checkpoint; None leaves the stored one unchanged.
        at: when the page was received.
        quota: the quota spent, for the next run.
        unreadable: entries that could not be made into rows.
        lease: the right to write; None if there are no other writers.
    """

    seller: str
    rows: Sequence[OrderRow]
    checkpoint: Checkpoint | None
    at: datetime
    quota: QuotaStates = NO_QUOTA
    unreadable: Sequence[Unreadable] = ()
    lease: Lease | None = None

    def __repr__(self) -> str:
        return f"<OrderPage {self.seller}, {len(self.rows)} orders>"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The result of storing one page.

    Attributes:
        inserted: the number of new orders.
        updated: orders with a later version from Amazon, or with more details.
        unchanged: orders that were stored before with the same content.
        stale: orders older than the stored ones.
        items: items of the orders that were written.
        changed: ids of the orders that were inserted or updated.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    items: int = 0
    changed: frozenset[str] = frozenset()


class CoarseOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A stored order that lacks details.

    Attributes:
        payload: the stored part of it, as JSON text.
    """

    order_id: str
    last_updated_at: datetime | None
    source: str
    payload: str

    def __repr__(self) -> str:
        return f"<CoarseOrder {self.order_id}>"


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """A data set that Amazon refuses a seller, and the orders that lack it.

    Attributes:
        seller, dataset: the seller's name and the value of ``includedData``.
        updated_from, updated_to: orders whose last update is between these times were stored without it.
        refused_at: when it was last requested.
    """

    seller: str
    dataset: str
    updated_from: datetime
    updated_to: datetime
    refused_at: datetime


class OrderSink(Protocol):
    """The protocol of an object that orders can be synced into.

    If it also has an async ``checkpoint(seller, stream)``, a run resumes from there; otherwise every run starts at
    ``since``.
    """

    async def store(self, page: OrderPage, /) -> Stored | None:
        """Store a page and its checkpoint, both or neither.

        The returned value is counted in the report; None counts every order as new.
        """
