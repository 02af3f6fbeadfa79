"""``seller.documents``: where documents are, and the way up for feeds."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import anyio

from spapi_async._core.caller import Caller
from spapi_async._core.events import DocumentFinished
from spapi_async._core.resources import Resources
from spapi_async.errors import ConfigurationError, TransportError
from spapi_async.workflows.documents import _download
from spapi_async.workflows.documents._charset import check_choice
from spapi_async.workflows.documents._document import Document
from spapi_async.workflows.documents._download import (
    SESSION,
    Download,
    Location,
    RefusedError,
    expired_twice,
    refusal_of,
)

__all__ = ["Documents"]

_PIECE = 64 * 1024
_UPLOAD = "feeds_2021_06_30.create_feed_document"


class Documents:
    """The documents of one selling partner.

    ``charset`` overrides what a document says about its encoding, ``errors`` is that of ``bytes.decode``.
    """

    __slots__ = ("_caller", "_resources")

    def __init__(self, caller: Caller, resources: Resources) -> None:
        self._caller = caller
        self._resources = resources

    async def report(self, report_document_id: str, *, charset: str | None = None, errors: str = "replace") -> Document:
        """The document of a report: ``async with await seller.documents.report(id) as document``.

        Gets a restricted data token where the report's type needs one. Usage plan: getReportDocument, 0.0167 requests
        a second, burst 15.
        """

        async def locate() -> Location:
            from spapi_async.api.reports_2021_06_30 import GET_REPORT_DOCUMENT

            found = await self._caller.fetch(GET_REPORT_DOCUMENT, report_document_id=report_document_id)
            return Location(found.url, found.compression_algorithm is not None)

        return await self._document(locate, "reports_2021_06_30.get_report_document", charset, errors)

    async def feed_result(
        self, feed_document_id: str, *, charset: str | None = None, errors: str = "replace"
    ) -> Document:
        """The processing report of a feed, by its ``resultFeedDocumentId``.

        Usage plan: getFeedDocument, 0.0222 requests a second, burst 10.
        """

        async def locate() -> Location:
            from spapi_async.api.feeds_2021_06_30 import GET_FEED_DOCUMENT

            found = await self._caller.fetch(GET_FEED_DOCUMENT, feed_document_id=feed_document_id)
            return Location(found.url, found.compression_algorithm is not None)

        return await self._document(locate, "feeds_2021_06_30.get_feed_document", charset, errors)

    async def query_result(self, document_id: str, *, charset: str | None = None, errors: str = "replace") -> Document:
        """The data (or the errors) of a Data Kiosk query, by its ``dataDocumentId`` or ``errorDocumentId``.

        Usage plan: getDocument, 0.0167 requests a second, burst 15.
        """

        async def locate() -> Location:
            from spapi_async.api.data_kiosk_2023_11_15 import GET_DOCUMENT

            found = await self._caller.fetch(GET_DOCUMENT, document_id=document_id)
            return Location(found.document_url)

        return await self._document(locate, "data_kiosk_2023_11_15.get_document", charset, errors)

    async def upload(
        self,
        data: bytes | bytearray | memoryview | Path | AsyncIterable[bytes],
        content_type: str = "application/json; charset=UTF-8",
    ) -> str:
        """Create a feed document and upload its content; returns the ``feedDocumentId`` for createFeed.

        A path is read in a thread, piece by piece. What is iterated is spooled to a temporary file first, because S3
        wants the length in advance. An upload that breaks is repeated.

        Usage plan: createFeedDocument, 0.5 requests a second, burst 15. Amazon advises UTF-8 and files under 10 MiB.

        Raises:
            ConfigurationError: ``data`` is none of these; text must be encoded first.
            OSError: the file cannot be read.
            DocumentError: S3 refused it.
            TransportError: it could not be sent.
        """
        if not content_type.isascii() or not content_type.isprintable() or not content_type:
            raise ConfigurationError("content_type must be printable ASCII")
        if isinstance(data, bytes | bytearray | memoryview):
            return await self._upload(bytes(data), content_type)
        if not isinstance(data, Path | AsyncIterable):
            raise ConfigurationError(
                f"data must be bytes, a Path or an async iterable of bytes, not {type(data).__name__}"
            )
        if isinstance(data, Path):
            async with await anyio.open_file(data, "rb") as file:
                return await self._upload(file, content_type)
        async with await _spooled(data) as file:
            return await self._upload(file, content_type)

    def __repr__(self) -> str:
        return f"<Documents of {self._caller!r}>"

    async def _document(
        self, locate: Callable[[], Awaitable[Location]], operation: str, charset: str | None, errors: str
    ) -> Document:
        check_choice(charset, errors)
        download = Download(self._resources.pool, await locate(), locate, operation)
        started = self._resources.clock.monotonic()

        def ended(download: Download, error: str | None) -> None:
            self._tell(
                operation,
                error,
                size=download.received,
                requests=download.requests,
                started=started,
                complete=download.complete,
            )

        return Document(download, charset=charset, errors=errors, ended=ended)

    def _tell(
        self, operation: str, error: str | None, *, size: int, requests: int, started: float, complete: bool
    ) -> None:
        observers = self._resources.observers
        if observers:
            observers.emit(
                DocumentFinished(
                    operation=operation,
                    account=self._caller.name,
                    size=size,
                    requests=requests,
                    seconds=self._resources.clock.monotonic() - started,
                    complete=complete,
                    error=error,
                )
            )

    async def _upload(self, data: bytes | anyio.AsyncFile[bytes], content_type: str) -> str:
        size = len(data) if isinstance(data, bytes) else await data.seek(0, os.SEEK_END)
        feed_document_id, url = await self._new_document(content_type)
        started, requests, error = self._resources.clock.monotonic(), itertools.count(), None
        try:
            return await self._upload_to(feed_document_id, url, data, size, content_type, requests=requests)
        except BaseException as exc:
            error = type(exc).__name__
            raise
        finally:
            done = error is None
            self._tell(
                _UPLOAD, error, size=size if done else 0, requests=next(requests), started=started, complete=done
            )

    async def _upload_to(
        self,
        feed_document_id: str,
        url: str,
        data: bytes | anyio.AsyncFile[bytes],
        size: int,
        content_type: str,
        *,
        requests: Iterator[int],
    ) -> str:
        pauses = list(_download.PAUSES)
        renewed = False
        while True:
            next(requests)
            try:
                refusal = await self._put(url, data, size, content_type)
            except TransportError:
                # A PUT of the same bytes to the same key: repeating it changes nothing.
                if not pauses:
                    raise
            else:
                if refusal is None:
                    return feed_document_id
                if refusal.expired:
                    if renewed:
                        raise expired_twice(refusal)
                    renewed = True
                    feed_document_id, url = await self._new_document(content_type)
                    continue
                if not refusal.passing or not pauses:
                    raise refusal
            await self._resources.clock.sleep(pauses.pop(0))

    async def _new_document(self, content_type: str) -> tuple[str, str]:
        from spapi_async.api.feeds_2021_06_30 import CREATE_FEED_DOCUMENT

        made = await self._caller.fetch(CREATE_FEED_DOCUMENT, body={"contentType": content_type})
        return made.feed_document_id, made.url

    async def _put(
        self, url: str, data: bytes | anyio.AsyncFile[bytes], size: int, content_type: str
    ) -> RefusedError | None:
        if not isinstance(data, bytes):
            await data.seek(0)
        body = _slices_of(data) if isinstance(data, bytes) else _pieces_of(data, size)
        # The signature covers the content type, to the letter.
        headers = {"content-type": content_type, "content-length": str(size), "accept": "*/*"}
        async with self._resources.pool.stream("PUT", url, headers=headers, body=body, session_key=SESSION) as reply:
            if 200 <= reply.status < 300:
                async for _ in reply.chunks:
                    pass
                return None
            return await refusal_of(reply, _UPLOAD)


async def _slices_of(data: bytes) -> AsyncIterator[bytes]:
    """Bytes, piece by piece: aiohttp warns of a large body that it is to write at once, and rightly."""
    for at in range(0, len(data), _PIECE):
        yield data[at : at + _PIECE]


async def _pieces_of(file: anyio.AsyncFile[bytes], size: int) -> AsyncIterator[bytes]:
    """A file's bytes, as many as were announced."""
    while size > 0:
        piece = await file.read(min(_PIECE, size))
        if not piece:
            raise ConfigurationError("the file became shorter while it was uploaded")
        size -= len(piece)
        yield piece


async def _spooled(data: AsyncIterable[bytes]) -> anyio.AsyncFile[bytes]:
    """A temporary file without a name that holds these bytes."""
    file = anyio.wrap_file(await anyio.to_thread.run_sync(tempfile.TemporaryFile))
    try:
        async for piece in data:
            await file.write(piece)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await file.aclose()
        raise
    return file
