"""The examples of look-ups and crawls run, and the crawl of a catalogue is short."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(("name", "says"), [("look_ups", "no such item"), ("crawl_catalog", "1 not found, 0 failed")])
def test_an_example_runs(name: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It has an emulator of its own."""
    runpy.run_path(str(EXAMPLES / "look_ups" / f"{name}.py"), run_name="__main__")
    assert says in capsys.readouterr().out
