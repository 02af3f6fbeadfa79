"""``spapi-async kiosk FILE``: a Data Kiosk query as a file of JSON lines."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import typer

from spapi_async.cli.event_loop import run_async
from spapi_async.cli.output import JsonOption, check_target, moving_console, print_json
from spapi_async.cli.report import JournalOption, chosen_journal
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

__all__ = ["kiosk"]

AGAIN = "the query goes on at Amazon: run the same command again to pick it up"


def kiosk(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A GraphQL query, as Data Kiosk takes it.")],
    *,
    out: Annotated[str, typer.Option("--out", metavar="FILE|-", help="Where the rows go, as JSON lines.")],
    journal: JournalOption = None,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    seed: SeedOption = 0,
    rate_scale: RateScaleOption = 1.0,
    latency: LatencyOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Ask a query, wait for it, and write its rows to a file, all pages of them.

    What is asked is written down first: interrupt it at any moment, run it again, and it goes on waiting for the same
    query.
    """
    if as_json and out == "-":
        raise ConfigurationError("--json and --out - both want standard output")
    check_target(out)
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
        journal=None if emulator else chosen_journal(journal, os.environ),
    )
    facts = run_async(_write(target, query, out), leaves=AGAIN if target.journal is not None else "")
    if as_json:
        print_json(facts)


async def _write(target: Target, query: str, out: str) -> dict[str, Any]:
    from spapi_async.cli.report_bar import ReportBar

    lines = _Lines(out)
    async with connected(target) as connection, ReportBar(moving_console(), "Data Kiosk").shown() as bar:
        run = await connection.seller.data_kiosk.request(query)
        bar.follow(run)
        await run.wait()
        with lines:
            async with aclosing(run.rows()) as rows:
                async for row in rows:
                    lines.write(row)
            lines.finish()
        await run.close()
    return {"query_id": run.query_id, "rows": lines.count, "out": out}


class _Lines:
    """A file that appears when it is complete, or standard output."""

    def __init__(self, out: str) -> None:
        self.count = 0
        self._path = None if out == "-" else Path(out)
        self._partial = Path(f"{out}.part")
        self._file: IO[bytes] | None = None

    def __enter__(self) -> None:
        self._file = sys.stdout.buffer if self._path is None else self._partial.open("wb")

    def __exit__(self, *failure: object) -> None:
        if self._path is not None and self._file is not None:
            self._file.close()

    def write(self, row: Any) -> None:
        """Append a row."""
        assert self._file is not None
        self._file.write(msgspec.json.encode(row) + b"\n")
        self.count += 1

    def finish(self) -> None:
        """All rows are there."""
        assert self._file is not None
        self._file.flush()
        if self._path is not None:
            self._partial.replace(self._path)
