"""Offers and prices by ASIN or SKU: ``await seller.pricing.offers("B07XJ8C8F5")``, up to forty in a request."""

from spapi_async.workflows.pricing._pricing import Pricing

__all__ = ["Pricing"]
