"""Writes the file of a command: a report's document in the chosen format, or pieces of bytes."""

from __future__ import annotations

import csv
import io
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
import msgspec

from spapi_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from spapi_async.workflows.documents import Document
    from spapi_async.workflows.reports import ReportType

__all__ = ["check_out", "write_pieces", "write_report"]

_PIECE = 256 * 1024


def check_out(out: str) -> None:
    """Refuse an ``--out`` that cannot be written to, before anything is sent to Amazon.

    Raises:
        ConfigurationError: it is a folder, or its folder does not exist.
    """
    from spapi_async.workflows.documents._unfinished import check_target

    try:
        check_target(out)
    except OSError as error:
        raise ConfigurationError(f"cannot write to --out {out!r}: {error.strerror}") from None


async def write_report(document: Document, out: str, file_format: str | None, kind: ReportType) -> int:
    """Write a document and return its size in bytes. A file gets its name only when it is complete.

    Raises:
        ConfigurationError: the format needs rows, but the report's format has none.
    """
    if file_format is not None and kind.format is not None and not kind.has_rows:
        raise ConfigurationError(
            f"{kind.name} is {kind.format.upper()}, not rows: it cannot be written as {file_format}"
        )
    if file_format == "parquet":
        await document.save_parquet(out)
        return (await anyio.Path(out).stat()).st_size
    if file_format is None and out != "-":
        return await document.save(out)
    delimiter = "," if kind.format == "csv" else "\t"
    if file_format == "tsv":
        return await write_pieces(_tsv(document, delimiter), out)
    if file_format == "jsonl":
        return await write_pieces(_json_lines(document, delimiter), out)
    return await write_pieces(document.iter_bytes(), out)


async def _tsv(document: Document, delimiter: str) -> AsyncGenerator[bytes, None]:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    async for cells in document.iter_cells(delimiter):
        writer.writerow(cells)
        if text.tell() >= _PIECE:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


async def _json_lines(document: Document, delimiter: str) -> AsyncGenerator[bytes, None]:
    held = bytearray()
    async for row in document.iter_rows(delimiter):
        held += msgspec.json.encode(row)
        held += b"\n"
        if len(held) >= _PIECE:
            yield bytes(held)
            held.clear()
    yield bytes(held)


async def write_pieces(pieces: AsyncGenerator[bytes, None], out: str) -> int:
    """Write to standard output, or to a file that gets its name only when it is complete; return the size in bytes."""
    from spapi_async.workflows.documents._targets import target_at

    size = 0
    async with target_at(out) as target, aclosing(pieces):
        async for piece in pieces:
            size += len(piece)
            await target.write(piece)
    return size
