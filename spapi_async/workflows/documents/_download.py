"""The bytes of an object at a presigned URL, across expired URLs and broken connections.

The URL is the key: it is fetched without any header of the Selling Partner API, follows no redirect and appears in no
message. Most work for five minutes (X-Amz-Expires=300) from when the API gave them out; that bounds the start of a
request, not its length.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing

from spapi_async._core.options import current_options
from spapi_async._core.resources import Resources, StreamedReply
from spapi_async.errors import DocumentError, DocumentTruncatedError, TransportError
from spapi_async.workflows.documents._deadline import Deadline
from spapi_async.workflows.documents._location import Location
from spapi_async.workflows.documents._refusal import RefusedError, expired_twice, refusal_of

__all__ = ["PAUSES", "SESSION", "Download", "Locate", "Progress"]

SESSION = "documents"
"""Documents have connections of their own: other hosts, and downloads must not hold up calls."""

Progress = Callable[[int, int | None], object]
"""Called with the bytes on the wire so far, and how many there are in all (None: not known)."""

Locate = Callable[[], Awaitable[Location]]
"""Asks for a URL of the object: the first time, and where the last one is too old."""

# identity: a proxy must not compress once more what S3 sends.
_HEADERS = {"accept": "*/*", "accept-encoding": "identity"}

PAUSES = (0.0, 0.5, 2.0, 5.0)
"""Seconds before each attempt to go on where a connection broke."""

# A connection that got this far, in bytes, starts a new count of attempts: a document of gigabytes may break often.
_PROGRESS = 1024 * 1024


class Download:
    """One object, read once from its beginning to its end.

    Args:
        resources: where connections and time come from.
        locate: asks for a URL, the first one too.
        operation: the API's operation, for messages.
        progress: called as bytes come.
    """

    __slots__ = (
        "_deadline",
        "_etag",
        "_fresh",
        "_progress",
        "_reply",
        "_resources",
        "_timeout",
        "complete",
        "headers",
        "locate",
        "location",
        "operation",
        "received",
        "requests",
        "stack",
        "started",
        "total",
    )

    def __init__(
        self,
        resources: Resources,
        locate: Locate,
        operation: str,
        *,
        progress: Progress | None = None,
    ) -> None:
        self._resources = resources
        self.locate = locate
        self._progress = progress
        self._deadline = Deadline(resources.clock, None, operation)
        self._timeout: float | None = None
        self.stack: AsyncExitStack | None = None
        self._reply: StreamedReply | None = None
        self._fresh = False
        self._etag: str | None = None
        self.operation = operation
        self.location: Location | None = None
        self.headers: Mapping[str, str] = {}
        self.received = 0
        self.requests = 0
        self.started = resources.clock.monotonic()
        self.complete = False
        self.total: int | None = None

    async def open(self) -> None:
        """Ask where the object is, and for it; its headers are known then.

        The ``deadline`` of the call options counts from here to the last byte; ``timeout`` bounds the time without one.

        Raises:
            DocumentUrlExpiredError: even a fresh URL was refused as too old.
            DocumentError: S3 answered with an error, or the URL is none.
            TransportError: it could not be reached in time.
            SPAPIError: what the API answers when it is asked for the URL.
        """
        if self.requests:
            raise DocumentError("a document is opened once: make another", operation=self.operation)
        options = current_options()
        self.started = self._resources.clock.monotonic()
        self._timeout = options.timeout
        self._deadline = Deadline(self._resources.clock, options.deadline, self.operation)
        self.location = await self._deadline.bounded(self.locate())
        await self._connect_with_retries(list(PAUSES))
        assert self._reply is not None
        self.headers = self._reply.headers
        length = self.headers.get("content-length", "")
        self.total = int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
        self._etag = self.headers.get("etag")

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The object's bytes as they come, picked up again where a connection broke.

        Raises:
            DocumentTruncatedError: the rest could not be had.
            DocumentError, TransportError: as :meth:`open`.
        """
        pauses, mark = list(PAUSES), 0
        while True:
            assert self._reply is not None
            try:
                async with aclosing(self._deadline.each(self._reply.chunks)) as chunks:
                    async for chunk in chunks:
                        self.received += len(chunk)
                        if self._progress is not None:
                            self._progress(self.received, self.total)
                        yield chunk
                if self.total is None or self.received >= self.total:
                    self.complete = True
                    await self.aclose()
                    return
                failure = TransportError("the reply ended early", operation=self.operation)
            except TransportError as error:
                if self._deadline.passed:
                    raise
                failure = error
            if self.received - mark >= _PROGRESS:
                pauses = list(PAUSES)
            mark = self.received
            await self._resume(pauses, failure)

    async def aclose(self) -> None:
        """Give the connection back, or close it."""
        stack, self.stack, self._reply = self.stack, None, None
        if stack is not None:
            await stack.aclose()

    async def _resume(self, pauses: list[float], failure: TransportError) -> None:
        of = "" if self.total is None else f" of {self.total:,}"
        cut = f"the download broke after {self.received:,}{of} bytes and could not be resumed"
        await self.aclose()
        if not pauses:
            raise DocumentTruncatedError(cut, operation=self.operation) from failure
        try:
            await self._deadline.pause(pauses.pop(0), failure)
            await self._connect_with_retries(pauses)
        except TransportError as error:
            if self._deadline.passed:
                raise
            raise DocumentTruncatedError(cut, operation=self.operation) from error
        assert self._reply is not None
        if not self._is_the_rest(self._reply):
            # Servers that know no ranges send all of it again, and nothing proves that it is the same.
            raise DocumentTruncatedError(cut, operation=self.operation) from failure

    def _is_the_rest(self, reply: StreamedReply) -> bool:
        """Whether the reply goes on with the same object where the last one ended."""
        if self._etag != reply.headers.get("etag"):
            return False
        if not self.received:
            return reply.status == 200
        found = re.fullmatch(
            r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", reply.headers.get("content-range", "")
        )
        if reply.status != 206 or found is None:
            return False
        return int(found[1]) == self.received and (self.total is None or found[2] in ("*", str(self.total)))

    async def _connect_with_retries(self, pauses: list[float]) -> None:
        while True:
            try:
                await self._deadline.bounded(self._connect())
            except (TransportError, RefusedError) as error:
                if not pauses or self._deadline.passed or (isinstance(error, RefusedError) and not error.passing):
                    raise
                failure = error
            else:
                self._deadline.failure = None
                return
            await self._deadline.pause(pauses.pop(0), failure)

    async def _connect(self) -> None:
        """One request, or two where the URL is too old; only a URL that worked is renewed again later."""
        while True:
            refusal = await self._request()
            if refusal is None:
                self._fresh = False
                return
            if not refusal.expired:
                raise refusal
            if self._fresh:
                raise expired_twice(refusal)
            self.location = await self.locate()
            self._fresh = True

    async def _request(self) -> RefusedError | None:
        assert self.location is not None
        headers = {**_HEADERS, "range": f"bytes={self.received}-"} if self.received else _HEADERS
        self.requests += 1
        async with AsyncExitStack() as stack:
            reply = await stack.enter_async_context(
                self._resources.pool.stream(
                    "GET", self.location.url, headers=headers, silence=self._timeout, session_key=SESSION
                )
            )
            if reply.status != (206 if self.received else 200) and not (self.received and reply.status == 200):
                return await refusal_of(reply, self.operation)
            self._reply, self.stack = reply, stack.pop_all()
        return None
