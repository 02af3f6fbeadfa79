"""The bytes of an object at a presigned URL, across expired URLs and broken connections.

The URL is the key: it is fetched without any header of the Selling Partner API, follows no redirect and appears in no
message. It works for five minutes (X-Amz-Expires=300) from when the API gave it out; that bounds the start of a
request, not its length.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import NamedTuple

from spapi_async._core.resources import StreamedReply, StreamPool
from spapi_async.errors import DocumentError, DocumentTruncatedError, DocumentUrlExpiredError, TransportError

__all__ = ["SESSION", "Download", "Location", "RefusedError", "expired_twice", "refusal_of"]

SESSION = "documents"
"""Documents have connections of their own: other hosts, and downloads must not hold up calls."""

# identity: a proxy must not compress once more what S3 sends.
_HEADERS = {"accept": "*/*", "accept-encoding": "identity"}

PAUSES = (0.0, 0.5, 2.0, 5.0)
"""Seconds before each attempt to go on where a connection broke."""

# A connection that got this far, in bytes, starts a new count of attempts: a document of gigabytes may break often.
_PROGRESS = 1024 * 1024
_LONGEST_REFUSAL = 64 * 1024


class Location(NamedTuple):
    """Where the API says a document is; ``gzipped`` is what it says about compression."""

    url: str
    gzipped: bool = False


class RefusedError(DocumentError):
    """S3 answered something other than the document; its XML is never the report."""

    expired = False
    passing = False


class Download:
    """One object, read once from its beginning to its end.

    Args:
        pool: where connections come from.
        location: where it is.
        locate: asks the API for a fresh URL.
        operation: the API's operation, for messages.
    """

    __slots__ = (
        "_etag",
        "_fresh",
        "_locate",
        "_operation",
        "_pool",
        "_reply",
        "_stack",
        "complete",
        "headers",
        "location",
        "received",
        "requests",
        "total",
    )

    def __init__(
        self, pool: StreamPool, location: Location, locate: Callable[[], Awaitable[Location]], operation: str
    ) -> None:
        self._pool = pool
        self._locate = locate
        self._operation = operation
        self._stack: AsyncExitStack | None = None
        self._reply: StreamedReply | None = None
        self._fresh = False
        self._etag: str | None = None
        self.location = location
        self.headers: Mapping[str, str] = {}
        self.received = 0
        self.requests = 0
        self.complete = False
        self.total: int | None = None

    async def open(self) -> None:
        """Ask for the object; its headers are known then.

        Raises:
            DocumentUrlExpiredError: even a fresh URL was refused as too old.
            DocumentError: S3 answered with an error.
            TransportError: it could not be reached.
        """
        await self._connect_with_retries(list(PAUSES))
        assert self._reply is not None
        self.headers = self._reply.headers
        length = self.headers.get("content-length", "")
        self.total = int(length) if length.isdecimal() else None
        self._etag = self.headers.get("etag")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The object's bytes as they come, picked up again where a connection broke.

        Raises:
            DocumentTruncatedError: the rest could not be had.
            DocumentError, TransportError: as :meth:`open`.
        """
        pauses, mark = list(PAUSES), 0
        while True:
            assert self._reply is not None
            try:
                async for chunk in self._reply.chunks:
                    self.received += len(chunk)
                    yield chunk
                if self.total is None or self.received >= self.total:
                    self.complete = True
                    await self.aclose()
                    return
                failure = TransportError("the reply ended early", operation=self._operation)
            except TransportError as error:
                failure = error
            if self.received - mark >= _PROGRESS:
                pauses = list(PAUSES)
            mark = self.received
            await self._resume(pauses, failure)

    async def aclose(self) -> None:
        """Give the connection back, or close it."""
        stack, self._stack, self._reply = self._stack, None, None
        if stack is not None:
            await stack.aclose()

    async def _resume(self, pauses: list[float], failure: TransportError) -> None:
        of = "" if self.total is None else f" of {self.total:,}"
        cut = f"the download broke after {self.received:,}{of} bytes and could not be resumed"
        await self.aclose()
        if not pauses:
            raise DocumentTruncatedError(cut, operation=self._operation) from failure
        try:
            await asyncio.sleep(pauses.pop(0))
            await self._connect_with_retries(pauses)
        except TransportError as error:
            raise DocumentTruncatedError(cut, operation=self._operation) from error
        assert self._reply is not None
        if not self._is_the_rest(self._reply):
            # Servers that know no ranges send all of it again, and nothing proves that it is the same.
            raise DocumentTruncatedError(cut, operation=self._operation) from failure

    def _is_the_rest(self, reply: StreamedReply) -> bool:
        """Whether the reply goes on with the same object where the last one ended."""
        if self._etag != reply.headers.get("etag"):
            return False
        if not self.received:
            return reply.status == 200
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", reply.headers.get("content-range", ""))
        if reply.status != 206 or found is None:
            return False
        return int(found[1]) == self.received and (self.total is None or found[2] in ("*", str(self.total)))

    async def _connect_with_retries(self, pauses: list[float]) -> None:
        while True:
            try:
                return await self._connect()
            except (TransportError, RefusedError) as error:
                if not pauses or (isinstance(error, RefusedError) and not error.passing):
                    raise
            await asyncio.sleep(pauses.pop(0))

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
            self.location = await self._locate()
            self._fresh = True

    async def _request(self) -> RefusedError | None:
        headers = {**_HEADERS, "range": f"bytes={self.received}-"} if self.received else _HEADERS
        self.requests += 1
        async with AsyncExitStack() as stack:
            reply = await stack.enter_async_context(
                self._pool.stream("GET", self.location.url, headers=headers, session_key=SESSION)
            )
            if reply.status != (206 if self.received else 200) and not (self.received and reply.status == 200):
                return await refusal_of(reply, self._operation)
            self._reply, self._stack = reply, stack.pop_all()
        return None


def expired_twice(refusal: RefusedError) -> DocumentUrlExpiredError:
    """What the refusal of a fresh URL becomes: there is no use in a third."""
    return DocumentUrlExpiredError(
        "the presigned URL was refused as expired, and so was a fresh one",
        operation=refusal.operation,
        status=refusal.status,
    )


async def refusal_of(reply: StreamedReply, operation: str) -> RefusedError:
    """What S3's answer says, from its XML; of that only the code is shown."""
    body = b""
    async for chunk in reply.chunks:
        body += chunk
        if len(body) > _LONGEST_REFUSAL:
            break
    found = re.search(rb"<Code>(\w{1,64})</Code>", body)
    code = found[1].decode() if found else ""
    refusal = RefusedError(
        f"the document's host answered {reply.status}{f' ({code})' if code else ''}",
        operation=operation,
        status=reply.status,
    )
    # 403 AccessDenied "Request has expired" is what an old URL gets; 400 ExpiredToken when its signer's session ended.
    refusal.expired = reply.status in (400, 403) and (
        code in ("AccessDenied", "ExpiredToken", "RequestExpired") or b"has expired" in body
    )
    refusal.passing = reply.status >= 500 or reply.status == 429
    return refusal
