"""Whom orders are synced for: a selling partner, by what the sync reads of it."""

from __future__ import annotations

from typing import Any, Protocol

from spapi_async._core.caller import Caller

__all__ = ["QuotaOwner", "Seller"]


class QuotaOwner(Protocol):
    """The application that sellers share: its id, and the limiter that knows what was spent."""

    @property
    def client_id(self) -> str:
        """The application's id at Login with Amazon."""

    limiter: Any


class Seller(Caller, Protocol):
    """A handle on a selling partner."""

    @property
    def application(self) -> QuotaOwner:
        """The application that it belongs to."""

    @property
    def payer(self) -> str:
        """What its buckets are kept under in saved state."""

    @property
    def reports(self) -> Any:
        """Its reports."""
