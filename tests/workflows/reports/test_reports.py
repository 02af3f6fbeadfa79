"""Reports from request to rows, with an emulator."""

from __future__ import annotations

import asyncio
import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from report_fixtures import ALL_ORDERS, CREATE, INVENTORY, LISTINGS, calls, reports_emulated, seller_on, window

from spapi_async import Application, Marketplace, Region
from spapi_async.api.reports_2021_06_30 import GET_REPORTS
from spapi_async.errors import (
    BadRequestError,
    ConfigurationError,
    DocumentError,
    NotFoundError,
    OutcomeUnknownError,
    ReportCancelledError,
    ReportFatalError,
)

pytest_plugins = ("run_fixtures",)
pytestmark = pytest.mark.usefixtures("quick_polls")

PENDING = "GET_FLAT_FILE_PENDING_ORDERS_DATA"
SETTLEMENT = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
XML_ORDERS = "GET_XML_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
US = ["US"]


async def test_a_report_in_one_step() -> None:
    """It is requested, waited for and read."""
    async with reports_emulated() as (emulator, seller):
        async with seller.reports.download(LISTINGS, marketplaces=US) as document:
            rows = [row async for row in document.iter_rows()]
        assert len(rows) == 60
        assert rows[0]["seller-sku"]
        assert calls(emulator) == 1


async def test_a_report_in_three_steps() -> None:
    """The run shows its state."""
    async with reports_emulated(processing=1.0) as (_, seller):
        run = await seller.reports.request(LISTINGS, marketplaces=US)
        assert run.report_id
        assert run.status == "IN_QUEUE"
        assert repr(run) == f"<ReportRun {LISTINGS} {run.report_id}: IN_QUEUE>"
        waiting = asyncio.create_task(run.wait())
        await asyncio.sleep(0.1)
        assert run.next_poll_in is not None
        assert await waiting is run
        assert run.status == "DONE"
        async with run.document() as document:
            assert (await document.text()).startswith("seller-sku\t")


async def test_a_cancelled_wait_can_be_repeated() -> None:
    """The run waits again, and sends no second request."""
    async with reports_emulated(processing=1.0) as (emulator, seller):
        run = await seller.reports.request(LISTINGS, marketplaces=US)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await run.wait()
        async with run.document() as document:
            assert await document.read()
        assert calls(emulator) == 1


async def test_options_and_charset_reach_the_document() -> None:
    """A Japanese file without a charset is read with the given one."""
    async with reports_emulated(marketplaces=["US"]) as (_, seller):
        options = {"emulatorCharset": "windows-31j", "emulatorLabel": "none"}
        async with seller.reports.download(LISTINGS, marketplaces=US, options=options, charset="cp932") as document:
            assert len([row async for row in document.iter_rows()]) == 60
            assert document.charset == "cp932"


async def test_a_restricted_report_gets_its_token() -> None:
    """The type requires a restricted data token for its document, which is fetched automatically."""
    async with reports_emulated() as (emulator, seller):
        kind = "GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING"
        async with seller.reports.download(kind, marketplaces=US, **window()) as document:
            assert [row async for row in document.iter_rows()]
        assert emulator.stats()["tokens"]["rdt"] == 1


async def test_the_error_of_a_cancelled_report_says_who_cancelled_it() -> None:
    """Amazon did, since the window has no order."""
    async with reports_emulated() as (_, seller):
        run = await seller.reports.request(ALL_ORDERS, marketplaces=US, **window(ago=400))
        with pytest.raises(ReportCancelledError, match="no data to return") as raised:
            await run.wait()
        assert raised.value.asked_for is False
        assert raised.value.report_id == run.report_id


async def test_the_error_of_a_report_cancelled_by_this_program_says_so() -> None:
    """It does not count as one without data."""
    async with reports_emulated(processing=60.0) as (_, seller):
        run = await seller.reports.request(ALL_ORDERS, marketplaces=US, no_data="empty", **window())
        await run.cancel()
        with pytest.raises(ReportCancelledError) as raised:
            await run.wait()
        assert raised.value.asked_for is True


