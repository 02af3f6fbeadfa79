"""The in-process limiter alone, in processor time: an admission with a token at hand, a hand-over in a long queue.

A short queue is made again and again until as many callers have gone through it as through a long one, so that all
figures rest on enough work; medians over rounds.
``python benchmarks/queueing.py [--rounds 7]``
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from spapi_async import Priority, Region
from spapi_async._core.operation import UsagePlan
from spapi_async.api.orders_v0 import GET_ORDER
from spapi_async.credentials import Account, Grant
from spapi_async.ratelimit import LocalRateLimiter

__all__ = ["ROUNDS", "measure", "table"]

WAITERS = (1_000, 10_000, 100_000)
ROUNDS = 7
ACQUISITIONS = 20_000
# Callers that a sample takes through a queue, at least.
CALLERS = 10_000
# Fast enough that a queue drains at the speed of the processor, in requests per second.
VAST = 1e5

Result = dict[str, Any]


def measure(*, waiters: Sequence[int] = WAITERS, rounds: int = ROUNDS) -> Result:
    """Microseconds of processor time for each kind of admission; queues by their length."""
    queues: dict[int, list[tuple[float, float]]] = {count: [] for count in waiters}
    idle: list[float] = []
    for turn in range(rounds):
        idle.append(asyncio.run(_uncontended()))
        for count, costs in queues.items():
            if count < 100_000 or turn < 3:  # the longest queue takes seconds, and its figure is steady
                costs.append(_queues(count))
    return {
        "uncontended_us": statistics.median(idle),
        "queues": [
            {
                "waiters": count,
                "enqueue_us": statistics.median(enqueue for enqueue, _ in costs),
                "hand_over_us": statistics.median(hand_over for _, hand_over in costs),
            }
            for count, costs in queues.items()
        ],
    }


def _operation(rate: float, burst: int) -> Any:
    return msgspec.structs.replace(GET_ORDER, usage_plan=UsagePlan(rate=rate, burst=burst))


def _account() -> Account:
    return Account(Grant.refresh_token("benchmark", "Atzr|benchmark"), Region.NA)


async def _uncontended() -> float:
    """Take a token that is there, send, report: what every call pays whose quota is free."""
    limiter, operation, account = LocalRateLimiter(), _operation(VAST, int(VAST)), _account()
    try:
        for _ in range(100):
            (await limiter.acquire(operation, account, priority=Priority.NORMAL, max_wait=None)).observe(200, VAST)
        gc.collect()
        started = time.process_time()
        for _ in range(ACQUISITIONS):
            (await limiter.acquire(operation, account, priority=Priority.NORMAL, max_wait=None)).observe(200, VAST)
        return (time.process_time() - started) / ACQUISITIONS * 1e6
    finally:
        await limiter.aclose()


def _queues(waiters: int) -> tuple[float, float]:
    """The mean over as many queues as make a sample."""
    samples = [asyncio.run(_queue(waiters)) for _ in range(max(1, CALLERS // waiters))]
    return statistics.fmean(enqueue for enqueue, _ in samples), statistics.fmean(handed for _, handed in samples)


async def _queue(waiters: int) -> tuple[float, float]:
    """``waiters`` callers of one empty bucket: what joining the queue costs each, and what the hand-over costs each.

    The bucket is slow while they gather; then the rate header announces a vast one, and they go through one by one.
    Starting a task and waking it is part of both figures, as it is of any caller's day.
    """
    limiter, operation, account = LocalRateLimiter(), _operation(1e-6, 1), _account()
    try:
        first = await limiter.acquire(operation, account, priority=Priority.NORMAL, max_wait=None)

        async def caller() -> None:
            permit = await limiter.acquire(operation, account, priority=Priority.NORMAL, max_wait=None)
            permit.observe(200, None)

        gc.collect()
        started = time.process_time()
        tasks = [asyncio.ensure_future(caller()) for _ in range(waiters)]
        await asyncio.sleep(0)
        queued = time.process_time()
        assert sum(bucket.waiting for bucket in limiter.limits()) == waiters
        released = time.process_time()
        first.observe(200, VAST)
        await asyncio.gather(*tasks)
        ended = time.process_time()
        return (queued - started) / waiters * 1e6, (ended - released) / waiters * 1e6
    finally:
        await limiter.aclose()


def table(result: Result) -> str:
    """Markdown."""
    lines = [
        "| the limiter alone | joining the queue | hand-over |",
        "|---|---:|---:|",
        f"| a token at hand (take, report) | - | {result['uncontended_us']:.1f} µs |",
    ]
    lines += [
        f"| {row['waiters']:,} waiting | {row['enqueue_us']:.1f} µs | {row['hand_over_us']:.1f} µs |"
        for row in result["queues"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--waiters", type=int, action="append")
    chosen = parser.parse_args()
    print(table(measure(waiters=chosen.waiters or WAITERS, rounds=chosen.rounds)))
