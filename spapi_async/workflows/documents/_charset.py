"""Decodes bytes into text, also if a document names no charset, a wrong one, or one by its Java name.

Amazon names a charset in the object's Content-Type, as in Java (``Cp1252``, ``windows-31j``), or leaves it out. A file
has one encoding: it is chosen once, from the first piece that contains more than ASCII, and a single invalid byte does
not change the choice.
"""

from __future__ import annotations

import codecs
import re

from spapi_async.errors import ConfigurationError, DocumentError

__all__ = ["FIRST_PIECE", "TextDecoder", "announced_charset", "check_choice", "codec_of", "utf8_of"]

FIRST_PIECE = 64 * 1024
"""Bytes (or characters) from which the properties of a file are decided."""

# Names that Python does not know, or for which its codec has fewer characters than Windows and Java write: a file "in
# Shift-JIS" may contain ① and ㈱, which only cp932 has.
_CODECS = {
    "windows31j": "cp932",
    "cswindows31j": "cp932",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "mskanji": "cp932",
    "ms932": "cp932",
    "cp943c": "cp932",
    "xwindows949": "cp949",
    "windows949": "cp949",
    "ksc56011987": "cp949",
    "euckr": "cp949",
    "xwindows950": "cp950",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ms936": "gb18030",
    "xmswin936": "gb18030",
    "xwindowsiso2022jp": "iso2022_jp_ext",
    "utf8": "utf-8-sig",  # a byte order mark is not text
    "usascii": "utf-8-sig",
    "ascii": "utf-8-sig",
    "xutf16lebom": "utf-16",
}
# Codecs from text to text, or for names of hosts, in which no file is written.
_NOT_CHARSETS = ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^"';,\s]{1,64})""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""\s*<\?xml\s[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z][\w.-]{0,60})["']""")
# UTF-32 comes first, because its little-endian mark begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Hiragana and katakana in cp932. In cp1252 their first bytes are a low quotation mark and the florin sign, both rare.
_KANA = re.compile(rb"\x82[\x9f-\xf1]|\x83[\x40-\x7e\x80-\x96]")


def announced_charset(content_type: str) -> str | None:
    """The charset that a Content-Type names, as written there."""
    found = _CHARSET.search(content_type)
    return found.group(1) if found else None


def codec_of(name: str) -> str | None:
    """The name of Python's codec for a charset, by any of the charset's names; None if there is none.

    For UTF-8 it is ``utf-8-sig``, which drops a byte order mark.
    """
    known = _CODECS.get(re.sub(r"[^a-z0-9]", "", name.lower()))
    try:
        info = codecs.lookup(known or name)
    except (LookupError, ValueError):
        return None
    # base64, rot13 and others are codecs, but not charsets.
    is_charset = getattr(info, "_is_text_encoding", True) and info.name.replace("_", "-") not in _NOT_CHARSETS
    return info.name if is_charset else None


def check_choice(charset: str | None, errors: str) -> None:
    """Refuse arguments that cannot work, before a request is sent.

    Raises:
        ConfigurationError: the charset or the error handler does not exist.
    """
    if charset is not None and codec_of(charset) is None:
        raise ConfigurationError(f"charset={charset!r} is unknown: give a name that Python or Java knows")
    try:
        codecs.lookup_error(errors)
    except LookupError as error:
        raise ConfigurationError(f"errors must be an error handler of bytes.decode, not {errors!r}") from error