async def test_a_window_without_events_can_be_read_as_empty() -> None:
    """With ``no_data="empty"`` there are no rows, no text and an empty file."""
    async with reports_emulated() as (_, seller):
        async with seller.reports.download(ALL_ORDERS, marketplaces=US, no_data="empty", **window(ago=400)) as document:
            assert [row async for row in document.iter_rows()] == []
        async with seller.reports.download(ALL_ORDERS, marketplaces=US, no_data="empty", **window(ago=400)) as document:
            assert await document.read() == b""


async def test_a_report_within_its_cool_down_is_not_read_as_empty() -> None:
    """Amazon cancels it although there is data, because another of its type was made shortly before."""
    async with reports_emulated(report_cooldown=1800.0) as (_, seller):
        kind = "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL"
        async with seller.reports.download(kind, marketplaces=US, **window()) as document:
            assert await document.read()
        with pytest.raises(ReportCancelledError, match="does not mean that there is no data"):
            async with seller.reports.download(kind, marketplaces=US, no_data="empty", **window(10)) as document:
                await document.read()


async def test_only_an_earlier_report_with_data_prevents_reading_as_empty() -> None:
    """A cancelled or a later one does not."""
    async with reports_emulated() as (emulator, seller):
        kind = "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL"
        await seller.reports_2021_06_30.get_reports(report_types=[kind])
        emulator.add_report(kind, age=60, outcome="CANCELLED")
        run = await seller.reports.request(kind, marketplaces=US, no_data="empty", **window(ago=400))
        await asyncio.sleep(0.01)
        emulator.add_report(kind)
        async with run.document() as document:
            assert await document.read() == b""


async def test_an_inventory_within_its_cool_down_can_be_the_latest_one() -> None:
    """The caller chooses so; by default it is an error."""
    async with reports_emulated(report_cooldown=1800.0) as (_, seller):
        async with seller.reports.download(INVENTORY, marketplaces=US) as document:
            first = await document.read()
        with pytest.raises(ReportCancelledError):
            async with seller.reports.download(INVENTORY, marketplaces=US) as document:
                pass
        async with seller.reports.download(INVENTORY, marketplaces=US, no_data="latest") as document:
            assert await document.read() == first
        with pytest.raises(ConfigurationError, match="shows how things are"):
            await seller.reports.request(INVENTORY, marketplaces=US, no_data="empty")


@pytest.mark.parametrize(("outcome", "explanation"), [("FATAL", "asked to fail it"), ("FATAL_UNEXPLAINED", "")])
async def test_a_failed_report_carries_amazons_explanation(outcome: str, explanation: str) -> None:
    """It comes from the report's document, if there is one."""
    async with reports_emulated() as (_, seller):
        with pytest.raises(ReportFatalError) as raised:
            async with seller.reports.download(LISTINGS, marketplaces=US, options={"emulatorOutcome": outcome}):
                pass
        assert explanation in raised.value.explanation
        assert bool(raised.value.explanation) == bool(explanation)


async def test_a_long_window_is_read_as_one_stream() -> None:
    """Three reports give one header and every row once, in the order of the windows."""
    async with reports_emulated() as (emulator, seller):
        async with seller.reports.download(ALL_ORDERS, marketplaces=US, **window(75)) as document:
            split = [row["amazon-order-id"] async for row in document.iter_rows()]
        assert calls(emulator) == 3
        run = await seller.reports.request(
            "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE", marketplaces=US, **window(75)
        )
        async with run.document() as document:
            whole = [row["amazon-order-id"] async for row in document.iter_rows()]
        assert split == whole
        assert len(set(split)) == 60


