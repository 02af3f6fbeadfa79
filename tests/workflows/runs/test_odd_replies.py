"""Reports, feeds and queries with a server whose replies are invalid."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kiosk_queries import QUERY

from spapi_async import Application, DecodeError, OutcomeUnknownError, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.models.feeds_2021_06_30 import Feed, FeedProcessingStatus
from spapi_async.workflows.runs import job_from, places_of

pytest_plugins = ("run_fixtures",)
pytestmark = pytest.mark.usefixtures("quick_polls", "quick_looks")

KINDS = {
    "report": ("reports_2021_06_30", "reports", "reportDocumentId"),
    "feed": ("feeds_2021_06_30", "feeds", "resultFeedDocumentId"),
    "query": ("data_kiosk_2023_11_15", "queries", "dataDocumentId"),
}
NOTHING: list[Any] = [None, [], {}, {"message": "Internal failure"}]


def operation(kind: str, verb: str) -> str:
    """An operation of this kind, such as ``feeds_2021_06_30.create_feed``."""
    module, plural, _ = KINDS[kind]
    return f"{module}.{verb}_{plural if verb == 'get_all' else kind}".replace("get_all", "get")


def reply_of(kind: str, **changes: Any) -> dict[str, Any]:
    """What the server says of a job that is done."""
    return {f"{kind}Id": "1", "processingStatus": "DONE", "createdTime": "2026-01-01T00:00:00Z", **changes}


async def done(seller: SellingPartner, kind: str) -> bool:
    """Request a job, wait for it and read it."""
    if kind == "report":
        async with seller.reports.download("GET_MERCHANT_LISTINGS_ALL_DATA", marketplaces=["US"]) as document:
            return len([row async for row in document.iter_rows()]) > 0
    if kind == "feed":
        return bool((await seller.feeds.submit("POST_FLAT_FILE_INVLOADER_DATA", b"x", marketplaces=["US"])).report)
    async with seller.data_kiosk.download(QUERY) as rows:
        return len([row async for row in rows]) > 0


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(processing=0.0, orders=10, throttle=False) as emulator:
        yield emulator


@pytest.fixture
async def seller(emulator: Emulator) -> AsyncIterator[SellingPartner]:
    async with Application("app", "secret", endpoint=emulator.url) as app:
        yield app.selling_partner("Atzr|seller", region="NA", seller_id="A1")


def made(emulator: Emulator, kind: str) -> int:
    """How many jobs there are."""
    return sum(len(list(seller.jobs.newest_first(kind))) for seller in emulator.world.sellers)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_invalid_reply_is_requested_again(emulator: Emulator, seller: SellingPartner, kind: str) -> None:
    """One without an object, a status or this job's id ends no wait, and is not the end of the job."""
    document = KINDS[kind][2]
    odd = [reply_of(kind, processingStatus=None), reply_of(kind), reply_of(kind, **{f"{kind}Id": None, document: [1]})]
    for body in (*NOTHING, *odd):
        emulator.faults({"operation": operation(kind, "get"), "body": json.dumps(body)})
        assert await done(seller, kind), body
    assert made(emulator, kind) == len(NOTHING) + len(odd)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [None, [], {}, "another's"])
async def test_three_invalid_replies_are_an_error(
    emulator: Emulator, seller: SellingPartner, kind: str, body: Any
) -> None:
    """The wait does not take a quarter of an hour, or never end."""
    body = reply_of(kind) if body == "another's" else body
    emulator.faults({"operation": operation(kind, "get"), "body": json.dumps(body), "times": None})
    with pytest.raises(DecodeError):
        await done(seller, kind)
    assert emulator.stats()["operations"][operation(kind, "get")]["requests"] == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [None, [], "x", 5, {}, "id", {"errors": [{"code": "X"}]}])
async def test_a_request_whose_reply_names_no_job_is_looked_up(
    emulator: Emulator, seller: SellingPartner, kind: str, body: Any
) -> None:
    """It was made, and is not made twice."""
    body = {f"{kind}Id": ""} if body == "id" else body
    emulator.faults({"operation": operation(kind, "create"), "body": json.dumps(body)})
    assert await done(seller, kind)
    assert made(emulator, kind) == 1


TYPED = {"reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "feedType": "POST_FLAT_FILE_INVLOADER_DATA"}
ODD_ITEMS: list[Any] = [None, "x", {}, {**TYPED, "marketplaceIds": 5}, {**TYPED, "marketplaceIds": [[1]], "query": 5}]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("item", [*ODD_ITEMS, "null", "[]", '"x"', "{}", "no list"])
async def test_an_invalid_list_is_requested_again(
    emulator: Emulator, seller: SellingPartner, kind: str, item: Any
) -> None:
    """A lost request may be in it; invalid entries raise no foreign error."""
    plural = KINDS[kind][1]
    item = reply_of(kind, **item) if isinstance(item, dict) and item else item
    body = json.dumps({plural: None} if item == "no list" else {plural: [item]})
    emulator.faults({"operation": operation(kind, "create"), "disconnect": "after"})
    emulator.faults({"operation": operation(kind, "get_all"), "body": item if item in ("null", "[]") else body})
    assert await done(seller, kind)
    assert made(emulator, kind) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_list_that_stays_invalid_sends_nothing_twice(
    emulator: Emulator, seller: SellingPartner, kind: str
) -> None:
    """Whether the request was made is unknown."""
    emulator.faults({"operation": operation(kind, "create"), "disconnect": "after"})
    emulator.faults({"operation": operation(kind, "get_all"), "body": "null", "times": None})
    with pytest.raises(OutcomeUnknownError, match="looking it up failed"):
        await done(seller, kind)
    assert made(emulator, kind) == 1


def test_a_job_is_read_as_far_as_it_can_be() -> None:
    """Numbers are accepted as ids, invalid dates left out; a list of marketplaces may hold anything."""
    odd: dict[str, Any] = {"feed_id": 7, "created_time": "", "result_feed_document_id": 8}
    feed = Feed(feed_type="F", processing_status=FeedProcessingStatus("DONE"), **odd)
    job = job_from(feed, "feed", operation="o", document="result_feed_document_id", asked="7")
    assert (job.id, job.status, job.created_at, job.document_id) == ("7", "DONE", None, "8")
    assert places_of(["A", 5, None, ["B"]]) == {"A"}
    assert places_of(None) == places_of("A") == places_of(5) == set()
