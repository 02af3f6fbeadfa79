"""Data Kiosk in the emulator: rows have the fields of the query, and fields outside of the schema are refused."""

from __future__ import annotations

import json
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from kiosk_queries import QUERY, products_sold, sales_query

from spapi_async import Application, BadRequestError, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.emulator.data.graphql import GraphQLError
from spapi_async.emulator.data.kiosk_rows import read_query
from spapi_async.emulator.data.kiosk_schemas import DATA_SETS, schema_of


async def rows_of(seller: SellingPartner, query: str) -> list[dict[str, Any]]:
    """All rows of a query."""
    async with seller.data_kiosk.download(query) as rows:
        return [row async for row in rows]


@pytest.fixture
async def emulator() -> Any:
    async with Emulator(processing=0.0, orders=40, throttle=False) as emulator:
        yield emulator


@pytest.fixture
async def seller(emulator: Emulator) -> Any:
    async with Application("app", "secret", endpoint=emulator.url) as app:
        yield app.selling_partner("Atzr|seller", region="NA")


async def test_a_row_has_exactly_the_requested_fields(seller: SellingPartner) -> None:
    """An alias names its field, at any depth, and the same field twice."""
    found = await rows_of(seller, sales_query("sku it: sales { units: unitsOrdered one: refundRate two: refundRate }"))
    assert {json.dumps([*row, *row["it"]]) for row in found} == {'["sku", "it", "units", "one", "two"]'}


async def test_fragments_are_replaced_by_their_fields(seller: SellingPartner) -> None:
    """They may be named or inline, nested, and beside the same fields, which appear once."""
    plain = await rows_of(seller, sales_query("sku sales { unitsOrdered unitsShipped }"))
    spread = sales_query("...row ... on SalesAndTrafficByAsin { sku sales { unitsShipped } }")
    named = """
        fragment units on ByAsinSales { unitsOrdered }
        fragment row on SalesAndTrafficByAsin { sku sales { ...units } }"""
    assert await rows_of(seller, spread + named) == plain
    assert await rows_of(seller, named + spread) == plain


async def test_directives_leave_fields_out(seller: SellingPartner) -> None:
    """They apply to fields and fragments; a field that is also requested elsewhere stays."""
    fields = """sku childAsin @skip(if: true) marketplaceId @include(if: false) startDate @skip(if: false)
        ... @include(if: false) { endDate } ... on SalesAndTrafficByAsin @skip(if: true) { startDate parentAsin }
        sales { unitsOrdered @skip(if: true) }"""
    found = await rows_of(seller, sales_query(fields))
    assert {json.dumps([*row]) for row in found} == {'["sku", "startDate", "sales"]'}
    assert {len(row["sales"]) for row in found} == {0}


async def test_rows_agree_with_the_orders(emulator: Emulator, seller: SellingPartner) -> None:
    """Units and sales by product equal those by date, and those of the orders."""
    totals = []
    for view, by in (("salesAndTrafficByAsin", "CHILD"), ("salesAndTrafficByDate", "DAY")):
        fields = "startDate endDate sales { unitsOrdered orderedProductSales { amount currencyCode } }"
        found = [row["sales"] for row in await rows_of(seller, sales_query(fields, view=view, by=by))]
        sales = dict.fromkeys(("USD", "CAD", "MXN"), 0.0)
        for each in found:
            sales[each["orderedProductSales"]["currencyCode"]] += each["orderedProductSales"]["amount"]
        totals.append((sum(each["unitsOrdered"] for each in found), {place: round(sales[place]) for place in sales}))
    assert totals[0] == totals[1]
    assert totals[0][0] == sum(products_sold(emulator).values())


@pytest.mark.parametrize(("by", "longest"), [("DAY", 1), ("WEEK", 7), ("MONTH", 31)])
async def test_periods_have_the_requested_length(seller: SellingPartner, by: str, longest: int) -> None:
    """Each row has the first and last day of its period, and no two of one marketplace overlap."""
    query = sales_query("startDate endDate marketplaceId", view="salesAndTrafficByDate", by=by)
    found = await rows_of(seller, query)
    spans = sorted((row["marketplaceId"], row["startDate"], row["endDate"]) for row in found)
    assert len(spans) > 2
    assert all(one[0] != other[0] or one[2] < other[1] for one, other in pairwise(spans))
    days = {(date.fromisoformat(end) - date.fromisoformat(start)).days + 1 for _, start, end in spans}
    assert max(days) <= longest <= min(days) + 3


async def test_a_window_and_a_marketplace_limit_the_rows(seller: SellingPartner) -> None:
    """There are no sales before the window of the orders."""
    everywhere = await rows_of(seller, QUERY)
    americans = await rows_of(seller, QUERY.replace('"A2EUQ1WTGCTBG2" "A1AM78C64UM0Y8"', ""))
    assert {row["marketplaceId"] for row in americans} == {"ATVPDKIKX0DER"}
    assert americans == [row for row in everywhere if row["marketplaceId"] == "ATVPDKIKX0DER"]
    assert await rows_of(seller, QUERY.replace("2100-01-01", "2000-12-31")) == []


ECONOMICS = """query Economics { analytics_economics_2024_03_15 {
    economics(startDate: "2000-01-01", endDate: "2100-01-01", marketplaceIds: "ATVPDKIKX0DER",
              aggregateBy: {date: MONTH, productId: MSKU}, includeComponentsForFeeTypes: [FBA_STORAGE_FEE]) {
        msku fnsku fees { feeTypeName charges { aggregatedDetail { amount { amount currencyCode } } } }
} } }"""
VENDOR = """{ analytics_vendorAnalytics_2024_09_30 {
    sourcingView(startDate: "2000-01-01" endDate: "2100-01-01" aggregateBy: MONTH) {
        marketplaceId totals { costs { netPPM } }
        metrics { groupByKey { asin brand } metrics { shippedOrders { shippedUnitsWithRevenue { units } } } }
} } }"""


