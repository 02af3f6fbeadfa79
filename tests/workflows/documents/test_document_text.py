"""From bytes to characters, lines, rows and JSON, for any division into pieces."""

import codecs
import gzip
import io
import zlib
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from document_fixtures import document_at, s3, served
from hypothesis import example, given
from hypothesis import strategies as st

from spapi_async import DecodeError, DocumentError, DocumentTruncatedError
from spapi_async.workflows.documents import Document, _gzip
from spapi_async.workflows.documents._charset import TextDecoder, announced_charset, codec_of
from spapi_async.workflows.documents._gzip import STEP, Gunzip
from spapi_async.workflows.documents._lines import LineCutter, split_lines

CHARSETS = ("Cp1252", "windows-31j", "UTF-8", "EUC_JP", "ISO8859_1", "UTF-16", "MS932", "x-windows-949")


def cut(content: bytes, places: list[int]) -> list[bytes]:
    """The content in pieces, cut at these places (taken modulo its length)."""
    edges = sorted({0, len(content), *(place % (len(content) + 1) for place in places)})
    return [content[start:end] for start, end in pairwise(edges)]


def decoded(decoder: TextDecoder, pieces: list[bytes]) -> str:
    """All the text."""
    return "".join([*map(decoder.decode, pieces), decoder.decode(b"", final=True)])


PLACES = st.lists(st.integers(0, 5000), max_size=20)


@given(text=st.text(max_size=300), charset=st.sampled_from(CHARSETS), places=PLACES, members=PLACES, steps=PLACES)
def test_text_comes_back_from_any_charset_gzip_members_and_chunks(
    text: str, charset: str, places: list[int], members: list[int], steps: list[int]
) -> None:
    """Characters and members may be split across chunks."""
    codec = codec_of(charset)
    assert codec is not None
    content = text.encode(codec, "ignore")
    expected = content.decode(codec)
    packed = b"".join(gzip.compress(part, 1) for part in cut(content, members) or [b""])
    gunzip = Gunzip()
    pieces = [piece for chunk in cut(packed, places) for piece in gunzip.feed(chunk)]
    gunzip.finish()
    assert b"".join(pieces) == content
    assert decoded(TextDecoder(codec), cut(content, steps)) == expected


@given(text=st.text(max_size=200), places=PLACES, mark=st.booleans())
def test_utf8_without_a_charset_is_detected(text: str, places: list[int], mark: bool) -> None:
    """It may have a byte order mark, and any pieces."""
    text = text.removeprefix("\ufeff")
    content = (codecs.BOM_UTF8 if mark else b"") + text.encode()
    assert decoded(TextDecoder(None), cut(content, places)) == text


@given(
    text=st.text(st.sampled_from("abc\t\r\néüß€™"), max_size=200).filter(lambda text: not text.isascii()), places=PLACES
)
def test_cp1252_without_a_charset_is_detected(text: str, places: list[int]) -> None:
    """Western text that is not UTF-8 keeps its accents, unless half of them or more happen to be valid UTF-8."""
    content = text.encode("cp1252")
    as_utf8 = content.decode("utf-8", "replace")
    by_accident = sum(character > "\x7f" and character != "\ufffd" for character in as_utf8)
    if by_accident < as_utf8.count("\ufffd"):
        assert decoded(TextDecoder(None), cut(content, places)) == text


def test_an_accent_at_the_end_of_a_chunk_waits_for_the_next() -> None:
    """The first byte of a possible UTF-8 character decides nothing."""
    for pieces, text in (
        ([b"caf\xe9", b" au lait"], "café au lait"),
        ([b"caf\xc3", b"\xa9"], "café"),
        ([b"x\xe9"], "xé"),
    ):
        assert decoded(TextDecoder(None), pieces) == text
    assert decoded(TextDecoder(None), [b"\xff", b"\xfea\0b\0"]) == "ab"


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("Cp1252", "cp1252"),
        ("windows-31j", "cp932"),
        ("Shift_JIS", "cp932"),
        ("Shift-JIS", "cp932"),
        ("MS932", "cp932"),
        ("UTF8", "utf-8-sig"),
        ("ISO8859_1", "iso8859-1"),
        ("x-windows-949", "cp949"),
        ("base64", None),
        ("klingon", None),
    ],
)
def test_javas_charset_names_are_known(name: str, codec: str | None) -> None:
    """An unknown name is no charset."""
    assert codec_of(name) == codec


def test_shift_jis_is_what_windows_writes() -> None:
    """① and ㈱ are only in cp932; Python's shift_jis would fail on them."""
    codec = codec_of("Shift_JIS")
    assert codec is not None
    assert decoded(TextDecoder(codec), ["①㈱".encode("cp932")]) == "①㈱"


@pytest.mark.parametrize(
    "content_type", ["text/plain; charset=Cp1252", 'text/plain;CHARSET = "Cp1252"', "text/plain; x=1; charset=Cp1252;"]
)
def test_the_charset_is_found_in_the_content_type(content_type: str) -> None:
    """It may be quoted, and beside other parameters."""
    assert announced_charset(content_type) == "Cp1252"
    assert announced_charset("text/plain") is None


