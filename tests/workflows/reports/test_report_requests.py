"""The requests of createReport, and what is refused before it is sent."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fixtures import ALL_ORDERS, INVENTORY

from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace, Region
from spapi_async.workflows.reports._request import check_no_data, requests_for, split_window
from spapi_async.workflows.reports.report_types import ReportFormat, ReportType, report_type_of
from spapi_async.workflows.runs import marketplace_ids

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 9, 1, tzinfo=UTC)


def ask(report_type: str, start: Any = None, end: Any = None, **more: Any) -> list[dict[str, Any]]:
    return requests_for(report_type_of(report_type), ["A1"], start, end, more.get("options"), now=NOW)


def test_a_request_is_amazons_body() -> None:
    """It has wire names, and times in UTC to the second."""
    east = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC).astimezone()
    assert ask(ALL_ORDERS, START, east, options={"a": "b"}) == [
        {
            "reportType": ALL_ORDERS,
            "marketplaceIds": ["A1"],
            "dataStartTime": "2026-01-01T00:00:00Z",
            "dataEndTime": "2026-01-02T03:04:05Z",
            "reportOptions": {"a": "b"},
        }
    ]


@pytest.mark.parametrize(
    ("report_type", "start", "end", "why"),
    [
        (ALL_ORDERS, None, None, "needs start"),
        (ALL_ORDERS, None, START, "needs start"),
        (ALL_ORDERS, START, START, "is not before end"),
        (ALL_ORDERS, START.replace(tzinfo=None), None, "time zone"),
        (ALL_ORDERS, "2026-01-01", None, "time zone"),
        ("GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2", None, None, "iter_available"),
        ("", None, None, "empty"),
    ],
)
def test_an_invalid_request_is_refused(report_type: str, start: Any, end: Any, why: str) -> None:
    """Nothing is sent, no quota is spent, and the error says what to do."""
    with pytest.raises(ConfigurationError, match=why):
        ask(report_type, start, end)


def test_options_are_text() -> None:
    """Amazon takes a map of strings and would refuse a number."""
    with pytest.raises(ConfigurationError, match="'asin' is 5"):
        ask("GET_X", options={"asin": 5})


def test_snapshots_and_unknown_types_need_no_dates() -> None:
    """Dates that are given are sent."""
    assert "dataStartTime" not in ask(INVENTORY)[0]
    assert ask("GET_SOMETHING_NEW", START)[0]["dataStartTime"] == "2026-01-01T00:00:00Z"


def test_a_window_longer_than_the_type_allows_is_split() -> None:
    """Each part begins where the one before ends."""
    parts = ask(ALL_ORDERS, START, START + timedelta(days=70))
    bounds = [(part["dataStartTime"][:10], part["dataEndTime"][:10]) for part in parts]
    assert bounds == [("2026-01-01", "2026-01-31"), ("2026-01-31", "2026-03-02"), ("2026-03-02", "2026-03-12")]


def test_an_open_window_ends_now() -> None:
    """The boundaries before the last stay the same, so that a later run finds those reports."""
    early = ask(ALL_ORDERS, START)
    late = requests_for(report_type_of(ALL_ORDERS), ["A1"], START, None, None, now=NOW + timedelta(days=1))
    assert early[:-1] == late[:-1]
    assert early[-1]["dataEndTime"] == "2026-09-01T00:00:00Z"


def test_json_reports_are_not_split() -> None:
    """Two JSON values cannot be joined."""
    assert len(ask("GET_SALES_AND_TRAFFIC_REPORT", START, START + timedelta(days=700))) == 1


def test_a_window_that_cannot_be_joined_is_refused() -> None:
    """Its type allows only shorter windows, in a format that cannot be joined."""
    kind = ReportType("GET_MINE", ReportFormat.JSON, longest=timedelta(days=7))
    with pytest.raises(ConfigurationError, match="covers 7 days at most, and several files of JSON cannot be read"):
        requests_for(kind, ["A1"], START, START + timedelta(days=8), None, now=NOW)
    assert len(requests_for(kind, ["A1"], START, START + timedelta(days=7), None, now=NOW)) == 1


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=900)), st.timedeltas(timedelta(hours=1), timedelta(days=40)))
def test_the_parts_of_a_window_cover_it(length: timedelta, longest: timedelta) -> None:
    """They are in order, without a gap, and none is too long."""
    windows = split_window(START, START + length, longest)
    assert windows[0][0] == START
    assert windows[-1][1] == START + length
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(windows))
    assert all(timedelta(0) < end - start <= longest for start, end in windows)


def test_marketplaces_are_members_ids_or_countries_of_the_region() -> None:
    """Each is sent once, in the given order."""
    assert marketplace_ids(["US", Marketplace.CA, "ATVPDKIKX0DER"], Region.NA) == ["ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"]
    assert marketplace_ids("US", Region.NA) == ["ATVPDKIKX0DER"]


@pytest.mark.parametrize(("places", "why"), [(["DE"], "EU"), ([], "not 0"), (["XX"], "unknown"), (["US"] * 26, "26")])
def test_invalid_marketplaces_are_refused(places: list[str], why: str) -> None:
    """They are of another region, none, unknown, or too many."""
    with pytest.raises(ConfigurationError, match=why):
        marketplace_ids(places, Region.NA)


@pytest.mark.parametrize(
    ("report_type", "no_data", "windowed", "parts"),
    [
        (INVENTORY, "empty", True, 1),
        ("GET_NEW_INVENTORY_DATA", "empty", True, 1),
        ("GET_SOMETHING_NEW", "empty", False, 1),
        (ALL_ORDERS, "latest", True, 2),
        (ALL_ORDERS, "nothing", True, 1),
    ],
)
def test_invalid_choices_of_no_data_are_refused(report_type: str, no_data: str, windowed: bool, parts: int) -> None:
    """An inventory is never empty because a report was cancelled; being empty requires a window."""
    with pytest.raises(ConfigurationError):
        check_no_data(report_type_of(report_type), no_data, windowed=windowed, parts=parts)
