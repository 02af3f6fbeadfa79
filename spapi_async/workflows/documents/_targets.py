"""Where a document is saved: a file that appears when it is complete, gzipped where its name ends so, or stdout."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import anyio

__all__ = ["STDOUT", "Target", "target_at", "unfinished_file"]

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

    The file appears under its name when the block ends well, and not at all otherwise.
    """
    if path == STDOUT:
        target = _File(lambda: sys.stdout.buffer, gzipped=False)  # which stays open
        yield target
        await target.finish()
        return
    async with unfinished_file(path) as unfinished:
        target = _File(lambda: unfinished.open("xb"), gzipped=os.fspath(path).endswith(".gz"))
        try:
            yield target
            await target.finish()
        finally:
            with anyio.CancelScope(shield=True):
                await target.aclose()


@asynccontextmanager
async def unfinished_file(path: str | os.PathLike[str]) -> AsyncIterator[Path]:
    """A name beside this one for a file to be made, which takes its place when the block ends well."""
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield unfinished
        await anyio.to_thread.run_sync(os.replace, unfinished, target)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.Path(unfinished).unlink(missing_ok=True)
        raise


class _File:
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
