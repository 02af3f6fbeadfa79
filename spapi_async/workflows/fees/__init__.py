"""What Amazon would charge: ``await seller.fees.estimate(asin="B07XJ8C8F5", price="19.99")``, twenty to a request."""

from spapi_async.workflows.fees._fees import Fees

__all__ = ["Fees"]
