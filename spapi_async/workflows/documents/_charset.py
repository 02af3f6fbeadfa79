"""From bytes to text: Java's names of charsets, and what to make of a document that names none.

Amazon names a charset in the object's Content-Type, as Java calls it (``Cp1252``, ``windows-31j``), or leaves it out.
"""

from __future__ import annotations

import codecs
import re

from spapi_async.errors import ConfigurationError, DocumentError

__all__ = ["TextDecoder", "announced_charset", "check_choice", "codec_of"]

# Where Python does not know the name, or knows it for something narrower than what Windows and Java write under it:
# a file "in Shift-JIS" holds ① and ㈱, which only cp932 has.
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
    "utf8": "utf-8-sig",  # a byte order mark is no text
    "usascii": "utf-8-sig",
    "ascii": "utf-8-sig",
    "xutf16lebom": "utf-16",
}
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^"';,\s]+)""", re.IGNORECASE)
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def announced_charset(content_type: str) -> str | None:
    """The charset that a Content-Type names, in its words."""
    found = _CHARSET.search(content_type)
    return found.group(1) if found else None


def codec_of(name: str) -> str | None:
    """Python's codec for a charset by any of its names; None where there is none.

    UTF-8 comes as ``utf-8-sig``, which drops a byte order mark.
    """
    known = _CODECS.get(re.sub(r"[^a-z0-9]", "", name.lower()))
    try:
        info = codecs.lookup(known or name)
    except (LookupError, ValueError):
        return None
    # base64, rot13 and their like are codecs too, and no charsets.
    return info.name if getattr(info, "_is_text_encoding", True) else None


def check_choice(charset: str | None, errors: str) -> None:
    """Refuse a caller's choice that cannot work, before anything is spent on it.

    Raises:
        ConfigurationError: no such charset, no such way to treat errors.
    """
    if charset is not None and codec_of(charset) is None:
        raise ConfigurationError(f"charset={charset!r} is unknown")
    try:
        codecs.lookup_error(errors)
    except LookupError as error:
        raise ConfigurationError(f"errors={errors!r} is none of those of bytes.decode") from error


class TextDecoder:
    """Decodes a document in chunks that may end inside a character.

    With a codec it uses that one. Without, a byte order mark decides; else the first chunk that is not plain ASCII
    does: UTF-8 if it is valid UTF-8, otherwise cp1252, which Amazon's western reports are in. Text in cp1252 is
    practically never valid UTF-8 by accident, and ASCII is the same in both. A Japanese report without a charset cannot
    be told from a western one that way: say ``charset="cp932"`` for it.

    ``errors`` is that of ``bytes.decode``; ``replace`` puts U+FFFD where bytes mean nothing.
    """

    __slots__ = ("_begun", "_codec", "_decoder", "_errors", "_held")

    def __init__(self, codec: str | None, errors: str = "replace") -> None:
        self._errors = errors
        self._codec = codec
        self._begun = False
        self._held = b""  # bytes on which nothing can be decided yet
        self._decoder = codecs.getincrementaldecoder(codec)(errors) if codec else None

    @property
    def codec(self) -> str:
        """What the text is taken for so far."""
        return (self._codec or "utf-8").removesuffix("-sig")

    def decode(self, chunk: bytes, *, final: bool = False) -> str:
        """The text of a chunk, as far as its characters are complete.

        Raises:
            DocumentError: bytes that mean nothing, under ``errors="strict"``.
        """
        if self._decoder is None:
            chunk = self._held + chunk
            self._held = b""
            if not self._decide(chunk, final=final):
                text = self._hold(chunk)
                self._begun = self._begun or text != ""
                return text
        decoder = self._decoder
        assert decoder is not None
        try:
            return decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            # The error holds the bytes around it, and those may be a buyer's name.
            failure = DocumentError(f"the text is not {self.codec}: {error.reason}")
        raise failure

    def _hold(self, chunk: bytes) -> str:
        """Keep back what may be the beginning of something; plain ASCII before it is text in any case."""
        at = next((at for at, byte in enumerate(chunk[-_LONGEST:], max(0, len(chunk) - _LONGEST)) if byte > 127), None)
        if at is None:
            return chunk.decode("ascii")
        self._held = chunk[at:]
        return chunk[:at].decode("ascii")

    def _decide(self, chunk: bytes, *, final: bool) -> bool:
        """Choose the codec, if the chunk tells; the chunks before it were ASCII."""
        if chunk.isascii() and not final:
            return False
        if not self._begun:
            if not final and any(mark.startswith(chunk) and mark != chunk for mark, _ in _BYTE_ORDER_MARKS):
                return False
            for mark, codec in _BYTE_ORDER_MARKS:
                if chunk.startswith(mark):
                    return self._settle(codec)
        try:
            text = codecs.getincrementaldecoder("utf-8")("strict").decode(chunk, final)
        except UnicodeDecodeError:
            return self._settle("cp1252")
        # All there is beyond ASCII may be one unfinished character: the next chunk shows whose.
        if not final and text.isascii():
            return False
        return self._settle("utf-8")

    def _settle(self, codec: str) -> bool:
        self._codec = codec
        self._decoder = codecs.getincrementaldecoder(codec)(self._errors)
        return True


# An unfinished character of UTF-8 has at most three bytes.
_LONGEST = 3
