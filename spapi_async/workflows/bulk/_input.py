"""Reads identifiers from a file, plain or gzipped, or from standard input; one per line."""

from __future__ import annotations

import gzip
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

from spapi_async.errors import ConfigurationError

__all__ = ["read_identifiers"]

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 2**16
_LONGEST_LINE = 2**16
"""Bytes of a line; an identifier has less than a thousandth of that."""

_LINE_END = re.compile(rb"\r?\n|\r(?!\Z)")  # a carriage return at the end of a chunk may be half of a line end


def read_identifiers(source: str | Path) -> Iterator[str]:
    """The identifiers in a file, one per line; ``-`` is standard input. Empty lines are skipped.

    Gzip is recognised by its first bytes, whatever the name of the file; lines may end as on any system.

    Raises:
        ConfigurationError: the file cannot be read, is not text, or its compressed data is damaged.
    """
    with ExitStack() as stack:
        try:
            for number, line in enumerate(lines_of(_opened(source, stack)), start=1):
                if len(line) > _LONGEST_LINE or b"\0" in line:
                    raise ConfigurationError(f"{source}, line {number}: not a text file with one identifier per line")
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError:
                    raise ConfigurationError(f"{source}, line {number}: not UTF-8") from None
                if text:
                    yield text
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigurationError(f"cannot read identifiers from {source}: {reason}") from None


def _opened(source: str | Path, stack: ExitStack) -> BufferedReader | gzip.GzipFile:
    stream: Any = sys.stdin.buffer if str(source) == "-" else stack.enter_context(Path(source).open("rb"))  # noqa: SIM115  the stack closes it
    if stream.peek(2)[:2] != _GZIP_MAGIC:
        return cast("BufferedReader", stream)
    return stack.enter_context(gzip.GzipFile(fileobj=stream))


def lines_of(stream: BufferedReader | gzip.GzipFile) -> Iterator[bytes]:
    """The lines without their ends; reading stops after a line that is too long."""
    rest = b""
    while chunk := stream.read1(_CHUNK_BYTES):
        *lines, rest = _LINE_END.split(rest + chunk)
        yield from lines
        if len(rest) > _LONGEST_LINE:
            break
    yield from _LINE_END.split(rest.removesuffix(b"\r"))
