"""Hypothesis tries the same examples in every run, whichever tests run before, and says how to repeat a failure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
WINDOW, TIMES = "tests/ratelimit/test_window.py", "tests/codec/test_to_json.py"


def drawn(folder: Path, *files: str) -> dict[str, str]:
    """A digest of the examples that each test of these files was given, in this order, in a process of its own."""
    found = folder / "drawn.json"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "drawn_examples"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests/support'}"}
    done = subprocess.run(
        [*command, f"--drawn={found}", *files],
        cwd=ROOT, env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return dict(json.loads(found.read_text()))


def test_examples_depend_neither_on_order_nor_on_what_else_is_loaded(tmp_path: Path) -> None:
    """One file alone, after another one, and before it."""
    alone = drawn(tmp_path, WINDOW)
    assert len(alone) == 2
    both = drawn(tmp_path, TIMES, WINDOW)
    assert drawn(tmp_path, WINDOW, TIMES) == both
    assert alone.items() < both.items()


def test_every_run_is_the_same_and_a_failure_repeats_itself(request: pytest.FixtureRequest) -> None:
    """No chance, no memory of former failures, no clock; a failure prints its example and what repeats it."""
    if request.config.getoption("hypothesis_profile", None):
        pytest.skip("another profile was asked for")
    chosen = settings()
    assert (chosen.derandomize, chosen.database, chosen.deadline, chosen.print_blob) == (True, None, None, True)
