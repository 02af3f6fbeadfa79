"""Feeds: submitted once, waited for, with an outcome for each message."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from feed_fixtures import CREATE, UPLOAD, feeds_emulated, feeds_made, listings_of, seller_with_id_on

from spapi_async import (
    Application,
    ConfigurationError,
    DocumentError,
    FeedCancelledError,
    FeedFatalError,
    OutcomeUnknownError,
    RateLimitWaitError,
    call_options,
)
from spapi_async.emulator import Emulator
from spapi_async.workflows.feeds import FEED_TYPES, FeedResult, ListingsFeed
from spapi_async.workflows.feeds._result import result_of
from spapi_async.workflows.journal import Journal

pytest_plugins = ("sync_fixtures", "run_fixtures")
pytestmark = pytest.mark.usefixtures("quick_polls")

STOCK = "POST_FLAT_FILE_INVLOADER_DATA"


async def test_each_message_has_its_outcome() -> None:
    """Of three changes, one of an unknown SKU is refused with its reason."""
    async with feeds_emulated() as (_, seller):
        listings = ListingsFeed()
        listings.put("NEW", "LUGGAGE", {"item_name": [{"value": "Case"}]}, requirements="LISTING")
        listings.patch("NEW", "LUGGAGE", [{"op": "replace", "path": "/attributes/color", "value": [{"value": "red"}]}])
        missing = listings.delete("NOT THERE")
        async with seller.feeds.submit_listings(listings, marketplaces=["US"]) as outcomes:
            found = [outcome async for outcome in outcomes]
        assert [(outcome.message_id, outcome.sku, outcome.accepted) for outcome in found] == [
            (1, "NEW", True),
            (2, "NEW", True),
            (missing, "NOT THERE", False),
        ]
        assert found[2].issues[0].message == "SKU NOT THERE does not exist."
        assert found[0].issues == ()
        item = await seller.listings_items_2021_08_01.get_listings_item(
            "A1SELLER", "NEW", marketplace_ids=["US"], included_data=["attributes"]
        )
        assert item.attributes["color"] == [{"value": "red"}]  # type: ignore[index]


@pytest.mark.parametrize("shape", ["bytes", "text", "path", "stream"])
async def test_content_may_come_in_any_shape(shape: str, tmp_path: Path) -> None:
    """The same bytes arrive, with the content type of the feed type."""
    text = "sku\tquantity\nä\t1\n"
    path = tmp_path / "stock.txt"
    path.write_text(text, encoding="utf-8")

    async def pieces() -> AsyncIterator[bytes]:
        for byte in text.encode():
            yield bytes([byte])

    content: Any = {"bytes": text.encode(), "text": text, "path": path, "stream": pieces()}[shape]
    async with feeds_emulated() as (emulator, seller):
        result = await seller.feeds.submit(STOCK, content, marketplaces=["US"])
        (document,) = [each for each in emulator.world.documents.stored.values() if each.upload_type]
        assert document.content == text.encode()
        assert document.upload_type == "text/tab-separated-values; charset=UTF-8"
    assert "Number of records successful" in result.text
    assert result.issues == ()
    assert result.summary.messages_processed is None


@pytest.mark.parametrize("becomes", ["two", "one more", "o", ""])
@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_file_that_changes_before_it_is_sent_is_not_sent(
    is_replaced: bool, becomes: str, tmp_path: Path, database_url: str
) -> None:
    """The journal would name the wrong content; afterwards the file is submitted as what it is now."""
    path, draft = tmp_path / "stock.txt", tmp_path / "draft.txt"
    path.write_text("one")

    class Changing(dict[str, str]):
        """Options that are read between the hashing of the file and its upload."""

        def items(self) -> Any:
            if is_replaced:
                draft.write_text(becomes)
                draft.replace(path)
            else:
                path.write_text(becomes)
            return super().items()

    made: dict[str, Any] = {"marketplaces": ["US"], "options": {"a": "b"}}
    async with feeds_emulated() as (emulator, _), seller_with_id_on(emulator.url, Journal(database_url)) as seller:
        with pytest.raises(ConfigurationError, match=r"stock\.txt changed"):
            await seller.feeds.request(STOCK, path, marketplaces=["US"], options=Changing(a="b"))
        assert feeds_made(emulator) == feeds_made(emulator, UPLOAD) == 0
        first = await seller.feeds.request(STOCK, path, **made)
        second = await seller.feeds.request(STOCK, b"one", **made)
        assert (await seller.feeds.request(STOCK, becomes, **made)).feed_id == first.feed_id
        sent = [each.content for each in emulator.world.documents.stored.values() if each.upload_type]
    assert first.feed_id != second.feed_id
    assert sent == [becomes.encode(), b"one"]


async def test_a_feed_that_fails_says_why() -> None:
    """FATAL has the document's words, CANCELLED an error of its own; both have the feed's id."""
    async with feeds_emulated() as (emulator, seller):
        emulator.faults({"operation": CREATE, "outcome": "FATAL"})
        with pytest.raises(FeedFatalError, match="asked to fail it") as fatal:
            await seller.feeds.submit(STOCK, b"x", marketplaces=["US"])
        emulator.faults({"operation": CREATE, "outcome": "CANCELLED"})
        with pytest.raises(FeedCancelledError) as cancelled:
            await seller.feeds.submit(STOCK, b"x", marketplaces=["US"])
        assert fatal.value.feed_id != cancelled.value.feed_id
        assert fatal.value.explanation
        assert (await seller.feeds.submit(STOCK, b"x", marketplaces=["US"])).feed_id


async def test_the_same_feed_is_submitted_once_until_its_result_was_read(database_url: str) -> None:
    """Another process waits for it too; other content, options or marketplaces make other feeds."""
    async with feeds_emulated() as (emulator, _):
        async with seller_with_id_on(emulator.url, Journal(database_url)) as seller:
            first = await seller.feeds.request(STOCK, b"one", marketplaces=["US"])
        async with seller_with_id_on(emulator.url, Journal(database_url)) as seller:
            result = await seller.feeds.submit(STOCK, "one", marketplaces=["US"])
            assert result.feed_id == first.feed_id
            assert feeds_made(emulator) == feeds_made(emulator, UPLOAD) == 1
            others = [
                await seller.feeds.request(STOCK, b"two", marketplaces=["US"]),
                await seller.feeds.request(STOCK, b"one", marketplaces=["CA"]),
                await seller.feeds.request(STOCK, b"one", marketplaces=["US"], options={"a": "b"}),
                await seller.feeds.request(STOCK, b"one", marketplaces=["US"]),
            ]
            assert len({run.feed_id for run in others} | {first.feed_id}) == 5 == feeds_made(emulator)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_lost_reply_makes_no_second_feed(moment: str, database_url: str) -> None:
    """A feed that was made is found; one that was not made is sent again."""
    async with feeds_emulated() as (emulator, _), seller_with_id_on(emulator.url, Journal(database_url)) as seller:
        emulator.faults({"operation": CREATE, "disconnect": moment})
        result = await seller.feeds.submit(STOCK, b"x", marketplaces=["US"])
        feeds = [feed async for feed in seller.feeds_2021_06_30.iter_feeds(feed_types=[STOCK])]
        assert [feed.feed_id for feed in feeds] == [result.feed_id]


@pytest.mark.usefixtures("impatient")
async def test_of_two_feeds_that_fit_a_lost_one_none_is_taken(database_url: str) -> None:
    """Another client submitted one of the same type just then: the error names both."""
    async with (
        feeds_emulated() as (emulator, _),
        seller_with_id_on(emulator.url, Journal(database_url)) as seller,
        seller_with_id_on(emulator.url) as another,
    ):
        await another.feeds.request(STOCK, b"theirs", marketplaces=["US"])
        emulator.faults({"operation": CREATE, "disconnect": "after"})
        with pytest.raises(OutcomeUnknownError) as unknown:
            await seller.feeds.submit(STOCK, b"ours", marketplaces=["US"])
        ids = {feed.feed_id async for feed in another.feeds_2021_06_30.iter_feeds(feed_types=[STOCK])}
        assert all(feed_id in str(unknown.value) for feed_id in ids)
        assert len(ids) == 2


async def test_the_sixth_listings_feed_in_five_minutes_waits() -> None:
    """Amazon accepts five of this type in any five minutes; other types pass meanwhile."""
    async with feeds_emulated(throttle=True) as (emulator, seller):
        for number in range(5):
            await seller.feeds.submit(
                FEED_TYPES.JSON_LISTINGS_FEED, f'{{"messages":[],"n":{number}}}', marketplaces=["US"]
            )
        with call_options(max_wait=20), pytest.raises(RateLimitWaitError) as refusal:
            await seller.feeds.submit(FEED_TYPES.JSON_LISTINGS_FEED, b'{"messages":[]}', marketplaces=["US"])
        assert 200 < (refusal.value.retry_after or 0) <= 310
        assert (await seller.feeds.submit(STOCK, b"x", marketplaces=["US"])).feed_id
        counts = emulator.stats()["operations"][CREATE]
        assert (counts["requests"], counts["throttled"]) == (6, 0)


async def test_a_feed_of_many_messages_becomes_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is within the bound, every message is in exactly one, and outcomes keep their order."""
    monkeypatch.setattr("spapi_async.workflows.feeds._listings.MOST_MESSAGES", 4)
    async with feeds_emulated() as (emulator, seller):
        listings = listings_of(*(f"S{number}" for number in range(10)))
        async with seller.feeds.submit_listings(listings, marketplaces=["US"]) as outcomes:
            assert len(outcomes.runs) == 3
            assert [outcome.message_id async for outcome in outcomes] == list(range(1, 11))
        assert feeds_made(emulator) == 3


