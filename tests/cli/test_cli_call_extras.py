"""``spapi-async call``: violations in a file, and operations that Amazon takes away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spapi_async.cli.application import run


def test_a_call_lists_violations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is a line for each path, without values."""
    file = tmp_path / "violations.jsonl"
    words = ["call", "orders_v0.get_orders", "--marketplace-ids", "US", "--created-after", "2020-01-01T00:00:00Z"]
    assert run([*words, "--emulator", "--orders", "200", "--violations", str(file)]) == 0
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert found
    assert {entry["operation"] for entry in found} == {"orders_v0.get_orders"}
    assert all(entry["path"].startswith("$.") for entry in found)
    assert "orders_v0.get_orders on 2027-03-27; use " in capsys.readouterr().err


def test_a_call_of_a_lasting_operation_prints_no_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """Only announced removals are printed."""
    assert run(["call", "sellers_v1.get_marketplace_participations", "--emulator"]) == 0
    assert capsys.readouterr().err == ""
