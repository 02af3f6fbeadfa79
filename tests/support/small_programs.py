"""Programs of a few lines, as users write them, each run in a process of its own with a time limit."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import warm_python

__all__ = ["Outcome", "quiet", "run_program"]

TIME_LIMIT = 60.0
"""Seconds; a program that ends by itself needs two on a quiet machine."""

# What each program begins with, as those of the README do.
PREAMBLE = """
import asyncio, os, sys, threading
from spapi_async import *
from spapi_async.auth import *
from spapi_async.ratelimit import *

def application(**options):
    return Application("app", "secret", endpoint=os.environ["EMULATOR"], **options)

async def order(app):
    seller = app.selling_partner("Atzr|a", region="na")
    found = await seller.catalog_items_2022_04_01.search_catalog_items(keywords=["a"], marketplace_ids=[Marketplace.US])
    return found.items
"""


@dataclass
class Outcome:
    """What a program left: its exit code and the two streams."""

    code: int
    out: str
    err: str


async def run_program(
    source: str,
    folder: Path,
    environ: Mapping[str, str],
    *,
    interrupt_when: str | None = None,
    command: list[str] | None = None,
) -> Outcome:
    """Run a program; ``interrupt_when`` is a line of its output at which it gets Ctrl-C.

    Raises:
        AssertionError: it was still running when its time was up.
    """
    path = folder / "program.py"
    path.write_text(PREAMBLE + textwrap.dedent(source))
    process = warm_python.start(
        command or [str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
        start_new_session=True,
    )
    head = b""
    try:
        async with asyncio.timeout(TIME_LIMIT):
            while interrupt_when is not None and interrupt_when.encode() not in head:
                assert process.stdout is not None
                line = await asyncio.to_thread(process.stdout.readline)
                assert line, head
                head += line
            if interrupt_when is not None:
                process.send_signal(signal.SIGINT)
            out, err = await asyncio.to_thread(process.communicate)
    except TimeoutError:
        raise AssertionError(f"still running after {TIME_LIMIT:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode is not None
    return Outcome(process.returncode, (head + out).decode(), err.decode())


def quiet(outcome: Outcome, *, warnings: int = 0) -> str:
    """What a program printed, after a check that it has no traceback and no other library's warning."""
    ours = [line for line in outcome.err.splitlines() if "SPAPIWarning" in line]
    others = [line for line in outcome.err.splitlines() if line.strip() and line not in ours and line[:2] != "  "]
    assert (outcome.code, others) == (0, []), outcome.err or outcome.out
    assert len(ours) == warnings, outcome.err
    return outcome.out
