"""``spapi-async crawl KIND``: look up every identifier of a file and write the items found."""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from spapi_async.cli.event_loop import run_async
from spapi_async.cli.exit_codes import API
from spapi_async.cli.output import JsonOption, moving_console, print_json, table_console
from spapi_async.cli.tally import Tally
from spapi_async.cli.target import (
    EmulatorOption,
    EndpointOption,
    LatencyOption,
    RateScaleOption,
    RedisOption,
    SeedOption,
    Target,
    connected,
)
from spapi_async.errors import ConfigurationError

if TYPE_CHECKING:
    from spapi_async import SellingPartner
    from spapi_async.workflows.bulk import CrawlProgress, CrawlReport

__all__ = ["crawl", "parse_age"]

AGAIN = "run the same command again to continue"


class KindName(enum.StrEnum):
    """What can be crawled."""

    catalog = "catalog"
    pricing = "pricing"
    fees = "fees"
    listings = "listings"
    inventory = "inventory"


def crawl(
    kind: Annotated[
        KindName,
        typer.Argument(
            help="ASINs: catalog, pricing (offers). ASIN,price: fees. The seller's SKUs: listings, inventory."
        ),
    ],
    *,
    source: Annotated[
        str,
        typer.Option(
            "--input", metavar="FILE", help="Identifiers, one per line, plain or gzipped; - reads standard input."
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", metavar="FILE", help="items.jsonl, items.parquet or sqlite:///items.db.")
    ],
    marketplace: Annotated[
        list[str] | None, typer.Option("--marketplace", help="The marketplace (US, DE, an id); repeatable.")
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", help="includedData of catalog and listings, such as images; repeatable."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Request items again that failed before.")
    ] = False,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than", metavar="AGE", help="Request items again that were fetched longer ago, such as 7d or 12h."
        ),
    ] = None,
    sellers: Annotated[
        str | None,
        typer.Option(
            "--sellers", metavar="FILE", help="Several sellers (TOML or JSON); a crawl of the catalog uses all."
        ),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only the sellers of the file with this tag; repeatable.")
    ] = None,
    redis: RedisOption = None,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    seed: SeedOption = 0,
    rate_scale: RateScaleOption = 1.0,
    latency: LatencyOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Look up every identifier once, at the pace of the quota, and write Amazon's JSON of the items found.

    You can stop it at any moment; run it again, and it continues. A journal beside the output records what is done.
    Identifiers that were not found or failed are listed in separate files, or in views of the database. The exit code
    is 4 if look-ups of this run failed; an identifier that does not exist is no failure.
    """
    target = Target(
        endpoint=endpoint,
        emulator=emulator,
        seed=seed,
        rate_scale=rate_scale,
        latency=latency,
        redis=redis,
        sellers=sellers,
        tags=tuple(tag or ()),
        marketplaces=tuple(marketplace or ()),
    )
    options: dict[str, Any] = {"included_data": tuple(include)} if include else {}
    if include and kind not in (KindName.catalog, KindName.listings):
        raise ConfigurationError(f"--include is for catalog and listings, not for {kind.value}")
    age = parse_age(older_than) if older_than is not None else None
    work = _crawl(
        kind.value,
        target,
        source,
        output,
        as_json=as_json,
        marketplaces=marketplace or (),
        retry_failed=retry_failed,
        older_than=age,
        **options,
    )
    report = run_async(work, leaves=f"the items written so far are kept: {AGAIN}")
    if report.failed:
        failed = "1 look-up" if report.failed == 1 else f"{report.failed:,} look-ups"
        sys.stderr.write(f"spapi-async: {failed} failed: {_failures(output)} says why, --retry-failed tries again\n")
        raise typer.Exit(API)


def parse_age(text: str) -> timedelta:
    """``7d``, ``12h``, ``30m`` or ``2w``.

    Raises:
        ConfigurationError: the text has another format.
    """
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)([mhdw])", text.strip())
    if match is None:
        raise ConfigurationError(f"--older-than takes 30m, 12h, 7d or 2w, not {text!r}")
    return float(match[1]) * {"m": _MINUTE, "h": 60 * _MINUTE, "d": 1440 * _MINUTE, "w": 10080 * _MINUTE}[match[2]]


_MINUTE = timedelta(minutes=1)


async def _crawl(kind: str, target: Target, source: str, output: str, *, as_json: bool, **options: Any) -> CrawlReport:
    from spapi_async.workflows.bulk import crawl as crawl_all
    from spapi_async.workflows.bulk import read_identifiers

    total = _count(source)
    tally = Tally()
    async with connected(target, observers=[tally]) as connection:
        if not options["marketplaces"]:
            _check_marketplace(connection.sellers)
        bar = _Bar(total)
        async with bar.shown():
            report = await crawl_all(
                kind, connection.sellers, read_identifiers(source), output, total=total, progress=bar, **options
            )
    facts = _facts(report)
    if as_json:
        print_json({**facts, "output": output, **tally.facts()})
        return report
    table = Table(title=f"Crawled into {Path(output).name}", title_justify="left", show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("figure", justify="right", no_wrap=True)
    for name, figure in {**facts, **tally.facts()}.items():
        table.add_row(name, f"{figure:,}")
    table_console().print(table)
    return report


def _count(source: str) -> int | None:
    """The number of identifiers in a file; None for a source that can be read only once (a pipe, standard input)."""
    from spapi_async.workflows.bulk import read_identifiers

    path = Path(source)
    if source == "-" or path.is_fifo() or path.is_char_device():
        return None
    return sum(1 for _ in read_identifiers(source))  # raises if the file does not exist, before anything starts


def _check_marketplace(sellers: Sequence[SellingPartner]) -> None:
    """Refuse a missing marketplace here, with an error that names the option instead of the Python argument."""
    marketplaces = {seller.marketplace for seller in sellers}
    if len(marketplaces) > 1 or None in marketplaces:
        raise ConfigurationError(
            "name a marketplace: --marketplace US, SP_API_MARKETPLACE, or the same for all sellers"
        )


def _facts(report: CrawlReport) -> dict[str, float]:
    return {
        "found": report.found,
        "not found": report.missing,
        "failed": report.failed,
        "done before": report.skipped,
        "seconds": round(report.seconds, 1),
    }


def _failures(output: str) -> str:
    """Where the failures are listed."""
    from spapi_async.workflows.bulk._sink import list_beside

    return "the view failed" if output.startswith("sqlite:") else list_beside(Path(output), "failed").name


class _Bar:
    """Progress on a terminal: the number of items, the rate, and the time left."""

    def __init__(self, total: int | None) -> None:
        console = moving_console()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.completed:,}"),
            BarColumn(),
            TextColumn("{task.fields[rate]:,.1f}/s"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._total = total
        self._task = self._progress.add_task("crawl", total=total, rate=0.0, left="")

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Draw for as long as the block lasts."""
        with self._progress:
            yield

    def __call__(self, progress: CrawlProgress) -> None:
        """Draw the progress."""
        left = (
            "" if progress.seconds_left is None else f"{timedelta(seconds=round(progress.seconds_left))} of quota left"
        )
        words = f"{left}, {progress.missing:,} not found, {progress.failed:,} failed".removeprefix(", ")
        self._progress.update(self._task, completed=progress.done, rate=progress.rate, left=words)
