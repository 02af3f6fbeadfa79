"""Reports of the emulator: windows, cool-downs, reports of other applications, and all kinds of files."""

from __future__ import annotations

import gzip
import time
import zlib
from typing import Any

from direct import US, Direct, HandClock, running

from spapi_async.emulator.data.repeated_file import RepeatedFile

REPORTS = "/reports/2021-06-30"
ORDERS = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
INVENTORY = "GET_FBA_MYI_ALL_INVENTORY_DATA"


async def ask(api: Direct, kind: str = ORDERS, **facts: Any) -> dict[str, Any]:
    """Create a report, and return Amazon's description of it."""
    body = {"reportType": kind, "marketplaceIds": [US], **facts}
    made = await api.send("POST", f"{REPORTS}/reports", body=body)
    return await status(api, made.json["reportId"])


async def status(api: Direct, report_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"{REPORTS}/reports/{report_id}")).json
    return found


async def url(api: Direct, report: dict[str, Any]) -> str:
    return str((await api.get(f"{REPORTS}/documents/{report['reportDocumentId']}")).json["url"])


async def text(api: Direct, report: dict[str, Any]) -> str:
    raw = (await api.send("GET", await url(api, report), token="")).body
    return (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw).decode("cp1252")


async def test_a_report_covers_its_window() -> None:
    """The start is included and the end is not, so that two halves make the whole."""
    async with running(processing=0, orders=40) as api:
        orders = [order["LastUpdateDate"] for order in await api.orders()]
        first, middle, last = min(orders), sorted(orders)[20], "2100-01-01T00:00:00Z"
        whole = await text(api, await ask(api, dataStartTime=first, dataEndTime=last))
        early = await text(api, await ask(api, dataStartTime=first, dataEndTime=middle))
        late = await text(api, await ask(api, dataStartTime=middle, dataEndTime=last))
        assert sorted(early.splitlines()[1:] + late.splitlines()[1:]) == sorted(whole.splitlines()[1:])
        ids = [{line.partition("\t")[0] for line in file.splitlines()[1:]} for file in (whole, early, late)]
        assert len(ids[0]) == 40
        assert 15 < len(ids[1]) < 25
        assert ids[1].isdisjoint(ids[2])


async def test_a_window_without_orders_is_cancelled_by_amazon() -> None:
    """It is cancelled after processing began, which distinguishes it from a caller's cancellation."""
    async with running(processing=0) as api:
        empty = {"dataStartTime": "2001-01-01T00:00:00Z", "dataEndTime": "2001-02-01T00:00:00Z"}
        report = await ask(api, **empty)
        assert report["processingStatus"] == "CANCELLED"
        assert "processingStartTime" in report


async def test_an_fba_report_asked_for_again_too_soon_is_cancelled() -> None:
    """There would be data; another type and a later time are served."""
    clock = HandClock()
    async with running(processing=0, report_cooldown=1800, clock=clock) as api:
        assert (await ask(api, INVENTORY))["processingStatus"] == "DONE"
        assert (await ask(api, INVENTORY))["processingStatus"] == "CANCELLED"
        assert (await ask(api))["processingStatus"] == "DONE"
        clock.now += 1801
        assert (await ask(api, INVENTORY))["processingStatus"] == "DONE"


async def test_reports_of_others_are_listed() -> None:
    """They are Amazon's own settlements, and reports of other applications."""
    async with running(processing=0) as api:
        made = await api.send("POST", "/_emulator/reports", body={"reportType": "GET_V2_SETTLEMENT", "age": 7200})
        (report_id,) = made.json["reports"]
        other = await api.log_in(client_id="another app")
        listed = await api.get(f"{REPORTS}/reports", token=other, reportTypes="GET_V2_SETTLEMENT")
        assert [each["reportId"] for each in listed.json["reports"]] == [report_id]
        wrong = await api.send("POST", "/_emulator/reports", body={"reportType": "X", "colour": "red"})
        assert (wrong.status, "colour" in wrong.json["error"]) == (400, True)


