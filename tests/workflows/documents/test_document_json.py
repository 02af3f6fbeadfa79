"""JSON of documents: lines, the items of one big array, and errors in the middle of either."""

import json
import random
import tracemalloc
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import pytest
from document_fixtures import document_at, s3, served
from hypothesis import given, settings
from hypothesis import strategies as st

from spapi_async import DecodeError, DocumentError
from spapi_async.workflows.documents import Document
from spapi_async.workflows.documents._json_items import DEEPEST_JSON, ItemScanner, parsed_path
from spapi_async.workflows.documents._json_values import JsonValues

Way = Callable[[Document], Any]


async def got(content: bytes, way: Way) -> tuple[list[Any], Exception | None, Document]:
    """What was handed out, the error that ended it, and the document."""
    values: list[Any] = []
    reply = s3("200 OK", content, "Content-Type: application/json; charset=UTF-8")
    async with served(reply) as server, document_at(server.url) as document, document:
        try:
            async for value in way(document):
                values.append(value)  # noqa: PERF401 -- what came before an error counts
        except (DecodeError, DocumentError) as error:
            return values, error, document
    return values, None, document


def lines(document: Document) -> Any:
    return document.iter_json_lines()


async def once(document: Document) -> Any:
    yield await document.json()


def items(path: Any = "", **options: Any) -> Way:
    return lambda document: document.iter_json_items(path, **options)


async def test_good_lines_come_before_the_bad_one() -> None:
    """The error has its number and the operation."""
    values, error, _ = await got(b'{"a":1}\n{"a":2}\n{"a":\n{"a":4}\n', lines)
    assert values == [{"a": 1}, {"a": 2}]
    assert isinstance(error, DecodeError)
    assert "line 3 " in str(error)
    assert error.operation == "test.get_document"


async def test_the_number_of_a_bad_line_counts_all_lines() -> None:
    """Blank ones, those of earlier pieces and those without an end count."""
    content = b'{"a":1}\n' * 30_000 + b"\n\n" + b'{"a":1}\n' * 5 + b"<html>"
    values, error, _ = await got(content, lines)
    assert len(values) == 30_005
    assert "line 30,008 " in str(error)


async def test_a_value_of_another_type_is_named_and_not_shown() -> None:
    """Its position is in ``path``."""
    content = b'{"a":1}\n{"a":"MARKED"}\n'
    values, error, _ = await got(content, lambda document: document.iter_json_lines(dict[str, int]))
    assert values == [{"a": 1}]
    assert isinstance(error, DecodeError)
    assert "line 2 is not of the requested type" in str(error)
    assert error.path == "$[...]"
    assert "MARKED" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"


@pytest.mark.parametrize("content", [b'{"a":"MARKED"}\n', b'[{"a":"MARKED"}]'])
async def test_a_value_that_the_decoder_quotes_is_not_shown(content: bytes) -> None:
    """The error of msgspec quotes a value that a Literal does not have, and a context is printed like a cause."""
    kind = dict[str, Literal["x"]]
    way = (lambda d: d.iter_json_items(type=kind)) if content[:1] == b"[" else (lambda d: d.iter_json_lines(kind))
    _, error, _ = await got(content, way)
    assert isinstance(error, DecodeError)
    assert error.__context__ is None


async def test_half_an_emoji_in_a_line_is_replaced() -> None:
    """Violations of JSON's finer rules are repaired and counted, as in replies."""
    values, error, document = await got(b'{"a":"Tee \\ud83d"}\n{"a":"tab\there"}\n{"a":1}\n', lines)
    assert (values, error) == ([{"a": "Tee \ufffd"}, {"a": "tab\there"}, {"a": 1}], None)
    assert document.replaced == 2
    values, error, document = await got(b'[{"a":"Tee \\ud83d"},{"a":1}]', items())
    assert (values, error, document.replaced) == ([{"a": "Tee \ufffd"}, {"a": 1}], None, 1)


