"""``spapi-async report TYPE``: download a report; also ``report types`` and ``report list``."""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from typer.core import TyperGroup

from spapi_async.cli.event_loop import run_async
from spapi_async.cli.moments import parse_moment, parse_span
from spapi_async.cli.output import JsonOption, moving_console, print_json, table_console
from spapi_async.cli.report_file import check_out, write_report
from spapi_async.cli.target import (
    EmulatorOption,
    EndpointOption,
    LatencyOption,
    OrdersOption,
    RateScaleOption,
    SeedOption,
    Target,
    connected,
)
from spapi_async.errors import ConfigurationError

if TYPE_CHECKING:
    from spapi_async.workflows.reports import ReportRun, ReportType

__all__ = ["JournalOption", "app", "journal_of_a_run", "parse_options", "usual_marketplaces"]


class _TypeOrCommand(TyperGroup):
    """``report GET_...`` downloads that type; ``report types`` and ``report list`` are commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``get`` in front of a report type."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["get", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_TypeOrCommand,
    help="Download a report (report TYPE --out FILE), list report types, list runs and reports.",
    no_args_is_help=True,
)

AGAIN = "Amazon continues to make the report: run the same command again to get it"


class FileFormat(enum.StrEnum):
    """The format in which a report is written."""

    tsv = "tsv"
    jsonl = "jsonl"
    parquet = "parquet"


_FORMAT_OF_ENDING = {f".{each.value}": each for each in FileFormat}


class NoDataChoice(enum.StrEnum):
    """How to treat a report that Amazon cancelled because there is no data."""

    error = "error"
    empty = "empty"
    latest = "latest"


JournalOption = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="URL",
        envvar="SP_API_JOURNAL",
        help="The journal of runs, sqlite:///FILE or postgresql://HOST/NAME; by default in your state directory.",
    ),
]


@app.command("get")
def get(
    report_type: Annotated[
        str, typer.Argument(metavar="TYPE", help="The report type, such as GET_MERCHANT_LISTINGS_ALL_DATA.")
    ],
    *,
    out: Annotated[str, typer.Option("--out", metavar="FILE|-", help="The file for the report; - is standard output.")],
    file_format: Annotated[
        FileFormat | None,
        typer.Option(
            "--format",
            help="The format: UTF-8 TSV, JSON lines or Parquet. By default that of FILE's ending, else Amazon's bytes.",
        ),
    ] = None,
    start: Annotated[str | None, typer.Option("--start", metavar="TIME", help="Where the window begins.")] = None,
    end: Annotated[
        str | None, typer.Option("--end", metavar="TIME", help="Where the window ends; by default now.")
    ] = None,
    marketplace: Annotated[
        list[str] | None,
        typer.Option("--marketplace", help="US, DE, an id; repeatable. By default SP_API_MARKETPLACE."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="K=V", help="One of Amazon's reportOptions; repeatable.")
    ] = None,
    reuse: Annotated[
        str | None,
        typer.Option(
            "--reuse", metavar="SPAN", help="Use a report of the same request if it is at most this old, such as 2h."
        ),
    ] = None,
    no_data: Annotated[
        NoDataChoice,
        typer.Option("--no-data", help="How to treat a report that Amazon cancels because there is no data."),
    ] = NoDataChoice.error,
    journal: JournalOption = None,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    seed: SeedOption = 0,
    orders: OrdersOption = 200,
    rate_scale: RateScaleOption = 1.0,
    latency: LatencyOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Request a report, wait for it and write it to a file.

    The request is recorded in a journal before it is sent: you can interrupt the command at any moment; run it again,
    and it continues to wait for the same report.
    """
    if as_json and out == "-":
        raise ConfigurationError("--json and --out - cannot both write to standard output: name a file")
    unzipped = out.lower().removesuffix(".gz")
    file_format = file_format or _FORMAT_OF_ENDING.get(Path(unzipped).suffix)
    if file_format is FileFormat.parquet and out == "-":
        raise ConfigurationError("Parquet cannot be written to standard output: name a file")
    if file_format is FileFormat.parquet and out.endswith(".gz"):
        raise ConfigurationError(f"Parquet is compressed already: name a file without .gz, not {out!r}")
    check_out(out)
    target = Target(
        endpoint=endpoint,
        emulator=emulator,
        seed=seed,
        orders=orders,
        rate_scale=rate_scale,
        latency=latency,
        marketplaces=tuple(marketplace or ()),
        journal=None if emulator else journal_of_a_run(journal, os.environ),
    )
    request = {
        "marketplaces": marketplace or usual_marketplaces(os.environ),
        "start": parse_moment("--start", start),
        "end": parse_moment("--end", end),
        "options": parse_options(option or ()),
        "reuse": parse_span("--reuse", reuse),
        "no_data": no_data.value,
    }
    facts = run_async(
        _get(target, report_type, out, file_format, request), leaves=AGAIN if target.journal is not None else ""
    )
    if as_json:
        print_json(facts)
    elif out != "-":
        moving_console().print(f"{out}: {facts['bytes']:,} bytes of {report_type}", highlight=False, soft_wrap=True)