def utf8_of(text: str) -> bytes:
    """A decoded text as UTF-8.

    With the caller's errors="surrogateescape", invalid bytes became halves of surrogate pairs; they become bytes again.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair that does not represent a byte
        return text.encode("utf-8", "surrogatepass")


class TextDecoder:
    """Decodes a document in chunks that may end inside a character.

    The encoding is the first of these that is known: the caller's charset; a byte order mark; the announced charset; an
    XML declaration; a guess from the bytes. The guess is UTF-8 unless most non-ASCII bytes are invalid in it; then
    Japanese (cp932) if there are kana, or if the text is valid in it and not in cp1252; else cp1252, the encoding of
    Amazon's western reports. UTF-16 without a mark is recognised by its zero bytes, which also show the byte order.

    Text is returned once :data:`FIRST_PIECE` bytes, or the whole document, have been received.

    Args:
        asked: the caller's codec.
        announced: the codec that the document's host names.
        errors: as for ``bytes.decode``; with ``replace``, invalid bytes become U+FFFD and are counted.
    """

    __slots__ = ("_announced", "_asked", "_begun", "_codec", "_decoder", "_errors", "_held", "_held_size", "replaced")

    def __init__(self, asked: str | None = None, announced: str | None = None, errors: str = "replace") -> None:
        self._asked = asked
        self._announced = announced
        self._errors = errors
        self._codec = asked or announced
        self._begun = False
        self._held: list[bytes] = []  # bytes received before the encoding was chosen
        self._held_size = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self.replaced = 0
        """Invalid bytes, or groups of them, that became U+FFFD."""

    @property
    def codec(self) -> str:
        """The name of the encoding that is used so far."""
        return (self._codec or "utf-8").removesuffix("-sig")

    def decode(self, chunk: bytes, *, final: bool = False) -> str:
        """The text of a chunk, as far as its characters are complete.

        Raises:
            DocumentError: there are invalid bytes, and ``errors`` is "strict".
        """
        if self._decoder is not None:
            return self._decoded(self._decoder, chunk, final=final)
        if self._begun and not self._held and chunk.isascii() and not final:
            return chunk.decode("ascii")
        self._held.append(chunk)
        self._held_size += len(chunk)
        if self._held_size < FIRST_PIECE and not final:
            return ""
        whole = b"".join(self._held)
        self._held, self._held_size = [], 0
        codec = self._choose(whole, final=final)
        self._begun = True
        if codec is None:  # only ASCII so far, which is the same text in every encoding
            return whole.decode("ascii")
        self._codec = codec
        self._decoder = codecs.getincrementaldecoder(codec)(self._errors)
        return self._decoded(self._decoder, whole, final=final)

    def _decoded(self, decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool) -> str:
        state = decoder.getstate() if self._errors == "replace" else None
        try:
            text = decoder.decode(chunk, final)
        except UnicodeError as error:
            # The error contains the bytes around it, which may be a buyer's name.
            reason = error.reason if isinstance(error, UnicodeDecodeError) else type(error).__name__
        else:
            if state is not None and "\ufffd" in text:
                self._count(text, chunk, state, final=final)
            return self._without_surrogates(text) if self._codec == "utf-7" else text
        raise DocumentError(f'the text is not {self.codec} ({reason}): pass charset=, or errors="replace"')

    def _count(self, text: str, chunk: bytes, state: tuple[bytes, int], *, final: bool) -> None:
        """Count the replaced bytes, but not the characters U+FFFD that are in the file itself."""
        ignoring = codecs.getincrementaldecoder(self._codec or "utf-8")("ignore")
        ignoring.setstate(state)
        self.replaced += text.count("\ufffd") - ignoring.decode(chunk, final).count("\ufffd")

    def _without_surrogates(self, text: str) -> str:
        """Replace halves of surrogate pairs, which UTF-7 can represent but no other encoding can."""
        text, replaced = re.subn("[\ud800-\udfff]", "\ufffd", text)
        self.replaced += replaced
        return text

    def _choose(self, piece: bytes, *, final: bool) -> str | None:
        """The codec for a file, or for its rest if the pieces before were ASCII; None if the piece is ASCII, too."""
        if self._begun:
            return _guess(piece, final=final)
        marked = next((codec for mark, codec in _BYTE_ORDER_MARKS if piece.startswith(mark)), None)
        chosen = self._asked or marked or self._announced or _declared(piece)
        if chosen in ("utf-16", "utf-32") and chosen != marked:
            # For Java and RFC 2781, UTF-16 without a mark is big-endian, but most files are little-endian.
            return _utf16_order(piece) or f"{chosen}-be" if chosen == "utf-16" else "utf-32-be"
        return chosen or _utf16_order(piece) or _guess(piece, final=final)


def _declared(piece: bytes) -> str | None:
    found = _XML_ENCODING.match(piece)
    codec = codec_of(found[1].decode("ascii")) if found else None
    # The declaration was matched as single bytes, so the encoding cannot be one of these.
    return None if codec is None or codec.startswith(("utf-16", "utf-32")) else codec


def _utf16_order(piece: bytes) -> str | None:
    """UTF-16 with its byte order, from the positions of zero bytes (of ASCII characters); None if there are too few."""
    pairs = max(len(piece) // 2, 1)
    first, second = piece[0::2].count(0), piece[1::2].count(0)
    if max(first, second) * 4 < pairs or min(first, second) * 4 > max(first, second):
        return None
    return "utf-16-be" if first > second else "utf-16-le"


def _guess(piece: bytes, *, final: bool) -> str | None:
    if piece.isascii():
        return None
    text, kept = (codecs.getincrementaldecoder("utf-8")(how).decode(piece, final) for how in ("replace", "ignore"))
    good = len(kept) - len(kept.encode("ascii", "ignore"))
    if good >= len(text) - len(kept):
        return "utf-8"
    high = len(piece) - len(piece.decode("latin-1").encode("ascii", "ignore"))
    if 2 * len(_KANA.findall(piece)) * 4 >= high:
        return "cp932"
    # Kanji alone: five of their bytes mean nothing in cp1252.
    return "cp932" if _is_text(piece, "cp932", final=final) and not _is_text(piece, "cp1252", final=final) else "cp1252"


def _is_text(piece: bytes, codec: str, *, final: bool) -> bool:
    try:
        codecs.getincrementaldecoder(codec)().decode(piece, final)
    except UnicodeDecodeError:
        return False
    return True
