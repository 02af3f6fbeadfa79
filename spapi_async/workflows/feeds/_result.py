"""The result of a feed, read from Amazon's processing report as tolerantly as possible. Pure."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

import msgspec

from spapi_async._codec import json
from spapi_async.errors import DocumentError
from spapi_async.workflows.runs import explanation_of

__all__ = ["REPORT_OPERATION", "FeedIssue", "FeedResult", "FeedSummary", "result_of"]

REPORT_OPERATION = "feeds_2021_06_30.get_feed_document"

_EXPLAINED = 16 * 1024  # bytes of an invalid report from which the error quotes
_MOST_VALUES = 8_000_000
"""Brackets and commas in a report, enough for a million issues. Each can cost far more memory than its one byte."""


class FeedIssue(msgspec.Struct, frozen=True, kw_only=True):
    """An issue with one message, or (``message_id`` 0, ``sku`` empty) with the whole feed.

    Attributes:
        severity: ``ERROR``, ``WARNING`` or ``INFO``; see :attr:`refuses`.
    """

    message_id: int = 0
    sku: str = ""
    code: str = ""
    severity: str = ""
    message: str = ""
    attribute: str = ""

    @property
    def refuses(self) -> bool:
        """Whether Amazon refused the message because of it: every severity but WARNING and INFO."""
        return self.severity not in ("WARNING", "INFO")


class FeedSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Amazon's counts; None where its report lacks one."""

    messages_processed: int | None = None
    messages_accepted: int | None = None
    messages_invalid: int | None = None
    errors: int | None = None
    warnings: int | None = None


class FeedResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a feed that Amazon has processed.

    Attributes:
        issues: the issues of a JSON feed; for flat files and XML read ``report``.
        report: the processing report as Amazon sent it; empty if there is none.
    """

    feed_id: str
    feed_type: str
    document_id: str | None
    summary: FeedSummary
    issues: tuple[FeedIssue, ...]
    report: bytes

    @property
    def text(self) -> str:
        """The report as text, decoded as UTF-8, or else as cp1252, in which reports of flat files are written."""
        try:
            return self.report.decode()
        except UnicodeDecodeError:
            return self.report.decode("cp1252", "replace")

    def __repr__(self) -> str:
        return f"<FeedResult {self.feed_id} {self.feed_type}: {len(self.issues)} issues>"


def result_of(feed_id: str, feed_type: str, document_id: str | None, report: bytes) -> FeedResult:
    """Read a processing report.

    Raises:
        DocumentError: the report of a JSON feed does not show its result: it is not a JSON object, has neither issues
            nor a summary, or belongs to another feed.
    """
    content: Mapping[str, Any] = {}
    if feed_type.startswith("JSON_"):
        content = _report(feed_id, document_id, report)
    summary = content.get("summary")
    issues = content.get("issues")
    return FeedResult(
        feed_id=feed_id,
        feed_type=feed_type,
        document_id=document_id,
        summary=_summary(summary if isinstance(summary, Mapping) else {}),
        issues=tuple(_issue(each) for each in issues if isinstance(each, Mapping)) if isinstance(issues, list) else (),
        report=report,
    )


def _report(feed_id: str, document_id: str | None, report: bytes) -> Mapping[str, Any]:
    """The processing report of a JSON feed, without which the result is unknown."""
    if document_id is None:
        raise DocumentError(
            f"feed {feed_id} is DONE, but Amazon's reply names no processing report, so its result is unknown",
            operation=REPORT_OPERATION,
        )
    if sum(map(report.count, (b"{", b"[", b","))) > _MOST_VALUES:
        raise DocumentError(
            f"the processing report of feed {feed_id} has more than {_MOST_VALUES:,} brackets and commas",
            operation=REPORT_OPERATION,
        )
    content = json.plain(report.removeprefix(codecs.BOM_UTF8))
    if not isinstance(content, Mapping):
        raise DocumentError(f"the processing report of feed {feed_id} is not a JSON object", operation=REPORT_OPERATION)
    header, summary = content.get("header"), content.get("summary")
    counted = isinstance(summary, Mapping) and _count(summary.get("messagesAccepted")) is not None
    if not counted and not isinstance(content.get("issues"), list):
        beginning = explanation_of(report[:_EXPLAINED])
        raise DocumentError(
            f"the processing report of feed {feed_id} has neither issues nor a summary: {beginning}",
            operation=REPORT_OPERATION,
        )
    other = header.get("feedId") if isinstance(header, Mapping) else None
    if isinstance(other, str | int) and str(other) != feed_id:
        raise DocumentError(
            f"Amazon returned the processing report of feed {other} for feed {feed_id}", operation=REPORT_OPERATION
        )
    return content


def _summary(counts: Mapping[str, Any]) -> FeedSummary:
    return FeedSummary(
        messages_processed=_count(counts.get("messagesProcessed")),
        messages_accepted=_count(counts.get("messagesAccepted")),
        messages_invalid=_count(counts.get("messagesInvalid")),
        errors=_count(counts.get("errors")),
        warnings=_count(counts.get("warnings")),
    )


def _issue(entry: Mapping[str, Any]) -> FeedIssue:
    return FeedIssue(
        message_id=_count(entry.get("messageId")) or 0,
        sku=_text(entry.get("sku")),
        code=_text(entry.get("code")),
        severity=_text(entry.get("severity")).strip().upper(),
        message=_text(entry.get("message")),
        attribute=_text(entry.get("attributeName")),
    )


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
