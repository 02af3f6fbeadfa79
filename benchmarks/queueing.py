"""Processor time of the in-process limiter alone: an admission with a token available, a hand-over in a long queue.

Short queues are repeated until as many callers have passed through them as through a long one, so that all figures are
based on enough work. Figures are medians over rounds.
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
# The least number of callers in a sample.
CALLERS = 10_000
# Requests per second; so high that the processor alone limits how fast a queue drains.
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
    """The cost of a call's use of the limiter when a token is available: acquire and observe."""
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
    """The mean over the queues of a sample."""
    samples = [asyncio.run(_queue(waiters)) for _ in range(max(1, CALLERS // waiters))]
    return statistics.fmean(enqueue for enqueue, _ in samples), statistics.fmean(handed for _, handed in samples)


async def _queue(waiters: int) -> tuple[float, float]:
    """The cost per caller of joining the queue of an empty bucket, and of the hand-over, with ``waiters`` callers.

    The bucket is slow while they join; then a rate header announces a very high rate, and they pass one by one. The
    figures include starting a task and waking it, as in a real program.
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
        f"| a token available (acquire, observe) | - | {result['uncontended_us']:.1f} µs |",
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
