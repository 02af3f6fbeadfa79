"""``seller.documents``: downloads of documents, and uploads for feeds and other resources."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from pathlib import Path
from typing import Any

from spapi_async._core.caller import Caller
from spapi_async._core.events import DocumentFinished
from spapi_async._core.frames import forgetting_locals
from spapi_async._core.operation import Operation
from spapi_async._core.resources import Resources
from spapi_async.errors import ConfigurationError, DocumentUrlExpiredError
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.documents._charset import check_choice
from spapi_async.workflows.documents._document import Document
from spapi_async.workflows.documents._download import Download, Locate, Progress
from spapi_async.workflows.documents._location import Location, PresignedUrl, life_span
from spapi_async.workflows.documents._upload import Destination, Upload, check_content_type, content_of

__all__ = ["Documents"]

_URL = "documents.url"


class Documents:
    """The documents of one selling partner.

    ``charset`` overrides the encoding that a document announces, ``errors`` is as for ``bytes.decode``, ``progress`` is
    called with the number of bytes received so far and the total (None if it is unknown).
    """

    __slots__ = ("_caller", "_resources")

    def __init__(self, caller: Caller, resources: Resources) -> None:
        self._caller = caller
        self._resources = resources

    def report(
        self,
        report_document_id: str,
        *,
        charset: str | None = None,
        errors: str = "replace",
        progress: Progress | None = None,
    ) -> Document:
        """The document of a report: ``async with seller.documents.report(id) as document``.

        Uses a restricted data token if the report's type requires one. Usage plan: getReportDocument, 0.0167 requests
        a second, burst 15.
        """
        from spapi_async.api.reports_2021_06_30 import GET_REPORT_DOCUMENT

        locate = self._locator(GET_REPORT_DOCUMENT, "url", report_document_id=report_document_id)
        return self._document(locate, GET_REPORT_DOCUMENT.name, charset, errors, progress)

    def feed_result(
        self,
        feed_document_id: str,
        *,
        charset: str | None = None,
        errors: str = "replace",
        progress: Progress | None = None,
    ) -> Document:
        """The processing report of a feed, by its ``resultFeedDocumentId``.

        Usage plan: getFeedDocument, 0.0222 requests a second, burst 10.
        """
        from spapi_async.api.feeds_2021_06_30 import GET_FEED_DOCUMENT

        locate = self._locator(GET_FEED_DOCUMENT, "url", feed_document_id=feed_document_id)
        return self._document(locate, GET_FEED_DOCUMENT.name, charset, errors, progress)

    def query_result(
        self, document_id: str, *, charset: str | None = None, errors: str = "replace", progress: Progress | None = None
    ) -> Document:
        """The data (or the errors) of a Data Kiosk query, by its ``dataDocumentId`` or ``errorDocumentId``.

        Usage plan: getDocument, 0.0167 requests a second, burst 15.
        """
        from spapi_async.api.data_kiosk_2023_11_15 import GET_DOCUMENT

        locate = self._locator(GET_DOCUMENT, "document_url", document_id=document_id)
        return self._document(locate, GET_DOCUMENT.name, charset, errors, progress)

    def url(
        self,
        url: str,
        *,
        fresh: Callable[[], Awaitable[str]] | None = None,
        charset: str | None = None,
        errors: str = "replace",
        progress: Progress | None = None,
    ) -> Document:
        """The document at a presigned URL from a reply: a label, an invoice, the schema of a product type.

        Such URLs are valid for 30 seconds (Brazilian invoices) to 7 days (product types). If the URL has expired,
        before or during the download, ``fresh`` is called for another one; without ``fresh``, DocumentUrlExpiredError
        is raised. No access token is sent.
        """
        if not isinstance(url, str) or not url:
            raise ConfigurationError("url is empty or not text; it must be a presigned URL from a reply")
        first, seconds = [PresignedUrl(url)], life_span(url)

        async def locate() -> Location:
            if first:
                return Location.given(first.pop(), _URL)
            if fresh is None:
                raise _expired(seconds)
            return Location.given(await fresh(), _URL)

        return self._document(locate, _URL, charset, errors, progress)

    @forgetting_locals
    async def upload(
        self,
        data: bytes | bytearray | memoryview | Path | AsyncIterable[bytes],
        content_type: str = "application/json; charset=UTF-8",
        *,
        resource: str | None = None,
        marketplace: Marketplace | str | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Create a feed document and upload its content; returns the ``feedDocumentId`` for createFeed.

        With a ``resource`` (``"aplus/2020-11-01/contentDocuments"``, ``"messaging/v1/orders/…"``) and a
        ``marketplace``, the content is uploaded to an upload destination for that resource, and its
        ``uploadDestinationId`` is returned.

        A file is read in a thread, piece by piece. The content of an iterable is first written to a temporary file,
        because S3 requires the length in advance. An upload whose connection breaks is repeated.

        Usage plans: createFeedDocument, 0.5 requests a second, burst 15; createUploadDestinationForResource, 10 and 10.
        Amazon advises UTF-8 and feeds under 10 MiB.

        Raises:
            ConfigurationError: ``data`` has another type; text must be encoded first.
            OSError: the file cannot be read.
            DocumentError: S3 refused it.
            TransportError: the content could not be sent.
        """
        check_content_type(content_type)
        if (resource is None) != (marketplace is None):
            raise ConfigurationError("resource and marketplace must be given together, or neither of them for a feed")
        async with content_of(data) as content:
            if resource is None:
                choose, operation = self._feed_destination(content_type)
            else:
                choose, operation = self._resource_destination(resource, marketplace, content_type, await content.md5())
            upload = Upload(self._resources, choose, operation, progress)
            started, error = self._resources.clock.monotonic(), None
            try:
                return await upload.send(content, content_type)
            except BaseException as exc:
                error = type(exc).__name__
                raise
            finally:
                self._tell(operation, error, upload.sent, upload.requests, started, complete=error is None)

    def _feed_destination(self, content_type: str) -> tuple[Callable[[], Awaitable[Destination]], str]:
        from spapi_async.api.feeds_2021_06_30 import CREATE_FEED_DOCUMENT

        name = CREATE_FEED_DOCUMENT.name

        async def choose() -> Destination:
            made = await self._caller.fetch(CREATE_FEED_DOCUMENT, body={"contentType": content_type})
            return Destination.given(_field(made, "feed_document_id"), _field(made, "url"), {}, name)

        return choose, name

    def _resource_destination(
        self, resource: str, marketplace: Marketplace | str | None, content_type: str, md5: str
    ) -> tuple[Callable[[], Awaitable[Destination]], str]:
        from spapi_async.api.uploads_2020_11_01 import CREATE_UPLOAD_DESTINATION_FOR_RESOURCE

        name = CREATE_UPLOAD_DESTINATION_FOR_RESOURCE.name
        arguments = {
            "resource": resource.strip("/"),
            "marketplace_ids": [marketplace],
            "content_md5": md5,
            "content_type": content_type,
        }

        async def choose() -> Destination:
            made = await self._caller.fetch(CREATE_UPLOAD_DESTINATION_FOR_RESOURCE, **arguments)
            id_, url, headers = (_field(made, field) for field in ("upload_destination_id", "url", "headers"))
            return Destination.given(id_, url, headers, name)

        return choose, name

    def _locator(self, operation: Operation[Any], field: str, **arguments: str) -> Locate:
        """A function that asks the API for the URL of a document."""

        async def locate() -> Location:
            found = await self._caller.fetch(operation, **arguments)
            gzipped = _field(found, "compression_algorithm") is not None
            return Location.given(_field(found, field), operation.name, gzipped=gzipped)

        return locate

    def __repr__(self) -> str:
        return f"<Documents of {self._caller!r}>"

    def _document(
        self,
        locate: Locate,
        operation: str,
        charset: str | None,
        errors: str,
        progress: Progress | None,
    ) -> Document:
        check_choice(charset, errors)

        def ended(download: Download, error: str | None) -> None:
            size, requests, started = download.received, download.requests, download.started
            self._tell(operation, error, size, requests, started, complete=download.complete)

        download = Download(self._resources, locate, operation, progress=progress)
        return Document(download, charset=charset, errors=errors, ended=ended)

    def _tell(
        self, operation: str, error: str | None, size: int, requests: int, started: float, *, complete: bool
    ) -> None:
        if requests and self._resources.observers:
            self._resources.observers.emit(
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


def _field(reply: object, field: str) -> Any:
    """A field of a reply; None if it is absent. The lenient decoder may have returned something other than a struct."""
    return getattr(reply, field, None)


def _expired(seconds: int | None) -> DocumentUrlExpiredError:
    valid = "" if seconds is None else f", which was valid for {seconds:,} s,"
    return DocumentUrlExpiredError(
        f"the presigned URL{valid} has expired: call the operation that returned it again, or pass fresh=",
        operation=_URL,
    )
