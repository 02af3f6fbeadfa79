"""``spapi-async crawl``: one command from a file of identifiers to a file of items."""

from __future__ import annotations

import gzip
import io
import json
import os
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from spapi_async import ConfigurationError
from spapi_async.cli.application import run
from spapi_async.cli.crawl import parse_age
from spapi_async.cli.exit_codes import exit_code
from spapi_async.emulator.data.products import product_at

ASINS = [product_at(0, number).asin for number in range(60)]
EMULATOR = ("--emulator", "--rate-scale", "50", "--marketplace", "US")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the gzipped identifiers."""
    monkeypatch.chdir(tmp_path)
    Path("asins.txt.gz").write_bytes(gzip.compress("\n".join([*ASINS, "B000000000"]).encode()))


def crawl(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, float]:
    """The JSON that a crawl prints."""
    assert run(["crawl", *words, *EMULATOR, "--json"]) == code
    said: dict[str, float] = json.loads(capsys.readouterr().out)
    return said


def test_one_command_crawls_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Run again, it has nothing to do, until answers are old or failures are to be tried again."""
    Path("asins.txt.gz").write_bytes(gzip.compress("\n".join([*ASINS, "B000000000", "bad"]).encode()))
    words = ("catalog", "--input", "asins.txt.gz", "--output", "items.jsonl", "--include", "summaries")
    first = crawl(capsys, *words, code=4)
    assert (first["found"], first["not found"], first["failed"], first["throttled"]) == (60, 1, 1, 0)
    assert len(Path("items.jsonl").read_text().splitlines()) == 60
    again = crawl(capsys, *words)
    assert (again["done before"], again["requests"]) == (62, 0)
    assert crawl(capsys, *words, "--retry-failed", code=4)["failed"] == 1
    assert crawl(capsys, *words, "--older-than", "0m")["found"] == 60


@pytest.mark.parametrize("output", ["items.jsonl", "sqlite:///items.db"])
def test_failed_look_ups_are_an_error(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line says where they are listed; missing items are no failures, and nor are those of an earlier run."""
    Path("ids.txt").write_text(f"{ASINS[0]}\nB000000000\nbad\nworse\n")
    words = ["crawl", "catalog", "--input", "ids.txt", "--output", output, *EMULATOR]
    assert run(words) == 4
    said = capsys.readouterr()
    listed = "items.failed.jsonl" if output == "items.jsonl" else "the view failed"
    assert said.err == f"spapi-async: 2 look-ups failed: {listed} says why, --retry-failed tries again\n"
    assert "found" in said.out
    assert output != "items.jsonl" or "bad" in Path(listed).read_text()
    Path("ids.txt").write_text(f"{ASINS[1]}\nB000000001\nbad\nworse\n")
    assert run(words) == 0
    assert capsys.readouterr().err == ""
    Path("ids.txt").write_text("bad\n")
    assert run([*words, "--retry-failed"]) == 4
    assert "1 look-up failed" in capsys.readouterr().err


def test_identifiers_come_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output may be a database."""
    piped = io.BufferedReader(io.BytesIO("\n".join(ASINS).encode()))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=piped))
    said = crawl(capsys, "pricing", "--input", "-", "--output", "sqlite:///offers.db")
    assert said["found"] == 60
    assert Path("offers.db").exists()


def test_a_pipe_is_read_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A shell makes one of ``--input <(zcat asins.gz)``: counting it first would use it up."""
    reading, writing = os.pipe()
    os.write(writing, "\n".join(ASINS).encode())
    os.close(writing)
    said = crawl(capsys, "catalog", "--input", f"/dev/fd/{reading}", "--output", "items.jsonl")
    os.close(reading)
    assert said["found"] == 60


def test_several_sellers_crawl_the_catalogue_together(capsys: pytest.CaptureFixture[str]) -> None:
    """Crawls of data that belongs to one seller are refused."""
    entry = '[[sellers]]\nmarketplace = "US"\nrefresh_token = "Atzr|x"\n'
    Path("sellers.toml").write_text(entry + entry)
    words = ("--input", "asins.txt.gz", "--output", "items.jsonl", "--sellers", "sellers.toml", *EMULATOR)
    assert run(["crawl", "catalog", *words]) == 0
    assert "found" in capsys.readouterr().out
    assert run(["crawl", "pricing", *words]) == 2
    assert "takes one seller, not 2" in capsys.readouterr().err


def test_tags_choose_among_the_sellers(capsys: pytest.CaptureFixture[str]) -> None:
    """Data of the single remaining seller can be crawled; an unknown tag is an error."""
    entry = '[[sellers]]\nmarketplace = "US"\nrefresh_token = "Atzr|x"\n'
    Path("sellers.toml").write_text(f'{entry}tags = ["eu"]\n{entry}')
    words = ("--input", "asins.txt.gz", "--output", "items.jsonl", "--sellers", "sellers.toml", *EMULATOR)
    assert run(["crawl", "pricing", *words, "--tag", "eu"]) == 0
    assert run(["crawl", "pricing", *words, "--tag", "us"]) == 2
    assert "no seller has the tags us" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("catalog", "--input", "none.txt", "--output", "items.jsonl"),
        ("catalog", "--input", "asins.txt.gz", "--output", "items.csv"),
        ("catalog", "--input", "asins.txt.gz", "--output", "items.jsonl", "--older-than", "soon"),
        ("pricing", "--input", "asins.txt.gz", "--output", "items.jsonl", "--include", "images"),
        ("orders", "--input", "asins.txt.gz", "--output", "items.jsonl"),
    ],
)
def test_invalid_arguments_of_a_crawl_are_usage_errors(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says why."""
    assert run(["crawl", *words, *EMULATOR]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_crawl_without_a_marketplace_says_how_to_name_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the option of the command line."""
    monkeypatch.delenv("SP_API_MARKETPLACE", raising=False)
    words = ("--input", "asins.txt.gz", "--output", "items.jsonl", "--emulator")
    assert run(["crawl", "catalog", *words]) == 2
    assert "name a marketplace: --marketplace US" in capsys.readouterr().err


def test_ages_have_units_of_one_letter() -> None:
    """Units are minutes, hours, days and weeks."""
    assert [parse_age(text) for text in ("30m", "12h", "7d", "2w", "1.5d")] == [
        timedelta(minutes=30),
        timedelta(hours=12),
        timedelta(days=7),
        timedelta(weeks=2),
        timedelta(hours=36),
    ]
    for text in ("7 days", "9999999d", f"{'9' * 400}w"):
        with pytest.raises(ConfigurationError, match="7d"):
            parse_age(text)


def test_a_full_disk_has_the_exit_code_of_a_failed_output() -> None:
    """It does not have that of a bug."""
    assert exit_code(OSError(28, "No space left on device")) == 7
