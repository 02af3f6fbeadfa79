"""Elements of XML documents: streamed, in bounded memory, without entities."""

import tracemalloc
from typing import Any
from xml.etree.ElementTree import Element, tostring

import pytest
from document_fixtures import document_at, s3, served
from hypothesis import given
from hypothesis import strategies as st

from spapi_async import ConfigurationError, DecodeError, DocumentError
from spapi_async.workflows.documents._xml import LONGEST_TAG, ElementReader

ORDERS = (
    '<?xml version="1.0" encoding="{0}"?><r><Order id="1"><n>Köln &amp; co</n></Order><x/>'
    '<Order id="2">a<b/>c</Order></r>'
)


async def elements(content: bytes, tag: str, content_type: str = "text/xml") -> list[Element]:
    """The elements of a document."""
    reply = s3("200 OK", content, f"Content-Type: {content_type}")
    async with served(reply) as server, document_at(server.url) as document, document:
        return [element async for element in document.iter_xml(tag)]


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "utf-16"])
async def test_elements_of_one_name_come_whole(charset: str) -> None:
    """The document may have any charset; it is decoded before it is parsed."""
    first, second = await elements(ORDERS.format(charset).encode(charset), "Order")
    assert (first.get("id"), first.findtext("n")) == ("1", "Köln & co")
    assert "".join(second.itertext()) == "ac"


async def test_a_name_is_that_of_any_namespace_unless_one_is_given() -> None:
    """It is given as in ElementTree: ``{namespace}name``."""
    content = b'<r xmlns:a="urn:a" xmlns="urn:b"><a:x k="1" a:k="2"/><x/></r>'
    assert [element.tag for element in await elements(content, "x")] == ["{urn:a}x", "{urn:b}x"]
    (only,) = await elements(content, "{urn:a}x")
    assert only.attrib == {"k": "1", "{urn:a}k": "2"}


BILLION_LAUGHS = b'<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><r><x>&b;</x></r>'
OUTSIDE = b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r><x>&a;</x></r>'
PARAMETER = b'<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1:1/"> %p;]><r><x/></r>'


@pytest.mark.parametrize("content", [BILLION_LAUGHS, OUTSIDE, PARAMETER], ids=["laughs", "outside", "parameter"])
async def test_entities_are_refused(content: bytes) -> None:
    """Nothing is expanded or fetched."""
    with pytest.raises(DocumentError, match="entity") as caught:
        await elements(content, "x")
    assert caught.value.operation == "test.get_document"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<r><x>", "no element found|unclosed"),
        (b"<r><x></r>", "mismatched tag"),
        (b"<r>&nbsp;<x/></r>", "undefined entity"),
        (b"", "no element found"),
        (b"sku\tqty\n1\t2\n", "syntax error"),
        (b"<a>" * 100_000, "levels deep"),
    ],
)
async def test_invalid_xml_is_a_decode_error(content: bytes, says: str) -> None:
    """It has the position, and is never expat's own error."""
    with pytest.raises(DecodeError, match=says):
        await elements(content, "x")


def test_elements_before_the_broken_one_are_read() -> None:
    """Lines of JSON behave alike."""
    found = ElementReader("x").feed(b"<r><x>1</x><x>2</x></y>")
    assert [next(found).text, next(found).text] == ["1", "2"]
    with pytest.raises(DecodeError, match="line 1, column"):
        next(found)


async def test_a_tag_must_be_a_name() -> None:
    """The error comes before anything is read."""
    with pytest.raises(ConfigurationError, match="tag"):
        await elements(b"<r/>", "")


@pytest.mark.parametrize(
    "beginning", [b"<r><!--", b'<r><a x="', b"<r><a", b"<?x ", b"<!DOCTYPE r [<!ELEMENT a (", b"tsv"]
)
def test_a_tag_that_does_not_end_is_refused(beginning: bytes) -> None:
    """The parser would keep all of it and start again with each piece: minutes of processor time for some megabytes."""
    reader, piece = ElementReader("a"), b"x" * 262_144
    list(reader.feed(beginning))
    for _ in range(LONGEST_TAG // len(piece) - 1):
        assert list(reader.feed(piece)) == []
    with pytest.raises(DocumentError, match="a tag or a comment has more than"):
        list(reader.feed(2 * piece))


@pytest.mark.parametrize("beginning", [b"<r><b>", b"<r><![CDATA["])
def test_text_may_be_longer_than_a_tag(beginning: bytes) -> None:
    """It is read as it comes."""
    reader, piece = ElementReader("a"), b"x" * 65_536
    list(reader.feed(beginning))
    for _ in range(2 * LONGEST_TAG // len(piece)):
        assert list(reader.feed(piece)) == []


def test_memory_is_that_of_one_element(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are two megabytes of elements, each below the limit, and one element without end."""
    monkeypatch.setattr("spapi_async.workflows.documents._xml.LONGEST_ELEMENT", 1_000_000)
    reader, count = ElementReader("x"), 0
    unit = b"<x><a>" + b"text " * 100 + b"</a></x>"
    tracemalloc.start()
    for piece in (b"<r>", *([unit * 20] * 200), b"</r>"):
        count += sum(1 for _ in reader.feed(piece))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 4_000
    assert peak < 1_000_000
    endless = ElementReader("r")
    list(endless.feed(b"<r>"))
    with pytest.raises(DocumentError, match="choose one inside it"):
        list(endless.feed(unit * 2_000))


TREES: Any = st.recursive(
    st.text(st.sampled_from("aé<&>\"' "), max_size=4),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=10,
)


@given(trees=st.lists(TREES, max_size=5), step=st.integers(1, 30))
def test_elements_are_the_same_however_they_are_cut(trees: list[Any], step: int) -> None:
    """They equal those that ElementTree builds from the whole."""
    root = Element("r")
    for tree in trees:
        root.append(_built(tree))
    content = tostring(root, encoding="utf-8")
    reader = ElementReader("x")
    pieces = [content[at : at + step] for at in range(0, len(content), step)]
    found = [element for piece in pieces for element in reader.feed(piece)] + list(reader.feed(b"", final=True))
    assert [tostring(element) for element in found] == [tostring(element) for element in root]


def _built(tree: Any) -> Element:
    element = Element("x", {"k": "é&"})
    if isinstance(tree, str):
        element.text = tree
    else:
        for inner in tree:
            child = _built(inner)
            child.tag = "y"
            element.append(child)
    return element