async def test_invalid_feeds_are_refused() -> None:
    """Nothing is sent."""
    async with feeds_emulated() as (emulator, seller):
        for arguments, words in (
            ((STOCK, b"x", ["DE"]), "this seller's region"),
            ((STOCK, b"x", []), "give 1 to 25"),
            (("", b"x", ["US"]), "feed_type is empty"),
            ((STOCK, 7, ["US"]), "content must be"),
        ):
            feed_type, content, places = arguments
            with pytest.raises(ConfigurationError, match=words):
                await seller.feeds.request(feed_type, content, marketplaces=places)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="options are text"):
            await seller.feeds.request(STOCK, b"x", marketplaces=["US"], options={"a": 1})  # type: ignore[dict-item]
        assert not emulator.received
    async with Emulator() as emulator, Application("app", "secret", endpoint=emulator.url) as app:
        nameless = app.selling_partner("Atzr|seller", region="NA")
        with pytest.raises(ConfigurationError, match="seller_id"):
            async with nameless.feeds.submit_listings(listings_of("S"), marketplaces=["US"]):
                pass


@pytest.mark.parametrize("report", [b"", b"<html>", b"[1]", b"null", b"\xff\xfe"])
def test_an_empty_report_accepts_no_message(report: bytes) -> None:
    """It does not say which messages Amazon accepted."""
    with pytest.raises(DocumentError, match="not a JSON object"):
        result_of("1", "JSON_LISTINGS_FEED", "d", report)


