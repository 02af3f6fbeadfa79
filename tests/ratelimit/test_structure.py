"""A 429 passes through few files of the limiter, so that a reader can follow it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from redis_limiters import SELLER, limiters, make_operation
from virtual_time import virtual_time

import spapi_async
from spapi_async._core.events import Event
from spapi_async._core.options import Priority
from spapi_async.ratelimit import LocalRateLimiter

PACKAGE = Path(spapi_async.__file__).parent
LIMITER = PACKAGE / "ratelimit"
LONGEST_MODULE = 400

BOTH = make_operation(5, 10, application_rate=20, application_burst=20)


@contextmanager
def walk() -> Iterator[set[str]]:
    """Record the modules of the limiter in which a function is called inside the block."""
    visited: set[str] = set()

    def hook(frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(LIMITER):
            visited.add(path.relative_to(LIMITER).as_posix())

    before = sys.getprofile()
    sys.setprofile(hook)
    try:
        yield visited
    finally:
        sys.setprofile(before)


def waiting(acquire: Callable[[], Any], number: int) -> list[asyncio.Task[Any]]:
    """``number`` waiting calls."""
    return [asyncio.create_task(acquire()) for _ in range(number)]


@virtual_time
async def test_a_429_passes_through_six_files_of_the_local_limiter() -> None:
    """They lead from the permit to the queue's timer, with observers, an application's plan and waiting calls."""
    events: list[Event] = []
    limiter = LocalRateLimiter(observers=[events.append])

    async def acquire() -> Any:
        return await limiter.acquire(BOTH, SELLER, priority=Priority.NORMAL, max_wait=None)

    permits = [await acquire() for _ in range(10)]
    line = waiting(acquire, 3)
    await asyncio.sleep(0)
    with walk() as visited:
        permits[0].observe(429, None)
    for task in line:
        task.cancel()
    await asyncio.gather(*line, return_exceptions=True)
    assert events
    assert visited >= {"local/_limiter.py", "_decision.py", "_meter.py", "_adaptation.py", "_bucket.py"}
    assert len(visited) <= 6, visited


async def test_a_429_passes_through_nine_files_of_the_shared_limiter(redis_url: str) -> None:
    """They lead from the permit to the store that is informed of it, and back to the queue."""
    async with limiters(redis_url, 1) as (limiter,):
        for status in (200, 200, 429):
            permit = await limiter.acquire(BOTH, SELLER, priority=Priority.NORMAL, max_wait=None)
            await limiter.refresh()
            with walk() as visited:
                permit.observe(status, None, b"{}")
    assert visited >= {"shared/_limiter.py", "shared/_lane.py", "shared/_outbox.py", "shared/_link.py"}
    assert len(visited) <= 9, visited


def test_no_module_of_the_limiter_is_too_long() -> None:
    """The script in Redis is longer, and has named sections."""
    long = {
        str(path.relative_to(LIMITER)): len(path.read_text(encoding="utf-8").splitlines())
        for path in LIMITER.rglob("*.py")
    }
    assert {name: lines for name, lines in long.items() if lines > LONGEST_MODULE} == {}
    sections = sorted(path.stem for path in LIMITER.rglob("*.lua"))
    assert sections == ["1_memory", "2_limits", "3_leases", "4_feedback", "5_sale", "6_reply"]
