"""What a generated API namespace stands on: an object that can call operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from spapi_async._codec.response import Response
from spapi_async._core.operation import Operation
from spapi_async._engine.paging import PageIterator

__all__ = ["Caller", "Namespace"]

T = TypeVar("T")


class Caller(Protocol):
    """Calls operations: a selling partner, or an application without one."""

    async def call(self, operation: Operation[T], /, **arguments: Any) -> Response[T]:
        """The whole reply."""

    async def fetch(self, operation: Operation[T], arguments: Mapping[str, Any]) -> T:
        """The decoded body alone."""

    def iterate(
        self, operation: Operation[Any], arguments: Mapping[str, Any], *, cursor: str | None = None
    ) -> PageIterator[Any]:
        """The items of every page."""


class Namespace:
    """Base of the generated namespaces: one for each API version, made on first access."""

    __slots__ = ("_client",)

    def __init__(self, client: Caller) -> None:
        self._client = client

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._client!r}>"
