"""Identifiers from a file: one a line, plain or gzipped, or from standard input."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from spapi_async.errors import ConfigurationError

__all__ = ["read_identifiers"]

_GZIP = b"\x1f\x8b"


def read_identifiers(source: str | Path) -> Iterator[str]:
    """The identifiers in a file, line by line; ``-`` is standard input. Empty lines are left out.

    Gzip is known by its first bytes, whatever the file is called.

    Raises:
        ConfigurationError: the file cannot be read, is no text, or its compressed data is damaged.
    """
    with ExitStack() as stack:
        try:
            for number, line in enumerate(_opened(source, stack), start=1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError:
                    raise ConfigurationError(f"{source}, line {number}: not UTF-8") from None
                if text:
                    yield text
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigurationError(f"cannot read identifiers from {source}: {reason}") from None


def _opened(source: str | Path, stack: ExitStack) -> Iterable[bytes]:
    stream: Any = sys.stdin.buffer if str(source) == "-" else stack.enter_context(Path(source).open("rb"))  # noqa: SIM115  the stack closes it
    if stream.peek(2)[:2] != _GZIP:
        return cast("Iterable[bytes]", stream)
    return stack.enter_context(gzip.GzipFile(fileobj=stream))
