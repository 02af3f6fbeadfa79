"""A program that starts with its imports done behaves like one in a new interpreter."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import warm_python

PROGRAM = """
import atexit, os, sys, threading
print(sys.argv, sys.path[0], __name__, os.getcwd(), os.environ["ASKED"], sys.modules["__main__"].__dict__ is globals())
print(sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else "")
print(os.getpid() == os.getpgrp(), sys.flags, sys.stdin.read(), sys.stdout.encoding.lower(), sys.stderr.errors)
atexit.register(print, "at the end")
threading.Thread(target=lambda: [threading.main_thread().join(), print("in a thread")]).start()
"""
LEFT_OPEN = """
class Left:
    def __del__(self): print("left open", file=sys.stderr)
left = [Left()]
left.append(left)
"""
ENDS = {
    "": 0,
    "sys.exit(3)": 3,
    "sys.exit('in words')": 1,
    f"{LEFT_OPEN}def fail(): 1 / 0\nfail()": 1,
    "os.kill(os.getpid(), 9)": -9,
    "raise KeyboardInterrupt": -signal.SIGINT,
    "sys.exit(True)": 1,
    LEFT_OPEN: 0,
}


@pytest.mark.parametrize("end", ENDS)
def test_a_warm_program_behaves_like_a_cold_one(end: str, tmp_path: Path) -> None:
    """Arguments, folders, streams, exit codes and tracebacks are the same, for a file and for a string in a session."""
    (tmp_path / "program.py").write_text(f"{PROGRAM}{end}")
    env, pipe = {**os.environ, "ASKED": "yes"}, subprocess.PIPE
    for words, session in ((["program.py", "a", "b"], False), (["-c", f"{PROGRAM}{end}", "a"], True)):
        cold = subprocess.run(
            [sys.executable, *words], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe,
            check=False, cwd=tmp_path, env=env, start_new_session=session,
        )  # fmt: skip
        warm = warm_python.start(words, cwd=tmp_path, env=env, stdout=pipe, stderr=pipe, start_new_session=session)
        assert (*warm.communicate(), warm.returncode) == (cold.stdout, cold.stderr, cold.returncode)
        assert warm.returncode == ENDS[end]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_output_that_cannot_be_written_at_the_end_is_an_error() -> None:
    """The interpreter's exit code is the same, where output is buffered until then."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    program = "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); print('lost')"
    process = warm_python.start(["-c", program], env=env, stderr=subprocess.PIPE)
    _, err = process.communicate()
    assert (process.returncode, err.splitlines()[-1]) == (120, b"OSError: [Errno 28] No space left on device")


def test_a_closed_stream_is_closed_as_in_a_new_interpreter() -> None:
    """``sys`` has None in its place, and the next file gets its number."""
    program = (
        "import os, sys; print('lost'); sys.stderr.write(f'{sys.stdout} {sys.__stdout__} {os.open(os.devnull, 0)}')"
    )
    shell = ["bash", "-c", '"$@" >&-', "bash", sys.executable, "-c", program]
    cold = subprocess.run(shell, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    warm = warm_python.start(["-c", program], stdout=warm_python.CLOSED, stderr=subprocess.PIPE)
    assert (warm.communicate()[1], warm.returncode) == (cold.stderr, cold.returncode)


def test_modules_run_as_programs() -> None:
    """A package's ``__main__`` runs with its own arguments."""
    process = warm_python.start(["-m", "spapi_async", "call"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert b"see spapi-async call --help" in err


def test_a_warm_program_can_be_polled_and_killed() -> None:
    """While it runs there is no exit code, and a wait for it can time out."""
    process = warm_python.start(["-c", "import time; time.sleep(600)"])
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.kill()
    assert process.wait(60) == process.poll() == -signal.SIGKILL


def test_a_signal_to_a_program_that_has_just_ended_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exit code is on its way from the process that forked it."""
    process = warm_python.start(["-c", "import time; time.sleep(600)"])
    monkeypatch.setattr(process, "poll", lambda: None)
    process.kill()
    with suppress(ProcessLookupError):
        while True:
            os.kill(process.pid, 0)
    process.terminate()
    assert process.wait(60) == -signal.SIGKILL


def test_it_stands_in_for_an_interpreter() -> None:
    """With the streams and the exit code of the command; this is how pytest-xdist starts workers."""
    command = [*warm_python.interpreter(), "-u", "-c", "print(input().upper()); raise SystemExit(5)"]
    done = subprocess.run(command, input=b"word\n", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (5, b"WORD\n", b"")


def test_variables_that_an_interpreter_reads_at_its_start_are_refused() -> None:
    """They would have no effect."""
    with pytest.raises(AssertionError, match="PYTHONHASHSEED"):
        warm_python.start(["-c", ""], env={**os.environ, "PYTHONHASHSEED": "1"})
