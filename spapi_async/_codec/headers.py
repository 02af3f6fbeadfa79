"""Reads the headers of a reply, whose names may be in any case and whose values may have any length and content."""

from __future__ import annotations

from collections.abc import Mapping

from multidict import istr

from spapi_async._core.peer_text import on_one_line

__all__ = ["REQUEST_ID", "header", "request_id_of"]

# Looked up in every reply; unlike a str, an istr is not case-folded at each look-up.
REQUEST_ID = istr("x-amzn-RequestId")
LONGEST_REQUEST_ID = 128


def header(headers: Mapping[str, str], name: str) -> str | None:
    """A header in any case. Real replies come in a case-insensitive mapping; a plain dict is searched."""
    value = headers.get(name)
    if value is None and isinstance(headers, dict):
        folded = name.lower()
        return next((text for key, text in headers.items() if key.lower() == folded), None)
    return value


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Amazon's id of the request. Errors, events and logs show it, so an unusual value is shortened and cleaned."""
    text = header(headers, REQUEST_ID)
    if text is None or (len(text) <= LONGEST_REQUEST_ID and text.replace("-", "").isalnum()):
        return text
    return on_one_line(text, LONGEST_REQUEST_ID)
