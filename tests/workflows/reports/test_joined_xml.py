"""The XML of several reports, joined under one root."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from document_fixtures import document_at, s3, served
from hypothesis import given
from hypothesis import strategies as st

from spapi_async.errors import DocumentError
from spapi_async.workflows.documents import Document
from spapi_async.workflows.reports._joined import JoinedFile
from spapi_async.workflows.reports._joined_xml import JoinedXml

PART = """<?xml version="1.0" encoding="ISO-8859-1"?>
<!-- > made --><!DOCTYPE Envelope>
<Envelope xmlns:x="urn:x" version="1.0"><Order n="{0}">{1}</Order><x:Note/></Envelope> <!-- </Envelope> -->
"""


def joined(parts: Sequence[str], step: int) -> str:
    """The document made of the parts, fed in steps of so many characters."""
    xml, out = JoinedXml(), []
    for part in parts:
        out += [xml.feed(part[at : at + step]) for at in range(0, len(part), step)]
        out.append(xml.end_part())
    return "".join([*out, xml.end()])


@given(st.integers(0, 4), st.integers(1, 200), st.integers(0, 9000))
def test_elements_of_all_parts_are_under_one_root(count: int, step: int, size: int) -> None:
    """Pieces, and text before and after the roots, make no difference; an empty part adds nothing."""
    parts = [PART.format(number, "x" * size) for number in range(count)]
    root = ET.fromstring(joined([*parts[:1], "", *parts[1:]], step).encode())
    assert [order.get("n") for order in root.iter("Order")] == [str(number) for number in range(count)]
    assert all(order.text == ("x" * size or None) for order in root.iter("Order"))
    assert root.tag == ("Envelope" if count else "Report")


def test_an_empty_root_adds_nothing() -> None:
    """Its short form adds nothing, either."""
    root = ET.fromstring(joined(["<a></a>", "<a/>", "<a><b/></a>", "<a />", "<a/><!-- \n --><!---->"], 3).encode())
    assert (root.tag, len(root)) == ("a", 1)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (["<a/>", "<b/>"], "different root elements"),
        (["<a/>", '<a version="2"/>'], "different root elements"),
        (["<a><b/>"], "is not closed"),
        (["<a><b/></a>more"], "is not closed"),
        (["<a/>more"], "is not closed"),
        (["no XML"], "is not closed"),
        (["<a></a>" + "<!---->" * 500 + "x"], "is not closed"),  # and soon
        (["<!--" + "x" * 70_000], "no root in its first"),
    ],
)
def test_incomplete_or_invalid_xml_is_refused(parts: list[str], says: str) -> None:
    """A truncated document must not look complete."""
    with pytest.raises(DocumentError, match=says):
        joined(parts, 1000)


@pytest.mark.parametrize(("errors", "replaced"), [("replace", 4), ("surrogateescape", 0)])
async def test_invalid_bytes_in_parts_are_those_of_one_document(errors: str, replaced: int) -> None:
    """They are counted, or kept for the caller, as in a report that is a single file."""
    reply = s3(
        "200 OK", b"<R><a>caf\xe9</a>" + b" " * 5000 + b"<b>\xe8</b></R>", "Content-Type: text/xml; charset=UTF-8"
    )
    async with served(reply) as server:

        @asynccontextmanager
        async def part() -> AsyncIterator[Document]:
            async with document_at(server.url, errors=errors) as opened, opened:
                yield opened

        joined_file = cast("Any", JoinedFile([part, part], xml=True))
        async with Document(joined_file, charset="utf-8", errors=errors) as document:
            text = await document.text()
    assert re.findall("<.>(.*?)</.>", text.partition("<R>")[2]) == [
        each.decode(errors=errors) for each in (b"caf\xe9", b"\xe8") * 2
    ]
    assert document.replaced == replaced
