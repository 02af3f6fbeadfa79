"""Reads Amazon's explanation of a failed job, which its document contains instead of a result."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from spapi_async._codec import json
from spapi_async._core.frames import forgetting_locals
from spapi_async.errors import SPAPIError

if TYPE_CHECKING:
    from spapi_async.workflows.documents import Document

__all__ = ["error_messages_in", "explanation_in", "explanation_of"]

_MOST_BYTES = 16 * 1024  # of the document
_LONGEST = 500  # characters of the explanation
_ERROR_MEMBERS = frozenset({"errors", "data", "extensions", "errorDetails", "message", "code", "details"})


@forgetting_locals
async def explanation_in(opening: AbstractAsyncContextManager[Document]) -> str:
    """The explanation at the beginning of a document; empty if it cannot be read, so that no error is hidden."""
    content = b""
    try:
        async with opening as document:
            async for piece in document.iter_bytes():
                content += piece
                if len(content) > _MOST_BYTES:
                    break
            return explanation_of(content[:_MOST_BYTES], document.charset)
    except SPAPIError:
        return ""


def explanation_of(content: bytes, charset: str = "utf-8") -> str:
    """The messages of an error document, or else the beginning of its text."""
    try:
        text = content.decode(charset, "replace")
    except (LookupError, UnicodeError):
        text = content.decode("utf-8", "replace")
    text = " ".join((_messages_of(json.plain(content)) or text).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def error_messages_in(content: bytes) -> str:
    """The messages of a document that is an error document; empty for any other document."""
    value = json.plain(content) if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else None
    if not isinstance(value, dict) or not _ERROR_MEMBERS.issuperset(value):
        return ""
    return " ".join(_messages_of(value).split())[:_LONGEST]


def _messages_of(value: Any) -> str:
    """``errorDetails`` of a report, or the messages of ``errors``, as GraphQL and Amazon's APIs have them."""
    if not isinstance(value, dict):
        return ""
    for name in ("errorDetails", "message"):
        if isinstance(value.get(name), str):
            return str(value[name])
    errors = value.get("errors")
    messages = [each.get("message") for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    return "; ".join(message for message in messages if isinstance(message, str))
