"""What a source hands to a store: one page of one seller's orders, to be kept together with the place after it."""

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
    """An entry of a page that no row can be made of: why, in which reply, and what it was."""

    reason: str
    request_id: str | None
    raw: bytes

    def __repr__(self) -> str:
        return f"<Unreadable {self.reason} [{self.request_id}]>"


class OrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page as it goes into a store, all of it or nothing.

    Attributes:
        seller: the seller's name.
        rows: orders with their items; personal data stands apart in each.
        checkpoint: where to go on after this page; None leaves the place where it is.
        at: when the page came.
        quota: what quota is spent, for the next run.
        unreadable: entries that no row could be made of.
        lease: the right to write; None where nobody else does.
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
    """What one page did.

    Attributes:
        inserted: orders never seen before.
        updated: orders of which Amazon has a later version, or of which more is known now.
        unchanged: orders that were there already, as they are.
        stale: orders older than what the store held.
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
    """A stored order of which more can be known.

    Attributes:
        payload: what is stored of it, as JSON text.
    """

    order_id: str
    last_updated_at: datetime | None
    source: str
    payload: str

    def __repr__(self) -> str:
        return f"<CoarseOrder {self.order_id}>"


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """A data set that Amazon refuses a seller, and what lacks it.

    Attributes:
        seller, dataset: whose, and which ``includedData``.
        updated_from, updated_to: orders whose last update lies between these were stored without it.
        refused_at: when it was last asked for.
    """

    seller: str
    dataset: str
    updated_from: datetime
    updated_to: datetime
    refused_at: datetime


class OrderSink(Protocol):
    """Any object that takes pages can be synced into.

    One that also has an async ``checkpoint(seller, stream)`` says where to go on; without it every run starts at
    ``since``.
    """

    async def store(self, page: OrderPage, /) -> Stored | None:
        """Keep a page and the checkpoint after it, both or neither.

        What it returns is counted in the report; None counts every order as new.
        """