async def test_every_data_set_answers(seller: SellingPartner) -> None:
    """Lists may be nested, and nulls occur where the schema allows them."""
    economics = (await rows_of(seller, ECONOMICS))[0]
    assert economics["msku"]
    assert economics["fnsku"] is None
    assert economics["fees"][0]["charges"][0]["aggregatedDetail"]["amount"]["currencyCode"] == "USD"
    vendor = (await rows_of(seller, VENDOR))[0]
    assert set(vendor["metrics"][0]["groupByKey"]) == {"asin", "brand"}


REFUSED = {
    QUERY.replace("childAsin", "asin"): "'asin' in type 'SalesAndTrafficByAsin' is undefined",
    QUERY.replace("unitsOrderedB2B", "units"): "'units' in type 'ByAsinSales' is undefined",
    QUERY.replace("2024_04_24", "2023_11_15"): "'analytics_salesAndTraffic_2023_11_15' in type 'Query' is undefined",
    QUERY.replace("aggregateBy: SKU", ""): "'aggregateBy' of .* is missing",
    QUERY.replace("aggregateBy: SKU", 'aggregateBy: "SKU"'): "'aggregateBy' of .* is not of type 'AsinGranularity!'",
    QUERY.replace("aggregateBy: SKU", "aggregateBy: DAY"): "'aggregateBy' of .* is not of type",
    QUERY.replace("aggregateBy", "groupBy: 1 aggregateBy"): "'groupBy' of .* is undefined",
    QUERY.replace("2000-01-01", "2000-1-1"): "'startDate' of .* is not of type 'Date!'",
    QUERY.replace("2000-01-01", "2100-01-02"): "startDate is after endDate",
    QUERY.replace("sales { unitsOrdered unitsOrderedB2B }", "sales"): "'sales' of type 'ByAsinSales' needs fields",
    QUERY.replace("childAsin", "childAsin { x }"): "'childAsin' of type 'String' has no fields",
    QUERY.replace("sku", "sku ...more"): "Unknown fragment 'more'",
    QUERY.replace("sku", "... on ByAsinSales { unitsOrdered }"): "'ByAsinSales' cannot be spread on a",
    QUERY.replace(
        "sku", "... on SalesAndTrafficByAsin { asin }"
    ): "'asin' in type 'SalesAndTrafficByAsin' is undefined",
    QUERY.replace("sku", "...a") + "fragment a on SalesAndTrafficByAsin { ...b } "
    "fragment b on SalesAndTrafficByAsin { sku ...a }": "Cannot spread fragment 'a' within itself",
    QUERY + " fragment a on SalesAndTrafficByAsin { sku }": "Fragment 'a' is never used",
    QUERY.replace("sku", "...a") + "fragment a on SalesAndTrafficByAsin { sku } " * 2: "more than one fragment 'a'",
    QUERY.replace("sku", "...f0")
    + " ".join(f"fragment f{n} on SalesAndTrafficByAsin {{ ...f{n + 1} ...f{n + 1} }}" for n in range(20))
    + " fragment f20 on SalesAndTrafficByAsin { sku }": "more than 10,000 fields",
    QUERY.replace('"2000-01-01"', "$start"): "not support variables",
    QUERY.replace("query {", "query ($start: Date) {"): "not support variables",
    QUERY.replace("query {", "query Sales($start: Date) {"): "not support variables",
    QUERY.replace("sku", "sku @hide"): "Unknown directive '@hide'",
    QUERY.replace("sku", "sku @skip(if: 1)"): "Directive '@skip' needs an argument 'if'",
    QUERY.replace("sku", "asin @skip(if: true)"): "'asin' in type 'SalesAndTrafficByAsin' is undefined",
    QUERY.replace("sku", "childAsin: sku"): "Fields 'childAsin' conflict",
    QUERY * 2: "There are 2 queries",
    QUERY[:-1]: "the query ends where a name is expected",
    QUERY + "}": "where the end is expected",
    "": "where '{' is expected",
    QUERY.replace("salesAndTrafficByAsin(", "salesAndTrafficByAsin @skip(if: true)("): "Invalid syntax",
    "mutation { a }": "Invalid syntax",
    "query { a(b: %) }": "unexpected '%'",
    "{" + " a { " * 5000: "nested more than 32 levels",
    "{ a(b: " + "[" * 5000: "deep",
    ECONOMICS.replace("productId: MSKU", "productId: SKU"): "'productId' of .* is not of type",
}


@pytest.mark.parametrize(("query", "why"), REFUSED.items())
def test_fields_and_arguments_outside_the_schema_are_refused(query: str, why: str) -> None:
    """The error names them."""
    with pytest.raises(GraphQLError, match=why):
        read_query(query)


async def test_a_refused_query_is_a_400(seller: SellingPartner) -> None:
    """It says why, and no query was created."""
    with pytest.raises(BadRequestError, match="'asin' in type 'SalesAndTrafficByAsin' is undefined"):
        await rows_of(seller, QUERY.replace("childAsin", "asin"))
    assert not (await seller.data_kiosk_2023_11_15.get_queries(processing_statuses=["DONE"])).queries


def test_all_views_of_all_data_sets_are_known() -> None:
    """There are eight, each with a start and an end."""
    views = [
        (data_set, name, declared)
        for data_set in DATA_SETS
        for schema in [schema_of(data_set)]
        for kind in [schema.objects["Query"][data_set].type]
        for name, declared in schema.objects[kind].items()
    ]
    assert len(views) == 8
    assert all({"startDate", "endDate"} <= set(declared.arguments) for _, _, declared in views)
