"""The command line in a process that is killed at a chosen moment of a run, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import warm_python
from order_databases import CREDENTIALS
from request_counts import requests_of

from spapi_async.emulator.server import Emulator

__all__ = ["HELD", "KilledCommand", "faults"]

# The command line as a user starts it, but the minute that it waits for lost requests is a second, and polls are quick.
PROGRAM = """
import os, signal, sys
from spapi_async.workflows import journal
from spapi_async.workflows.runs import _poller, _steps

_steps.POLITE_SECONDS, _steps.LOOK_AGAIN_SECONDS, _steps.SETTLED_SECONDS = 0.1, 0.2, 1.5
_poller.pause = lambda waiting, terms: 0.05

def killing(method, stage, when):
    async def swap(self, old, new):
        if new.stage == stage and when == 'before':
            os.kill(os.getpid(), signal.SIGKILL)
        done = await method(self, old, new)
        if new.stage == stage:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return swap

if sys.argv[1]:
    stage, when = sys.argv[1].split()
    journal.Journal.swap = killing(journal.Journal.swap, stage, when)
from spapi_async.cli import main
sys.argv = ['spapi-async', *sys.argv[2:]]
main()
"""


class KilledCommand:
    """A command that is started several times with one journal."""

    def __init__(self, emulator: Emulator, words: Sequence[str]) -> None:
        self.emulator = emulator
        self._words = words

    def start(self, kill_at: str = "") -> warm_python.Process:
        """Start the command, to be killed ``before`` or ``after`` a stage is recorded in the journal."""
        words = ["-c", PROGRAM, kill_at, *self._words]
        return warm_python.start(words, env={**os.environ, **CREDENTIALS}, stderr=subprocess.PIPE)

    def kill_when(self, ready: Callable[[], bool]) -> None:
        """Start the command, and kill it as soon as ``ready`` returns true."""
        process = self.start()
        give_up_at = time.monotonic() + 60
        while not ready():
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < give_up_at
            time.sleep(0.002)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL


def faults(emulator: Emulator) -> int:
    return int(emulator.stats()["faults"])


HELD: Mapping[str, tuple[Mapping[str, Any], Callable[[Emulator, str], bool]]] = {
    "on its way": ({"delay": 1.0}, lambda emulator, _: faults(emulator) == 1),
    "lost on its way": ({"delay": 1.0, "disconnect": "before"}, lambda emulator, _: faults(emulator) == 1),
    "acted upon, the reply held back": (
        {"hold": 2.0},
        lambda emulator, operation: requests_of(emulator, operation) == 1,
    ),
}
