"""A report's document as a file in the format that was asked for."""

from __future__ import annotations

import csv
import io
import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import msgspec

from spapi_async.errors import ConfigurationError

if TYPE_CHECKING:
    from spapi_async.workflows.documents import Document
    from spapi_async.workflows.reports import ReportType

__all__ = ["write_report"]

_PIECE = 256 * 1024


async def write_report(document: Document, out: str, file_format: str | None, kind: ReportType) -> int:
    """Write it; returns how many bytes. A file appears under its name when it is complete.

    Raises:
        ConfigurationError: the format needs rows, and the report has none.
    """
    if file_format is not None and kind.format is not None and not kind.has_rows:
        raise ConfigurationError(f"{kind.name} is {kind.format.upper()}, not rows: leave --format out")
    if file_format == "parquet":
        await document.save_parquet(out)
        return (await anyio.Path(out).stat()).st_size
    if file_format is None and out != "-":
        return await document.save(out)
    delimiter = "," if kind.format == "csv" else "\t"
    if file_format == "tsv":
        return await _write(_tsv(document, delimiter), out)
    if file_format == "jsonl":
        return await _write(_json_lines(document, delimiter), out)
    return await _write(document.iter_bytes(), out)


async def _tsv(document: Document, delimiter: str) -> AsyncIterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    async for cells in document.iter_cells(delimiter):
        writer.writerow(cells)
        if text.tell() >= _PIECE:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


async def _json_lines(document: Document, delimiter: str) -> AsyncIterator[bytes]:
    held = bytearray()
    async for row in document.iter_rows(delimiter):
        held += msgspec.json.encode(row)
        held += b"\n"
        if len(held) >= _PIECE:
            yield bytes(held)
            held.clear()
    yield bytes(held)


async def _write(pieces: AsyncIterator[bytes], out: str) -> int:
    size = 0
    if out == "-":
        async for piece in pieces:
            size += len(piece)
            await anyio.to_thread.run_sync(sys.stdout.buffer.write, piece)
        await anyio.to_thread.run_sync(sys.stdout.buffer.flush)
        return size
    target = Path(out)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        async with await anyio.open_file(unfinished, "xb") as file:
            async for piece in pieces:
                size += len(piece)
                await file.write(piece)
            await file.flush()
            await anyio.to_thread.run_sync(os.fsync, file.wrapped.fileno())
        await anyio.to_thread.run_sync(os.replace, unfinished, target)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.Path(unfinished).unlink(missing_ok=True)
        raise
    return size
