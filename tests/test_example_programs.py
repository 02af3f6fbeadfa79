"""Every program of the guides runs, and every command line in them is valid."""

from __future__ import annotations

import functools
import re
import runpy
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import warm_python

from spapi_async.cli.application import app

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*/*.py"))
PAGES = [ROOT / "README.md", *sorted(EXAMPLES.glob("*/README.md"))]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("calls/priorities.py", r"(order was updated on .* with \d+ bulk calls waiting\n){5}"),
        ("notifications/without_a_queue.py", r"(ORDER_CHANGE [\d-]+ \w+\n){3}"),
        ("personal_data/buyers.py", r"no buyer is stored by default\n.+ of .+ has a buyer, encrypted on disk\n"),
    ],
)
def test_a_program_runs(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is run as its docstring says, on an emulator of its own."""
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert re.fullmatch(said, capsys.readouterr().out)


def test_the_example_of_tests_passes() -> None:
    """It is run as its docstring says, without this repository's configuration."""
    words = ["-c", "/dev/null", "--rootdir", str(EXAMPLES), "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
    command = ["-m", "pytest", "-q", *words, str(EXAMPLES / "testing" / "test_my_orders.py")]
    process = warm_python.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, b"4 passed" in out) == (0, True), out + err


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: str(program.relative_to(EXAMPLES)))
def test_a_program_is_linked_and_run_by_a_test(program: Path) -> None:
    """Its guide links to it, and a test has its name (without ``.py`` if it is imported)."""
    assert f"]({program.name})" in (program.parent / "README.md").read_text(encoding="utf-8")
    named = re.compile(rf"\b{program.stem}(\.py)?\"|\b{program.stem}:")
    assert any(named.search(text) for text in texts_of_tests() if program.stem in text)


@functools.cache
def texts_of_tests() -> list[str]:
    """Every test file, read once for all programs."""
    return [test.read_text(encoding="utf-8") for test in (ROOT / "tests").rglob("test_*.py")]


def command_lines() -> list[str]:
    """Every command line in a block of README and guides, without its comment."""
    found = []
    fence = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for page in PAGES:
        for language, block in fence.findall(page.read_text(encoding="utf-8")):
            for line in block.splitlines() if not language else ():
                found += [part.strip() for part in line.split("&&") if part.strip().startswith("spapi-async ")]
    return found


def replace_callbacks(command: Any, ran: list[dict[str, Any]]) -> None:
    """Make every command record its arguments instead of doing anything."""
    if hasattr(command, "commands"):
        for below in command.commands.values():
            replace_callbacks(below, ran)
        command.callback = None if command.callback is None else lambda **_: None
    else:
        command.callback = lambda **arguments: ran.append(arguments)


def test_there_are_command_lines() -> None:
    """The search above finds them."""
    assert len(command_lines()) > 20


@pytest.fixture(scope="module")
def recording() -> tuple[Any, list[dict[str, Any]]]:
    """The command, and the arguments of what it ran; it takes ten times as long to make as to run."""
    command, ran = typer.main.get_command(app), list[dict[str, Any]]()
    replace_callbacks(command, ran)
    return command, ran


@pytest.mark.parametrize("line", sorted(set(command_lines())))
def test_a_command_line_of_the_guides_is_valid(
    line: str, recording: tuple[Any, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Command, options and arguments exist, and their values have the right type."""
    monkeypatch.setenv("SP_API_REDIS", "redis://localhost")
    command, ran = recording
    ran.clear()
    command.main(args=shlex.split(line, comments=True)[1:], prog_name="spapi-async", standalone_mode=False)
    assert len(ran) == 1