@pytest.mark.parametrize("errors", ["replace", "surrogateescape"])
async def test_invalid_bytes_in_the_parts_of_a_long_window_are_those_of_one_report(errors: str) -> None:
    """They are counted, or kept for the caller, as in a report that is a single file."""
    found = []
    async with reports_emulated(marketplaces=["JP"]) as (_, seller):
        wanted: dict[str, Any] = {"marketplaces": US, "options": {"emulatorCharset": "windows-31j"}, **window(75)}
        for kind in (ALL_ORDERS, "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE"):
            async with seller.reports.download(kind, charset="utf-8", errors=errors, **wanted) as document:
                rows = [tuple(row.values()) async for row in document.iter_rows()]
            found.append((rows, document.replaced))
    assert found[0] == found[1]
    assert (found[0][1] > 0) is (errors == "replace")


async def test_a_long_window_can_have_parts_without_data() -> None:
    """A month without orders adds nothing if the caller chooses so, and is an error otherwise."""
    async with reports_emulated() as (_, seller):
        wanted: dict[str, Any] = {"marketplaces": US, **window(120)}
        async with seller.reports.download(ALL_ORDERS, no_data="empty", **wanted) as document:
            assert len({row["amazon-order-id"] async for row in document.iter_rows()}) == 60
        with pytest.raises(ReportCancelledError):
            async with seller.reports.download(ALL_ORDERS, **wanted):
                pass


