"""Several reports read as one file: what :class:`Document` reads from in place of a download."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import NamedTuple

from spapi_async.errors import DocumentError
from spapi_async.workflows.documents import Document

__all__ = ["JoinedFile"]

_PIECE = 64 * 1024


class _Place(NamedTuple):
    """What the API says about the file: it is not compressed."""

    url: str = ""
    gzipped: bool = False


class JoinedFile:
    """The lines of several files under the header of the first, as UTF-8; of none: an empty file.

    Each part is opened when the one before it has been read.
    """

    operation = "reports_2021_06_30.get_report_document"

    def __init__(self, parts: Sequence[Callable[[], AbstractAsyncContextManager[Document]]] = ()) -> None:
        self._parts = parts
        self.headers: Mapping[str, str] = {}
        self.location = _Place()
        self.received = 0
        self.requests = 0
        self.total: int | None = None
        self.complete = False

    async def open(self) -> None:
        """Nothing is asked for before the first line is read."""
        self.headers = {"content-type": "text/plain; charset=UTF-8"}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file, in pieces of some 64 KB.

        Raises:
            DocumentError: the parts do not have the same columns.
        """
        header: str | None = None
        for part in self._parts:
            async with part() as document, aclosing(document.iter_lines()) as lines:
                first = await anext(lines, None)
                if first is None:
                    continue
                if header is None:
                    header = first
                    yield self._counted([first])
                elif first != header:
                    raise DocumentError("the reports of this window have different columns: ask for shorter windows")
                held: list[str] = []
                size = 0
                async for line in lines:
                    held.append(line)
                    size += len(line)
                    if size >= _PIECE:
                        yield self._counted(held)
                        held, size = [], 0
                if held:
                    yield self._counted(held)
        self.complete = True

    async def aclose(self) -> None:
        """The part that is being read closes with its iterator."""

    def _counted(self, lines: list[str]) -> bytes:
        piece = "".join([f"{line}\n" for line in lines]).encode()
        self.received += len(piece)
        return piece
