"""Reports, feeds, Data Kiosk queries and the documents behind them."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import msgspec
from direct import US, Answer, Direct, HandClock, running
from kiosk_queries import QUERY as PRODUCTS_QUERY
from kiosk_queries import products_sold

from spapi_async.models import data_kiosk_2023_11_15, feeds_2021_06_30, reports_2021_06_30

REPORTS, FEEDS, QUERIES = "/reports/2021-06-30", "/feeds/2021-06-30", "/dataKiosk/2023-11-15"
ORDERS_REPORT = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"


async def _report(api: Direct, kind: str = ORDERS_REPORT, **options: str) -> str:
    body = {"reportType": kind, "marketplaceIds": [US], "reportOptions": options}
    answer = await api.send("POST", f"{REPORTS}/reports", body=body)
    assert answer.status == 202
    return str(answer.json["reportId"])


async def _status(api: Direct, report_id: str) -> dict[str, Any]:
    answer = await api.get(f"{REPORTS}/reports/{report_id}")
    msgspec.json.decode(answer.body, type=reports_2021_06_30.Report)
    status: dict[str, Any] = answer.json
    return status


async def _fetch(api: Direct, url: str) -> Answer:
    return await api.send("GET", url, token="")


async def test_a_report_passes_through_its_states() -> None:
    """IN_QUEUE, IN_PROGRESS and DONE with a document follow as time passes, and not sooner."""
    clock = HandClock()
    async with running(clock=clock, processing=30) as api:
        report_id = await _report(api)
        seen = []
        for _ in range(3):
            seen.append((await _status(api, report_id))["processingStatus"])
            clock.now += 15
        assert seen == ["IN_QUEUE", "IN_PROGRESS", "DONE"]
        assert "reportDocumentId" in await _status(api, report_id)


async def test_a_report_document_is_gzip_that_calls_itself_identity() -> None:
    """By default an HTTP library does not decompress it; on request the URL announces gzip."""
    async with running(processing=0, orders=60) as api:
        document = (await _status(api, await _report(api)))["reportDocumentId"]
        form = (await api.get(f"{REPORTS}/documents/{document}")).json
        assert form["compressionAlgorithm"] == "GZIP"
        raw = await _fetch(api, form["url"])
        assert raw.headers["Content-Encoding"] == "identity"
        assert raw.headers["Content-Type"] == "text/plain; charset=Cp1252"
        text = gzip.decompress(raw.body).decode("cp1252")
        assert len({line.partition("\t")[0] for line in text.splitlines()}) == 61  # the header, and each order
        form = (await api.get(f"{REPORTS}/documents/{document}", enableContentEncodingUrlHeader="true")).json
        announced = await _fetch(api, form["url"])
        assert announced.headers["Content-Encoding"] == "gzip"
        assert announced.body.decode("cp1252") == text  # aiohttp decompressed it


async def test_a_presigned_url_expires() -> None:
    """After five minutes S3 answers 403 in XML; a fresh URL works."""
    clock = HandClock()
    async with running(processing=0, clock=clock) as api:
        document = (await _status(api, await _report(api)))["reportDocumentId"]
        url = (await api.get(f"{REPORTS}/documents/{document}")).json["url"]
        clock.now += 299
        assert (await _fetch(api, url)).status == 200
        clock.now += 1
        late = await _fetch(api, url)
        assert (late.status, late.headers["Content-Type"]) == (403, "application/xml")
        assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in late.body
        url = (await api.get(f"{REPORTS}/documents/{document}")).json["url"]
        assert (await _fetch(api, url)).status == 200


async def test_an_access_token_at_a_presigned_url_is_refused() -> None:
    """The document store treats it as a leak."""
    async with running(processing=0) as api:
        document = (await _status(api, await _report(api)))["reportDocumentId"]
        url = (await api.get(f"{REPORTS}/documents/{document}")).json["url"]
        assert (await api.send("GET", url)).status == 400


async def test_a_restricted_report_needs_its_own_rdt() -> None:
    """A document of a restricted type needs a token for its exact path; no other document can have one."""
    async with running(processing=0) as api:
        document = (await _status(api, await _report(api, "GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING")))[
            "reportDocumentId"
        ]
        path = f"{REPORTS}/documents/{document}"
        assert (await api.get(path)).error["message"] == "Access to requested resource is denied."
        token = (await api.restricted({"method": "GET", "path": path})).json["restrictedDataToken"]
        assert (await api.get(path, token=token)).status == 200
        plain = (await _status(api, await _report(api)))["reportDocumentId"]
        for refused in (f"{REPORTS}/documents/{plain}", f"{REPORTS}/documents/{{reportDocumentId}}"):
            answer = await api.restricted({"method": "GET", "path": refused})
            assert answer.error["message"] == "Invalid or unsupported document ID found"


async def test_reports_that_end_badly() -> None:
    """FATAL has a document with the reason, CANCELLED has none; a fault rule can cause either."""
    async with running(processing=0) as api:
        fatal = await _status(api, await _report(api, emulatorOutcome="FATAL"))
        assert fatal["processingStatus"] == "FATAL"
        form = (await api.get(f"{REPORTS}/documents/{fatal['reportDocumentId']}")).json
        assert "errorDetails" in (await _fetch(api, form["url"])).json
        api.emulator.faults({"outcome": "CANCELLED", "operation": "reports_2021_06_30.create_report"})
        cancelled = await _status(api, await _report(api))
        assert cancelled["processingStatus"] == "CANCELLED"
        assert "reportDocumentId" not in cancelled


async def test_report_files_in_many_shapes() -> None:
    """Rows, charset and gzip members follow the report's options; a Japanese file needs cp932."""
    async with running(processing=0, marketplaces=["JP"]) as api:
        options = {"emulatorRows": "1000", "emulatorCharset": "windows-31j", "emulatorGzip": "members"}
        document = (await _status(api, await _report(api, **options)))["reportDocumentId"]
        raw = await _fetch(api, (await api.get(f"{REPORTS}/documents/{document}")).json["url"])
        assert raw.headers["Content-Type"] == "text/plain; charset=windows-31j"
        lines = gzip.decompress(raw.body).decode("cp932").splitlines()
        assert len(lines) == 1001
        assert "札幌市" in "".join(lines)
        first = zlib.decompressobj(wbits=31)
        first.decompress(raw.body)
        assert first.unused_data.startswith(b"\x1f\x8b")
        document = (await _status(api, await _report(api, emulatorCharset="none", emulatorGzip="off")))[
            "reportDocumentId"
        ]
        plain = await _fetch(api, (await api.get(f"{REPORTS}/documents/{document}")).json["url"])
        assert plain.headers["Content-Type"] == "text/plain"


