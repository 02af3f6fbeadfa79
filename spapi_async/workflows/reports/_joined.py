"""Several reports as one file, which :class:`Document` reads like a download."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import NamedTuple

from spapi_async.errors import DocumentError
from spapi_async.workflows.documents import Document
from spapi_async.workflows.documents._charset import utf8_of
from spapi_async.workflows.reports._joined_xml import JoinedXml

__all__ = ["JoinedFile"]

_PIECE_CHARACTERS = 64 * 1024


class _Location(NamedTuple):
    """Where a download is, as the API describes it: a joined file has no URL and is not compressed."""

    url: str = ""
    gzipped: bool = False


class JoinedFile:
    """The lines of several files under the header of the first, as UTF-8; an empty file if there are no parts.

    XML files are joined under the root of the first, without the roots of the others. Each part is opened when the one
    before it has been read.
    """

    operation = "reports_2021_06_30.get_report_document"

    def __init__(
        self, parts: Sequence[Callable[[], AbstractAsyncContextManager[Document]]] = (), *, xml: bool = False
    ) -> None:
        self._parts = parts
        self._xml = xml
        self.headers: Mapping[str, str] = {}
        self.location = _Location()
        self.received = 0
        self.requests = 0
        self.total: int | None = None
        self.complete = False
        self.replaced = 0
        """Invalid bytes in the parts so far that became U+FFFD."""

    async def open(self) -> None:
        """Sends no request: the first part is opened when the first line is read."""
        self.headers = {"content-type": "text/plain; charset=UTF-8"}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file, in pieces of about 64 KB.

        Raises:
            DocumentError: the parts differ in their columns, or in their roots.
        """
        pieces = self._joined_xml() if self._xml else self._joined_lines()
        async with aclosing(pieces):
            async for piece in pieces:
                self.received += len(piece)
                yield piece
        self.complete = True

    async def _joined_xml(self) -> AsyncGenerator[bytes, None]:
        joined = JoinedXml()
        for part in self._parts:
            async with part() as document, aclosing(document.iter_text()) as texts:
                async for text in texts:
                    yield utf8_of(joined.feed(text))
                self.replaced += document.replaced
            yield utf8_of(joined.end_part())
        yield utf8_of(joined.end())

    async def _joined_lines(self) -> AsyncGenerator[bytes, None]:
        header: str | None = None
        for part in self._parts:
            async with part() as document, aclosing(document.iter_lines()) as lines:
                first = await anext(lines, None)
                if first is None:
                    continue
                if header is None:
                    header = first
                    yield _encoded([first])
                elif first != header:
                    raise DocumentError(
                        "the reports of this window have different columns: request shorter windows, one at a time"
                    )
                held: list[str] = []
                size = 0
                async for line in lines:
                    held.append(line)
                    size += len(line)
                    if size >= _PIECE_CHARACTERS:
                        yield _encoded(held)
                        held, size = [], 0
                self.replaced += document.replaced
                if held:
                    yield _encoded(held)

    async def aclose(self) -> None:
        """Nothing to do: the part that is being read is closed with its iterator."""


def _encoded(lines: list[str]) -> bytes:
    return utf8_of("".join([f"{line}\n" for line in lines]))
