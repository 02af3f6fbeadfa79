"""The example does what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "reports" / "reports.py"


def test_the_example_runs() -> None:
    """As its docstring says, in a process of its own."""
    done = subprocess.run([sys.executable, str(EXAMPLE)], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "60 listings",
        "120 orders",
        "the same report after a restart: True",
        "cancelled, asked for: False",
    ]
