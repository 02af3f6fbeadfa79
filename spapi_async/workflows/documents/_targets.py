"""Where a document is saved: a file, gzipped where its name ends so, a device or pipe as it is, or stdout."""

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
_WRITE = 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class Target(Protocol):
    """Takes bytes in."""

    async def write(self, piece: bytes) -> None:
        """Write them, or keep them for later."""


@asynccontextmanager
async def target_at(path: str | os.PathLike[str]) -> AsyncIterator[Target]:
    """What writes to a path, ``"-"`` for stdout, in a thread and a megabyte at a time.

    A file appears under its name when the block ends well, and not at all otherwise. A device or a pipe is written to
    as it is.

    Raises:
        OSError: as :func:`check_target`, and what writing raises.
    """
    if path == STDOUT:
        target = FileTarget(lambda: sys.stdout.buffer, gzipped=False)  # which stays open
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
    """Write what is held when the block ends well, and close in any case."""
    try:
        yield target
        await target.finish()
    finally:
        with anyio.CancelScope(shield=True):
            await target.aclose()


class FileTarget:
    """Writes a megabyte at a time, in a thread; compressing happens there too.

    A caller that is cancelled goes on while the thread still writes, so closing waits for it, and nothing is written
    or opened afterwards.
    """

    __slots__ = ("_closed", "_file", "_held", "_lock", "_open", "_pack")

    def __init__(self, open_: Callable[[], BinaryIO], *, gzipped: bool) -> None:
        self._open = open_
        self._file: BinaryIO | None = None
        self._held = bytearray()
        self._pack = zlib.compressobj(wbits=_GZIP) if gzipped else None
        self._lock = threading.Lock()
        self._closed = False

    async def write(self, piece: bytes) -> None:
        self._held += piece
        if len(self._held) >= _WRITE:
            await self._flush(last=False)

    async def finish(self) -> None:
        """Write what is left, to the disk."""
        await self._flush(last=True)

    async def aclose(self) -> None:
        """Close the file."""
        await anyio.to_thread.run_sync(self._close)

    async def _flush(self, *, last: bool) -> None:
        held, self._held = self._held, bytearray()
        await anyio.to_thread.run_sync(self._write, held, last)

    def _write(self, held: bytearray, last: bool) -> None:  # noqa: FBT001 -- run_sync passes no keywords
        with self._lock:
            if self._closed:
                return
            file = self._file = self._file or self._open()
            file.write(held if self._pack is None else self._pack.compress(held))
            if last:
                file.write(b"" if self._pack is None else self._pack.flush())
                file.flush()
                with suppress(OSError):  # a pipe or a terminal has no disk
                    os.fsync(file.fileno())

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()
