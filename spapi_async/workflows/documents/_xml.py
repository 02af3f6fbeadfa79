"""Reads the elements with one name from an XML document, one by one, without keeping the document in memory.

The parser is the standard library's expat. Amazon's documents declare no entities. A document that does is refused
before anything is expanded, and no external resource is ever loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from spapi_async.errors import ConfigurationError, DecodeError, DocumentError, SPAPIError

__all__ = ["DEEPEST_XML", "LONGEST_ELEMENT", "LONGEST_TAG", "ElementReader"]

DEEPEST_XML = 500
"""The most levels of nested elements."""

LONGEST_ELEMENT = 16 * 1024 * 1024
"""The most characters of markup and text in one returned element."""

LONGEST_TAG = 4 * 1024 * 1024
"""The most bytes of a tag or comment."""


class ElementReader:
    """Reads the elements named ``tag``: ``Order`` in any namespace, ``{namespace}Order`` only in that namespace."""

    __slots__ = ("_builder", "_depth", "_fed", "_found", "_inside", "_parser", "_qualified", "_size", "_tag")

    def __init__(self, tag: str) -> None:
        if not isinstance(tag, str) or not tag:
            raise ConfigurationError(f"tag must be the name of an element, not {tag!r}")
        self._tag = tag
        self._qualified = tag.startswith("{")
        self._found: list[Element] = []
        self._builder = TreeBuilder()
        self._depth = 0
        self._inside = 0  # the number of open elements, from the wanted one inwards
        self._size = 0
        self._fed = 0
        parser = expat.ParserCreate("utf-8", "}")  # whatever is declared: the text was converted to UTF-8
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._refuse_entity
        self._parser = parser

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[Element]:
        """The complete elements.

        Raises:
            DecodeError: it is not XML, or nested too deeply. Raised after the elements before that place.
            DocumentError: it declares entities, or an element, tag or comment is too long.
        """
        failure: SPAPIError | None = None
        try:
            self._parser.Parse(data, final)
            self._fed += len(data)
            self._check_unfinished()
        except expat.ExpatError as error:
            where = f"line {error.lineno:,}, column {error.offset + 1:,}"
            failure = DecodeError(f"the document is not XML ({expat.ErrorString(error.code)}, {where})")
        except SPAPIError as error:
            failure = error
        found, self._found = self._found, []
        yield from found
        if failure is not None:
            raise failure

    def _check_unfinished(self) -> None:
        """Refuse a very long tag or comment: expat parses it from its beginning with each piece, in quadratic time."""
        if self._fed - self._parser.CurrentByteIndex > LONGEST_TAG:
            raise DocumentError(f"a tag or a comment has more than {LONGEST_TAG:,} bytes: is the document XML?")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST_XML:
            raise DecodeError(f"the XML is nested more than {DEEPEST_XML} levels deep")
        if not self._inside and not self._is_wanted(name):
            return
        self._inside += 1
        self._count(sum(len(key) + len(value) for key, value in attributes.items()) + len(name))
        self._builder.start(_tag(name), {_tag(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self._depth -= 1
        if not self._inside:
            return
        self._builder.end(_tag(name))
        self._inside -= 1
        if not self._inside:
            self._found.append(self._builder.close())
            self._builder, self._size = TreeBuilder(), 0

    def _text(self, text: str) -> None:
        if self._inside:
            self._count(len(text))
            self._builder.data(text)

    def _count(self, characters: int) -> None:
        self._size += characters
        if self._size > LONGEST_ELEMENT:
            raise DocumentError(f"an element has more than {LONGEST_ELEMENT:,} characters: choose one inside it")

    def _is_wanted(self, name: str) -> bool:
        return _tag(name) == self._tag if self._qualified else name.rpartition("}")[2] == self._tag

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise DocumentError(f"the XML declares an entity ({name[:50]}), which could expand without limit: refused")


def _tag(name: str) -> str:
    return f"{{{name}" if "}" in name else name
