"""The workflows of a selling partner: ``seller.documents`` and the like, written by hand on top of the operations.

A workflow is a folder in ``workflows/`` that exports a class, and a line here with its name; the import above the line
is for type checkers. The folder is imported when the attribute is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spapi_async._core.caller import Caller
from spapi_async._core.resources import Resources

if TYPE_CHECKING:
    from spapi_async.workflows.catalog import Catalog
    from spapi_async.workflows.data_kiosk import DataKiosk
    from spapi_async.workflows.documents import Documents
    from spapi_async.workflows.feeds import Feeds
    from spapi_async.workflows.fees import Fees
    from spapi_async.workflows.inventory import Inventory
    from spapi_async.workflows.listings import Listings
    from spapi_async.workflows.notifications import Notifications
    from spapi_async.workflows.orders import Orders
    from spapi_async.workflows.pricing import Pricing
    from spapi_async.workflows.reports import Reports

__all__ = ["WORKFLOWS", "Workflows", "make_workflow"]


class Workflows:
    """The workflows as attributes; a selling partner makes each on first access."""

    __slots__ = ()

    catalog: Catalog
    data_kiosk: DataKiosk
    documents: Documents
    feeds: Feeds
    fees: Fees
    inventory: Inventory
    listings: Listings
    notifications: Notifications
    orders: Orders
    pricing: Pricing
    reports: Reports


WORKFLOWS: dict[str, str] = dict(Workflows.__annotations__)
"""Attributes, which are the folders' names, and the classes that they export."""


def make_workflow(name: str, caller: Caller, resources: Resources) -> Any:
    """The workflow of this name for one caller: ``Documents(caller, resources)``."""
    return getattr(import_module(f"spapi_async.workflows.{name}"), WORKFLOWS[name])(caller, resources)