async def test_downloads_can_be_resumed() -> None:
    """A range to the end is answered, as in S3."""
    async with running(processing=0) as api:
        document = (await _status(api, await _report(api)))["reportDocumentId"]
        url = (await api.get(f"{REPORTS}/documents/{document}")).json["url"]
        whole = (await _fetch(api, url)).body
        rest = await api.send("GET", url, token="", headers={"Range": "bytes=10-"})
        assert (rest.status, rest.body) == (206, whole[10:])
        assert rest.headers["Content-Range"] == f"bytes 10-{len(whole) - 1}/{len(whole)}"
        beyond = await api.send("GET", url, token="", headers={"Range": f"bytes={len(whole)}-"})
        assert beyond.status == 416


async def test_only_a_queued_report_can_be_cancelled() -> None:
    """200 without a body, then CANCELLED; 400 once it is being processed."""
    clock = HandClock()
    async with running(processing=30, clock=clock) as api:
        first, second = await _report(api), await _report(api)
        answer = await api.send("DELETE", f"{REPORTS}/reports/{first}")
        assert (answer.status, answer.body) == (200, b"")
        assert (await _status(api, first))["processingStatus"] == "CANCELLED"
        clock.now += 15
        assert (await api.send("DELETE", f"{REPORTS}/reports/{second}")).status == 400


async def test_report_lists_page_with_the_token_alone() -> None:
    """A report list needs types or a token, and refuses a token with other arguments."""
    async with running(throttle=False) as api:
        made = [await _report(api) for _ in range(13)]
        path = f"{REPORTS}/reports"
        assert (await api.get(path)).status == 400
        first = (await api.get(path, reportTypes=ORDERS_REPORT)).json
        assert len(first["reports"]) == 10
        token = first["nextToken"]
        company = await api.get(path, nextToken=token, reportTypes=ORDERS_REPORT)
        assert company.error["message"] == "nextToken must be the only parameter."
        second = (await api.get(path, nextToken=token)).json
        assert "nextToken" not in second
        assert [r["reportId"] for r in first["reports"] + second["reports"]] == made[::-1]


async def test_report_schedules() -> None:
    """They are created, listed, replaced by another of the same type and marketplaces, and cancelled."""
    async with running() as api:
        path = f"{REPORTS}/schedules"
        body = {"reportType": ORDERS_REPORT, "marketplaceIds": [US], "period": "P1D"}
        old = (await api.send("POST", path, body=body)).json["reportScheduleId"]
        made = await api.send("POST", path, body={**body, "period": "P7D"})
        assert made.status == 201
        listed = (await api.get(path, reportTypes=ORDERS_REPORT)).json["reportSchedules"]
        assert [each["period"] for each in listed] == ["P7D"]
        assert (await api.get(f"{path}/{old}")).status == 404
        gone = await api.send("DELETE", f"{path}/{made.json['reportScheduleId']}")
        assert (gone.status, gone.body) == (200, b"")


async def _upload(api: Direct, content: bytes) -> str:
    kind = "application/json; charset=utf-8"
    document = (await api.send("POST", f"{FEEDS}/documents", body={"contentType": kind})).json
    wrong = await api.send("PUT", document["url"], token="", body=content, headers={"Content-Type": "text/xml"})
    assert wrong.status == 403
    right = await api.send("PUT", document["url"], token="", body=content, headers={"Content-Type": kind})
    assert (right.status, right.body) == (200, b"")
    return str(document["feedDocumentId"])


