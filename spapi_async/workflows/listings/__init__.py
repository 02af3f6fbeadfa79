"""A seller's listings by SKU: ``listing = await seller.listings.item("TEA-POT-1")``, with up to twenty in a request."""

from spapi_async.workflows.listings._listings import Listings

__all__ = ["Listings"]
