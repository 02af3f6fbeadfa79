"""Listings feeds on their way, and the outcome of each message, joined back by its id."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from spapi_async.errors import DocumentError
from spapi_async.workflows.feeds._listings import Message, Piece
from spapi_async.workflows.feeds._result import REPORT_OPERATION, FeedIssue, FeedResult
from spapi_async.workflows.feeds._run import FeedRun

__all__ = ["ListingOutcome", "Outcomes", "outcomes_of"]


class ListingOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message.

    Attributes:
        accepted: Amazon took it: no issue of it, or of the whole feed, refuses it. Issues that processing finds later
            are the listing's own (``getListingsItem``).
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
        """Whose listing it changes."""
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
        """Wait for each feed and hand out what became of its messages.

        Raises:
            FeedFatalError: Amazon could not carry out a feed.
            FeedCancelledError: somebody cancelled one.
            DocumentError: a processing report does not say what became of the messages.
            SPAPIError: Amazon cannot be asked.
        """
        for piece, run in self._submitted:
            for outcome in outcomes_of(piece.messages, await run.result()):
                yield outcome


def outcomes_of(messages: Sequence[Message], result: FeedResult) -> list[ListingOutcome]:
    """Each message with its issues: those of its id, else those of its SKU; what names neither is every message's.

    Raises:
        DocumentError: Amazon says that messages are invalid, and of none which.
    """
    if result.summary.messages_invalid and not any(issue.refuses for issue in result.issues):
        raise DocumentError(
            f"feed {result.feed_id}: Amazon calls {result.summary.messages_invalid} messages invalid and names none",
            operation=REPORT_OPERATION,
        )
    ids, skus = {message.message_id for message in messages}, {message.sku for message in messages}
    by_id: dict[int, list[FeedIssue]] = {}
    by_sku: dict[str, list[FeedIssue]] = {}
    of_all: list[FeedIssue] = []
    for issue in result.issues:
        if issue.message_id in ids:
            by_id.setdefault(issue.message_id, []).append(issue)
        elif issue.sku in skus:
            by_sku.setdefault(issue.sku, []).append(issue)
        else:
            of_all.append(issue)
    none_accepted = result.summary.messages_accepted == 0
    outcomes = []
    for message in messages:
        issues = (*by_id.get(message.message_id, ()), *by_sku.get(message.sku, ()), *of_all)
        accepted = not none_accepted and not any(issue.refuses for issue in issues)
        outcomes.append(ListingOutcome(message=message, feed_id=result.feed_id, accepted=accepted, issues=issues))
    return outcomes
