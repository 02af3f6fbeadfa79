"""The script inside Redis, spoken to directly: what it does with requests that come late, twice or never again."""

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
from spapi_async.ratelimit.shared._store import Feedback, LimitSpec
from spapi_async.ratelimit.shared.redis._script import limit_keys, parse_key

SLOW = make_operation(1 / 180, 5)


@pytest.fixture
def speaker(redis_url: str) -> Any:
    """Somebody who speaks to the script."""
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
    """A feedback is repeated until it is confirmed, and applied once."""
    news = [Feedback(seq=5, credit=2, hits=1, hit_at=time.time() + 5)]
    speaker.ask(1)
    first = speaker.ask(2, feedback=news, waiting=(0, 0, 0))
    second = speaker.ask(3, feedback=news, waiting=(0, 0, 0))
    assert (first.throttled, second.throttled) == (1, 1)
    assert (first.plan.admitted, second.plan.admitted) == (-1, -1)


def test_an_overtaken_request_is_not_carried_out(speaker: Speaker) -> None:
    """What lay in the socket of a paused Redis is ignored when a later request was answered before it."""
    level = speaker.ask(2).plan.level
    late = speaker.ask(1)
    assert late.stale
    assert not late.delays
    assert speaker.ask(3, waiting=(0, 0, 0)).plan.level == pytest.approx(level, abs=0.05)


def test_a_lease_leaves_room_for_its_tokens(speaker: Speaker) -> None:
    """A bucket does not refill while its tokens are lent: lent and refilled tokens could be spent together."""
    granted = speaker.ask(1, prefetch=5, waiting=(0, 0, 0), rate=1000, horizon=30)
    assert sum(leased for _, leased in granted.delays) == 5
    reply = speaker.ask(1, me="other", waiting=(0, 0, 0), rate=1000)
    assert reply.plan.level == pytest.approx(5, abs=0.1)


def test_used_tokens_of_a_lease_are_replaced_and_unused_ones_return(speaker: Speaker) -> None:
    """Two of five used and three given back: the bucket lacks two, and then fills."""
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


def test_a_429_ends_belief_in_tokens_that_were_not_there(speaker: Speaker) -> None:
    """A 429 at a level of eight means that the bucket is smaller than published, and empty."""
    speaker.ask(1)
    reply = speaker.ask(2, feedback=[Feedback(seq=1, hits=1, hit_at=time.time() + 5)], waiting=(0, 0, 0))
    assert reply.plan.burst < 10
    assert reply.plan.level <= 0.1


def test_a_token_is_kept_for_the_next_urgent_call(speaker: Speaker) -> None:
    """Once an urgent call was seen, others leave one token in the bucket, and the next urgent call gets it at once."""
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


def test_what_may_have_arrived_late_is_held_back_until_the_replies_tell(speaker: Speaker) -> None:
    """A burst that may be a second under way costs the refill of that second; when it was quick, it costs nothing."""
    speaker.ask(1, waiting=(0, 10, 0), rate=1.0, jitter=1.0)
    pessimistic = speaker.ask(2, waiting=(0, 0, 0), rate=1.0, jitter=1.0).plan.level
    answered = speaker.ask(3, waiting=(0, 0, 0), rate=1.0, jitter=1.0, clear=time.time() + 5, slowest=0.0).plan.level
    assert pessimistic == pytest.approx(answered - 1, abs=0.2)


def test_keys_of_one_call_share_a_slot_and_can_be_read_back() -> None:
    """All keys carry the same hash tag, whatever the application is called."""
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


def test_a_slow_bucket_is_remembered_until_it_is_full(speaker: Speaker, redis_server: RedisServer) -> None:
    """A bucket that fills in a day and is forgotten after an hour would be full again."""
    speaker.ask(1, rate=10 / 86_400, burst=10)
    assert int(redis_server.command("PTTL", KEYS[0])) > 86_400_000


def test_a_429_ends_what_was_held_back(speaker: Speaker) -> None:
    """The level is known again: nothing is there, and nothing of the refill is mistrusted any more."""
    speaker.ask(1, waiting=(0, 10, 0), rate=1.0, jitter=1.0)
    assert speaker.ask(2, waiting=(0, 0, 0), rate=1.0, jitter=1.0).plan.capacity <= 10
    news = [Feedback(seq=1, hits=1, hit_at=time.time() + 5)]
    reply = speaker.ask(3, waiting=(0, 0, 0), rate=1.0, jitter=1.0, feedback=news).plan
    assert reply.capacity == reply.burst


def test_tokens_of_a_memory_that_was_lost_are_not_credited(speaker: Speaker) -> None:
    """The bucket begins empty; what an earlier one had granted is not added to it."""
    reply = speaker.ask(1, known="another memory", waiting=(0, 0, 0), feedback=[Feedback(seq=1, credit=5)])
    assert reply.plan.level == pytest.approx(0, abs=0.05)


