"""The PostgreSQL that the workers of a run share ends with the last of them, killed or not."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
import warm_python
from shared_postgres import used

SERVER = """
import signal, sys
from pathlib import Path
pid_file = Path(sys.argv[1])
def end(*_):
    pid_file.unlink()
    sys.exit(0)
signal.signal(signal.SIGQUIT, end)
print(flush=True)
while True:
    signal.pause()
"""
WORKER = """
import signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from shared_postgres import used
with used(Path(sys.argv[2])):
    print(flush=True)
    signal.pause()
"""


def started(*words: str) -> warm_python.Process:
    """A program that has printed its first line."""
    process = warm_python.start(["-c", *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"\n"
    return process


@pytest.mark.parametrize("killed", [False, True])
def test_a_server_ends_after_its_last_user(tmp_path: Path, killed: bool) -> None:
    """It does not end before; its files and the lock are removed, and the next user starts another."""
    directory = tmp_path / "postgres-run"
    worker = started(WORKER, str(Path(__file__).parent / "support"), str(directory))
    (directory / "data").mkdir()
    server = started(SERVER, str(directory / "data" / "postmaster.pid"))
    (directory / "data" / "postmaster.pid").write_text(f"{server.pid}\n{directory}\n")
    with used(directory):
        worker.kill() if killed else worker.send_signal(signal.SIGINT)
        worker.communicate()
        assert directory.exists()
        assert server.poll() is None
    server.communicate(timeout=60)
    assert server.returncode == 0
    give_up_at = time.monotonic() + 60
    while directory.with_name("postgres-run.lock").exists() and time.monotonic() < give_up_at:
        time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []
    with used(directory):
        assert list(directory.iterdir()) == []
