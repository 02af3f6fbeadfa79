"""Uploads bytes, a file, or the content of an iterable to a presigned URL; a failed upload is repeated.

A PUT of the same bytes to the same key changes nothing, so repeating it is safe. S3 requires the length in advance, so
the content of an iterable is written to a temporary file first.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from spapi_async._core.frames import without_arguments
from spapi_async._core.options import current_options
from spapi_async._core.resources import Resources
from spapi_async.errors import ConfigurationError, DecodeError, DocumentError, SPAPIError, TransportError
from spapi_async.workflows.documents._deadline import Deadline
from spapi_async.workflows.documents._download import PAUSES, SESSION, Progress
from spapi_async.workflows.documents._location import PresignedUrl, checked_url
from spapi_async.workflows.documents._refusal import RefusedError, expired_twice, refusal_of

__all__ = ["Content", "Destination", "Upload", "check_content_type", "content_of"]

_PIECE_SIZE = 64 * 1024
_HOP_BY_HOP = {"connection", "content-length", "host", "transfer-encoding", "upgrade", "expect", "te", "trailer"}


class Content:
    """The content of an upload: its size, and its bytes, which can be read several times."""

    __slots__ = ("_data", "size")

    def __init__(self, data: bytes | anyio.AsyncFile[bytes], size: int) -> None:
        self._data = data
        self.size = size

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes in pieces, since writing a large body at once would block the event loop.

        Raises:
            ConfigurationError: the file has become shorter.
        """
        if isinstance(self._data, bytes):
            for at in range(0, self.size, _PIECE_SIZE):
                yield self._data[at : at + _PIECE_SIZE]
            return
        await self._data.seek(0)
        left = self.size
        while left > 0:
            piece = await self._data.read(min(_PIECE_SIZE, left))
            if not piece:
                raise ConfigurationError(
                    f"the file became shorter during the upload: {left:,} of {self.size:,} bytes are missing"
                )
            left -= len(piece)
            yield piece

    async def md5(self) -> str:
        """The MD5 in base64, as in the header Content-MD5."""
        digest = hashlib.md5(usedforsecurity=False)
        if isinstance(self._data, bytes):
            await anyio.to_thread.run_sync(without_arguments(digest.update, self._data))
        else:
            async for piece in self.pieces():
                digest.update(piece)
        return base64.b64encode(digest.digest()).decode("ascii")


@asynccontextmanager
async def content_of(data: Any) -> AsyncIterator[Content]:
    """The data in a form that can be uploaded.

    Raises:
        ConfigurationError: the data are neither bytes, nor a Path, nor an async iterable of bytes.
        OSError: the file cannot be read.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        content = bytes(data)
        yield Content(content, len(content))
        return
    if not isinstance(data, Path | AsyncIterable):
        raise ConfigurationError(f"data must be bytes, a Path or an async iterable of bytes, not {type(data).__name__}")
    async with await (anyio.open_file(data, "rb") if isinstance(data, Path) else _spooled(data)) as file:
        yield Content(file, await file.seek(0, os.SEEK_END))


def check_content_type(content_type: str) -> None:
    """Refuse a content type that cannot be sent.

    Raises:
        ConfigurationError: it is empty, or not printable ASCII.
    """
    if not content_type or not content_type.isascii() or not content_type.isprintable():
        raise ConfigurationError(f"content_type must be printable ASCII, not {content_type!r}")


class Destination(NamedTuple):
    """The destination of an upload: its id, its URL, and the headers that the URL's signature covers."""

    id: str
    url: PresignedUrl
    headers: Mapping[str, str] = {}

    @classmethod
    def given(cls, id_: object, url: object, headers: object, operation: str) -> Destination:
        """The destination that a reply names.

        Raises:
            DecodeError: the reply has no id or no URL.
            DocumentError: the URL or a header cannot be sent.
        """
        if not isinstance(id_, str) or not id_ or not isinstance(url, str) or not url:
            raise DecodeError("the reply has no id or no URL for the upload", operation=operation)
        named = headers if isinstance(headers, Mapping) else {}
        wanted = {name: _header(value) for name, value in named.items() if name.lower() not in _HOP_BY_HOP}
        if not all(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) and value.isprintable() and value.isascii()
                   for name, value in wanted.items()):  # fmt: skip
            raise DocumentError("the reply has a header for the upload that cannot be sent", operation=operation)
        return cls(id_, checked_url(url, operation), wanted)


class Upload:
    """One upload, with counts of its requests and bytes.

    Args:
        resources: connections and clock.
        choose: asks the API for a destination; called again if the URL has expired.
        operation: the name of the API's operation, for messages.
        progress: called when bytes have been sent.
    """

    __slots__ = ("_choose", "_operation", "_progress", "_resources", "requests", "sent")

    def __init__(
        self,
        resources: Resources,
        choose: Callable[[], Awaitable[Destination]],
        operation: str,
        progress: Progress | None,
    ) -> None:
        self._resources = resources
        self._choose = choose
        self._operation = operation
        self._progress = progress
        self.requests = 0
        self.sent = 0
        """The number of bytes, once the upload is complete."""

    async def send(self, content: Content, content_type: str) -> str:
        """Upload the content; returns the id of its destination.

        Raises:
            DocumentError: S3 refused it.
            TransportError: it could not be sent in time.
        """
        deadline = Deadline(self._resources.clock, current_options().deadline, self._operation)
        pauses, renewed = list(PAUSES), False
        destination = await deadline.bounded(self._choose())
        while True:
            try:
                refusal = await deadline.bounded(self._put(destination, content, content_type))
            except TransportError as error:
                if not pauses or deadline.passed:
                    raise
                failure: SPAPIError = error
            else:
                if refusal is None:
                    self.sent = content.size
                    return destination.id
                if refusal.expired:
                    if renewed:
                        raise expired_twice(refusal)
                    renewed = True
                    destination = await deadline.bounded(self._choose())
                    continue
                if not refusal.transient or not pauses:
                    raise refusal
                failure = refusal
            await deadline.pause(pauses.pop(0), failure)

    async def _put(self, destination: Destination, content: Content, content_type: str) -> RefusedError | None:
        # The signature covers the exact content type, and the headers that the API names.
        headers = {name.lower(): value for name, value in destination.headers.items()}
        headers = {"content-type": content_type, "accept": "*/*", **headers, "content-length": str(content.size)}
        self.requests += 1
        pool, silence = self._resources.pool, current_options().timeout
        body = self._counted(content)
        async with pool.stream(
            "PUT", destination.url, headers=headers, body=body, silence=silence, session_key=SESSION
        ) as reply:
            if 200 <= reply.status < 300:
                async for _ in reply.chunks:
                    pass
                return None
            return await refusal_of(reply, self._operation)

    async def _counted(self, content: Content) -> AsyncIterator[bytes]:
        sent = 0
        async for piece in content.pieces():
            yield piece
            sent += len(piece)
            if self._progress is not None:
                self._progress(sent, content.size)


def _header(value: object) -> str:
    """The value of a header as text; in Amazon's model the headers are an object without further types."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


async def _spooled(data: AsyncIterable[bytes]) -> anyio.AsyncFile[bytes]:
    """A temporary file with these bytes."""
    file = anyio.wrap_file(await anyio.to_thread.run_sync(tempfile.TemporaryFile))
    try:
        async for piece in data:
            await anyio.to_thread.run_sync(without_arguments(file.wrapped.write, piece))
    except BaseException:
        with anyio.CancelScope(shield=True):
            await file.aclose()
        raise
    return file
