"""Which functions of the package are entered, in order, while something runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import spapi_async

__all__ = ["walked"]

PACKAGE = Path(spapi_async.__file__).parent
_OTHERS = ("emulator/", "_core/", "models/")  # the other end, and values


@contextmanager
def walked() -> Iterator[list[str]]:
    """``file:function`` of each function that is entered for the first time while the block runs."""
    entered: list[str] = []
    known: set[str] = set()

    def hook(frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        path = frame.f_code.co_filename
        if not path.startswith(str(PACKAGE)):
            return
        step = f"{Path(path).relative_to(PACKAGE).as_posix()}:{frame.f_code.co_name}"
        if step not in known and not step.startswith(_OTHERS):
            known.add(step)
            entered.append(step)

    sys.setprofile(hook)
    threading.setprofile(hook)  # for threads that start in the block, as SQLite's connections do
    try:
        yield entered
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
