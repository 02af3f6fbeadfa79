"""``seller.feeds``: submit a feed once, wait for it and read its result."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from spapi_async._core.caller import Caller
from spapi_async._core.frames import forgetting_locals, without_arguments
from spapi_async._core.resources import Resources
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.documents import Documents
from spapi_async.workflows.feeds._kind import CONTENT, DOCUMENT, FeedKind
from spapi_async.workflows.feeds._listings import ListingsFeed, Piece
from spapi_async.workflows.feeds._result import FeedResult
from spapi_async.workflows.feeds._run import FeedRun
from spapi_async.workflows.feeds._submitted import Outcomes
from spapi_async.workflows.feeds.feed_types import FEED_TYPES, FeedType, feed_type_of
from spapi_async.workflows.runs import Runs, checked_options, marketplace_ids, runs_of

__all__ = ["Feeds"]

Content = bytes | str | Path | AsyncIterable[bytes]
Places = Sequence[Marketplace | str]

_PIECE_BYTES = 1024 * 1024  # of a file that is copied to be sent


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

    @forgetting_locals
    async def submit(
        self,
        feed_type: FeedType | str,
        content: Content,
        *,
        marketplaces: Places,
        options: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> FeedResult:
        """Upload a feed, submit it, wait until Amazon has processed it, and return the result.

        The arguments and errors are those of :meth:`request` and :meth:`FeedRun.result`.
        """
        run = await self.request(
            feed_type, content, marketplaces=marketplaces, options=options, content_type=content_type
        )
        return await run.result()

    @forgetting_locals
    async def request(
        self,
        feed_type: FeedType | str,
        content: Content,
        *,
        marketplaces: Places,
        options: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> FeedRun:
        """Upload a feed and submit it; returns its run.

        With a journal (``Application(journal=...)``) the feed is recorded before it is sent. If a feed of the same
        type, marketplaces, options and content is still open, in this process or another, its run is continued and
        nothing is sent. If the reply is lost, the feed is looked up among those created since, and sent again only if
        Amazon did not create it.

        Args:
            feed_type: one of ``FEED_TYPES``, or any name that Amazon accepts.
            content: bytes, text (sent as UTF-8), the path of a file (it is copied before it is sent), or an async
                iterable of bytes.
            marketplaces: members, ids or countries; at most 25.
            options: Amazon's ``feedOptions``.
            content_type: the content type of the document; by default that of the feed type.

        Raises:
            ConfigurationError: Amazon would refuse it, or the file has changed before it was sent.
            OutcomeUnknownError: it is unknown whether it was submitted, or as which of several feeds; names these.
            SPAPIError: Amazon refused it, or could not be reached.
        """
        kind = feed_type_of(feed_type)
        if not kind.name.strip():
            raise ConfigurationError("feed_type is empty")
        places = marketplace_ids(marketplaces, self._caller.region)
        async with _hashed(content) as (data, digest):
            request: dict[str, Any] = {"feedType": kind.name, "marketplaceIds": places, CONTENT: digest}
            if options:
                request["feedOptions"] = checked_options(options)
            run = await self._runs.plan(request)
            if run.job_id is None:
                # Uploaded before the claim, which is too short for it. A document that is not used expires after two
                # days.
                document = await self._documents.upload(data, content_type or kind.content_type)
                await run.requested({DOCUMENT: document})
        return FeedRun(self._documents, run)

    @asynccontextmanager
    async def submit_listings(self, listings: ListingsFeed, *, marketplaces: Places) -> AsyncIterator[Outcomes]:
        """Submit changes to listings: ``async with … as outcomes: async for outcome in outcomes``.

        They are sent in as few feeds as Amazon's limits allow (25,000 messages, 10 MiB). Each outcome has its message
        and the issues that Amazon found.

        Raises:
            ConfigurationError: there are no messages, or the handle has no ``seller_id``, which the feed must contain.
            SPAPIError: as :meth:`request`.
        """
        if not self._caller.seller_id:
            raise ConfigurationError(
                "a listings feed must contain the seller's id: give seller_id to app.selling_partner, or set "
                "SP_API_SELLER_ID"
            )
        yield Outcomes(await self._submit_listings(listings, marketplaces, self._caller.seller_id))

    @forgetting_locals
    async def _submit_listings(
        self, listings: ListingsFeed, marketplaces: Places, seller_id: str
    ) -> list[tuple[Piece, FeedRun]]:
        kind = FEED_TYPES.JSON_LISTINGS_FEED
        return [
            (piece, await self.request(kind, piece.content, marketplaces=marketplaces))
            for piece in listings.pieces(seller_id)
        ]

    def wake_on(self, messages: AsyncIterable[Any]) -> AbstractAsyncContextManager[None]:
        """During the block, a FEED_PROCESSING_FINISHED notification wakes the run of its feed.

        Like ``seller.reports.wake_on``: one reader of a queue wakes reports, feeds and queries of all sellers.
        """
        return self._runs.wake_on(messages)

    def __repr__(self) -> str:
        return f"<Feeds of {self._caller!r}>"

    @property
    def _runs(self) -> Runs:
        return runs_of(self._caller, self._resources, self._kind)


@asynccontextmanager
async def _hashed(content: Content) -> AsyncIterator[tuple[bytes | Path | AsyncIterable[bytes], str]]:
    """The content in a form that can be uploaded, and its hash, by which an equal feed is recognised."""
    if isinstance(content, str):
        content = content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        data = bytes(content)
        yield data, _hash(data).hexdigest()
        return
    if isinstance(content, Path):
        expected = await asyncio.to_thread(_hash_file, content)
        async with aclosing(_unchanged(content, expected)) as pieces:
            yield pieces, expected
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
                await anyio.to_thread.run_sync(without_arguments(file.wrapped.write, piece))
        yield path, digest.hexdigest()


async def _unchanged(path: Path, expected: str) -> AsyncGenerator[bytes, None]:
    """The bytes of a file that was hashed before; the upload takes all of them before it sends any.

    Raises:
        ConfigurationError: the file has changed: it would be sent as a feed that it is not.
    """
    digest = _hash()
    async with await anyio.open_file(path, "rb") as file:
        while piece := await file.read(_PIECE_BYTES):
            digest.update(piece)
            yield piece
    if digest.hexdigest() != expected:
        raise ConfigurationError(f"the file {path} changed before it was sent: submit it again")


def _hash(data: bytes = b"") -> Any:
    return hashlib.blake2b(data, digest_size=20)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, _hash).hexdigest()
