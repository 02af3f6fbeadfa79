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


def test_the_rows_become_a_file_and_their_number_is_said(
    query: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each, on stderr what there is now."""
    out = tmp_path / "rows.jsonl"
    assert run(("kiosk", query, "--out", str(out), "--emulator")) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows[0].keys() >= {"sku"}
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"{out}: {len(rows)} rows\n")


def test_as_json_there_are_the_facts_alone(query: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The query's id, the rows and the file."""
    out = tmp_path / "rows.jsonl"
    assert run(("kiosk", query, "--out", str(out), "--emulator", "--json")) == 0
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert (facts["rows"], facts["out"], said.err) == (len(out.read_text().splitlines()), str(out), "")
