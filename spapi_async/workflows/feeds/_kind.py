"""Feeds as runs: create one, get one, list many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from spapi_async._core.caller import Caller
from spapi_async.api.feeds_2021_06_30 import CREATE_FEED, GET_FEED, GET_FEEDS, Feeds20210630
from spapi_async.errors import ConfigurationError
from spapi_async.workflows._bucket import bucket_of
from spapi_async.workflows.feeds.feed_types import FEED_TYPES
from spapi_async.workflows.runs import (
    FINAL_STATUSES,
    Job,
    job_from,
    jobs_in,
    new_id,
    places_of,
    suggesting,
    type_groups,
)

if TYPE_CHECKING:
    from spapi_async.models.feeds_2021_06_30 import Feed

__all__ = ["CONTENT", "DOCUMENT", "FeedKind"]

CONTENT = "content"
"""The member of a run's request that holds the hash of the content; it is not sent to Amazon."""

DOCUMENT = "inputFeedDocumentId"
"""The member that names the uploaded document; it is not recorded in the journal, because the document expires."""

_PAGE_SIZE = 100


class FeedKind:
    """The feeds of one seller."""

    name = "feed"

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._api = Feeds20210630(caller)

    @property
    def get_rate(self) -> float:
        """The rate of getFeed."""
        return bucket_of(self._caller, GET_FEED).rate

    @property
    def list_rate(self) -> float:
        """The rate of getFeeds."""
        return bucket_of(self._caller, GET_FEEDS).rate

    async def create(self, request: Mapping[str, Any]) -> str:
        """CreateFeed, with the document that was uploaded for it."""
        body = {name: value for name, value in request.items() if name != CONTENT}
        if DOCUMENT not in body:
            raise ConfigurationError(
                "the journal has no content for a feed that another process began: submit the feed again"
            )
        with suggesting(body["feedType"], vars(FEED_TYPES)):
            made = await self._api.create_feed(body=body)
        return new_id(made.feed_id, "feed", operation=CREATE_FEED.name)

    async def get(self, job_id: str) -> Job:
        """GetFeed."""
        return job_of(await self._api.get_feed(job_id), job_id)

    async def jobs(
        self, requests: Sequence[Mapping[str, Any]], since: datetime, *, ended: bool = False
    ) -> Sequence[Job]:
        """GetFeeds, once for each ten types."""
        statuses = sorted(FINAL_STATUSES) if ended else None
        found: list[Job] = []
        for types in type_groups(requests, "feedType"):
            listed = self._api.iter_feeds(
                feed_types=types, created_since=since, page_size=_PAGE_SIZE, processing_statuses=statuses
            )
            found += await jobs_in(listed, job_of, ended=ended)
        return found

    def lists(self, requests: Sequence[Mapping[str, Any]]) -> int:
        """One for each ten types."""
        return len(type_groups(requests, "feedType"))

    def matches(self, request: Mapping[str, Any], job: Job) -> bool:
        """Whether type and marketplaces are equal; Amazon does not show a feed's content."""
        feed: Feed = job.reply
        return feed.feed_type == request["feedType"] and places_of(feed.marketplace_ids) == set(
            request["marketplaceIds"]
        )

    def alike(self, request: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Whether type and marketplaces are equal; a list of feeds shows no more."""
        return request["feedType"] == other["feedType"] and set(request["marketplaceIds"]) == set(
            other["marketplaceIds"]
        )

    def interchangeable(self, request: Mapping[str, Any]) -> bool:
        """Never: another feed of the same type changes something else."""
        del request
        return False


def job_of(feed: Feed, asked: str | None = None) -> Job:
    """A feed as a job.

    Raises:
        DecodeError: as :func:`job_from`.
    """
    return job_from(feed, "feed", operation=GET_FEED.name, document="result_feed_document_id", asked=asked)
