"""Limits that depend on an argument, shared by processes through one Redis."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis_worker
import warm_python
from redis_limiters import limiters, make_account
from redis_speaker import KEYS, Speaker
from servers import RedisServer

from spapi_async._core.options import Priority
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT
from spapi_async.emulator import Emulator
from spapi_async.ratelimit.shared._forecast import limit_wait
from spapi_async.ratelimit.shared._store import Feedback, LimitSpec, Reply

WORKER = Path(redis_worker.__file__).with_name("report_worker.py")
SALES = {"body": {"reportType": "GET_SALES_AND_TRAFFIC_REPORT"}}
WINDOW = LimitSpec(kind="rule", rate=4 / 3600, burst=4, seconds=3600.0, label="sales")


async def run(*arguments: str) -> dict[str, Any]:
    """The report of one worker process."""
    process = warm_python.start([str(WORKER), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, errors.decode()
    found: dict[str, Any] = json.loads(output)
    return found


async def test_four_processes_request_four_sales_reports_an_hour(redis_url: str) -> None:
    """Of twelve, four are sent and the others refused with the seconds; other types pass in every process."""
    async with Emulator() as emulator, asyncio.timeout(120):
        reports = await asyncio.gather(*(run(emulator.url, redis_url) for _ in range(4)))
        stats = emulator.stats()["operations"][CREATE_REPORT.name]
    assert sum(report["GET_SALES_AND_TRAFFIC_REPORT"] for report in reports) == 4
    assert [report["GET_MERCHANT_LISTINGS_ALL_DATA"] for report in reports] == [2] * 4
    assert max(report["longest"] for report in reports) > 3000
    assert (stats["requests"], stats["throttled"]) == (12, 0)


async def test_snapshot_all_shows_rules(redis_url: str) -> None:
    """It shows windows with the requests left and when they open."""
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
    """It stays until the window has passed; otherwise a full window would be forgotten."""
    speaker = Speaker(redis_url)
    speaker.ask(1, more={"sales": WINDOW})
    assert int(redis_server.command("PTTL", f"{KEYS[0]}|sales")) > 3600_000 + 3500_000
    speaker.close()


def test_a_token_returned_late_opens_no_window(redis_url: str) -> None:
    """Its entry has left the window already, and the entries of others stay."""
    speaker = Speaker(redis_url)
    granted = speaker.ask(1, more={"sales": WINDOW}, waiting=(0, 2, 0))
    for number, (credit_at, left) in enumerate([(granted.now - 3601, 2), (granted.now, 3)], 2):
        news = [Feedback(seq=number, credit=1, credit_at=credit_at)]
        reply = speaker.ask(number, more={"sales": WINDOW}, waiting=(0, 0, 0), feedback=news)
        assert reply.limits[1].level == left
    speaker.close()


def test_a_store_that_lost_its_state_treats_a_window_as_evenly_used(redis_url: str) -> None:
    """One place opens at the mean distance, not four at once."""
    speaker = Speaker(redis_url)
    reply = speaker.ask(1, known="another memory", more={"sales": WINDOW}, waiting=(0, 0, 0))
    window = reply.limits[1]
    assert window.level == 0
    gaps = sorted(start + 3600 for start in window.starts)
    assert [round(gap, -1) for gap in gaps] == [900, 1800, 2700, 3600]
    speaker.close()


@pytest.mark.parametrize("entries", [0, 99, 101, 250, 100_000])
def test_a_reply_about_a_window_is_small_and_never_too_early(redis_url: str, entries: int) -> None:
    """The next hundred permits are predicted exactly, later ones at most a hundredth of the window too late."""
    speaker = Speaker(redis_url)
    spec = LimitSpec(kind="rule", rate=entries / 3600 or 1.0, burst=entries or 1, seconds=3600.0)
    speaker.ask(1, more={"many": spec}, waiting=(0, 0, 0))
    now = time.time()
    log = [now - 3000 + 2000 * place / (entries or 1) for place in range(entries)]
    state = {"w": 3600.0, "b": entries, "log": log, "block": 0, "adm": 0, "thr": 0, "p": {}, "cut": 0, "i": ""}
    speaker.client.set(f"{KEYS[0]}|many", msgspec.msgpack.encode(state))
    reply = speaker.ask(2, more={"many": spec}, waiting=(0, 0, 0))
    window = reply.limits[1]
    assert speaker.heard < 4000
    assert len(window.starts) + sum(count for _, count in window.later) == entries
    for number in {1, 50, 100, 101, 200, entries // 2, entries} & set(range(1, entries + 1)):
        exact = log[number - 1] + 3600 - reply.now
        late = limit_wait(window, 0.0, number) - exact
        assert -1e-3 <= late <= (1e-3 if number <= 100 else 2000 / 100 + 1)
    speaker.close()


def test_requests_of_an_outage_are_charged_to_every_limit(redis_url: str) -> None:
    """Plan, application and window are charged."""
    more = {"all": LimitSpec(kind="application", rate=0.01, burst=10, shared=True), "sales": WINDOW}
    speaker = Speaker(redis_url)
    before = speaker.ask(1, more=more, waiting=(0, 0, 0)).limits
    after = speaker.ask(2, more=more, waiting=(0, 0, 0), feedback=[Feedback(seq=1, spent=3)]).limits
    assert [round(one.level - other.level) for one, other in zip(before, after, strict=True)] == [3, 3, 3]
    speaker.close()


def alter(speaker: Speaker, place: int, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what is stored under a key, for example to let time pass."""
    state = msgspec.msgpack.decode(speaker.client.get(KEYS[place]))
    change(state)
    speaker.client.set(KEYS[place], msgspec.msgpack.encode(state))


