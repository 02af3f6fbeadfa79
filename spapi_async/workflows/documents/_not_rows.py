"""What comes where rows are expected: a ZIP file, a PDF, JSON that says why there is no report, a page of HTML."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from spapi_async.errors import DecodeError, DocumentError

__all__ = ["LONGEST_MAGIC", "refuse_binary", "refuse_error_document", "refuse_what_is_not_rows"]

_KINDS = (
    (b"PK\x03\x04", "a ZIP archive (or an Excel workbook, which is one)"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"%PDF-", "a PDF file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file"),
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x1f\x8b\x08", "a gzip file inside a gzip file"),
    (b"PAR1", "a Parquet file"),
)
LONGEST_MAGIC = max(len(magic) for magic, _ in _KINDS)
_EXPLANATIONS = ("errorDetails", "errors", "error", "message", "errorMessage", "details")
_LONGEST_EXPLANATION = 500
_XML = re.compile(r"<(?:\?xml\s|!DOCTYPE|!--|html|[A-Za-z_][\w.:-]*[\s/>])", re.IGNORECASE)


def refuse_binary(start: bytes) -> None:
    """Say what a document is that begins like this and is not text.

    Raises:
        DocumentError: it is something known that is not text.
    """
    kind = next((kind for magic, kind in _KINDS if start.startswith(magic)), None)
    if kind is not None:
        raise DocumentError(f"the document is {kind}, not text: save() or read() it")


def refuse_what_is_not_rows(piece: str) -> None:
    """Say what a document is that begins like this and is not a file of rows.

    Raises:
        DocumentError: it is JSON or XML. What an error document says is in the message.
    """
    piece = piece.lstrip("\ufeff \t\r\n")
    if piece.startswith(("{", "[{", "[]", "[\n", "[\r")):
        explanation = _explanation(piece)
        if explanation:
            raise DocumentError(f"an error document in place of rows: {explanation}")
        raise DocumentError(
            "the document is JSON, not rows: read it with json(), iter_json_items() or iter_json_lines()"
        )
    if _XML.match(piece):
        found = re.search(r"<(?:Message|title)>([^<]{1,500})<", piece)
        says = f" ({found[1].strip()})" if found else ""
        raise DocumentError(f"the document is XML or HTML, not rows{says}: read it with iter_xml() or text()")


def refuse_error_document(start: bytes, missing: DecodeError) -> None:
    """Say why there is no array in a document that begins like this, if all of it says so.

    Raises:
        DocumentError: what the document says is in the message.
    """
    # A path with an index is that of an item: there is an array.
    explanation = "" if "[" in missing.path else _explanation(start.decode("utf-8", "replace"))
    if explanation:
        raise DocumentError(f"an error document in place of {missing.path}: {explanation}") from missing


def _explanation(text: str) -> str:
    """What a JSON document says has gone wrong; empty if it does not."""
    try:
        value = msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    said = _said(value[:1] if isinstance(value, list) else value)
    return " ".join(said.split())[:_LONGEST_EXPLANATION]


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, map(_said, value[:5])))
    if isinstance(value, dict):
        return next((said for key in _EXPLANATIONS if (said := _said(value.get(key)))), "")
    return ""
