"""Downloads an object at a presigned URL, in spite of expired URLs and broken connections.

The URL is a secret: it is requested without any header of the Selling Partner API, redirects are not followed, and it
appears in no message. Most URLs are valid for five minutes (X-Amz-Expires=300) after the API has returned them; the
request must begin within that time, but may take longer.
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
"""The key of the session for documents, which have their own connections so that downloads do not delay calls."""

Progress = Callable[[int, int | None], object]
"""Called with the number of bytes transferred so far, and the total (None if it is unknown)."""

Locate = Callable[[], Awaitable[Location]]
"""Gets a URL of the object: the first one, or a fresh one when that has expired."""

# identity: a proxy must not compress what S3 sends.
_HEADERS = {"accept": "*/*", "accept-encoding": "identity"}

PAUSES = (0.0, 0.5, 2.0, 5.0)
"""Seconds before each attempt to resume after a broken connection."""

_RESETS_ATTEMPTS = 1024 * 1024
"""Bytes received on one connection after which attempts are counted anew: a document of gigabytes may break often."""


class Download:
    """One object, read once from its beginning to its end.

    Args:
        resources: connections and clock.
        locate: gets a URL, including the first one.
        operation: the name of the API's operation, for messages.
        progress: called when bytes have been received.
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

    replaced = 0
    """Invalid bytes that are U+FFFD in what is received: only a file that was joined from decoded ones has them."""

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
        """Get the URL and send the request; afterwards the headers are known.

        The ``deadline`` of the call options is the time from here to the last byte; ``timeout`` is the longest time
        without a byte.

        Raises:
            DocumentUrlExpiredError: even a fresh URL was refused as expired.
            DocumentError: S3 answered with an error, or the URL is invalid.
            TransportError: the host could not be reached in time.
            SPAPIError: the call for the URL failed.
        """
        if self.requests:
            raise DocumentError("a document can be opened only once: make another", operation=self.operation)
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
        """The bytes as they are received; after a broken connection the download is resumed.

        Raises:
            DocumentTruncatedError: the download could not be resumed.
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
            if self.received - mark >= _RESETS_ATTEMPTS:
                pauses = list(PAUSES)
            mark = self.received
            await self._resume(pauses, failure)

    async def aclose(self) -> None:
        """Return the connection to its pool, or close it if the reply was not read to its end."""
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
            # A server that does not support ranges sends the whole object again, and it may have changed.
            raise DocumentTruncatedError(cut, operation=self.operation) from failure

    def _is_the_rest(self, reply: StreamedReply) -> bool:
        """Whether the reply continues the same object where the last one ended."""
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
                if not pauses or self._deadline.passed or (isinstance(error, RefusedError) and not error.transient):
                    raise
                failure = error
            else:
                self._deadline.failure = None
                return
            await self._deadline.pause(pauses.pop(0), failure)

    async def _connect(self) -> None:
        """Send one request, or two if the URL has expired; a fresh URL that is refused, too, is an error."""
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
