"""The ``deadline`` of the call options for a document: the time from its opening to its last byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import TypeVar

from spapi_async._core.clock import Clock
from spapi_async.errors import RequestTimeoutError, SPAPIError

__all__ = ["Deadline"]

T = TypeVar("T")


class Deadline:
    """Ends every wait for a document at the same time; if ``seconds`` is None, there is no limit."""

    __slots__ = ("_at", "_clock", "_operation", "_seconds", "failure", "passed")

    def __init__(self, clock: Clock, seconds: float | None, operation: str) -> None:
        self._clock = clock
        self._seconds = seconds
        self._at = None if seconds is None else clock.monotonic() + seconds
        self._operation = operation
        self.failure: SPAPIError | None = None
        self.passed = False

    async def bounded(self, step: Awaitable[T]) -> T:
        """Await a step.

        Raises:
            RequestTimeoutError: the deadline passed before its end.
        """
        if self._at is None:
            return await step
        try:
            async with asyncio.timeout(max(self._at - self._clock.monotonic(), 0.0)) as bound:
                return await step
        except TimeoutError:
            if not bound.expired():
                raise
            self.passed = True
        cause = "" if self.failure is None else f"; the last attempt failed: {self.failure.message}"
        raise RequestTimeoutError(
            f"the deadline of {self._seconds:g} s passed before the end of the document{cause}",
            operation=self._operation,
        ) from self.failure

    async def each(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Iterate over the chunks.

        Raises:
            RequestTimeoutError: as :meth:`bounded`.
        """
        if self._at is None:
            async for chunk in chunks:
                yield chunk
            return
        while True:
            try:
                chunk = await self.bounded(anext(chunks))
            except StopAsyncIteration:
                return
            yield chunk

    async def pause(self, seconds: float, failure: SPAPIError) -> None:
        """Sleep after a failed attempt, which is the cause if the deadline passes now or during the next one.

        Raises:
            RequestTimeoutError: as :meth:`bounded`.
        """
        self.failure = failure
        await self.bounded(self._clock.sleep(seconds))