@pytest.mark.parametrize("way", [lines, items(), items("a.a"), once], ids=["lines", "items", "path", "json"])
@pytest.mark.parametrize(
    "content",
    [b"[" * 200_000, b'{"a":' * 200_000, b"[" * 50_000 + b"1" + b"]" * 50_000],
    ids=["arrays", "objects", "closed"],
)
async def test_deep_nesting_is_a_decode_error(way: Way, content: bytes) -> None:
    """It is never a RecursionError."""
    _, error, _ = await got(content, way)
    assert isinstance(error, DecodeError)


class Row(msgspec.Struct):
    asin: str
    rank: int | None = None


async def test_items_of_a_nested_array_come_typed() -> None:
    """Everything before and after the array is skipped."""
    content = (
        b'{"spec": {"rows": [1]}, "report": {"x": "]}", "rows": [{"asin": "B0", "rank": 1}, {"asin": "B1"}]}, "y": 1}'
    )
    values, error, _ = await got(content, items("report.rows", type=Row))
    assert (values, error) == ([Row("B0", 1), Row("B1")], None)
    values, _, _ = await got(b'{"a.b": [1, 2]}', items(["a.b"]))
    assert values == [1, 2]


@pytest.mark.parametrize(
    ("content", "path", "before", "says"),
    [
        (b'{"a": 1}', "rows", [], "the document has no [$].rows"),
        (b'{"rows": null}', "rows", [], "[$].rows is not an array"),
        (b'{"a": [1]}', "a.rows", [], "[$].a is not an object"),
        (b'{"a": [1]}', "", [], "[$] is not an array"),
        (b"", "", [], "ends inside"),
        (b"[1, 2", "", [1], "ends inside"),
        (b"[1, 2] x", "", [1, 2], "more text after the end"),
        (b"[1,, 2]", "", [1], "malformed"),
        (b"[1, 2,]", "", [1, 2], "malformed"),
        (b"[1 x, 2]", "", [], "malformed"),
        (b'[1, 2, {"a": 1]', "", [1, 2], "ends inside"),
        (b'{"z": [1, 2], "rows', "rows", [], "ends inside"),
    ],
)
async def test_a_missing_or_broken_array_is_an_error(content: bytes, path: str, before: list[int], says: str) -> None:
    """Complete items before the error are handed out."""
    values, error, _ = await got(content, items(path))
    assert values == before
    with pytest.raises(DecodeError, match=says):
        raise error or AssertionError("no error")


@pytest.mark.parametrize("path", ["rows", ""])
async def test_an_error_document_says_why_there_is_no_array(path: str) -> None:
    """The error has its words; a document that has the array is not an error document."""
    _, error, _ = await got(b'{"errorDetails": "No data for this range"}', items(path))
    assert isinstance(error, DocumentError)
    assert "error document" in str(error)
    assert "No data for this range" in str(error)
    content = b'{"message": "fine", "rows": [{"asin": 1}]}'
    _, error, _ = await got(content, items("rows", type=Row))
    assert isinstance(error, DecodeError)


async def test_good_items_come_before_the_bad_one() -> None:
    """The error has its number, counted over all pieces."""
    content = b'{"rows": [' + b'{"a": 1}, ' * 20_000 + b'{"a": tru}, {"a": 2}]}'
    values, error, _ = await got(content, items("rows"))
    assert len(values) == 20_000
    assert isinstance(error, DecodeError)
    assert "item 20,001 of $.rows is not JSON" in str(error)
    assert error.path == "$.rows[20000]"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.text(st.sampled_from('a"\\]}[{,:é\n'), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.sampled_from('ab".'), max_size=2), inner, max_size=4)
    ),
    max_leaves=25,
)


