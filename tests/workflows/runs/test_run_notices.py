"""Which job a notification is about, in any wrapping, and which waits it wakes."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from kiosk_queries import QUERY
from report_fixtures import LISTINGS, reports_emulated

from spapi_async import Application
from spapi_async.emulator import Emulator
from spapi_async.workflows.runs._notices import Notices, job_ids

NOTICE = {
    "notificationType": "REPORT_PROCESSING_FINISHED",
    "payload": {"reportProcessingFinishedNotification": {"reportId": "54517018502", "processingStatus": "DONE"}},
}


class Parsed:
    payload = NOTICE["payload"]


@pytest.mark.parametrize(
    "message",
    [
        NOTICE,
        json.dumps(NOTICE),
        json.dumps(NOTICE, indent=2).encode(),
        {"MessageId": "m", "Body": json.dumps(NOTICE)},
        {"Type": "Notification", "Message": json.dumps({"Body": json.dumps(NOTICE)})},
        {"Payload": {"ReportProcessingFinishedNotification": {"ReportId": "54517018502"}}},
        Parsed(),
    ],
)
def test_the_job_of_a_notification_is_found(message: Any) -> None:
    """It may be in SQS and SNS envelopes, in either casing, parsed or not."""
    assert job_ids(message) == [("report", "54517018502")]


@pytest.mark.parametrize(
    "message",
    [
        "",
        b"\xff\xfe",
        None,
        5,
        object(),
        {"a": object()},
        {"feedIds": "1"},
        {"feedId": 1},
        {"feedId": None},
        "[" * 9999,
    ],
)
def test_other_messages_name_no_job(message: Any) -> None:
    """They wake no wait and raise no error."""
    assert job_ids(message) == []


def test_a_hostile_message_takes_no_time() -> None:
    """Any number of backslashes and quotes is read once."""
    started = time.process_time()
    job_ids('\\"reportId\\":' * 200_000)
    job_ids("\\" * 3_000_000)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("payload", "job"),
    [
        ({"feedProcessingFinishedNotification": {"feedId": "7", "feedType": "X"}}, ("feed", "7")),
        ({"FeedProcessingFinishedNotification": {"FeedId": "7"}}, ("feed", "7")),
        ({"queryId": "9", "query": 'query { a(text: "{\\"x\\": 1}") { b } }', "dataDocumentId": "d"}, ("query", "9")),
    ],
)
def test_feeds_and_queries_are_found_too(payload: Any, job: tuple[str, str]) -> None:
    """A feed's id wakes no report with the same id."""
    assert job_ids({"payload": payload}) == [job]
    assert job_ids({"Body": json.dumps({"Message": json.dumps({"payload": payload})})}) == [job]


def test_of_what_is_announced_the_newest_thousand_is_remembered() -> None:
    """A queue that is read for weeks takes bounded memory."""
    notices = Notices()
    for number in (*range(5000), 4001):
        notices.hear({"feedId": f"{number}"})
    assert list(notices.announced) == [*[("feed", f"{n}") for n in range(4000, 5000) if n != 4001], ("feed", "4001")]


async def ended(what: Any) -> float:
    """How long that took."""
    started = asyncio.get_running_loop().time()
    await what
    return asyncio.get_running_loop().time() - started


async def test_one_reader_wakes_reports_feeds_and_queries_of_all_sellers() -> None:
    """A queue gives each message to one reader, so that one must pass it on to the others."""
    async with (
        Emulator(processing=1.0, orders=20, throttle=False) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        one, other = (app.selling_partner(f"Atzr|{name}", region="na") for name in ("one", "other"))
        for seller in (one, other):
            for kind in ("REPORT", "FEED", "DATA_KIOSK_QUERY"):
                await seller.notifications.subscribe(f"{kind}_PROCESSING_FINISHED", "arn:aws:sqs:us-east-1:1:q")
        stopped = asyncio.Event()

        async def source() -> Any:
            seen = 0
            while not stopped.is_set():
                for message in emulator.notifications[seen:]:
                    seen += 1
                    yield json.dumps(message)
                await asyncio.sleep(0.01)

        async with (
            one.reports.wake_on(source()),
            one.feeds.wake_on(never()),
            one.data_kiosk.wake_on(never()),
            other.data_kiosk.wake_on(never()),
        ):
            report = await one.reports.request("GET_MERCHANT_LISTINGS_ALL_DATA", marketplaces=["US"])
            feed = await one.feeds.request("JSON_LISTINGS_FEED", b'{"messages": []}', marketplaces=["US"])
            query = await one.data_kiosk.request(QUERY)
            theirs = await other.data_kiosk.request(QUERY)
            waits = [ended(run.wait()) for run in (report, feed, query, theirs)]
            # By polling alone, a run with a source of notifications would be polled after 30 seconds.
            assert max(await asyncio.gather(*waits)) < 15
            stopped.set()


async def test_a_cancellation_while_a_source_is_being_closed_takes_effect() -> None:
    """The block has ended, and its source takes a while to close."""
    closing, closed = asyncio.Event(), asyncio.Event()

    async def source() -> Any:
        try:
            await asyncio.Event().wait()
            yield
        finally:
            closing.set()
            await closed.wait()

    async with Application("app", "secret") as app:
        seller = app.selling_partner("Atzr|one", region="na")

        async def work() -> None:
            async with seller.reports.wake_on(source()):
                await asyncio.sleep(0)

        working = asyncio.create_task(work())
        await closing.wait()
        working.cancel()
        await asyncio.sleep(0)
        closed.set()
        with pytest.raises(asyncio.CancelledError):
            await working


async def never() -> Any:
    """A source without messages."""
    await asyncio.Event().wait()
    yield


async def test_a_notification_ends_a_wait() -> None:
    """Polling alone would take half a minute."""
    async with reports_emulated(processing=1.0) as (_, seller):
        messages: asyncio.Queue[Any] = asyncio.Queue()

        async def source() -> Any:
            while True:
                yield await messages.get()

        run = await seller.reports.request(LISTINGS, marketplaces=["US"])
        started = time.monotonic()
        async with seller.reports.wake_on(source()):
            waiting = asyncio.create_task(run.wait())
            await asyncio.sleep(1.1)
            assert run.next_poll_in is not None
            assert run.next_poll_in > 10
            messages.put_nowait({"Body": f'{{"reportId": "{run.report_id}"}}'})
            await waiting
        assert time.monotonic() - started < 20
