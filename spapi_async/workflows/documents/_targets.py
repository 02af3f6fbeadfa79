"""The targets of a saved document: a file (gzipped if its name ends in ``.gz``), a device, a pipe, or stdout."""

from __future__ import annotations

import os
import sys
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import anyio

from spapi_async.workflows.documents._unfinished import check_target, is_special, unfinished_file

__all__ = ["STDOUT", "Target", "target_at"]

STDOUT = "-"
_WRITE_SIZE = 1024 * 1024
_GZIP_WBITS = 16 + zlib.MAX_WBITS


class Target(Protocol):
    """Receives the bytes of a document."""

    async def write(self, piece: bytes) -> None:
        """Write the bytes, or keep them for a later write."""


@asynccontextmanager
async def target_at(path: str | os.PathLike[str]) -> AsyncIterator[Target]:
    """A target that writes to a path (``"-"``: stdout) in a thread, a megabyte at a time.

    A file appears under its name when the block ends without an error, and otherwise not at all. A device or a pipe is
    written to directly.

    Raises:
        OSError: as :func:`check_target`; or writing failed.
    """
    if path == STDOUT:
        target = FileTarget(lambda: sys.stdout.buffer, gzipped=False)  # stdout is not closed
        yield target
        await target.finish()
        return
    gzipped = os.fspath(path).endswith(".gz")
    await anyio.to_thread.run_sync(check_target, path)
    if await anyio.to_thread.run_sync(is_special, path):
        async with _closing(FileTarget(lambda: Path(path).open("wb"), gzipped=gzipped)) as target:
            yield target
        return
    async with (
        unfinished_file(path) as unfinished,
        _closing(FileTarget(lambda: unfinished.open("wb"), gzipped=gzipped)) as target,
    ):
        yield target


@asynccontextmanager
async def _closing(target: FileTarget) -> AsyncIterator[FileTarget]:
    """Write the remaining bytes when the block ends without an error, and close the target in any case."""
    try:
        yield target
        await target.finish()
    finally:
        with anyio.CancelScope(shield=True):
            await target.aclose()


class FileTarget:
    """Compresses and writes in a thread, a megabyte at a time.

    A cancelled caller continues while the thread is still writing, so closing waits for the thread, and nothing is
    written or opened after that.
    """

    __slots__ = ("_closed", "_file", "_held", "_lock", "_open", "_pack")

    def __init__(self, open_: Callable[[], BinaryIO], *, gzipped: bool) -> None:
        self._open = open_
        self._file: BinaryIO | None = None
        self._held = bytearray()
        self._pack = zlib.compressobj(wbits=_GZIP_WBITS) if gzipped else None
        self._lock = threading.Lock()
        self._closed = False

    async def write(self, piece: bytes) -> None:
        self._held += piece
        if len(self._held) >= _WRITE_SIZE:
            await self._flush(last=False)

    async def finish(self) -> None:
        """Write the remaining bytes, and wait until they are on the disk."""
        await self._flush(last=True)

    async def aclose(self) -> None:
        """Close the file."""
        await anyio.to_thread.run_sync(self._close)

    async def _flush(self, *, last: bool) -> None:
        # The bytes are no argument: an exception would show them in the frames of anyio's thread.
        await anyio.to_thread.run_sync(self._write, last)

    def _write(self, last: bool) -> None:  # noqa: FBT001 -- run_sync passes no keywords
        with self._lock:
            if self._closed:
                return
            held, self._held = self._held, bytearray()
            file = self._file = self._file or self._open()
            file.write(held if self._pack is None else self._pack.compress(held))
            if last:
                file.write(b"" if self._pack is None else self._pack.flush())
                file.flush()
                with suppress(OSError):  # a pipe or a terminal cannot be synchronised
                    os.fsync(file.fileno())

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()