def test_a_damaged_report_is_read_as_far_as_it_goes() -> None:
    """Numbers may be text, issues invalid, severities in any case."""
    report = (
        b'{"summary":{"messagesProcessed":"2","errors":null,"warnings":true},"issues":[null,{"messageId":"2",'
        b'"severity":"error","sku":7}]}'
    )
    result: FeedResult = result_of("1", "JSON_LISTINGS_FEED", "d", report)
    assert (result.summary.messages_processed, result.summary.errors, result.summary.warnings) == (2, None, None)
    (issue,) = result.issues
    assert (issue.message_id, issue.severity, issue.sku) == (2, "ERROR", "7")
    assert "error" not in repr(result)


def test_the_feeds_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """One change is refused, and the flat file is carried out."""
    runpy.run_path(str(Path(__file__).parents[3] / "examples/feeds/listings_feed.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert "NOT-THERE ['SKU NOT-THERE does not exist.']" in out
    assert "records successful" in out


async def test_one_content_may_be_submitted_for_two_marketplaces_at_once(sqlite_url: str) -> None:
    """Each feed uses its own upload, though one is done before the other is submitted."""
    async with feeds_emulated() as (emulator, _), seller_with_id_on(emulator.url, Journal(sqlite_url)) as seller:
        runs = await asyncio.gather(
            *(seller.feeds.request(STOCK, b"same", marketplaces=[place]) for place in ("US", "CA", "MX"))
        )
        assert len({run.feed_id for run in runs}) == feeds_made(emulator) == feeds_made(emulator, UPLOAD) == 3
