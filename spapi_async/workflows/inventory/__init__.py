"""Stock at Amazon by SKU: ``(await seller.inventory.summary("TEA-POT-1")).total_quantity``."""

from spapi_async.workflows.inventory._inventory import Inventory, SkuSummary

__all__ = ["Inventory", "SkuSummary"]