@pytest.mark.parametrize(("days", "no_data"), [(75, "error"), (120, "empty")])
async def test_a_long_window_of_xml_is_one_document(days: int, no_data: Any) -> None:
    """The elements of all parts are under one root; a part without data adds nothing."""
    async with reports_emulated() as (emulator, seller):
        wanted: dict[str, Any] = {"marketplaces": US, "no_data": no_data, **window(days)}
        async with seller.reports.download(XML_ORDERS, **wanted) as document:
            content = await document.read()
        assert calls(emulator) == -(-days // 30)
    root = ET.fromstring(content)
    assert root.attrib == {"type": XML_ORDERS}
    assert len({row.get("id") for row in root}) == 60


async def test_xml_without_data_has_no_elements() -> None:
    """A file of rows likewise has no rows."""
    async with reports_emulated() as (_, seller):
        wanted: dict[str, Any] = {"marketplaces": US, "no_data": "empty", **window(10, ago=300)}
        for days in (10, 50):
            wanted |= window(days, ago=300)
            async with seller.reports.download(XML_ORDERS, **wanted) as document:
                assert [element async for element in document.iter_xml("Order")] == []


async def test_parts_with_different_columns_do_not_join() -> None:
    """Rows under the wrong header would be worse than an error."""
    async with reports_emulated() as (_, seller):
        run = await seller.reports.request(ALL_ORDERS, marketplaces=US, **window(40))
        run.parts[0].entry = (await seller.reports.request(LISTINGS, marketplaces=US)).parts[0].entry
        with pytest.raises(DocumentError, match="different columns"):
            async with run.document() as document:
                await document.read()


async def test_a_recent_report_of_any_application_is_reused() -> None:
    """It has the same type, marketplaces and window, and no options; an older one or another window's is not."""
    async with reports_emulated() as (emulator, seller):
        await seller.reports_2021_06_30.get_reports(report_types=[LISTINGS])  # the emulator creates the seller
        (report_id,) = emulator.add_report(LISTINGS, age=600)
        run = await seller.reports.request(LISTINGS, marketplaces=US, reuse=timedelta(hours=1))
        assert run.report_id == report_id
        async with run.document() as document:
            assert await document.read()
        for other in ({"reuse": timedelta(minutes=5)}, {"reuse": timedelta(hours=1), "marketplaces": ["CA"]}):
            wanted: dict[str, Any] = {"marketplaces": US, **other}
            fresh = await seller.reports.request(LISTINGS, **wanted)
            assert fresh.report_id != report_id
        assert calls(emulator) == 2


async def test_a_report_that_ends_earlier_is_not_reused_for_one_that_ends_now() -> None:
    """A window without an end reaches to the moment of its request, whatever windows others asked for."""
    async with reports_emulated() as (emulator, seller):
        await seller.reports_2021_06_30.get_reports(report_types=[ALL_ORDERS])
        wanted = {"marketplaces": US, "start": window()["start"], "reuse": timedelta(hours=1)}
        began, asked_at = f"{wanted['start']:%Y-%m-%dT%H:%M:%SZ}", datetime.now(UTC) - timedelta(minutes=15)
        ids = []
        for end, age in ((asked_at, 900), (asked_at - timedelta(minutes=6), 600), (window(ago=2)["end"], 600)):
            shown = f"{end:%Y-%m-%dT%H:%M:%SZ}"
            ids += emulator.add_report(ALL_ORDERS, age=age, dataStartTime=began, dataEndTime=shown)
        assert (await seller.reports.request(ALL_ORDERS, **wanted)).report_id == ids[0]
        wanted["reuse"] = timedelta(minutes=12)
        assert (await seller.reports.request(ALL_ORDERS, **wanted)).report_id not in ids


async def test_a_report_that_is_done_is_reused_before_one_that_is_not() -> None:
    """The newest finished one is preferred to any newer unfinished one."""
    async with reports_emulated() as (emulator, seller):
        await seller.reports_2021_06_30.get_reports(report_types=[LISTINGS])
        emulator.add_report(LISTINGS, age=1800)
        (done,) = emulator.add_report(LISTINGS, age=900)
        emulator.add_report(LISTINGS, age=60, processing=3600)
        run = await seller.reports.request(LISTINGS, marketplaces=US, reuse=timedelta(hours=1))
        assert run.report_id == done


async def test_the_parts_of_a_window_are_reused_one_by_one() -> None:
    """One list finds them all, and missing ones are requested."""
    async with reports_emulated() as (emulator, seller):
        wanted: dict[str, Any] = {"marketplaces": US, **window(75)}
        first = await seller.reports.request(ALL_ORDERS, **wanted)
        await seller.reports_2021_06_30.create_report(body={**first.parts[0].request, "reportType": LISTINGS})
        async with seller_on(emulator.url) as elsewhere:
            wanted["end"] += timedelta(days=-1)
            again = await elsewhere.reports.request(ALL_ORDERS, reuse=timedelta(hours=1), **wanted)
        assert again.report_ids[:2] == first.report_ids[:2]
        assert again.report_ids[2] != first.report_ids[2]
        assert calls(emulator, "reports_2021_06_30.get_reports") == 1


async def test_a_report_with_options_is_reused_only_where_the_journal_knows_it() -> None:
    """Amazon does not return a report's options, so another one may have had others."""
    async with reports_emulated() as (emulator, seller):
        await seller.reports_2021_06_30.get_reports(report_types=[LISTINGS])
        options = {"custom": "true"}
        emulator.add_report(LISTINGS, reportOptions=options)
        wanted: dict[str, Any] = {"marketplaces": US, "options": options, "reuse": timedelta(hours=1)}
        first = await seller.reports.request(LISTINGS, **wanted)
        again = await seller.reports.request(LISTINGS, **wanted)
        assert (again.report_id, calls(emulator)) == (first.report_id, 1)


async def test_a_failed_report_is_not_reused() -> None:
    """Neither is a cancelled one, since another attempt may succeed."""
    async with reports_emulated() as (emulator, seller):
        await seller.reports_2021_06_30.get_reports(report_types=[LISTINGS])
        emulator.add_report(LISTINGS, age=60, outcome="FATAL")
        emulator.add_report(LISTINGS, age=60, outcome="CANCELLED")
        run = await seller.reports.request(LISTINGS, marketplaces=US, reuse=timedelta(hours=1))
        await run.wait()
        assert calls(emulator) == 1


async def test_a_report_cancelled_by_this_program_is_not_reused() -> None:
    """Its end has not been polled since: the journal knows its id, but not its status."""
    async with reports_emulated(processing=60.0) as (emulator, seller):
        first = await seller.reports.request(LISTINGS, marketplaces=US)
        await first.cancel()
        again = await seller.reports.request(LISTINGS, marketplaces=US, reuse=timedelta(hours=1))
        assert again.report_id != first.report_id
        options: dict[str, Any] = {"marketplaces": US, "options": {"custom": "true"}}
        await (await seller.reports.request(LISTINGS, **options)).cancel()
        await seller.reports.request(LISTINGS, reuse=timedelta(hours=1), **options)
        assert calls(emulator) == 4


async def test_a_request_whose_reply_is_lost_is_found() -> None:
    """Amazon acted: there is one report, which is this run's."""
    async with reports_emulated() as (emulator, seller):
        emulator.faults({"operation": CREATE, "disconnect": "after"})
        run = await seller.reports.request(LISTINGS, marketplaces=US)
        reports = await seller.reports_2021_06_30.get_reports(report_types=[LISTINGS])
        assert [report.report_id for report in reports.reports] == [run.report_id]


async def test_the_latest_report_of_all_marketplaces_of_europe_is_found() -> None:
    """Amazon lists the reports of ten marketplaces at a time, and makes them of 25."""
    europe = [place for place in Marketplace if place.region is Region.EU]
    async with reports_emulated() as (emulator, _), Application("app", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|seller", region=Region.EU)
        asked = await seller.reports.request(LISTINGS, marketplaces=europe)
        await asked.wait()
        assert (await seller.reports.latest(LISTINGS, marketplaces=europe)).report_id == asked.report_id
        with pytest.raises(NotFoundError):
            await seller.reports.latest(LISTINGS, marketplaces=europe[1:])


async def test_a_misspelt_type_that_amazon_refuses_is_named_correctly() -> None:
    """The known type with the most similar name is a note of the error; a type that is known or unlike any has none."""
    refused = {"operation": CREATE, "status": 400, "times": None}
    async with reports_emulated() as (emulator, seller):
        emulator.faults(refused, {**refused, "operation": "feeds_2021_06_30.create_feed"})
        requests = [
            (seller.reports.request("GET_MERCHANT_LISTING_ALL_DATA", marketplaces=US), LISTINGS),
            (seller.reports.request(f" {LISTINGS.lower()}", marketplaces=US), LISTINGS),
            (seller.reports.latest("GET_MERCHANT_LISTING_ALL_DATA"), LISTINGS),
            (seller.feeds.submit("JSON_LISTING_FEED", "{}", marketplaces=US), "JSON_LISTINGS_FEED"),
            (seller.reports.request(LISTINGS, marketplaces=US), None),
            (seller.reports.request("GET_ANY", marketplaces=US), None),
            (seller.reports.latest(LISTINGS), None),
        ]
        for request, meant in requests:
            with pytest.raises((BadRequestError, NotFoundError)) as caught:
                await request
            notes = getattr(caught.value, "__notes__", [])
            assert [note.partition("did you mean ")[2] for note in notes] == ([f"{meant}?"] if meant else [])


async def test_the_latest_report_is_found() -> None:
    """It is the newest finished one; that of other marketplaces counts only where none are named."""
    async with reports_emulated() as (emulator, seller):
        with pytest.raises(NotFoundError, match=SETTLEMENT):
            await seller.reports.latest(SETTLEMENT)
        for age in (3000, 1000, 2000):
            emulator.add_report(SETTLEMENT, age=age)
        (canadian,) = emulator.add_report(SETTLEMENT, age=500, marketplaceIds=["A2EUQ1WTGCTBG2"])
        emulator.add_report(SETTLEMENT, age=1, outcome="FATAL")
        assert (await seller.reports.latest(SETTLEMENT)).report_id == canadian
        assert len([run async for run in seller.reports.iter_available(SETTLEMENT, statuses="DONE")]) > 1
        run = await seller.reports.latest(SETTLEMENT, marketplaces=US)
        created_at = (await run.parts[0].finished()).created_at
        assert created_at is not None
        assert 990 < (datetime.now(UTC) - created_at).total_seconds() < 1100


async def test_reports_that_amazon_made_are_listed_and_read() -> None:
    """They are settlements of three dozen periods, page after page."""
    async with reports_emulated() as (emulator, seller):
        await seller.reports_2021_06_30.get_reports(report_types=[SETTLEMENT])
        for day in range(36):
            emulator.add_report(SETTLEMENT, age=day * 86400 + 60)
        runs = [run async for run in seller.reports.iter_available(SETTLEMENT)]
        assert len({run.report_id for run in runs}) == 36
        since = datetime.now(UTC) - timedelta(days=3)
        recent = [run async for run in seller.reports.iter_available(SETTLEMENT, created_since=since)]
        assert len(recent) == 3
        async with recent[0].document() as document:
            assert await document.read()
        assert calls(emulator) == 0


async def test_a_report_that_cannot_be_read_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """It is left out, and logged: one has no status, one no id, and one something else for the id of its document."""
    usual = {"reportType": SETTLEMENT, "createdTime": "2026-01-02T00:00:00Z", "processingStatus": "DONE"}
    broken: list[dict[str, Any]] = [{"processingStatus": None}, {"reportId": None}, {"reportDocumentId": [7]}]
    reports = [{**usual, "reportId": str(number), **change} for number, change in enumerate([*broken, {}, {}])]
    async with reports_emulated() as (emulator, seller):
        emulator.faults({"operation": GET_REPORTS.name, "times": 2, "status": 200, "body": {"reports": reports}})
        runs = [run async for run in seller.reports.iter_available(SETTLEMENT)]
        assert [run.report_id for run in runs] == ["3", "4"]
        assert (await seller.reports.latest(SETTLEMENT)).report_id == "3"
    assert caplog.text.count("a report in the list is left out") == 6


async def test_a_report_is_found_by_its_id() -> None:
    """Any application may have requested it; it is waited for if it is not done."""
    async with reports_emulated(processing=0.6) as (emulator, seller):
        await seller.reports_2021_06_30.get_reports(report_types=[LISTINGS])
        (report_id,) = emulator.add_report(LISTINGS)
        run = await seller.reports.find(report_id)
        assert run.status == "IN_QUEUE"
        async with run.document() as document:
            assert await document.read()
        with pytest.raises(NotFoundError):
            await seller.reports.find("1")


async def test_a_schedule_is_made_once() -> None:
    """The same request changes nothing, another period replaces it, and a lost reply makes no second one."""
    create = "reports_2021_06_30.create_report_schedule"
    async with reports_emulated() as (emulator, seller):
        first = await seller.reports.schedule(PENDING, every="P1D", marketplaces=US)
        assert await seller.reports.schedule(PENDING, every="P1D", marketplaces=US) == first
        assert calls(emulator, create) == 1
        emulator.faults({"operation": create, "disconnect": "after"})
        weekly = await seller.reports.schedule(PENDING, every="P7D", marketplaces=US)
        assert weekly != first
        assert calls(emulator, create) == 2
        emulator.faults({"operation": create, "disconnect": "before"})
        await seller.reports.schedule(PENDING, every="P1D", marketplaces=US)
        listed = await seller.reports_2021_06_30.get_report_schedules(report_types=[PENDING])
        assert [each.period for each in listed.report_schedules] == ["P1D"]


@pytest.mark.parametrize("listed", [["x"], [3], [None], [{}], "x", None])
async def test_a_list_of_schedules_may_hold_anything(listed: Any) -> None:
    """Invalid entries are skipped."""
    async with reports_emulated() as (emulator, seller):
        body = json.dumps({"reportSchedules": listed})
        emulator.faults({"operation": "reports_2021_06_30.get_report_schedules", "body": body})
        made = await seller.reports.schedule(PENDING, every="P1D", marketplaces=US)
        assert await seller.reports.schedule(PENDING, every="P1D", marketplaces=US) == made
        emulator.faults({"operation": "reports_2021_06_30.get_report_schedules", "body": json.dumps(listed)})
        assert (await seller.reports.schedule(PENDING, every="P1D", marketplaces=US)).isdecimal()


@pytest.mark.parametrize("listed", [["x"], [None], "x", 5, True, {"a": 1}])
async def test_a_list_of_reports_may_hold_anything(listed: Any) -> None:
    """Whether a document is restricted is learned from what is a report."""
    async with reports_emulated() as (emulator, seller):
        emulator.faults({"operation": "reports_2021_06_30.get_reports", "body": json.dumps({"reports": listed})})
        response = await seller.call(GET_REPORTS, report_types=[LISTINGS])
        assert response.violations


@pytest.mark.parametrize("made", [{}, {"reportScheduleId": None}, {"reportScheduleId": ""}])
async def test_a_schedule_whose_reply_has_no_id_is_looked_for(made: Any) -> None:
    """Amazon accepted it without saying its id: it is looked for, then requested once more."""
    async with reports_emulated() as (emulator, seller):
        create = {"operation": "reports_2021_06_30.create_report_schedule", "status": 202, "body": json.dumps(made)}
        emulator.faults(create)
        assert (await seller.reports.schedule(PENDING, every="P1D", marketplaces=US)).isdecimal()
        emulator.faults({**create, "times": None})
        with pytest.raises(OutcomeUnknownError):
            await seller.reports.schedule(PENDING, every="P7D", marketplaces=US)


async def test_types_that_cannot_be_scheduled_are_refused() -> None:
    """Nothing is sent."""
    async with reports_emulated() as (_, seller):
        with pytest.raises(ConfigurationError, match="cannot be scheduled"):
            await seller.reports.schedule(INVENTORY, every="P1D", marketplaces=US)
        first = datetime(2026, 1, 1)  # noqa: DTZ001
        with pytest.raises(ConfigurationError, match="first must be a datetime with a time zone"):
            await seller.reports.schedule(PENDING, every="P1D", marketplaces=US, first=first)


async def test_times_beyond_the_calendar_are_refused() -> None:
    """Nothing is sent; an age that is longer than Amazon keeps reports means all that it keeps."""
    early = datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))
    async with reports_emulated() as (emulator, seller):
        with pytest.raises(ConfigurationError, match="start is beyond the calendar in UTC: 0001-01-01"):
            await seller.reports.request(ALL_ORDERS, marketplaces=US, start=early)
        with pytest.raises(ConfigurationError, match=r"created_since is 0001-01-01.* beyond the calendar in UTC"):
            await seller.reports_2021_06_30.get_reports(report_types=[LISTINGS], created_since=early)
        assert calls(emulator) == calls(emulator, "reports_2021_06_30.get_reports") == 0
        first = await seller.reports.request(LISTINGS, marketplaces=US)
        async with seller_on(emulator.url) as other:
            again = await other.reports.request(LISTINGS, marketplaces=US, reuse=timedelta.max)
        assert again.report_id == first.report_id


async def test_a_source_of_notifications_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Polling continues without it."""

    async def source() -> Any:
        yield {}
        raise OSError("the queue is gone")

    async with reports_emulated() as (_, seller):
        async with seller.reports.wake_on(source()):
            await asyncio.sleep(0.01)
            run = await seller.reports.request(LISTINGS, marketplaces=US)
            await run.wait()
        assert "source of notifications failed" in caplog.text


async def test_a_reply_without_an_id_is_looked_up() -> None:
    """A 202 without a report id may have made one."""
    async with reports_emulated() as (emulator, seller):
        emulator.faults({"operation": CREATE, "body": {}})
        run = await seller.reports.request(LISTINGS, marketplaces=US)
        assert run.report_id
        assert calls(emulator) == 1
