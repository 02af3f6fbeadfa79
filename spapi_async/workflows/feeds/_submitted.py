"""Submitted listings feeds, and the outcome of each of their messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from spapi_async._core.frames import forget_locals
from spapi_async.errors import DocumentError
from spapi_async.workflows.feeds._listings import Message, Piece
from spapi_async.workflows.feeds._result import REPORT_OPERATION, FeedIssue, FeedResult
from spapi_async.workflows.feeds._run import FeedRun

__all__ = ["ListingOutcome", "Outcomes", "outcomes_of"]


class ListingOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one message.

    Attributes:
        accepted: whether Amazon accepted it: it was not refused because of an issue with it or with the whole feed.
            Issues that Amazon finds later belong to the listing (``getListingsItem``).
    """

    message: Message
    feed_id: str
    accepted: bool
    issues: tuple[FeedIssue, ...]

    @property
    def message_id(self) -> int:
        """As ``ListingsFeed`` returned it."""
        return self.message.message_id

    @property
    def sku(self) -> str:
        """The SKU of the listing that it changes."""
        return self.message.sku


class Outcomes:
    """The outcomes of all messages, feed after feed, in the order of the messages."""

    def __init__(self, submitted: Sequence[tuple[Piece, FeedRun]]) -> None:
        self._submitted = submitted

    @property
    def runs(self) -> tuple[FeedRun, ...]:
        """The feeds that were submitted."""
        return tuple(run for _, run in self._submitted)

    async def __aiter__(self) -> AsyncIterator[ListingOutcome]:
        """Wait for each feed and yield the outcomes of its messages.

        Raises:
            FeedFatalError: Amazon could not process a feed.
            FeedCancelledError: a feed was cancelled.
            DocumentError: a processing report does not show the outcomes.
            SPAPIError: Amazon cannot be polled.
        """
        outcome: ListingOutcome | None = None
        try:
            for number in range(len(self._submitted)):
                for outcome in await self._outcomes(number):
                    yield outcome
        except BaseException as error:
            forget_locals(error)
            del outcome  # the error shows the local variables of this frame, too
            raise

    async def _outcomes(self, number: int) -> list[ListingOutcome]:
        piece, run = self._submitted[number]
        return outcomes_of(piece.messages, await run.result())


def outcomes_of(messages: Sequence[Message], result: FeedResult) -> list[ListingOutcome]:
    """Each message with the issues of its id, of its SKU, and of the whole feed, which name neither.

    Raises:
        DocumentError: Amazon counts invalid messages but has no issue that says which.
    """
    if result.summary.messages_invalid and not any(issue.refuses for issue in result.issues):
        raise DocumentError(
            f"Amazon counts {result.summary.messages_invalid} invalid messages in feed {result.feed_id}, but no "
            "issue says which",
            operation=REPORT_OPERATION,
        )
    ids, skus = {message.message_id for message in messages}, {message.sku for message in messages}
    by_id: dict[int, list[FeedIssue]] = {}
    by_sku: dict[str, list[FeedIssue]] = {}
    of_feed: list[FeedIssue] = []
    for issue in result.issues:
        if issue.message_id in ids:
            by_id.setdefault(issue.message_id, []).append(issue)
        elif issue.sku in skus:
            by_sku.setdefault(issue.sku, []).append(issue)
        else:
            of_feed.append(issue)
    none_accepted = result.summary.messages_accepted == 0
    outcomes = []
    for message in messages:
        issues = (*by_id.get(message.message_id, ()), *by_sku.get(message.sku, ()), *of_feed)
        accepted = not none_accepted and not any(issue.refuses for issue in issues)
        outcomes.append(ListingOutcome(message=message, feed_id=result.feed_id, accepted=accepted, issues=issues))
    return outcomes
