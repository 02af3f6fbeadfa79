"""Lanes that are dropped: those unused for long, and those of another loop or process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from one_process import Process

from spapi_async.errors import SPAPIError
from spapi_async.ratelimit.shared._exchange import Phase
from spapi_async.ratelimit.shared._leaving import drop_lanes, forget_idle


def test_lanes_unused_for_five_minutes_are_forgotten(process: Process) -> None:
    """So is what is held for them; a lane that still has to report to the store stays."""
    process.now = 0.0
    lanes = {name: process.another(keys=(name, "memory")) for name in ("idle", "used", "owing")}
    lanes["owing"].exchange.outbox.feedback().used += 1
    held: dict[str, Any] = dict.fromkeys([*lanes, "memory", "of nobody"])
    forget_idle(lanes, 300.0, ())
    assert list(lanes) == ["idle", "used", "owing"]
    process.now = 299.0
    lanes["used"].take()
    forget_idle(lanes, 301.0, (held,))
    assert list(lanes) == ["used", "owing"]
    assert list(held) == ["used", "owing", "memory"]


@pytest.fixture
def timer(process: Process) -> Iterator[asyncio.TimerHandle]:
    """The timer of the process's lane."""
    process.lane.timer = process.loop.call_later(60.0, process.lane.dispatch)
    yield process.lane.timer
    process.lane.timer.cancel()


def test_calls_that_wait_in_a_former_loop_end_with_an_error(process: Process, timer: asyncio.TimerHandle) -> None:
    """Those that were just cancelled are left alone. No timer stays, and no exchange takes place."""
    waiting, cancelled = process.wait(), process.wait()
    cancelled.future.cancel()
    drop_lanes([process.lane], forked=False)
    assert isinstance(waiting.future.exception(), SPAPIError)
    assert process.lane.queue.total == 0
    assert process.lane.exchange.phase is Phase.AWAY
    assert timer.cancelled()


def test_a_closed_loop_gets_no_error(process: Process) -> None:
    """It could not run the callbacks."""
    waiting = process.wait()
    waiting.future.add_done_callback(lambda _: None)
    process.loop.close()
    drop_lanes([process.lane], forked=False)
    assert not waiting.future.done()


async def next_over(process: Process) -> asyncio.Future[None]:
    """What ends with the exchange of the process's lane."""
    return process.lane.exchange.next_over()


def test_a_forked_child_leaves_its_parents_calls_and_timers_alone(process: Process, timer: asyncio.TimerHandle) -> None:
    """It only forgets them."""
    waiting = process.wait()
    over = process.loop.run_until_complete(next_over(process))
    drop_lanes([process.lane], forked=True)
    assert not waiting.future.done()
    assert not over.done()
    assert not timer.cancelled()
    assert process.lane.queue.total == 0
    assert process.lane.exchange.phase is Phase.AWAY
