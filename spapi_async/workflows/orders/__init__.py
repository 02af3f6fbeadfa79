"""Order sync: what changed at Amazon since the last run, into a SQLite or PostgreSQL database.

::

    async with Application.from_env() as app:
        sellers = [app.selling_partner(token, region="NA", seller_id=id) for id, token in grants.items()]
        report = await sync_orders(sellers, "postgresql://localhost/orders")

Each page of orders is committed together with the checkpoint after it, so a process may be killed at any moment: the
next run ends with every order exactly once. A second run fetches only what changed. What quota was spent is saved
beside the checkpoint, so that a restart does not spend a burst twice.

Needs ``pip install "spapi-async[sync]"``, and ``[postgres]`` for PostgreSQL.
"""

from spapi_async.workflows.orders._checkpoint import Checkpoint
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._feed import Change, CursorError
from spapi_async.workflows.orders._job import SellerResult
from spapi_async.workflows.orders._lease import Lease
from spapi_async.workflows.orders._page import OrderPage, OrderSink, Stored, Unreadable
from spapi_async.workflows.orders._progress import (
    PageStored,
    Progress,
    SellerFailed,
    SellerFinished,
    SellerStarted,
    SellerWaits,
    SyncEvent,
)
from spapi_async.workflows.orders._rows import Detail, ItemRow, OrderRow
from spapi_async.workflows.orders._source import DEFAULT_DATASETS, Orders2026Source, OrderSource, OrdersV0Source, Page
from spapi_async.workflows.orders._sync import SyncReport, sync_orders
from spapi_async.workflows.orders._vault import PersonalKeys

__all__ = [
    "DEFAULT_DATASETS",
    "Change",
    "Checkpoint",
    "CursorError",
    "Detail",
    "ItemRow",
    "Lease",
    "OrderDatabase",
    "OrderPage",
    "OrderRow",
    "OrderSink",
    "OrderSource",
    "Orders2026Source",
    "OrdersV0Source",
    "Page",
    "PageStored",
    "PersonalKeys",
    "Progress",
    "SellerFailed",
    "SellerFinished",
    "SellerResult",
    "SellerStarted",
    "SellerWaits",
    "Stored",
    "SyncEvent",
    "SyncReport",
    "Unreadable",
    "sync_orders",
]
