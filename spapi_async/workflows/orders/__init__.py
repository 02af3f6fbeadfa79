"""Order sync: stores the orders that changed at Amazon since the last run in a SQLite or PostgreSQL database.

::

    async with Application.from_env() as app:
        sellers = [app.selling_partner(token, region="NA", seller_id=id) for id, token in grants.items()]
        report = await sync_orders(sellers, "postgresql://localhost/orders")

Each page of orders is committed together with the new checkpoint, so a process may be killed at any moment: after the
next run, every order is stored exactly once. A second run fetches only orders that have changed. The quota spent is
saved with the checkpoint, so that a restart does not spend a burst twice.

For one order: ``await seller.orders.get("902-3159896-1390916")`` returns an :class:`OrderView` in one vocabulary.

A sync needs ``pip install "spapi-async[sync]"``, and ``[postgres]`` for PostgreSQL.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spapi_async.workflows.orders._checkpoint import Checkpoint
    from spapi_async.workflows.orders._coverage import Coverage
    from spapi_async.workflows.orders._database import OrderDatabase
    from spapi_async.workflows.orders._feed import Change, CursorError
    from spapi_async.workflows.orders._follow import MessageSource, follow_orders
    from spapi_async.workflows.orders._history import SOURCES, Source
    from spapi_async.workflows.orders._job import SellerResult
    from spapi_async.workflows.orders._lease import Lease
    from spapi_async.workflows.orders._orders import Orders
    from spapi_async.workflows.orders._page import Hole, OrderPage, OrderSink, Stored, Unreadable
    from spapi_async.workflows.orders._plan import OrderPlan, Outlook, SellerPlan, SourcePlan, plan_orders, what_if
    from spapi_async.workflows.orders._progress import (
        DatasetRefused,
        OrdersForecast,
        OrdersFresh,
        OrdersListed,
        OrdersReconciled,
        PageStored,
        Progress,
        SellerFailed,
        SellerFinished,
        SellerStarted,
        SellerWaits,
        SourceDropped,
        SyncEvent,
    )
    from spapi_async.workflows.orders._rows import Detail, ItemRow, OrderRow
    from spapi_async.workflows.orders._source import (
        DEFAULT_DATASETS,
        Orders2026Source,
        OrderSource,
        OrdersV0Source,
        Page,
    )
    from spapi_async.workflows.orders._sync import SyncReport, sync_orders
    from spapi_async.workflows.orders._vault import PersonalKeys
    from spapi_async.workflows.orders._view import OrderItemView, OrderV0, OrderView

__all__ = [
    "DEFAULT_DATASETS",
    "SOURCES",
    "Change",
    "Checkpoint",
    "Coverage",
    "CursorError",
    "DatasetRefused",
    "Detail",
    "Hole",
    "ItemRow",
    "Lease",
    "MessageSource",
    "OrderDatabase",
    "OrderItemView",
    "OrderPage",
    "OrderPlan",
    "OrderRow",
    "OrderSink",
    "OrderSource",
    "OrderV0",
    "OrderView",
    "Orders",
    "Orders2026Source",
    "OrdersForecast",
    "OrdersFresh",
    "OrdersListed",
    "OrdersReconciled",
    "OrdersV0Source",
    "Outlook",
    "Page",
    "PageStored",
    "PersonalKeys",
    "Progress",
    "SellerFailed",
    "SellerFinished",
    "SellerPlan",
    "SellerResult",
    "SellerStarted",
    "SellerWaits",
    "Source",
    "SourceDropped",
    "SourcePlan",
    "Stored",
    "SyncEvent",
    "SyncReport",
    "Unreadable",
    "follow_orders",
    "plan_orders",
    "sync_orders",
    "what_if",
]

# Names are imported at their first use: ``seller.orders`` needs no database.
_HOMES = {
    "_checkpoint": ("Checkpoint",),
    "_coverage": ("Coverage",),
    "_database": ("OrderDatabase",),
    "_feed": ("Change", "CursorError"),
    "_follow": ("MessageSource", "follow_orders"),
    "_history": ("SOURCES", "Source"),
    "_job": ("SellerResult",),
    "_lease": ("Lease",),
    "_orders": ("Orders",),
    "_page": ("Hole", "OrderPage", "OrderSink", "Stored", "Unreadable"),
    "_plan": ("OrderPlan", "Outlook", "SellerPlan", "SourcePlan", "plan_orders", "what_if"),
    "_progress": (
        "DatasetRefused",
        "OrdersForecast",
        "OrdersFresh",
        "OrdersListed",
        "OrdersReconciled",
        "PageStored",
        "Progress",
        "SellerFailed",
        "SellerFinished",
        "SellerStarted",
        "SellerWaits",
        "SourceDropped",
        "SyncEvent",
    ),
    "_rows": ("Detail", "ItemRow", "OrderRow"),
    "_source": ("DEFAULT_DATASETS", "OrderSource", "Orders2026Source", "OrdersV0Source", "Page"),
    "_sync": ("SyncReport", "sync_orders"),
    "_vault": ("PersonalKeys",),
    "_view": ("OrderItemView", "OrderV0", "OrderView"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # else a type checker would accept every name

    def __getattr__(name: str) -> object:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
