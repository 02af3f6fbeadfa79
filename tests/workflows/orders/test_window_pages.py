"""The pages of a window from a server that ignores the requested times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from spapi_async._core.clock import SystemClock
from spapi_async.errors import DecodeError
from spapi_async.workflows.orders._checkpoint import Checkpoint
from spapi_async.workflows.orders._pages import Pages
from spapi_async.workflows.orders._rows import V2026
from spapi_async.workflows.orders._source import Page
from spapi_async.workflows.orders._walk import Sorting, Walk

BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
SIZE = 10


class IgnoresTimes:
    """Lists the same forty orders for any window, page by page."""

    stream = operation = "orders"

    def __init__(self, first: datetime, apart: timedelta) -> None:
        self.requests = 0
        self._rows = [
            V2026.row(msgspec.json.encode({"orderId": f"{n}", "lastUpdatedTime": (first + n * apart).isoformat()}))
            for n in range(40)
        ]

    async def page(self, checkpoint: Checkpoint) -> Page:
        """The first page, or the one of the token."""
        self.requests += 1
        start = int(checkpoint.cursor or 0)
        following = str(start + SIZE) if start + SIZE < len(self._rows) else None
        return Page(rows=tuple(self._rows[start : start + SIZE]), cursor=following, upper_bound=END)


@pytest.mark.parametrize("before", [END, None], ids=["closed", "open"])
@pytest.mark.parametrize(
    ("first", "apart"),
    [(BEGIN + timedelta(days=1), timedelta(days=1)), (END + timedelta(days=1), timedelta(0)), (BEGIN, timedelta(0))],
    ids=["inside", "later", "in its first second"],
)
async def test_a_server_that_ignores_times_is_an_error(
    before: datetime | None, first: datetime, apart: timedelta
) -> None:
    """The error comes after some halvings, not after every second of two years."""
    source, walk = IgnoresTimes(first, apart), Walk(BEGIN, before, Sorting())
    pages = Pages(source, walk, seller="s", before=before, clock=SystemClock())

    async def read() -> None:
        while not walk.is_complete:
            await pages.fetch()

    with pytest.raises(DecodeError, match="ignores the times of the request"):
        await read()
    assert source.requests < 100