async def test_a_listings_feed_changes_the_listings() -> None:
    """Upload with the declared content type, create and poll; the report has the counts, and the listing exists."""
    message = {"messageId": 1, "sku": "NEW-1", "operationType": "UPDATE", "productType": "LAMP", "attributes": {}}
    feed = {"header": {"sellerId": "A1", "version": "2.0"}, "messages": [message, {"messageId": 2, "sku": "X"}]}
    async with running(processing=0) as api:
        document = await _upload(api, json.dumps(feed).encode())
        body = {"feedType": "JSON_LISTINGS_FEED", "marketplaceIds": [US], "inputFeedDocumentId": document}
        made = await api.send("POST", f"{FEEDS}/feeds", body=body)
        assert made.status == 202
        state = await api.get(f"{FEEDS}/feeds/{made.json['feedId']}")
        msgspec.json.decode(state.body, type=feeds_2021_06_30.Feed)
        result = (await api.get(f"{FEEDS}/documents/{state.json['resultFeedDocumentId']}")).json
        report = json.loads(gzip.decompress((await _fetch(api, result["url"])).body))
        assert report["summary"]["messagesAccepted"] == report["summary"]["errors"] == 1
        assert (await api.get("/listings/2021-08-01/items/A1/NEW-1", marketplaceIds=US)).status == 200


async def test_a_feed_needs_its_upload() -> None:
    """An unknown document, or one without an upload, is refused."""
    async with running() as api:
        empty = (await api.send("POST", f"{FEEDS}/documents", body={"contentType": "text/xml"})).json["feedDocumentId"]
        for document in (empty, "amzn1.unknown"):
            body = {"feedType": "JSON_LISTINGS_FEED", "marketplaceIds": [US], "inputFeedDocumentId": document}
            assert (await api.send("POST", f"{FEEDS}/feeds", body=body)).status == 400


async def test_only_a_queued_feed_can_be_cancelled() -> None:
    """As for reports: 200 without a body, then CANCELLED; 400 once it is being processed."""
    clock = HandClock()
    async with running(processing=30, clock=clock) as api:
        document = await _upload(api, b'{"messages": []}')
        body = {"feedType": "JSON_LISTINGS_FEED", "marketplaceIds": [US], "inputFeedDocumentId": document}
        first, second = [(await api.send("POST", f"{FEEDS}/feeds", body=body)).json["feedId"] for _ in range(2)]
        answer = await api.send("DELETE", f"{FEEDS}/feeds/{first}")
        assert (answer.status, answer.body) == (200, b"")
        assert (await api.get(f"{FEEDS}/feeds/{first}")).json["processingStatus"] == "CANCELLED"
        clock.now += 15
        assert (await api.send("DELETE", f"{FEEDS}/feeds/{second}")).status == 400


async def test_a_large_upload_is_accepted() -> None:
    """Feeds of several megabytes pass."""
    async with running() as api:
        assert await _upload(api, b'{"messages":[]}' + b" " * 3_000_000)


async def test_queries_page_by_new_queries() -> None:
    """The token of a finished query is used in a new query with the same text; rows are JSON lines with nulls."""
    query = f"{PRODUCTS_QUERY} # emulatorOutcome_PAGED"
    async with running(processing=0, orders=60) as api:
        token, rows = None, 0
        for _ in range(3):
            body = {"query": query} | ({"paginationToken": token} if token else {})
            made = (await api.send("POST", f"{QUERIES}/queries", body=body)).json["queryId"]
            state = await api.get(f"{QUERIES}/queries/{made}")
            msgspec.json.decode(state.body, type=data_kiosk_2023_11_15.Query)
            form = (await api.get(f"{QUERIES}/documents/{state.json['dataDocumentId']}")).json
            raw = await _fetch(api, form["documentUrl"])
            assert raw.headers["Content-Type"] == "application/jsonlines; charset=UTF-8"
            lines = [json.loads(line) for line in raw.body.splitlines()]
            assert all(line["sku"] and line["sales"]["unitsOrdered"] for line in lines)
            rows += len(lines)
            token = state.json.get("pagination", {}).get("nextToken")
        assert (token, rows) == (None, len(products_sold(api.emulator)))


async def test_queries_that_end_otherwise() -> None:
    """FATAL has an error document, no rows have no document, and a second cancellation changes nothing."""
    async with running(processing=0) as api:

        async def state(text: str) -> dict[str, Any]:
            body = {"query": f"{PRODUCTS_QUERY} # {text}"}
            made = (await api.send("POST", f"{QUERIES}/queries", body=body)).json["queryId"]
            answer: dict[str, Any] = (await api.get(f"{QUERIES}/queries/{made}")).json
            return answer

        assert "errorDocumentId" in await state("emulatorOutcome_FATAL")
        empty = await state("emulatorOutcome_EMPTY")
        assert (empty["processingStatus"], "dataDocumentId" in empty) == ("DONE", False)
        for _ in range(2):
            gone = await api.send("DELETE", f"{QUERIES}/queries/{empty['queryId']}")
            assert (gone.status, gone.body) == (204, b"")
        too_long = await api.send("POST", f"{QUERIES}/queries", body={"query": "x" * 8001})
        assert too_long.status == 400
