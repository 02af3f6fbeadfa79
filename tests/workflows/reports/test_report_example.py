"""The example of reports runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import warm_python

EXAMPLE = Path(__file__).parents[3] / "examples" / "reports" / "reports.py"


def test_the_example_runs() -> None:
    """It is run as its docstring says, in a process of its own."""
    process = warm_python.start([str(EXAMPLE)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, complaint = process.communicate(120)
    assert (process.returncode, complaint) == (0, b"")
    assert out.decode().splitlines() == [
        "60 listings",
        "120 orders",
        "the same report after a restart: True",
        "cancelled; somebody asked for it: False",
    ]
