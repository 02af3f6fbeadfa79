"""Decodes the JSON values of a document: with the typed decoder or, if it refuses a value, after mending that value.

A truncated emoji in one row of a million must not make the others unreadable. So small defects (half of a surrogate
pair, a raw control character) are mended as in replies, and counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import msgspec

from spapi_async._codec.mending import mend
from spapi_async.errors import DecodeError, DocumentError
from spapi_async.workflows.documents._json_items import split_items
from spapi_async.workflows.documents._lines import LONGEST_LINE

__all__ = ["JsonValues"]

T = TypeVar("T")


class JsonValues(Generic[T]):
    """Decodes values of one type; errors say which value could not be decoded."""

    __slots__ = ("_array", "_count", "_rest", "_rest_size", "_shown", "_value", "mended")

    def __init__(self, type_: Any, *, shown: str = "$") -> None:
        self._value = msgspec.json.Decoder(type_)
        self._array = msgspec.json.Decoder(list[type_])
        self._shown = shown
        self._count = 0  # lines or items decoded so far
        self._rest: list[bytes] = []
        self._rest_size = 0
        self.mended = 0

    def value(self, content: bytes) -> T:
        """The whole content as one value.

        Raises:
            DecodeError: it is not JSON, or not of the type.
        """
        return self._decoded(content, "the document", "$")

    def lines(self, piece: bytes, *, final: bool = False) -> Iterator[T]:
        """The values of the complete lines; blank lines are skipped.

        Raises:
            DecodeError: a line is not JSON, or not of the type. Raised after the values of the lines before it.
            DocumentError: a line is too long.
        """
        at = len(piece) if final else piece.rfind(b"\n") + 1
        if not at and not final:
            self._rest.append(piece)
            self._rest_size += len(piece)
            if self._rest_size > LONGEST_LINE:
                raise DocumentError(
                    f"a line has more than {LONGEST_LINE:,} bytes, so these are not JSON lines: try iter_json_items()"
                )
            return
        whole = b"".join((*self._rest, piece[:at]))
        self._rest, self._rest_size = [piece[at:]], len(piece) - at
        values: list[T] | None = _accepted(self._value.decode_lines, whole)
        if values is None:
            yield from self._one_by_one(whole.split(b"\n"), "line {:,}", "$")
        else:
            yield from values
        self._count += whole.count(b"\n")

    def items(self, batch: bytes) -> Iterator[T]:
        """The values of a batch of items, joined by commas.

        Raises:
            DecodeError: an item is not JSON, or not of the type. Raised after the values of the items before it.
        """
        values: list[T] | None = _accepted(self._array.decode, b"[%b]" % batch)
        if values is None:
            items = list(split_items(batch))
            yield from self._one_by_one(items, f"item {{:,}} of {self._shown}", self._shown)
            self._count += len(items)
        else:
            self._count += len(values)
            yield from values

    def _one_by_one(self, contents: list[bytes], what: str, path: str) -> Iterator[T]:
        for number, content in enumerate(contents, self._count + 1):
            if content and not content.isspace():
                shown = path if path == "$" else f"{path}[{number - 1}]"
                yield self._decoded(content, what.format(number), shown)

    def _decoded(self, content: bytes, what: str, path: str) -> T:
        try:
            value: T = self._value.decode(content)
        except msgspec.ValidationError as error:
            # The message may contain a value, and only its path may be shown.
            found = re.search(r"`\$([^`]*)`$", str(error))
            failure = DecodeError(f"{what} is not of the requested type", path=path + (found[1] if found else ""))
        except RecursionError:
            failure = DecodeError(f"{what} is nested too deeply", path=path)
        except (msgspec.DecodeError, UnicodeError) as error:
            mended = _mended(content)
            if mended is not None:
                self.mended += 1
                return self._decoded(mended, what, path)
            failure = DecodeError(f"{what} is not JSON: {error}", path=path)
        else:
            return value
        raise failure


def _accepted(decode: Callable[[bytes], Any], content: bytes) -> Any:
    """What the decoder returns; None if it refuses the content.

    Its error may quote a value, so that it must not become the context of the error for the caller.
    """
    try:
        return decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _mended(content: bytes) -> bytes | None:
    """The same with small defects mended; None if it is not JSON, or has no such defect."""
    try:
        mended, _ = mend(content)
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return None if mended == content else mended
