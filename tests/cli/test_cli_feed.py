"""``spapi-async feed``: submits a file and prints its result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from order_databases import CREDENTIALS

from spapi_async.cli.application import run
from spapi_async.emulator.server import Emulator


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials, and a home directory of the test's own."""
    for name, value in {**CREDENTIALS, "XDG_STATE_HOME": str(tmp_path / "state")}.items():
        monkeypatch.setenv(name, value)


def feed(emulator: Emulator, *words: str) -> int:
    """The exit code of ``feed`` with the emulator."""
    return run(["feed", *words, "--marketplace", "US", "--endpoint", emulator.url])


@pytest.mark.spapi_emulator(throttle=False)
def test_a_listings_feed_says_what_was_refused(
    spapi_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 4 if Amazon refused a message; counts and issues are text or JSON."""
    file = tmp_path / "feed.json"
    messages = [{"messageId": 1, "sku": "GONE", "operationType": "DELETE"}]
    file.write_text(json.dumps({"header": {"sellerId": "A", "version": "2.0"}, "messages": messages}))
    assert feed(spapi_emulator, "JSON_LISTINGS_FEED", str(file)) == 4
    out = capsys.readouterr().out
    assert "1 messages, 0 accepted" in out
    assert "ERROR GONE: SKU GONE does not exist. (4000002)" in out
    assert feed(spapi_emulator, "JSON_LISTINGS_FEED", str(file), "--json") == 4
    facts = json.loads(capsys.readouterr().out)
    assert facts["summary"]["messages_invalid"] == 1
    assert facts["issues"][0]["sku"] == "GONE"


@pytest.mark.spapi_emulator(throttle=False)
def test_a_processing_report_is_printed_or_saved(
    spapi_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes to standard output or to the given file."""
    file, report = tmp_path / "stock.txt", tmp_path / "report.txt"
    file.write_text("sku\tquantity\n")
    assert feed(spapi_emulator, "POST_FLAT_FILE_INVLOADER_DATA", str(file)) == 0
    assert "records successful" in capsys.readouterr().out
    assert feed(spapi_emulator, "POST_FLAT_FILE_INVLOADER_DATA", str(file), "--out", str(report)) == 0
    assert capsys.readouterr().out == ""
    assert "records successful" in report.read_text()


@pytest.mark.spapi_emulator(throttle=False)
def test_a_missing_or_unreadable_file_is_refused(
    spapi_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent."""
    assert feed(spapi_emulator, "X", str(tmp_path / "missing")) == 2
    assert "is not a file" in capsys.readouterr().err
    assert not spapi_emulator.received
