"""``spapi-async kiosk``: a query's rows in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kiosk_queries import QUERY

from spapi_async.cli.application import run


@pytest.fixture
def query(tmp_path: Path) -> str:
    """A file with a query."""
    path = tmp_path / "query.graphql"
    path.write_text(QUERY)
    return str(path)


def test_the_rows_are_written_and_counted(query: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file has a line for each row; stderr has their number."""
    out = tmp_path / "rows.jsonl"
    assert run(("kiosk", query, "--out", str(out), "--emulator")) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows[0].keys() >= {"sku"}
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"{out}: {len(rows)} rows\n")


def test_json_output_has_only_the_facts(query: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are the query's id, the number of rows and the file."""
    out = tmp_path / "rows.jsonl"
    assert run(("kiosk", query, "--out", str(out), "--emulator", "--json")) == 0
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert (facts["rows"], facts["out"], said.err) == (len(out.read_text().splitlines()), str(out), "")
