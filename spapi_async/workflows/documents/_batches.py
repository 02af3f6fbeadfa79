"""Turns what a document contains into lines, rows, values or elements, as batches that are ready to be handed out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from itertools import repeat
from typing import Protocol, TypeVar

from spapi_async.errors import DecodeError
from spapi_async.workflows.documents._json_items import ItemScanner
from spapi_async.workflows.documents._json_values import JsonValues
from spapi_async.workflows.documents._lines import LineCutter, split_lines
from spapi_async.workflows.documents._not_rows import refuse_error_document
from spapi_async.workflows.documents._table import Batch, TableReader

__all__ = ["cells_of", "dicts_of", "json_items_of", "lines_of", "parsed", "singly"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Tables = AsyncGenerator[tuple[TableReader, Batch], None]


class Parser(Protocol[T_co]):
    """A method that is given a document piece by piece."""

    def __call__(self, piece: bytes, /, *, final: bool = ...) -> Iterator[T_co]:
        """What is complete with this piece."""


async def singly(pieces: AsyncGenerator[T, None]) -> AsyncGenerator[tuple[T], None]:
    """Each piece as a batch of its own."""
    async with aclosing(pieces):
        async for piece in pieces:
            yield (piece,)


async def lines_of(texts: AsyncGenerator[str, None]) -> AsyncGenerator[list[str], None]:
    """Lines without their ends."""
    cutter = LineCutter()
    async with aclosing(texts):
        async for text in texts:
            yield split_lines(cutter.feed(text))
    yield split_lines(cutter.finish())


async def dicts_of(tables: Tables) -> AsyncGenerator[Iterator[dict[str, str]], None]:
    """Rows as dicts, whose keys are the names of the columns."""
    async with aclosing(tables):
        async for table, batch in tables:
            names = repeat(table.names)
            if batch.even:
                yield map(dict, map(zip, names, batch.rows))  # they are equally long
            else:
                yield map(_by_name, names, batch.rows)


async def cells_of(tables: Tables) -> AsyncGenerator[list[list[str]], None]:
    """Rows as lists, beginning with the header."""
    begun = False
    async with aclosing(tables):
        async for table, batch in tables:
            if not begun and table.header:
                begun = True
                yield [table.header]
            yield batch.rows


async def parsed(pieces: AsyncGenerator[bytes, None], parse: Parser[T]) -> AsyncGenerator[Iterator[T], None]:
    """What a parser of pieces finds: the values of JSON lines, or the elements of XML."""
    async with aclosing(pieces):
        async for piece in pieces:
            yield parse(piece)
    yield parse(b"", final=True)


async def json_items_of(
    pieces: AsyncGenerator[bytes, None], scanner: ItemScanner, values: JsonValues[T]
) -> AsyncGenerator[Iterator[T], None]:
    """The values of the items that the scanner finds."""
    start = b""
    async with aclosing(pieces):
        async for piece in pieces:
            start = start or piece
            yield _items(scanner.feed(piece), values, start)
    yield _items(scanner.finish(), values, start)


def _items(batches: Iterable[bytes], values: JsonValues[T], start: bytes) -> Iterator[T]:
    """The values of batches of items; ``start`` is the first piece of the document."""
    try:
        for batch in batches:
            yield from values.items(batch)
    except DecodeError as error:
        refuse_error_document(start, error)
        raise


def _by_name(names: list[str], row: list[str]) -> dict[str, str]:
    """A row that has more or fewer cells than there are names, as a dict."""
    cells = dict.fromkeys(names, "")
    cells.update(zip(names, row, strict=False))
    for at, cell in enumerate(row[len(names) :], len(names) + 1):
        name = f"column {at}"
        while name in cells:  # the header has a column with that name
            name = f"{name} 2"
        cells[name] = cell
    return cells
