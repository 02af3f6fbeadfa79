"""Estimates of Amazon's fees: ``await seller.fees.estimate(asin="B07XJ8C8F5", price="19.99")``."""

from spapi_async.workflows.fees._fees import Fees

__all__ = ["Fees"]