async def test_a_report_takes_the_given_time() -> None:
    """It may also end without an explanation."""
    clock = HandClock()
    async with running(clock=clock) as api:
        options = {"emulatorProcessing": "90", "emulatorOutcome": "FATAL_UNEXPLAINED"}
        report = await ask(api, reportOptions=options)
        clock.now += 60
        assert (await status(api, report["reportId"]))["processingStatus"] == "IN_PROGRESS"
        clock.now += 31
        ended = await status(api, report["reportId"])
        assert ended["processingStatus"] == "FATAL"
        assert "reportDocumentId" not in ended


async def test_a_file_may_be_labelled_wrongly_and_quoted_badly() -> None:
    """UTF-8 may be labelled ISO-8859-1, quotes may not end, or every cell may be quoted."""
    async with running(processing=0) as api:
        options = {"emulatorCharset": "UTF-8", "emulatorLabel": "ISO-8859-1", "emulatorQuotes": "unbalanced"}
        options["emulatorGzip"] = "off"
        report = await ask(api, reportOptions=options)
        raw = await api.send("GET", await url(api, report), token="")
        assert raw.headers["Content-Type"] == "text/plain; charset=ISO-8859-1"
        body = raw.body.decode()
        assert body.count('"') == -(-(len(body.splitlines()) - 1) // 3)  # in every third row
        quoted = await text(api, await ask(api, reportOptions={"emulatorQuotes": "on"}))
        assert all(cell.startswith('"') and cell.endswith('"') for cell in quoted.splitlines()[0].split("\t"))


async def test_gigabytes_are_made_while_they_are_sent() -> None:
    """The first megabytes of three gigabytes come at once, and so does the end, with a range."""
    async with running(processing=0) as api:
        started = time.process_time()
        options = {"emulatorBytes": "3000000000", "emulatorGzip": "off"}
        target = await url(api, await ask(api, reportOptions=options))
        async with api.session.get(target) as reply:
            size = int(reply.headers["Content-Length"])
            beginning = await reply.content.readexactly(2_000_000)
        assert size >= 3_000_000_000
        assert beginning.startswith(b"amazon-order-id\t")
        rest = await api.send("GET", target, token="", headers={"Range": f"bytes={size - 100}-"})
        assert (rest.status, len(rest.body)) == (206, 100)
        assert rest.headers["Content-Range"] == f"bytes {size - 100}-{size - 1}/{size}"
        assert rest.body.endswith(b"\r\n")
        assert time.process_time() - started < 5


async def test_a_large_file_is_gzip_of_many_members() -> None:
    """It decompresses to whole rows."""
    async with running(processing=0) as api:
        raw = await api.send(
            "GET", await url(api, await ask(api, reportOptions={"emulatorBytes": "5000000"})), token=""
        )
        inflated = gzip.decompress(raw.body)
        assert 5_000_000 <= len(inflated) < 7_500_000
        assert {line.count(b"\t") for line in inflated.splitlines()} == {17}


def test_a_repeated_file_is_the_same_from_any_offset() -> None:
    """It may be compressed or not."""
    for compress in (False, True):
        file = RepeatedFile(b"head,", b"block;" * 50_000, 3, compress=compress)
        whole = b"".join(file.pieces())
        assert len(whole) == len(file)
        for start in (0, 1, len(file) // 2, len(file) - 1, len(file)):
            assert b"".join(file.pieces(start)) == whole[start:]
    inflated = zlib.decompress(whole[whole.index(b"\x1f\x8b", 2) :], wbits=31)
    assert inflated == b"block;" * 50_000


async def test_an_answer_can_be_held_back() -> None:
    """The request has taken effect by then."""
    clock = HandClock()
    async with running(processing=0, clock=clock) as api:
        api.emulator.faults({"operation": "reports_2021_06_30.create_report", "hold": 120})
        await ask(api)
        assert clock.now == 120
