"""The result of a sync, as a table and as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from spapi_async.cli.exit_codes import describe
from spapi_async.cli.output import fits
from spapi_async.cli.tally import Tally
from spapi_async.workflows.orders import SellerResult, SyncReport

__all__ = ["summary_facts", "summary_table"]


def summary_table(report: SyncReport, tally: Tally, console: Console) -> Table:
    """A row for each seller, or a list on a narrow console; the caption counts requests, 429s, waits and violations."""
    facts = tally.facts()
    caption = (
        f"{facts['requests']:,} request{'' if facts['requests'] == 1 else 's'}, {facts['throttled']:,} throttled, "
        f"{facts['waited']:.1f} s waited for quota, {facts['violations']:,} violations tolerated"
    )
    wide = _rows(report)
    wide.caption = caption
    if fits(wide, console):
        return wide
    narrow = _list(report)
    narrow.caption = caption
    return narrow


def _rows(report: SyncReport) -> Table:
    table = Table(title="Orders synced", title_justify="left", caption_justify="left")
    table.add_column("seller", no_wrap=True)
    for heading in _COUNTS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("synced to", no_wrap=True)
    for result in report.sellers:
        table.add_row(result.seller, *_counts(result), _synced_to(result))
    return table


def _list(report: SyncReport) -> Table:
    table = Table(title="Orders synced", title_justify="left", caption_justify="left", show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("figure", justify="right", overflow="fold")
    for result in report.sellers:
        table.add_row("seller", result.seller)
        for heading, count in zip(_COUNTS, _counts(result), strict=True):
            table.add_row(heading, count)
        table.add_row("synced to", _synced_to(result), end_section=True)
    return table


_COUNTS = ("pages", "orders", "new", "updated", "stale", "items")


def _counts(result: SellerResult) -> list[str]:
    counts = (result.pages, result.orders, result.inserted, result.updated, result.stale, result.items)
    return [f"{count:,}" for count in counts]


def summary_facts(report: SyncReport, tally: Tally) -> dict[str, Any]:
    """The same as a JSON object."""
    return {
        "sellers": [
            {
                "seller": result.seller,
                "pages": result.pages,
                "orders": result.orders,
                "inserted": result.inserted,
                "updated": result.updated,
                "stale": result.stale,
                "items": result.items,
                "complete": result.error is None,
                "synced_to": result.checkpoint.last_updated_after if result.checkpoint else None,
                "error": describe(result.error) if result.error else None,
            }
            for result in report.sellers
        ],
        **tally.facts(),
    }


def _synced_to(result: SellerResult) -> str:
    if result.error is not None:
        return "[red]incomplete"
    return result.checkpoint.last_updated_after.strftime("%Y-%m-%dT%H:%M:%SZ") if result.checkpoint else ""
