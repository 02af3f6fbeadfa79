"""Orders stored in one's own objects, windows that are read again, and the example."""

from __future__ import annotations

import runpy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spapi_async import Application, ConfigurationError, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import Checkpoint, OrderDatabase, OrderPage, Stored, sync_orders

pytest_plugins = ("sync_fixtures",)

EXAMPLE = Path(__file__).parents[3] / "examples/orders/order_changes.py"


class Pages:
    """A sink that keeps its pages."""

    def __init__(self) -> None:
        self.pages: list[OrderPage] = []

    async def store(self, page: OrderPage) -> Stored | None:
        self.pages.append(page)
        return None


class RememberingPages(Pages):
    """A sink that also has checkpoints."""

    async def checkpoint(self, seller: str, stream: str) -> Checkpoint | None:
        assert stream == "orders_2026_01_01"
        return self.pages[-1].checkpoint if self.pages and self.pages[-1].seller == seller else None


@asynccontextmanager
async def selling(orders: int = 30) -> AsyncIterator[tuple[Emulator, SellingPartner]]:
    """A seller of an emulator."""
    async with (
        Emulator(orders=orders, rate_scale=1e6) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        yield emulator, app.selling_partner("Atzr|x", region="NA", seller_id="A1")


async def test_any_object_with_store_gets_the_pages() -> None:
    """It gets rows with their items and the checkpoint after them, and no lease to renew."""
    sink = Pages()
    async with selling() as (_, seller):
        report = await sync_orders([seller], sink, page_size=10)
    assert report.failed == ()
    rows = [row.order_id for page in sink.pages for row in page.rows]
    assert len(rows) == len(set(rows)) == 30
    assert max(len(page.rows) for page in sink.pages) == 10
    assert (report.sellers[0].inserted, report.orders) == (30, 30)
    assert {page.seller for page in sink.pages} == {"A1@na"}
    assert all(page.lease is None and page.checkpoint is not None for page in sink.pages)
    assert "orders" in repr(sink.pages[0])
    assert sink.pages[0].rows[0].payload not in repr(sink.pages[0])


async def test_a_sink_with_checkpoints_is_asked_for_them() -> None:
    """The second run fetches what changed since; with another sink it begins at ``since`` again."""
    sink, forgetful = RememberingPages(), Pages()
    async with selling() as (_, seller):
        for store in (sink, forgetful):
            for _ in range(2):
                await sync_orders([seller], store)
    assert sum(len(page.rows) for page in sink.pages) < 60
    assert sum(len(page.rows) for page in forgetful.pages) == 60


async def test_a_window_is_read_again_and_the_checkpoint_stays(sqlite_url: str) -> None:
    """It can be read any number of times; stored orders do not change."""
    now = datetime.now(UTC)
    window = (now - timedelta(days=3000), now - timedelta(hours=1))
    async with selling() as (emulator, seller), OrderDatabase(sqlite_url) as database:
        await sync_orders([seller], database)
        before = await database.checkpoint(seller.name, "orders_2026_01_01")
        for _ in range(2):
            report = await sync_orders([seller], database, window=window)
            assert report.failed == ()
            assert 0 < report.orders == report.sellers[0].unchanged
        assert await database.checkpoint(seller.name, "orders_2026_01_01") == before
        assert sum("lastUpdatedBefore" in str(request) for request in emulator.received) == 2


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), "begin before it ends"),
        (datetime(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC), "time zone"),  # noqa: DTZ001
    ],
)
async def test_an_invalid_window_is_refused(sqlite_url: str, begin: datetime, end: datetime, words: str) -> None:
    """Nothing is sent."""
    async with selling() as (emulator, seller):
        with pytest.raises(ConfigurationError, match=words):
            await sync_orders([seller], sqlite_url, window=(begin, end))
        assert not emulator.received


async def test_personal_data_must_be_configured_when_a_database_is_opened(sqlite_url: str) -> None:
    """It cannot be added to a sync into an open database."""
    async with selling() as (_, seller), OrderDatabase(sqlite_url) as database:
        with pytest.raises(ConfigurationError, match=r"BUYER.*OrderDatabase\(url, personal="):
            await sync_orders([seller], database, datasets=["BUYER"])


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Every order is in its file and in the change feed."""
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    out = capsys.readouterr().out
    assert out.count("new ") == 20
    assert "20 orders in the file" in out
