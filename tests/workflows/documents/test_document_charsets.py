"""The charset is a property of the whole file: what determines it, and what one bad byte does not change."""

import codecs
from typing import Any

import pytest
from document_fixtures import document_at, s3, served
from hypothesis import given
from hypothesis import strategies as st

from spapi_async import DocumentError
from spapi_async.workflows.documents import Document
from spapi_async.workflows.documents._charset import FIRST_PIECE, TextDecoder, codec_of


async def text_of(content: bytes, content_type: str = "text/plain", **options: Any) -> tuple[str, Document]:
    """The text of a document, and the document afterwards."""
    reply = s3("200 OK", content, f"Content-Type: {content_type}")
    async with served(reply) as server, document_at(server.url, **options) as document, document:
        return await document.text(), document


def decoded(decoder: TextDecoder, *pieces: bytes) -> str:
    """All the text."""
    return "".join([*map(decoder.decode, pieces), decoder.decode(b"", final=True)])


async def test_one_bad_byte_does_not_make_a_file_cp1252() -> None:
    """It is UTF-8 with one character replaced and counted."""
    text, document = await text_of(b"sku\ttitle\nS0\tCaf\xe9\nS1\tCaf\xc3\xa9\n")
    assert text == "sku\ttitle\nS0\tCaf\ufffd\nS1\tCafé\n"
    assert (document.charset, document.replaced) == ("utf-8", 1)


async def test_replacement_characters_of_the_file_are_not_counted() -> None:
    """They are part of the file."""
    text, document = await text_of("a \ufffd b é".encode() + b" \xff" + "\ufffd".encode())
    assert text == "a \ufffd b é \ufffd\ufffd"
    assert document.replaced == 1


async def test_a_byte_order_mark_overrides_the_announced_charset() -> None:
    """The caller's choice overrides both."""
    content = codecs.BOM_UTF8 + "Café".encode()
    text, document = await text_of(content, "text/plain; charset=ISO-8859-1")
    assert (text, document.charset) == ("Café", "utf-8")
    text, document = await text_of(content, charset="cp1252")
    assert (text, document.charset) == ("ï»¿CafÃ©", "cp1252")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("content_type", ["text/plain; charset=UTF-16", "text/plain"])
async def test_the_byte_order_of_utf16_without_a_mark_is_found(codec: str, content_type: str) -> None:
    """Its zero bytes show it, whether UTF-16 is announced or not."""
    text, document = await text_of("sku\ttitle\nA\tCafé ①\n".encode(codec), content_type)
    assert text == "sku\ttitle\nA\tCafé ①\n"
    assert (document.charset, document.replaced) == (codec, 0)


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
async def test_each_byte_order_mark_is_recognised_and_removed(mark: str) -> None:
    """UTF-32's little-endian mark begins with that of UTF-16."""
    text, _ = await text_of("Café ①".encode(mark))
    assert text == "Café ①"


@pytest.mark.parametrize("name", ["idna", "undefined", "punycode", "unicode_escape", "raw_unicode_escape", "x-klingon"])
async def test_an_announced_codec_that_is_not_a_charset_is_ignored(name: str) -> None:
    """Python may have a codec of that name."""
    assert codec_of(name) is None
    text, document = await text_of("Köln".encode(), f"text/plain; charset={name}")
    assert (text, document.charset) == ("Köln", "utf-8")


async def test_halves_of_surrogate_pairs_are_replaced() -> None:
    """UTF-7 can contain them, but they could not be encoded again."""
    text, document = await text_of(b"a +2D0- b", "text/plain; charset=utf-7")
    assert (text, document.replaced) == ("a \ufffd b", 1)


async def test_escaped_bytes_are_replaced_in_json() -> None:
    """The caller asked for ``surrogateescape``, which JSON cannot hold."""
    reply = s3("200 OK", b'"a \xff"', "Content-Type: application/json; charset=UTF-8")
    async with served(reply) as server, document_at(server.url, errors="surrogateescape") as document, document:
        assert await document.json() == "a \ufffd"
    assert document.replaced == 1


async def test_japanese_without_a_charset_is_recognised_by_its_kana() -> None:
    """Western text is not taken for it."""
    text, document = await text_of("商品名\tスクリーン の 保護\n".encode("cp932"))
    assert (text, document.charset) == ("商品名\tスクリーン の 保護\n", "cp932")
    western = "Thé „vert” \u201an° 3\u2019 für Köln ƒ"
    text, document = await text_of(western.encode("cp1252"))
    assert (text, document.charset) == (western, "cp1252")


@pytest.mark.parametrize(
    ("content", "codec"),
    [
        ("商品\t値段\n髙﨑①\t5\n".encode("cp932"), "cp932"),
        ("Müller & Söhne\t€ 5\n".encode("cp1252"), "cp1252"),
        (b"Th\xe9 \x81 l'eau\n", "cp1252"),  # a bad byte, which makes it no Japanese
    ],
)
async def test_kanji_alone_are_known_by_what_they_mean_in_no_western_charset(content: bytes, codec: str) -> None:
    """And western text with a bad byte is not taken for them."""
    text, document = await text_of(content)
    assert (text, document.charset) == (content.decode(codec, "replace"), codec)


async def test_an_xml_declaration_names_the_charset() -> None:
    """It does so if neither a mark nor the host does."""
    content = '<?xml version="1.0" encoding="Shift_JIS"?><a>商品</a>'.encode("cp932")
    text, document = await text_of(content, "text/xml")
    assert "商品" in text
    assert document.charset == "cp932"
    lie = b'<?xml version="1.0" encoding="UTF-16"?><a>x</a>'
    assert (await text_of(lie, "text/xml"))[0] == lie.decode()


def test_the_charset_is_decided_by_the_first_piece_that_is_not_ascii() -> None:
    """A megabyte of ASCII rows before the first accent decides nothing."""
    ascii_rows = b"sku\ttitle\n" * (FIRST_PIECE // 5)
    for accent, codec in ((b"Caf\xe9 au lait", "cp1252"), ("Café".encode(), "utf-8")):
        decoder = TextDecoder()
        text = decoded(decoder, ascii_rows, accent[:4], accent[4:])
        assert text == ascii_rows.decode() + accent.decode(codec)
        assert decoder.codec == codec


@given(
    content=st.binary(max_size=200),
    codec=st.sampled_from([None, "utf-8-sig", "cp932", "utf-7", "utf-16", "utf-32", "gb18030", "iso2022_jp_ext", "hz"]),
    size=st.integers(1, 50),
)
def test_any_bytes_are_decoded(content: bytes, codec: str | None, size: int) -> None:
    """With any announced charset and any pieces, the text can be encoded again."""
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    decoded(TextDecoder(None, codec), *pieces).encode()


async def test_strict_errors_say_the_charset_and_show_no_data() -> None:
    """The bytes around the bad one may be a buyer's name."""
    with pytest.raises(DocumentError, match="not utf-8") as caught:
        await text_of(b"MARKED \xff", "text/plain; charset=UTF-8", errors="strict")
    assert "MARKED" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert caught.value.operation == "test.get_document"
