"""Rows: what the first piece of a file decides for all of it, and how irregular files are read."""

import csv
import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from document_fixtures import document_at, s3, served
from hypothesis import given
from hypothesis import strategies as st

from spapi_async import ConfigurationError, DocumentError
from spapi_async.workflows.documents import Document
from spapi_async.workflows.documents._broken_quotes import LONGEST_CELL
from spapi_async.workflows.documents._dialect import Dialect
from spapi_async.workflows.documents._rows import QuotedRows, row_reader
from spapi_async.workflows.documents._table import Layout, TableReader

UNBALANCED = b'sku\ttitle\tqty\nS1\t"Alpha\t1\nS2\tBeta\t2\nS3\t"Gamma\t3\nS4\tDelta\t4\n'
INCHES = b'"sku"\t"title"\t"qty"\n"S1"\t"Monitor 24""\t"5"\n"S2"\t"ok"\t"6"\n'


async def rows_of(content: bytes, *, content_type: str = "text/plain; charset=UTF-8", **options: Any) -> Any:
    """The rows of a document, and the document afterwards."""
    reply = s3("200 OK", content, f"Content-Type: {content_type}")
    async with served(reply) as server, document_at(server.url) as document, document:
        return [row async for row in document.iter_rows(**options)], document


async def values_of(content: bytes, **options: Any) -> list[list[str]]:
    """The values of the rows without their names."""
    rows, _ = await rows_of(content, **options)
    return [list(row.values()) for row in rows]


async def test_a_quote_is_a_character_where_the_header_is_not_quoted() -> None:
    """An inch sign or a truncated title swallows no rows, since quoting is a property of the file."""
    rows, document = await rows_of(UNBALANCED)
    assert [row["sku"] for row in rows] == ["S1", "S2", "S3", "S4"]
    assert rows[0] == {"sku": "S1", "title": '"Alpha', "qty": "1"}
    assert (document.delimiter, document.quoted, document.uneven) == ("\t", False, 0)


async def test_a_quote_ends_a_cell_only_where_cells_end() -> None:
    """``"Monitor 24""`` is ``Monitor 24"`` anywhere in a row, and the next cell is not swallowed."""
    rows, document = await rows_of(INCHES)
    assert rows == [{"sku": "S1", "title": 'Monitor 24"', "qty": "5"}, {"sku": "S2", "title": "ok", "qty": "6"}]
    assert (document.quoted, document.uneven) == (True, 0)
    assert await values_of(INCHES.replace(b'"5"', b"5").replace(b'"6"', b"6")) == [
        ["S1", 'Monitor 24"', "5"],
        ["S2", "ok", "6"],
    ]
    assert await values_of(b'"sku"\t"title"\n"S1"\t"24""\n"S2"\t"ok"\n') == [["S1", '24"'], ["S2", "ok"]]
    assert await values_of(b'"sku"\t"title"\n"S1"\t"12" pan"\n') == [["S1", '12" pan']]


async def test_a_quote_that_is_never_closed_swallows_no_row() -> None:
    """In a quoted file, too, the row ends at its line and keeps the quote."""
    content = b'"sku"\t"title"\t"qty"\n"S1"\t"Alpha\t"1"\n"S2"\t"ok"\t"2"\n"S3"\t"last\t"3"'
    assert await values_of(content) == [["S1", '"Alpha', "1"], ["S2", "ok", "2"], ["S3", '"last', "3"]]


async def test_a_quoted_cell_holds_delimiters_and_line_ends() -> None:
    """It follows the rules of csv."""
    content = b'"sku"\t"title"\r\n"S1"\t"two\r\nlines\tand a ""tab"""\r\n"S2"\t"x"\r\n'
    assert await values_of(content) == [["S1", 'two\r\nlines\tand a "tab"'], ["S2", "x"]]


