"""asyncio's own cancellation, as by Ctrl-C, at any await of the database, from which anyio's shields do not protect."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spapi_async.workflows.orders import Checkpoint, OrderDatabase, OrderPage
from spapi_async.workflows.orders._rows import V2026

pytest_plugins = ("sync_fixtures",)

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
TURNS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)
"""How many turns the event loop makes before the cancellation: from the first await to long after the last."""


async def cancelled_after(turns: int, work: Coroutine[Any, Any, Any]) -> bool:
    """Cancel a task after so many iterations of the loop; returns whether it was cancelled before it ended."""
    task = asyncio.create_task(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()


async def opened_and_closed(url: str) -> None:
    """The first and the last step of a run."""
    async with OrderDatabase(url) as database:
        await database.quota("app")


@pytest.mark.parametrize("turns", TURNS)
async def test_a_database_that_is_being_opened_can_be_cancelled(
    new_database_url: str, turns: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is closed without a warning of the driver, and can be opened again at once."""
    with caplog.at_level("WARNING"):
        await cancelled_after(turns, opened_and_closed(new_database_url))
        await opened_and_closed(new_database_url)
    assert caplog.records == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_statement_that_has_begun_is_finished(database_url: str) -> None:
    """The cancellation takes effect afterwards; a page and its checkpoint are stored, or neither is."""
    async with OrderDatabase(database_url) as database:
        for number, turns in enumerate(TURNS, 1):
            row = V2026.row(b'{"orderId":"%d","orderItems":[{"orderItemId":"1"}]}' % turns)
            place = Checkpoint(seller="s", stream="o", last_updated_after=NOW + timedelta(seconds=turns))
            page = OrderPage(seller="s", rows=[row], checkpoint=place, at=NOW)
            works: list[Coroutine[Any, Any, Any]] = [
                database.store(page),
                database.store_quota({("app", "a"): str(turns)}, now=NOW),
                database.checkpoint("s", "o"),
            ]
            for work in works:
                await cancelled_after(turns, work)
            assert await database.counts() == (number, number)
            assert await database.checkpoint("s", "o") == place
            assert await database.quota("app") == {"a": str(turns)}
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_error_of_a_statement_is_raised_to_its_caller(sqlite_url: str) -> None:
    """That it runs in a task of its own is visible only in a traceback."""
    database = OrderDatabase(sqlite_url)
    with pytest.raises(Exception, match="the database is not open"):
        await database.counts()
