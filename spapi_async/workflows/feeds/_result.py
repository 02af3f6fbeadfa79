"""What became of a feed: Amazon's processing report, read tolerantly, whatever kind of feed it was. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from spapi_async._codec import json
from spapi_async.errors import DocumentError

__all__ = ["FeedIssue", "FeedResult", "FeedSummary", "result_of"]

_LONGEST_EXPLANATION = 500


class FeedIssue(msgspec.Struct, frozen=True, kw_only=True):
    """What Amazon says of one message, or (``message_id`` 0) of the whole feed.

    Attributes:
        severity: ``ERROR``, ``WARNING`` or ``INFO``; only an error refuses the message.
    """

    message_id: int = 0
    sku: str = ""
    code: str = ""
    severity: str = ""
    message: str = ""
    attribute: str = ""


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
        DocumentError: a JSON feed's report that is no JSON object: nobody could tell what was accepted.
    """
    content: Any = {}
    if feed_type.startswith("JSON_") and document_id is not None:
        content = json.plain(report)
        if not isinstance(content, dict):
            raise DocumentError(f"the processing report of feed {feed_id} is not a JSON object")
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


def explanation_of(report: bytes) -> str:
    """The beginning of what a FATAL feed's document says."""
    text = " ".join(report.decode("utf-8", "replace").split())
    return text if len(text) <= _LONGEST_EXPLANATION else text[:_LONGEST_EXPLANATION] + "…"


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
        severity=_text(said.get("severity")).upper(),
        message=_text(said.get("message")),
        attribute=_text(said.get("attributeName")),
    )


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
