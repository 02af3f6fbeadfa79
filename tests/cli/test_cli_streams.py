"""Where output goes, and what happens when it cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import warm_python
from feed_fixtures import CREATE as CREATE_FEED
from order_databases import CREDENTIALS
from report_fixtures import CREATE, LISTINGS, calls

from spapi_async.emulator.server import Emulator


def shell(redirection: str, *words: str, warm: bool = False) -> tuple[int, str, str]:
    """Exit code, output and errors of ``spapi-async``; a shell redirects its streams, and closes none if ``warm``."""
    python = warm_python.interpreter() if warm else [sys.executable]
    command = f'"$@" {redirection}'
    program = ["bash", "-o", "pipefail", "-c", command, "bash", *python, "-m", "spapi_async", *words]
    done = subprocess.run(
        program, env={**os.environ, **CREDENTIALS}, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def with_closed_output(*words: str) -> tuple[int, str, str]:
    """The same, without a standard output."""
    process = warm_python.start(
        ["-m", "spapi_async", *words],
        env={**os.environ, **CREDENTIALS}, stdout=warm_python.CLOSED, stderr=subprocess.PIPE,
    )  # fmt: skip
    _, complaint = process.communicate(timeout=120)
    return process.wait(), "", complaint.decode()


def with_full_output(*words: str) -> tuple[int, str, str]:
    """The same, on a disk that is full."""
    return shell(">/dev/full", *words, warm=True)


@pytest.mark.parametrize(
    ("command", "says"),
    [(with_closed_output, "Bad file descriptor"), (with_full_output, "No space left on device")],
    ids=["closed", "full"],
)
@pytest.mark.spapi_emulator(throttle=False)
def test_output_that_cannot_be_written_is_an_error(
    spapi_emulator: Emulator, tmp_path: Path, command: Callable[..., tuple[int, str, str]], says: str
) -> None:
    """It is one line with the code of a failed file, also when a socket would get the stream's descriptor."""
    report = ["report", LISTINGS, "--marketplace", "US", "--out", "-", "--endpoint", spapi_emulator.url]
    for words in ([*report, "--journal", f"sqlite:///{tmp_path / 'runs.db'}"], ["report", "types"]):
        code, _, complaint = command(*words)
        assert (code, says in complaint, len(complaint.splitlines())) == (7, True, 1), complaint


def test_output_that_is_closed_before_the_imports_is_an_error() -> None:
    """No import replaces it."""
    code, _, complaint = shell(">&-", "--version")
    assert (code, complaint) == (7, "spapi-async: Bad file descriptor\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize(
    ("code", "ends", "says"),
    [(0, 7, b"spapi-async: standard output: No space left on device\n"), (4, 4, b"")],
    ids=["a result", "after an error"],
)
def test_output_left_in_the_buffer_that_cannot_be_written_is_an_error(code: int, ends: int, says: bytes) -> None:
    """It is one line with the code of a failed file, unless the command has failed already and said why."""
    program = f"""
import os
from spapi_async import cli

def command(_):
    print("a result")
    return {code}

cli._imported = lambda: command
os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
cli.main()
"""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = warm_python.start(["-c", program], env=env, stderr=subprocess.PIPE)
    _, complaint = process.communicate(timeout=120)
    assert (process.returncode, complaint) == (ends, says)


def test_json_that_cannot_be_written_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a buffer, which containers often turn off, the error's own JSON cannot be written either."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    code, _, complaint = shell(">/dev/full", "operations", "--json", warm=True)
    assert (code, complaint) == (7, "spapi-async: No space left on device\n")


@pytest.mark.spapi_emulator(throttle=False)
def test_a_file_is_written_with_every_stream_closed(spapi_emulator: Emulator, tmp_path: Path) -> None:
    """Some service managers start programs like this."""
    out = tmp_path / "report.tsv"
    words = ["report", LISTINGS, "--marketplace", "US", "--out", str(out), "--endpoint", spapi_emulator.url]
    closed = warm_python.CLOSED
    process = warm_python.start(
        ["-m", "spapi_async", *words, "--journal", f"sqlite:///{tmp_path / 'runs.db'}"],
        env={**os.environ, **CREDENTIALS}, stdin=closed, stdout=closed, stderr=closed,
    )  # fmt: skip
    assert process.wait(120) == 0
    assert len(out.read_text("cp1252").splitlines()) == 61


def test_a_closed_pipe_ends_the_command_silently() -> None:
    """``| head`` does not end it with the code of a bug."""
    code, _, complaint = shell("| true", "operations", "--json", warm=True)
    assert code in (0, 7)
    assert complaint == ""


@pytest.mark.parametrize("out", ["", "folder", "missing/file", "new/"])
@pytest.mark.spapi_emulator(throttle=False)
def test_an_impossible_target_is_refused_before_anything_is_sent(
    spapi_emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    out: str,
) -> None:
    """Each command that waits an hour before it writes checks it."""
    from spapi_async.cli.application import run

    for name, value in {**CREDENTIALS, "XDG_STATE_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("query.graphql").write_text("{ a }", encoding="utf-8")
    for words in (["report", LISTINGS], ["kiosk", "query.graphql"], ["feed", "POST_PRODUCT_DATA", "query.graphql"]):
        place = [] if words[0] == "kiosk" else ["--marketplace", "US"]
        assert run([*words, *place, "--out", out, "--endpoint", spapi_emulator.url]) == 2
        assert "cannot write to --out" in capsys.readouterr().err
    assert (calls(spapi_emulator, CREATE), calls(spapi_emulator, CREATE_FEED)) == (0, 0)
