"""The script inside Redis, called directly: requests that come late, twice or never again."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from redis_limiters import SELLER, admit_all, limiters, make_operation
from redis_speaker import KEYS, Speaker
from servers import RedisServer

from spapi_async.api.listings_items_2021_08_01 import PATCH_LISTINGS_ITEM
from spapi_async.credentials import Account, Grant
from spapi_async.marketplaces import Region
from spapi_async.ratelimit._book import PlanBook, Selection
from spapi_async.ratelimit._conversion import enlarged
from spapi_async.ratelimit.shared._store import Feedback, LimitSpec
from spapi_async.ratelimit.shared.redis._script import limit_keys, parse_key

SLOW = make_operation(1 / 180, 5)


@pytest.fixture
def speaker(redis_url: str) -> Any:
    """A client of the script."""
    speaker = Speaker(redis_url)
    yield speaker
    speaker.close()


def test_a_request_whose_reply_was_lost_costs_nothing(speaker: Speaker) -> None:
    """The next request names it, and what it was given is taken back first."""
    before = speaker.ask(1).plan.level
    speaker.ask(2)
    assert speaker.ask(3, lost=2).plan.level == pytest.approx(before - 1, abs=0.05)


def test_a_lost_request_that_never_arrived_is_not_credited(speaker: Speaker) -> None:
    """Naming a request that was not carried out changes nothing."""
    before = speaker.ask(1).plan.level
    assert speaker.ask(3, lost=2).plan.level == pytest.approx(before - 1, abs=0.05)


def test_feedback_sent_twice_counts_once(speaker: Speaker) -> None:
    """Feedback is repeated until it is confirmed, and applied once."""
    news = [Feedback(seq=5, credit=2, hits=1, hit_at=time.time() + 5)]
    speaker.ask(1)
    first = speaker.ask(2, feedback=news, waiting=(0, 0, 0))
    second = speaker.ask(3, feedback=news, waiting=(0, 0, 0))
    assert (first.throttled, second.throttled) == (1, 1)
    assert (first.plan.admitted, second.plan.admitted) == (-1, -1)


def test_an_overtaken_request_is_not_carried_out(speaker: Speaker) -> None:
    """A request that waited in the socket of a paused Redis is ignored once a later one was answered."""
    level = speaker.ask(2).plan.level
    late = speaker.ask(1)
    assert late.stale
    assert not late.delays
    assert speaker.ask(3, waiting=(0, 0, 0)).plan.level == pytest.approx(level, abs=0.05)


def test_a_bucket_does_not_refill_leased_tokens(speaker: Speaker) -> None:
    """Otherwise leased and refilled tokens could be spent together."""
    granted = speaker.ask(1, prefetch=5, waiting=(0, 0, 0), rate=1000, horizon=30)
    assert sum(leased for _, leased in granted.delays) == 5
    reply = speaker.ask(1, me="other", waiting=(0, 0, 0), rate=1000)
    assert reply.plan.level == pytest.approx(5, abs=0.1)


def test_used_tokens_of_a_lease_are_replaced_and_unused_ones_return(speaker: Speaker) -> None:
    """Two of five are used and three given back: the bucket lacks two, and then fills."""
    speaker.ask(1, prefetch=5, waiting=(0, 0, 0))
    reply = speaker.ask(2, feedback=[Feedback(seq=1, used=2, back=3)], waiting=(0, 0, 0))
    assert reply.plan.level == pytest.approx(8, abs=0.1)


def test_a_lease_reported_used_after_it_ended_is_charged_again(speaker: Speaker) -> None:
    """A process that was suspended past the end of its lease does not get the tokens twice."""
    speaker.ask(1, prefetch=5, waiting=(0, 0, 0), horizon=0.01)
    deadline = time.monotonic() + 10
    while speaker.ask(number := time.monotonic_ns(), me="other", waiting=(0, 0, 0)).plan.level < 9.5:
        assert time.monotonic() < deadline, number
    reply = speaker.ask(2, feedback=[Feedback(seq=1, used=5)], waiting=(0, 0, 0))
    assert reply.plan.level == pytest.approx(5, abs=0.2)


def test_a_429_empties_and_shrinks_the_bucket(speaker: Speaker) -> None:
    """A 429 at a level of eight means that the bucket is smaller than published, and empty."""
    speaker.ask(1)
    reply = speaker.ask(2, feedback=[Feedback(seq=1, hits=1, hit_at=time.time() + 5)], waiting=(0, 0, 0))
    assert reply.plan.burst < 10
    assert reply.plan.level <= 0.1


def test_a_token_is_kept_for_the_next_urgent_call(speaker: Speaker) -> None:
    """After an urgent call, others leave one token in the bucket, which the next urgent call gets at once."""
    assert [delay for delay, _ in speaker.ask(1, waiting=(1, 0, 0)).delays] == [0]
    assert len(speaker.ask(2, waiting=(0, 100, 0)).delays) == 8
    assert not speaker.ask(1, me="other", waiting=(0, 1, 0)).delays
    assert [delay for delay, _ in speaker.ask(2, me="other", waiting=(1, 0, 0)).delays] == [0]


def test_each_priority_gets_one_token_in_ten(speaker: Speaker) -> None:
    """As in one process: of thirty tokens NORMAL and BULK get three each, however many urgent calls wait."""
    granted = speaker.ask(1, burst=30, waiting=(40, 40, 40))
    assert len(granted.delays) == 30
    [left] = speaker.ask(1, me="other", burst=30, waiting=(0, 0, 0), predict=1).others
    assert left[:3] == (40 - 24, 40 - 3, 40 - 3)


def test_tokens_of_requests_that_may_arrive_late_are_held_back(speaker: Speaker) -> None:
    """A burst that may be under way for a second costs the refill of that second, unless the replies are quicker."""
    speaker.ask(1, waiting=(0, 10, 0), rate=1.0, jitter=1.0)
    pessimistic = speaker.ask(2, waiting=(0, 0, 0), rate=1.0, jitter=1.0).plan.level
    answered = speaker.ask(3, waiting=(0, 0, 0), rate=1.0, jitter=1.0, clear=time.time() + 5, slowest=0.0).plan.level
    assert pessimistic == pytest.approx(answered - 1, abs=0.2)


def test_keys_of_one_call_share_a_slot_and_can_be_read_back() -> None:
    """All keys have the same hash tag, whatever the application is called."""
    application = "app{1}:x"
    seller = Account(Grant.refresh_token(application, "Atzr|x"), Region.EU, "A1")
    charges = PlanBook().charges(PATCH_LISTINGS_ITEM, seller, Selection((0,)))
    keys = limit_keys("spapi", charges, application, "eu", seller.name)
    assert len({key[key.index("{") + 1 : key.index("}")] for key in keys}) == 1
    read = [parse_key(key) for key in keys]
    assert {each[:3] for each in read if each} == {("app(1):x", "eu", PATCH_LISTINGS_ITEM.name)}
    assert [each[3:] for each in read if each] == [
        ("A1@eu", ""),
        ("", ""),
        ("", "application"),
        ("", charges[2].key[-2] + "#0"),
    ]


async def test_every_key_expires(redis_url: str, redis_server: RedisServer) -> None:
    """Nothing stays in Redis for ever."""
    async with limiters(redis_url, 1) as (limiter,):
        await admit_all(limiter, SLOW, SELLER)
    keys = redis_server.command("KEYS", "*")
    assert len(keys) == 2
    assert all(int(redis_server.command("PTTL", key.decode())) > 0 for key in keys)


def test_a_slow_bucket_is_kept_until_it_is_full(speaker: Speaker, redis_server: RedisServer) -> None:
    """A bucket that fills in a day is not forgotten after an hour."""
    speaker.ask(1, rate=10 / 86_400, burst=10)
    assert int(redis_server.command("PTTL", KEYS[0])) > 86_400_000


def test_a_429_releases_the_tokens_held_back(speaker: Speaker) -> None:
    """The level is known again: it is zero, and refill counts fully."""
    speaker.ask(1, waiting=(0, 10, 0), rate=1.0, jitter=1.0)
    assert speaker.ask(2, waiting=(0, 0, 0), rate=1.0, jitter=1.0).plan.capacity <= 10
    news = [Feedback(seq=1, hits=1, hit_at=time.time() + 5)]
    reply = speaker.ask(3, waiting=(0, 0, 0), rate=1.0, jitter=1.0, feedback=news).plan
    assert reply.capacity == reply.burst


def test_tokens_of_a_lost_state_are_not_credited(speaker: Speaker) -> None:
    """The bucket begins empty; tokens that an earlier state had granted are not added to it."""
    reply = speaker.ask(1, known="another memory", waiting=(0, 0, 0), feedback=[Feedback(seq=1, credit=5)])
    assert reply.plan.level == pytest.approx(0, abs=0.05)


def test_a_rate_lowered_by_429s_is_restored_lowered(speaker: Speaker) -> None:
    """It is lowered although a process that knows only the published rate came first."""
    speaker.ask(1, rate=0.5, burst=2)
    reply = speaker.ask(1, me="old", rate=0.5, burst=2, known="another memory", known_rate=0.75, known_announced=1.0)
    assert (reply.plan.announced, reply.plan.rate) == (1.0, 0.75)
    found = msgspec.msgpack.decode(speaker.client.get(KEYS[0]))
    assert not found["calm"]


@pytest.mark.parametrize(("ago", "crowded"), [(50, 1), (70, 0)])
def test_urgent_calls_are_remembered_for_a_minute(speaker: Speaker, ago: int, crowded: int) -> None:
    """For that time a token is kept for the next one, and no process takes more than it needs."""
    speaker.ask(1, waiting=(1, 0, 0))
    state = msgspec.msgpack.decode(speaker.client.get(KEYS[0]))
    state["u"] -= ago
    speaker.client.set(KEYS[0], msgspec.msgpack.encode(state))
    assert speaker.ask(2, waiting=(0, 0, 0)).crowded == crowded


def test_the_applications_bucket_of_an_earlier_version_is_taken_over(speaker: Speaker) -> None:
    """It was in the key that all sellers share: what was spent and learned stays."""
    more = {"application": LimitSpec(kind="application", rate=1.0, burst=10, shared=True)}
    speaker.ask(1, more=more, waiting=(0, 4, 0), feedback=[Feedback(seq=1, hits=1, hit_at=time.time(), hit_limit=2)])
    new = f"{KEYS[0]}|application"
    shared = msgspec.msgpack.decode(speaker.client.get(KEYS[1]))
    shared["app"] = msgspec.msgpack.decode(speaker.client.get(new))
    speaker.client.set(KEYS[1], msgspec.msgpack.encode(shared))
    speaker.client.delete(new)
    reply = speaker.ask(2, more=more, waiting=(0, 0, 0)).limits[1]
    assert (reply.rate, reply.throttled) == (0.85, 1)
    assert "app" not in msgspec.msgpack.decode(speaker.client.get(KEYS[1]))


def burst_of(speaker: Speaker, n: int, published: int, **changes: Any) -> float:
    """The burst in use, as reported to a process that has this published burst."""
    return speaker.ask(n, rate=0.01, burst=published, me=f"of {published}", **changes).plan.burst


def test_a_learned_burst_applies_to_processes_with_other_published_bursts(speaker: Speaker) -> None:
    """A burst of four is kept whether a version of the program has ten, four or three as the published one."""
    sold = speaker.ask(1, rate=0.01, burst=10, me="of 10", waiting=(0, 5, 0))
    assert len(sold.delays) == 5
    hit = [Feedback(seq=1, hits=1, hit_at=sold.now)]
    assert burst_of(speaker, 2, 10, waiting=(0, 0, 0), feedback=hit) == 4  # four of the five were served
    for number, (published, learned) in enumerate([(7, 4), (10, 4), (4, 4), (10, 4), (3, 3), (20, 4)], 3):
        assert burst_of(speaker, number, published, waiting=(0, 0, 0)) == learned


@pytest.mark.parametrize("others", [10, 20])
def test_a_learned_burst_grows_back_to_the_largest_published_one(speaker: Speaker, others: int) -> None:
    """It does so with calls of any process; what has grown back no longer counts as learned."""
    speaker.ask(1, rate=0.01, burst=others, me="other", waiting=(0, 0, 0))
    speaker.ask(1, rate=1e4, burst=10, waiting=(0, 0, 0))
    key = KEYS[0]
    state = msgspec.msgpack.decode(speaker.client.get(key))
    state.update(k=9, z=9, zt=9, calm=False, bn=99)
    speaker.client.set(key, msgspec.msgpack.encode(state))
    assert speaker.ask(2, rate=1e4, burst=10).plan.burst == 10
    assert speaker.ask(2, rate=0.01, burst=20, me="other", waiting=(0, 0, 0)).plan.burst == (20 if others == 10 else 10)


def test_a_learned_burst_that_equals_a_published_one_grows_back_for_others(speaker: Speaker) -> None:
    """A process with a published burst of five learned nothing; for one with ten it grows back."""
    speaker.ask(1, rate=1e4, burst=5, waiting=(0, 0, 0))
    state = msgspec.msgpack.decode(speaker.client.get(KEYS[0]))
    state.update(zt=5, bm=10, calm=True, bn=99)
    speaker.client.set(KEYS[0], msgspec.msgpack.encode(state))
    assert speaker.ask(2, rate=1e4, burst=10).plan.burst == 6


@pytest.mark.parametrize(
    ("since", "left"), [(0.0, [-50.0, -10.0]), (-3000.0, [-50.0, -10.0]), (-3700.0, [-3000.0, -50.0, -10.0])]
)
def test_a_token_given_back_to_a_window_removes_its_oldest_entry(
    speaker: Speaker, since: float, left: list[float]
) -> None:
    """The others leave it later than necessary, never too early. An entry that has expired does not come back."""
    more = {"rule": LimitSpec(kind="rule", rate=4 / 3600, burst=4, seconds=3600.0)}
    now = speaker.ask(1, more=more, waiting=(0, 0, 0)).now
    state = msgspec.msgpack.decode(speaker.client.get(f"{KEYS[0]}|rule"))
    state["log"] = [now - 3000.0, now - 50.0, now - 10.0]
    speaker.client.set(f"{KEYS[0]}|rule", msgspec.msgpack.encode(state))
    back = [Feedback(seq=1, credit=1, credit_at=now + since)]
    speaker.ask(2, more=more, waiting=(0, 0, 0), feedback=back)
    state = msgspec.msgpack.decode(speaker.client.get(f"{KEYS[0]}|rule"))
    assert [moment - now for moment in state["log"]] == pytest.approx(left, abs=0.001)


@pytest.mark.parametrize("requests", [3, 4, 5])
@pytest.mark.parametrize("gone", [60.0, 4000.0, None])
def test_entries_that_were_pushed_out_return_only_to_a_larger_window(
    speaker: Speaker, gone: float | None, requests: int
) -> None:
    """As in the limiter of one process. A window of four, two of whose requests were given back, stays as it is."""
    rule = LimitSpec(kind="rule", rate=4 / 3600, burst=4, seconds=3600.0)
    now = speaker.ask(1, more={"rule": rule}, waiting=(0, 0, 0)).now
    state = msgspec.msgpack.decode(speaker.client.get(f"{KEYS[0]}|rule"))
    state.update(log=[now - 50.0, now - 10.0], **({} if gone is None else {"gone": now - gone}))
    speaker.client.set(f"{KEYS[0]}|rule", msgspec.msgpack.encode(state))
    other = msgspec.structs.replace(rule, rate=requests / 3600, burst=requests)
    speaker.ask(2, more={"rule": other}, waiting=(0, 0, 0))
    state = msgspec.msgpack.decode(speaker.client.get(f"{KEYS[0]}|rule"))
    expected = enlarged([50.0, 10.0], 4, gone, requests, 3600.0)
    assert [now - moment for moment in state["log"]] == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize(("bursts", "requests"), [([10], 10), ([10, 4], 10), ([10], 4)])
def test_all_that_a_bucket_spent_is_in_the_window_made_of_it(redis_url: str, bursts: list[int], requests: int) -> None:
    """Also if a version with a smaller burst came between, and if the window holds fewer."""
    speaker = Speaker(redis_url, lambda: 1_800_000_000.0)
    rules = [LimitSpec(kind="rule", rate=1.0, burst=burst) for burst in bursts]
    rules.append(LimitSpec(kind="rule", rate=requests / 3600, burst=requests, seconds=3600.0))
    for number, rule in enumerate(rules, 1):
        speaker.ask(number, burst=20, more={"rule": rule}, waiting=(0, 0 if number > 1 else 8, 0))
    state = msgspec.msgpack.decode(speaker.client.get(f"{KEYS[0]}|rule"))
    speaker.close()
    assert state["log"] == [1_800_000_000.0] * 8
