"""What an application lends to its workflows: connections, observers, time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from spapi_async._core.clock import Clock
from spapi_async._core.events import Observers

__all__ = ["Closing", "Resources", "StreamPool", "StreamedReply"]


class StreamedReply(NamedTuple):
    """A reply whose body is still under way: chunks as they come, a content coding left in place."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class StreamPool(Protocol):
    """Where connections for documents come from."""

    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] | None = None,
        silence: float | None = None,
        session_key: str,
    ) -> AbstractAsyncContextManager[StreamedReply]:
        """Send one request and read its reply piecemeal; ``silence`` is how long nothing may come, in seconds."""


class Closing(Protocol):
    """What a workflow keeps for a whole application, and what ends with it."""

    def close(self) -> None:
        """The application is closed: whoever waits gets a ClosedError."""


class Resources(NamedTuple):
    """Shared by all sellers of an application.

    ``shared`` is where a workflow keeps, under its own name, what several handles of one seller have in common.
    """

    pool: StreamPool
    observers: Observers
    clock: Clock
    shared: MutableMapping[str, Closing]