async def test_explicit_arguments_override_detection() -> None:
    """The look of the file does not matter."""
    assert await values_of(b'a\tb\n"x"\t"y"\n', quotes=True) == [["x", "y"]]
    assert await values_of(b'"a"\t"b"\n"x"\t"y"\n', quotes=False) == [['"x"', '"y"']]
    assert await values_of(b"a\tb,c\n1\t2,3\n", delimiter=",") == [["1\t2", "3"]]


async def test_the_delimiter_is_detected() -> None:
    """A comma file is not one column; one column with a comma in its name is."""
    for content, delimiter, quoted in (
        (b'sku,title\nA,"x, y"\nB,"say ""hi"""\n', ",", True),
        (b"a;b;c\n1,5;2;3\n", ";", True),
        (b"a|b\n1|2\n", "|", True),
        (b"Name, first\nBob\nJim\nTim\n", "\t", False),
        (b"asin\nB01\nB02\n", "\t", False),
        (b'sku,title,qty\nS1,"Alpha,1\nS2,Beta,2\nS3,"Gamma,3\n', ",", False),
    ):
        rows, document = await rows_of(content, delimiter="auto")
        assert (document.delimiter, document.quoted, document.uneven) == (delimiter, quoted, 0)
        assert len(rows[0]) == content.splitlines()[0].decode().count(delimiter) + 1


async def test_lines_above_the_header_are_skipped() -> None:
    """Blank ones count as lines."""
    rows, _ = await rows_of(b"Report of May, final\n\n\na,b\n1,2\n", skip=3)
    assert rows == [{"a": "1", "b": "2"}]
    assert await values_of(b"one\r\ntwo\r\n", skip=5) == []


async def test_a_file_without_a_header_can_be_given_one() -> None:
    """All its lines are then rows."""
    rows, document = await rows_of(b"1\t2\n3\t4\t5\n", header=["a", "b"])
    assert rows == [{"a": "1", "b": "2"}, {"a": "3", "b": "4", "column 3": "5"}]
    assert document.uneven == 1


async def test_columns_of_one_name_are_kept_apart() -> None:
    """They are numbered, without taking another's name; one without a name gets its position."""
    rows, _ = await rows_of(b"name\tname\tname 2\t\n1\t2\t3\t4\n")
    assert rows == [{"name": "1", "name 3": "2", "name 2": "3", "column 4": "4"}]
    rows, _ = await rows_of(b"name\tname\n1\t2\n")
    assert rows == [{"name": "1", "name 2": "2"}]


def test_every_column_may_have_the_same_name() -> None:
    """Each gets the next number in constant time, so that a hostile header does not block the event loop."""
    table = TableReader(Layout(delimiter="\t"))
    table.feed("\t".join(["price"] * 60_000) + "\nx\n")
    table.finish()
    assert [table.names[at] for at in (0, 1, -1)] == ["price", "price 2", "price 60000"]


async def test_uneven_rows_lose_nothing_and_are_counted() -> None:
    """A bare LF in a cell of a CR LF file makes two short rows; a stray tab makes a long one."""
    rows, document = await rows_of(b"a\tb\tc\r\n1\tx\ny\t2\r\n3\t4\t5\t6\r\n")
    assert rows == [
        {"a": "1", "b": "x", "c": ""},
        {"a": "y", "b": "2", "c": ""},
        {"a": "3", "b": "4", "c": "5", "column 4": "6"},
    ]
    assert document.uneven == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"errorDetails": "No data\\nfor this range"}', "error document.*No data for this range"),
        (b'{"errors": [{"code": "X", "message": "Denied"}]}', "error document.*Denied"),
        (b'[{"a": 1}]', "JSON, not rows"),
        (b'{"rows": [' + b'{"a": 1},' * 20_000, "JSON, not rows"),
        (b'<?xml version="1.0"?><Error><Message>Gone</Message></Error>', "XML or HTML, not rows .Gone"),
        (b"<!DOCTYPE html><html><title>Busy</title></html>", "XML or HTML"),
        (b"PK\x03\x04" + bytes(60), "ZIP archive"),
        (b"%PDF-1.4 ...", "PDF"),
    ],
    ids=["error", "errors", "list", "cut", "xml", "html", "zip", "pdf"],
)
async def test_a_document_without_rows_is_an_error(content: bytes, says: str) -> None:
    """It is never an empty report or garbage."""
    with pytest.raises(DocumentError, match=says) as caught:
        await rows_of(content)
    assert caught.value.operation == "test.get_document"


