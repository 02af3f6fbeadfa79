"""Searches of a history: which window comes next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from spapi_async._core.clock import SystemClock
from spapi_async.workflows.orders import OrderDatabase, OrderPage, OrderRow
from spapi_async.workflows.orders._checkpoint import Checkpoint, Window
from spapi_async.workflows.orders._page import Unreadable
from spapi_async.workflows.orders._report_rows import order_rows
from spapi_async.workflows.orders._rows import V2026
from spapi_async.workflows.orders._searching import Searching
from spapi_async.workflows.orders._source import Page
from spapi_async.workflows.orders._walk import Sorted, Sorting

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)
DAY = timedelta(days=1)


def page(*days: float, token: str | None = None) -> Page:
    """Orders updated so many days before the end."""
    dates = [(END - each * DAY).isoformat() for each in days]
    rows = [V2026.row(msgspec.json.encode({"orderId": date, "lastUpdatedTime": date})) for date in dates]
    return Page(rows=tuple(rows), cursor=token, upper_bound=END)


class Scripted:
    """Answers with these pages, then with empty ones; remembers the windows it was asked for."""

    stream = operation = "orders"

    def __init__(self, *pages: Page) -> None:
        self.windows: list[Window] = []
        self._pages = list(pages)

    async def page(self, checkpoint: Checkpoint) -> Page:
        """The next one."""
        assert checkpoint.upper_bound is not None
        self.windows.append(Window(checkpoint.last_updated_after, checkpoint.upper_bound))
        return self._pages.pop(0) if self._pages else page()


async def searched(
    source: Scripted, *coarse: float, named_to: datetime = BEGIN, cursor: str | None = None
) -> list[datetime | None]:
    """Read the history of pages that are taken for sorted; how far it had been read at each commit.

    ``coarse`` are orders that the database has without details, updated so many days before the end; ``cursor`` is
    where an earlier run stopped.
    """
    commits: list[datetime | None] = []

    async def store(_rows: Sequence[OrderRow], checkpoint: Checkpoint, _unreadable: Sequence[Unreadable]) -> None:
        commits.append(checkpoint.upper_bound)

    sorting = Sorting()
    sorting.state = Sorted.YES
    history = Checkpoint(
        seller="s", stream="o history", last_updated_after=BEGIN, upper_bound=END, cursor=cursor, cursor_at=END
    )
    lines = [{"amazon-order-id": str(each), "last-updated-date": (END - each * DAY).isoformat()} for each in coarse]
    async with OrderDatabase("sqlite://") as database:
        await database.store(OrderPage(seller="s", rows=order_rows(lines), checkpoint=None, at=END))
        searching = Searching(
            source,
            history,
            named_to=named_to,
            has_help=False,
            sorting=sorting,
            database=database,
            page_size=2,
            clock=SystemClock(),
            store=store,
        )
        await searching.go_on(spared=lambda _: False)
        assert searching.has_read_all or coarse
    return commits


async def test_windows_follow_each_other_from_the_newest_end() -> None:
    """Longer ones where few orders are."""
    source = Scripted()
    assert await searched(source) == [END - DAY, END - 9 * DAY, BEGIN]
    assert source.windows == [Window(END - DAY, END), Window(END - 9 * DAY, END - DAY), Window(BEGIN, END - 9 * DAY)]


async def test_pages_that_are_not_sorted_are_read_again_from_the_newest_end() -> None:
    """The windows before were taken for sorted, too, and may have lost orders."""
    source = Scripted(page(0.5), page(8, 5, token="t"), page(5.000001))
    commits = await searched(source)
    assert source.windows[:4] == [
        Window(END - DAY, END),
        Window(END - 9 * DAY, END - DAY),
        Window(END - 5 * DAY, END - DAY),
        Window(END - 8 * DAY, END),
    ]
    assert commits == [END - DAY, END - DAY, END, END - 8 * DAY, BEGIN]


async def test_a_run_goes_on_inside_the_window_of_an_earlier_one() -> None:
    """The earlier run has read that window from its start up to a certain time."""
    source = Scripted()
    cursor = f"{(END - 4 * DAY).isoformat()} {(END - 3 * DAY).isoformat()}"
    assert (await searched(source, cursor=cursor))[0] == END - 4 * DAY
    assert source.windows[0] == Window(END - 3 * DAY, END)


async def test_another_window_is_read_from_its_start() -> None:
    """Lists have named every order since, so that only those without details are searched."""
    source = Scripted()
    cursor = f"{(END - 4 * DAY).isoformat()} {(END - 3 * DAY).isoformat()}"
    assert await searched(source, 6, named_to=END, cursor=cursor) == [END - 6 * DAY]
    assert source.windows == [Window(END - 6 * DAY, END - 6 * DAY + timedelta(seconds=1))]
