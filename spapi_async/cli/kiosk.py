"""``spapi-async kiosk FILE``: run a Data Kiosk query and write its rows as JSON lines."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from spapi_async.cli.event_loop import run_async
from spapi_async.cli.output import JsonOption, moving_console, print_json
from spapi_async.cli.report import JournalOption, journal_of_a_run
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
    from spapi_async.workflows.data_kiosk import QueryRun

__all__ = ["kiosk"]

AGAIN = "Amazon continues to process the query: run the same command again to get its rows"


def kiosk(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file with a GraphQL query for Data Kiosk.")],
    *,
    out: Annotated[str, typer.Option("--out", metavar="FILE|-", help="The file for the rows, as JSON lines.")],
    journal: JournalOption = None,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    seed: SeedOption = 0,
    rate_scale: RateScaleOption = 1.0,
    latency: LatencyOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Run a query, wait for it, and write the rows of all its pages to a file.

    The query is recorded in a journal before it is sent: you can interrupt the command at any moment; run it again, and
    it continues to wait for the same query.
    """
    if as_json and out == "-":
        raise ConfigurationError("--json and --out - cannot both write to standard output: name a file")
    check_out(out)
    try:
        query = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {file}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    target = Target(
        endpoint=endpoint,
        emulator=emulator,
        seed=seed,
        rate_scale=rate_scale,
        latency=latency,
        journal=None if emulator else journal_of_a_run(journal, os.environ),
    )
    facts = run_async(_write(target, query, out), leaves=AGAIN if target.journal is not None else "")
    if as_json:
        print_json(facts)
    elif out != "-":
        moving_console().print(f"{out}: {facts['rows']:,} rows", highlight=False, soft_wrap=True)


async def _write(target: Target, query: str, out: str) -> dict[str, Any]:
    from spapi_async.cli.report_bar import ReportBar

    count = 0

    async def lines(run: QueryRun) -> AsyncGenerator[bytes, None]:
        nonlocal count
        async with aclosing(run.rows()) as rows:
            async for row in rows:
                count += 1
                yield msgspec.json.encode(row) + b"\n"

    async with connected(target) as connection, ReportBar(moving_console(), "Data Kiosk").shown() as bar:
        run = await connection.seller.data_kiosk.request(query)
        bar.follow(run)
        await run.wait()
        await write_pieces(lines(run), out)
        await run.close()
    return {"query_id": run.query_id, "rows": count, "out": out}
