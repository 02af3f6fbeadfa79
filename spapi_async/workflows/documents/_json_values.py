"""JSON values out of a document: the typed decoder first, and a slow tolerant way for the values it refuses.

One cut emoji in one row of a million must not cost the others: what breaks only JSON's finer rules (half a surrogate
pair, a raw control character) is mended as in replies, and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

from spapi_async._codec.mending import mend
from spapi_async.errors import DecodeError, DocumentError
from spapi_async.workflows.documents._json_items import split_items
from spapi_async.workflows.documents._lines import LONGEST_LINE

__all__ = ["JsonValues"]

T = TypeVar("T")


class JsonValues(Generic[T]):
    """Decodes values of one type, and says which one cannot be."""

    __slots__ = ("_array", "_count", "_rest", "_rest_size", "_shown", "_value", "mended")

    def __init__(self, type_: Any, *, shown: str = "$") -> None:
        self._value = msgspec.json.Decoder(type_)
        self._array = msgspec.json.Decoder(list[type_])
        self._shown = shown
        self._count = 0  # lines, or items, before the present ones
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
        """The values of the lines that are complete; blank lines have none.

        Raises:
            DecodeError: a line is not JSON, or not of the type; after the values of the lines before it.
            DocumentError: a line too long to be one.
        """
        at = len(piece) if final else piece.rfind(b"\n") + 1
        if not at and not final:
            self._rest.append(piece)
            self._rest_size += len(piece)
            if self._rest_size > LONGEST_LINE:
                raise DocumentError(
                    f"a line of more than {LONGEST_LINE:,} bytes: these are not JSON lines; perhaps iter_json_items()"
                )
            return
        whole = b"".join((*self._rest, piece[:at]))
        self._rest, self._rest_size = [piece[at:]], len(piece) - at
        try:
            values: list[T] = self._value.decode_lines(whole)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            yield from self._one_by_one(whole.split(b"\n"), "line {:,}", "$")
        else:
            yield from values
        self._count += whole.count(b"\n")

    def items(self, batch: bytes) -> Iterator[T]:
        """The values of a batch of items, joined by commas.

        Raises:
            DecodeError: an item is not JSON, or not of the type; after the values of the items before it.
        """
        try:
            values: list[T] = self._array.decode(b"[%b]" % batch)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
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
            # Its message may hold a value; where that stands may be told.
            found = re.search(r"`\$([^`]*)`$", str(error))
            failure = DecodeError(f"{what} is not of the type asked for", path=path + (found[1] if found else ""))
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


def _mended(content: bytes) -> bytes | None:
    """The same without what breaks JSON's finer rules; None where it is not JSON at all, or nothing was mended."""
    try:
        mended, _ = mend(content)
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return None if mended == content else mended
