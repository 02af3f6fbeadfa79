"""The elements of one name in an XML document, each built when it is complete and then forgotten.

The parser is the standard library's expat. Documents of Amazon's declare no entities; one that does is refused before
anything is expanded, and nothing outside the document is ever fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from spapi_async.errors import ConfigurationError, DecodeError, DocumentError, SPAPIError

__all__ = ["DEEPEST", "LONGEST_ELEMENT", "LONGEST_TAG", "ElementReader"]

DEEPEST = 500
"""Levels of elements."""

LONGEST_ELEMENT = 16 * 1024 * 1024
"""Characters of markup and text in one element that is handed out."""

LONGEST_TAG = 4 * 1024 * 1024
"""Bytes of one tag or comment."""


class ElementReader:
    """Hands out the elements whose tag is ``tag``: ``Order`` in any namespace, ``{namespace}Order`` in that one."""

    __slots__ = ("_builder", "_depth", "_fed", "_found", "_inside", "_parser", "_qualified", "_size", "_tag")

    def __init__(self, tag: str) -> None:
        if not isinstance(tag, str) or not tag:
            raise ConfigurationError(f"tag must be the name of an element, not {tag!r}")
        self._tag = tag
        self._qualified = tag.startswith("{")
        self._found: list[Element] = []
        self._builder = TreeBuilder()
        self._depth = 0
        self._inside = 0  # how many elements are open from the wanted one on
        self._size = 0
        self._fed = 0
        parser = expat.ParserCreate("utf-8", "}")  # whatever the declaration says: the text was decoded before
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._refuse_entity
        self._parser = parser

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[Element]:
        """The elements that are complete.

        Raises:
            DecodeError: it is not XML, or nested too deeply; after the elements before that place.
            DocumentError: it declares entities, or one element, tag or comment is too long.
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
        """Expat keeps a tag or comment that has not ended, and begins it anew with each piece: quadratic time."""
        if self._fed - self._parser.CurrentByteIndex > LONGEST_TAG:
            raise DocumentError(f"a tag or a comment of more than {LONGEST_TAG:,} bytes: is the document XML?")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise DecodeError(f"the XML is nested more than {DEEPEST} levels deep")
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
            raise DocumentError(f"an element of more than {LONGEST_ELEMENT:,} characters: choose one inside it")

    def _is_wanted(self, name: str) -> bool:
        return _tag(name) == self._tag if self._qualified else name.rpartition("}")[2] == self._tag

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise DocumentError(f"the XML declares an entity ({name[:50]}), which could expand without bound: refused")


def _tag(name: str) -> str:
    return f"{{{name}" if "}" in name else name
