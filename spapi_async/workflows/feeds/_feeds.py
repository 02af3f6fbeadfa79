"""``seller.feeds``: submitted once, waited for, answered."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from spapi_async._core.caller import Caller
from spapi_async._core.resources import Resources
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace, Region
from spapi_async.workflows.documents import Documents
from spapi_async.workflows.feeds._kind import CONTENT, DOCUMENT, FeedKind
from spapi_async.workflows.feeds._listings import ListingsFeed
from spapi_async.workflows.feeds._result import FeedResult
from spapi_async.workflows.feeds._run import FeedRun
from spapi_async.workflows.feeds._submitted import Outcomes
from spapi_async.workflows.feeds.feed_types import FEED_TYPES, FeedType, feed_type_of
from spapi_async.workflows.runs import Runs, runs_of

__all__ = ["Feeds"]

Content = bytes | str | Path | AsyncIterable[bytes]
Places = Sequence[Marketplace | str]

_MOST_MARKETPLACES = 25  # CreateFeedSpecification.marketplaceIds
_PIECE = 1024 * 1024


class Feeds:
    """The feeds of one selling partner.

    ::

        result = await seller.feeds.submit("POST_FLAT_FILE_INVLOADER_DATA", Path("stock.txt"), marketplaces=["US"])
        print(result.text)

    Usage plans: createFeedDocument one in 2 s after a burst of 15, createFeed one in 2 minutes after 15 (five
    JSON_LISTINGS_FEED in any five minutes), getFeed 2 a second, getFeedDocument one in 45 s after 10.
    """

    __slots__ = ("_caller", "_documents", "_kind", "_resources")

    def __init__(self, caller: Caller, resources: Resources) -> None:
        self._caller = caller
        self._resources = resources
        self._documents = Documents(caller, resources)
        self._kind = FeedKind(caller)

    async def submit(
        self,
        feed_type: FeedType | str,
        content: Content,
        *,
        marketplaces: Places,
        options: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> FeedResult:
        """Upload a feed, submit it, wait until Amazon is done, and read what became of it.

        The arguments and errors are those of :meth:`request` and :meth:`FeedRun.result`.
        """
        run = await self.request(
            feed_type, content, marketplaces=marketplaces, options=options, content_type=content_type
        )
        return await run.result()

    async def request(
        self,
        feed_type: FeedType | str,
        content: Content,
        *,
        marketplaces: Places,
        options: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> FeedRun:
        """Upload a feed and submit it; the run that follows it.

        With a journal (``Application(journal=...)``) it is written down before it is sent, and a feed of the same type,
        marketplaces, options and content that is still open, in this process or another, is followed instead of sent
        twice. One whose reply is lost is looked up among the feeds created since, and sent again only when it was not
        made.

        Args:
            feed_type: one of ``FEED_TYPES``, or any name that Amazon takes.
            content: bytes, text (sent as UTF-8), the path of a file, or an async iterable of bytes.
            marketplaces: members, ids or countries; at most 25.
            options: Amazon's ``feedOptions``.
            content_type: what the document is announced as; by default what the feed type says.

        Raises:
            ConfigurationError: what Amazon would refuse.
            OutcomeUnknownError: it cannot be told whether, or as which feed, it was submitted; with the candidates.
            SPAPIError: Amazon refused it, or could not be reached.
        """
        kind = feed_type_of(feed_type)
        if not kind.name.strip():
            raise ConfigurationError("feed_type is empty")
        places = _marketplace_ids(marketplaces, self._caller.region)
        async with _digested(content) as (data, digest):
            request: dict[str, Any] = {"feedType": kind.name, "marketplaceIds": places, CONTENT: digest}
            if options:
                request["feedOptions"] = _checked_options(options)
            run = await self._runs.plan(request)
            if run.job_id is None:
                # Before the journal's claim, which is short; a document that is not used expires after two days.
                document = await self._documents.upload(data, content_type or kind.content_type)
                await run.requested({DOCUMENT: document})
        return FeedRun(self._documents, run)

    @asynccontextmanager
    async def submit_listings(self, listings: ListingsFeed, *, marketplaces: Places) -> AsyncIterator[Outcomes]:
        """Submit changes of listings: ``async with … as outcomes: async for outcome in outcomes``.

        They go in as many feeds as Amazon's bounds make of them (25,000 messages, 10 MiB), and each message comes back
        with its issues.

        Raises:
            ConfigurationError: no messages; the handle has no ``seller_id``, which the feed must name.
            SPAPIError: as :meth:`request`.
        """
        if not self._caller.seller_id:
            raise ConfigurationError(
                "a listings feed names its seller: give seller_id to app.selling_partner, or SP_API_SELLER_ID"
            )
        pieces = listings.pieces(self._caller.seller_id)
        kind = FEED_TYPES.JSON_LISTINGS_FEED
        submitted = [(piece, await self.request(kind, piece.content, marketplaces=marketplaces)) for piece in pieces]
        yield Outcomes(submitted)

    def wake_on(self, messages: AsyncIterable[Any]) -> AbstractAsyncContextManager[None]:
        """While the block lasts, FEED_PROCESSING_FINISHED notifications wake the feeds they speak of.

        As ``seller.reports.wake_on``: one reader of a queue wakes reports, feeds and queries of all sellers.
        """
        return self._runs.wake_on(messages)

    def __repr__(self) -> str:
        return f"<Feeds of {self._caller!r}>"

    @property
    def _runs(self) -> Runs:
        return runs_of(self._caller, self._resources, self._kind)


@asynccontextmanager
async def _digested(content: Content) -> AsyncIterator[tuple[bytes | Path, str]]:
    """The content as something that can be sent again, and what tells it from any other."""
    if isinstance(content, str):
        content = content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        data = bytes(content)
        yield data, _hash(data).hexdigest()
        return
    if isinstance(content, Path):
        yield content, await asyncio.to_thread(_hash_file, content)
        return
    if not hasattr(content, "__aiter__"):
        raise ConfigurationError(
            f"content must be bytes, text, a path or an async iterable of bytes, not {type(content).__name__}"
        )
    with tempfile.TemporaryDirectory(prefix="spapi-async-") as folder:
        path = Path(folder) / "feed"
        digest = _hash()
        async with await anyio.open_file(path, "wb") as file:
            async for piece in content:
                digest.update(piece)
                await file.write(piece)
        yield path, digest.hexdigest()


def _hash(data: bytes = b"") -> Any:
    return hashlib.blake2b(data, digest_size=20)


def _hash_file(path: Path) -> str:
    digest = _hash()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return str(digest.hexdigest())


def _marketplace_ids(marketplaces: Places, region: Region) -> list[str]:
    """Ids of the marketplaces, given as members, ids or countries.

    Raises:
        ConfigurationError: none, too many, an unknown one, or one of another region.
    """
    places = [Marketplace.parse(place) for place in ([marketplaces] if isinstance(marketplaces, str) else marketplaces)]
    if not places or len(places) > _MOST_MARKETPLACES:
        raise ConfigurationError(f"name 1 to {_MOST_MARKETPLACES} marketplaces, not {len(places)}")
    for place in places:
        if place.region is not region:
            raise ConfigurationError(
                f"{place.name} is served by {place.region.name}, this seller's region is {region.name}"
            )
    return list(dict.fromkeys(place.value for place in places))


def _checked_options(options: Mapping[str, str]) -> dict[str, str]:
    for name, value in options.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ConfigurationError(f"feed options are text: {name!r} is {value!r}")
    return dict(options)
