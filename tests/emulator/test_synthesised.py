"""Replies made from their types: pages whose token may be anywhere, and operations with several success statuses."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from direct import running

from spapi_async import Application, BadRequestError, OutcomeUnknownError, SellingPartner
from spapi_async.api.fulfillment_outbound_2026_07_04 import CREATE_ORDER
from spapi_async.api.support_2025_02_01 import LIST_CASES
from spapi_async.emulator import Emulator
from spapi_async.emulator.data.paging import type_info
from spapi_async.emulator.data.synthesis import Maker
from spapi_async.models.fulfillment_outbound_2026_07_04 import CreateOrderAcceptedResponse, CreateOrderResponse
from spapi_async.models.support_2025_02_01 import ListCasesRequest

CASES = "/support/2025-02-01/cases"


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Emulator, SellingPartner]]:
    """An emulator with quota to spare, and a seller that decodes strictly."""
    async with (
        Emulator(rate_scale=100_000) as emulator,
        Application("app", "secret", endpoint=emulator.url, decoding="strict") as app,
    ):
        yield emulator, app.selling_partner("Atzr|one", region="na")


def an_order(number: int) -> Any:
    """The body of a createOrder, different for each number."""
    return Maker(random.Random(number)).make(type_info(CREATE_ORDER.body_type), "")


@pytest.mark.parametrize("body", [{}, ListCasesRequest()], ids=["mapping", "struct"])
async def test_pages_with_a_token_in_the_body_end(body: Any) -> None:
    """Pages of listCases differ, and the last one has no token."""
    async with connected() as (emulator, seller):
        cases = [case async for case in seller.support_2025_02_01.iter_cases(body=body)]
        assert 2 <= emulator.stats()["operations"][LIST_CASES.name]["requests"] <= 3
    assert len({case.case_id for case in cases}) == len(cases) >= 5


async def test_the_size_of_a_page_may_be_in_the_body_too() -> None:
    """It may change from page to page, as in a query."""
    async with running() as api:
        first = (await api.send("POST", CASES, body={"maxResults": 1})).json
        second = (await api.send("POST", CASES, body={"maxResults": 3, "nextToken": first["nextToken"]})).json
    assert (len(first["cases"]), len(second["cases"])) == (1, 3)


async def test_a_token_in_the_body_belongs_to_the_rest_of_it() -> None:
    """It is refused with other filters; the order of the keys does not matter."""
    filters = {"caseFilters": {"caseStatuses": ["RESOLVED"]}, "sortOrder": "ASC"}
    async with running() as api:
        first = (await api.send("POST", CASES, body=filters)).json
        token = {"nextToken": first["nextToken"]}
        assert (await api.send("POST", CASES, body={**token, **dict(reversed(filters.items()))})).status == 200
        refused = [
            await api.send("POST", CASES, body=body) for body in (token, {**filters, **token, "sortOrder": "DESC"})
        ]
    assert [reply.status for reply in refused] == [400, 400]
    assert all("does not belong to this query" in reply.error["message"] for reply in refused)


@pytest.mark.parametrize("query", ["QueryType=NEXT_TOKEN", "QueryType=SHIPMENT&NextToken=x"])
async def test_a_kind_of_query_and_its_token_go_together(query: str) -> None:
    """In Fulfillment Inbound v0 an argument says whether a token follows."""
    async with running() as api:
        refused = await api.send("GET", f"/fba/inbound/v0/shipments?{query}&MarketplaceId=ATVPDKIKX0DER")
    assert refused.status == 400
    assert "NEXT_TOKEN and NextToken go together" in refused.error["message"]


async def test_a_page_that_is_one_object_differs_from_the_next() -> None:
    """In Finances v0 the events are the page's item, not what surrounds them."""
    path = "/finances/v0/financialEventGroups/1/financialEvents"
    async with running() as api:
        page = (await api.send("GET", path)).json["payload"]
        following = (await api.send("GET", f"{path}?NextToken={quote(page['NextToken'])}")).json["payload"]
    assert page["FinancialEvents"] != following["FinancialEvents"]


