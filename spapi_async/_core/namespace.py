"""The base class of the generated API namespaces."""

from __future__ import annotations

from spapi_async._core.caller import Caller

__all__ = ["Namespace"]


class Namespace:
    """Base of the generated namespaces: one for each API version, made on first access."""

    __slots__ = ("_client",)

    def __init__(self, client: Caller) -> None:
        self._client = client

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._client!r}>"
