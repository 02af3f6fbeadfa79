"""What a sync did, for people and for machines."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from spapi_async.cli.exit_codes import describe
from spapi_async.cli.tally import Tally
from spapi_async.sync import SellerResult, SyncReport

__all__ = ["summary_facts", "summary_table"]


def summary_table(report: SyncReport, tally: Tally) -> Table:
    """One row for each seller, and what the run cost below."""
    facts = tally.facts()
    caption = (
        f"{facts['requests']} requests, {facts['throttled']} throttled, {facts['waited']:.1f} s waited for quota, "
        f"{facts['violations']} violations tolerated"
    )
    table = Table(title="Orders synced", title_justify="left", caption=caption, caption_justify="left")
    table.add_column("seller", overflow="ellipsis", max_width=24)
    for heading in ("pages", "orders", "new", "updated", "stale", "items"):
        table.add_column(heading, justify="right")
    table.add_column("synced to")
    for result in report.sellers:
        counts = (result.pages, result.orders, result.inserted, result.updated, result.stale, result.items)
        table.add_row(result.seller, *(f"{count:,}" for count in counts), _synced_to(result))
    return table


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
    return result.checkpoint.last_updated_after.strftime("%Y-%m-%d %H:%M:%SZ") if result.checkpoint else ""
