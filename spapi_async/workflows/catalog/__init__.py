"""The catalogue by ASIN: ``item = await seller.catalog.item("B07XJ8C8F5")``, with up to twenty items in a request."""

from spapi_async.workflows.catalog._catalog import Catalog

__all__ = ["Catalog"]
