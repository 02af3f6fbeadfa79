"""A directory of sellers, read from a file, a table or a function, and reloaded while the program runs.

::

    directory = SellerDirectory("sellers.toml")
    report = await sync_orders(await directory.sellers(app, tags=["pilot"]), "sqlite:///orders.db")
    for result in report.failed:
        directory.failed(result.seller, result.error)     # a revoked grant is skipped from now on
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spapi_async.workflows.sellers._directory import DirectoryChange, ListedSeller, SellerDirectory
    from spapi_async.workflows.sellers._entries import SellerEntry

__all__ = ["DirectoryChange", "ListedSeller", "SellerDirectory", "SellerEntry"]

if not TYPE_CHECKING:  # imported on first use, because spapi_async itself exports the directory

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = "_entries" if name == "SellerEntry" else "_directory"
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return value