def test_a_rate_that_429s_had_lowered_comes_back_lowered(speaker: Speaker) -> None:
    """Though a process that knew the published rate alone came first."""
    speaker.ask(1, rate=0.5, burst=2)
    reply = speaker.ask(1, me="old", rate=0.5, burst=2, known="another memory", known_rate=0.75, known_announced=1.0)
    assert (reply.plan.announced, reply.plan.rate) == (1.0, 0.75)
    found = msgspec.msgpack.decode(speaker.client.get(KEYS[0]))
    assert not found["calm"]


@pytest.mark.parametrize(("ago", "crowded"), [(50, 1), (70, 0)])
def test_urgent_calls_are_remembered_for_a_minute(speaker: Speaker, ago: int, crowded: int) -> None:
    """So long a token is kept for the next, and nobody takes more than is needed."""
    speaker.ask(1, waiting=(1, 0, 0))
    state = msgspec.msgpack.decode(speaker.client.get(KEYS[0]))
    state["u"] -= ago
    speaker.client.set(KEYS[0], msgspec.msgpack.encode(state))
    assert speaker.ask(2, waiting=(0, 0, 0)).crowded == crowded


def test_the_applications_bucket_of_an_earlier_version_is_taken_over(speaker: Speaker) -> None:
    """It lay in the key that all sellers share: what was spent stays spent, what was learned stays learned."""
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
    """The burst that is believed in, as a process hears that takes this one for published."""
    return speaker.ask(n, rate=0.01, burst=published, me=f"of {published}", **changes).plan.burst


def test_what_a_429_taught_of_a_burst_holds_for_processes_that_differ(speaker: Speaker) -> None:
    """Two versions of a program, one of which believes in ten and one in four, or in three: none forgets four."""
    sold = speaker.ask(1, rate=0.01, burst=10, me="of 10", waiting=(0, 5, 0))
    assert len(sold.delays) == 5
    hit = [Feedback(seq=1, hits=1, hit_at=sold.now)]
    assert burst_of(speaker, 2, 10, waiting=(0, 0, 0), feedback=hit) == 4  # served
    for number, (published, believed) in enumerate([(7, 4), (10, 4), (4, 4), (10, 4), (3, 3), (20, 4)], 3):
        assert burst_of(speaker, number, published, waiting=(0, 0, 0)) == believed


@pytest.mark.parametrize("others", [10, 20])
def test_a_taught_burst_is_doubted_as_far_as_anybody_takes_for_published(speaker: Speaker, others: int) -> None:
    """It grows back under whichever process calls; what is regained is not taken for taught any more."""
    speaker.ask(1, rate=0.01, burst=others, me="other", waiting=(0, 0, 0))
    speaker.ask(1, rate=1e4, burst=10, waiting=(0, 0, 0))
    key = KEYS[0]
    state = msgspec.msgpack.decode(speaker.client.get(key))
    state.update(k=9, z=9, zt=9, calm=False, bn=99)
    speaker.client.set(key, msgspec.msgpack.encode(state))
    assert speaker.ask(2, rate=1e4, burst=10).plan.burst == 10
    assert speaker.ask(2, rate=0.01, burst=20, me="other", waiting=(0, 0, 0)).plan.burst == (20 if others == 10 else 10)


def test_a_burst_that_one_process_takes_for_whole_is_doubted_by_another(speaker: Speaker) -> None:
    """Five of five taught nothing more; to whom ten are published it grows back."""
    speaker.ask(1, rate=1e4, burst=5, waiting=(0, 0, 0))
    state = msgspec.msgpack.decode(speaker.client.get(KEYS[0]))
    state.update(zt=5, bm=10, calm=True, bn=99)
    speaker.client.set(KEYS[0], msgspec.msgpack.encode(state))
    assert speaker.ask(2, rate=1e4, burst=10).plan.burst == 6


@pytest.mark.parametrize(
    ("since", "left"), [(0.0, [-50.0, -10.0]), (-3000.0, [-50.0, -10.0]), (-3700.0, [-3000.0, -50.0, -10.0])]
)
def test_what_comes_back_to_a_window_is_its_oldest_entry(speaker: Speaker, since: float, left: list[float]) -> None:
    """Whichever was meant: what stays goes later than it might. An entry that has gone already does not come back."""
    more = {"rule": LimitSpec(kind="rule", rate=4 / 3600, burst=4, seconds=3600.0)}
    now = speaker.ask(1, more=more, waiting=(0, 0, 0)).now
    state = msgspec.msgpack.decode(speaker.client.get(f"{KEYS[0]}|rule"))
    state["log"] = [now - 3000.0, now - 50.0, now - 10.0]
    speaker.client.set(f"{KEYS[0]}|rule", msgspec.msgpack.encode(state))
    back = [Feedback(seq=1, credit=1, credit_at=now + since)]
    speaker.ask(2, more=more, waiting=(0, 0, 0), feedback=back)
    state = msgspec.msgpack.decode(speaker.client.get(f"{KEYS[0]}|rule"))
    assert [moment - now for moment in state["log"]] == pytest.approx(left, abs=0.001)