@given(text=st.text(st.sampled_from("ab\r\n\u2028\x85\x0b"), max_size=60), places=PLACES)
@example(text="a\r\nb", places=[2])
@example(text="a\rb\r\nc", places=[4])
def test_lines_end_where_files_lines_end(text: str, places: list[int]) -> None:
    """As in the standard library's text files, CR LF, LF and CR end a line, and no other character does."""
    cutter = LineCutter()
    pieces = _cut_text(text, places)
    lines = [line for piece in pieces for line in split_lines(cutter.feed(piece))] + split_lines(cutter.finish())
    assert lines == [line.rstrip("\n") for line in io.StringIO(text, newline=None)]


def _cut_text(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(edges)]


def test_a_line_without_end_does_not_fill_memory() -> None:
    """Sixteen million characters are an error."""
    cutter = LineCutter()
    for _ in range(16):
        cutter.feed("x" * 1_000_000)
    with pytest.raises(DocumentError, match="line"):
        cutter.feed("x" * 1_000_000)


def test_the_beginning_of_a_long_line_counts() -> None:
    """It may come in one piece with the end of another line."""
    cutter = LineCutter()
    assert cutter.feed("a\n" + "x" * 9_000_000) == "a\n"
    with pytest.raises(DocumentError, match="line"):
        cutter.feed("x" * 8_000_000)


def test_cr_lf_cut_in_two_is_one_line_end() -> None:
    """There is no empty line between two pieces."""
    cutter = LineCutter()
    lines = split_lines(cutter.feed("a\r\nb\r")) + split_lines(cutter.feed("\nc\r\n")) + split_lines(cutter.finish())
    assert lines == ["a", "b", "c"]


@pytest.mark.parametrize("content", [b"", b"\x1f", gzip.compress(b"x", mtime=0)[:-1]])
def test_a_gzip_without_its_trailer_is_truncated(content: bytes) -> None:
    """A gzip of nothing has twenty bytes."""
    gunzip = Gunzip()
    list(gunzip.feed(content))
    with pytest.raises(DocumentTruncatedError):
        gunzip.finish()
    whole = Gunzip()
    assert list(whole.feed(gzip.compress(b""))) == []
    whole.finish()


@pytest.mark.parametrize("library", [zlib, _gzip.deflate], ids=["zlib", "isal if installed"])
def test_gzip_steps_are_bounded(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece is small, however far a chunk expands, with isal (an extra) and with zlib."""
    monkeypatch.setattr(_gzip, "deflate", library)
    packed = gzip.compress(bytes(5_000_000)) + gzip.compress(bytes(5_000_000))
    gunzip = Gunzip()
    sizes = [len(piece) for piece in gunzip.feed(packed)]
    gunzip.finish()
    assert max(sizes) <= STEP
    assert sum(sizes) == 10_000_000


async def opened(content: bytes, content_type: str, what: str, **options: str) -> object:
    """The result of one way of reading a document."""
    reply = s3("200 OK", content, f"Content-Type: {content_type}")
    async with served(reply) as server, document_at(server.url, **options) as document, document:  # type: ignore[arg-type]
        return await _read(document, what)


async def _read(document: Document, what: str) -> object:
    if what in ("json", "text"):
        return await getattr(document, what)()
    return [each async for each in getattr(document, f"iter_{what}")()]


async def test_json_is_utf8_unless_it_says_otherwise() -> None:
    """Without a charset it is UTF-8, with or without a mark, never Latin-1."""
    expected = {"ort": "Köln"}
    content = msgspec.json.encode(expected)
    for body, kind in (
        (content, "application/json"),
        (codecs.BOM_UTF8 + content, "application/json"),
        (content, "application/json; charset=UTF-8"),
        (content.decode().encode("cp1252"), "application/json; charset=Cp1252"),
    ):
        assert await opened(body, kind, "json") == expected


async def test_json_lines_are_values() -> None:
    """Blank lines and a missing last line end are accepted; invalid JSON is a DecodeError."""
    assert await opened(b'{"a":1}\r\n\n{"a":null}', "application/jsonlines", "json_lines") == [{"a": 1}, {"a": None}]
    with pytest.raises(DecodeError):
        await opened(b'{"a":1}\n<html>\n', "application/jsonlines", "json_lines")


async def test_rows_are_dicts_that_lose_nothing() -> None:
    """Short rows are filled, long ones keep their cells, blank lines are skipped."""
    rows = await opened(b"a\tb\r\n1\t2\r\n\r\n3\r\n4\t5\t6", "text/plain; charset=Cp1252", "rows")
    assert rows == [{"a": "1", "b": "2"}, {"a": "3", "b": ""}, {"a": "4", "b": "5", "column 3": "6"}]


async def test_an_unknown_charset_is_detected_like_a_missing_one() -> None:
    """The report is not lost."""
    assert await opened("Köln".encode(), "text/plain; charset=x-klingon", "text") == "Köln"
    assert await opened("東京".encode("cp932"), "text/plain", "text", charset="windows-31j") == "東京"


async def test_strict_decoding_shows_no_data() -> None:
    """The error names the charset and not the bytes."""
    with pytest.raises(DocumentError, match="not utf-8") as caught:
        await opened(b"MARKED \xff", "text/plain; charset=UTF-8", "text", errors="strict")
    assert "MARKED" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
