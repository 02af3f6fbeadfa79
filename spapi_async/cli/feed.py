"""``spapi-async feed TYPE FILE``: submit a file to Amazon once, and print the result."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from spapi_async.cli.event_loop import run_async
from spapi_async.cli.exit_codes import API
from spapi_async.cli.output import JsonOption, moving_console, print_json
from spapi_async.cli.report import JournalOption, journal_of_a_run, parse_options, usual_marketplaces
from spapi_async.cli.report_file import check_out, write_pieces
from spapi_async.cli.target import (
    EmulatorOption,
    EndpointOption,
    LatencyOption,
    RateScaleOption,
    SeedOption,
    Target,
    connected,
)
from spapi_async.errors import ConfigurationError

if TYPE_CHECKING:
    from spapi_async.workflows.feeds import FeedResult

__all__ = ["feed"]

AGAIN = "Amazon continues to process the feed: run the same command again to get its result"


def feed(
    feed_type: Annotated[str, typer.Argument(metavar="TYPE", help="The feed type, such as JSON_LISTINGS_FEED.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to submit, sent unchanged.")],
    *,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE|-", help="The file for Amazon's processing report.")
    ] = None,
    marketplace: Annotated[
        list[str] | None,
        typer.Option("--marketplace", help="US, DE, an id; repeatable. By default SP_API_MARKETPLACE."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="K=V", help="One of Amazon's feedOptions; repeatable.")
    ] = None,
    content_type: Annotated[
        str | None,
        typer.Option(
            "--content-type", metavar="TYPE", help="The file's content type; by default that of the feed type."
        ),
    ] = None,
    journal: JournalOption = None,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    seed: SeedOption = 0,
    rate_scale: RateScaleOption = 1.0,
    latency: LatencyOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Submit a feed, wait until Amazon has processed it, and print the result.

    The feed is recorded in a journal before it is submitted: you can interrupt the command at any moment, and with the
    same file it continues to wait for the same feed. The exit code is 4 if Amazon refused messages.
    """
    if not file.is_file():
        raise ConfigurationError(f"{file} is not a file")
    if as_json and out == "-":
        raise ConfigurationError("--json and --out - cannot both write to standard output: name a file")
    if out is not None:
        check_out(out)
    target = Target(
        endpoint=endpoint,
        emulator=emulator,
        seed=seed,
        rate_scale=rate_scale,
        latency=latency,
        marketplaces=tuple(marketplace or ()),
        journal=None if emulator else journal_of_a_run(journal, os.environ),
    )
    request = {
        "marketplaces": marketplace or usual_marketplaces(os.environ),
        "options": parse_options(option or ()),
        "content_type": content_type,
    }
    work = _submit(target, feed_type, file, request, out)
    result = run_async(work, leaves=AGAIN if target.journal is not None else "")
    if as_json:
        print_json(_facts(result, out))
    elif out != "-":
        _say(result, out)
    if any(issue.refuses for issue in result.issues):
        raise typer.Exit(API)


async def _submit(
    target: Target, feed_type: str, file: Path, request: Mapping[str, Any], out: str | None
) -> FeedResult:
    from spapi_async.cli.report_bar import ReportBar

    async with connected(target) as connection, ReportBar(moving_console(), feed_type).shown() as bar:
        run = await connection.seller.feeds.request(feed_type, file, **request)
        bar.follow(run)
        result = await run.result(close=False)
        if out is not None:
            await write_pieces(_pieces(result.report), out)
        await run.close()
    return result


async def _pieces(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


def _facts(result: FeedResult, out: str | None) -> dict[str, Any]:
    return {
        "feed_id": result.feed_id,
        "type": result.feed_type,
        "summary": msgspec.to_builtins(result.summary),
        "issues": [msgspec.to_builtins(issue) for issue in result.issues],
        "out": out,
    }


def _say(result: FeedResult, out: str | None) -> None:
    """Print the counts and issues of a JSON feed, or the report of another feed if no file is given for it."""
    summary = result.summary
    if summary.messages_processed is not None:
        accepted = "?" if summary.messages_accepted is None else f"{summary.messages_accepted:,}"
        sys.stdout.write(f"feed {result.feed_id}: {summary.messages_processed:,} messages, {accepted} accepted\n")
    for issue in result.issues:
        where = issue.sku or f"message {issue.message_id}"
        sys.stdout.write(f"{issue.severity} {where}: {issue.message} ({issue.code})\n")
    if out is None and summary.messages_processed is None:
        sys.stdout.write(result.text)