@settings(max_examples=50)
@given(
    rows=st.lists(JSON, max_size=8), before=JSON, after=JSON, step=st.integers(1, 60), indent=st.sampled_from([None, 1])
)
def test_items_are_those_of_the_whole_value(
    rows: list[Any], before: Any, after: Any, step: int, indent: int | None
) -> None:
    """Pieces and formatting do not matter."""
    document = {"before": before, "in": {"before": before, "rows": rows, "after": after}, "after": after}
    for path, value in (("", rows), ("in.rows", document)):
        content = json.dumps(value, indent=indent, ensure_ascii=False).encode()
        assert scanned(content, path, step) == rows


def scanned(content: bytes, path: str, step: int) -> list[Any]:
    """The items, with the document in pieces of so many bytes."""
    scanner, values = ItemScanner(parsed_path(path)), JsonValues[Any](Any)
    batches = [batch for at in range(0, len(content), step) for batch in scanner.feed(content[at : at + step])]
    return [value for batch in [*batches, *scanner.finish()] for value in values.items(batch)]


@given(
    content=st.binary(max_size=60) | st.text(st.sampled_from('[]{}",:\\a1 '), max_size=60).map(str.encode),
    step=st.integers(1, 9),
)
def test_any_bytes_give_items_or_decode_error(content: bytes, step: int) -> None:
    """Complete items are those that a parser reads."""
    for path in ("", "a"):
        try:
            values = scanned(content, path, step)
        except DecodeError:
            continue
        if not path:
            assert values == json.loads(content.decode("utf-8", "replace"), strict=False)


@pytest.mark.parametrize(
    ("content", "path"), [(b"[" * 600, ""), (b'{"x":' + b"[" * 600, "rows")], ids=["item", "beside"]
)
def test_nesting_is_bounded_at_once(content: bytes, path: str) -> None:
    """The error comes before the item has filled memory."""
    scanner = ItemScanner(parsed_path(path))
    with pytest.raises(DecodeError, match="more than 500 levels deep"):
        list(scanner.feed(content))


def test_items_nested_up_to_the_bound_are_read() -> None:
    """They are nested deeper than the regular expression covers."""
    levels = DEEPEST_JSON - 2
    item = b'{"a":' * levels + b"1" + b"}" * levels
    assert len(scanned(b"[" + b",".join([item] * 3) + b"]", "", 1000)) == 3


@pytest.mark.parametrize(
    "unit",
    [
        b"[[[[[[[[[[[[1]]]]]]]]]]]],",
        b'{"a":"\\"]}","b":[{"c":{}}]},',
        b'"' + b'\\"' * 30 + b'",',
        b"[" * 40 + b"]" * 40 + b",",
    ],
    ids=["deeper than known", "strings", "escapes", "brackets"],
)
def test_time_grows_with_the_size_and_not_with_its_square(unit: bytes) -> None:
    """It is counted in bytes that the scanner joins: an incomplete item is read again only when it has doubled."""
    looked_at = []
    for size in (20_000, 80_000):
        content = b"[[" + unit * (size // len(unit)) + b"1]]"  # one item, which is complete only at the end
        scanner = ItemScanner(())
        total = 0
        for at in range(0, len(content), 200):
            assert list(scanner.feed(content[at : at + 200])) == []
            if not scanner.more:
                total += len(scanner.buffer)
        assert sum(map(len, scanner.finish())) == len(content) - 2
        looked_at.append(total)
    assert looked_at[1] < 6 * looked_at[0]


async def test_a_big_array_is_read_in_bounded_memory() -> None:
    """Three megabytes of one value take a megabyte or two."""
    rng = random.Random(1)
    unit = b",".join(
        msgspec.json.encode({"asin": f"B{rng.random()}", "rows": [{"a": "x" * 50}] * 3}) for _ in range(50)
    )
    content = b'{"rows":[' + b",".join([unit] * 200) + b"]}"
    scanner, values, count = ItemScanner(("rows",)), JsonValues[Any](Any), 0
    tracemalloc.start()
    for at in range(0, len(content), 65536):
        for batch in scanner.feed(content[at : at + 65536]):
            for _ in values.items(batch):
                count += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 2_500_000