@pytest.mark.parametrize(
    ("since", "refused", "learned"),
    [(30.0, False, True), (0.0, False, False), (30.0, True, False)],
    ids=["passes", "may be on its way", "was refused too"],
)
def test_a_429_teaches_a_values_limit_if_another_value_passes_elsewhere(
    redis_url: str, since: float, refused: bool, learned: bool
) -> None:
    """The other value got its tokens in another process a moment ago, and no 429 since."""
    value = LimitSpec(kind="rule", rate=0.1, burst=5, optional=True, label="value")
    speaker = Speaker(redis_url)
    another = {"another": msgspec.structs.replace(value, label="another")}
    sold = speaker.ask(1, me="another/b", kind="b", more=another)
    alter(speaker, 0, lambda state: state["p"]["another/b"].update(ps=sold.now - since))
    if refused:
        news = [Feedback(seq=1, hits=1, hit_at=sold.now - 60, hit_limit=1)]
        speaker.ask(2, me="another/b", kind="b", more=another, waiting=(0, 0, 0), feedback=news)
        alter(speaker, 0, lambda state: state.update(k=5))
        alter(speaker, 1, lambda memory: memory.pop("suspect"))
    news = [Feedback(seq=1, hits=1, hit_at=sold.now)]
    reply = speaker.ask(1, kind="a", more={"value": value}, waiting=(0, 0, 0), feedback=news)
    assert reply.limits[1].absent is not learned
    speaker.close()


def test_one_event_lowers_a_shared_rate_once(redis_url: str) -> None:
    """Several 429s of the application's empty bucket count as one."""
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


def test_a_changed_rule_changes_the_shared_rate(redis_url: str) -> None:
    """The rule's rate applies, less what 429s have taken; the plan's rate is kept."""
    speaker = Speaker(redis_url)
    old, new = (LimitSpec(kind="rule", rate=rate, burst=10) for rate in (1.0, 4.0))
    speaker.ask(1, rate=1.0, more={"sales": old}, waiting=(0, 1, 0))
    news = [Feedback(seq=2, hits=1, hit_at=time.time(), hit_limit=2)]
    speaker.ask(2, rate=1.0, more={"sales": old}, waiting=(0, 0, 0), feedback=news)
    plan, rule = speaker.ask(3, rate=2.0, more={"sales": new}, waiting=(0, 0, 0)).limits
    assert rule.announced == 4.0
    assert rule.rate == pytest.approx(3.4)
    assert plan.announced == 1.0
    speaker.close()


def test_a_request_enters_a_window_at_its_latest_arrival(redis_url: str) -> None:
    """The request that follows a window later also arrives a window later, whatever the network does."""
    speaker = Speaker(redis_url)
    reply = speaker.ask(1, more={"sales": WINDOW}, jitter=0.5)
    assert reply.limits[1].starts == [pytest.approx(0.5)]
    speaker.close()


