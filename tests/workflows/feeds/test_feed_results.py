"""Processing reports from a hostile server: no message counts as accepted that Amazon did not accept."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from feed_fixtures import CREATE, feeds_emulated, feeds_made, listings_of, seller_with_id_on
from spoiled_documents import spoil

from spapi_async import DocumentError, DocumentTruncatedError, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.workflows.feeds import FeedRun
from spapi_async.workflows.feeds._result import FeedIssue, result_of
from spapi_async.workflows.feeds._submitted import outcomes_of
from spapi_async.workflows.journal import Journal

pytest_plugins = ("sync_fixtures", "run_fixtures")
pytestmark = pytest.mark.usefixtures("quick_polls")

SUMMARY = {"errors": 0, "warnings": 0, "messagesProcessed": 3, "messagesAccepted": 3, "messagesInvalid": 0}


def report(issues: Any = (), summary: Any = SUMMARY, **header: Any) -> bytes:
    """A processing report."""
    return json.dumps({"header": {"version": "2.0", **header}, "issues": list(issues), "summary": summary}).encode()


async def submitted(seller: SellingPartner) -> tuple[Any, FeedRun]:
    """Three changes, submitted and not yet waited for."""
    async with seller.feeds.submit_listings(listings_of("A", "B", "C"), marketplaces=["US"]) as outcomes:
        return outcomes, outcomes.runs[0]


async def accepted_of(outcomes: Any) -> list[bool]:
    """Which messages were accepted."""
    return [outcome.accepted async for outcome in outcomes]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (report()[:-9], "not a JSON object"),
        (b"<html><title>502</title></html>", "not a JSON object"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "not a JSON object"),
        (b"", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "neither issues nor a summary"),
        (b'{"errors":[{"message":"Internal failure"}]}', "neither issues nor a summary: Internal failure"),
        (b'{"errorDetails":"No such feed"}', "neither issues nor a summary: No such feed"),
        (b'{"issues":null,"summary":{"messagesProcessed":3}}', "neither issues nor a summary"),
        (report(feedId="9"), "report of feed 9 for feed"),
        (
            report(summary={**SUMMARY, "messagesAccepted": 1, "messagesInvalid": 2}),
            "2 invalid messages in feed .*, but no issue",
        ),
        (b"[" * 9_000_000, "more than 8,000,000 brackets"),
        (b'{"issues":[' + b"[" * 100_000, "not a JSON object"),
    ],
)
def test_a_report_that_does_not_describe_the_feed_is_an_error(content: bytes, why: str) -> None:
    """The error names the operation that returned the document."""
    with pytest.raises(DocumentError, match=why) as caught:
        outcomes_of(tuple(listings_of("A", "B", "C")), result_of("7", "JSON_LISTINGS_FEED", "d", content))
    assert caught.value.operation == "feeds_2021_06_30.get_feed_document"


@pytest.mark.parametrize(
    ("content", "submissions"),
    [(report()[:-9], 1), (report(feedId="9"), 1), (report(summary={**SUMMARY, "messagesInvalid": 2}), 2)],
    ids=["unreadable", "another feed's", "no issue"],
)
async def test_a_report_that_could_not_be_read_is_read_again(content: bytes, submissions: int, sqlite_url: str) -> None:
    """With a journal, the same request submits nothing, unless the report could be read."""
    async with feeds_emulated() as (emulator, _), seller_with_id_on(emulator.url, Journal(sqlite_url)) as seller:
        outcomes, run = await submitted(seller)
        spoil(emulator, "feed", content)
        with pytest.raises(DocumentError):
            await accepted_of(outcomes)
        spoil(emulator, "feed", report(feedId=run.feed_id))
        again, _ = await submitted(seller)
        assert await accepted_of(again) == [True, True, True]
        assert feeds_made(emulator) == submissions


async def test_a_truncated_gzip_is_an_error() -> None:
    """It does not matter how much can be decompressed."""
    async with feeds_emulated() as (emulator, seller):
        outcomes, _ = await submitted(seller)
        spoil(emulator, "feed", report() + b" " * 100_000, compressed=True, cut=-20)
        with pytest.raises(DocumentTruncatedError):
            await accepted_of(outcomes)


async def test_a_feed_that_is_done_without_a_report_has_accepted_nothing_yet(sqlite_url: str) -> None:
    """The report may be late, so it is looked for again the next time."""
    async with feeds_emulated() as (emulator, _), seller_with_id_on(emulator.url, Journal(sqlite_url)) as seller:
        outcomes, _ = await submitted(seller)
        spoil(emulator, "feed", None)
        with pytest.raises(DocumentError, match="names no processing report"):
            await accepted_of(outcomes)
        spoil(emulator, "feed", report())
        again, _ = await submitted(seller)
        assert await accepted_of(again) == [True, True, True]
        assert feeds_made(emulator) == 1


def issue(**facts: Any) -> dict[str, Any]:
    """An error by default."""
    return {"code": "1", "severity": "ERROR", "message": "m", **facts}


@pytest.mark.parametrize(
    ("issues", "accepted"),
    [
        ([issue(messageId=2)], [True, False, True]),
        ([issue(messageId=2)] * 3, [True, False, True]),
        ([issue(messageId="2"), issue(messageId=3.0)], [True, False, False]),
        ([issue(messageId=77, sku="B")], [True, False, True]),
        ([issue(sku="C")], [True, True, False]),
        ([issue(messageId=2, sku="C")], [True, False, True]),
        ([issue(messageId=77)], [False, False, False]),
        ([issue(messageId=77, sku="Z")], [False, False, False]),
        ([issue(messageId=None, sku=None)], [False, False, False]),
        ([issue(messageId=1, severity="warning"), issue(messageId=2, severity="INFO ")], [True, True, True]),
        ([issue(messageId=1, severity="FATAL"), issue(messageId=2, severity=None)], [False, False, True]),
        ([issue(messageId=True), None, 5, []], [False, False, False]),
    ],
)
async def test_issues_find_their_messages(issues: list[Any], accepted: list[bool]) -> None:
    """Id or SKU leads to the message; an issue without either concerns all. An unknown severity refuses a message."""
    async with feeds_emulated() as (emulator, seller):
        outcomes, _ = await submitted(seller)
        spoil(emulator, "feed", report(issues))
        assert await accepted_of(outcomes) == accepted


async def test_a_feed_of_which_nothing_was_accepted_has_no_accepted_message() -> None:
    """Its issues may name only some."""
    async with feeds_emulated() as (emulator, seller):
        outcomes, _ = await submitted(seller)
        spoil(emulator, "feed", report([issue(messageId=1)], {**SUMMARY, "messagesAccepted": 0, "messagesInvalid": 3}))
        assert await accepted_of(outcomes) == [False, False, False]


def test_a_report_with_a_byte_order_mark_is_read() -> None:
    """As replies and other documents are."""
    assert result_of("7", "JSON_LISTINGS_FEED", "d", b"\xef\xbb\xbf" + report()).summary.messages_accepted == 3


def test_amazons_own_example_is_read() -> None:
    """Its counts and issues do not agree, and need not."""
    summary = {"errors": 3, "warnings": 0, "messagesProcessed": 4, "messagesAccepted": 2, "messagesInvalid": 2}
    issues = [issue(messageId=4, sku="My-SKU-B"), issue(messageId=5, sku="My-SKU-C", attributeName="a.b")]
    found = result_of("1234567890", "JSON_LISTINGS_FEED", "d", report(issues, summary, feedId="1234567890"))
    listings = tuple(listings_of(*"ABCDE"))
    assert [each.accepted for each in outcomes_of(listings, found)] == [True, True, True, False, False]
    assert [each.attribute for each in found.issues] == ["", "a.b"]
    assert FeedIssue(severity="ERROR").refuses


@pytest.mark.long
def test_a_large_report_is_read_in_bounded_time_and_memory() -> None:
    """It has 10,000 issues, some for the same message."""
    content = report([issue(messageId=n % 5_000 + 1, sku=f"SKU-{n}", message="x" * 100) for n in range(10_000)])
    tracemalloc.start()
    started = time.process_time()
    assert len(result_of("1", "JSON_LISTINGS_FEED", "d", content).issues) == 10_000
    spent, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * len(content)
    assert spent < 2.4


async def test_a_fatal_feeds_document_may_be_anything() -> None:
    """Only as much as explains is read of an error document, a page or a gigabyte."""
    async with feeds_emulated() as (emulator, seller):
        for content, said in (
            (b'{"errors":[{"code":"X","message":"The file  is\\nno feed"}]}', "The file is no feed"),
            (b"<html>502</html>", "<html>502</html>"),
            (b"x" * 2_000_000, "x" * 500 + "…"),
            (b"\xff\xfe", "��"),
            (b"", "gave no explanation"),
        ):
            emulator.faults({"operation": CREATE, "outcome": "FATAL"})
            outcomes, run = await submitted(seller)
            spoil(emulator, "feed", content)
            with pytest.raises(DocumentError, match=said.replace("…", "")[:100]) as fatal:
                await accepted_of(outcomes)
            assert fatal.value.feed_id == run.feed_id  # type: ignore[attr-defined]


async def submitted_to(emulator: Emulator, seller: SellingPartner) -> str:
    """The report of a flat file as text."""
    run = await seller.feeds.request("POST_FLAT_FILE_INVLOADER_DATA", b"x", marketplaces=["US"])
    spoil(emulator, "feed", b"caf\xe9\tok\n", content_type="text/plain")
    return (await run.result()).text


async def test_the_report_of_a_flat_file_is_text_however_it_is_encoded() -> None:
    """It need not be JSON."""
    async with feeds_emulated() as (emulator, seller):
        assert await submitted_to(emulator, seller) == "café\tok\n"
