"""The protocol of objects that call operations, as used by generated methods, iterators and workflows."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from spapi_async._core.operation import Operation
from spapi_async.marketplaces import Marketplace, Region

__all__ = ["Caller", "Reply"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Reply(Protocol[T_co]):
    """A whole reply, reduced to those attributes of :class:`spapi_async.Response` that workflows read."""

    @property
    def body(self) -> T_co:
        """The decoded body, without its envelope."""

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
    """Calls operations: a selling partner, or an object in place of one.

    Every method takes the operation; ``call`` and ``fetch`` also take the operation's arguments by their Python names.
    """

    @property
    def name(self) -> str:
        """The name in events, limits and logs."""

    @property
    def marketplace(self) -> Marketplace | None:
        """The marketplace given when the handle was made, if any."""

    @property
    def seller_id(self) -> str | None:
        """The seller id given when the handle was made, if any."""

    @property
    def key(self) -> str:
        """Identifies the credential in saved state, without any secret."""

    @property
    def region(self) -> Region:
        """The region to which calls go."""

    # Not declared with "async def": for pyright, its result is a type that only such functions have.

    def call(self, operation: Operation[T], /, **arguments: Any) -> Coroutine[Any, Any, Reply[T]]:
        """The whole reply."""

    def fetch(self, operation: Operation[T], /, **arguments: Any) -> Coroutine[Any, Any, T]:
        """The decoded body alone."""

    def forecast(
        self, operation: Operation[Any], arguments: Mapping[str, Any] | None = None, *, count: int = 1
    ) -> float:
        """Seconds until the last of ``count`` calls made now could be sent."""