def test_a_higher_rate_moves_no_token_behind_an_earlier_one(redis_url: str) -> None:
    """A token sold ahead at the old distance keeps its time, and the next one comes after it."""
    speaker = Speaker(redis_url)
    sold = speaker.ask(1, rate=1.0, burst=5, horizon=4.0, waiting=(0, 20, 0))
    last = sold.now + sold.delays[-1][0]
    assert last > sold.now + 2
    reply = speaker.ask(2, rate=1.0, burst=5, waiting=(0, 0, 0), feedback=[Feedback(seq=1, rate=10.0)])
    assert reply.now + (1 - reply.plan.level) / reply.plan.pace >= last + 0.1 - 0.01
    speaker.close()


def test_a_higher_pace_keeps_the_duration_of_a_debt(redis_url: str) -> None:
    """Spacing shrinks as the network proves steady: two tokens sold at half the pace are four at the whole."""
    speaker = Speaker(redis_url)
    speaker.ask(1, rate=5.0, burst=1)
    state = msgspec.msgpack.decode(speaker.client.get(KEYS[0]))
    state["k"], state["pc"] = -2.0, 2.5
    speaker.client.set(KEYS[0], msgspec.msgpack.encode(state))
    assert speaker.ask(2, rate=5.0, burst=1, waiting=(0, 0, 0)).plan.level == pytest.approx(-4.0, abs=0.3)
    speaker.close()


def test_the_next_token_of_a_burst_of_one_follows_the_last_reply(redis_url: str) -> None:
    """It does not wait for the time for which the last one was sold, nor for a margin after the reply."""
    speaker = Speaker(redis_url)
    plan: dict[str, Any] = {"rate": 0.5, "burst": 1, "horizon": 20.0}
    sold = speaker.ask(1, jitter=0.5, **plan)
    landed = sold.now + 0.4
    reply = speaker.ask(2, jitter=0.5, clear=landed + 0.1, landed=landed, **plan)
    assert reply.delays == []
    assert reply.now + (1 - reply.limits[0].level) / 0.5 == pytest.approx(landed + 2.0, abs=0.01)
    speaker.close()


def test_a_request_of_a_process_that_left_may_still_arrive(redis_url: str) -> None:
    """The process sold a token and ended before its reply: the bucket is not refilled from an earlier reply on."""
    speaker = Speaker(redis_url)
    plan: dict[str, Any] = {"rate": 1.0, "burst": 1}
    first = speaker.ask(1, me="other", **plan)
    speaker.ask(2, me="other", clear=first.now + 0.001, landed=first.now - 60, waiting=(0, 0, 0), **plan)
    speaker.ask(1, me="gone", **plan)
    speaker.ask(2, me="gone", waiting=(0, 0, 0), bye=1, **plan)
    reply = speaker.ask(3, me="other", clear=first.now + 5, landed=first.now - 60, **plan)
    assert not reply.delays
    speaker.close()


def ahead(state: dict[str, Any], *moments: str) -> None:
    """The state as kept by a server whose clock was an hour ahead."""
    for name in ("at", *moments):
        state[name] += 3600
    for process in state["p"].values():
        process.update({name: process[name] + 3600 for name in ("s", "q", "w") if name in process})


def test_a_clock_that_goes_back_closes_no_window_for_longer(redis_url: str) -> None:
    """After a failover to a replica whose clock is an hour behind, recent requests still count as recent."""
    speaker = Speaker(redis_url)
    speaker.ask(1, more={"sales": WINDOW}, waiting=(0, 4, 0))
    for place in (0, 2):
        names = ["t"] if place == 0 else []
        key = [KEYS[0], KEYS[1], f"{KEYS[0]}|sales"][place]
        state = msgspec.msgpack.decode(speaker.client.get(key))
        ahead(state, *names)
        if place:
            state.update(log=[moment + 3600 for moment in state["log"]], block=state["at"] + 900)
        speaker.client.set(key, msgspec.msgpack.encode(state))
    window = speaker.ask(2, more={"sales": WINDOW}, waiting=(0, 0, 0)).limits[1]
    assert window.starts == pytest.approx([0.0] * 4, abs=30)
    assert window.opens == pytest.approx(900, abs=30)
    speaker.close()


def test_a_429_counts_after_the_clock_went_back(redis_url: str) -> None:
    """The one before it does not lie an hour in the future."""
    now = 1_800_000_000.0
    speaker = Speaker(redis_url, lambda: now)
    speaker.ask(1, feedback=[Feedback(seq=1, hits=1, hit_at=now)])
    lowered = speaker.ask(2, waiting=(0, 0, 0)).plan.rate
    alter(speaker, 0, lambda state: ahead(state, "t", "cut"))
    news = [Feedback(seq=3, hits=1, hit_at=now + 0.01)]
    assert speaker.ask(3, waiting=(0, 0, 0), feedback=news).plan.rate < lowered
    speaker.close()


