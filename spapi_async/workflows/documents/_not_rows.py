"""Recognises files that are not rows: a ZIP file, a PDF, JSON that says why there is no report, a page of HTML."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from spapi_async.errors import DecodeError, DocumentError

__all__ = ["LONGEST_MAGIC", "refuse_binary", "refuse_error_document", "refuse_what_is_not_rows"]

_BINARY_FORMATS = (
    (b"PK\x03\x04", "a ZIP archive (or an Excel workbook, which is one)"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"%PDF-", "a PDF file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file"),
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x1f\x8b\x08", "a gzip file inside a gzip file"),
    (b"PAR1", "a Parquet file"),
)
LONGEST_MAGIC = max(len(magic) for magic, _ in _BINARY_FORMATS)
_EXPLANATIONS = ("errorDetails", "errors", "error", "message", "errorMessage", "details")
_LONGEST_EXPLANATION = 500
_XML = re.compile(r"<(?:\?xml\s|!DOCTYPE|!--|html|[A-Za-z_][\w.:-]*[\s/>])", re.IGNORECASE)


def refuse_binary(start: bytes) -> None:
    """Refuse a document with the beginning of a known binary format.

    Raises:
        DocumentError: it is such a file; the message names the format.
    """
    kind = next((kind for magic, kind in _BINARY_FORMATS if start.startswith(magic)), None)
    if kind is not None:
        raise DocumentError(f"the document is {kind}, not text: use save() or read()")


def refuse_what_is_not_rows(piece: str) -> None:
    """Refuse a document that begins like JSON or XML.

    Raises:
        DocumentError: it is JSON or XML. If it is an error document, the message contains its explanation.
    """
    piece = piece.lstrip("\ufeff \t\r\n")
    if piece.startswith(("{", "[{", "[]", "[\n", "[\r")):
        explanation = _explanation(piece)
        if explanation:
            raise DocumentError(f"Amazon sent an error document instead of rows: {explanation}")
        raise DocumentError("the document is JSON, not rows: use json(), iter_json_items() or iter_json_lines()")
    if _XML.match(piece):
        found = re.search(r"<(?:Message|title)>([^<]{1,500})<", piece)
        says = f" ({found[1].strip()})" if found else ""
        raise DocumentError(f"the document is XML or HTML, not rows{says}: use iter_xml() or text()")


def refuse_error_document(start: bytes, missing: DecodeError) -> None:
    """Refuse an error document in which an array was not found; ``start`` must be the whole of it.

    Raises:
        DocumentError: it is an error document; the message contains its explanation.
    """
    # A path with an index is that of an item, so there is an array.
    explanation = "" if "[" in missing.path else _explanation(start.decode("utf-8", "replace"))
    if explanation:
        raise DocumentError(f"Amazon sent an error document instead of {missing.path}: {explanation}") from missing


def _explanation(text: str) -> str:
    """The explanation in a JSON error document; empty if it is none."""
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
