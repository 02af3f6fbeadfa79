"""What became of a feed: Amazon's processing report, read tolerantly, whatever kind of feed it was. Pure."""

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

_EXPLAINED = 16 * 1024  # bytes of a report that is none, to say what it is
_MOST_VALUES = 8_000_000
"""Brackets and commas of a report: a million issues. What a few bytes each make of memory is bounded with them."""


class FeedIssue(msgspec.Struct, frozen=True, kw_only=True):
    """What Amazon says of one message, or (``message_id`` 0, ``sku`` empty) of the whole feed.

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
        """Whether Amazon did not take the message for it: anything but a warning or a note."""
        return self.severity not in ("WARNING", "INFO")


class FeedSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Amazon's counts; None where its report has none."""

    messages_processed: int | None = None
    messages_accepted: int | None = None
    messages_invalid: int | None = None
    errors: int | None = None
    warnings: int | None = None


class FeedResult(msgspec.Struct, frozen=True, kw_only=True):
    """A feed that Amazon has carried out.

    Attributes:
        issues: of a JSON feed; the reports of flat files and XML are in ``report`` alone.
        report: the processing report as Amazon sent it; empty where there is none.
    """

    feed_id: str
    feed_type: str
    document_id: str | None
    summary: FeedSummary
    issues: tuple[FeedIssue, ...]
    report: bytes

    @property
    def text(self) -> str:
        """The report as text: UTF-8, or else cp1252, which the reports of flat files are in."""
        try:
            return self.report.decode()
        except UnicodeDecodeError:
            return self.report.decode("cp1252", "replace")

    def __repr__(self) -> str:
        return f"<FeedResult {self.feed_id} {self.feed_type}: {len(self.issues)} issues>"


def result_of(feed_id: str, feed_type: str, document_id: str | None, report: bytes) -> FeedResult:
    """Read a processing report.

    Raises:
        DocumentError: a JSON feed's report that does not say what became of it: it is not a JSON object, has neither
            issues nor a summary, or is another feed's.
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
    """The processing report of a JSON feed, which without one may have come to anything."""
    if document_id is None:
        raise DocumentError(f"feed {feed_id} is DONE and names no processing report", operation=REPORT_OPERATION)
    if sum(map(report.count, (b"{", b"[", b","))) > _MOST_VALUES:
        raise DocumentError(
            f"the processing report of feed {feed_id} has more than a million issues", operation=REPORT_OPERATION
        )
    content = json.plain(report.removeprefix(codecs.BOM_UTF8))
    if not isinstance(content, Mapping):
        raise DocumentError(f"the processing report of feed {feed_id} is not a JSON object", operation=REPORT_OPERATION)
    header, summary = content.get("header"), content.get("summary")
    counted = isinstance(summary, Mapping) and _count(summary.get("messagesAccepted")) is not None
    if not counted and not isinstance(content.get("issues"), list):
        said = explanation_of(report[:_EXPLAINED])
        raise DocumentError(
            f"what feed {feed_id} has for a processing report has neither issues nor a summary: {said}",
            operation=REPORT_OPERATION,
        )
    other = header.get("feedId") if isinstance(header, Mapping) else None
    if isinstance(other, str | int) and str(other) != feed_id:
        raise DocumentError(
            f"the processing report of feed {feed_id} is that of feed {other}", operation=REPORT_OPERATION
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


def _issue(said: Mapping[str, Any]) -> FeedIssue:
    return FeedIssue(
        message_id=_count(said.get("messageId")) or 0,
        sku=_text(said.get("sku")),
        code=_text(said.get("code")),
        severity=_text(said.get("severity")).strip().upper(),
        message=_text(said.get("message")),
        attribute=_text(said.get("attributeName")),
    )


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