BUCKET = LimitSpec(kind="rule", rate=0.01, burst=8, label="sales")


class Versions(Speaker):
    """Two processes by turns: to one the rule is a window of four an hour, to the other a bucket of eight."""

    def __init__(self, url: str) -> None:
        self.now = 1e6
        super().__init__(url, clock=lambda: self.now)
        self._requests = 0
        self.in_window()
        self.in_bucket()
        self.now += 10_000

    def in_window(self, **changes: Any) -> list[float]:
        """When the requests in the window arrived at the latest, from now."""
        return self._ask("window", WINDOW, changes).limits[1].starts

    def in_bucket(self, **changes: Any) -> Reply:
        """The reply to the other process."""
        return self._ask("bucket", BUCKET, changes)

    def _ask(self, me: str, rule: LimitSpec, changes: dict[str, Any]) -> Reply:
        self._requests += 1
        plan = {"rate": 10.0, "burst": 100, "waiting": (0, 0, 0), **changes}
        return self.ask(self._requests, me=me, more={"sales": rule}, **plan)


def test_lent_tokens_count_in_a_window_from_the_end_of_the_lease(redis_url: str) -> None:
    """They may be used until then; what comes back in time does not count, what is used does."""
    versions = Versions(redis_url)
    reply = versions.in_bucket(prefetch=3)
    assert [leased for _, leased in reply.delays] == [1, 1, 1]
    assert min(versions.in_window()) >= reply.lease
    versions.in_bucket(feedback=[Feedback(seq=1, used=1, back=2)])
    assert len(versions.in_window()) == 1
    versions.close()


def test_what_comes_back_takes_no_other_request_out_of_a_window(redis_url: str) -> None:
    """Six were lent, of which the window keeps four; two come back and four were used."""
    versions = Versions(redis_url)
    assert len(versions.in_bucket(prefetch=6).delays) == 6
    versions.in_bucket(feedback=[Feedback(seq=1, used=4, back=2)])
    assert len(versions.in_window()) == 4
    versions.close()


def test_a_window_counts_what_a_bucket_granted_and_not_what_came_back(redis_url: str) -> None:
    """Permits, permits returned, and requests sent while the store was away."""
    versions = Versions(redis_url)
    versions.in_bucket(waiting=(0, 3, 0))
    assert versions.in_window() == pytest.approx([0.0] * 3)
    versions.now += 1
    versions.in_bucket(feedback=[Feedback(seq=1, credit=2, credit_at=versions.now - 1)])
    assert versions.in_window() == pytest.approx([-1.0])
    versions.in_bucket(feedback=[Feedback(seq=2, spent=2)])
    assert versions.in_window() == pytest.approx([-1.0, 0.0, 0.0])
    versions.close()


def test_what_comes_back_makes_no_token_of_a_bucket_that_had_none(redis_url: str) -> None:
    """Two of two spent, and a third in the window, which is returned: the bucket is as empty as before."""
    versions, small = Versions(redis_url), msgspec.structs.replace(BUCKET, rate=0.001, burst=2)
    versions.ask(100, me="small", more={"sales": small}, waiting=(0, 2, 0))
    assert len(versions.in_window(waiting=(0, 1, 0))) == 3
    back = [Feedback(seq=1, credit=1, credit_at=versions.now)]
    assert len(versions.in_window(feedback=back)) == 2
    assert versions.ask(101, me="small", more={"sales": small}, waiting=(0, 0, 0)).limits[1].level == 0
    versions.close()


def test_a_clock_that_goes_back_takes_both_forms_along(redis_url: str) -> None:
    """What the bucket granted just now is still from just now when the window returns."""
    versions = Versions(redis_url)
    versions.in_bucket(waiting=(0, 2, 0))
    versions.now -= 5000
    assert versions.in_window() == pytest.approx([0.0, 0.0])
    versions.close()


def test_a_lost_memory_is_lost_in_both_forms(redis_url: str) -> None:
    """Whichever version finds out, the other does not start full either."""
    versions = Versions(redis_url)
    versions.in_bucket(known="another memory")
    assert len(versions.in_window()) == 4
    versions.close()