async def test_an_empty_page_may_come_before_the_last() -> None:
    """Amazon documents this for some APIs; a client that stops there loses the rest."""
    path = "/awd/2024-05-09/inventory"
    token: str | None = ""
    sizes: list[int] = []
    async with running(rate_scale=100_000) as api:
        while token is not None and len(sizes) < 5:
            page = (await api.send("GET", path + (f"?nextToken={quote(token)}" if token else ""))).json
            sizes.append(len(page["inventory"]))
            token = page.get("nextToken") or None
    assert sizes == [4, 0, 4]


async def test_what_surrounds_the_items_is_the_same_on_every_page() -> None:
    """A selection's token and items are four levels deep; the rest of the selection does not change."""
    async with connected() as (_, seller):
        pages = [page async for page in seller.promotions_2025_12_01.iter_selection("P", "S", revision_id=7).pages()]
    assert len(pages) >= 2
    details = [page.selection.selection_details for page in pages]
    asins = [item.asin for detail in details for item in detail.items]
    assert len(set(asins)) == len(asins) >= 4
    for page, detail in zip(pages, details, strict=True):
        detail.items, detail.pagination = [], None
        assert page == pages[0]
        assert (page.selection.selection_id, page.selection.revision_id) == ("S", 7)


async def test_an_invoice_is_one_invoice_however_long() -> None:
    """Its lines are pages under one head."""
    async with connected() as (_, seller):
        invoices = seller.finances_invoices_2026_06_25.iter_invoice("INV-1", marketplace_id="ATVPDKIKX0DER")
        pages = [page async for page in invoices.pages()]
    assert len(pages) >= 2
    assert {page.invoice_header.invoice_identifier for page in pages} == {"INV-1"}
    assert len({msgspec.json.encode(page.invoice_header) for page in pages}) == 1
    assert len({msgspec.json.encode(page.invoice_items) for page in pages}) == len(pages)


async def test_an_order_is_made_at_once_or_accepted() -> None:
    """200 and 202 both occur, each with its own type; the same request gets the same status."""
    kinds = set()
    async with connected() as (_, seller):
        for number in range(12):
            first = await seller.call(CREATE_ORDER, body=an_order(number))
            again = await seller.call(CREATE_ORDER, body=an_order(number))
            assert (first.status, first.raw) == (again.status, again.raw)
            kinds.add((first.status, type(first.body)))
    assert kinds == {(200, CreateOrderResponse), (202, CreateOrderAcceptedResponse)}


@pytest.mark.parametrize("status", [200, 202])
async def test_a_rule_chooses_the_success_status(status: int) -> None:
    """A test can choose the one that it is about; a body of the rule replaces the reply."""
    async with connected() as (emulator, seller):
        emulator.faults({"operation": CREATE_ORDER.name, "status": status, "times": 4})
        replies = [await seller.call(CREATE_ORDER, body=an_order(number)) for number in range(4)]
        assert {(reply.status, type(reply.body)) for reply in replies} == {
            (status, CREATE_ORDER.response_types[status])
        }
        emulator.faults({"operation": CREATE_ORDER.name, "status": status, "body": "{}"})
        with pytest.raises(OutcomeUnknownError):  # the order may exist nevertheless
            await seller.call(CREATE_ORDER, body=an_order(1))


async def test_nothing_to_report_is_a_success_too() -> None:
    """Customer feedback answers 204 where there are too few reviews."""
    found = set()
    async with connected() as (_, seller):
        for number in range(24):
            topics = await seller.customer_feedback_2024_06_01.get_item_review_topics(
                f"B00000000{number}", marketplace_id="ATVPDKIKX0DER", sort_by="MENTIONS"
            )
            found.add(topics is None)
    assert found == {True, False}


async def test_a_rule_does_not_make_a_bad_request_succeed() -> None:
    """The status applies only to requests that succeed."""
    async with connected() as (emulator, seller):
        emulator.faults({"operation": CREATE_ORDER.name, "status": 202})
        with pytest.raises(BadRequestError):
            await seller.call(CREATE_ORDER, body={})
