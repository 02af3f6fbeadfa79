"""A program that gets a report, submits a listings feed and reads a query takes at most sixteen lines."""

from __future__ import annotations

import ast
import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from spapi_async.emulator import Emulator

PROGRAM = Path(__file__).parents[3] / "examples/feeds/three_jobs.py"
MOST_LINES = 16
AFTER_ITS_MONTH = datetime(2026, 11, 15, tzinfo=UTC).timestamp()


def lines_of_code(source: str) -> int:
    """The number of lines that are not blank, a comment or a docstring, imports included."""
    tree = ast.parse(source)
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(source.splitlines(), 1)
    return sum(bool(line.strip()) and not line.strip().startswith("#") for at, line in lines if at not in docstrings)


def test_the_program_is_short() -> None:
    """The whole program counts, and no line is longer than others may be."""
    source = PROGRAM.read_text(encoding="utf-8")
    assert lines_of_code(source) <= MOST_LINES
    assert max(map(len, source.splitlines())) <= 120
    assert ";" not in source


def test_lines_are_counted() -> None:
    """Imports and each line of a statement count."""
    assert lines_of_code('"""A\nb."""\n\nimport x  # why\n# a comment\nx(\n    1,\n)\n') == 4


async def test_the_program_does_all_three() -> None:
    """It runs in a process of its own, with the environment alone."""
    async with Emulator(processing=0.0, orders=200, listings=20, anchor=AFTER_ITS_MONTH) as emulator:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SP_API_", "LWA_"))},
            "SP_API_REFRESH_TOKEN": "Atzr|three",
            "LWA_APP_ID": "amzn1.application-oa2-client.three",
            "LWA_CLIENT_SECRET": "a-made-up-secret",
            "SP_API_MARKETPLACE": "US",
            "SP_API_SELLER_ID": "A1EXAMPLE",
            "SP_API_ENDPOINT": emulator.url,
        }
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), stdout=pipe, stderr=pipe, env=environment
        )
        said, complaint = await process.communicate()
        assert (process.returncode, complaint) == (0, b"")
        requests = {name: count["requests"] for name, count in emulator.stats()["operations"].items()}
    outcomes, units = said.decode().splitlines()
    assert [accepted for _, accepted in ast.literal_eval(outcomes)] == [True, True, True]
    assert int(units.removesuffix(" units")) > 0
    created = ("reports_2021_06_30.create_report", "feeds_2021_06_30.create_feed", "data_kiosk_2023_11_15.create_query")
    assert [requests[name] for name in created] == [1, 1, 1]