async def test_an_invalid_layout_is_refused() -> None:
    """The error has name and value."""
    for options, name in (({"delimiter": "ab"}, "delimiter"), ({"skip": -1}, "skip"), ({"header": "abc"}, "header")):
        with pytest.raises(ConfigurationError, match=name):
            await rows_of(b"a\tb\n", **options)


async def test_cells_are_lists_that_begin_with_the_header() -> None:
    """Names are as in the file, equal ones too."""
    content = b"\nname\tname\n\n1\t2\n3\n"
    async with served(s3("200 OK", content)) as server, document_at(server.url) as document, document:
        assert [row async for row in document.iter_cells()] == [["name", "name"], ["1", "2"], ["3"]]
    assert document.uneven == 1


async def test_an_empty_document_has_no_rows() -> None:
    """Neither has one with a header alone."""
    assert await values_of(b"") == []
    assert await values_of(b"\r\n\r\n") == []
    assert await values_of(b"a\tb\r\n") == []


def cut(text: str, places: Sequence[int]) -> list[str]:
    """The text in pieces, cut at these places (taken modulo its length)."""
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(edges)]


def read(text: str, places: Sequence[int], dialect: Dialect, width: int = 0) -> list[list[str]]:
    """All rows."""
    reader = row_reader(dialect, width)
    return [row for piece in cut(text, places) for row in reader.feed(piece)] + reader.finish()


PLACES = st.lists(st.integers(0, 5000), max_size=20)
CELLS = st.lists(st.lists(st.text(st.sampled_from('ab"\t\r\n ,é'), max_size=6), min_size=1, max_size=4), max_size=8)


@given(rows=CELLS, places=PLACES, delimiter=st.sampled_from("\t,"), end=st.sampled_from(["\r\n", "\n"]))
def test_quoted_rows_come_back_however_they_are_cut(
    rows: list[list[str]], places: list[int], delimiter: str, end: str
) -> None:
    """Quotes and line ends within quotes are as csv writes them; all rows have one width and fit no other reading."""
    width = max(map(len, rows), default=1)
    rows = [row + ["x"] * (width - len(row)) for row in rows]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    assert read(out.getvalue(), places, Dialect(delimiter, quoted=True), width) == rows


LINES = st.lists(st.lists(st.text(st.sampled_from('ab" \u2028é'), max_size=6), min_size=2, max_size=4), max_size=8)


@given(rows=LINES, places=PLACES)
def test_unquoted_rows_come_back_however_they_are_cut(rows: list[list[str]], places: list[int]) -> None:
    """They may contain any quotes."""
    text = "".join("\t".join(row) + "\r\n" for row in rows)
    assert read(text, places, Dialect("\t", quoted=False)) == rows


SLOPPY = st.text(st.sampled_from('ab" é'), max_size=5).filter(
    lambda cell: not cell.startswith('"') and '""' not in cell
)


@given(cells=st.lists(st.lists(SLOPPY, min_size=3, max_size=3), max_size=8), places=PLACES)
def test_cells_in_quotes_whose_own_are_not_doubled_come_back(cells: list[list[str]], places: list[int]) -> None:
    """Amazon writes them so. A cell that begins with a quote could be part of another by the rules."""
    text = '"a"\t"b"\t"c"\n' + "".join("\t".join(f'"{cell}"' for cell in row) + "\n" for row in cells)
    assert read(text, places, Dialect("\t", quoted=True), 3)[1:] == cells


