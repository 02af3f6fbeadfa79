"""The progress bar of a sync."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from rich.console import Console

from spapi_async import RequestFinished, ViolationsFound, Waited
from spapi_async.cli.moments import show_span
from spapi_async.cli.progress import SyncBar, quota_state, wait_line, window_share
from spapi_async.cli.tally import Tally
from spapi_async.ratelimit import LimitSnapshot
from spapi_async.workflows.orders import OrdersForecast, PageStored, SellerFailed, SellerFinished, SellerStarted

START = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = LimitSnapshot(
    operation="orders_2026_01_01.search_orders",
    application="app",
    account="s",
    region="na",
    rate=0.0056,
    announced_rate=0.0056,
    burst=20,
    tokens=3.25,
    waiting=0,
    next_available=0.0,
    admitted=0,
    throttled=0,
)


def test_quota_state_shows_tokens_and_the_time_of_the_next() -> None:
    """The text fits beside a bar."""
    assert quota_state([LIMIT]) == "search_orders: 3.2 of 20 tokens"
    empty = msgspec.structs.replace(LIMIT, tokens=-0.5, next_available=91.26)
    assert quota_state([empty]) == "search_orders: 0.0 of 20 tokens, next in 91.3 s"
    assert quota_state([]) == ""


def test_quota_state_shows_when_the_waiting_call_is_sent() -> None:
    """It does not show when a later call would be."""
    held_up = msgspec.structs.replace(LIMIT, tokens=0.44, waiting=1, next_available=278.6)
    assert quota_state([held_up]) == "search_orders: 0.4 of 20 tokens, next in 100.0 s"


def test_quota_state_is_that_of_the_bucket_with_waiting_calls() -> None:
    """Other buckets do not delay the run."""
    other = msgspec.structs.replace(LIMIT, operation="a.get_things", waiting=1, next_available=1.0)
    assert quota_state([LIMIT, other]).startswith("get_things")


def test_only_a_call_that_waits_long_is_worth_a_line() -> None:
    """Nothing of a full bucket, of an empty one that holds nobody up, or of a few seconds."""
    held_up = msgspec.structs.replace(LIMIT, tokens=0.44, waiting=1, next_available=278.6)
    assert wait_line([held_up]) == "waiting 100 s for the quota of search_orders; later waits are not announced"
    short = msgspec.structs.replace(held_up, tokens=0.96)
    empty = msgspec.structs.replace(LIMIT, tokens=0.0, next_available=180.0)
    assert [wait_line(limits) for limits in ([LIMIT], [empty], [short], [])] == ["", "", "", ""]


async def test_a_wait_is_announced_once_where_no_bar_is_drawn() -> None:
    """In a log or a pipe a sync that waits three minutes would look as if it had stopped."""
    console = Console(file=io.StringIO(), force_terminal=False, width=30)
    looked = asyncio.Event()

    def limits() -> list[LimitSnapshot]:
        looked.set()
        return [msgspec.structs.replace(LIMIT, tokens=0.44, waiting=1)]

    bar = SyncBar(console, limits)
    async with bar.shown():
        await looked.wait()
    assert bar.announce_wait()
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == (
        "spapi-async: waiting 100 s for the quota of search_orders; later waits are not announced\n"
    )


@pytest.mark.parametrize(("days", "share"), [(-1, 0.0), (0, 0.0), (5, 0.5), (10, 1.0), (11, 1.0)])
def test_share_of_a_window_is_measured_in_time(days: int, share: float) -> None:
    """Amazon does not say how many orders there are, but when the window ends."""
    assert window_share(START, START + timedelta(days=days), START + timedelta(days=10)) == share


def test_share_of_a_window_without_an_end_is_unknown() -> None:
    """The bar then only pulses."""
    assert window_share(START, START, None) is None
    assert window_share(START, None, START) is None


async def test_bar_draws_a_sellers_run() -> None:
    """It has the orders so far and the quota state, from the first page to the last."""
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    bar = SyncBar(console, lambda: [LIMIT])
    page = PageStored(
        seller="s", orders=5, items=7, total=1234, violations=0, latest=START, upper_bound=START + timedelta(days=1)
    )
    async with bar.shown():
        bar(SellerStarted(seller="s", last_updated_after=START, resumed=True))
        bar(page)
        bar.show_quota()
        bar.refresh()
        bar(SellerFinished(seller="s", total=1234, synced_to=START))
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    for words in ("resuming from 2026-01-01", "1,234 orders", "3.2 of 20 tokens"):
        assert words in drawn


async def test_bar_draws_how_long_the_rest_takes() -> None:
    """It uses the last forecast for the rest and the share done, until the run is over."""
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    bar = SyncBar(console, list)
    page = PageStored(
        seller="s", orders=90, items=0, total=90, violations=0, latest=None, upper_bound=None, completed=30
    )
    async with bar.shown():
        bar(SellerStarted(seller="s", last_updated_after=START, resumed=False))
        bar(page)
        bar(OrdersForecast(seller="s", left=10, seconds=7500.4, limited_by=None))
        bar.refresh()
        assert bar.shares() == {"s": 0.75}
        bar.show_quota()
        assert isinstance(console.file, io.StringIO)
        drawn = console.file.getvalue()
        assert "2.1 h left" in drawn
        bar(SellerFailed(seller="s", total=90, error="lost"))
        console.file.truncate(0)
        bar.show_quota()
        bar.refresh()
    assert "left" not in console.file.getvalue()


async def test_bar_draws_nothing_without_a_terminal() -> None:
    """A log file gets no control characters."""
    console = Console(file=io.StringIO(), force_terminal=False)
    bar = SyncBar(console, lambda: [LIMIT])
    async with bar.shown():
        bar(SellerStarted(seller="s", last_updated_after=START, resumed=False))
        bar(SellerFinished(seller="s", total=0, synced_to=START))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


def test_a_tally_adds_up_the_events() -> None:
    """It counts requests, 429s among them, seconds waited for quota, and violations."""
    call = {"operation": "a.b", "account": "s"}
    tally = Tally()
    for status in (200, 429):
        tally(RequestFinished(**call, status=status, seconds=0.1, attempt=1, request_id=None))
        tally(Waited(**call, seconds=1.25))
    tally(ViolationsFound(**call, paths=("$.a", "$.b"), request_id=None))
    assert tally.facts() == {"requests": 2, "throttled": 1, "waited": 2.5, "violations": 2}


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (119.4, "119 s"), (150, "2.5 min"), (3600, "60 min"), (9000, "2.5 h")]
)
def test_a_duration_is_in_seconds_minutes_or_hours(seconds: float, words: str) -> None:
    """Its precision depends on its length."""
    assert show_span(seconds) == words
