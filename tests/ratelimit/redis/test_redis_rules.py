"""Limits keyed by an argument, shared by processes that know nothing of each other but one Redis."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import redis_worker
from redis_limiters import limiters, make_account
from redis_speaker import KEYS, Speaker
from servers import RedisServer

from spapi_async._core.options import Priority
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT
from spapi_async.emulator import Emulator
from spapi_async.ratelimit.shared._store import Feedback, LimitSpec

WORKER = Path(redis_worker.__file__).with_name("report_worker.py")
SALES = {"body": {"reportType": "GET_SALES_AND_TRAFFIC_REPORT"}}
WINDOW = LimitSpec(kind="rule", rate=4 / 3600, burst=4, seconds=3600.0, label="sales")


async def run(*arguments: str) -> dict[str, Any]:
    """What one worker process reports."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    found: dict[str, Any] = json.loads(output)
    return found


async def test_four_processes_request_four_sales_reports_an_hour(redis_url: str) -> None:
    """Twelve are wanted, four leave, the others are refused with the seconds; other types pass in every process."""
    async with Emulator() as emulator, asyncio.timeout(120):
        reports = await asyncio.gather(*(run(emulator.url, redis_url) for _ in range(4)))
        stats = emulator.stats()["operations"][CREATE_REPORT.name]
    assert sum(report["GET_SALES_AND_TRAFFIC_REPORT"] for report in reports) == 4
    assert [report["GET_MERCHANT_LISTINGS_ALL_DATA"] for report in reports] == [2] * 4
    assert max(report["longest"] for report in reports) > 3000
    assert (stats["requests"], stats["throttled"]) == (12, 0)


async def test_a_watcher_sees_rules(redis_url: str) -> None:
    """snapshot_all() shows windows with what is left of them and when they open."""
    async with limiters(redis_url) as (worker, watcher):
        for _ in range(4):
            permit = await worker.acquire(
                CREATE_REPORT, make_account(), priority=Priority.NORMAL, max_wait=3, arguments=SALES
            )
            permit.observe(202, None)
        await worker.refresh()
        found = {limit.rule: limit for limit in await watcher.snapshot_all()}
    window = found["reportType=GET_SALES_AND_TRAFFIC_REPORT"]
    assert (window.burst, window.window, window.tokens, window.admitted) == (4, 3600.0, 0, 4)
    assert window.next_available > 3000
    assert found[""].tokens > 10


def test_every_key_of_a_window_expires_after_it(redis_server: RedisServer, redis_url: str) -> None:
    """Not before the window has passed, or it would be forgotten that it is full."""
    speaker = Speaker(redis_url)
    speaker.ask(1, more={"sales": WINDOW})
    assert int(redis_server.command("PTTL", f"{KEYS[0]}|sales")) > 3600_000 + 3500_000
    speaker.close()


def test_what_is_returned_late_opens_no_window(redis_url: str) -> None:
    """A token whose entry must have left the window already is nobody's any more: others' entries stay."""
    speaker = Speaker(redis_url)
    granted = speaker.ask(1, more={"sales": WINDOW}, waiting=(0, 2, 0))
    for number, (credit_at, left) in enumerate([(granted.now - 3601, 2), (granted.now, 3)], 2):
        news = [Feedback(seq=number, credit=1, credit_at=credit_at)]
        reply = speaker.ask(number, more={"sales": WINDOW}, waiting=(0, 0, 0), feedback=news)
        assert reply.limits[1].level == left
    speaker.close()


def test_a_store_that_forgot_takes_a_window_for_evenly_used_up(redis_url: str) -> None:
    """A process remembers another memory: one place opens at the mean distance, not four at once."""
    speaker = Speaker(redis_url)
    reply = speaker.ask(1, known="another memory", more={"sales": WINDOW}, waiting=(0, 0, 0))
    window = reply.limits[1]
    assert window.level == 0
    gaps = sorted(start + 3600 for start in window.starts)
    assert [round(gap, -1) for gap in gaps] == [900, 1800, 2700, 3600]
    speaker.close()


def test_what_was_spent_in_an_outage_is_charged_to_every_limit(redis_url: str) -> None:
    """Plan, application and window."""
    more = {"all": LimitSpec(kind="application", rate=0.01, burst=10, shared=True), "sales": WINDOW}
    speaker = Speaker(redis_url)
    before = speaker.ask(1, more=more, waiting=(0, 0, 0)).limits
    after = speaker.ask(2, more=more, waiting=(0, 0, 0), feedback=[Feedback(seq=1, spent=3)]).limits
    assert [round(one.level - other.level) for one, other in zip(before, after, strict=True)] == [3, 3, 3]
    speaker.close()


def test_one_event_lowers_a_shared_rate_once(redis_url: str) -> None:
    """Several 429s that met one empty bucket of the application are one piece of news."""
    more = {"all": LimitSpec(kind="application", rate=10.0, burst=10, shared=True)}
    speaker = Speaker(redis_url)
    speaker.ask(1, more=more, waiting=(0, 1, 0))
    moment = time.time()
    for number in (2, 3, 4):
        news = [Feedback(seq=number, hits=1, hit_at=moment, hit_limit=2)]
        reply = speaker.ask(number, more=more, waiting=(0, 0, 0), feedback=news)
    assert reply.limits[1].rate == 8.5
    assert reply.limits[1].throttled == 3
    speaker.close()


def test_a_pace_that_rises_puts_no_token_behind_one_sold_before(redis_url: str) -> None:
    """Spacing shrinks as the network proves steady; what was sold at the old distance keeps its place."""
    speaker = Speaker(redis_url)
    first = speaker.ask(1, rate=5.0, burst=1, jitter=0.2, waiting=(0, 1, 0), horizon=2)
    last = first.now + first.delays[-1][0]
    for number in range(2, 40):
        reply = speaker.ask(number, rate=5.0, burst=1, jitter=0.0, waiting=(0, 1, 0), horizon=2)
        for delay, _ in reply.delays:
            assert reply.now + delay - last >= 0.2 - 1e-3
            last = reply.now + delay
    speaker.close()
