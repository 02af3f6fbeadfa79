"""Stops the PostgreSQL of a test run when no process uses it any more, however its users ended.

``shared_postgres`` starts this program beside the server, in a session of its own. Each user holds a shared lock on a
file; the system releases it when a process ends, killed or not, so the exclusive lock is granted when none is left.
Usage: ``python postgres_guard.py LOCK DIRECTORY``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path

__all__ = ["guard"]

_PATIENCE = 10.0  # seconds that a server may take to stop


def guard(lock_path: Path, directory: Path) -> None:
    """Wait for the last user; then stop the server, and remove its files and the lock."""
    with lock_path.open("r+b") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with contextlib.suppress(OSError, ValueError):  # it did not come up
            _stop(directory / "data" / "postmaster.pid")
        shutil.rmtree(directory, ignore_errors=True)
        lock_path.unlink()


def _stop(pid_file: Path) -> None:
    first, *_ = pid_file.read_text().partition("\n")
    os.kill(int(first), signal.SIGQUIT)  # at once: nothing that it holds is needed
    give_up_at = time.monotonic() + _PATIENCE
    while pid_file.exists() and time.monotonic() < give_up_at:
        time.sleep(0.01)


if __name__ == "__main__":
    guard(Path(sys.argv[1]), Path(sys.argv[2]))
