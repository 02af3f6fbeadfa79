"""Who calls operations, as everything above the client sees it: generated methods, iterators and workflows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from spapi_async._core.operation import Operation
from spapi_async.marketplaces import Marketplace, Region

__all__ = ["Caller", "Reply"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Reply(Protocol[T_co]):
    """What a caller hands back of a whole reply: the facts of :class:`spapi_async.Response` that workflows read."""

    @property
    def body(self) -> T_co:
        """The decoded body, out of its envelope."""

    @property
    def status(self) -> int:
        """The HTTP status, a 2xx."""

    @property
    def request_id(self) -> str | None:
        """Amazon's id of the request."""

    @property
    def violations(self) -> tuple[Any, ...]:
        """Where the body breaks its model."""

    @property
    def raw(self) -> bytes:
        """The body as received."""


class Caller(Protocol):
    """Calls operations: a selling partner, or whatever stands in for one.

    Every method takes the operation; ``call`` and ``fetch`` then its arguments by their Python names.
    """

    @property
    def name(self) -> str:
        """Who it is in events, limits and logs."""

    @property
    def marketplace(self) -> Marketplace | None:
        """Where the seller sells, as far as whoever made this knows."""

    @property
    def seller_id(self) -> str | None:
        """The seller's own id, as far as whoever made this knows."""

    @property
    def key(self) -> str:
        """Identifies its credential in saved state, without any secret."""

    @property
    def region(self) -> Region:
        """The region that its calls go to."""

    async def call(self, operation: Operation[T], /, **arguments: Any) -> Reply[T]:
        """The whole reply."""

    async def fetch(self, operation: Operation[T], /, **arguments: Any) -> T:
        """The decoded body alone."""

    def forecast(
        self, operation: Operation[Any], arguments: Mapping[str, Any] | None = None, *, count: int = 1
    ) -> float:
        """Seconds until that many calls which come now could have left."""
