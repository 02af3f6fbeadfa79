"""A process that starts again finds its reports in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from report_fixtures import LISTINGS, calls, reports_emulated, seller_on

from spapi_async import SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.errors import ReportFatalError
from spapi_async.workflows.journal import Journal

pytest_plugins = ("sync_fixtures", "run_fixtures")
pytestmark = pytest.mark.usefixtures("quick_polls")


@asynccontextmanager
async def process(emulator: Emulator, url: str) -> AsyncIterator[SellingPartner]:
    """An application of its own on the shared journal, as in a separate process."""
    async with seller_on(emulator.url, Journal(url)) as seller:
        yield seller


async def test_a_requested_report_is_adopted(database_url: str) -> None:
    """The same request finds it; once it has been read, the same request makes a new one."""
    async with reports_emulated() as (emulator, _):
        async with process(emulator, database_url) as seller:
            first = await seller.reports.request(LISTINGS, marketplaces=["US"])
        async with process(emulator, database_url) as seller:
            assert [run.report_id for run in await seller.reports.unfinished()] == [first.report_id]
            async with seller.reports.download(LISTINGS, marketplaces=["US"]) as document:
                assert len([row async for row in document.iter_rows()]) == 60
            assert calls(emulator) == 1
            assert await seller.reports.unfinished() == []
            again = await seller.reports.request(LISTINGS, marketplaces=["US"])
            assert again.report_id != first.report_id


async def test_another_request_is_another_report(database_url: str) -> None:
    """It has other marketplaces, other options or another seller."""
    async with reports_emulated() as (emulator, _), process(emulator, database_url) as seller:
        other = seller.application.selling_partner("Atzr|other", region="NA")
        ids = [
            (await seller.reports.request(LISTINGS, marketplaces=["US"])).report_id,
            (await seller.reports.request(LISTINGS, marketplaces=["CA"])).report_id,
            (await seller.reports.request(LISTINGS, marketplaces=["US"], options={"a": "b"})).report_id,
            (await other.reports.request(LISTINGS, marketplaces=["US"])).report_id,
        ]
        assert len(set(ids)) == calls(emulator) == 4


async def test_a_reader_that_fails_keeps_its_report(database_url: str) -> None:
    """The report did not fail: it is read again, not requested again."""
    async with reports_emulated() as (emulator, _), process(emulator, database_url) as seller:
        with pytest.raises(ZeroDivisionError):
            async with seller.reports.download(LISTINGS, marketplaces=["US"]):
                raise ZeroDivisionError
        async with seller.reports.download(LISTINGS, marketplaces=["US"]) as document:
            assert await document.read()
        assert calls(emulator) == 1


async def test_a_failed_report_is_over(database_url: str) -> None:
    """Its error has been raised, and the next request is a new attempt."""
    async with reports_emulated() as (emulator, _), process(emulator, database_url) as seller:
        emulator.faults({"operation": "reports_2021_06_30.create_report", "outcome": "FATAL"})
        with pytest.raises(ReportFatalError):
            async with seller.reports.download(LISTINGS, marketplaces=["US"]):
                pass
        async with seller.reports.download(LISTINGS, marketplaces=["US"]) as document:
            assert await document.read()


async def test_processes_that_share_a_journal_share_a_report(database_url: str) -> None:
    """Four start at the same moment: there is one request and four readers."""

    async def read(emulator: Emulator) -> int:
        async with (
            process(emulator, database_url) as seller,
            seller.reports.download(LISTINGS, marketplaces=["US"]) as document,
        ):
            return len([row async for row in document.iter_rows()])

    async with reports_emulated(processing=1.5) as (emulator, _):
        assert await asyncio.gather(*[read(emulator) for _ in range(4)]) == [60] * 4
        assert calls(emulator) == 1


async def test_a_run_that_another_process_has_read_is_followed_to_its_end(database_url: str) -> None:
    """It is closed meanwhile, but still the run for which this process waits."""
    async with reports_emulated() as (emulator, _), process(emulator, database_url) as seller:
        slow = await seller.reports.request(LISTINGS, marketplaces=["US"])
        async with (
            process(emulator, database_url) as quick,
            quick.reports.download(LISTINGS, marketplaces=["US"]) as document,
        ):
            assert await document.read()
        async with slow.document() as document:
            assert await document.read()
        assert calls(emulator) == 1


async def test_the_quota_of_other_calls_does_not_break_a_run(database_url: str) -> None:
    """With fifteen reports requested, the sixteenth waits for its token with an entry in the journal."""
    async with (
        reports_emulated(throttle=True, rate_scale=100) as (emulator, _),
        process(emulator, database_url) as seller,
    ):
        for number in range(17):
            await seller.reports.request(LISTINGS, marketplaces=["US"], options={"n": str(number)})
        assert calls(emulator) == 17
        assert emulator.stats()["operations"]["reports_2021_06_30.create_report"]["throttled"] == 0
