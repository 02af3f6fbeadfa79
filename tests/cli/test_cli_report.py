"""``spapi-async report``: a report as a file, the types, and lists of reports."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import warm_python
from order_databases import CREDENTIALS
from report_fixtures import ALL_ORDERS, LISTINGS, calls
from rich.console import Console

from spapi_async.cli.application import run
from spapi_async.cli.moments import parse_moment, parse_span
from spapi_async.cli.report_bar import ReportBar, run_state
from spapi_async.emulator.server import Emulator
from spapi_async.errors import ConfigurationError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials, a home directory of the test's own, and a wide terminal."""
    for name, value in {**CREDENTIALS, "XDG_STATE_HOME": str(tmp_path / "state"), "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)


def report(emulator: Emulator, *words: str) -> int:
    """The exit code of ``report`` with the emulator."""
    return run(["report", *words, "--endpoint", emulator.url])


@pytest.mark.spapi_emulator(throttle=False)
def test_a_report_becomes_a_file(spapi_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is as Amazon made it, decompressed; a line says what was written."""
    out = tmp_path / "listings.txt"
    assert report(spapi_emulator, LISTINGS, "--marketplace", "US", "--out", str(out)) == 0
    assert len(out.read_text("cp1252").splitlines()) == 61
    output = capsys.readouterr()
    assert output.out == ""
    assert f"{out}: {out.stat().st_size:,} bytes of {LISTINGS}" in output.err


@pytest.mark.parametrize("out", ["-", "rows.jsonl"])
@pytest.mark.spapi_emulator(throttle=False)
def test_rows_are_written_as_json_lines(
    spapi_emulator: Emulator, tmp_path: Path, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go to a file or to standard output, which holds nothing else."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written))
    target = out if out == "-" else str(tmp_path / out)
    assert report(spapi_emulator, LISTINGS, "--marketplace", "US", "--out", target, "--format", "jsonl") == 0
    text = written.getvalue() if out == "-" else (tmp_path / out).read_bytes()
    rows = [json.loads(line) for line in text.splitlines()]
    assert len(rows) == 60
    assert rows[0]["seller-sku"]


@pytest.mark.spapi_emulator(throttle=False)
def test_rows_are_written_as_utf_8(spapi_emulator: Emulator, tmp_path: Path) -> None:
    """Amazon may have chosen another encoding; --option reaches Amazon."""
    out = tmp_path / "listings.tsv"
    words = [LISTINGS, "--marketplace", "US", "--out", str(out), "--format", "tsv"]
    assert report(spapi_emulator, *words, "--option", "emulatorCharset=windows-1252") == 0
    assert "Nørre" in out.read_text("utf-8")


@pytest.mark.spapi_emulator(throttle=False)
def test_rows_are_written_as_parquet(spapi_emulator: Emulator, tmp_path: Path) -> None:
    """The file has text columns."""
    out = tmp_path / "listings.parquet"
    words = [LISTINGS, "--marketplace", "US", "--out", str(out), "--format", "parquet"]
    assert report(spapi_emulator, *words) == 0
    assert out.read_bytes()[:4] == b"PAR1"


@pytest.mark.spapi_emulator(throttle=False)
def test_the_name_of_the_file_says_the_format(spapi_emulator: Emulator, tmp_path: Path) -> None:
    """``--format`` takes precedence over the name."""
    words = [LISTINGS, "--marketplace", "US", "--option", "emulatorCharset=windows-1252"]
    beginnings = {"a.parquet": b"PAR1", "b.jsonl": b'{"', "c.txt": b"seller-sku\t", "d.tsv": b"seller-sku\t"}
    for name, beginning in beginnings.items():
        assert report(spapi_emulator, *words, "--out", str(tmp_path / name)) == 0
        assert (tmp_path / name).read_bytes().startswith(beginning)
    brand = "Nørre"
    assert brand.encode("cp1252") in (tmp_path / "c.txt").read_bytes()
    assert brand.encode() in (tmp_path / "d.tsv").read_bytes()
    for name in ("b.jsonl", "d.tsv"):
        assert report(spapi_emulator, *words, "--out", str(tmp_path / f"{name}.gz")) == 0
        assert gzip.decompress((tmp_path / f"{name}.gz").read_bytes()) == (tmp_path / name).read_bytes()
    assert report(spapi_emulator, *words, "--out", str(tmp_path / "e.parquet"), "--format", "jsonl") == 0
    assert (tmp_path / "e.parquet").read_bytes().startswith(b'{"')


@pytest.mark.spapi_emulator(throttle=False)
def test_json_output_has_the_ids_and_the_file(
    spapi_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is one object for programs."""
    out = tmp_path / "orders.txt"
    words = [ALL_ORDERS, "--marketplace", "US", "--start", "2026-01-01", "--end", "2026-01-20", "--no-data", "empty"]
    assert report(spapi_emulator, *words, "--out", str(out), "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["type"], facts["bytes"], len(facts["report_ids"])) == (ALL_ORDERS, 0, 1)
    assert out.read_bytes() == b""


@pytest.mark.spapi_emulator(throttle=False)
def test_a_cancelled_report_is_one_line(
    spapi_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It leaves no file."""
    out = tmp_path / "orders.txt"
    words = [ALL_ORDERS, "--marketplace", "US", "--start", "2026-01-01", "--end", "2026-01-20"]
    assert report(spapi_emulator, *words, "--out", str(out)) == 4
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "no data to return" in complaint
    assert not out.exists()


@pytest.mark.spapi_emulator(throttle=False, processing=3.0)
def test_ctrl_c_leaves_a_run_that_the_same_command_picks_up(spapi_emulator: Emulator, tmp_path: Path) -> None:
    """It prints one line, ends with 130, and one report is made in the end."""
    out = tmp_path / "listings.txt"
    words = ["report", LISTINGS, "--marketplace", "US", "--out", str(out), "--endpoint", spapi_emulator.url]
    command = ["-m", "spapi_async", *words]
    first = warm_python.start(command, stderr=subprocess.PIPE)
    while not calls(spapi_emulator, "reports_2021_06_30.get_report"):
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGINT)
    _, complaint = first.communicate(timeout=60)
    assert first.returncode == 130
    assert complaint.decode().count("\n") == 1
    assert "run the same command again" in complaint.decode()
    assert warm_python.start(command).wait(60) == 0
    assert len(out.read_text("cp1252").splitlines()) == 61
    assert calls(spapi_emulator) == 1


@pytest.mark.spapi_emulator(throttle=False, processing=3600.0)
def test_open_runs_and_amazons_reports_are_listed(
    spapi_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a type they are those of the journal, with one those of Amazon."""
    words = ["-m", "spapi_async", "report", LISTINGS, "--marketplace", "US", "--out", "unused"]
    waiting = warm_python.start([*words, "--endpoint", spapi_emulator.url], stderr=subprocess.DEVNULL)
    while not calls(spapi_emulator, "reports_2021_06_30.get_report"):
        time.sleep(0.01)
    waiting.kill()
    waiting.wait()
    assert report(spapi_emulator, "list", "--json") == 0
    (mine,) = json.loads(capsys.readouterr().out)
    spapi_emulator.add_report(LISTINGS, age=7200)
    assert report(spapi_emulator, "list", LISTINGS, "--json") == 0
    at_amazon = json.loads(capsys.readouterr().out)
    assert [each["status"] for each in at_amazon] == ["IN_QUEUE", "DONE"]
    assert mine["report_id"] == at_amazon[0]["report_id"]
    assert report(spapi_emulator, "list", LISTINGS) == 0
    assert "2 reports" in capsys.readouterr().out


@pytest.mark.spapi_emulator(throttle=False)
def test_without_the_journals_extra_only_a_run_can_be_lost(
    spapi_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amazon's reports are listed without a warning, and open runs, which only a journal knows, not at all."""
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert report(spapi_emulator, LISTINGS, "--marketplace", "US", "--out", str(tmp_path / "listings.txt")) == 0
    assert "no journal: an interrupted run is lost" in capsys.readouterr().err
    assert report(spapi_emulator, "list", LISTINGS) == 0
    output = capsys.readouterr()
    assert (LISTINGS in output.out, output.err) == (True, "")
    assert report(spapi_emulator, "list") == 2
    output = capsys.readouterr()
    extra = 'pip install "spapi-async[sync]"'
    assert (output.out, output.err) == ("", f"spapi-async: the journal of open runs needs an extra: {extra}\n")
    assert run(["report", "list", "--emulator"]) == 0  # it keeps no journal anyway


def test_the_types_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """They are a table, or JSON with every fact."""
    assert run(["report", "types", "--search", "ledger"]) == 0
    assert "GET_LEDGER_DETAIL_VIEW_DATA" in capsys.readouterr().out
    assert run(["report", "types", "--restricted", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 16
    assert all(each["restricted"] for each in found)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--out", "x"], "SP_API_MARKETPLACE"),
        (["--out", "-", "--marketplace", "US", "--json"], "standard output"),
        (["--out", "-", "--marketplace", "US", "--format", "parquet"], "name a file"),
        (["--out", "x", "--marketplace", "US", "--start", "yesterday"], "--start takes ISO 8601"),
        (["--out", "x", "--marketplace", "US", "--reuse", "soon"], "--reuse takes"),
        (["--out", "x.parquet.gz", "--marketplace", "US"], "Parquet is compressed already"),
        (["--out", "x", "--marketplace", "US", "--option", "novalue"], "--option takes NAME=VALUE"),
        (["--out", "x", "--marketplace", "US", "--no-data", "empty"], "shows how things are"),
        (["--out", "x", "--marketplace", "US", "--journal", "mysql://x/y"], "not supported"),
    ],
)
def test_invalid_arguments_of_a_report_are_refused(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line is printed, and nothing is sent."""
    assert run(["report", LISTINGS, *words, "--endpoint", "http://127.0.0.1:9"]) == 2
    assert why in capsys.readouterr().err


@pytest.mark.spapi_emulator(throttle=False)
def test_a_format_of_rows_needs_rows(spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """A JSON report is not converted."""
    words = ["GET_VENDOR_FORECASTING_REPORT", "--marketplace", "US", "--out", "-", "--format", "tsv"]
    assert report(spapi_emulator, *words) == 2
    assert "is JSON, not rows" in capsys.readouterr().err


def test_durations_and_times_are_parsed() -> None:
    """Units have one letter; times without a zone are UTC."""
    span, moment = parse_span("--reuse", "90m"), parse_moment("--start", "2026-01-31")
    assert span is not None
    assert moment is not None
    assert (span.total_seconds(), moment.isoformat()) == (5400.0, "2026-01-31T00:00:00+00:00")
    with pytest.raises(ConfigurationError):
        parse_span("--reuse", "9999999d")


def test_an_emulator_in_the_process_needs_no_journal(tmp_path: Path) -> None:
    """Its reports end with it."""
    out = tmp_path / "listings.txt"
    words = [LISTINGS, "--emulator", "--rate-scale", "100", "--marketplace", "US", "--out", str(out)]
    assert run(["report", *words]) == 0
    assert out.exists()
    assert not (tmp_path / "state").exists()


class WaitingRun:
    """The part of a run that the bar reads."""

    status = "IN_PROGRESS"
    next_poll_in = 7.0


async def test_the_bar_moves_on_a_terminal() -> None:
    """It shows the state and the next poll, and then the bytes that were read."""
    drawn = io.StringIO()
    bar = ReportBar(Console(file=drawn, force_terminal=True, width=120), LISTINGS)
    async with bar.shown():
        bar.follow(WaitingRun())
        await asyncio.sleep(0.6)
    assert "IN_PROGRESS, next poll in 7 s" in drawn.getvalue()


def test_the_bar_shows_the_state_of_a_run() -> None:
    """It also shows when Amazon is polled again."""
    assert run_state("PLANNED", None) == "waiting for quota"
    assert run_state("IN_PROGRESS", 11.7) == "IN_PROGRESS, next poll in 12 s"
    assert ReportBar(Console(file=io.StringIO()), LISTINGS).state() == "requesting"
