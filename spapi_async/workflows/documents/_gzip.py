"""Decompresses gzip in steps of bounded size.

Amazon announces gzipped documents by ``compressionAlgorithm`` in the API's reply, by ``Content-Encoding: gzip``, by
both, or falsely as ``identity``; and a proxy may have removed the compression. So only the first bytes decide: a
document that begins with gzip's magic number is decompressed, once, and any other is not.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from spapi_async.errors import DocumentError, DocumentTruncatedError

deflate: Any
try:
    from isal import isal_zlib

    deflate = isal_zlib
except ImportError:
    deflate = zlib

__all__ = ["STEP", "Gunzip", "Plain", "looks_gzipped"]

STEP = 64 * 1024
"""The most bytes of output at a time, however far a file expands; producing them takes less than a millisecond."""

# The decompressor returns unused input as a copy; short slices keep these copies cheap.
_SLICE = 16 * 1024
_MAGIC = b"\x1f\x8b\x08"
_GZIP_WBITS = 16 + zlib.MAX_WBITS
_ERRORS: tuple[type[Exception], ...] = (deflate.error, zlib.error)


def looks_gzipped(start: bytes) -> bool | None:
    """Whether a document with this beginning is gzipped; None if there are too few bytes to tell."""
    if start.startswith(_MAGIC):
        return True
    return None if _MAGIC.startswith(start) else False


class Plain:
    """Takes the place of :class:`Gunzip` for a document that is not compressed."""

    __slots__ = ()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The chunk, in pieces of at most :data:`STEP` bytes."""
        for at in range(0, len(chunk), STEP):
            yield chunk[at : at + STEP]

    def finish(self) -> None:
        """The file ends here."""


class Gunzip:
    """Decompresses a file of one or more gzip members, which is fed in chunks of any size."""

    __slots__ = ("_inflate", "_members")

    def __init__(self) -> None:
        self._inflate: Any = None
        self._members = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The decompressed content of a chunk, in pieces of at most :data:`STEP` bytes.

        Raises:
            DocumentError: the bytes are not gzip, or a checksum is wrong.
        """
        for at in range(0, len(chunk), _SLICE):
            yield from self._feed_slice(chunk[at : at + _SLICE])

    def finish(self) -> None:
        """The file ends here.

        Raises:
            DocumentTruncatedError: a member is not complete.
        """
        if self._inflate is not None or not self._members:
            raise DocumentTruncatedError("the gzip file ends before its checksum: it was cut off")

    def _feed_slice(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._inflate is None:
                # A file may be padded with zero bytes after a member.
                data = data.lstrip(b"\0") if self._members else data
                if not data:
                    return
                self._inflate = deflate.decompressobj(wbits=_GZIP_WBITS)
            try:
                out = self._inflate.decompress(data, STEP)
            except _ERRORS as error:
                raise DocumentError("the gzip file is damaged") from error
            data = self._inflate.unconsumed_tail
            if out:
                yield out
            if self._inflate.eof:
                data, self._inflate = self._inflate.unused_data, None
                self._members += 1
            elif not data and len(out) < STEP:  # after a full step there may be more output without more input
                return
