"""Ctrl-C at any moment, from the first import on, prints one line and ends with 130."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import warm_python

# Sends SIGINT to itself when it imports, after the package, the module of this number or name.
PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)

class Counter:
    left = {number}
    def find_spec(self, name, path=None, target=None):
        Counter.left -= 1
        if Counter.left == 0 or name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

import spapi_async
sys.meta_path.insert(0, Counter())
sys.argv = ["spapi-async", "operations", "--api", "sellers"]
from spapi_async.cli import main
main()
"""


@pytest.mark.parametrize(
    ("number", "name"), [(2, ""), (3, ""), (10, ""), (60, ""), (0, "rich"), (0, "spapi_async.cli.sync")]
)
def test_ctrl_c_during_any_import_ends_with_130(number: int, name: str) -> None:
    """It does not matter whose module it is."""
    program = PROGRAM.format(number=number, name=name)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "spapi-async: interrupted\n")


def test_ctrl_c_during_an_import_of_a_command_that_has_begun_ends_with_130(tmp_path: Path) -> None:
    """The client is imported in the event loop, which ends in its own way."""
    query = tmp_path / "query.graphql"
    query.write_text("{ a }")
    words = f"'kiosk', {str(query)!r}, '--out', 'rows', '--emulator'"
    program = PROGRAM.format(number=0, name="aiohttp").replace('"operations", "--api", "sellers"', words)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "spapi-async: interrupted\n")


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_ctrl_c_twice_during_a_sync_is_one_line(again: bool, tmp_path: Path) -> None:
    """The checkpoint is valid, and the line says so."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    words = ["-m", "spapi_async", "sync", "orders", "--emulator", "--database", url, "--orders", "3000"]
    pipe = subprocess.PIPE
    process = warm_python.start(words, stdout=pipe, stderr=pipe, start_new_session=True)
    while not (tmp_path / "orders.db").exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    if again:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, len(err.splitlines())) == (130, b"", 1), err
    assert err.startswith(b"spapi-async: interrupted")


def test_a_program_that_was_started_with_sigint_ignored_ignores_it() -> None:
    """A shell starts background programs so."""
    program = PROGRAM.format(number=60, name="").replace("signal.default_int_handler)", "signal.SIG_IGN)")
    program = program.replace('"operations", "--api", "sellers"', '"--version"')
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.linesep in done.stdout
