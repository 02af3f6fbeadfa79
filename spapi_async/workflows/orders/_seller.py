"""The part of a selling partner that the order sync uses."""

from __future__ import annotations

from typing import Any, Protocol

from spapi_async._core.caller import Caller

__all__ = ["QuotaOwner", "Seller"]


class QuotaOwner(Protocol):
    """The application that sellers share: its id, and its limiter."""

    @property
    def client_id(self) -> str:
        """The application's id at Login with Amazon."""

    limiter: Any


class Seller(Caller, Protocol):
    """A handle on a selling partner."""

    @property
    def application(self) -> QuotaOwner:
        """The application to which the handle belongs."""

    @property
    def payer(self) -> str:
        """Identifies the seller's buckets in saved state."""

    @property
    def reports(self) -> Any:
        """The seller's reports."""