@app.command("types")
def types(
    *,
    search: Annotated[
        str | None, typer.Option("--search", metavar="WORD", help="Only types whose name contains this.")
    ] = None,
    restricted: Annotated[
        bool, typer.Option("--restricted", help="Only types that need a restricted data token.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the known report types; a blank cell means that it is unknown."""
    from spapi_async.workflows.reports import REPORT_TYPES

    chosen = [
        each
        for each in REPORT_TYPES.values()
        if (search is None or search.upper() in each.name) and (each.restricted or not restricted)
    ]
    if as_json:
        print_json([_type_facts(each) for each in chosen])
        return
    table = Table(title=f"{len(chosen)} report types", title_justify="left")
    for heading in ("type", "format", "covers", "longest", "restricted", "requestable", "schedulable"):
        table.add_column(heading, overflow="fold")
    for each in chosen:
        facts = _type_facts(each)
        days = "" if each.longest is None else f"{each.longest.days} d"
        said = [{True: "yes", False: "no", None: ""}[facts[name]] for name in _SAID]
        table.add_row(each.name, facts["format"] or "", facts["covers"] or "", days, *said)
    table_console().print(table)


@app.command("list")
def list_reports(
    report_types: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TYPE]...", help="List Amazon's reports of these types; without types, list the open runs."
        ),
    ] = None,
    *,
    journal: JournalOption = None,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the reports of some types that Amazon keeps (for 90 days) or, without types, your unfinished runs."""
    kept = None if emulator else _chosen_journal(journal, os.environ)
    if kept is None and not emulator and not report_types:
        raise ModuleNotFoundError('the journal of open runs needs an extra: pip install "spapi-async[sync]"')
    # A journal that was named must exist, else the name is wrong; the default one is created by the first run.
    target = Target(endpoint=endpoint, emulator=emulator, journal=kept, journal_must_exist=journal is not None)
    found = run_async(_list(target, report_types or ()))
    if as_json:
        print_json(found)
        return
    title = f"{len(found)} reports" if report_types else f"{len(found)} open runs"
    table = Table(title=title, title_justify="left")
    for heading in ("report", "type", "status", "start", "end", "marketplaces"):
        table.add_column(heading, overflow="fold")
    for each in found:
        marketplaces = " ".join(each["marketplaces"])
        table.add_row(
            each["report_id"] or "", each["type"], each["status"], each["start"] or "", each["end"] or "", marketplaces
        )
    table_console().print(table)


def journal_of_a_run(named: str | None, environ: Mapping[str, str]) -> str | None:
    """The journal for a run that is about to start.

    None if the extra is not installed; then a line on stderr says so.
    """
    journal = _chosen_journal(named, environ)
    if journal is None:
        sys.stderr.write('spapi-async: no journal: an interrupted run is lost (pip install "spapi-async[sync]")\n')
    return journal


def _chosen_journal(named: str | None, environ: Mapping[str, str]) -> str | None:
    """The journal that was named; by default a file in the user's state directory (XDG), if the extra is installed."""
    if named is not None:
        return named
    try:
        import sqlalchemy  # noqa: F401
    except ModuleNotFoundError:
        return None
    state = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    folder = Path(state) / "spapi-async"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"cannot create {folder} for the journal: {error.strerror}; name a journal with --journal"
        ) from None
    return f"sqlite:///{folder / 'runs.db'}"


async def _get(
    target: Target, report_type: str, out: str, file_format: FileFormat | None, request: Mapping[str, Any]
) -> dict[str, Any]:
    from spapi_async.cli.report_bar import ReportBar

    async with connected(target) as connection, ReportBar(moving_console(), report_type).shown() as bar:
        run = await connection.seller.reports.request(report_type, **request)
        bar.follow(run)
        await run.wait()
        async with run.document() as document:
            bar.read(document)
            size = await write_report(document, out, file_format and file_format.value, run.report_type)
    return {"type": report_type, "report_ids": list(run.report_ids), "status": run.status, "out": out, "bytes": size}


async def _list(target: Target, report_types: Sequence[str]) -> list[dict[str, Any]]:
    async with connected(target) as connection:
        reports = connection.seller.reports
        if not report_types:
            return [_run_facts(run) for run in await reports.unfinished()]
        return [_run_facts(run) for each in report_types async for run in reports.iter_available(each, statuses=())]


def _run_facts(run: ReportRun) -> dict[str, Any]:
    request = run.parts[0].request
    return {
        "report_id": run.report_id or None,
        "type": run.report_type.name,
        "status": run.status,
        "start": request.get("dataStartTime"),
        "end": request.get("dataEndTime"),
        "marketplaces": request["marketplaceIds"],
        "run": run.parts[0].entry.id,
    }


_SAID = ("restricted", "requestable", "schedulable")


def _type_facts(each: ReportType) -> dict[str, Any]:
    return {
        "type": each.name,
        "format": each.format,
        "covers": each.covers,
        "longest_days": None if each.longest is None else each.longest.days,
        "cadence_seconds": None if each.cadence is None else each.cadence.total_seconds(),
        **{name: getattr(each, name) for name in _SAID},
        "vendor": each.vendor,
    }


def parse_options(pairs: Iterable[str]) -> dict[str, str]:
    """``NAME=VALUE`` pairs.

    Raises:
        ConfigurationError: the name or the equals sign is missing.
    """
    options = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise ConfigurationError(f"--option takes NAME=VALUE, not {pair!r}")
        options[name] = value
    return options


def usual_marketplaces(environ: Mapping[str, str]) -> list[str]:
    """The marketplace in the environment, for a command without ``--marketplace``.

    Raises:
        ConfigurationError: there is none.
    """
    marketplace = environ.get("SP_API_MARKETPLACE")
    if not marketplace:
        raise ConfigurationError("name a marketplace: --marketplace US, or SP_API_MARKETPLACE")
    return [marketplace]