@given(text=st.text(st.sampled_from('a"\t\n\r,'), max_size=80), places=PLACES, width=st.integers(0, 3))
def test_any_text_is_read(text: str, places: list[int], width: int) -> None:
    """Every character except quotes, delimiters and line ends is kept, for any pieces."""
    for quoted in (True, False):
        rows = read(text, places, Dialect("\t", quoted=quoted), width)
        assert sum(cell.count("a") for row in rows for cell in row) == text.count("a")


def test_rows_after_a_quote_that_is_never_closed_do_not_wait_for_ever() -> None:
    """A cell beyond the longest possible length ends at its line."""
    reader = row_reader(Dialect("\t", quoted=True), 2)
    rows = reader.feed('"a"\t"b"\n1\t"cut\n')
    line = "x" * 98 + "\ty\n"
    for _ in range(2 * LONGEST_CELL // 100):
        rows += reader.feed(line)
    assert len(rows) > 1000
    assert rows[:3] == [["a", "b"], ["1", '"cut'], ["x" * 98, "y"]]


def test_an_open_row_is_not_read_again_for_each_small_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes read grow with the size of the file, however small its pieces are."""
    looked_at = 0
    parsed = QuotedRows.parsed

    def counting(self: QuotedRows, whole: str) -> Any:
        nonlocal looked_at
        looked_at += len(whole)
        return parsed(self, whole)

    monkeypatch.setattr(QuotedRows, "parsed", counting)
    text = '"a\tb""\n' + 'y""\n' * 20_000
    assert len(read(text, range(0, len(text), 50), Dialect("\t", quoted=True), 2)) == 20_001
    assert looked_at < 8 * len(text)


def test_a_dialect_is_decided_by_the_first_piece() -> None:
    """A quote in the last row of a long file changes nothing above it."""
    table = TableReader(Layout())
    rows = table.feed("a\tb\n" + "1\t2\n" * 20_000).rows + table.feed('3\t"4\n5\t"6\n').rows + table.finish().rows
    assert rows[-2:] == [["3", '"4'], ["5", '"6']]
    assert len(rows) == 20_002


async def test_a_reading_with_the_headers_number_of_cells_is_preferred() -> None:
    """``x"`` and ``"y`` side by side could be one cell, but then the row would lack one."""
    content = b'"sku"\t"title"\t"note"\n"S1"\t"x""\t""y"\n"S2"\t"one ""\t"" cell"\t"z"\n'
    assert await values_of(content) == [["S1", 'x"', '"y'], ["S2", 'one "\t" cell', "z"]]


def test_uneven_rows_are_counted_over_all_pieces() -> None:
    """The count is not that of the last piece."""
    table = TableReader(Layout())
    table.feed("a\tb\n" + "1\t2\n" * 20_000 + "1\n")
    table.feed("1\n1\t2\n")
    table.feed("1\t2\t3\n")
    table.finish()
    assert table.uneven == 3


def test_a_header_may_be_longer_than_the_first_piece() -> None:
    """No row is lost."""
    table = TableReader(Layout(quotes=True, delimiter="\t"))
    text = '"a\n' + "x" * 70_000 + '\n"\t"b"\n1\t2\n'
    rows = [row for piece in cut(text, [1, 65_540, 70_000]) for row in table.feed(piece).rows] + table.finish().rows
    assert (table.names[1], rows, table.uneven) == ("b", [["1", "2"]], 0)


async def test_a_surplus_cell_takes_no_columns_name() -> None:
    """A column may have the name that the surplus cell would get."""
    rows, _ = await rows_of(b"a\tcolumn 3\n1\t2\t3\n")
    assert rows == [{"a": "1", "column 3": "2", "column 3 2": "3"}]


async def test_attributes_of_rows_are_none_before_the_first_row() -> None:
    """No value is guessed."""
    async with served(s3("200 OK", b"a\tb\n")) as server, document_at(server.url) as document:
        assert isinstance(document, Document)
        assert (document.delimiter, document.quoted, document.uneven, document.replaced) == (None, None, 0, 0)
